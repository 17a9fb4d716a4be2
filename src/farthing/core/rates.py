"""What an operation costs in credits: rate cards, and an estimate that shows its working.

A price is an exact decimal in credits for so many units of a measure, whatever the credit type's scale. What was used
is paid for in proportion, exactly, however the division goes; the sum is rounded once, as the card says, to the type's
smallest unit, and is then at least the card's minimum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, Inexact
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import ceil, floor
from typing import Any, Literal, NamedTuple, cast

from farthing.amounts import EXACT, LIMIT, MAX_DIGITS, Amount, exact, text, to_credits
from farthing.core import checks
from farthing.core.book import CreditType
from farthing.core.pricing import SHOWN_DECIMALS, plain
from farthing.errors import InvalidAmount, InvalidField, NoRate, NothingToCharge

Rounding = Literal["up", "half_up", "down"]
MAX_DECIMALS = 12
MAX_VALUE_BYTES = 200
LONGEST_NUMBER = 100
RESERVED = frozenset(
    {"self", "account", "operation", "measures", "key", "reason", "actor", "metadata", "occurred_at"}
    | {"hold", "expires", "on_late"}
)
"""What dimensions cannot be called: arguments of the verbs that take them, such as `charge(…, key=…, model=…)`."""


class Rate(NamedTuple):
    """`price` credits for every `per` units, in proportion: 374 tokens at 2 per 1000 cost 0.748."""

    price: Decimal
    per: int = 1

    def of(self, used: Decimal) -> Fraction:
        return _each(self) * (int(used) if used == int(used) else Fraction(used))


class RateRow(NamedTuple):
    """Rates for calls whose dimensions have values that `when` lists; an empty `when` fits every call.

    A call has all of the `measures` and no others. `flat` credits come on top of them, once for each call.
    """

    when: dict[str, tuple[str, ...]]
    measures: dict[str, Rate]
    flat: Decimal = Decimal(0)

    def fits(self, dimensions: Mapping[str, str]) -> bool:
        return all(dimensions[name] in values for name, values in self.when.items())


class RateCard(NamedTuple):
    """What one operation costs: the first of `rows` that fits a call counts. `minimum` is in smallest units."""

    operation: str
    credit_type: str
    dimensions: tuple[str, ...]
    rows: tuple[RateRow, ...]
    minimum: int = 0
    rounding: Rounding = "up"


class Used(NamedTuple):
    """What one call used: how much of each measure, and the value of each dimension."""

    measures: dict[str, Decimal]
    dimensions: dict[str, str]

    @property
    def said(self) -> dict[str, dict[str, str]]:
        """The same in plain letters, for what a key stands for: 5, "5" and Decimal("5.0") are one."""
        measures = {name: text(plain(value)) for name, value in self.measures.items()}
        return {"measures": measures, "dimensions": self.dimensions}


class EstimateLine(NamedTuple):
    """One line of the working, in credits. The totals of all lines add up to the amount of the estimate.

    `measure`: `used` of the measure called `measure`, at `price` for every `per`. `flat`: once for each call.
    `rounding`: what rounding added or took off. `minimum`: what was missing to the least that a call costs. A total
    that decimals cannot say, such as a third, is shown to 12 of them.
    """

    kind: Literal["measure", "flat", "rounding", "minimum"]
    measure: str | None
    used: Decimal | None
    price: Decimal | None
    per: int | None
    total: Decimal


class Estimate(NamedTuple):
    """What a call costs, in smallest units, with the working."""

    operation: str
    credit_type: str
    dimensions: dict[str, str]
    amount: int
    lines: tuple[EstimateLine, ...]
    rounding: Rounding


def usage(card: RateCard, measures: Mapping[str, Amount], dimensions: Mapping[str, str]) -> Used:
    """What a call says it used, checked against the card.

    Raises:
        InvalidField: a name the card does not have, or one that is missing. InvalidAmount: a measure that is no number,
            negative, or too long. FloatAmount: a float.
    """
    if not isinstance(measures, Mapping):
        raise InvalidField(
            f"measures must be a mapping such as {{'seconds': 12}}, not {type(measures).__name__}. Nothing was "
            "changed.",
            field="measures",
        )
    require_names(card, measures, dimensions)
    values = {name: _value(card, name, dimensions[name]) for name in card.dimensions}
    return Used({name: _measured(name, amount) for name, amount in measures.items()}, values)


def require_names(card: RateCard, measures: Mapping[str, object], dimensions: Mapping[str, object]) -> None:
    """Nothing, where the card knows these measures, and these dimensions are all it has.

    Raises:
        InvalidField: `field` names the first that it does not know, or that is missing.
    """
    known = list(dict.fromkeys(name for row in card.rows for name in row.measures))
    for name in measures:
        if name not in known:
            raise _unknown(card, "measure", name, known)
    for name in dimensions:
        if name not in card.dimensions:
            raise _unknown(card, "dimension", name, card.dimensions)
    for name in card.dimensions:
        if name not in dimensions:
            raise InvalidField(
                f"{card.operation} needs the dimension {name!r}; {_known(card, name)}. Nothing was changed.", field=name
            )


def cost(card: RateCard, kind: CreditType, used: Used) -> int:
    """What the call costs, in smallest units of `kind`; more than zero.

    Raises:
        NoRate: no row fits. NothingToCharge: it comes to zero. Invalid: as for `estimate`.
    """
    row = _row(card, used)
    total = sum((row.measures[name].of(value) for name, value in used.measures.items()), Fraction(row.flat))
    units = max(_rounded(card, kind, total), card.minimum)
    if not units:
        raise NothingToCharge(
            f"What this call of {card.operation} used comes to 0 {kind.code}, and nothing cannot be charged. Nothing "
            "was changed. Leave such calls out, release their hold, or give the operation a minimum.",
            operation=card.operation,
        )
    return units


def estimate(card: RateCard, kind: CreditType, used: Used) -> Estimate:
    """What the call costs, which may be nothing, with the working.

    Raises:
        NoRate: no row fits. InvalidField: a measure of the row is missing, or one is not of it.
        InvalidAmount: it costs more than can be counted.
    """
    row = _row(card, used)
    parts = [
        (EstimateLine("measure", name, plain(value), rate.price, rate.per, Decimal(0)), rate.of(value))
        for name, rate in row.measures.items()
        for value in [used.measures[name]]
    ]
    if row.flat:
        parts.append((EstimateLine("flat", None, None, row.flat, None, Decimal(0)), Fraction(row.flat)))
    total = sum((part for _, part in parts), Fraction(0))
    units = _rounded(card, kind, total)
    rounded = Fraction(units, 10**kind.scale)
    lines = [line._replace(total=_decimal(part)) for line, part in parts]
    if rounded != total:
        lines.append(EstimateLine("rounding", None, None, None, None, _decimal(rounded - total)))
    if units < card.minimum:
        missing = to_credits(card.minimum - units, kind.scale)
        lines.append(EstimateLine("minimum", None, None, to_credits(card.minimum, kind.scale), None, missing))
    amount = max(units, card.minimum)
    return Estimate(card.operation, kind.code, used.dimensions, amount, tuple(lines), card.rounding)


def faults(card: RateCard) -> Iterator[tuple[str, str]]:
    """What is wrong with a card: the setting, and a sentence for each mistake."""
    for number, name in enumerate(card.dimensions):
        if name in RESERVED:
            yield "dimensions", f"a dimension cannot be called {name!r}, which every call says of itself"
        if name in card.dimensions[:number]:
            yield "dimensions", f"{name!r} stands there twice"
    for number, row in enumerate(card.rows, 1):
        unknown = [name for name in row.when if name not in card.dimensions]
        for name in unknown:
            yield f"rates.{number}.when.{name}", f"there is no such dimension; {_have(card.dimensions)}"
        twice = {name: value for name, values in row.when.items() for value in values if values.count(value) > 1}
        yield from ((f"rates.{number}.when.{name}", f"{value!r} stands there twice") for name, value in twice.items())
        if not (unknown or twice):
            yield from ((f"rates.{number}", wrong) for wrong in _priced_before(card, number))


def doubts(card: RateCard) -> Iterator[tuple[str, str]]:
    """What is allowed and hardly meant: rates that come to nothing, whatever was used."""
    for number, row in enumerate(card.rows, 1):
        if not (card.minimum or row.flat or any(rate.price for rate in row.measures.values())):
            yield f"rates.{number}", "whatever was used costs nothing, and what costs nothing is refused"


def _priced_before(card: RateCard, number: int) -> Iterator[str]:
    """Values of a row's dimensions that rows above it price already; a row above it that fits every call."""
    row = card.rows[number - 1]
    for values in product(*row.when.values()):
        call = dict(zip(row.when, values, strict=True))
        for above, earlier in enumerate(card.rows[: number - 1], 1):
            if earlier.when.keys() <= call.keys() and earlier.fits(call):
                said = " and ".join(f"{name} {value!r}" for name, value in call.items() if name in earlier.when)
                yield f"{said or 'every call'} is priced by rates.{above} already"
                break


