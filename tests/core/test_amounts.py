"""Money is whole minor units of its currency, and nothing on the way there is rounded by accident."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.amounts import CURRENCIES, EXACT, Money, decimals_of, format_money, minor_units, round_half_up, to_major
from farthing.errors import FloatAmount, InvalidAmount, UnknownCurrency

currencies = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("minor", "amount", "currency", "shown"),
    [
        (990, "9.90", "USD", "USD 9.90"),
        (990, Decimal("9.9"), "EUR", "EUR 9.90"),
        (900, 9, "USD", "USD 9.00"),
        (990, "990", "JPY", "JPY 990"),
        (9900, "9.900", "KWD", "KWD 9.900"),
        (1, "0.0001", "CLF", "CLF 0.0001"),
        (0, "0", "USD", "USD 0.00"),
        (100000, "1E+3", "USD", "USD 1000.00"),
        (990, "9.9000000", "USD", "USD 9.90"),
        (999999999999999, "9999999999999.99", "USD", "USD 9999999999999.99"),
    ],
)
def test_an_amount_is_whole_minor_units_of_its_currency(minor: int, amount: Any, currency: str, shown: str):
    assert minor_units(amount, currency) == minor
    assert format_money(minor, currency) == shown
    assert str(Money(minor, currency)) == shown


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("9.901", "USD", "price 9.901 has more decimals than the 2 that USD has"),
        ("9.9", "JPY", "price 9.9 has more decimals than the 0 that JPY has"),
        ("9.9001", "KWD", "price 9.9001 has more decimals than the 3 that KWD has"),
        ("-1", "USD", "price must not be negative"),
        ("10000000000000", "USD", "price needs more than 15 digits in USD"),
        ("1e999999", "USD", "price needs more than 15 digits in USD"),
        ("1e-999999", "USD", "more decimals than"),
        (Decimal(10) ** 15, "JPY", "price needs more than 15 digits in JPY"),
        ("NaN", "USD", "not a finite number"),
        ("9,90", "USD", "'9,90' is not a number"),
        (True, "USD", "must be an int, a Decimal or a string"),
    ],
)
def test_what_the_currency_cannot_say_is_refused(amount: Any, currency: str, said: str):
    with pytest.raises(InvalidAmount, match=said):
        minor_units(amount, currency, name="price")


@pytest.mark.row("C7")
def test_no_float_becomes_money():
    with pytest.raises(FloatAmount):
        minor_units(9.9, "USD")  # pyright: ignore[reportArgumentType]


@pytest.mark.row("C7")
@pytest.mark.parametrize("code", ["usd", "US", "XXX", "XAU", "BGN", "", None, 840, ["USD"], "E" * 1000])
def test_only_currencies_in_use_are_known(code: Any):
    with pytest.raises(UnknownCurrency, match="ISO 4217"):
        decimals_of(code)


def test_the_list_is_the_one_of_iso_4217():
    by_decimals = {n: sum(decimals == n for decimals in CURRENCIES.values()) for n in (0, 2, 3, 4)}
    assert by_decimals == {0: 17, 2: 139, 3: 7, 4: 2}
    assert [decimals_of(code) for code in ("USD", "JPY", "KWD", "LAK", "IQD", "CLP", "UYW")] == [2, 0, 3, 2, 3, 0, 4]


@given(minor=st.integers(-(10**30), 10**30), currency=currencies)
def test_major_units_are_exact_and_back_again(minor: int, currency: str):
    major = to_major(minor, currency)
    assert Fraction(major) == Fraction(minor, 10 ** decimals_of(currency))
    if 0 <= minor < 10**15:
        assert minor_units(major, currency) == minor == minor_units(str(major), currency)


@pytest.mark.parametrize(
    ("rounded", "value"),
    [(1, "0.5"), (0, "0.4999999999999999999999999999999999999"), (3, "2.5"), (-1, "-0.5"), (10**40 + 1, f"{10**40}.5")],
)
def test_a_half_goes_up(rounded: int, value: str):
    assert round_half_up(Decimal(value)) == rounded


@given(st.integers(0, 10**60), st.integers(0, 60))
def test_rounding_takes_the_nearest_whole_number_however_long(digits: int, decimals: int):
    value = EXACT.scaleb(Decimal(digits), -decimals)
    assert round_half_up(value) == (2 * digits + 10**decimals) // (2 * 10**decimals)
