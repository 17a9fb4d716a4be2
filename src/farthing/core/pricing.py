"""What credits cost: slabs, packages and the quote that shows its working.

Credits are whole numbers of the credit type's smallest unit, as everywhere in core. A unit price is an exact decimal in
major units of the currency ("0.10" of USD) for one whole credit, whatever the type's scale. From the price comes
off what the buyer's plan takes off, then what one promo code takes off. Nothing is rounded but the total, once, half
up, to the currency's minor unit; the working says by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from farthing.amounts import (
    EXACT,
    LIMIT,
    Money,
    decimals_of,
    format_money,
    round_half_up,
    text,
    to_credits,
    to_major,
)
from farthing.core.book import CreditType
from farthing.core.promos import PromoCode, PromoUse, percent_of, taken_off, use_of
from farthing.core.words import Words
from farthing.errors import AmountOutOfRange, NoPrice, PackageUnavailable, PlanRequired, TotalTooSmall

Mode = Literal["volume", "graduated", "calculator"]
SHOWN_DECIMALS = 12


class Slab(NamedTuple):
    """One price for amounts from `start` to `end`, both inclusive; `end` None has no upper end."""

    start: int
    end: int | None
    unit: Decimal


class Calculator(NamedTuple):
    """The application's own function for a price: `(amount, *, currency, plan, account) -> Money`.

    It is told the amount in credits, the plan or None, and the account's id or None, and asked in `currencies` only.
    `name` is what the catalog calls it.
    """

    name: str
    function: Callable[..., Any]
    currencies: tuple[str, ...]


class PriceRule(NamedTuple):
    """How any amount of one credit type is priced.

    `volume` prices the whole amount at the slab it falls in, `graduated` each part at its slab; there the first slab
    also prices what lies below its start. Only multiples of `step` are sold, and a slab starts one step after the one
    before it ends. `minimum` None is the start of the currency's first slab, `maximum` None the end of its last.
    `calculator` asks the calculator and has no slabs: there the least is a step, and there is no most.
    """

    credit_type: str
    mode: Mode
    slabs: dict[str, tuple[Slab, ...]]
    minimum: int | None = None
    maximum: int | None = None
    step: int = 1
    calculator: Calculator | None = None

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those in which it has a price."""
        return self.calculator.currencies if self.calculator else tuple(self.slabs)


class Package(NamedTuple):
    """A fixed number of credits at a fixed price, in whole minor units for each currency.

    `expires` is the life of its lots: a duration, "never", or None for the credit type's default. With `plans`, only
    their subscribers may buy it.
    """

    code: str
    credit_type: str
    credits: int
    bonus: int
    prices: dict[str, int]
    name: Words
    description: Words | None = None
    popular: bool = False
    disabled: bool = False
    expires: str | None = None
    sort: int = 0
    plans: tuple[str, ...] = ()


class Terms(NamedTuple):
    """What a buyer gets off: `discount` percent by the plan, and then what one promo code takes off."""

    plan: str | None = None
    discount: Decimal = Decimal(0)
    promo: PromoCode | None = None


LIST_PRICE = Terms()


class QuoteLine(NamedTuple):
    """One line of the working; the totals of all lines are exact and add up to the total of the quote.

    `slab`: `amount` credits at `unit` each, by the slab from `start` to `end` (None: no upper end). `package` and
    `calculator`: `amount` credits and no unit. `discount` and `promo`: what the plan and the promo code take off, below
    zero. `rounding`: nothing but what rounding added or took off.
    """

    kind: Literal["slab", "package", "calculator", "discount", "promo", "rounding"]
    start: int | None
    end: int | None
    amount: int | None
    unit: Decimal | None
    total: Decimal


class NextSlab(NamedTuple):
    """What the next slab would give: `amount` is the least that reaches it, at `unit` for a credit, for `total_minor`.

    `saved_minor` is what that amount would cost more if the price of the slab before went on. `more_minor` is what it
    costs more than the amount that is quoted; below zero, it costs so much less. All but `unit` is after discounts.
    """

    amount: int
    unit: Decimal
    total_minor: int
    saved_minor: int
    more_minor: int


class Quote(NamedTuple):
    """What credits cost, with the working. Money is whole minor units of `currency`.

    `amount` credits are paid for and `bonus` credits come on top, and so do those of a promo code. `subtotal_minor` is
    the price before discounts, rounded for showing; `discount_minor` is what the total is less than that. `unit_price`
    is what one credit of them all costs, in major units and before rounding: exact where 12 decimals can say it, else
    the nearest such decimal; only for showing. `expires` is how long the credits last from fulfilment on: a duration or
    "never". `plan` is the plan that it was priced for.
    """

    credit_type: str
    amount: int
    bonus: int
    currency: str
    subtotal_minor: int
    discount_minor: int
    total_minor: int
    unit_price: Decimal
    lines: tuple[QuoteLine, ...]
    package: str | None
    expires: str
    catalog_version: str
    next_slab: NextSlab | None
    plan: str | None = None
    promo: PromoUse | None = None


