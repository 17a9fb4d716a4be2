"""Reconciliation: a lost webhook is made up for, and whatever does not fit together has a name."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import farthing
from farthing.core.payments import Fact, Notice
from farthing.errors import InvalidField, KeyReused, NotFound, PaymentSettled, ProviderUnavailable
from farthing.jobs import run_one
from farthing.providers import Found
from farthing.selling.healing import Healed
from farthing.selling.matching import REMEDIES
from farthing.selling.reconciling import Reconciliation
from farthing.testing import prove
from tests.herald import Herald, Purchase, say
from tests.kit import Clock, shop
from tests.selling import STORE, available
from tests.store.everything import tampering

pytestmark = pytest.mark.row("P9")


class Lookout(Herald):
    """A herald that counts what it is asked, and does not answer at all while it is `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[str] = []
        self.down = False

    def look(self, reference: str) -> Found | None:
        self.looked.append(reference)
        if self.down:
            raise ProviderUnavailable("The herald is out.", provider=self.name)
        return super().look(reference)

    def knows(self, bought: Purchase, *facts: Fact) -> None:
        """What it answers about a purchase from now on, whether or not it told."""
        reference = bought.order.reference or ""
        self.known[reference] = Found((reference, bought.payment), facts)


@contextmanager
def shop_of(url: str, clock: Clock, *providers: Any) -> Generator[farthing.Credits]:
    with farthing.open(url, catalog=shop(STORE), clock=clock, providers=providers) as credits:
        yield credits
        prove(credits)


def names(report: Reconciliation) -> dict[str, int]:
    return report.found


def test_a_lost_webhook_is_made_up_for_by_the_job(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        herald.knows(bought, bought.notice())
        assert run_one(credits, "reconcile").counts == {"asked": 0, "healed": 0, "unknown": 0, "failed": 0}
        clock.move("10m")
        assert run_one(credits, "reconcile").counts == {"asked": 1, "healed": 1, "unknown": 0, "failed": 0}
        assert (bought.now().status, available(credits)) == ("fulfilled", 110)
        assert bought.paid() == "no_change"
        clock.move("1d")
        assert run_one(credits, "reconcile").counts == {"asked": 0, "healed": 0, "unknown": 0, "failed": 0}
        assert (available(credits), herald.looked) == (110, [bought.order.reference])


def test_an_order_that_nobody_pays_is_asked_about_ever_more_seldom_and_after_a_month_no_more(
    database_url: str, clock: Clock
):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        herald.knows(bought)
        asked: list[int] = []
        for minute in range(10, 24 * 60, 10):
            clock.move("10m")
            asked += [minute] * credits.heal_orders().asked
        assert asked == [10, 20, 40, 80, 160, 320, 640, 1280]
        days = 0
        for _ in range(60):
            clock.move("1d")
            days += credits.heal_orders().asked
        assert days == 29
        herald.knows(bought, bought.notice())
        clock.move("1d")
        assert credits.heal_orders().asked == 0
        assert credits.reconcile(ask=True).healed == Healed(1, 1, 0, 0)


def test_money_that_comes_long_after_an_order_expired_is_found(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        say(credits, bought.notice(0)._replace(said="expired"), about=[bought.order.id, bought.payment])
        clock.move("12d")
        herald.knows(bought, bought.notice())
        assert bought.now().status == "expired"
        assert credits.heal_orders() == Healed(1, 1, 0, 0)
        assert bought.now().status == "fulfilled"


def test_what_was_looked_up_and_does_not_match_goes_to_review(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        herald.knows(bought, bought.notice(989))
        clock.move("10m")
        assert credits.heal_orders() == Healed(1, 1, 0, 0)
        assert (bought.now().status, available(credits)) == ("review", 0)


def test_an_event_that_waited_for_a_name_is_handled_when_looking_up_brings_it(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        assert say(credits, bought.refund(990), about=[bought.payment]).outcome == "unmatched"
        herald.knows(bought, bought.notice())
        clock.move("10m")
        credits.heal_orders()
        assert (bought.now().refunded_minor, available(credits)) == (990, 0)


def test_a_provider_that_is_down_is_let_alone_and_others_are_asked(database_url: str, clock: Clock):
    herald, other = Lookout(), Lookout()
    other.name = "other"
    with shop_of(database_url, clock, herald, other) as credits:
        waiting = [Purchase(credits, key=f"buy:{number}") for number in range(6)]
        order = credits.checkout("bob", package="starter", key="b", provider="other").order
        paid = Notice("pay_bob", "paid", clock.now, order.total_minor, currency="USD")
        other.known[order.reference or ""] = Found(("pay_bob",), (paid,))
        herald.down = True
        clock.move("10m")
        assert credits.heal_orders() == Healed(4, 1, 0, 3)
        assert credits.order("bob", order.id).status == "fulfilled"
        assert credits.heal_orders().asked == 0
        herald.down = False
        for bought in waiting:
            herald.knows(bought, bought.notice())
        clock.move("1m")
        assert credits.heal_orders() == Healed(6, 6, 0, 0)
        assert available(credits) == 6 * 110


def test_a_provider_that_is_down_leaves_a_report_that_is_not_proved(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        Purchase(credits)
        herald.down = True
        clock.move("10m")
        report = credits.reconcile()
        assert (report.proved, report.found, report.healed.failed) == (False, {"provider_silent": 1}, 1)


def test_a_provider_that_is_not_set_up_any_more_is_waited_for(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        clock.move("10m")
    with shop_of(database_url, clock) as credits:
        assert credits.heal_orders() == Healed(0, 0, 0, 0)
        assert names(credits.reconcile(ask=True)) == {"provider_silent": 1}
    with shop_of(database_url, clock, herald) as credits:
        herald.knows(bought, bought.notice())
        clock.move("1m")
        assert credits.heal_orders().healed == 1


def test_workers_never_take_the_same_orders_and_one_that_dies_is_made_up_for(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        bought = Purchase(credits)
        herald.knows(bought, bought.notice())
        clock.move("10m")

        def dies(reference: str) -> Found | None:
            assert credits.heal_orders().asked == 0  # somebody else comes by meanwhile
            raise KeyboardInterrupt

        herald.look = dies
        with pytest.raises(KeyboardInterrupt):
            credits.heal_orders()
        del herald.look
        assert credits.heal_orders().asked == 0
        clock.move("5m")
        assert credits.heal_orders() == Healed(1, 1, 0, 0)


AT_ONCE = """
import sys
import farthing
from farthing.providers import Found
from tests.herald import Herald, say
from tests.kit import Clock, shop
from tests.selling import STORE
from farthing.core.payments import Notice
url, order, reference, what = sys.argv[1:]
herald, clock = Herald(), Clock()
clock.move("10m")
notice = Notice(f"pay_{order}", "paid", clock(), 990, currency="USD")
herald.known[reference] = Found((reference, notice.payment), (notice,))
with farthing.open(url, catalog=shop(STORE), clock=clock, providers=[herald]) as credits:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(5):
        if what == "webhook":
            say(credits, notice, about=[order, notice.payment], id=f"evt_{_}")
        else:
            credits.reconcile(ask=True)
"""


def test_webhook_and_reconciliation_at_the_same_time_in_two_processes_give_credits_once(
    database_url: str, clock: Clock
):
    with shop_of(database_url, clock, Herald()) as credits:
        bought = Purchase(credits)
        said = (database_url, bought.order.id, bought.order.reference or "")
        running = [
            subprocess.Popen(
                [sys.executable, "-c", AT_ONCE, *said, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for what in ("webhook", "ask")
        ]
        for process in running:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in running:
            process.communicate("go\n", timeout=60)
        clock.move("10m")
        assert [process.returncode for process in running] == [0, 0]
        assert (bought.now().status, available(credits)) == ("fulfilled", 110)
        assert credits.reconcile().proved


def test_everything_fits_and_the_money_is_added_up(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        for account in ("ada", "bob"):
            Purchase(credits, account=account).paid()
        refunded = Purchase(credits, key="r")
        refunded.paid()
        refunded.tell(refunded.refund(300))
        disputed = Purchase(credits, key="d")
        disputed.paid()
        disputed.tell(disputed.dispute("opened"))
        Purchase(credits, key="open")
        seen: list[tuple[int, int]] = []
        report = credits.reconcile(progress=lambda done, total: seen.append((done, total)))
        assert (report.proved, report.mismatches, report.orders, report.payments) == (True, [], 5, 4)
        assert seen[-1] == (5, 5)
        [total] = report.totals
        assert total == ("herald", "USD", 4 * 990, 300, 990, 0, 0, 0)
        assert credits.reconcile("bob").orders == 1
        clock.move("1d")
        assert credits.reconcile(since=clock.now).orders == 0
        with pytest.raises(NotFound):
            credits.reconcile("nobody")
        with pytest.raises(InvalidField):
            credits.reconcile(since=clock.now.replace(tzinfo=None))


def test_money_under_review_and_surplus_is_listed_until_it_went_back(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        short, euro, twice = (Purchase(credits, key=key) for key in ("s", "e", "t"))
        short.paid(989)
        euro.paid(currency="EUR")
        twice.paid()
        second = f"second_{twice.order.id}"
        say(credits, twice.notice(payment=second), about=[twice.order.id, second])
        report = credits.reconcile()
        assert names(report) == {"amount_mismatch": 1, "currency_mismatch": 1, "surplus_payment": 1}
        listed = {
            one.name: (one.account, one.order, one.payment, one.currency, one.expected_minor, one.found_minor)
            for one in report.mismatches
        }
        assert listed == {
            "amount_mismatch": ("ada", short.order.id, short.payment, "USD", 990, 989),
            "currency_mismatch": ("ada", euro.order.id, euro.payment, "EUR", 990, 990),
            "surplus_payment": ("ada", twice.order.id, second, "USD", 990, 990),
        }
        assert {total.currency: total[2:] for total in report.totals} == {
            "EUR": (990, 0, 0, 0, 990, 0),
            "USD": (989 + 2 * 990, 0, 0, 990, 989, 0),
        }
        for bought, payment, minor in ((short, short.payment, 989), (twice, second, 990)):
            say(credits, bought.refund(minor)._replace(payment=payment), about=[bought.order.id])
        assert names(credits.reconcile()) == {"currency_mismatch": 1}


def test_a_payment_that_is_under_way_for_too_long_is_listed(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits)
        say(credits, bought.notice(0)._replace(said="pending"), about=[bought.order.id])
        clock.move("14d")
        assert names(credits.reconcile()) == {}
        clock.move("1s")
        assert names(credits.reconcile()) == {"overdue_pending": 1}


def test_events_that_came_to_nothing_are_listed_for_all_accounts(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits)
        say(credits, bought.notice(), about=["nobody's"], id="lost")
        say(credits, bought.notice(), about=[bought.order.id], look="gone", id="broken")
        report = credits.reconcile()
        assert {one.event: one.name for one in report.mismatches} == {
            "lost": "event_unmatched", "broken": "event_failing"
        }  # fmt: skip
        assert all(one.provider == "herald" and one.detail for one in report.mismatches)
        assert credits.reconcile("ada").proved
        clock.move("1d")
        assert credits.reconcile(since=clock.now).proved


def test_what_the_provider_says_otherwise_is_told_when_it_is_asked(database_url: str, clock: Clock):
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        refunded, unpaid, unknown = (Purchase(credits, key=key) for key in ("r", "u", "x"))
        for bought in (refunded, unpaid, unknown):
            bought.paid()
        herald.knows(refunded, refunded.notice(), refunded.refund(495))
        herald.knows(unpaid)
        assert credits.reconcile().proved
        report = credits.reconcile(ask=True)
        assert report.healed == Healed(3, 1, 1, 0)
        assert refunded.now().refunded_minor == 495
        assert names(report) == {"differs_at_provider": 1, "unknown_at_provider": 1}
        told = {one.name: one for one in report.mismatches}
        assert told["differs_at_provider"][1:4] == ("ada", unpaid.order.id, unpaid.payment)
        assert told["differs_at_provider"][6:9] == ("USD", 990, 0)
        assert told["unknown_at_provider"].order == unknown.order.id


def test_a_sum_of_refunds_is_no_difference_where_its_parts_are_named_too(database_url: str, clock: Clock):
    """Events tell a sum beside its parts, and who is asked tells only one of both: money counts, not the words."""
    herald = Lookout()
    with shop_of(database_url, clock, herald) as credits:
        parts, whole, less = (Purchase(credits, key=key) for key in ("p", "w", "l"))
        for bought in (parts, whole, less):
            bought.paid()
            bought.tell(bought.refund(300), bought.refund(195, "re_2"), bought.refund(495, None))
        herald.knows(parts, parts.notice(), parts.refund(300), parts.refund(195, "re_2"))
        herald.knows(whole, whole.notice(), whole.refund(300), whole.refund(195, "re_2"), whole.refund(495, None))
        herald.knows(less, less.notice(), less.refund(300))
        report = credits.reconcile(ask=True)
        assert {one.order for one in report.mismatches} == {less.order.id}
        assert [(one.expected_minor, one.found_minor) for one in report.mismatches] == [(495, 300), (195, 0)]


PLANTED: list[tuple[str, str, str]] = [
    ("paid_without_credits", "UPDATE farthing_entries SET key = 'mine' WHERE key LIKE '%:paid'", "ada"),
    ("credits_without_payment", "DELETE FROM farthing_payments", "ada"),
    ("credits_without_payment", "DELETE FROM farthing_orders", "ada"),
    ("lot_differs", "UPDATE farthing_lots SET cost_minor = 1 WHERE source = 'purchase'", "ada"),
    ("refund_not_followed", "UPDATE farthing_clawbacks SET gone = gone - 1 WHERE part = 'paid'", "ada"),
    ("refund_not_followed", "DELETE FROM farthing_clawbacks WHERE part = 'paid'", "ada"),
]


@pytest.mark.parametrize(("name", "statement", "account"), PLANTED)
def test_whatever_somebody_with_the_keys_to_the_database_breaks_has_a_name(
    database_url: str, clock: Clock, name: str, statement: str, account: str
):
    from farthing.selling.matching import of_orders, of_the_rest
    from farthing.store import orders

    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.refund(300))
        with tampering(credits) as session:
            session.execute(statement)
            rows = [orders.from_row(session, *row) for row in orders.rows_of_all(session, None)]
            seen = [*of_orders(session, rows, clock.now), *of_the_rest(session, None, None)]
            assert {(one.name, one.account) for one in seen} == {(name, account)}
            assert all(one.remedy == REMEDIES[name] and one.order == bought.order.id for one in seen)


def test_every_name_is_reached_by_a_story():
    here = Path(__file__)
    told = here.read_text() + here.with_name("test_buying_plans.py").read_text()
    assert [name for name in REMEDIES if f'"{name}"' not in told] == []


def settle_by(credits: farthing.Credits, said: str) -> Callable[..., Any]:
    return credits.accept_payment if said == "accepted" else credits.dismiss_payment


def test_an_accepted_payment_buys_its_order_at_what_came(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        short, euro = Purchase(credits, key="s"), Purchase(credits, key="e")
        short.paid(980)
        euro.paid(850, currency="EUR", tax_minor=50)
        for bought in (short, euro):
            order = credits.accept_payment(
                "ada", bought.order.id, bought.payment, key=f"ok:{bought.order.id}", reason="a fair price", actor="eve"
            )
            assert (order.status, order.payments[0].standing) == ("fulfilled", "paid")
        assert [(lot.cost_minor, lot.currency) for lot in credits.lots("ada", "images") if lot.cost_minor] == [
            (980, "USD"), (800, "EUR")
        ]  # fmt: skip
        assert (available(credits), credits.reconcile().proved, credits.verify().proved) == (220, True, True)
        euro.tell(euro.refund(425, currency="EUR"))
        assert (euro.now().refunded_minor, available(credits)) == (425, 110 + 55)


def test_a_dismissed_payment_is_nothing_to_its_order(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        short, twice = Purchase(credits, key="s"), Purchase(credits, key="t")
        short.paid(980)
        twice.paid()
        second = f"second_{twice.order.id}"
        say(credits, twice.notice(payment=second), about=[twice.order.id, second])
        order = credits.dismiss_payment("ada", short.order.id, short.payment, key="d1", reason="given back")
        assert (order.status, order.reason, order.paid_minor) == ("failed", "dismissed", 0)
        order = credits.dismiss_payment("ada", twice.order.id, second, key="d2")
        assert (order.status, [one.standing for one in order.payments]) == ("fulfilled", ["paid", "dismissed"])
        report = credits.reconcile()
        assert (report.proved, report.totals[0].dismissed_minor, available(credits)) == (True, 980 + 990, 110)
        assert short.tell(short.notice(980), id="told again") == "no_change"
        say(credits, short.refund(980), about=[short.order.id])
        assert (short.now().status, credits.reconcile().proved) == ("failed", True)


def test_the_right_money_after_a_dismissed_payment_buys_the_order(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        same, other = Purchase(credits, key="s"), Purchase(credits, key="o")
        for bought in (same, other):
            bought.paid(980)
            credits.dismiss_payment("ada", bought.order.id, bought.payment, key=f"d:{bought.order.id}")
        same.paid()  # the same payment, and now the provider says that it was all of it
        say(credits, other.notice(payment="pay_again"), about=[other.order.id])
        assert [bought.now().status for bought in (same, other)] == ["fulfilled", "fulfilled"]
        assert sorted(one.standing for one in other.now().payments) == ["dismissed", "paid"]
        assert (available(credits), credits.reconcile().proved) == (220, True)


@pytest.mark.parametrize("said", ["accepted", "dismissed"])
def test_a_decision_keeps_its_key(database_url: str, clock: Clock, said: str):
    with shop_of(database_url, clock, Lookout()) as credits:
        bought, other = Purchase(credits, key="s"), Purchase(credits, key="o")
        bought.paid(980)
        other.paid(980)
        decide = settle_by(credits, said)
        first = decide("ada", bought.order.id, bought.payment, key="k", actor="eve")
        assert decide("ada", bought.order.id, bought.payment, key="k") == first
        with pytest.raises(KeyReused):
            decide("ada", other.order.id, other.payment, key="k")
        with pytest.raises(KeyReused):
            decide("ada", other.order.id, other.payment, key="o")
        with pytest.raises(KeyReused):
            credits.grant("ada", "images", 1, key="k", source="gift")
        with pytest.raises(PaymentSettled) as refused:
            decide("ada", bought.order.id, bought.payment, key="again")
        assert refused.value.standing == ("paid" if said == "accepted" else "dismissed")
        assert other.now().status == "review"


def test_only_money_that_waits_for_a_decision_is_decided_about(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        paid, failed, none = (Purchase(credits, key=key) for key in ("p", "f", "n"))
        paid.paid()
        say(credits, failed.notice(0)._replace(said="failed"), about=[failed.order.id, failed.payment])
        say(credits, none.notice(0), about=[none.order.id, none.payment])
        say(credits, paid.notice(payment="pay_2"), about=[paid.order.id, "pay_2"])
        for bought, payment in ((paid, paid.payment), (paid, "pay_2"), (failed, failed.payment), (none, none.payment)):
            with pytest.raises(PaymentSettled):
                credits.accept_payment("ada", bought.order.id, payment, key="k")
        for bought in (paid, failed):
            with pytest.raises(PaymentSettled):
                credits.dismiss_payment("ada", bought.order.id, bought.payment, key="k")
        for order, payment in (("nothing", "pay"), (paid.order.id, "nothing")):
            with pytest.raises(NotFound):
                credits.dismiss_payment("ada", order, payment, key="k")
        with pytest.raises(NotFound):
            credits.dismiss_payment("bob", paid.order.id, "pay_2", key="k")
        assert available(credits) == 110


def test_a_promo_code_comes_back_with_a_dismissed_payment(database_url: str, clock: Clock):
    text = STORE + "\n[promo_codes.ONCE]\npercent = 10\nuses = 1\n"
    with farthing.open(database_url, catalog=shop(text), clock=clock, providers=[Lookout()]) as credits:
        order = credits.checkout("ada", package="starter", key="b", provider="herald", promo_code="ONCE").order
        notice = Notice("pay_1", "paid", clock.now, 5, currency="USD")
        say(credits, notice, about=[order.id])
        credits.dismiss_payment("ada", order.id, "pay_1", key="d")
        again = credits.checkout("bob", package="starter", key="b", provider="herald", promo_code="ONCE").order
        assert (again.status, credits.verify().proved) == ("open", True)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM farthing_settlements",
        "UPDATE farthing_settlements SET said = 'dismissed'",
        "UPDATE farthing_settlements SET amount_minor = 990",
        "UPDATE farthing_settlements SET key = 'another'",
        "DELETE FROM farthing_acts WHERE verb = 'accept_payment'",
    ],
)
def test_verify_finds_a_decision_that_nobody_took(database_url: str, clock: Clock, statement: str):
    from farthing.ledger.verifying import look

    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits)
        bought.paid(980)
        credits.accept_payment("ada", bought.order.id, bought.payment, key="k")
        with tampering(credits) as session:
            session.execute(statement)
            assert [fault.order for fault in look(session, None).faults][:1] == [bought.order.id]


def test_a_guest_s_payment_is_accepted_for_whom_the_guest_became(database_url: str, clock: Clock):
    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits, account="guest")
        bought.paid(980)
        credits.open_account("guest")
        credits.open_account("ada")
        credits.merge("guest", into="ada", key="m")
        credits.accept_payment("guest", bought.order.id, bought.payment, key="k")
        assert (available(credits), available(credits, "guest"), credits.reconcile().proved) == (110, 0, True)


def test_a_crash_between_storing_a_webhook_and_handling_it_is_made_up_for(database_url: str, clock: Clock):
    script = """
import json, os, sys
import farthing
from tests.herald import Herald
from tests.kit import Clock, shop
from tests.selling import STORE
with farthing.open(sys.argv[1], catalog=shop(STORE), clock=Clock(), providers=[Herald()]) as credits:
    assert credits.store_event("herald", {}, sys.argv[2].encode()).waits
    os._exit(9)
"""
    with shop_of(database_url, clock, Lookout()) as credits:
        bought = Purchase(credits)
        body = event_about(bought)
        died = subprocess.run([sys.executable, "-c", script, database_url, body], check=False, timeout=60)
        assert died.returncode == 9
        assert (credits.handle_events().handled, bought.now().status) == (0, "open")
        again = credits.store_event("herald", {}, body.encode())
        assert (again.duplicate, again.waits) == (True, False)  # it may still be under way there
        clock.move("1m")
        assert (credits.handle_events().handled, bought.now().status) == (1, "fulfilled")


def event_about(bought: Purchase) -> str:
    import json

    notice = bought.notice()
    fields = {**notice._asdict(), "at": notice.at.timestamp()}
    said = {"references": [bought.order.id], "facts": [("Notice", fields)], "look": None, "customer": None}
    return json.dumps({**said, "id": "evt_1"})


@pytest.mark.long
def test_many_orders_are_reconciled_in_bounded_memory(
    database_url: str, clock: Clock, count: Callable[[int, int], int]
):
    many = count(600, 10_000)
    with shop_of(database_url, clock, Lookout()) as credits:
        for number in range(many):
            Purchase(credits, account=f"acct-{number % 50}", key=f"buy:{number}").paid()
        tracemalloc.start()
        try:
            report = credits.reconcile()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (report.proved, report.orders) == (True, many)
        assert peak < 12_000_000
