"""Rate cards in farthing.toml: what they mean, and every mistake in them at once."""

from decimal import Decimal

import pytest

from farthing.catalog import describe_rates, parse
from farthing.core.rates import Rate, RateCard, RateRow
from farthing.errors import UnknownOperation
from tests.test_catalog import TYPES, problems

DRAWN = """
[[operations.draw.rates]]
measures = { images = "0.75" }
"""
CHARGED = (
    TYPES
    + """
[operations.talk]
credit_type = "chat"
dimensions = ["model", "mode"]
minimum = "0.05"
rounding = "half_up"

[[operations.talk.rates]]
when = { model = ["deep", "deep-2"], mode = "fast" }
measures = { input_tokens = "2.50 per 1_000", seconds = 3 }
flat = "0.001"

[[operations.talk.rates]]
measures = { input_tokens = "1 per 1000" }

[operations.draw]
credit_type = "images"

"""
    + DRAWN
)


@pytest.mark.row("C1", "C9")
def test_a_rate_card_says_what_an_operation_costs():
    fast = RateRow(
        {"model": ("deep", "deep-2"), "mode": ("fast",)},
        {"input_tokens": Rate(Decimal("2.5"), 1000), "seconds": Rate(Decimal(3))},
        Decimal("0.001"),
    )
    other = RateRow({}, {"input_tokens": Rate(Decimal(1), 1000)})
    loaded = parse(CHARGED)
    assert list(loaded.operations.values()) == [
        RateCard("talk", "chat", ("model", "mode"), (fast, other), 5, "half_up"),
        RateCard("draw", "images", (), (RateRow({}, {"images": Rate(Decimal("0.75"))}),)),
    ]
    assert loaded.warnings == ()
    with pytest.raises(UnknownOperation, match="no operation 'walk'; it has talk, draw"):
        loaded.operation("walk")


@pytest.mark.row("C9")
def test_what_is_charged_is_printed_rate_by_rate():
    terms = "rounded half up, at least 0.05"
    assert describe_rates(parse(CHARGED)) == [
        ("talk", "model deep or deep-2, mode fast", "0.001 chat a call", terms),
        ("talk", "model deep or deep-2, mode fast", "2.50 chat per 1000 input_tokens", terms),
        ("talk", "model deep or deep-2, mode fast", "3 chat per 1 seconds", terms),
        ("talk", "any", "1 chat per 1000 input_tokens", terms),
        ("draw", "any", "0.75 images per 1 images", "rounded up"),
    ]


@pytest.mark.row("C1", "C9")
@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ('credit_type = "images"', 'credit_type = "imgs"', "operations.draw.credit_type: there is no credit type 'i"),
        ('credit_type = "images"', "", "operations.draw.credit_type: it is missing"),
        ("operations.draw", "operations.Draw", "operations.Draw: write a code"),
        ('"half_up"', '"even"', 'operations.talk.rounding: write "up", "half_up" or "down", not'),
        ('minimum = "0.05"', 'minimum = "0.005"', "operations.talk.minimum: the value 0.005 has more decimals"),
        ('minimum = "0.05"', "minimum = -1", "operations.talk.minimum: it must be 0 or more"),
        ('"2.50 per 1_000"', '"2.50 / 1000"', "operations.talk.rates.1.measures.input_tokens: the value '2.50 / "),
        ('"2.50 per 1_000"', '"2.50 per 0"', "operations.talk.rates.1.measures.input_tokens: write a price, or"),
        ('"2.50 per 1_000"', '"2.50 per 1.5"', "operations.talk.rates.1.measures.input_tokens: write a price, or"),
        ('"2.50 per 1_000"', '"two per 1000"', "operations.talk.rates.1.measures.input_tokens: the value 'two' is not"),
        ('"2.50 per 1_000"', '"-1 per 1000"', "operations.talk.rates.1.measures.input_tokens: it must be 0 or more"),
        ('"2.50 per 1_000"', "1e-13", "operations.talk.rates.1.measures.input_tokens: it needs more than 12 digits"),
        ('"2.50 per 1_000"', "true", "operations.talk.rates.1.measures.input_tokens: write a number such as"),
        ("seconds = 3", '"Seconds Run" = 3', "operations.talk.rates.1.measures.Seconds Run: write a code"),
        ('flat = "0.001"', "flat = -1", "operations.talk.rates.1.flat: it must be 0 or more"),
        ('flat = "0.001"', "fee = 1", "operations.talk.rates.1.fee: there is no such setting"),
        ('mode = "fast"', 'speed = "fast"', "operations.talk.rates.1.when.speed: there is no such dimension; there is"),
        ('mode = "fast"', "mode = 7", "operations.talk.rates.1.when.mode: write a value in quotes, or a list"),
        ('mode = "fast"', "mode = []", "operations.talk.rates.1.when.mode: write a value in quotes, or a list"),
        ('mode = "fast"', 'mode = ""', "operations.talk.rates.1.when.mode: the value cannot be stored"),
        ('["model", "mode"]', '["model", "mode", "key"]', "operations.talk.dimensions: a dimension cannot be called"),
        ('["model", "mode"]', '["model", "mode", "mode"]', "operations.talk.dimensions: 'mode' stands there twice"),
        ('["model", "mode"]', '"model"', "operations.talk.dimensions: write a list"),
        ('when = { model = ["deep", "deep-2"], mode = "fast" }', "", "operations.talk.rates.2: every call is priced"),
        ('["deep", "deep-2"]', '["deep", "deep"]', "operations.talk.rates.1.when.model: 'deep' stands there twice"),
        (DRAWN, "", "operations.draw.rates: it is missing"),
        (DRAWN, "rates = []", "operations.draw.rates: there must be"),
    ],
)  # fmt: skip
def test_each_mistake_of_a_rate_card_says_where_and_is_the_only_one(was: str, now: str, problem: str):
    assert was in CHARGED
    [said] = problems(CHARGED.replace(was, now))
    assert said.startswith(problem)


@pytest.mark.row("C9")
def test_rates_that_are_never_reached_are_told():
    text = CHARGED.replace(
        'measures = { input_tokens = "1 per 1000" }', 'when = { model = "deep", mode = ["slow", "fast"] }'
    )
    assert problems(text) == ["operations.talk.rates.2: model 'deep' and mode 'fast' is priced by rates.1 already"]
    both = CHARGED.replace("[operations.draw]", "[[operations.talk.rates]]\nflat = 1\n\n[operations.draw]")
    assert problems(both) == ["operations.talk.rates.3: every call is priced by rates.2 already"]


@pytest.mark.row("C9")
def test_rates_that_come_to_nothing_are_a_warning():
    free = parse(CHARGED.replace('"0.75"', "0"))
    assert free.warnings == (
        "operations.draw.rates.1: whatever was used costs nothing, and what costs nothing is refused",
    )  # fmt: skip
    assert (
        parse(CHARGED.replace('"0.75"', "0").replace("[operations.draw]", "[operations.draw]\nminimum = 1")).warnings
        == ()
    )


@pytest.mark.row("C1", "C9")
def test_all_mistakes_of_all_cards_are_told_at_once():
    assert problems(
        CHARGED.replace("0.75", "-1")
        .replace("speed", "x")
        .replace("half_up", "even")
        .replace('mode = "fast"', 'x = "y"')
    ) == [
        'operations.talk.rounding: write "up", "half_up" or "down", not \'even\'',
        "operations.draw.rates.1.measures.images: it must be 0 or more",
        "operations.talk.rates.1.when.x: there is no such dimension; there is model, mode",
    ]
