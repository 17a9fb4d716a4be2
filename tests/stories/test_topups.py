"""Auto top-up: a saved card is charged as its customer agreed, and never beyond that."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

import farthing
from farthing.core.payments import SavedCard
from farthing.errors import AccountFrozen, InvalidField, KeyReused, NoSavedCard, NoTopUp
from farthing.providers import Bill, Charged
from farthing.providers.sandbox import Sandbox
from farthing.selling.topping_up import TopUpView
from farthing.testing import Post
from tests.herald import Herald
from tests.kit import Clock, shop
from tests.selling import SECRET, STORE, available, selling

pytestmark = pytest.mark.row("P8")

CONSENT = "Whenever I have fewer than 20 images, buy Starter for at most $12, up to 3 times a month."


class Till(Sandbox):
    """The sandbox, which notes every charge; `meanwhile` happens after it charged, before it answers."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(url="http://sandbox.test", secrets=[SECRET], clock=clock)
        self.charges: list[tuple[str, int]] = []
        self.cards: list[str] = []
        self.meanwhile: Any = None
        self.before: Any = None

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        if self.before:
            self.before(bill)
        self.charges.append((bill.order, attempt))
        self.cards.append(card.card)
        answer = super().charge(bill, card, attempt=attempt)
        if self.meanwhile:
            self.meanwhile(bill, answer)
        return answer


@contextmanager
def shopping(url: str, clock: Clock, text: str = STORE, zone: str = "UTC") -> Generator[tuple[farthing.Credits, Till]]:
    """Ada has 100 images and sold 110 of them for USD 9.90 in a shop whose till counts what it charges."""
    till = Till(clock)
    with selling(url, clock, text, providers=[till]) as credits:
        credits.open_account("ada", time_zone=zone)
        credits.grant("ada", "images", 100, key="start", source="gift")
        yield credits, till


def leave_card(credits: farthing.Credits, card: str = "card_ok", account: str = "ada") -> None:
    page = credits.ask_card(account, key=f"card:{card}")
    mail = Post(credits)
    payer = mail.sandbox.look(page.reference)
    assert payer and payer.customer
    mail.deliver(mail.card(payer.customer, card, reference=page.reference))


def agree(credits: farthing.Credits, key: str = "agree", account: str = "ada", **terms: Any) -> TopUpView:
    said: dict[str, Any] = {
        "threshold": 20, "package": "starter", "at_most_minor": 1200, "consent": CONSENT, "most": 3, "actor": "ada",
    }  # fmt: skip
    return credits.set_top_up(account, "images", key=key, **{**said, **terms})


def ready(credits: farthing.Credits, card: str = "card_ok", **terms: Any) -> None:
    leave_card(credits, card)
    agree(credits, **terms)


def spend(credits: farthing.Credits, down_to: int, key: str) -> None:
    credits.deduct("ada", "images", available(credits) - down_to, key=key)


def outcome(credits: farthing.Credits) -> str:
    return credits.top_up("ada", "images").outcome


def stands(credits: farthing.Credits) -> tuple[str, str | None]:
    [one] = credits.top_ups("ada")
    return one.status, one.paused


def test_below_the_threshold_the_card_is_charged_and_the_credits_come(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 20, "d1")
        assert (outcome(credits), till.charges) == ("enough", [])
        spend(credits, 19, "d2")
        done = credits.top_up("ada", "images")
        assert done.order
        assert (done.outcome, done.order.status, done.order.paid_minor) == ("paid", "fulfilled", 990)
        assert (available(credits), till.charges) == (19 + 110, [(done.order.id, 1)])
        [lot] = [lot for lot in credits.lots("ada", "images") if lot.source == "purchase"]
        assert (lot.amount, lot.cost_minor, lot.currency) == (100, 990, "USD")
        assert (outcome(credits), len(till.charges)) == ("enough", 1)


