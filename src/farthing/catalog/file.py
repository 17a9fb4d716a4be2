"""A parsed farthing.toml as a Catalog, or every mistake in it at once."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from decimal import Decimal
from itertools import takewhile
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from farthing.amounts import minor_units, to_units
from farthing.catalog import Catalog, Gift
from farthing.catalog.schema import (
    CreditTypeSection,
    Document,
    GiftSection,
    PackageSection,
    PriceSection,
    SlabSection,
    without_assurance,
)
from farthing.core import slabs
from farthing.core.book import CreditType
from farthing.core.calendar import EPOCH, after, span
from farthing.core.pricing import Package, PriceRule, Slab
from farthing.core.words import Words
from farthing.errors import CatalogInvalid, Invalid

_KINDS = {
    "extra_forbidden": "there is no such setting",
    "missing": "it is missing",
    "string_type": "write a text in quotes",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false, without quotes",
    "dict_type": 'write a table, such as [packages.starter] or {USD = "9.90"}',
    "model_type": 'write a table, such as [packages.starter] or {USD = "9.90"}',
    "list_type": 'write a list, such as ["pro"]',
    "too_short": "there must be at least one",
    "string_too_short": "it is empty",
    "string_pattern_mismatch": "write a code: small letters, digits and _, a letter first, at most 32 in all",
}

_STAND_INS = {
    "name": "?", "scale": 6, "amount": 1, "credit_type": "", "credits": 1, "price": {"USD": 1}, "mode": "volume"
}  # fmt: skip


def read(document: dict[str, Any], *, name: str, version: str) -> Catalog:
    """The catalog that a parsed file says.

    Raises:
        CatalogInvalid: with every problem, each as "path: what is wrong"; lists count from 1.
    """
    file, problems = _validated(document)
    if file is None:
        raise _invalid(name, problems)
    reading = _Reading(file, [*document["credit_types"]], problems)
    types = reading.credit_types
    gifts = [reading.gift(code, section) for code, section in file.gifts.items()]
    packages = [reading.package(code, section) for code, section in file.packages.items()]
    prices = [reading.price(code, section) for code, section in file.prices.items()]
    if problems:
        raise _invalid(name, problems)
    return Catalog(
        version=version,
        time_zone=file.time_zone,
        locale=file.locale,
        currency=file.currency,
        switches=file.switches.model_dump(),
        credit_types=types,
        gifts=tuple(gift for gift in gifts if gift),
        packages={p.code: p for p in sorted(filter(None, packages), key=lambda package: package.sort)},
        prices={rule.credit_type: rule for rule in prices if rule},
        warnings=tuple(reading.warnings),
    )


class _Reading:
    """The sections of one file on their way to what they mean; what is wrong is noted and answered with None or 0."""

    def __init__(self, file: Document, known: list[str], problems: list[str]) -> None:
        self.locale = file.locale
        self.currency = file.currency
        self.known = known
        self.problems = problems
        self.warnings: list[str] = []
        self.credit_types = {code: self._credit_type(code, section) for code, section in file.credit_types.items()}

    def gift(self, code: str, section: GiftSection) -> Gift | None:
        kind = self._kind(f"gifts.{code}", code)
        if kind is None:
            return None
        return Gift(code, self._units(f"gifts.{code}.amount", section.amount, kind), section.expires)

    def package(self, code: str, section: PackageSection) -> Package | None:
        path = f"packages.{code}"
        kind = self._kind(f"{path}.credit_type", section.credit_type)
        prices = {
            currency: self._minor(f"{path}.price.{currency}", price, currency)
            for currency, price in section.price.items()
        }
        self._doubt_currency(f"{path}.price", prices)
        name = self._words(f"{path}.name", section.name) or Words(code.replace("_", " ").capitalize())
        description = self._words(f"{path}.description", section.description)
        if kind is None:
            return None
        credits = self._units(f"{path}.credits", section.credits, kind)
        bonus = self._units(f"{path}.bonus", section.bonus, kind) if section.bonus else 0
        return Package(
            code, kind.code, credits, bonus, prices, name, description, section.popular, section.disabled,
            section.expires, section.sort, tuple(section.plans),
        )  # fmt: skip

    def price(self, code: str, section: PriceSection) -> PriceRule | None:
        path = f"prices.{code}"
        kind = self._kind(path, code)
        if kind is None:
            return None
        before = len(self.problems)
        least, most, step = (
            None if limit is None else self._units(f"{path}.{name}", limit, kind)
            for name, limit in (("min", section.min), ("max", section.max), ("step", section.step))
        )
        ranges = {
            currency: tuple(self._slab(f"{path}.slabs.{currency}.{n}", slab, kind) for n, slab in enumerate(given, 1))
            for currency, given in section.slabs.items()
        }
        if len(self.problems) > before:
            return None
        ordered = {currency: tuple(sorted(given)) for currency, given in ranges.items()}
        rule = PriceRule(code, section.mode, ordered, least, most, step or 1)
        self._judge(path, rule, kind)
        return rule

    def _judge(self, path: str, rule: PriceRule, kind: CreditType) -> None:
        wrong = [f"{path}: {fault}" for fault in slabs.limit_faults(rule, kind)]
        for currency in rule.slabs:
            wrong += [f"{path}.slabs.{currency}: {fault}" for fault in slabs.faults(rule, kind, currency)]
        self.problems += wrong
        self._doubt_currency(f"{path}.slabs", rule.slabs)
        for currency in () if wrong else rule.slabs:
            doubts = slabs.doubts(rule, kind, currency)
            self.warnings += [f"{path}.slabs.{currency}: {doubt}" for doubt in doubts]

    def _doubt_currency(self, path: str, prices: Mapping[str, object]) -> None:
        if self.currency not in prices:
            self.warnings.append(
                f"{path}: it is not sold in {self.currency}, the catalog's currency; whoever names none is refused"
            )

    def _slab(self, path: str, section: SlabSection, kind: CreditType) -> Slab:
        end = None if section.end is None else self._units(f"{path}.to", section.end, kind)
        return Slab(self._units(f"{path}.from", section.start, kind), end, section.unit)

    def _credit_type(self, code: str, section: CreditTypeSection) -> CreditType:
        path = f"credit_types.{code}"
        name = self._words(f"{path}.name", section.name) or Words(code)
        expires = None if section.expires == "never" else section.expires
        longest = None if section.max_hold == "never" else section.max_hold
        kind = CreditType(
            code, name, section.scale, expires,
            hold=section.hold, max_hold=longest, capture_more=section.capture_more,
            reversal=section.reversal, grace=section.grace,
        )  # fmt: skip
        if longest and after(EPOCH, span(section.hold)) > after(EPOCH, span(longest)):
            self.problems.append(f"{path}.hold: {section.hold} is longer than max_hold, {longest}")
        overdraft = self._units(f"{path}.overdraft", section.overdraft, kind) if section.overdraft else 0
        return kind._replace(overdraft_limit=overdraft)

    def _kind(self, path: str, code: str) -> CreditType | None:
        if code and code not in self.known:
            self.problems.append(f"{path}: there is no credit type {code!r}; there is {', '.join(self.known)}")
        return self.credit_types.get(code)

    def _units(self, path: str, amount: Decimal, kind: CreditType) -> int:
        try:
            return to_units(amount, kind.scale, name="the value")
        except Invalid as error:
            self.problems.append(f"{path}: {without_assurance(error)}")
            return 0

    def _minor(self, path: str, price: Decimal, currency: str) -> int:
        try:
            return minor_units(price, currency, name="the value")
        except Invalid as error:
            self.problems.append(f"{path}: {without_assurance(error)}")
            return 0

    def _words(self, path: str, said: dict[str, str] | None) -> Words | None:
        if said is None:
            return None
        own = said.get(self.locale, said.get(""))
        if own is None:
            self.problems.append(f'{path}: it lacks the catalog\'s own language; add {self.locale} = "…"')
            return None
        return Words(own, {language: text for language, text in said.items() if language})


def _validated(document: dict[str, Any]) -> tuple[Document | None, list[str]]:
    """The file as far as its parts are of the right kind, and what is wrong with the others.

    What is wrong is noted and left out, so that all the rest can be looked at as well: the answer is no catalog, then.
    """
    rest = deepcopy(document)
    problems: list[str] = []
    while True:
        try:
            return Document.model_validate(rest), problems
        except ValidationError as error:
            wrong = error.errors()
            problems = problems or [f"{_path(problem['loc'])}: {_sentence(problem)}" for problem in wrong]
            if not sum(_left_out(rest, problem) for problem in wrong):
                return None, problems


def _left_out(rest: dict[str, Any], problem: ErrorDetails) -> bool:
    """Takes a wrong value out; where there must be one, something harmless stands in for it. A list goes as a whole."""
    loc = [str(part) for part in takewhile(lambda part: isinstance(part, str) and part != "[key]", problem["loc"])]
    stand_in = _STAND_INS.get(loc[-1]) if len(loc) == 3 else None
    if problem["type"] == "missing" and stand_in is None and len(loc) == len(problem["loc"]):
        loc.pop()
    if not loc:
        return False
    section = rest
    for part in loc[:-1]:
        section = section.get(part, {})
    before = section.pop(loc[-1], None)
    if stand_in is not None:
        section[loc[-1]] = stand_in
    return before != stand_in


def _invalid(name: str, problems: list[str]) -> CatalogInvalid:
    listed = "\n".join(f"  {problem}" for problem in problems)
    return CatalogInvalid(f"{name} has {len(problems)} mistake(s):\n{listed}", problems=problems)


def _path(loc: tuple[int | str, ...]) -> str:
    parts = (str(part + 1) if isinstance(part, int) else part for part in loc if part != "[key]")
    return ".".join(part for part in parts if part) or "the file"


def _sentence(problem: ErrorDetails) -> str:
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "literal_error":
            return f"write {limits['expected'].replace(chr(39), chr(34))}, not {problem['input']!r}"
        case "greater_than":
            return f"it must be more than {limits['gt']}"
        case "greater_than_equal":
            return f"it must be {limits['ge']} or more"
        case "less_than_equal":
            return f"it must be {limits['le']} or less"
        case "string_too_long":
            return f"it has more than {limits['max_length']} letters"
        case kind:
            return _KINDS.get(kind) or problem["msg"].removeprefix("Value error, ")
