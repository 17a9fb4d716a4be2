"""Amounts at their limits: exact, or a clear error."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.amounts import to_credits, to_units
from farthing.errors import FloatAmount, InvalidAmount


@pytest.mark.row("L1")
@pytest.mark.parametrize(
    ("amount", "scale", "units"),
    [
        (5, 0, 5),
        ("5.0", 0, 5),
        (Decimal("5"), 2, 500),
        ("5.25", 2, 525),
        (" 7 ", 0, 7),
        ("1e3", 0, 1000),
        ("0.000000001", 9, 1),
        ("999999.999999999", 9, 999_999_999_999_999),
        (999_999_999_999_999, 0, 999_999_999_999_999),
        (Decimal("5." + "0" * 30), 0, 5),
        ("+3", 0, 3),
    ],
)
def test_credits_become_whole_smallest_units(amount, scale: int, units: int):
    assert to_units(amount, scale) == units


@pytest.mark.row("L1")
@pytest.mark.parametrize(
    ("amount", "scale", "says"),
    [
        (0, 0, "more than zero"),
        (-1, 0, "more than zero"),
        ("-0.5", 1, "more than zero"),
        ("0.000", 3, "more than zero"),
        ("5.255", 2, "more decimals than the 2"),
        ("0.0000000001", 9, "more decimals"),
        ("1e-999999999", 9, "more decimals"),
        (Decimal("1.0000000000000000000000000000000001"), 0, "more decimals"),
        (1_000_000_000_000_000, 0, "more than 15 digits"),
        ("1000000", 9, "more than 15 digits"),
        ("1e999999999", 0, "more than 15 digits"),
        ("9" * 10_000, 0, "more than 15 digits"),
        (10**5000, 0, "more than 15 digits"),
        (Decimal("1" + "0" * 500), 0, "more than 15 digits"),
        ("NaN", 0, "not a finite number"),
        ("sNaN", 0, "not a finite number"),
        ("Infinity", 0, "not a finite number"),
        (Decimal("-inf"), 0, "not a finite number"),
        ("", 0, "not a number"),
        ("five", 0, "not a number"),
        ("1_000", 0, "not a number"),
        ("1,5", 1, "not a number"),
        ("0x10", 0, "not a number"),
        (None, 0, "must be an int"),
        (True, 0, "must be an int"),
        ([], 0, "must be an int"),
        (Fraction(1, 2), 1, "must be an int"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, (int, Decimal)) else str(value)[:12],
)
def test_what_cannot_be_counted_is_refused_with_the_reason(amount, scale: int, says: str):
    with pytest.raises(InvalidAmount, match=says) as error:
        to_units(amount, scale)
    assert "Nothing was changed." in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.row("L1")
@pytest.mark.parametrize("amount", [0.1, 5.0, float("nan"), float("inf")])
def test_a_float_is_a_type_error(amount: float):
    with pytest.raises(TypeError, match="floats cannot count"):
        to_units(amount, 2)  # pyright: ignore
    with pytest.raises(FloatAmount):
        to_units(amount, 2)  # pyright: ignore


@given(st.integers(1, 10**15 - 1), st.integers(0, 9))
def test_units_to_credits_and_back_is_exact(units: int, scale: int):
    amount = to_credits(units, scale)
    assert to_units(amount, scale) == to_units(format(amount, "f"), scale) == units
    assert Fraction(amount) == Fraction(units, 10**scale)


@given(st.text(max_size=60))
def test_any_text_is_an_amount_or_an_invalid_amount(text: str):
    try:
        assert to_units(text, 3) > 0
    except InvalidAmount as error:
        assert "Nothing was changed." in str(error)


@given(st.decimals(), st.integers(0, 9))
def test_any_decimal_is_exact_or_refused(amount: Decimal, scale: int):
    try:
        units = to_units(amount, scale)
    except InvalidAmount:
        return
    assert Fraction(units, 10**scale) == Fraction(amount)
