"""The sandbox's bad temper: each fact of a payment as an event says it, and as it stands when the sandbox is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from farthing.core.payments import Dispute, Fact, Notice, Refund, SavedCard
from farthing.errors import BadSignature, EventUnreadable
from farthing.providers import Bill
from farthing.providers.sandbox import AnyKind, Sandbox
from farthing.providers.sandbox_memory import Memory
from farthing.testing import START, Clock, sandbox

pytestmark = pytest.mark.row("P5")

BILL = Bill("ord_1", "110 Image credits", "USD", 990, None, START + timedelta(days=1), account="ada")
LATER = START + timedelta(days=3)
PAY = "pay_ord_1"


def paid(**said: Any) -> Notice:
    return Notice(PAY, "paid", START, 990, 0, "USD")._replace(**said)


def read(kind: AnyKind, **said: Any) -> tuple[Fact, ...]:
    return sandbox().read(sandbox().event(BILL, kind, id="evt_1", at=START, **said)).facts


@pytest.mark.parametrize(
    ("kind", "said", "fact"),
    [
        ("payment.paid", {}, paid()),
        ("payment.paid", {"tax_minor": 188}, paid(amount_minor=1178, tax_minor=188)),
        ("payment.paid", {"discount_minor": 90}, paid(amount_minor=900, discount_minor=90)),
        ("payment.paid", {"amount_minor": 989}, paid(amount_minor=989)),
        ("payment.paid", {"currency": "EUR"}, paid(currency="EUR")),
        ("payment.paid", {"payment": "pay_again"}, paid(payment="pay_again")),
        ("payment.pending", {}, Notice(PAY, "pending", START, currency="USD")),
        ("payment.failed", {"reason": "bank_refused"}, Notice(PAY, "failed", START, 0, 0, "USD", "bank_refused")),
        ("checkout.cancelled", {}, Notice(PAY, "cancelled", START, currency="USD")),
        ("checkout.expired", {}, Notice(PAY, "expired", START, currency="USD")),
        ("refund.pending", {"name": "re_1"}, Refund(PAY, "re_1", "pending", START, 990, "USD")),
        ("refund.succeeded", {"name": "re_1"}, Refund(PAY, "re_1", "succeeded", START, 990, "USD")),
        ("refund.failed", {"name": "re_1", "amount_minor": 1}, Refund(PAY, "re_1", "failed", START, 1, "USD")),
        ("payment.refunded", {"amount_minor": 500}, Refund(PAY, None, "succeeded", START, 500, "USD")),
        ("dispute.inquiry", {"name": "dp_1"}, Dispute(PAY, "dp_1", "inquiry", START, 990, "USD")),
        ("dispute.opened", {"name": "dp_1"}, Dispute(PAY, "dp_1", "opened", START, 990, "USD")),
        ("dispute.lost", {"name": "dp_1"}, Dispute(PAY, "dp_1", "lost", START, 990, "USD")),
        (
            "dispute.won",
            {"name": "dp_1", "amount_minor": 5, "reason": "fraudulent"},
            Dispute(PAY, "dp_1", "won", START, 5, "USD", "fraudulent"),
        ),
    ],
)
def test_an_event_says_one_fact(kind: AnyKind, said: dict[str, Any], fact: Fact):
    assert (fact,) == read(kind, **said)


def test_a_payment_says_which_card_was_left_with_it():
    bill = BILL._replace(save_card=True)
    started = sandbox().start(bill)
    assert started.customer
    event = sandbox().read(sandbox().event(bill, "payment.paid", id="evt_1", at=START, card="card_declined"))
    assert (paid(), SavedCard(started.customer, "card_declined", START, "Visa •••• 0002")) == event.facts
    assert started.customer == event.customer


def test_every_payment_of_a_customer_has_the_name_that_was_given_for_them():
    bill = BILL._replace(save_card=True, customer="cus_of_ada")
    event = sandbox().read(sandbox().event(bill, "payment.paid", id="evt_1", at=START, card="card_ok"))
    assert (sandbox().start(bill).customer, event.customer) == ("cus_of_ada", "cus_of_ada")
    assert sandbox().start(BILL).customer is None


def test_refunds_and_disputes_name_their_payment_and_nothing_else():
    kinds: list[AnyKind] = ["refund.succeeded", "payment.refunded", "dispute.opened"]
    for kind in kinds:
        assert sandbox().read(sandbox().event(BILL, kind, id="evt_1", at=START)).references == (PAY,)


def test_a_word_nobody_knows_and_the_wrong_mode_are_said_as_well():
    assert read("shop.renamed") == ()
    event = sandbox().read(sandbox().event(BILL, "payment.paid", id="evt_1", at=START, livemode=True))
    assert (True, (paid(),)) == (event.livemode, event.facts)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("refund.succeeded", (b'"re_1"', b'""')),
        ("refund.succeeded", (b'"refund":"re_1"', b'"refunded":"re_1"')),
        ("payment.refunded", (b"990", b"9.9")),
        ("payment.refunded", (b"990", b"-1")),
        ("dispute.won", (b'"USD"', b"null")),
        ("payment.paid", (b'"order":"ord_1",', b"")),
        ("payment.paid", (b'"discount_minor":0', b'"discount_minor":true')),
    ],
)
def test_a_fact_that_is_not_whole_is_unreadable(kind: AnyKind, wrong: tuple[bytes, bytes]):
    name = None if kind.startswith("payment") else "re_1"
    body = sandbox().event(BILL, kind, id="evt_1", at=START, name=name)
    assert body != body.replace(*wrong)
    with pytest.raises(EventUnreadable):
        sandbox().read(body.replace(*wrong))


def test_an_event_stored_before_there_were_refunds_still_reads():
    old = (
        b'{"id":"evt_1","type":"payment.paid","created_at":"2026-01-01T00:00:00+00:00","livemode":false,"data":{'
        b'"order":"ord_1","checkout":"sandbox_ord_1","payment":"pay_ord_1","amount_minor":990,"tax_minor":0,'
        b'"currency":"USD","reason":null}}'
    )
    event = sandbox().read(old)
    assert ((paid(),), ("ord_1", "sandbox_ord_1", PAY)) == (event.facts, event.references)


@pytest.mark.row("P6")
def test_either_of_two_secrets_signs_and_nobody_elses_does():
    old, new = "the secret of last year", "the secret of this year"
    provider = Sandbox(url="http://sandbox.test", secrets=[new, old])
    for secret in (None, new, old):
        provider.verify(provider.sign(b"{}", START, secret=secret), b"{}", START)
    with pytest.raises(BadSignature):
        provider.verify(provider.sign(b"{}", START, secret="the secret of somebody"), b"{}", START)


def test_what_a_webhook_lost_is_told_to_who_asks_by_any_name():
    provider = sandbox()
    started = provider.start(BILL)
    found = provider.look("ord_1")
    assert found
    assert ((), {"ord_1", started.reference}) == (found.facts, set(found.references))
    provider.remember(provider.event(BILL, "payment.paid", id="evt_1", at=START))
    names = {"ord_1", "sandbox_ord_1", PAY}
    for name in names:
        found = provider.look(name)
        assert found
        assert ((paid(),), names) == (found.facts, set(found.references))
    assert provider.look("ord_2") is None


def test_who_asks_is_told_how_everything_stands_by_now():
    provider = sandbox()
    story: list[tuple[AnyKind, int, dict[str, Any]]] = [
        ("refund.succeeded", 3, {"name": "re_1", "amount_minor": 90}),  # before anything names the order
        ("payment.failed", 0, {"reason": "card_declined"}),
        ("payment.paid", 1, {}),
        ("payment.failed", 2, {"payment": "pay_again"}),
        ("checkout.cancelled", 2, {}),  # which comes to nothing: the money came
        ("payment.refunded", 4, {"amount_minor": 90}),
        ("payment.refunded", 3, {"amount_minor": 50}),
        ("refund.pending", 5, {"name": "re_2", "amount_minor": 100}),
        ("refund.failed", 6, {"name": "re_2", "amount_minor": 100}),
        ("dispute.won", 8, {"name": "dp_1"}),
        ("dispute.opened", 7, {"name": "dp_1"}),
    ]
    for number, (kind, day, said) in enumerate(story):
        at = START + timedelta(days=day)
        provider.remember(provider.event(BILL, kind, id=f"evt_{number}", at=at, **said))
    found = provider.look("ord_1")
    assert found
    days = [START + timedelta(days=day) for day in range(9)]
    assert set(found.facts) == {
        paid(at=days[1]),
        Notice("pay_again", "failed", days[2], currency="USD"),
        Refund(PAY, "re_1", "succeeded", days[3], 90, "USD"),
        Refund(PAY, None, "succeeded", days[4], 90, "USD"),
        Refund(PAY, "re_2", "failed", days[6], 100, "USD"),
        Dispute(PAY, "dp_1", "won", days[8], 990, "USD"),
    }


def test_a_late_payment_is_pending_until_it_is_not():
    ends: list[tuple[AnyKind, str]] = [("payment.paid", "paid"), ("payment.failed", "failed")]
    for end, said in ends:
        provider = sandbox()
        provider.remember(provider.event(BILL, "payment.pending", id="evt_1", at=START))
        provider.remember(provider.event(BILL, end, id="evt_2", at=LATER))
        found = provider.look(PAY)
        assert found
        [notice] = found.facts
        assert isinstance(notice, Notice)
        assert (said, LATER) == (notice.said, notice.at)


def test_it_remembers_so_much_and_forgets_the_oldest():
    memory = Memory(most=2)
    for order in ("ord_1", "ord_2", "ord_1", "ord_3"):
        memory.keep((order, f"pay_{order}"), [paid(payment=f"pay_{order}")])
    known = [bool(memory.found(name)) for name in ("ord_1", "pay_ord_1", "ord_2", "pay_ord_2", "ord_3")]
    assert known == [True, True, False, False, True]


def test_a_card_that_the_sandbox_does_not_know_is_refused():
    provider = sandbox(clock=Clock(LATER))
    charged = provider.charge(BILL, SavedCard("cus_1", "card_of_somebody", START), attempt=3)
    assert Notice("pay_ord_1_3", "failed", LATER, 0, 0, "USD", "card_unknown") == charged.notice
