"""farthing.toml as a checked, frozen value."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, cast

from farthing.amounts import format_money, text, to_credits
from farthing.core.book import CreditType
from farthing.core.pricing import Package, PriceRule, Slab
from farthing.errors import CatalogInvalid, PackageUnavailable, UnknownCreditType


class Gift(NamedTuple):
    """Credits every new account gets once. `amount` in smallest units; `expires` None is the credit type's default."""

    credit_type: str
    amount: int
    expires: str | None


class Catalog(NamedTuple):
    """Everything the seller says. `version` is a digest of what the file says, not of how it is laid out.

    `packages` stand in the order in which they are shown. `warnings` say what is allowed and hardly meant.
    """

    version: str
    time_zone: str
    locale: str
    currency: str
    switches: dict[str, bool]
    credit_types: dict[str, CreditType]
    gifts: tuple[Gift, ...]
    packages: dict[str, Package]
    prices: dict[str, PriceRule]
    warnings: tuple[str, ...]

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
    from farthing.catalog.file import read  # pydantic is only needed while a file is read

    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise CatalogInvalid(f"{name} is not TOML: {error}.", problems=[str(error)]) from None
    return read(document, name=name, version=_version(document))


def describe(catalog: Catalog) -> list[tuple[str, str, str]]:
    """What the catalog sells and for how much, as people read it: ("starter", "100 + 10 images", "USD 9.90").

    A row for each package, then one for each slab: ("images", "101 or more images, volume", "USD 0.08 each").
    """
    packages = [
        (package.code, _contents(package, catalog.credit_types[package.credit_type]), _terms(package))
        for package in catalog.packages.values()
    ]
    slabs = [
        (code, f"{_range(slab, catalog.credit_types[code])}, {rule.mode}", f"{currency} {text(slab.unit)} each")
        for code, rule in catalog.prices.items()
        for currency, slabs in rule.slabs.items()
        for slab in slabs
    ]
    return packages + slabs


def _contents(package: Package, kind: CreditType) -> str:
    parts = [text(to_credits(units, kind.scale)) for units in (package.credits, package.bonus) if units]
    return f"{' + '.join(parts)} {kind.code}"


def _terms(package: Package) -> str:
    prices = ", ".join(format_money(minor, currency) for currency, minor in package.prices.items())
    plans = f", only for {' or '.join(package.plans)}" if package.plans else ""
    return f"{prices}{plans}{', not sold now' if package.disabled else ''}"


def _range(slab: Slab, kind: CreditType) -> str:
    start = text(to_credits(slab.start, kind.scale))
    end = "or more" if slab.end is None else f"to {text(to_credits(slab.end, kind.scale))}"
    return f"{start} {end} {kind.code}"


def _version(document: dict[str, Any]) -> str:
    return sha256(repr(_sorted(document)).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        table = cast(dict[str, Any], value)
        return [(name, _sorted(table[name])) for name in sorted(table)]
    return [_sorted(inner) for inner in cast(list[Any], value)] if isinstance(value, list) else value