def quote_amount(
    rule: PriceRule, kind: CreditType, amount: int, currency: str, *, catalog_version: str, terms: Terms = LIST_PRICE
) -> Quote:
    """What `amount` smallest units of `kind` cost by `rule`, on the buyer's `terms`.

    Raises:
        NoPrice: the rule has no slabs in this currency.
        AmountOutOfRange: below the minimum, above the maximum, off the step, or too dear to be counted.
        TotalTooSmall: the total rounds to nothing.
    """
    require_sold(rule, kind, amount, currency)
    slabs = rule.slabs[currency]
    working = _working(rule.mode, slabs, kind.scale, amount)
    if to_minor(_sum(working), currency) >= LIMIT:
        raise _out_of_range(rule, slabs, kind, amount, "costs more than 15 digits of money can say")
    quote = _on_terms(terms, working, kind, amount, 0, currency, None, kind.life, catalog_version)
    return quote._replace(next_slab=_next_slab(rule, slabs, kind.scale, quote, terms))


def quote_calculated(
    kind: CreditType, amount: int, price: Money, *, catalog_version: str, terms: Terms = LIST_PRICE
) -> Quote:
    """What `amount` smallest units of `kind` cost where a calculator said `price`, on the buyer's `terms`.

    Raises:
        TotalTooSmall: the price is nothing, or what the discounts leave rounds to nothing.
    """
    line = QuoteLine("calculator", None, None, amount, None, to_major(*price))
    return _on_terms(terms, [line], kind, amount, 0, price.currency, None, kind.life, catalog_version)


def quote_package(
    package: Package,
    kind: CreditType,
    currency: str,
    *,
    plan: str | None = None,
    catalog_version: str,
    terms: Terms = LIST_PRICE,
) -> Quote:
    """What `package` costs for a subscriber of `plan` (None: of nothing), on the buyer's `terms`.

    Raises:
        PackageUnavailable: it is not sold now. PlanRequired: it is for subscribers of other plans.
        NoPrice: it has no price in this currency. TotalTooSmall: what the discounts leave rounds to nothing.
    """
    if package.disabled:
        raise PackageUnavailable(
            f"The package {package.code!r} is not sold now. Nothing was changed. Choose another one.",
            package=package.code,
        )
    if package.plans and plan not in package.plans:
        raise PlanRequired(
            f"The package {package.code!r} is for subscribers of {' or '.join(package.plans)}. Nothing was changed. "
            "Choose another package or plan.",
            package=package.code,
            plans=list(package.plans),
        )
    if currency not in package.prices:
        raise _no_price(f"the package {package.code!r}", currency, list(package.prices))
    line = QuoteLine("package", None, None, package.credits, None, to_major(package.prices[currency], currency))
    return _on_terms(
        terms, [line], kind, package.credits, package.bonus, currency, package.code, package.expires or kind.life,
        catalog_version,
    )  # fmt: skip


def to_minor(exact: Decimal, currency: str) -> int:
    """An exact amount in major units, rounded half up to whole minor units."""
    return round_half_up(EXACT.scaleb(exact, decimals_of(currency)))


def per_credit(total: Decimal, units: int, scale: int) -> Decimal:
    """What one credit costs when `units` smallest units cost `total`; half up to 12 decimals where it does not end."""
    shifted = EXACT.scaleb(total, SHOWN_DECIMALS + scale)
    numerator, denominator = shifted.as_integer_ratio()
    rounded = (2 * numerator + denominator * units) // (2 * denominator * units)
    return plain(EXACT.scaleb(Decimal(rounded), -SHOWN_DECIMALS))


def plain(value: Decimal) -> Decimal:
    """`value` without zeros at its end: 0.1000 is 0.1, and 1000 stays 1000."""
    whole = value.to_integral_value()
    return whole if whole == value else value.normalize(EXACT)


def bounds(rule: PriceRule, slabs: Sequence[Slab]) -> tuple[int, int | None]:
    """The least and the most that is sold at once; None is no upper end. `slabs` are the currency's, if there are."""
    if not slabs:
        return rule.minimum or rule.step, rule.maximum
    return rule.minimum or slabs[0].start, rule.maximum or slabs[-1].end


def total_of(rule: PriceRule, slabs: Sequence[Slab], scale: int, amount: int) -> Decimal:
    """The exact total of an amount that is sold, in major units."""
    return _sum(_working(rule.mode, slabs, scale, amount))


def _on_terms(
    terms: Terms, working: Sequence[QuoteLine], kind: CreditType, amount: int, bonus: int, currency: str,
    package: str | None, expires: str, catalog_version: str,
) -> Quote:  # fmt: skip
    """The quote of a working at list price, with what the terms take off; the one place where a total is rounded."""
    listed = _sum(working)
    lines = [*working, *_taken_off(terms, listed, currency)]
    exact = _sum(lines)
    subtotal, total = to_minor(listed, currency), to_minor(exact, currency)
    if not subtotal or (exact and not total):
        raise TotalTooSmall(
            f"{_credits(kind, amount)} would cost {format_money(0, currency)}, rounded from {text(exact)}, and "
            "nothing is not sold. Nothing was changed. Ask for more.",
            currency=currency,
        )
    promo = terms.promo and use_of(terms.promo, kind.code)
    everything = amount + bonus + (promo.bonus if promo else 0)
    return Quote(
        kind.code, amount, bonus, currency, subtotal, subtotal - total, total,
        per_credit(exact, everything, kind.scale), (*lines, *_rounding(exact, total, currency)), package, expires,
        catalog_version, None, terms.plan, promo,
    )  # fmt: skip


