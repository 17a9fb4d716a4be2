"""What a buyer is told a purchase costs, before any account or money is there."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import farthing
from farthing import Credits
from farthing.errors import (
    AmountOutOfRange,
    FloatAmount,
    InvalidAmount,
    InvalidField,
    NoPrice,
    PackageUnavailable,
    PlanRequired,
    SwitchedOff,
    TotalTooSmall,
    UnknownCreditType,
    UnknownCurrency,
)
from farthing.views import QuoteView
from tests.kit import Clock, proved

SHOP = """
[credit_types.images]
name = "Images"

[credit_types.chat]
name = "Chat"
scale = 2

[credit_types.gold]
name = "Only given"

[packages.starter]
credit_type = "images"
credits = 100
bonus = 10
price = {USD = "9.90", JPY = 1500, KWD = "3.005"}
expires = "365d"

[packages.family]
credit_type = "images"
credits = 200
price = {USD = 14.90}

[packages.insider]
credit_type = "images"
credits = 500
price = {USD = "39.90"}
plans = ["pro"]

[packages.old]
credit_type = "images"
credits = 1000
price = {USD = "69.90"}
disabled = true

[prices.images]
mode = "volume"
min = 1
max = 10000
[[prices.images.slabs.USD]]
from = 1
to = 100
unit = "0.10"
[[prices.images.slabs.USD]]
from = 101
unit = "0.08"
[[prices.images.slabs.JPY]]
from = 1
unit = "14.5"

