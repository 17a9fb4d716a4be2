"""What credits would cost now, by the catalog."""

from __future__ import annotations

from farthing.amounts import Amount, decimals_of, to_units
from farthing.catalog import Catalog
from farthing.core import pricing
from farthing.core.pricing import Quote
from farthing.errors import InvalidField, NoPrice, SwitchedOff

__all__ = ["Quote", "quote"]


def quote(
    catalog: Catalog,
    *,
    credit_type: str | None = None,
    amount: Amount | None = None,
    package: str | None = None,
    currency: str | None = None,
    plan: str | None = None,
) -> Quote:
    """The price of `amount` credits of `credit_type`, or of one `package`, with its working in smallest units.

    Args:
        amount: more than zero, in credits, with at most the type's decimals.
        currency: ISO 4217 code; None is the catalog's. plan: what the buyer subscribes to; None is nothing.
    Raises:
        SwitchedOff: the catalog sells nothing now.
        AmountOutOfRange, NoPrice, PackageUnavailable, PlanRequired, TotalTooSmall: this is not sold like that.
        Invalid: an argument is wrong as written.
    """
    if not catalog.switches["selling"]:
        raise SwitchedOff(
            "Selling is switched off. Nothing was changed. To sell, set selling = true under [switches].",
            switch="selling",
        )
    money = catalog.currency if currency is None else currency
    decimals_of(money)
    if package is not None and credit_type is None and amount is None:
        offered = catalog.package(package)
        kind = catalog.credit_types[offered.credit_type]
        return pricing.quote_package(offered, kind, money, plan=plan, catalog_version=catalog.version)
    if package is None and credit_type is not None and amount is not None:
        kind = catalog.credit_type(credit_type)
        rule = catalog.prices.get(kind.code)
        units = to_units(amount, kind.scale)
        if rule is None:
            raise NoPrice(
                f"The catalog sells {kind.code} only in packages, if at all. Nothing was changed.",
                currency=money,
                currencies=[],
            )
        return pricing.quote_amount(rule, kind, units, money, catalog_version=catalog.version)
    raise InvalidField(
        "Ask for a credit type with an amount, or for a package alone. Nothing was changed.", field="package"
    )
