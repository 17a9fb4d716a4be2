"""Buying through Stripe, from checkout to credits and back: the official SDK speaks to a counterpart of ours."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import Page

import farthing
from farthing.core.payments import SavedCard
from farthing.errors import BadSignature, NotBillable, ProviderUnavailable
from farthing.providers import Bill
from farthing.selling.checkout import Checkout
from farthing.store import customers
from farthing.testing import Clock, prove
from tests.kit import shop as catalog_of
from tests.selling import STORE, available, selling
from tests.stripe_town import StripeTown, collector, stripe_town

pytestmark = pytest.mark.row("P2")


@pytest.fixture
def clock() -> Clock:
    """Stripe signs by the real time, so these stories are told by it."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def town() -> Generator[StripeTown]:
    with stripe_town() as here:
        yield here


@contextmanager
def shop(url: str, clock: Clock, town: StripeTown, text: str = STORE) -> Generator[farthing.Credits]:
    with selling(url, clock, text, providers=[collector(town)]) as credits:
        yield credits


def buy(credits: farthing.Credits, **how: object) -> Checkout:
    return credits.checkout("ada", package="starter", key="buy:1", provider="stripe", **how)  # pyright: ignore


def post(credits: farthing.Credits, town: StripeTown, since: int = 0) -> list[str | None]:
    """Stripe's events arrive, in order; what each came to."""
    return [credits.receive("stripe", headers, body).outcome for headers, body in town.letters(since)]


def test_paid_on_stripes_page_and_told_twice_gives_the_credits_once(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits)
        assert buy(credits).url == checkout.url
        assert len([one for one in town.held.values() if one["object"] == "checkout.session"]) == 1
        answer = httpx2.post(checkout.url or "", data={"do": "pay"})
        assert answer.headers["location"] == "https://shop.test/back"
        assert post(credits, town) == ["unknown", "fulfilled"]
        assert post(credits, town) == ["unknown", "fulfilled"]
        assert (available(credits), buy(credits).url) == (110, None)
        assert credits.order("ada", checkout.order.id).payments[0].amount_minor == 990


def test_in_a_real_browser_from_our_page_to_stripes_and_back(
    sqlite, town: StripeTown, clock: Clock, page: Page
):  # what happens on the pages is the same on both databases
    with sqlite.migrated() as url, shop(url, clock, town) as credits:
        checkout = buy(credits, return_url=f"{town.url}/c/pay/thanks")
        page.goto(checkout.url or "")
        assert "110 Image credits" in page.content()
        page.get_by_role("button", name="Try a bad card").click()
        page.get_by_role("button", name="Pay", exact=True).click()
        assert set(post(credits, town)) == {"noted", "unknown", "fulfilled"}
        assert available(credits) == 110


@pytest.mark.row("P10")
def test_tax_and_promotions_of_stripes_are_recorded_and_no_mismatch(database_url: str, clock: Clock, town: StripeTown):
    town.tax_minor, town.discount_minor = 169, 99
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits)
        town.pay(checkout.order.reference or "")
        post(credits, town)
        order = credits.order("ada", checkout.order.id)
        assert (order.status, order.paid_minor, order.tax_minor) == ("fulfilled", 1060, 169)
        assert order.payments[0].discount_minor == 99
        assert credits.lots("ada", "images")[0].cost_minor in (0, 891)


def test_a_promotion_of_stripes_may_take_all_of_it(database_url: str, clock: Clock, town: StripeTown):
    town.discount_minor = 990
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits)
        town.pay(checkout.order.reference or "")
        assert post(credits, town) == ["fulfilled"]
        assert (available(credits), credits.order("ada", checkout.order.id).paid_minor) == (110, 0)


@pytest.mark.row("P6")
def test_money_that_takes_days_is_processing_until_it_is_there(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits)
        session = checkout.order.reference or ""
        town.later(session)
        post(credits, town)
        assert (credits.order("ada", checkout.order.id).status, available(credits)) == ("processing", 0)
        town.arrived(session)
        post(credits, town)
        assert (credits.order("ada", checkout.order.id).status, available(credits)) == ("fulfilled", 110)


def test_money_that_never_arrives_fails_the_order(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits)
        session = checkout.order.reference or ""
        town.later(session)
        town.arrived(session, well=False)
        post(credits, town)
        assert (credits.order("ada", checkout.order.id).status, available(credits)) == ("failed", 0)