[prices.chat]
mode = "graduated"
step = "0.25"
[[prices.chat.slabs.USD]]
from = "0.25"
to = 100
unit = "0.0001"
[[prices.chat.slabs.USD]]
from = "100.25"
unit = "0.00008"
"""


@pytest.fixture
def credits(database_url: str, clock: Clock) -> Iterator[Credits]:
    with proved(database_url, clock, SHOP) as opened:
        yield opened


@pytest.mark.row("C2", "C8")
def test_a_hundred_images_cost_10_dollars_and_one_more_8_08(credits: Credits):
    hundred = credits.quote("images", 100)
    assert (hundred.total, hundred.currency, hundred.unit_price) == (Decimal("10.00"), "USD", Decimal("0.10"))
    assert hundred.next_slab == (101, Decimal("0.08"), 808, 202, -192)
    more = credits.quote("images", 101)
    assert (more.total, more.unit_price, more.next_slab) == (Decimal("8.08"), Decimal("0.08"), None)
    assert credits.catalog.warnings[0].endswith("100 images cost USD 10.00, but 101 cost only USD 8.08")


@pytest.mark.row("C2", "C8")
def test_a_graduated_price_shows_its_working_in_credits(credits: Credits):
    quote = credits.quote("chat", "100.25")
    assert (quote.amount, quote.total) == (Decimal("100.25"), Decimal("0.01"))
    assert [(line.kind, line.start, line.end, line.amount, line.total) for line in quote.lines] == [
        ("slab", Decimal("0.25"), 100, 100, Decimal("0.01")),
        ("slab", Decimal("100.25"), None, Decimal("0.25"), Decimal("0.00002")),
        ("rounding", None, None, None, Decimal("-0.00002")),
    ]
    assert sum(line.total for line in quote.lines) == quote.total


@pytest.mark.row("C6", "C8")
def test_a_package_costs_what_its_label_says_with_the_bonus_on_top(credits: Credits):
    quote = credits.quote(package="starter")
    assert (quote.credit_type, quote.amount, quote.bonus, quote.package) == ("images", 100, 10, "starter")
    assert (quote.total, quote.unit_price, quote.expires) == (Decimal("9.90"), Decimal("0.09"), "365d")
    assert (quote.subtotal_minor, quote.discount_minor, quote.total_minor) == (990, 0, 990)
    assert quote.catalog_version == credits.catalog.version


@pytest.mark.row("C7")
def test_each_currency_has_its_own_decimals(credits: Credits):
    assert [str(credits.quote(package="starter", currency=code).total) for code in ("USD", "JPY", "KWD")] == [
        *("9.90", "1500", "3.005")
    ]
    yen = credits.quote("images", 1, currency="JPY")
    assert (yen.total_minor, yen.lines[-1]) == (15, ("rounding", None, None, None, None, Decimal("0.5")))


@pytest.mark.row("C6")
def test_the_server_decides_who_may_buy_a_package(credits: Credits):
    for plan in (None, "free"):
        with pytest.raises(PlanRequired, match="'insider' is for subscribers of pro"):
            credits.quote(package="insider", plan=plan)
    assert credits.quote(package="insider", plan="pro").total == Decimal("39.90")
    with pytest.raises(PackageUnavailable, match="'old' is not sold now"):
        credits.quote(package="old", plan="pro")
    with pytest.raises(PackageUnavailable, match="no package 'mega'; it sells starter, family, insider"):
        credits.quote(package="mega")


@pytest.mark.row("C5")
def test_below_the_least_above_the_most_and_off_the_step_are_refused(credits: Credits):
    with pytest.raises(AmountOutOfRange, match="10001 images is more than is sold at once") as most:
        credits.quote("images", 10_001)
    assert (most.value.minimum, most.value.maximum, most.value.step) == (1, 10_000, 1)
    with pytest.raises(AmountOutOfRange, match=r"200\.1 chat is not a multiple of the step.*in steps of 0\.25"):
        credits.quote("chat", "200.10")


@pytest.mark.row("C7")
def test_what_costs_nothing_is_not_sold(credits: Credits):
    with pytest.raises(TotalTooSmall, match="1 chat would cost USD 0"):
        credits.quote("chat", 1)
    assert credits.quote("chat", 50).total_minor == 1  # half a cent, rounded up


@pytest.mark.row("C2")
def test_no_price_is_said_and_never_taken_for_zero(credits: Credits):
    with pytest.raises(NoPrice, match=r"no price for images in EUR.*USD, JPY"):
        credits.quote("images", 5, currency="EUR")
    with pytest.raises(NoPrice, match="'family' in JPY"):
        credits.quote(package="family", currency="JPY")
    with pytest.raises(NoPrice, match="sells gold only in packages, if at all"):
        credits.quote("gold", 5)


@pytest.mark.row("C8")
def test_a_question_that_makes_no_sense_is_refused_as_such(credits: Credits):
    questions: list[dict[str, Any]] = [
        *({}, {"credit_type": "images"}, {"amount": 5}, {"package": "starter", "amount": 5}),
        {"credit_type": "images", "package": "starter"},
    ]
    for question in questions:
        with pytest.raises(InvalidField, match="a credit type with an amount, or for a package alone"):
            credits.quote(**question)
    with pytest.raises(UnknownCreditType):
        credits.quote("videos", 5)
    with pytest.raises(UnknownCurrency, match="'usd' is not an ISO 4217"):
        credits.quote("images", 5, currency="usd")
    for amount in (0, -5, "1.5", "NaN", 10**15, "nonsense"):
        with pytest.raises(InvalidAmount):
            credits.quote("images", amount)
    with pytest.raises(FloatAmount):
        credits.quote("images", 5.0)  # pyright: ignore[reportArgumentType]


@pytest.mark.row("C1")
def test_when_selling_is_switched_off_nothing_has_a_price(database_url: str, clock: Clock):
    with (
        proved(database_url, clock, f"switches = {{selling = false}}\n{SHOP}") as closed,
        pytest.raises(SwitchedOff, match="Selling is switched off") as said,
    ):
        closed.quote(package="starter")
    assert said.value.switch == "selling"


@pytest.mark.row("C8")
def test_awaiting_gives_the_same_quote(database_url: str, credits: Credits, clock: Clock):
    async def ask() -> QuoteView:
        async with farthing.open_async(database_url, catalog=credits.catalog, clock=clock) as waiting:
            return await waiting.quote("images", 101)

    assert asyncio.run(ask()) == credits.quote("images", 101)
