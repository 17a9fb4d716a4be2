"""What an operation costs: exact prices, one rounding, a working that adds up."""

import inspect
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from farthing import Credits
from farthing.amounts import LIMIT
from farthing.core import rates
from farthing.core.book import CreditType
from farthing.core.rates import RESERVED, Estimate, Rate, RateCard, RateRow
from farthing.core.words import Words
from farthing.errors import FloatAmount, Invalid, InvalidAmount, InvalidField, NoRate, NothingToCharge

pytestmark = pytest.mark.row("C9")

SWIFT = RateRow({"model": ("swift",)}, {"input": Rate(Decimal("0.15"), 1000), "output": Rate(Decimal("0.6"), 1000)})
DEEP = RateRow({"model": ("deep", "deep-2")}, {"input": Rate(Decimal("2.5"), 1000), "output": Rate(Decimal(10), 1000)})
CHAT = RateCard("chat", "chat", ("model",), (SWIFT, DEEP))


def kind(scale: int = 4) -> CreditType:
    return CreditType("chat", Words("Chat"), scale, None)


def estimated(card: RateCard, measures: Any, scale: int = 4, **dimensions: str) -> Estimate:
    return rates.estimate(card, kind(scale), rates.usage(card, measures, dimensions))


def render(price: str, per: int = 1, **changes: Any) -> RateCard:
    row = RateRow({}, {"seconds": Rate(Decimal(price), per)})
    return RateCard("render", "chat", (), (row,))._replace(**changes)


def test_two_models_have_two_prices():
    used = {"input": 374, "output": 44}
    assert estimated(CHAT, used, model="swift").amount == 825  # 374 × 0.15/1000 + 44 × 0.60/1000 = 0.0825
    assert estimated(CHAT, used, model="deep").amount == 13_750
    assert estimated(CHAT, used, model="deep-2").amount == 13_750


def test_the_first_row_that_fits_counts_and_one_without_when_is_for_all_others():
    card = CHAT._replace(rows=(SWIFT, DEEP._replace(when={})))
    assert estimated(card, {"input": 1000, "output": 0}, model="swift").amount == 1_500
    assert estimated(card, {"input": 1000, "output": 0}, model="anything").amount == 25_000


def test_two_dimensions_are_looked_at_together():
    def row(price: int, **when: str) -> RateRow:
        return RateRow({name: (value,) for name, value in when.items()}, {"images": Rate(Decimal(price))})

    rows = (row(1, model="a", quality="low"), row(2, model="a"), row(3, quality="high"))
    card = RateCard("draw", "chat", ("model", "quality"), rows)
    assert [
        estimated(card, {"images": 1}, 0, model=model, quality=quality).amount
        for model, quality in [("a", "low"), ("a", "high"), ("b", "high")]
    ] == [1, 2, 3]
    with pytest.raises(NoRate) as refusal:
        estimated(card, {"images": 1}, 0, model="b", quality="low")
    assert refusal.value.known == {"model": ["a"], "quality": ["low", "high"]}


def test_a_value_without_rates_is_refused_and_the_known_ones_are_named():
    with pytest.raises(
        NoRate, match=r"no rate for model 'turbo'; known values of model: swift, deep, deep-2\."
    ) as told:
        estimated(CHAT, {"input": 1, "output": 1}, model="turbo")
    assert (told.value.operation, told.value.dimensions) == ("chat", {"model": "turbo"})
    assert told.value.known == {"model": ["swift", "deep", "deep-2"]}


@pytest.mark.parametrize(
    ("rounding", "used", "units"),
    [
        ("up", 1, 1), ("up", 3, 1), ("up", 4, 2),
        ("half_up", 1, 0), ("half_up", "1.5", 1), ("half_up", 4, 1), ("half_up", "4.5", 2),
        ("down", "2.999", 0), ("down", 3, 1), ("down", "5.999", 1),
    ],
)  # fmt: skip
def test_the_sum_is_rounded_once_as_the_card_says(rounding: Any, used: Any, units: int):
    card = render("1", 3, rounding=rounding)  # a third of a credit for a second, which no decimal can say
    assert estimated(card, {"seconds": used}, 0).amount == units


def test_many_small_parts_are_rounded_together_and_not_one_by_one():
    row = RateRow({}, {name: Rate(Decimal("0.4")) for name in "abcde"})
    assert estimated(RateCard("x", "chat", (), (row,)), dict.fromkeys("abcde", 1), 0).amount == 2


