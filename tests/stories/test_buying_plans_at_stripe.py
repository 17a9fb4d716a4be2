"""Plans as Stripe's subscriptions: the official SDK speaks to a counterpart of ours; its events come back signed."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page

import farthing
from farthing.errors import NotBillable
from farthing.selling.billing import BillingView
from farthing.testing import Clock, prove
from farthing.views import SubscriptionView
from tests.selling import selling
from tests.stories.test_buying_plans import CATALOG
from tests.stripe_subscriptions import new_price
from tests.stripe_town import StripeTown, collector, stripe_town

pytestmark = pytest.mark.row("P12")

TEXT = CATALOG + '\n[plans.forever]\nevery = "4y"\ndriver = "payment"\nprice = { USD = "900.00" }\n'
TEXT += "[plans.forever.credits.images]\namount = 1\n\n[providers.stripe]\npromotion_codes = true\ninvoice = true\n"


@pytest.fixture
def clock() -> Clock:
    """Stripe signs by the real time, so these stories are told by it."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def town() -> Generator[StripeTown]:
    with stripe_town() as here:
        yield here


@contextmanager
def shop(url: str, clock: Clock, town: StripeTown) -> Generator[farthing.Credits]:
    with selling(url, clock, TEXT, providers=[collector(town)]) as credits:
        yield credits
        prove(credits)


class Subscriber:
    """Ada, who bought a plan on Stripe's page."""

    def __init__(self, credits: farthing.Credits, town: StripeTown, plan: str = "paid", **how: Any) -> None:
        self.credits, self.town, self.heard = credits, town, 0
        self.bought = credits.buy_plan("ada", plan, key="buy", provider="stripe", **how)
        self.session = (self.bought.url or "").rpartition("/")[2]
        self.subscription = town.subscribe(self.session)

    def hear(self) -> set[str | None]:
        """What happened at Stripe since arrives, signed: what it came to."""
        now = self.credits.clock().timestamp()
        letters = [self.town.letter(event, at=now) for event in self.town.events[self.heard :]]
        self.heard = len(self.town.events)
        return {self.credits.receive("stripe", headers, body).outcome for headers, body in letters}

    def billing(self) -> BillingView:
        return self.credits.plan_billing("ada", self.bought.billing.id)

    def plan(self) -> SubscriptionView:
        plan = self.credits.subscription("ada")
        assert plan
        return plan

    def have(self) -> int:
        return int(self.credits.balance("ada", "images").available)


def test_bought_on_stripes_page_and_billed_from_then_on(database_url, clock, town):
    town.tax_minor = 144
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town, email="ada@example.com", locale="de")
        assert "plan_paid" in ada.hear()
        ada.heard = 0
        assert "plan_paid" in ada.hear()  # the outcome of the first time
        assert (ada.have(), ada.plan().status, ada.billing().status) == (300, "active", "active")
        [invoice] = ada.billing().invoices
        assert (invoice.amount_minor, invoice.tax_minor, invoice.outcome) == (900, 144, "opened")
        asked = town.held[ada.session]["_given"]
        assert (asked["mode"], asked["customer_email"], asked["locale"]) == ("subscription", "ada@example.com", "de")
        assert asked["line_items"]["0"]["price_data"]["recurring"] == {"interval": "month", "interval_count": "1"}
        assert "invoice_creation" not in asked and asked["allow_promotion_codes"] == "true"
        clock.move("1mo")
        town.bill(ada.subscription, "subscription_cycle")
        assert (ada.hear(), ada.have(), ada.plan().status) == ({"unknown", "plan_paid"}, 300, "active")
        assert len(ada.billing().invoices) == 2


def test_in_a_real_browser_from_our_page_to_stripes(sqlite, town: StripeTown, clock: Clock, page: Page):
    with sqlite.migrated() as url, shop(url, clock, town) as credits:
        bought = credits.buy_plan("ada", "paid", key="k", provider="stripe", return_url=f"{town.url}/c/pay/thanks")
        page.goto(bought.url or "")
        assert "USD 900" in page.content()
        page.get_by_role("button", name="Pay", exact=True).click()
        assert "plan_paid" in {credits.receive("stripe", *letter).outcome for letter in town.letters()}
        assert int(credits.balance("ada", "images").available) == 300