def _row(card: RateCard, used: Used) -> RateRow:
    row = next((row for row in card.rows if row.fits(used.dimensions)), None)
    if row is None:
        known = {name: _values(card, name) for name in card.dimensions}
        said = " and ".join(f"{name} {value!r}" for name, value in used.dimensions.items())
        raise NoRate(
            f"{card.operation} has no rate for {said}; {'; '.join(_known(card, name) for name in known)}. Nothing was "
            "changed.",
            operation=card.operation,
            dimensions=used.dimensions,
            known=known,
        )
    for name in row.measures:
        if name not in used.measures:
            raise InvalidField(
                f"{card.operation} needs the measure {name!r}, and 0 where nothing was used. Nothing was changed.",
                field=name,
            )
    for name in used.measures:
        if name not in row.measures:
            raise _unknown(card, "measure", name, list(row.measures), f" for {_said(used.dimensions)}")
    return row


@lru_cache(maxsize=1024)
def _each(rate: Rate) -> Fraction:
    """What one unit costs; a card has few rates and is asked for every call."""
    return Fraction(rate.price) / rate.per


def _rounded(card: RateCard, kind: CreditType, total: Fraction) -> int:
    units = total * 10**kind.scale
    match card.rounding:
        case "up":
            whole = ceil(units)
        case "half_up":
            whole = floor(units + Fraction(1, 2))
        case "down":
            whole = floor(units)
    if whole >= LIMIT:
        raise InvalidAmount(
            f"What this call of {card.operation} used costs more than {MAX_DIGITS} digits of {kind.code} can say. "
            "Nothing was changed."
        )
    return whole