def test_a_flat_fee_and_a_minimum():
    card = render("0.75", minimum=200)
    assert [estimated(card, {"seconds": used}, 2).amount for used in (0, 1, 2, 3, 4)] == [200, 200, 200, 225, 300]
    flat = RateCard("lookup", "chat", (), (RateRow({}, {}, Decimal("0.015")),))
    assert estimated(flat, {}, 2).amount == 2


def test_the_working_says_every_step():
    row = RateRow({}, {"seconds": Rate(Decimal("2"), 60)}, Decimal("0.5"))
    lines = estimated(RateCard("render", "chat", (), (row,), minimum=200), {"seconds": "12.50"}, 2).lines
    assert [(line.kind, line.used, line.price, line.per, line.total) for line in lines] == [
        ("measure", Decimal("12.5"), 2, 60, Decimal("0.416666666667")),
        ("flat", None, Decimal("0.5"), None, Decimal("0.5")),
        ("rounding", None, None, None, Decimal("0.003333333333")),
        ("minimum", None, 2, None, Decimal("1.08")),
    ]


def test_what_comes_to_nothing_can_be_estimated_and_not_charged():
    used = rates.usage(CHAT, {"input": 0, "output": 0}, {"model": "swift"})
    assert rates.estimate(CHAT, kind(), used).amount == 0
    with pytest.raises(NothingToCharge, match="comes to 0 chat"):
        rates.cost(CHAT, kind(), used)
    card = render("0.001", rounding="down")
    with pytest.raises(NothingToCharge):
        rates.cost(card, kind(2), rates.usage(card, {"seconds": 9}, {}))
    assert rates.cost(card._replace(minimum=1), kind(2), rates.usage(card, {"seconds": 0}, {})) == 1


