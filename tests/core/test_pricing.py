"""Slabs, packages and the working of a quote, as rules: no catalog, no database."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.amounts import decimals_of, to_major
from farthing.core import slabs as checks
from farthing.core.book import CreditType
from farthing.core.pricing import Mode, Package, PriceRule, Quote, Slab, bounds, quote_amount, quote_package
from farthing.core.words import Words
from farthing.errors import AmountOutOfRange, NoPrice, PackageUnavailable, PlanRequired, TotalTooSmall

IMAGES = CreditType("images", "Images")
CHAT = CreditType("chat", "Chat", 2)
TWO_SLABS = (Slab(1, 100, Decimal("0.10")), Slab(101, None, Decimal("0.08")))


def rule(mode: Mode, *slabs: Slab, currency: str = "USD", **limits: Any) -> PriceRule:
    return PriceRule("images", mode, {currency: slabs or TWO_SLABS}, **limits)


def price(rule: PriceRule, amount: int, currency: str = "USD", kind: CreditType = IMAGES) -> Quote:
    return quote_amount(rule, kind, amount, currency, catalog_version="v1")


def working(quote: Quote) -> list[tuple[int | None, Decimal | None, Decimal]]:
    return [(line.amount, line.unit, line.total) for line in quote.lines]


@pytest.mark.row("C2")
@pytest.mark.parametrize(("amount", "cents"), [(1, 10), (100, 1000), (101, 808), (200, 1600)])
def test_volume_prices_the_whole_amount_at_the_slab_it_falls_in(amount: int, cents: int):
    assert price(rule("volume"), amount).total_minor == cents


@pytest.mark.row("C2")
@pytest.mark.parametrize(("amount", "cents"), [(1, 10), (100, 1000), (101, 1008), (200, 1800)])
def test_graduated_prices_each_part_at_its_slab(amount: int, cents: int):
    assert price(rule("graduated"), amount).total_minor == cents


@pytest.mark.row("C8")
def test_the_working_of_101_graduated_is_100_at_10_cents_and_1_at_8():
    quote = price(rule("graduated"), 101)
    assert working(quote) == [
        (100, Decimal("0.10"), Decimal("10.00")),
        (1, Decimal("0.08"), Decimal("0.08")),
    ]
    assert [(line.kind, line.start, line.end) for line in quote.lines] == [("slab", 1, 100), ("slab", 101, None)]
    assert quote.unit_price == Decimal("0.099801980198")


@pytest.mark.row("C7")
def test_half_a_cent_rounds_up_and_the_working_says_so():
    halves = rule("volume", Slab(1, None, Decimal("0.005")))
    quote = price(halves, 3)
    assert quote.total_minor == 2
    assert working(quote) == [(3, Decimal("0.005"), Decimal("0.015")), (None, None, Decimal("0.005"))]
    assert price(rule("volume", Slab(1, None, Decimal("0.0049"))), 1_000).total_minor == 490


@pytest.mark.row("C7")
def test_graduated_parts_are_rounded_once_and_not_each():
    parts = rule("graduated", *(Slab(n, n, Decimal("0.004")) for n in range(1, 6)))
    assert price(parts, 5).total_minor == 2  # five times 0.004; each rounded alone would be nothing


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("currency", "unit", "amount", "minor"),
    [("JPY", "9.9", 1, 10), ("JPY", "1.5", 3, 5), ("KWD", "0.0305", 1, 31), ("KWD", "0.030", 100, 3000)],
)
def test_yen_have_no_decimals_and_dinars_three(currency: str, unit: str, amount: int, minor: int):
    assert price(rule("volume", Slab(1, None, Decimal(unit)), currency=currency), amount, currency).total_minor == minor


@pytest.mark.row("C7")
def test_one_credit_at_a_hundredth_of_a_cent_is_refused_and_a_hundred_cost_a_cent():
    cheap = rule("volume", Slab(1, None, Decimal("0.0001")))
    with pytest.raises(TotalTooSmall, match=r"would cost USD 0\.00, rounded from 0\.0001"):
        price(cheap, 1)
    assert price(cheap, 100).total_minor == 1


@pytest.mark.row("C7")
def test_a_price_is_for_one_credit_whatever_the_scale():
    tokens = rule("volume", Slab(1, None, Decimal("0.10")))
    quote = price(tokens, 525, kind=CHAT)  # 5.25 credits
    assert (quote.total_minor, quote.unit_price) == (53, Decimal("0.1"))
    assert working(quote) == [(525, Decimal("0.10"), Decimal("0.525")), (None, None, Decimal("0.005"))]


@pytest.mark.row("C7")
def test_huge_amounts_stay_exact():
    unit = Decimal("0.123456789012")
    quote = price(rule("volume", Slab(1, None, unit), currency="JPY"), 999_999_999_999_999, "JPY")
    assert quote.total_minor == 123_456_789_012_000
    assert quote.lines[0].total == Decimal("123456789011999.876543210988")
    assert quote.lines[1].total == Decimal("0.123456789012")


def test_a_total_of_more_than_15_digits_is_refused():
    dear = rule("volume", Slab(1, None, Decimal("10")))
    assert price(dear, 999_999_999_999).total_minor == 999_999_999_999_000
    with pytest.raises(AmountOutOfRange, match="more than 15 digits of money"):
        price(dear, 1_000_000_000_000)


@pytest.mark.row("C5")
@pytest.mark.parametrize(
    ("amount", "wrong"),
    [(40, "less than is sold at once"), (510, "more than is sold at once"), (55, "not a multiple of the step")],
)
def test_minimum_maximum_and_step_are_enforced(amount: int, wrong: str):
    tens = rule("volume", Slab(10, None, Decimal("0.10")), minimum=50, maximum=500, step=10)
    with pytest.raises(
        AmountOutOfRange, match=f"{amount} images is {wrong}.*Ask for 50 to 500, in steps of 10"
    ) as said:
        price(tens, amount)
    assert said.value.facts == {"credit_type": "images", "amount": amount, "minimum": 50, "maximum": 500, "step": 10}
    assert [price(tens, sold).total_minor for sold in (50, 60, 500)] == [500, 600, 5000]


@pytest.mark.row("C5")
def test_without_limits_the_slabs_are_the_limits():
    closed = rule("volume", Slab(10, 20, Decimal("1")), Slab(21, 30, Decimal("0.9")))
    assert price(closed, 10).total_minor == 1000
    assert price(closed, 30).total_minor == 2700
    for outside in (9, 31):
        with pytest.raises(AmountOutOfRange, match="Ask for 10 to 30"):
            price(closed, outside)


@pytest.mark.row("C2")
def test_the_first_graduated_slab_also_prices_what_lies_below_it():
    assert price(rule("graduated", Slab(10, 20, Decimal("1")), Slab(21, None, Decimal("0.5"))), 22).total_minor == 2100


@pytest.mark.row("C2")
def test_a_currency_without_slabs_has_no_price():
    with pytest.raises(NoPrice, match=r"no price for images in EUR.*It has one in: USD") as said:
        price(rule("volume"), 1, "EUR")
    assert said.value.currencies == ["USD"]


@pytest.mark.row("C8")
def test_the_next_slab_says_what_it_takes_and_what_it_saves():
    volume = price(rule("volume"), 100).next_slab
    assert volume == (101, Decimal("0.08"), 808, 202, -192)  # 101 at 0.10 would be 10.10; 100 cost 10.00
    graduated = price(rule("graduated"), 60).next_slab
    assert graduated == (101, Decimal("0.08"), 1008, 2, 408)
    assert price(rule("volume"), 101).next_slab is None


@pytest.mark.row("C8")
def test_a_next_slab_that_is_dearer_or_out_of_reach_is_no_hint():
    assert price(rule("volume", Slab(1, 10, Decimal("1")), Slab(11, None, Decimal("2"))), 5).next_slab is None
    assert price(rule("volume", maximum=100), 5).next_slab is None


STARTER = Package("starter", "images", 100, 10, {"USD": 990, "JPY": 1500}, Words("Starter"), expires="365d")


@pytest.mark.row("C6")
@pytest.mark.parametrize(
    ("credits", "minor", "each"),
    [(100, 990, "0.099"), (200, 1490, "0.0745"), (500, 3990, "0.0798"), (1000, 6990, "0.0699")],
)
def test_a_package_costs_what_the_seller_wrote(credits: int, minor: int, each: str):
    package = STARTER._replace(credits=credits, bonus=0, prices={"USD": minor})
    quote = quote_package(package, IMAGES, "USD", catalog_version="v1")
    assert (quote.amount, quote.bonus, quote.subtotal_minor, quote.discount_minor) == (credits, 0, minor, 0)
    assert (quote.total_minor, quote.unit_price) == (minor, Decimal(each))
    assert working(quote) == [(credits, None, to_major(minor, "USD"))]


@pytest.mark.row("C6")
def test_bonus_credits_come_on_top_and_make_each_one_cheaper():
    quote = quote_package(STARTER, IMAGES, "USD", catalog_version="v1")
    assert (quote.amount, quote.bonus, quote.unit_price) == (100, 10, Decimal("0.09"))
    assert (quote.package, quote.expires, quote.catalog_version) == ("starter", "365d", "v1")
    assert quote_package(STARTER, IMAGES, "JPY", catalog_version="v1").total_minor == 1500


@pytest.mark.row("C6")
def test_what_is_not_for_sale_to_this_buyer_is_refused():
    with pytest.raises(PackageUnavailable, match="'starter' is not sold now"):
        quote_package(STARTER._replace(disabled=True), IMAGES, "USD", catalog_version="v1")
    with pytest.raises(NoPrice, match=r"'starter' in EUR.*USD, JPY"):
        quote_package(STARTER, IMAGES, "EUR", catalog_version="v1")
    pro = STARTER._replace(plans=("pro", "team"))
    for plan in (None, "free", ""):
        with pytest.raises(PlanRequired, match="for subscribers of pro or team") as said:
            quote_package(pro, IMAGES, "USD", plan=plan, catalog_version="v1")
        assert said.value.plans == ["pro", "team"]
    assert quote_package(pro, IMAGES, "USD", plan="team", catalog_version="v1").total_minor == 990


@pytest.mark.row("C2")
@pytest.mark.parametrize(
    ("slabs", "said"),
    [
        ([(1, 100), (102, None)], "no slab prices 101; start the slab from 102 at 101"),
        ([(1, 100), (110, None)], "no slab prices 101 to 109"),
        ([(1, 100), (100, None)], "two slabs price 100"),
        ([(1, 100), (50, 60)], "two slabs price 50 to 60"),
        ([(1, None), (101, None)], "the slab from 1 has no `to`, but the slab from 101 comes after it"),
        ([(100, 1)], "the slab from 100 ends before it begins, at 1"),
    ],
)
def test_gaps_and_overlaps_are_named(slabs: list[tuple[int, int | None]], said: str):
    broken = rule("volume", *(Slab(start, end, Decimal(1)) for start, end in slabs))
    [fault] = checks.faults(broken, IMAGES, "USD")
    assert fault.startswith(said)


@pytest.mark.row("C5")
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"minimum": 1}, ["no slab prices 1 to 9, which `min` allows"]),
        ({"maximum": 40}, ["no slab prices 31 to 40, which `max` allows"]),
        (
            {"minimum": 1, "maximum": 31},
            ["no slab prices 1 to 9, which `min` allows", "no slab prices 31, which `max` allows"],
        ),
        ({"maximum": 5}, ["nothing can be sold: the least is 10 and the most 5"]),
        ({"step": 20}, ["10 is not a multiple of the step, 20", "30 is not a multiple of the step, 20"]),
        ({"step": 10}, []),
    ],
)
def test_limits_that_the_slabs_do_not_price_are_named(limits: dict[str, Any], said: list[str]):
    assert list(checks.faults(rule("volume", Slab(10, 30, Decimal(1)), **limits), IMAGES, "USD")) == said


@pytest.mark.row("C2")
def test_more_that_costs_less_is_a_cliff_and_is_named():
    said = "100 images cost USD 10.00, but 101 cost only USD 8.08"
    assert list(checks.doubts(rule("volume"), IMAGES, "USD")) == [said]
    assert list(checks.doubts(rule("graduated"), IMAGES, "USD")) == []
    assert list(checks.doubts(rule("volume", maximum=100), IMAGES, "USD")) == []
    assert list(checks.doubts(rule("volume", minimum=101), IMAGES, "USD")) == []


UNITS = st.decimals("0.000000000001", "10", places=12)
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])


@st.composite
def priced(draw: st.DrawFn, modes: tuple[Mode, ...] = ("volume", "graduated")) -> tuple[PriceRule, CreditType, str]:
    """A rule without faults, for a type of any scale."""
    step = draw(st.integers(1, 7))
    start = draw(st.integers(1, 20)) * step
    slabs: list[Slab] = []
    for length in draw(st.lists(st.integers(0, 50), min_size=1, max_size=5)):
        slabs.append(Slab(start, start + length * step, draw(UNITS)))
        start += (length + 1) * step
    if draw(st.booleans()):
        slabs[-1] = slabs[-1]._replace(end=None)
    currency = draw(CURRENCIES)
    rule = PriceRule("images", draw(st.sampled_from(modes)), {currency: tuple(slabs)}, step=step)
    return rule, IMAGES._replace(scale=draw(st.integers(0, 9))), currency


def sold(rule: PriceRule, currency: str) -> range:
    """Every amount the rule sells, or the first thousand and where the last slab begins."""
    slabs = rule.slabs[currency]
    least, most = bounds(rule, slabs)
    return range(least, (max(least + 1000, slabs[-1].start) if most is None else most) + 1, rule.step)


def total(rule: PriceRule, kind: CreditType, amount: int, currency: str) -> int:
    try:
        return price(rule, amount, currency, kind).total_minor
    except TotalTooSmall:
        return 0


def by_hand(rule: PriceRule, kind: CreditType, amount: int, currency: str) -> Fraction:
    """The exact total in minor units, one smallest unit after the other."""

    def unit(one: int) -> Fraction:
        return Fraction(next(slab.unit for slab in rule.slabs[currency] if slab.end is None or one <= slab.end))

    units = [unit(amount)] * amount if rule.mode == "volume" else [unit(one) for one in range(1, amount + 1)]
    return sum(units, Fraction()) * 10 ** decimals_of(currency) / 10**kind.scale


@pytest.mark.row("C2", "C7")
@given(st.data())
def test_a_total_is_what_counting_each_credit_by_hand_gives_rounded_half_up(data: st.DataObject):
    rule, kind, currency = data.draw(priced())
    amount = data.draw(st.sampled_from(sold(rule, currency)))
    exact = by_hand(rule, kind, amount, currency)
    assert total(rule, kind, amount, currency) == (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)


@pytest.mark.row("C8")
@given(st.data())
def test_the_lines_add_up_to_the_total(data: st.DataObject):
    rule, kind, currency = data.draw(priced())
    amount = data.draw(st.sampled_from(sold(rule, currency)))
    try:
        quote = price(rule, amount, currency, kind)
    except TotalTooSmall:
        return
    assert sum(Fraction(line.total) for line in quote.lines) == Fraction(to_major(quote.total_minor, currency))
    assert sum(line.amount or 0 for line in quote.lines) == amount
    assert quote.subtotal_minor - quote.discount_minor == quote.total_minor


@pytest.mark.row("C2")
@given(priced(modes=("graduated",)))
def test_graduated_totals_never_fall(drawn: tuple[PriceRule, CreditType, str]):
    totals = [total(*drawn[:2], amount, drawn[2]) for amount in sold(drawn[0], drawn[2])[:200]]
    assert totals == sorted(totals)


@pytest.mark.row("C2")
@given(priced())
def test_without_faults_every_amount_on_the_step_has_a_price_and_no_other(drawn: tuple[PriceRule, CreditType, str]):
    rule, kind, currency = drawn
    assert [*checks.limit_faults(rule, kind), *checks.faults(rule, kind, currency)] == []
    amounts = sold(rule, currency)
    for amount in range(max(amounts[0] - 10, 1), min(amounts[-1], amounts[0] + 100)):
        if amount in amounts:
            assert total(rule, kind, amount, currency) >= 0
        else:
            with pytest.raises(AmountOutOfRange):
                price(rule, amount, currency, kind)


@pytest.mark.row("C2")
@given(priced(modes=("volume",)), st.data())
def test_without_a_warning_more_never_costs_less(drawn: tuple[PriceRule, CreditType, str], data: st.DataObject):
    rule, kind, currency = drawn
    totals = [total(rule, kind, amount, currency) for amount in sold(rule, currency)]
    falls = any(more < less for less, more in pairwise(totals))
    assert falls == any("cost only" in doubt for doubt in checks.doubts(rule, kind, currency))
