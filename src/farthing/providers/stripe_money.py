"""Money as Stripe counts it: minor units of its own for some currencies, translated here and nowhere else.

Source: Stripe's documentation of supported currencies (zero-decimal, three-decimal and special ones, minimum charges).
"""

from __future__ import annotations

from farthing.amounts import decimals_of

_WHOLE = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
_HUNDREDTHS_OF_NONE = frozenset({"ISK", "UGX"})  # have no minor unit, and are said in hundredths all the same
_MINIMUM = {
    "AED": 200, "ARS": 50, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "COP": 50, "CZK": 1500, "DKK": 250,
    "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 17500, "IDR": 50, "ILS": 50, "INR": 50, "JPY": 50, "KRW": 50, "MXN": 1000,
    "MYR": 200, "NOK": 300, "NZD": 50, "PHP": 50, "PLN": 200, "RON": 200, "RUB": 50, "SEK": 300, "SGD": 50, "THB": 1000,
    "USD": 50, "ZAR": 50,
}  # fmt: skip


def least(currency: str) -> int:
    """The least that Stripe charges, in whole minor units by ISO 4217; where it says none, the least it can count."""
    return _MINIMUM.get(currency, 1)


def most(currency: str) -> int:
    """The most that Stripe charges at once, as it counts."""
    return 10 ** (12 if currency == "IDR" else 8) - 1


def to_stripe(minor: int, currency: str) -> int | None:
    """Whole minor units by ISO 4217 as Stripe counts them; None where it cannot say so much exactly."""
    ours, theirs = decimals_of(currency), _decimals(currency)
    amount, rest = divmod(minor * 10**theirs, 10**ours)
    coarse = 10 if theirs == 3 else 1  # three decimals, of which the last has to be 0
    return None if rest or amount % coarse else amount


def from_stripe(amount: int, currency: str) -> int:
    """What Stripe says, in whole minor units by ISO 4217.

    Raises:
        ValueError: it is a fraction of one.
    """
    minor, rest = divmod(amount * 10 ** decimals_of(currency), 10 ** _decimals(currency))
    if rest:
        raise ValueError(f"{amount} is no whole amount of {currency}")
    return minor


def _decimals(currency: str) -> int:
    if currency in _HUNDREDTHS_OF_NONE:
        return 2
    return 0 if currency in _WHOLE else decimals_of(currency)