@pytest.mark.row("P3")
def test_paid_in_a_form_of_ours_after_a_decline(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        checkout = buy(credits, form=True, save_card=True)
        intent = checkout.order.reference or ""
        assert (checkout.client_secret, checkout.publishable_key) == (
            town.held[intent]["client_secret"], "pk_test_of_the_town",
        )  # fmt: skip
        town.confirm(intent, "pm_card_chargeDeclined")
        assert post(credits, town) == ["noted"]
        assert credits.order("ada", checkout.order.id).reason == "generic_decline"
        town.confirm(intent)
        assert post(credits, town, since=1) == ["fulfilled"]
        assert available(credits) == 110
        card = credits.read(lambda session: customers.read(session, "ada", "stripe"))
        assert card and (card.customer, card.card_label) == (town.held[intent]["customer"], "Visa •••• 4242")


@pytest.mark.row("P8")
def test_a_card_that_was_left_is_charged_later_once_though_answers_are_lost(
    database_url: str, clock: Clock, town: StripeTown
):
    provider = collector(town)
    with selling(database_url, clock, STORE, providers=[provider]) as credits:
        first = buy(credits, save_card=True)
        town.pay(first.order.reference or "")
        post(credits, town)
        known = credits.read(lambda session: customers.read(session, "ada", "stripe"))
        assert known and known.card and known.card_label == "Visa •••• 4242"
        second = credits.checkout("ada", package="starter", key="buy:2", provider="stripe").order
        bill = Bill(
            second.id, second.description, second.currency, second.total_minor, None, second.expires_at, account="ada"
        )
        since, card = len(town.events), SavedCard(known.customer, known.card, clock())
        town.bad_days = ["lost"] * 3
        with pytest.raises(ProviderUnavailable):
            provider.charge(bill, card, attempt=1)
        assert provider.charge(bill, card, attempt=1).notice.said == "paid"
        assert post(credits, town, since) == ["fulfilled"]
        assert available(credits) == 220
        assert len([one for one in town.held.values() if one["object"] == "charge"]) == 2


@pytest.mark.row("P8")
def test_a_charge_is_made_once_though_stripe_forgot_its_key(town: StripeTown):
    provider = collector(town)
    customer = provider.ask_card("ada", key="c", customer=None, return_url=None, form=True).customer or ""
    card = SavedCard(customer, town.leave_card("pm_card_visa", customer), datetime.now(UTC))
    bill = Bill("ord_1", "Images", "USD", 990, None, datetime.now(UTC) + timedelta(days=1), account="ada")
    first = provider.charge(bill, card, attempt=1)
    town.answered.clear()  # a day goes by
    assert provider.charge(bill, card, attempt=1) == first
    assert provider.charge(bill, card, attempt=2) != first
    assert len([one for one in town.held.values() if one["object"] == "charge"]) == 2


@pytest.mark.row("P8")
def test_a_card_that_is_gone_is_a_refusal_and_no_fault(town: StripeTown):
    bill = Bill("ord_1", "Images", "USD", 990, None, datetime.now(UTC) + timedelta(days=1), account="ada")
    notice = collector(town).charge(bill, SavedCard("cus_gone", "pm_gone", datetime.now(UTC)), attempt=1).notice
    assert (notice.said, notice.reason) == ("failed", "card_gone")


def test_an_order_that_is_asked_for_in_its_last_minutes_still_has_a_page(town: StripeTown):
    bill = Bill("ord_1", "Images", "USD", 990, None, datetime.now(UTC) + timedelta(minutes=5), account="ada")
    page = collector(town).start(bill).reference
    assert "expires_at" not in town.held[page]["_given"]


@pytest.mark.row("P7")
def test_refunds_and_disputes_take_credits_back_and_won_ones_give_them_again(
    database_url: str, clock: Clock, town: StripeTown
):
    with shop(database_url, clock, town) as credits:
        session = buy(credits).order.reference or ""
        town.pay(session)
        intent = town.held[session]["payment_intent"]
        refund = town.refund(intent, 330)
        post(credits, town)
        assert available(credits) == 110 - 33 - 3
        dispute = town.dispute(intent, 660)
        post(credits, town)
        assert available(credits) == 0
        town.decide(dispute, "won")
        town.fail_refund(refund)
        post(credits, town)
        assert available(credits) == 110


@pytest.mark.row("P6", "P7")
def test_in_whatever_order_its_events_come_the_ledger_is_the_same(clock: Clock, town: StripeTown):
    """Shuffled, some twice, some lost and delivered again at last."""
    chance = random.Random(7)
    for _ in range(24):
        with farthing.open("sqlite://", catalog=catalog_of(STORE), clock=clock, providers=[collector(town)]) as credits:
            since = len(town.events)
            order = buy(credits).order
            town.pay(order.reference or "")
            intent = town.held[order.reference or ""]["payment_intent"]
            town.refund(intent, 330)
            town.fail_refund(town.refund(intent, 165))
            town.decide(town.dispute(intent, 330), "lost")
            events = town.events[since:]
            chance.shuffle(events)
            for event in (*events[3:], *chance.sample(events, 4), *events[:3]):
                credits.receive("stripe", *town.letter(event))
            told = credits.order("ada", order.id)
            assert (told.status, told.refunded_minor, available(credits)) == ("fulfilled", 660, 110 - 66 - 6)
            prove(credits)


@pytest.mark.row("P6")
def test_two_secrets_are_good_while_one_is_changed_and_yesterdays_signature_never(
    database_url: str, clock: Clock, town: StripeTown
):
    changing = collector(town, secrets=["whsec_new", "whsec_old"])
    with selling(database_url, clock, STORE, providers=[changing]) as credits:
        town.pay(buy(credits).order.reference or "")
        paid = town.events[-1]
        with pytest.raises(BadSignature):
            credits.receive("stripe", *town.letter(paid))
        with pytest.raises(BadSignature):
            credits.receive("stripe", *town.letter(paid, secret="whsec_new", at=clock().timestamp() - 86400))
        assert credits.receive("stripe", *town.letter(paid, secret="whsec_old")).outcome == "fulfilled"


@pytest.mark.parametrize("day", [["500"] * 3, ["429"] * 3, ["lost"] * 3])
def test_a_bad_day_of_stripes_leaves_an_order_that_is_asked_for_again(
    database_url: str, clock: Clock, town: StripeTown, day: list[str]
):
    with shop(database_url, clock, town) as credits:
        town.bad_days = [*day]  # each database meets the whole day
        with pytest.raises(ProviderUnavailable):
            buy(credits)
        town.bad_days = []
        [order] = credits.orders("ada").data
        again = buy(credits)
        assert (again.order.id, again.order.status) == (order.id, "open")
        town.pay(again.order.reference or "")
        post(credits, town)
        assert available(credits) == 110
        assert len([one for one in town.held.values() if one["object"] == "checkout.session"]) == 1


def test_what_stripe_does_not_collect_is_refused_before_any_order(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        with pytest.raises(NotBillable):
            credits.checkout("ada", "images", 4, key="small", provider="stripe")
        assert (credits.orders("ada").data, town.asked) == ([], [])


@pytest.mark.row("P10")
def test_what_the_seller_and_the_buyer_say_reaches_stripe(database_url: str, clock: Clock, town: StripeTown):
    wanted = ("tax", "tax_ids", "promotion_codes", "billing_address", "invoice")
    asks = "\n[providers.stripe]\n" + "".join(f"{one} = true\n" for one in wanted)
    with shop(database_url, clock, town, STORE + asks) as credits:
        checkout = buy(credits, email="ada@example.test", locale="zh-CN", metadata={"cart": "7"})
        given = town.held[checkout.order.reference or ""]["_given"]
        assert given["automatic_tax"] == given["tax_id_collection"] == given["invoice_creation"] == {"enabled": "true"}
        assert (given["allow_promotion_codes"], given["billing_address_collection"]) == ("true", "required")
        assert (given["locale"], given["customer_email"]) == ("zh", "ada@example.test")
        intent = given["payment_intent_data"]
        assert intent["metadata"] == {"cart": "7", "farthing_order": checkout.order.id, "farthing_way": "page"}
        assert intent["receipt_email"] == "ada@example.test"
        ends_at = datetime.fromtimestamp(int(given["expires_at"]), UTC)
        assert timedelta(minutes=30) < ends_at - clock() < timedelta(hours=24)


@pytest.mark.row("P3")
def test_a_form_asked_for_again_is_the_same_though_settings_changed(database_url: str, clock: Clock, town: StripeTown):
    with shop(database_url, clock, town) as credits:
        first = buy(credits, form=True)
        credits.providers["stripe"] = collector(town, payment_methods=["card"])
        again = buy(credits, form=True)
        assert (first.client_secret, first.order.reference) == (again.client_secret, again.order.reference)
        assert len([one for one in town.held.values() if one["object"] == "payment_intent"]) == 1
        town.confirm(first.order.reference or "")
        assert "fulfilled" in post(credits, town)
