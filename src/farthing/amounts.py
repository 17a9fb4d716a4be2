"""Whole-number amounts: what callers say (credits, major units) and what is stored (smallest units).

Nothing in Farthing computes with floats. Callers give int, Decimal or str; the ledger keeps integers in the
credit type's smallest unit; answers are Decimal.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from farthing.errors import FloatAmount, InvalidAmount

Amount = int | Decimal | str

MAX_DIGITS = 15  # every JSON reader keeps 15 significant digits exact
LIMIT = 10**MAX_DIGITS
MAX_SCALE = 9
_LONGEST_TEXT = 40


def exact(amount: Amount, *, name: str = "amount") -> Decimal:
    """The finite decimal that `amount` says.

    Raises:
        FloatAmount: a float, which has already lost what was meant.
        InvalidAmount: not a number, not finite, or longer than any amount can be.
    """
    if isinstance(amount, float):
        raise FloatAmount(
            f"{name} is the float {amount!r}; floats cannot count exactly. Nothing was changed. "
            f"Give an int, a Decimal or a string such as {str(amount)!r}."
        )
    if isinstance(amount, bool) or not isinstance(amount, (int, Decimal, str)):
        raise InvalidAmount(
            f"{name} must be an int, a Decimal or a string, not {type(amount).__name__}. Nothing was changed."
        )
    if isinstance(amount, str):
        amount = _parse(amount, name)
    elif isinstance(amount, int):
        if abs(amount) >= LIMIT:
            raise _too_long(name)
        return Decimal(amount)
    if not amount.is_finite():
        raise InvalidAmount(f"{name} is {amount}, which is not a finite number. Nothing was changed.")
    return amount


def to_units(amount: Amount, scale: int, *, name: str = "amount") -> int:
    """`amount` credits in smallest units: with scale 2, 5.25 is 525. Always positive.

    Raises:
        InvalidAmount: zero, negative, more decimals than `scale`, or above 15 digits.
        FloatAmount: a float.
    """
    if type(amount) is int and 0 < amount < 10 ** (MAX_DIGITS - scale):
        return amount * 10**scale
    value = exact(amount, name=name)
    if value <= 0:
        raise InvalidAmount(f"{name} must be more than zero, not {_short(value)}. Nothing was changed.")
    if value.adjusted() >= MAX_DIGITS - scale or len(value.as_tuple().digits) > _LONGEST_TEXT:
        raise _too_long(name)
    units, rest = _shifted(value, scale)
    if rest:
        raise InvalidAmount(
            f"{name} {_short(value)} has more decimals than the {scale} this credit type counts. Nothing was changed."
        )
    return units


def _shifted(value: Decimal, scale: int) -> tuple[int, bool]:
    """`value` × 10^scale as a whole number, and whether anything was left over (Decimal contexts would round it off)."""
    _, digits, exponent = value.as_tuple()
    whole = int("".join(map(str, digits)))
    shift = int(exponent) + scale
    if shift >= 0:
        return whole * 10**shift, False
    if value.adjusted() < -scale:
        return 0, True
    units, rest = divmod(whole, 10**-shift)
    return units, rest != 0


def to_credits(units: int, scale: int) -> Decimal:
    """Smallest units as credits: with scale 2, 525 is Decimal("5.25"); whole numbers carry no decimals."""
    if not scale:
        return Decimal(units)
    value = Decimal(units).scaleb(-scale)
    whole = value.to_integral_value()
    return whole if whole == value else value.normalize()


def text(amount: Decimal) -> str:
    """`amount` in plain digits, never with an exponent."""
    return format(amount, "f")


def _parse(said: str, name: str) -> Decimal:
    plain = said.strip()
    if len(plain) > _LONGEST_TEXT:
        raise _too_long(name)
    try:
        if "_" in plain:
            raise InvalidOperation
        return Decimal(plain)
    except InvalidOperation:
        raise InvalidAmount(f"{name} {plain!r} is not a number. Nothing was changed.") from None


def _too_long(name: str) -> InvalidAmount:
    return InvalidAmount(
        f"{name} needs more than {MAX_DIGITS} digits in the credit type's smallest unit. Nothing was changed."
    )


def _short(value: Decimal) -> str:
    shown = str(value)
    return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"