@pytest.mark.parametrize(
    ("measures", "dimensions", "error", "said"),
    [
        ({"input": 1}, {"model": "swift"}, InvalidField, "chat needs the measure 'output', and 0 where nothing"),
        ({"input": 1, "output": 1, "images": 2}, {"model": "swift"}, InvalidField, "no measure 'images'; there is"),
        ({"input": -1, "output": 1}, {"model": "swift"}, InvalidAmount, "input is negative"),
        ({"input": Decimal("-0.1"), "output": 1}, {"model": "swift"}, InvalidAmount, "input is negative"),
        ({"input": 0.5, "output": 1}, {"model": "swift"}, FloatAmount, "input is the float 0.5"),
        ({"input": "many", "output": 1}, {"model": "swift"}, InvalidAmount, "input 'many' is not a number"),
        ({"input": True, "output": 1}, {"model": "swift"}, InvalidAmount, "input must be an int"),
        ({"input": None, "output": 1}, {"model": "swift"}, InvalidAmount, "input must be an int"),
        ({"input": Decimal("NaN"), "output": 1}, {"model": "swift"}, InvalidAmount, "input is NaN"),
        ({"input": Decimal("Infinity"), "output": 1}, {"model": "swift"}, InvalidAmount, "input is Infinity"),
        ({"input": 10**15, "output": 1}, {"model": "swift"}, InvalidAmount, "more than 15 digits"),
        ({"input": Decimal("1e400"), "output": 1}, {"model": "swift"}, InvalidAmount, "more than 15 digits before"),
        ({"input": Decimal("1e-13"), "output": 1}, {"model": "swift"}, InvalidAmount, "or 12 after it"),
        ({"input": Decimal("1e-9999999"), "output": 1}, {"model": "swift"}, InvalidAmount, "or 12 after it"),
        ({"input": Decimal("1." + "0" * 500 + "1"), "output": 1}, {"model": "swift"}, InvalidAmount, "or 12 after it"),
        ({7: 1}, {"model": "swift"}, InvalidField, "chat has no measure 7"),
        ([("input", 1)], {"model": "swift"}, InvalidField, "measures must be a mapping"),
        ({"input": 1, "output": 1}, {}, InvalidField, "needs the dimension 'model'; known values of model: swift"),
        ({"input": 1, "output": 1}, {"model": None}, InvalidField, "needs the dimension 'model', which is None"),
        ({"input": 1, "output": 1}, {"model": 7}, InvalidField, "model cannot be stored: it is a int"),
        ({"input": 1, "output": 1}, {"model": "x" * 201}, InvalidField, "model cannot be stored"),
        ({"input": 1, "output": 1}, {"model": "swift", "size": "big"}, InvalidField, "no dimension 'size'; there is"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_call_is_told_by_name(measures: Any, dimensions: Any, error: type[Invalid], said: str):
    with pytest.raises(error, match=said) as told:
        rates.estimate(CHAT, kind(), rates.usage(CHAT, measures, dimensions))
    assert "Nothing was changed" in told.value.message


def test_a_measure_that_only_other_rows_have_is_refused_for_this_one():
    vision = RateRow({"model": ("vision",)}, {"images": Rate(Decimal(1))})
    card = CHAT._replace(rows=(SWIFT, vision))
    with pytest.raises(InvalidField, match="no measure 'images' for model 'swift'; there is input, output"):
        estimated(card, {"input": 1, "output": 1, "images": 1}, model="swift")
    assert estimated(card, {"images": 2}, 0, model="vision").amount == 2


def test_what_costs_more_than_can_be_counted_is_refused():
    with pytest.raises(InvalidAmount, match="costs more than 15 digits of chat can say"):
        estimated(render("999999999999"), {"seconds": 10**14})
    assert estimated(render("1"), {"seconds": LIMIT - 1}, 0).amount == LIMIT - 1


def test_dimensions_cannot_be_called_like_any_argument_of_the_verbs_that_take_them():
    verbs = (Credits.charge, Credits.hold_for, Credits.capture_for, Credits.estimate)
    named = {name for verb in verbs for name in inspect.signature(verb).parameters}
    assert named - {"dimensions"} == RESERVED


numbers = st.decimals(0, 10**6, places=3) | st.integers(0, 10**6).map(Decimal)
prices = st.decimals(0, 100, places=6)
pers = st.sampled_from([1, 3, 7, 60, 1000, 10**6])


def made(parts: list[tuple[Decimal, int]], flat: Decimal, minimum: int, rounding: Any) -> RateCard:
    measures = {f"m{number}": Rate(*part) for number, part in enumerate(parts)}
    return RateCard("op", "chat", (), (RateRow({}, measures, flat),), minimum, rounding)


parts = st.lists(st.tuples(prices, pers), min_size=1, max_size=4)
cards = st.builds(made, parts, prices, st.integers(0, 500), st.sampled_from(["up", "half_up", "down"]))


def drawn(card: RateCard, data: st.DataObject) -> dict[str, Decimal]:
    return {name: data.draw(numbers) for name in card.rows[0].measures}


def plainly(card: RateCard, measures: dict[str, Decimal], scale: int) -> Fraction:
    """The exact price in smallest units, by schoolbook fractions."""
    row = card.rows[0]
    parts = [Fraction(measures[name]) * Fraction(rate.price) / rate.per for name, rate in row.measures.items()]
    return (sum(parts) + Fraction(row.flat)) * 10**scale


@given(cards, st.integers(0, 6), st.data())
def test_a_cost_is_less_than_one_unit_from_the_exact_one_on_the_side_the_card_says(
    card: RateCard, scale: int, data: st.DataObject
):
    measures = drawn(card, data)
    exact = plainly(card, measures, scale)
    found = estimated(card._replace(minimum=0), measures, scale).amount - exact
    match card.rounding:
        case "up":
            assert 0 <= found < 1
        case "down":
            assert -1 < found <= 0
        case "half_up":
            assert -Fraction(1, 2) < found <= Fraction(1, 2)


@given(cards, st.integers(0, 6), st.data())
def test_the_charge_is_the_estimate_and_the_lines_add_up_to_it(card: RateCard, scale: int, data: st.DataObject):
    measures = drawn(card, data)
    told = estimated(card, measures, scale)
    used = rates.usage(card, measures, {})
    try:
        assert rates.cost(card, kind(scale), used) == told.amount
    except NothingToCharge:
        assert told.amount == 0
    shown = sum((Fraction(line.total) for line in told.lines), Fraction(0))
    assert abs(shown - Fraction(told.amount, 10**scale)) <= len(told.lines) * Fraction(1, 2 * 10**12)
    assert told.amount >= card.minimum


@given(cards, st.data())
def test_more_never_costs_less(card: RateCard, data: st.DataObject):
    less = drawn(card, data)
    more = {name: value + data.draw(numbers) for name, value in less.items()}
    assert estimated(card, less).amount <= estimated(card, more).amount


@given(cards, st.data())
def test_how_a_number_is_written_changes_nothing(card: RateCard, data: st.DataObject):
    measures = drawn(card, data)
    written = {name: f"{value:f}" + ("00" if "." in f"{value:f}" else ".00") for name, value in measures.items()}
    assume(any(measures.values()))
    assert rates.usage(card, measures, {}).said == rates.usage(card, written, {}).said
    assert estimated(card, measures) == estimated(card, written)