def test_any_amount_can_be_agreed_on_and_is_bought_at_todays_price(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        ready(credits, package=None, amount=50, at_most_minor=500)
        spend(credits, 5, "d1")
        assert (outcome(credits), available(credits)) == ("paid", 55)


def test_consent_is_kept_with_its_time_and_asked_for(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        leave_card(credits)
        agreed = agree(credits)
        assert (agreed.consent, agreed.consent_at, agreed.actor) == (CONSENT, clock(), "ada")
        assert (agreed.threshold, agreed.at_most_minor, agreed.most, agreed.window) == (20, 1200, 3, "month")
        wrongs: list[dict[str, Any]] = [
            {"consent": ""}, {"most": 0}, {"window": "year"}, {"at_most_minor": 9.9}, {"at_most_minor": 989},
        ]  # fmt: skip
        for wrong in wrongs:
            with pytest.raises(InvalidField) as refusal:
                agree(credits, "k", **wrong)
            assert refusal.value.field == next(iter(wrong))
        with pytest.raises(NoTopUp):
            credits.top_up("bob", "images")


def test_without_a_card_nothing_is_agreed_on_and_a_key_stands_for_one_wish(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        with pytest.raises(NoSavedCard):
            agree(credits)
        leave_card(credits)
        first = agree(credits)
        credits.forget_card("ada", key="forget")
        assert credits.card("ada") is None
        assert agree(credits) == first
        with pytest.raises(KeyReused):
            agree(credits, threshold=30)
        with pytest.raises(KeyReused):
            credits.deduct("ada", "images", 1, key="agree")


def test_who_keeps_no_cards_cannot_top_up(database_url: str, clock: Clock):
    with selling(database_url, clock, providers=[Herald()]) as credits:
        with pytest.raises(InvalidField) as refusal:
            agree(credits, provider="herald")
        assert refusal.value.field == "provider"


def test_no_more_than_agreed_in_a_month_of_the_accounts_own_calendar(database_url: str, clock: Clock):
    clock.to("2026-01-31T08:00")
    with shopping(database_url, clock, zone="Asia/Shanghai") as (credits, till):
        ready(credits, most=2)
        for number in (1, 2):
            spend(credits, 0, f"d{number}")
            assert outcome(credits) == "paid"
            clock.move("2h")
        spend(credits, 0, "d3")
        assert outcome(credits) == "window_full"
        [one] = credits.top_ups("ada")
        # February begins at 16:00 UTC in Shanghai.
        assert (one.used, one.next_at) == (2, datetime.fromisoformat("2026-01-31T16:00Z"))
        clock.to("2026-01-31T15:59")
        assert (credits.top_up_due()["paid"], outcome(credits)) == (0, "window_full")
        clock.to("2026-01-31T16:00")
        assert credits.top_up_due()["paid"] == 1
        assert (len(till.charges), credits.top_ups("ada")[0].used) == (3, 1)


def test_agreeing_anew_does_not_forget_what_was_charged_in_the_window(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, most=1)
        spend(credits, 0, "d1")
        assert outcome(credits) == "paid"
        clock.move("2h")
        spend(credits, 0, "d2")
        credits.stop_top_up("ada", "images", key="stop")
        assert outcome(credits) == "stopped"
        agree(credits, "again", most=1, window="day")
        assert (outcome(credits), len(till.charges)) == ("window_full", 1)
        clock.to("2026-01-02")
        assert outcome(credits) == "paid"


def test_after_a_decline_it_waits_for_the_cooldown_and_the_slot_is_used(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_declined", cooldown="6h")
        spend(credits, 0, "d1")
        done = credits.top_up("ada", "images")
        assert done.order
        assert (done.outcome, done.order.status, done.order.reason) == ("declined", "failed", "card_declined")
        assert done.order.url is None
        clock.move("5h")
        assert (outcome(credits), credits.top_up_due()["declined"]) == ("cooldown", 0)
        clock.move("1h")
        assert credits.top_up_due()["declined"] == 1
        assert (credits.top_ups("ada")[0].used, len(till.charges), available(credits)) == (2, 2, 0)


def test_three_declines_in_a_row_pause_it_until_somebody_resumes(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_declined", most=9)
        spend(credits, 0, "d1")
        for _ in range(3):
            assert stands(credits) == ("active", None)
            assert outcome(credits) == "declined"
            clock.move("1h")
        assert stands(credits) == ("paused", "declined")
        assert (outcome(credits), sum(credits.top_up_due().values())) == ("paused", 0)
        clock.move("1s")
        leave_card(credits, "card_ok")
        resumed = credits.resume_top_up("ada", "images", key="resume")
        assert (resumed.status, resumed.declines) == ("active", 0)
        assert (outcome(credits), len(till.charges)) == ("paid", 4)


def test_a_charge_that_succeeds_begins_the_count_of_declines_anew(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        leave_card(credits)
        agree(credits, most=9)
        for number, card in enumerate(("card_declined", "card_declined", "card_ok", "card_declined", "card_declined")):
            clock.move("1h")
            leave_card(credits, card)
            spend(credits, 0, f"d{number}") if available(credits) else None
            assert outcome(credits) == ("paid" if card == "card_ok" else "declined")
        assert (stands(credits), credits.top_ups("ada")[0].declines) == (("active", None), 2)


def test_where_the_bank_wants_the_customer_the_order_has_a_page_and_paying_it_lifts_the_pause(
    database_url: str, clock: Clock
):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_authenticate")
        spend(credits, 0, "d1")
        done = credits.top_up("ada", "images")
        assert done.order
        assert (done.outcome, stands(credits)) == ("authentication_required", ("paused", "authentication_required"))
        assert credits.top_ups("ada")[0].last_order == done.order.id
        page = credits.resume_checkout("ada", done.order.id)
        assert page.url and page.url.startswith("http://sandbox.test/pay/")
        assert credits.order("ada", done.order.id).url == page.url
        mail = Post(credits)
        mail.deliver(mail.paid(done.order))
        assert (available(credits), stands(credits)) == (110, ("active", None))
        assert credits.resume_checkout("ada", done.order.id).url is None
        assert (credits.top_ups("ada")[0].last_outcome, len(till.charges)) == ("paid", 1)


def test_the_page_of_an_order_that_the_bank_stopped_is_open_for_a_day(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        ready(credits, "card_authenticate")
        spend(credits, 0, "d1")
        done = credits.top_up("ada", "images")
        assert done.order
        clock.move("24h")
        assert credits.resume_checkout("ada", done.order.id).url is None


def test_a_price_above_what_was_agreed_pauses_it_and_charges_nothing(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")
        credits.reload(shop(STORE.replace('"9.90"', '"12.01"')))
        assert outcome(credits) == "paused"
        assert (stands(credits), till.charges) == (("paused", "price_above_limit"), [])
        assert credits.orders("ada").data == []
        agree(credits, "dearer", at_most_minor=1300)
        assert (outcome(credits), len(till.charges)) == ("paid", 1)


def test_what_is_not_sold_now_is_tried_again_later_and_holds_up_nobody(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        ready(credits)
        spend(credits, 0, "d1")
        credits.reload(shop(STORE.replace("packages.starter", "packages.other")))
        assert credits.top_up_due()["failed"] == 1
        assert credits.top_up_due()["failed"] == 0
        credits.reload(shop(STORE))
        clock.move("1h")
        assert credits.top_up_due()["paid"] == 1


def test_a_frozen_account_is_not_charged(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")
        credits.freeze("ada", key="f")
        assert (outcome(credits), credits.top_up_due()["paid"], till.charges) == ("frozen", 0, [])
        with pytest.raises(AccountFrozen):
            agree(credits, "frozen")
        credits.unfreeze("ada", key="u")
        assert credits.top_up_due()["paid"] == 1


@pytest.mark.parametrize("switch", ["[switches]\nselling = false", "[switches.providers]\nsandbox = false"])
def test_what_is_switched_off_charges_nobody(database_url: str, clock: Clock, switch: str):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")
        credits.reload(shop(f"{STORE}\n{switch}"))
        assert (outcome(credits), credits.top_up_due()["paid"], till.charges) == ("switched_off", 0, [])
        credits.reload(shop(STORE))
        assert outcome(credits) == "paid"


def test_a_forgotten_card_is_not_charged_and_an_old_event_does_not_bring_it_back(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        page = credits.ask_card("ada", key="card")
        mail = Post(credits)
        known = mail.sandbox.look(page.reference)
        assert known and known.customer
        left = mail.card(known.customer, reference=page.reference)
        late = mail.card(known.customer, reference=page.reference)
        mail.deliver(left)
        card = credits.card("ada")
        assert card and (card.provider, card.label) == ("sandbox", "Visa •••• 4242")
        agree(credits)
        spend(credits, 0, "d1")
        clock.move("1m")
        credits.forget_card("ada", key="forget")
        mail.deliver(late)
        assert (credits.card("ada"), outcome(credits), stands(credits)) == (None, "paused", ("paused", "no_card"))
        assert till.charges == []
        with pytest.raises(NoSavedCard):
            credits.resume_top_up("ada", "images", key="r")


def hook(credits: farthing.Credits) -> Any:
    """A webhook that says what the charge's answer says, so that both tell of the same payment."""

    def tell(bill: Bill, *_: object) -> None:
        mail = Post(credits)
        order = credits.order("ada", bill.order)
        mail.deliver(mail.paid(order, payment=f"pay_{bill.order}_1"))

    return tell


@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
def test_a_webhook_before_during_or_after_the_answer_gives_the_credits_once(database_url: str, clock: Clock, when: str):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")
        if when != "after":
            setattr(till, when, hook(credits))
        done = credits.top_up("ada", "images")
        assert done.order
        if when == "after":
            hook(credits)(Bill(done.order.id, "", "USD", 990, None, clock()))
        assert (done.outcome, available(credits), len(till.charges)) == ("paid", 110, 1)
        assert len(credits.order("ada", done.order.id).payments) == 1
        assert credits.top_ups("ada")[0].last_outcome == "paid"


def test_a_provider_that_does_not_answer_is_asked_for_the_same_charge_again(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_unreachable")
        spend(credits, 0, "d1")
        unheard = credits.top_up("ada", "images")
        assert unheard.order
        assert (unheard.outcome, unheard.order.status, available(credits)) == ("unknown", "open", 0)
        credits.stop_top_up("ada", "images", key="stop")  # what has begun is carried to its end all the same
        clock.move("1m")
        assert credits.top_up_due()["paid"] == 1
        assert (till.charges, available(credits)) == ([(unheard.order.id, 1)] * 2, 110)
        spend(credits, 0, "d2")
        assert (outcome(credits), len(till.charges)) == ("stopped", 2)


def test_a_bank_that_takes_its_time_is_asked_how_it_stands_and_the_card_is_not_charged_again(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")
        charge = till.charge

        def slowly(bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
            answer = charge(bill, card, attempt=attempt)
            return answer._replace(notice=answer.notice._replace(said="pending", amount_minor=0))

        monkeypatch.setattr(till, "charge", slowly)
        done = credits.top_up("ada", "images")
        assert done.order
        assert (done.outcome, done.order.status, available(credits)) == ("unknown", "processing", 0)
        clock.move("2d")
        assert credits.top_up_due()["paid"] == 1
        assert (len(till.charges), available(credits)) == (1, 110)


def test_what_has_begun_waits_while_its_provider_is_switched_off(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_unreachable")
        spend(credits, 0, "d1")
        assert outcome(credits) == "unknown"
        credits.reload(shop(f"{STORE}\n[switches.providers]\nsandbox = false"))
        clock.move("1m")
        assert (outcome(credits), credits.top_up_due()["paid"], len(till.charges)) == ("switched_off", 0, 1)
        credits.reload(shop(f"{STORE}\n[switches]\nselling = false"))
        assert outcome(credits) == "paid"


def test_a_card_that_is_changed_meanwhile_is_not_the_one_that_is_asked_for_again(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_unreachable")
        spend(credits, 0, "d1")
        assert outcome(credits) == "unknown"
        clock.move("1m")
        leave_card(credits, "card_declined")
        assert (outcome(credits), till.cards) == ("paid", ["card_unreachable"] * 2)


def test_after_a_day_nobody_asks_for_the_same_charge_again_and_the_slot_stays(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_unreachable")
        spend(credits, 0, "d1")
        assert outcome(credits) == "unknown"
        clock.move("23h")
        assert credits.top_up_due()["unknown"] == 1
        assert (stands(credits), len(till.charges)) == (("paused", "outcome_unknown"), 1)
        clock.move("3d")
        assert (sum(credits.top_up_due().values()), len(till.charges)) == (0, 1)
        [order] = credits.orders("ada").data
        mail = Post(credits)
        mail.deliver(mail.paid(order, payment=f"pay_{order.id}_1"))
        assert (stands(credits), available(credits)) == (("active", None), 110)


def test_or_somebody_who_looked_at_the_provider_lets_it_go_on(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits, "card_unreachable")
        spend(credits, 0, "d1")
        outcome(credits)
        clock.move("1d")
        assert outcome(credits) == "unknown"
        credits.resume_top_up("ada", "images", key="looked")
        assert outcome(credits) == "unknown"
        assert len({order for order, _ in till.charges}) == 2


def test_erase_forgets_what_was_agreed_and_merge_ends_what_a_guest_agreed_to(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        leave_card(credits, account="guest")
        credits.grant("guest", "images", 5, key="g", source="gift")
        agree(credits, "guest", account="guest")
        credits.merge("guest", into="ada", key="m")
        assert [one.status for one in credits.top_ups("guest")] == ["stopped"]
        assert credits.top_ups("ada") == []
        assert credits.card("ada")
        agree(credits)
        credits.erase("ada", key="e")
        [one] = credits.top_ups("ada")
        assert (one.status, one.consent, one.actor, credits.card("ada")) == ("stopped", None, None, None)
        assert (sum(credits.top_up_due().values()), till.charges) == (0, [])


def test_the_answer_of_a_charge_brings_its_refund_that_came_first(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, till):
        ready(credits)
        spend(credits, 0, "d1")

        def refunded_at_once(bill: Bill, answer: Charged) -> None:
            mail = Post(credits)
            order = credits.order("ada", bill.order)
            [told] = mail.deliver(mail.refund(order, payment=answer.reference, minor=990))
            assert told.outcome == "unmatched"

        till.meanwhile = refunded_at_once
        assert outcome(credits) == "paid"
        clock.move("2m")
        assert credits.handle_events().handled == 1
        assert (available(credits), credits.orders("ada").data[0].refunded_minor) == (0, 990)


def test_the_same_awaited(database_url: str, clock: Clock):
    async def story() -> None:
        async with farthing.open_async(
            database_url, catalog=shop(STORE), clock=clock, providers=[Till(clock)]
        ) as credits:
            await credits.ask_card("ada", key="card")
            leave_card(credits.credits)
            said: dict[str, Any] = {"threshold": 20, "package": "starter", "at_most_minor": 990, "consent": CONSENT}
            await credits.set_top_up("ada", "images", key="agree", **said)
            assert (await credits.top_up("ada", "images")).outcome == "paid"
            assert (await credits.top_up_due())["paid"] == 0
            assert [one.used for one in await credits.top_ups("ada")] == [1]
            await credits.resume_top_up("ada", "images", key="resume")
            await credits.stop_top_up("ada", "images", key="stop")
            await credits.forget_card("ada", key="forget")
            assert await credits.card("ada") is None

    asyncio.run(story())


@pytest.mark.row("P7")
@pytest.mark.parametrize("what", ["refund", "dispute"])
def test_who_gets_money_back_is_not_charged_again_for_the_credits_that_went_with_it(
    database_url: str, clock: Clock, what: str
):
    with shopping(database_url, clock) as (credits, till):
        leave_card(credits)
        agree(credits)
        spend(credits, 19, "d1")
        assert outcome(credits) == "paid"
        clock.move("2h")
        paid, mail = credits.orders("ada").data[0], Post(credits)
        mail.deliver(
            mail.refund(paid, minor=990, payment=paid.payments[0].reference)
            if what == "refund"
            else mail.dispute(paid, payment=paid.payments[0].reference)
        )
        assert available(credits) < 20
        assert (outcome(credits), stands(credits)) == ("paused", ("paused", "money_back"))
        assert credits.top_up_due()["paid"] == 0
        assert len(till.charges) == 1
        credits.resume_top_up("ada", "images", key="resume")
        assert outcome(credits) == "paid"