def test_every_order_of_its_events_ends_the_same(database_url, clock, town):
    dice = random.Random(5)
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        town.alter(ada.subscription, cancel_at_period_end=True)
        town.alter(ada.subscription, cancel_at_period_end=False)
        letters = town.letters()
        arriving = [*letters, *dice.sample(letters, 3)]
        dice.shuffle(arriving)
        for headers, body in arriving:
            credits.receive("stripe", headers, body)
        assert (ada.have(), ada.plan().status, ada.plan().ends, len(ada.billing().invoices)) == (300, "active", None, 1)


def test_a_trial_then_its_first_period(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town, "tried")
        assert town.held[ada.session]["_given"]["subscription_data"]["trial_period_days"] == "14"
        assert "noted" in ada.hear()
        assert (ada.have(), ada.plan().status, ada.billing().status) == (20, "trialing", "trialing")
        assert [(one.pays, one.amount_minor) for one in ada.billing().invoices] == [("other", 0)]
        clock.move("14d")
        town.held[ada.subscription].update(trial_end=town.held[ada.subscription]["created"] - 1, status="active")
        town.bill(ada.subscription, "subscription_cycle")
        assert "plan_paid" in ada.hear()
        assert (ada.have(), ada.plan().status) == (300, "active")


def test_who_cannot_pay_gets_nothing_until_it_is_paid_after_all(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        ada.hear()
        clock.move("1mo")
        invoice = town.bill(ada.subscription, "subscription_cycle", paid=False)
        town.alter(ada.subscription, status="past_due")
        credits.drip()
        assert (ada.hear(), ada.have(), ada.plan().status) == ({"noted", "no_change"}, 0, "unpaid")
        assert ada.billing().status == "past_due"
        clock.move("3d")
        town.settle(invoice)
        town.alter(ada.subscription, status="active")
        assert "plan_paid" in ada.hear()
        assert (ada.have(), ada.plan().status, ada.billing().status) == (300, "active", "active")


def test_ended_and_paused_at_stripe(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        ada.hear()
        town.alter(ada.subscription, "paused", status="paused")
        ada.hear()
        assert (ada.billing().status, ada.have(), ada.plan().ends) == ("paused", 300, None)
        town.alter(ada.subscription, "resumed", status="active")
        town.alter(ada.subscription, cancel_at_period_end=True)
        assert "plan_changed" in ada.hear()
        assert (ada.billing().cancels, ada.plan().ends) == (True, "keep")
        clock.move("1mo")
        town.alter(ada.subscription, "deleted", status="canceled")
        ada.hear()
        credits.drip()
        assert (ada.billing().status, ada.plan().status, ada.have()) == ("ended", "ended", 0)


def test_another_plan_of_the_billing_portal(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        ada.hear()
        assert credits.plan_portal("ada", return_url="https://shop.test/plans").startswith(f"{town.url}/p/session/cus_")
        given = {"currency": "usd", "unit_amount": 2900, "recurring": {"interval": "month", "interval_count": 1}}
        price = town.shown(new_price(town, given, farthing_plan="more"))
        town.held[ada.subscription]["items"]["data"][0]["price"] = price
        town.alter(ada.subscription)
        town.bill(ada.subscription, "subscription_update", amount=2000)
        assert "plan_changed" in ada.hear()
        assert (ada.plan().plan, ada.have(), ada.billing().plan) == ("more", 1000, "more")


def test_lost_webhooks_are_made_up_for_and_refunds_are_noted(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        clock.move("11m")
        assert credits.heal_plans() == (1, 1, 0)
        assert (ada.have(), ada.plan().status) == (300, "active")
        intent = next(one["id"] for one in town.held.values() if one["object"] == "payment_intent")
        town.refund(intent, 900)
        ada.heard = len(town.events) - 2
        assert ada.hear() == {"noted"}


def test_other_subscriptions_of_the_same_stripe_account_are_none_of_ours(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        ada = Subscriber(credits, town)
        town.held[ada.subscription]["metadata"] = {}
        ada.heard = len(town.events)
        town.alter(ada.subscription)
        town.bill(ada.subscription, "subscription_cycle")
        assert ada.hear() == {"unknown"}


def test_periods_that_stripe_does_not_bill(database_url, clock, town):
    with shop(database_url, clock, town) as credits:
        with pytest.raises(NotBillable, match="three years"):
            credits.buy_plan("ada", "forever", key="k", provider="stripe")
        year = credits.buy_plan("ada", "year", key="y", provider="stripe")
        asked = town.held[(year.url or "").rpartition("/")[2]]["_given"]
        assert asked["line_items"]["0"]["price_data"]["recurring"] == {"interval": "year", "interval_count": "1"}
