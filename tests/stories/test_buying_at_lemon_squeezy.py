"""Buying through Lemon Squeezy: what its webhooks come to, once its orders were looked at."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta

import pytest

import farthing
from farthing.errors import NotBillable, SettingsInvalid
from farthing.selling.checkout import Checkout
from farthing.testing import prove
from tests.kit import Clock
from tests.lemon_town import PLAN_VARIANTS, VARIANT, LemonTown, lemon_town, provider
from tests.selling import available, selling
from tests.stories.test_buying_plans import CATALOG

pytestmark = pytest.mark.row("P4")


@pytest.fixture
def town(clock: Clock) -> Generator[LemonTown]:
    with lemon_town() as here:
        here.now = clock()
        yield here


def buy(credits: farthing.Credits) -> Checkout:
    return credits.checkout("ada", package="starter", key="buy:1", provider="lemonsqueezy")


def tell(credits: farthing.Credits, town: LemonTown, event: str, number: str) -> str | None:
    return credits.receive("lemonsqueezy", *town.webhook(event, number)).outcome


def test_a_payment_gives_the_credits_once_however_often_it_is_told(database_url: str, clock: Clock, town: LemonTown):
    town.tax_percent = 20
    with selling(database_url, clock, providers=[provider(town)]) as credits:
        checkout = buy(credits)
        number = town.pay(checkout.url or "")
        webhook = town.webhook("order_created", number)
        assert credits.receive("lemonsqueezy", *webhook).outcome == "fulfilled"
        clock.move("200d")
        assert credits.receive("lemonsqueezy", *webhook).duplicate
        assert tell(credits, town, "order_refunded", number) == "no_change"
        assert buy(credits).order.id == checkout.order.id
        order = credits.order("ada", checkout.order.id)
        assert (order.status, order.payments[0].amount_minor, order.payments[0].tax_minor) == ("fulfilled", 1188, 198)


def test_refunds_in_parts_take_back_their_share_and_a_second_payment_is_surplus(
    database_url: str, clock: Clock, town: LemonTown
):
    with selling(database_url, clock, providers=[provider(town)]) as credits:
        checkout = buy(credits)
        number = town.pay(checkout.url or "")
        assert tell(credits, town, "order_created", number) == "fulfilled"
        assert tell(credits, town, "order_created", town.pay(checkout.url or "")) == "surplus"
        assert available(credits) == 110
        town.refund(number, 495)
        tell(credits, town, "order_refunded", number)
        assert available(credits) == 55
        town.refund(number, 495)
        tell(credits, town, "order_refunded", number)
        assert available(credits) == 0


def test_what_a_customer_writes_into_the_address_buys_nothing(database_url: str, clock: Clock, town: LemonTown):
    with selling(database_url, clock, providers=[provider(town)]) as credits:
        checkout = buy(credits)
        named = {"order": checkout.order.id}
        assert tell(credits, town, "order_created", town.sell(50, named)) == "review"
        stickers = town.sell(990, named, first_order_item={"variant_id": 43})
        assert tell(credits, town, "order_created", stickers) == "unknown"
        assert tell(credits, town, "order_created", town.sell(990, named, store_id=8)) == "unknown"
        town.test_mode = False
        assert tell(credits, town, "order_created", town.sell(990, named)) == "other_mode"
        assert available(credits) == 0


def test_an_event_waits_while_lemon_squeezy_does_not_answer(database_url: str, clock: Clock, town: LemonTown):
    with selling(database_url, clock, providers=[provider(town)]) as credits:
        number = town.pay(buy(credits).url or "")
        town.wrong = ["lost"] * 3
        assert tell(credits, town, "order_created", number) is None
        assert available(credits) == 0
        clock.move("1h")
        assert credits.handle_events().handled == 1
        assert available(credits) == 110


def test_a_pending_order_gives_its_credits_when_it_is_paid(database_url: str, clock: Clock, town: LemonTown):
    with selling(database_url, clock, providers=[provider(town)]) as credits:
        checkout = buy(credits)
        number = town.pay(checkout.url or "", status="pending")
        tell(credits, town, "order_created", number)
        assert credits.order("ada", checkout.order.id).status == "processing"
        town.now += timedelta(hours=1)
        town.turn(number, status="paid")
        assert tell(credits, town, "order_created", number) == "fulfilled"
        assert available(credits) == 110


@pytest.mark.row("P12")
def test_a_plan_is_billed_there_and_every_invoice_opens_one_period(database_url: str, clock: Clock, town: LemonTown):
    with selling(database_url, clock, CATALOG, providers=[provider(town)]) as credits:
        bought = credits.buy_plan("ada", "paid", key="k", provider="lemonsqueezy", email="ada@example.com")
        again = credits.buy_plan("ada", "paid", key="k", provider="lemonsqueezy", email="ada@example.com")
        assert (again.url, len(town.checkouts)) == (bought.url, 1)
        number = town.subscribe(bought.url or "")
        invoice = town.invoices[-1]["id"]
        told = [tell(credits, town, *event) for event in (
            ("subscription_payment_success", invoice), ("subscription_created", number),
            ("subscription_payment_success", invoice),
        )]  # fmt: skip
        assert told == ["plan_paid", "no_change", "plan_paid"]  # the last one is the first one again
        assert available(credits) == 300
        clock.move("1mo")
        town.now = clock()
        credits.drip()
        unpaid = town.bill(number, "renewal", 900, "pending")
        town.alter(number, status="past_due")
        assert tell(credits, town, "subscription_payment_failed", unpaid) == "noted"
        assert available(credits) == 0
        town.invoices[-1]["attributes"]["status"] = "paid"
        town.alter(number, status="active")
        assert tell(credits, town, "subscription_payment_recovered", unpaid) == "plan_paid"
        assert available(credits) == 300
        town.alter(number, status="cancelled", cancelled=True)
        assert tell(credits, town, "subscription_cancelled", number) == "plan_changed"
        assert credits.plan_portal("ada") == f"{town.url}/billing?signature=1"
        clock.move("1mo")
        town.now = clock()
        town.alter(number, status="expired")
        tell(credits, town, "subscription_expired", number)
        credits.drip()
        plan = credits.subscription("ada")
        assert (plan and plan.status, available(credits)) == ("ended", 0)
        prove(credits)


@pytest.mark.row("P12")
def test_a_plan_of_another_variant_there_is_the_plan_of_that(database_url: str, clock: Clock, town: LemonTown):
    with selling(database_url, clock, CATALOG, providers=[provider(town)]) as credits:
        number = town.subscribe(credits.buy_plan("ada", "paid", key="k", provider="lemonsqueezy").url or "")
        tell(credits, town, "subscription_created", number)
        town.alter(number, variant_id=int(PLAN_VARIANTS["more"]))
        town.bill(number, "updated", 2000)
        assert tell(credits, town, "subscription_plan_changed", number) == "plan_changed"
        assert available(credits) == 1000
        town.alter(number, variant_id=99)
        assert tell(credits, town, "subscription_updated", number) == "unknown"


@pytest.mark.row("P12")
def test_a_plan_without_a_variant_is_not_billed_there(database_url: str, clock: Clock, town: LemonTown):
    with (
        selling(database_url, clock, CATALOG, providers=[provider(town)]) as credits,
        pytest.raises(NotBillable, match="FARTHING_LEMONSQUEEZY_PLAN_VARIANTS"),
    ):
        credits.buy_plan("ada", "year", key="k", provider="lemonsqueezy")


@pytest.mark.row("P12")
@pytest.mark.parametrize("wrong", [{"paid": "x"}, {"paid": VARIANT}, {"paid": "51", "more": "51"}])
def test_variants_of_plans_that_cannot_be_right(town: LemonTown, wrong: dict[str, str]):
    with pytest.raises(SettingsInvalid):
        provider(town, plan_variants=wrong)
