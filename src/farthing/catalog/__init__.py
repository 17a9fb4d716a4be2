"""farthing.toml as a checked, frozen value."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, cast

from farthing.amounts import format_money, text, to_credits
from farthing.core.book import CreditType
from farthing.core.orders import MoneyBack
from farthing.core.payments import Asks
from farthing.core.plans import Plan
from farthing.core.pricing import Calculator, Package, PriceRule, Slab, bounds
from farthing.core.promos import PromoCode, canonical
from farthing.core.rates import RateCard, RateRow
from farthing.errors import (
    CatalogInvalid,
    PackageUnavailable,
    PromoCodeUnavailable,
    SwitchedOff,
    UnknownCreditType,
    UnknownOperation,
    UnknownPlan,
)

SWITCHED = {
    "selling": "Selling is",
    "gifts": "Gifts are",
    "plans": "Plans are",
    "promo_codes": "Promo codes are",
    "providers": "Paying through {} is",
}


class Gift(NamedTuple):
    """Credits every new account gets once. `amount` in smallest units; `expires` None is the credit type's default."""

    credit_type: str
    amount: int
    expires: str | None


class Catalog(NamedTuple):
    """Everything the seller says. `version` is a digest of what the file says, not of how it is laid out.

    `switches` say what is on, providers by names such as "providers.sandbox"; one it does not name is. `providers` says
    what their pages ask of customers. `packages` stand in the order in which
    they are shown. `warnings` say what is allowed and hardly meant. `document` is what the file said, as JSON.
    """

    version: str
    time_zone: str
    locale: str
    currency: str
    switches: dict[str, bool]
    providers: dict[str, Asks]
    credit_types: dict[str, CreditType]
    gifts: tuple[Gift, ...]
    packages: dict[str, Package]
    prices: dict[str, PriceRule]
    plans: dict[str, Plan]
    operations: dict[str, RateCard]
    promo_codes: dict[str, PromoCode]
    money_back: MoneyBack
    warnings: tuple[str, ...]
    document: str

    def require_on(self, switch: str) -> None:
        """Nothing, where `switch` is on: one of those by name, or "providers." and the name of a provider.

        Raises:
            SwitchedOff: it is off, for everyone.
        """
        table, _, provider = switch.rpartition(".")
        if not self.is_on(switch):
            raise SwitchedOff(
                f"{SWITCHED[table or switch].format(provider)} switched off. Nothing was changed. To switch it on, set "
                f"{provider or switch} = true under [{f'switches.{table}' if table else 'switches'}].",
                switch=switch,
            )

    def is_on(self, switch: str) -> bool:
        """Whether `switch` is on, by the names of `require_on`."""
        return self.switches.get(switch, True) if "." in switch else self.switches[switch]

    def asks(self, provider: str) -> Asks:
        """What the provider's page asks of customers."""
        return self.providers.get(provider, Asks())

    def credit_type(self, code: str) -> CreditType:
        """The credit type called `code`.

        Raises:
            UnknownCreditType: the catalog has none; the error names those it has.
        """
        found = self.credit_types.get(code) if isinstance(code, str) else None
        if found is None:
            raise UnknownCreditType(
                f"The catalog has no credit type {code!r}; it has {', '.join(self.credit_types) or 'none'}. "
                f"Nothing was changed. Add [credit_types.{code}] to farthing.toml, or correct the name.",
                credit_type=code,
            )
        return found

    def package(self, code: str) -> Package:
        """The package called `code`, on sale or not.

        Raises:
            PackageUnavailable: the catalog has none; the error names those it sells.
        """
        found = self.packages.get(code) if isinstance(code, str) else None
        if found is None:
            sold = ", ".join(package.code for package in self.packages.values() if not package.disabled)
            raise PackageUnavailable(
                f"The catalog has no package {code!r}; it sells {sold or 'none'}. Nothing was changed.", package=code
            )
        return found

    def promo_code(self, said: str) -> PromoCode:
        """The promo code that is written so, in whatever case; whether it counts now is not looked at.

        Raises:
            SwitchedOff: promo codes are switched off. PromoCodeUnavailable: the catalog has no such code.
        """
        self.require_on("promo_codes")
        code = canonical(said)
        if code not in self.promo_codes:
            raise PromoCodeUnavailable(
                f"There is no promo code {code}. Nothing was changed. Leave it out, or use another one.",
                promo_code=code,
            )
        return self.promo_codes[code]

    def plan(self, code: str) -> Plan:
        """The plan called `code`.

        Raises:
            UnknownPlan: the catalog has none; the error names those it has.
        """
        found = self.plans.get(code) if isinstance(code, str) else None
        if found is None:
            raise UnknownPlan(
                f"The catalog has no plan {code!r}; it has {', '.join(self.plans) or 'none'}. Nothing was changed. "
                f"Add [plans.{code}] to farthing.toml, or correct the name.",
                plan=code,
            )
        return found

    def operation(self, code: str) -> RateCard:
        """The rate card of the operation called `code`.

        Raises:
            UnknownOperation: the catalog has none; the error names those it has.
        """
        found = self.operations.get(code) if isinstance(code, str) else None
        if found is None:
            raise UnknownOperation(
                f"The catalog has no operation {code!r}; it has {', '.join(self.operations) or 'none'}. Nothing was "
                f"changed. Add [operations.{code}] to farthing.toml, or correct the name.",
                operation=code,
            )
        return found


