"""Whole-number amounts: what callers say (credits, major units) and what is stored (smallest units).

Nothing in Farthing computes with floats. Callers give int, Decimal or str; the ledger keeps integers in the
credit type's smallest unit and money in the currency's minor unit; answers are Decimal.

Currencies are those of ISO 4217 List One as published on 2026-01-01, each with the decimals it has there. Unicode's
CLDR, which Babel carries, tells how people write an amount, and that is another number for 13 of them (LAK: 0, not 2).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import NamedTuple

from farthing.errors import FloatAmount, InvalidAmount, UnknownCurrency

Amount = int | Decimal | str

MAX_DIGITS = 15  # every JSON reader keeps 15 significant digits exact
LIMIT = 10**MAX_DIGITS
MAX_SCALE = 9
_LONGEST_TEXT = 40

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, Overflow])
"""Arithmetic that raises before it would round: `EXACT.multiply(a, b)`. The usual context rounds after 28 digits."""

_LIST_ONE = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW "
    "CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK "
    "MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP "
    "SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG "
    "YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
CURRENCIES = {code: decimals for decimals, codes in _LIST_ONE.items() for code in codes.split()}
"""The currencies of ISO 4217 that have a minor unit, with its decimals: USD 2, JPY 0, KWD 3."""


class Money(NamedTuple):
    """Whole minor units of an ISO 4217 currency: Money(990, "USD") is 9.90 US dollars and reads as "USD 9.90"."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return format_money(self.minor, self.currency)


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
    """`value` × 10^scale as a whole number, and whether anything was left over (Decimal contexts would round it)."""
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
    value = EXACT.scaleb(Decimal(units), -scale)
    whole = value.to_integral_value()
    return whole if whole == value else value.normalize(EXACT)


def decimals_of(currency: str) -> int:
    """How many decimals the currency has: USD 2, JPY 0, KWD 3.

    Raises:
        UnknownCurrency: not the code of a currency in use, in capital letters.
    """
    found = CURRENCIES.get(currency) if isinstance(currency, str) else None
    if found is None:
        raise UnknownCurrency(
            f"{_short(currency)!r} is not an ISO 4217 currency code such as USD or EUR. Nothing was changed.",
            currency=currency,
        )
    return found


def minor_units(amount: Amount, currency: str, *, name: str = "amount") -> int:
    """An amount in major units as whole minor units: "9.90" of USD is 990. Zero or more.

    Raises:
        InvalidAmount: negative, more decimals than the currency has, or above 15 digits.
        FloatAmount: a float. UnknownCurrency: no such currency.
    """
    decimals = decimals_of(currency)
    value = exact(amount, name=name)
    if value < 0:
        raise InvalidAmount(f"{name} must not be negative, and {_short(value)} is. Nothing was changed.")
    if (value and value.adjusted() >= MAX_DIGITS - decimals) or len(value.as_tuple().digits) > _LONGEST_TEXT:
        raise InvalidAmount(f"{name} needs more than {MAX_DIGITS} digits in {currency}. Nothing was changed.")
    minor, rest = _shifted(value, decimals) if value else (0, False)
    if rest:
        raise InvalidAmount(
            f"{name} {_short(value)} has more decimals than the {decimals} that {currency} has. Nothing was changed."
        )
    return minor


def to_major(minor: int, currency: str) -> Decimal:
    """Whole minor units in major units, with all decimals of the currency: 990 of USD is Decimal("9.90")."""
    return EXACT.scaleb(Decimal(minor), -decimals_of(currency))


def format_money(minor: int, currency: str) -> str:
    """Money in plain letters and digits, the same in every language: "USD 9.90", "JPY 990", "KWD 9.900"."""
    return f"{currency} {to_major(minor, currency):f}"


def round_half_up(value: Decimal) -> int:
    """The nearest whole number, a half away from zero; exact however long `value` is."""
    return int(value.to_integral_value(ROUND_HALF_UP))


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


def _short(value: object) -> str:
    shown = str(value)
    return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"
