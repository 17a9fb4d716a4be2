"""What credits would cost now, by the catalog."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from farthing.amounts import LIMIT, Amount, Money, decimals_of, to_credits, to_units
from farthing.catalog import Catalog
from farthing.core import pricing
from farthing.core.plans import Plan
from farthing.core.pricing import Calculator, Quote, Terms
from farthing.core.promos import require_good
from farthing.errors import CalculatorFailed, InvalidField, NoPrice

__all__ = ["Quote", "quote"]


class Wish(NamedTuple):
    """What a caller wants to buy: a package, an amount of a credit type, or what a signed quote says.

    `plan` is as the caller says, or None.
    """

    package: str | None = None
    credit_type: str | None = None
    amount: Amount | None = None
    currency: str | None = None
    plan: str | None = None
    promo_code: str | None = None
    quote: str | None = None


class Buyer(NamedTuple):
    """Whom a price is for: an account, or anyone; and the plan it is priced for, where the catalog has that."""

    account: str | None = None
    plan: Plan | None = None


def named_plan(catalog: Catalog, code: str | None) -> Plan | None:
    """The plan that a caller names; None for none, and where the catalog leaves plans to the application.

    Raises:
        UnknownPlan: the catalog has plans, and none of this code.
    """
    return catalog.plan(code) if code is not None and catalog.plans else None


def quote(catalog: Catalog, wish: Wish, buyer: Buyer, now: datetime) -> Quote:
    """The price of what is wished, for this buyer, with its working in smallest units.

    Whether a promo code is used up is not looked at here.

    Raises:
        SwitchedOff: the catalog sells nothing now.
        AmountOutOfRange, NoPrice, PackageUnavailable, PlanRequired, TotalTooSmall: this is not sold like that.
        PromoCodeUnavailable, PromoCodeNotForThis: the promo code does not count.
        CalculatorFailed: the application's own calculator answered no price.
        Invalid: an argument is wrong as written.
    """
    catalog.require_on("selling")
    money = catalog.currency if wish.currency is None else wish.currency
    decimals_of(money)
    if wish.package is not None and wish.credit_type is None and wish.amount is None:
        return _package(catalog, wish.package, money, buyer, wish, now)
    if wish.package is None and wish.credit_type is not None and wish.amount is not None:
        return _amount(catalog, wish.credit_type, wish.amount, money, buyer, wish, now)
    raise InvalidField(
        "Ask for a credit type with an amount, or for a package alone. Nothing was changed.", field="package"
    )


def _package(catalog: Catalog, code: str, money: str, buyer: Buyer, wish: Wish, now: datetime) -> Quote:
    package = catalog.package(code)
    kind = catalog.credit_types[package.credit_type]
    terms = _terms(catalog, buyer, wish, kind.code, money, now)
    return pricing.quote_package(package, kind, money, plan=terms.plan, catalog_version=catalog.version, terms=terms)


def _amount(
    catalog: Catalog, credit_type: str, amount: Amount, money: str, buyer: Buyer, wish: Wish, now: datetime
) -> Quote:
    kind = catalog.credit_type(credit_type)
    rule = catalog.prices.get(kind.code)
    units = to_units(amount, kind.scale)
    if rule is None:
        raise NoPrice(
            f"The catalog sells {kind.code} only in packages, if at all. Nothing was changed.",
            currency=money,
            currencies=[],
        )
    terms = _terms(catalog, buyer, wish, kind.code, money, now)
    if rule.calculator is None:
        return pricing.quote_amount(rule, kind, units, money, catalog_version=catalog.version, terms=terms)
    pricing.require_sold(rule, kind, units, money)
    price = calculated(rule.calculator, to_credits(units, kind.scale), money, buyer)
    return pricing.quote_calculated(kind, units, price, catalog_version=catalog.version, terms=terms)


def calculated(calculator: Calculator, amount: Decimal, currency: str, buyer: Buyer) -> Money:
    """What the application's calculator says that `amount` credits cost.

    Raises:
        CalculatorFailed: it raised an error, or answered no price in this currency; the error carries its name.
    """
    try:
        price = calculator.function(amount, currency=currency, plan=buyer.plan, account=buyer.account)
    except Exception as error:
        raise _failed(calculator, f"raised {type(error).__name__}: {error}") from error
    if not isinstance(price, Money):
        raise _failed(calculator, f"answered {price!a:.100}, a {type(price).__name__}")
    if type(price.minor) is not int or not 0 <= price.minor < LIMIT:
        raise _failed(calculator, f"answered {price.minor!a:.100} minor units, and whole ones from 0 on are a price")
    if price.currency != currency:
        raise _failed(calculator, f"was asked for {currency} and answered {price.currency!a:.100}")
    return price


def _failed(calculator: Calculator, what: str) -> CalculatorFailed:
    return CalculatorFailed(
        f"The price calculator {calculator.name} {what}. Nothing was changed. Mend it: it answers whole minor units, "
        'such as Money(990, "USD").',
        calculator=calculator.name,
    )


def _terms(catalog: Catalog, buyer: Buyer, wish: Wish, credit_type: str, money: str, now: datetime) -> Terms:
    terms = Terms(wish.plan) if buyer.plan is None else Terms(buyer.plan.code, buyer.plan.discount)
    if wish.promo_code is None:
        return terms
    promo = catalog.promo_code(wish.promo_code)
    require_good(promo, package=wish.package, credit_type=credit_type, currency=money, now=now)
    return terms._replace(promo=promo)