def _measured(name: str, amount: Amount) -> Decimal:
    value = exact(amount, name=name)
    if value < 0:
        raise InvalidAmount(f"{name} is negative, and nobody uses less than nothing. Nothing was changed.")
    if not value:
        return Decimal(0)
    if not -MAX_DECIMALS <= value.adjusted() < MAX_DIGITS or len(value.as_tuple().digits) > LONGEST_NUMBER:
        raise _too_long(name)
    value = plain(value)
    if cast(int, value.as_tuple().exponent) < -MAX_DECIMALS:
        raise _too_long(name)
    return value


def _too_long(name: str) -> InvalidAmount:
    return InvalidAmount(
        f"{name} needs more than {MAX_DIGITS} digits before the point or {MAX_DECIMALS} after it. Nothing was changed."
    )


def _value(card: RateCard, name: str, value: Any) -> str:
    said = checks.text(name, value, most=MAX_VALUE_BYTES)
    if said is None:
        raise InvalidField(
            f"{card.operation} needs the dimension {name!r}, which is None; {_known(card, name)}. Nothing was changed.",
            field=name,
        )
    return said


def _decimal(value: Fraction) -> Decimal:
    """`value` exactly, or half up to 12 decimals where it does not end."""
    try:
        return plain(EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)))
    except Inexact:
        nearest = floor(value * 10**SHOWN_DECIMALS + Fraction(1, 2))
        return plain(EXACT.scaleb(Decimal(nearest), -SHOWN_DECIMALS))


def _values(card: RateCard, name: str) -> list[str]:
    return list(dict.fromkeys(value for row in card.rows for value in row.when.get(name, ())))


def _known(card: RateCard, name: str) -> str:
    values = _values(card, name)
    return f"known values of {name}: {', '.join(values)}" if values else f"any {name} will do"


def _have(names: Sequence[str]) -> str:
    return f"there is {', '.join(names)}" if names else "there is none"


def _said(dimensions: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {value!r}" for name, value in dimensions.items()) or "this call"


def _unknown(card: RateCard, what: str, name: object, known: Sequence[str], where: str = "") -> InvalidField:
    shown = ascii(name)[:60]
    return InvalidField(
        f"{card.operation} has no {what} {shown}{where}; {_have(known)}. Nothing was changed.", field=str(name)[:60]
    )
