"""Buying through Lemon Squeezy: what its webhooks come to, once its orders were looked at."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta

import pytest

import farthing
from farthing.selling.checkout import Checkout
from tests.kit import Clock
from tests.lemon_town import LemonTown, lemon_town, provider
from tests.selling import available, selling

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