def load(path: str | Path) -> Catalog:
    """The catalog in the file at `path`.

    Raises:
        CatalogInvalid: the file is missing, is not TOML, or has mistakes; `problems` lists them all with their paths.
    """
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise CatalogInvalid(f"There is no {path}. `farthing init` writes one.", problems=["it is missing"]) from None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or str(error)
        raise CatalogInvalid(f"{path} cannot be read: {why}.", problems=[why]) from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "farthing.toml") -> Catalog:
    """The catalog that `text` says.

    Raises:
        CatalogInvalid: it is not TOML or has mistakes.
    """
    import tomllib  # as pydantic, only needed while a file is read

    from farthing.catalog.file import read

    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise CatalogInvalid(f"{name} is not TOML: {error}.", problems=[str(error)]) from None
    return read(document, name=name, version=_version(document))


def as_kept(version: str, document: str) -> Catalog:
    """The catalog that a version kept in the database was.

    Raises:
        CatalogInvalid: it said something that this release of Farthing no longer takes.
    """
    from farthing.catalog import kept
    from farthing.catalog.file import read

    return read(kept.document(document), name=f"version {version}", version=version)


def describe(catalog: Catalog) -> list[tuple[str, str, str]]:
    """What the catalog sells and for how much, as people read it: ("starter", "100 + 10 images", "USD 9.90").

    A row for each package, then one for each slab: ("images", "101 or more images, volume", "USD 0.08 each"), and one
    for each calculator: ("video", "1 or more video, calculator", "USD by shop.pricing:video").
    """
    packages = [
        (package.code, _contents(package, catalog.credit_types[package.credit_type]), _terms(package))
        for package in catalog.packages.values()
    ]
    slabs = [
        (code, f"{slab_range(slab, catalog.credit_types[code])}, {rule.mode}", f"{currency} {text(slab.unit)} each")
        for code, rule in catalog.prices.items()
        for currency, slabs in rule.slabs.items()
        for slab in slabs
    ]
    calculated = [
        (code, f"{_counted(rule, catalog.credit_types[code])}, calculator", _asked(rule.calculator))
        for code, rule in catalog.prices.items()
        if rule.calculator
    ]
    return packages + slabs + calculated


def describe_rates(catalog: Catalog) -> list[tuple[str, str, str, str]]:
    """What operations cost, as people read it: ("chat", "model swift", "2 chat per 1000 input_tokens", "rounded up").

    A row for each rate and flat fee, in the order in which they are looked at.
    """
    return [
        (card.operation, calls(row), f"{price} {what}", _limits(card, catalog.credit_types[card.credit_type]))
        for card in catalog.operations.values()
        for row in card.rows
        for price, what in rate_prices(card, row)
    ]


def calls(row: RateRow) -> str:
    """The calls that rates are for, as people read it: "model deep or deep-2"."""
    return ", ".join(f"{name} {' or '.join(values)}" for name, values in row.when.items()) or "any"


def rate_prices(card: RateCard, row: RateRow) -> list[tuple[str, str]]:
    """Each price of the row, and what it is for: ("2 chat", "per 1000 input_tokens")."""
    flat = [(row.flat, "a call")] if row.flat or not row.measures else []
    rates = [(rate.price, f"per {rate.per} {name}") for name, rate in row.measures.items()]
    return [(f"{text(price)} {card.credit_type}", what) for price, what in flat + rates]


def _limits(card: RateCard, kind: CreditType) -> str:
    least = f", at least {text(to_credits(card.minimum, kind.scale))}" if card.minimum else ""
    return f"rounded {card.rounding.replace('_', ' ')}{least}"


def _contents(package: Package, kind: CreditType) -> str:
    parts = [text(to_credits(units, kind.scale)) for units in (package.credits, package.bonus) if units]
    return f"{' + '.join(parts)} {kind.code}"


def _terms(package: Package) -> str:
    prices = ", ".join(format_money(minor, currency) for currency, minor in package.prices.items())
    plans = f", only for {' or '.join(package.plans)}" if package.plans else ""
    return f"{prices}{plans}{', not sold now' if package.disabled else ''}"


def slab_range(slab: Slab, kind: CreditType) -> str:
    """Which amounts a slab prices: "10 to 490 images", "500 or more images"."""
    return _span(slab.start, slab.end, kind)


def _counted(rule: PriceRule, kind: CreditType) -> str:
    return _span(*bounds(rule, ()), kind)


def _span(start: int, end: int | None, kind: CreditType) -> str:
    shown = "or more" if end is None else f"to {text(to_credits(end, kind.scale))}"
    return f"{text(to_credits(start, kind.scale))} {shown} {kind.code}"


def _asked(calculator: Calculator) -> str:
    return f"{', '.join(calculator.currencies)} by {calculator.name}"


def _version(document: dict[str, Any]) -> str:
    return sha256(repr(_sorted(document)).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        table = cast(dict[str, Any], value)
        return [(name, _sorted(table[name])) for name in sorted(table)]
    return [_sorted(inner) for inner in cast(list[Any], value)] if isinstance(value, list) else value
