"""A parsed farthing.toml as a Catalog, or every mistake in it at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from farthing.amounts import minor_units, to_units
from farthing.catalog import Catalog, Gift
from farthing.catalog.importing import imported
from farthing.catalog.kept import written
from farthing.catalog.nearest import did_you_mean, listed
from farthing.catalog.schema import (
    CODE,
    AllotmentSection,
    CreditTypeSection,
    Document,
    GiftSection,
    OperationSection,
    PackageSection,
    PlanSection,
    PriceSection,
    PromoCodeSection,
    SlabSection,
    settings_of,
    without_assurance,
)
from farthing.core import rates, slabs
from farthing.core.book import CreditType
from farthing.core.calendar import EPOCH, after, span
from farthing.core.orders import MoneyBack
from farthing.core.payments import Asks
from farthing.core.plans import Allotment, Plan, divided
from farthing.core.pricing import Calculator, Package, PriceRule, Slab
from farthing.core.promos import CODE as PROMO_CODE
from farthing.core.promos import PromoCode
from farthing.core.rates import RateCard, RateRow
from farthing.core.words import Words
from farthing.errors import CatalogInvalid, Invalid

_KINDS = {
    "missing": "it is missing",
    "string_type": "write a text in quotes",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false, without quotes",
    "dict_type": 'write a table, such as [packages.starter] or {USD = "9.90"}',
    "model_type": 'write a table, such as [packages.starter] or {USD = "9.90"}',
    "list_type": 'write a list, such as ["pro"]',
    "too_short": "there must be at least one",
    "string_too_short": "it is empty",
}

_STAND_INS = {
    "name": "?", "scale": 6, "amount": 1, "credit_type": "", "credits": 1, "price": {"USD": 1}, "mode": "volume",
    "rates": [{"flat": 1}],
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
    plans = [reading.plan(code, section) for code, section in file.plans.items()]
    operations = [reading.operation(code, section) for code, section in file.operations.items()]
    promos = [reading.promo(code, section) for code, section in file.promo_codes.items()]
    if problems:
        raise _invalid(name, problems)
    return Catalog(
        version=version,
        time_zone=file.time_zone,
        locale=file.locale,
        currency=file.currency,
        switches=file.switches.model_dump(exclude={"providers"})
        | {f"providers.{name}": on for name, on in file.switches.providers.items()},
        providers={name: Asks(**section.model_dump()) for name, section in file.providers.items()},
        credit_types=types,
        gifts=tuple(gift for gift in gifts if gift),
        packages={p.code: p for p in sorted(filter(None, packages), key=lambda package: package.sort)},
        prices={rule.credit_type: rule for rule in prices if rule},
        plans={plan.code: plan for plan in plans},
        operations={card.operation: card for card in operations},
        promo_codes={promo.code: promo for promo in promos if promo},
        money_back=MoneyBack(file.money_back.refunds, file.money_back.disputes),
        warnings=tuple(reading.warnings),
        document=written(document),
    )


class _Reading:
    """The sections of one file on their way to what they mean; what is wrong is noted and answered with None or 0."""

    def __init__(self, file: Document, known: list[str], problems: list[str]) -> None:
        self.locale = file.locale
        self.currency = file.currency
        self.known = known
        self.known_plans = [*file.plans]
        self.known_packages = [*file.packages]
        self.time_zone = file.time_zone
        self._promos: dict[str, str] = {}
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
        for plan in section.plans:
            if self.known_plans and plan not in self.known_plans:
                self._unknown(f"{path}.plans", "plan", plan, self.known_plans)
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
        if section.calculator is not None:
            return self._calculated(path, section, PriceRule(code, "calculator", {}, least, most, step or 1), kind)
        if not any(problem.startswith(f"{path}.") for problem in self.problems):
            lacking = [name for name in ("mode", "slabs") if not getattr(section, name)]
            self.problems += [f"{path}.{name}: it is missing" for name in lacking]
        if section.currencies:
            self.problems.append(f"{path}.currencies: the slabs say in which currencies there is a price")
        ranges = {
            currency: tuple(self._slab(f"{path}.slabs.{currency}.{n}", slab, kind) for n, slab in enumerate(given, 1))
            for currency, given in (section.slabs or {}).items()
        }
        if section.mode is None or not ranges or len(self.problems) > before:
            return None
        ordered = {currency: tuple(sorted(given)) for currency, given in ranges.items()}
        rule = PriceRule(code, section.mode, ordered, least, most, step or 1)
        self._judge(path, rule, kind)
        return rule

    def _calculated(self, path: str, section: PriceSection, rule: PriceRule, kind: CreditType) -> PriceRule | None:
        """The rule with its calculator, which is imported here and not only when somebody asks for a price."""
        for name in ("mode", "slabs"):
            if getattr(section, name):
                self.problems.append(f"{path}.{name}: there is a calculator already; keep one of the two")
        self.problems += [f"{path}: {fault}" for fault in slabs.limit_faults(rule, kind)]
        if rule.maximum is not None and (rule.minimum or rule.step) > rule.maximum:
            self.problems.append(f"{path}: nothing can be sold: min is more than max")
        currencies = tuple(dict.fromkeys(section.currencies)) or (self.currency,)
        self._doubt_currency(f"{path}.currencies", dict.fromkeys(currencies))
        try:
            function = imported(section.calculator or "")
        except ValueError as error:
            self.problems.append(f"{path}.calculator: {error}")
            return None
        return rule._replace(calculator=Calculator(section.calculator or "", function, currencies))

    def plan(self, code: str, section: PlanSection) -> Plan:
        path = f"plans.{code}"
        if section.drip and not divided(span(section.every), span(section.drip)):
            self.problems.append(f"{path}.drip: {section.drip} does not divide {section.every} into equal parts")
        trial = section.trial
        trial_credits = self._by_type(f"{path}.trial.credits", trial.credits) if trial else {}
        prices = {
            currency: self._minor(f"{path}.price.{currency}", price, currency) if price else 0
            for currency, price in section.price.items()
        }
        allotments = {
            kind: allotment
            for kind, given in section.credits.items()
            if (allotment := self._allotment(f"{path}.credits.{kind}", kind, given))
        }
        return Plan(
            code, self._words(f"{path}.name", section.name) or Words(code.replace("_", " ").capitalize()),
            section.every, allotments, self._words(f"{path}.description", section.description), section.drip,
            section.driver, section.rank, trial.length if trial else None, trial_credits, section.upgrade,
            section.unused, section.frozen, prices, section.discount, section.attributes,
        )  # fmt: skip

    def operation(self, code: str, section: OperationSection) -> RateCard:
        path = f"operations.{code}"
        kind = self._kind(f"{path}.credit_type", section.credit_type)
        minimum = self._units(f"{path}.minimum", section.minimum, kind) if kind and section.minimum else 0
        rows = tuple(RateRow(row.when, row.measures, row.flat) for row in section.rates)
        card = RateCard(code, section.credit_type, tuple(section.dimensions), rows, minimum, section.rounding)
        if not any(problem.startswith(f"{path}.dimensions") for problem in self.problems):
            self.problems += [f"{path}.{setting}: {wrong}" for setting, wrong in rates.faults(card)]
        self.warnings += [f"{path}.{setting}: {doubt}" for setting, doubt in rates.doubts(card)]
        return card

    def promo(self, said: str, section: PromoCodeSection) -> PromoCode | None:
        path, before = f"promo_codes.{said}", len(self.problems)
        if not PROMO_CODE.fullmatch(said):
            self.problems.append(f"{path}: write a code: letters, digits, - and _, 2 to 32 in all")
        code = said.upper()
        if code in self._promos:
            self.problems.append(f"{path}: it is {self._promos[code]} again; codes are compared without case")
        self._promos.setdefault(code, said)
        if sum(map(bool, (section.percent, section.amount, section.bonus))) != 1:
            self._problem_alone(path, "write one of percent, amount and bonus")
        amounts = {
            currency: self._minor(f"{path}.amount.{currency}", amount, currency)
            for currency, amount in section.amount.items()
        }
        bonus = self._by_type(f"{path}.bonus", section.bonus)
        for package in section.packages:
            if package not in self.known_packages:
                self.problems.append(f"{path}.packages: there is no package {package!r}")
        for credit_type in section.credit_types:
            self._kind(f"{path}.credit_types", credit_type)
        starts, ends = self._day(section.starts), self._day(section.ends, 1)
        if starts and ends and starts >= ends:
            self.problems.append(f"{path}.until: it ends before it begins")
        if len(self.problems) > before:
            return None
        return PromoCode(
            code, section.percent or Decimal(0), amounts, bonus, section.uses, section.uses_per_account, starts, ends,
            tuple(section.packages), tuple(section.credit_types), section.disabled,
        )  # fmt: skip

    def _problem_alone(self, path: str, said: str) -> None:
        """Notes what is wrong with a section, unless it follows from what is wrong in it."""
        if not any(problem.startswith(f"{path}.") for problem in self.problems):
            self.problems.append(f"{path}: {said}")

    def _day(self, said: date | None, later: int = 0) -> datetime | None:
        """An instant as written; of a day its beginning in the catalog's time zone, or so many days later."""
        if said is None:
            return None
        if isinstance(said, datetime):
            return (said if said.tzinfo else said.replace(tzinfo=ZoneInfo(self.time_zone))).astimezone(UTC)
        day = datetime.combine(said, time(), ZoneInfo(self.time_zone)) + timedelta(days=later)
        return day.astimezone(UTC)

    def _by_type(self, path: str, given: Mapping[str, Decimal]) -> dict[str, int]:
        kinds = {code: self._kind(f"{path}.{code}", code) for code in given}
        return {code: self._units(f"{path}.{code}", given[code], kind) for code, kind in kinds.items() if kind}

    def _allotment(self, path: str, code: str, section: AllotmentSection) -> Allotment | None:
        kind = self._kind(path, code)
        if section.renewal == "reset" and section.expires is not None:
            self.problems.append(f'{path}.expires: with renewal = "reset" the credits end with their cycle')
        if (section.renewal == "rollover") != (section.cap is not None):
            self.problems.append(f'{path}.cap: renewal = "rollover" needs it, and nothing else has it')
        if kind is None:
            return None
        cap = self._units(f"{path}.cap", section.cap, kind) if section.cap else 0
        return Allotment(
            code, self._units(f"{path}.amount", section.amount, kind), section.renewal, section.expires, cap
        )

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
            reversal=section.reversal, grace=section.grace, expiring=section.expiring,
        )  # fmt: skip
        if longest and after(EPOCH, span(section.hold)) > after(EPOCH, span(longest)):
            self.problems.append(f"{path}.hold: {section.hold} is longer than max_hold, {longest}")
        overdraft = self._units(f"{path}.overdraft", section.overdraft, kind) if section.overdraft else 0
        low = None if section.low is None else self._units(f"{path}.low", section.low, kind)
        return kind._replace(overdraft_limit=overdraft, low=low)

    def _kind(self, path: str, code: str) -> CreditType | None:
        if code and code not in self.known:
            self._unknown(path, "credit type", code, self.known)
        return self.credit_types.get(code)

    def _unknown(self, path: str, what: str, said: str, known: list[str]) -> None:
        near = did_you_mean(said, known)
        self.problems.append(f"{path}: there is no {what} {said!r}; there is {listed(known)}{near}")

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
        case "extra_forbidden":
            return _no_such_setting(problem["loc"])
        case "string_pattern_mismatch":
            said = str(problem["input"])
            near = re.sub(r"[^a-z0-9_]+", "_", said.casefold()).strip("_")
            meant = f", such as {near}" if re.match(CODE, near) else ""
            return f"write a code: small letters, digits and _, a letter first, at most 32 in all{meant}"
        case "literal_error":
            words = re.findall(r"'([^']*)'", limits["expected"])
            expected = limits["expected"].replace(chr(39), chr(34))
            return f"write {expected}, not {problem['input']!r}{did_you_mean(problem['input'], words)}"
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


def _no_such_setting(loc: tuple[int | str, ...]) -> str:
    there = settings_of(loc[:-1])
    return f"there is no such setting{did_you_mean(loc[-1], there) or f'; there is {listed(there)}'}"