def _taken_off(terms: Terms, listed: Decimal, currency: str) -> list[QuoteLine]:
    by_plan = percent_of(listed, terms.discount)
    by_promo = taken_off(terms.promo, EXACT.subtract(listed, by_plan), currency) if terms.promo else Decimal(0)
    kinds: tuple[Literal["discount"], Literal["promo"]] = ("discount", "promo")
    return [
        QuoteLine(kind, None, None, None, None, plain(EXACT.minus(off)))
        for kind, off in zip(kinds, (by_plan, by_promo), strict=True)
        if off
    ]


def require_sold(rule: PriceRule, kind: CreditType, amount: int, currency: str) -> None:
    """Nothing, where the rule sells this amount in this currency.

    Raises:
        NoPrice: not in this currency. AmountOutOfRange: below the minimum, above the maximum, or off the step.
    """
    if currency not in rule.currencies:
        raise _no_price(kind.code, currency, list(rule.currencies))
    slabs = rule.slabs.get(currency, ())
    minimum, maximum = bounds(rule, slabs)
    if amount < minimum:
        raise _out_of_range(rule, slabs, kind, amount, "is less than is sold at once")
    if maximum is not None and amount > maximum:
        raise _out_of_range(rule, slabs, kind, amount, "is more than is sold at once")
    if amount % rule.step:
        raise _out_of_range(rule, slabs, kind, amount, "is not a multiple of the step")


def _working(mode: Mode, slabs: Sequence[Slab], scale: int, amount: int) -> list[QuoteLine]:
    if mode == "volume":
        slab = slabs[_slab_of(slabs, amount)]
        return [_line(slab, amount, scale)]
    ends = [0, *(amount if slab.end is None else min(slab.end, amount) for slab in slabs)]
    return [
        _line(slab, end - before, scale)
        for slab, (before, end) in zip(slabs, pairwise(ends), strict=True)
        if end > before
    ]


def _slab_of(slabs: Sequence[Slab], amount: int) -> int:
    return next(number for number, slab in enumerate(slabs) if slab.end is None or amount <= slab.end)


def _line(slab: Slab, amount: int, scale: int) -> QuoteLine:
    total = EXACT.scaleb(EXACT.multiply(amount, slab.unit), -scale)
    return QuoteLine("slab", slab.start, slab.end, amount, slab.unit, plain(total))


def _rounding(exact_total: Decimal, minor: int, currency: str) -> list[QuoteLine]:
    difference = EXACT.subtract(to_major(minor, currency), exact_total)
    return [QuoteLine("rounding", None, None, None, None, plain(difference))] if difference else []


def _next_slab(rule: PriceRule, slabs: Sequence[Slab], scale: int, quote: Quote, terms: Terms) -> NextSlab | None:
    here = _slab_of(slabs, quote.amount)
    if here + 1 == len(slabs):
        return None
    slab, following = slabs[here : here + 2]
    maximum = bounds(rule, slabs)[1]
    if following.unit >= slab.unit or (maximum is not None and following.start > maximum):
        return None
    as_before = (*slabs[:here], slab._replace(end=None))

    def cost(those: Sequence[Slab]) -> int:
        listed = total_of(rule, those, scale, following.start)
        return to_minor(_sum(_taken_off(terms, listed, quote.currency), listed), quote.currency)

    total = cost(slabs)
    return NextSlab(following.start, following.unit, total, cost(as_before) - total, total - quote.total_minor)


def _sum(lines: Iterable[QuoteLine], start: Decimal = Decimal(0)) -> Decimal:
    return reduce(EXACT.add, (line.total for line in lines), start)


def _credits(kind: CreditType, units: int) -> str:
    return f"{text(to_credits(units, kind.scale))} {kind.code}"


def _no_price(what: str, currency: str, currencies: list[str]) -> NoPrice:
    return NoPrice(
        f"The catalog has no price for {what} in {currency}. Nothing was changed. "
        f"It has one in: {', '.join(currencies) or 'none'}.",
        currency=currency,
        currencies=currencies,
    )


def _out_of_range(
    rule: PriceRule, slabs: Sequence[Slab], kind: CreditType, amount: int, wrong: str
) -> AmountOutOfRange:
    minimum, maximum = bounds(rule, slabs)
    least, step = to_credits(minimum, kind.scale), to_credits(rule.step, kind.scale)
    most = None if maximum is None else to_credits(maximum, kind.scale)
    sold = f"{text(least)} or more" if most is None else f"{text(least)} to {text(most)}"
    return AmountOutOfRange(
        f"{_credits(kind, amount)} {wrong}. Nothing was changed. Ask for {sold}, in steps of {text(step)}.",
        credit_type=kind.code,
        amount=to_credits(amount, kind.scale),
        minimum=least,
        maximum=most,
        step=step,
    )
