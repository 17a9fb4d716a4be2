"""The inbox: what a provider says is verified, stored, and has its effect once, in whatever order it comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations
from typing import Any, get_args

import pytest

import farthing
from farthing.errors import BadSignature, BodyTooLarge, NotFound, UnknownProvider
from farthing.providers import ProviderEvent
from farthing.providers.sandbox import Kind, Sandbox
from farthing.selling import orders as order_fulfilment
from farthing.selling.inbox import Handled
from farthing.selling.orders import OrderView
from farthing.store import inbox as event_rows
from tests.kit import Clock
from tests.selling import SECRET, available, bill_of, sandbox, selling, tell


def buy(credits: farthing.Credits, key: str = "buy:1", account: str = "ada") -> OrderView:
    """An open order for 100 images and 10 on top, for USD 9.90."""
    return credits.checkout(account, package="starter", key=key).order


@pytest.mark.row("P6")
def test_a_webhook_that_comes_twice_gives_credits_once(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        first = tell(credits, order, "payment.paid", id="evt_1")
        again = tell(credits, order, "payment.paid", id="evt_1")
        assert (first.duplicate, first.outcome) == (False, "fulfilled")
        assert (again.duplicate, again.outcome) == (True, "fulfilled")
        assert (available(credits), len(credits.provider_events())) == (110, 1)


@pytest.mark.row("P6")
def test_two_events_of_one_payment_give_credits_once(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        outcomes = [tell(credits, order, "payment.paid", id=f"evt_{number}").outcome for number in range(3)]
        assert (outcomes, available(credits)) == (["fulfilled", "no_change", "no_change"], 110)


@pytest.mark.row("P6")
def test_a_webhook_that_comes_many_times_at_once_gives_credits_once(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits, ThreadPoolExecutor(8) as threads:
        order = buy(credits)
        for told in [
            threads.submit(tell, credits, order, "payment.paid", id=f"evt_{number % 4}") for number in range(32)
        ]:
            told.result()
        assert available(credits) == 110
        assert sorted(
            [event.outcome for event in credits.provider_events()].count(outcome)
            for outcome in ("fulfilled", "no_change")
        ) == [1, 3]


@pytest.mark.row("P6")
def test_the_events_of_one_payment_end_the_same_in_every_order(database_url: str, clock: Clock):
    story: list[tuple[Kind, int]] = [
        ("payment.failed", 1),
        ("payment.pending", 2),
        ("checkout.expired", 3),
        ("payment.paid", 4),
    ]
    with selling(database_url, clock) as credits:
        for turn, arriving in enumerate(permutations([*story, story[-1]])):
            account = f"account-{turn}"
            order = buy(credits, account=account)
            for kind, minute in arriving:
                at = clock.now + timedelta(minutes=minute)
                tell(credits, order, kind, id=f"evt_{turn}_{kind}", at=at)
            shown = credits.order(account, order.id)
            assert (shown.status, shown.payments[0].standing, available(credits, account)) == ("fulfilled", "paid", 110)


@pytest.mark.row("P11", "P6")
@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_order_tells_what_became_of_its_payment(database_url: str, clock: Clock, kind: Kind):
    expected = {
        "payment.paid": "fulfilled",
        "payment.pending": "processing",
        "payment.failed": "failed",
        "checkout.cancelled": "cancelled",
        "checkout.expired": "expired",
    }
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, kind, id="evt_1", reason="card_declined" if kind == "payment.failed" else None)
        shown = credits.order("ada", order.id)
        assert expected[kind] == shown.status
        assert ("card_declined" if kind == "payment.failed" else None) == shown.reason
        assert (110 if kind == "payment.paid" else 0) == available(credits)


@pytest.mark.row("P6")
def test_a_delayed_payment_is_processing_until_the_money_arrives_however_late(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, "payment.pending", id="evt_1")
        clock.move("5d")
        assert credits.order("ada", order.id).status == "processing"
        tell(credits, order, "payment.paid", id="evt_2")
        assert (credits.order("ada", order.id).status, available(credits)) == ("fulfilled", 110)


@pytest.mark.row("P1", "P6")
def test_an_order_that_is_paid_after_it_expired_is_fulfilled_on_its_frozen_terms(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        clock.now = order.expires_at + timedelta(days=30)
        assert credits.order("ada", order.id).status == "expired"
        tell(credits, order, "checkout.expired", id="evt_1")
        tell(credits, order, "payment.paid", id="evt_2")
        assert credits.order("ada", order.id).status == "fulfilled"
        assert {clock.now + timedelta(days=90)} == {lot.expires_at for lot in credits.lots("ada", "images")}


@pytest.mark.row("P6", "P11")
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"amount_minor": 989}, "amount_mismatch"),
        ({"amount_minor": 9900}, "amount_mismatch"),
        ({"amount_minor": 1000, "tax_minor": 90}, "amount_mismatch"),
        ({"currency": "EUR"}, "currency_mismatch"),
        ({"currency": "usd"}, "currency_mismatch"),
    ],
)
def test_money_that_is_not_what_the_order_asks_for_goes_to_review(
    database_url: str, clock: Clock, wrong: dict[str, Any], reason: str
):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        assert tell(credits, order, "payment.paid", id="evt_1", **wrong).outcome == "review"
        shown = credits.order("ada", order.id)
        assert ("review", reason, 0) == (shown.status, shown.reason, available(credits))
        assert [payment.standing for payment in shown.payments] == ["review"]
        assert credits.history("ada").data == []


@pytest.mark.row("P6")
def test_a_second_payment_of_an_order_is_listed_as_surplus_and_gives_nothing(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, "payment.paid", id="evt_1")
        assert tell(credits, order, "payment.paid", id="evt_2", payment="pay_again").outcome == "surplus"
        shown = credits.order("ada", order.id)
        assert {one.standing: one.amount_minor for one in shown.payments} == {"paid": 990, "surplus": 990}
        assert available(credits) == 110


def test_a_surplus_payment_that_comes_first_pays_and_the_other_is_surplus(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        told = [tell(credits, order, "payment.paid", id=f"evt_{one}", payment=f"pay_{one}").outcome for one in "ab"]
        assert (told, available(credits)) == (["fulfilled", "surplus"], 110)


@pytest.mark.row("P6")
def test_a_bad_signature_stores_nothing_and_is_counted(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        body = sandbox().event(bill_of(order), "payment.paid", id="evt_1", at=clock.now)
        stranger = sandbox("http://sandbox.test", "the secret of somebody else")
        for headers in ({}, stranger.sign(body, clock.now), sandbox().sign(body + b" ", clock.now)):
            with pytest.raises(BadSignature, match="Nothing was stored"):
                credits.receive("sandbox", headers, body)
        assert (credits.bad_signatures, credits.provider_events()) == ({"sandbox": 3}, [])
        assert (credits.order("ada", order.id).status, available(credits)) == ("open", 0)


@pytest.mark.row("P6")
def test_yesterdays_webhook_is_refused_and_says_so(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        body = sandbox().event(bill_of(order), "payment.paid", id="evt_1", at=clock.now)
        headers = sandbox().sign(body, clock.now)
        clock.move("1d")
        with pytest.raises(BadSignature, match="five minutes"):
            credits.receive("sandbox", headers, body)
        assert (credits.bad_signatures["sandbox"], credits.provider_events()) == (1, [])


@pytest.mark.row("P6")
def test_while_a_secret_is_changed_both_are_accepted(database_url: str, clock: Clock):
    new = "a newer secret of the tests"
    with selling(database_url, clock, providers=[sandbox("http://sandbox.test", new, SECRET)]) as credits:
        order = buy(credits)
        for number, secret in enumerate([SECRET, new]):
            sender = sandbox("http://sandbox.test", secret)
            body = sender.event(bill_of(order), "payment.paid", id=f"evt_{number}", at=clock.now)
            assert credits.receive("sandbox", sender.sign(body, clock.now), body).outcome
        assert available(credits) == 110


def test_names_of_headers_may_be_written_in_any_case(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        body = sandbox().event(bill_of(buy(credits)), "payment.paid", id="evt_1", at=clock.now)
        headers = {name.title(): value for name, value in sandbox().sign(body, clock.now).items()}
        assert credits.receive("sandbox", headers, body).outcome == "fulfilled"


@pytest.mark.row("P6")
def test_a_body_over_a_mebibyte_is_refused(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        most = b'{"id":"evt_1","type":"x","livemode":false,"p":"' + b" " * (2**20 - 49) + b'"}'
        assert len(most) == 2**20
        assert credits.receive("sandbox", sandbox().sign(most, clock.now), most).outcome == "unknown"
        with pytest.raises(BodyTooLarge):
            credits.receive("sandbox", sandbox().sign(most + b" ", clock.now), most + b" ")
        assert len(credits.provider_events()) == 1


@pytest.mark.row("P6")
def test_unknown_events_are_stored_and_acknowledged(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        body = sandbox().event(bill_of(order), "payment.paid", id="evt_1", at=clock.now)
        body = body.replace(b"payment.paid", b"tea.poured")
        assert credits.receive("sandbox", sandbox().sign(body, clock.now), body).outcome == "unknown"
        [stored] = credits.provider_events()
        assert (stored.kind, stored.livemode, stored.error) == ("tea.poured", False, None)
        assert Handled(0, 0) == credits.handle_events()


def test_an_event_about_an_order_that_is_not_ours_is_stored_and_acknowledged(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)._replace(id="ord_of_another_shop")
        assert tell(credits, order, "payment.paid", id="evt_1").outcome == "unmatched"


def test_an_event_of_the_other_mode_gives_nothing(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        body = sandbox().event(bill_of(buy(credits)), "payment.paid", id="evt_1", at=clock.now)
        body = body.replace(b'"livemode":false', b'"livemode":true')
        assert credits.receive("sandbox", sandbox().sign(body, clock.now), body).outcome == "other_mode"
        assert (available(credits), credits.provider_events()[0].livemode) == (0, True)


def test_an_event_that_names_two_orders_is_kept_as_failed(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        first, second = buy(credits, "buy:1"), buy(credits, "buy:2")
        tell(credits, first, "payment.pending", id="evt_1", payment="pay_1")
        assert None is tell(credits, second, "payment.paid", id="evt_2", payment="pay_1").outcome
        assert "2 different orders" in (credits.provider_events(failed=True)[0].error or "")
        assert available(credits) == 0


def test_only_providers_that_are_set_up_have_an_inbox(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits, pytest.raises(UnknownProvider):
        credits.receive("stripe", {}, b"{}")


class Moody(Sandbox):
    """A sandbox whose events cannot be read while it is in a mood."""

    def __init__(self) -> None:
        super().__init__(url="http://sandbox.test", secrets=[SECRET])
        self.mood: BaseException | None = None
        self.reads_before_mood = 0

    def read(self, body: bytes) -> ProviderEvent:
        self.reads_before_mood -= 1
        if self.mood and self.reads_before_mood < 0:
            raise self.mood
        return super().read(body)


@pytest.mark.row("P6")
def test_what_cannot_be_handled_is_acknowledged_kept_listed_and_tried_again(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits:
        order = buy(credits)
        moody.mood = RuntimeError("no tea")
        received = tell(credits, order, "payment.paid", id="evt_1")
        assert (received.duplicate, received.outcome) == (False, None)
        [failed] = credits.provider_events(failed=True)
        assert (received.event, "RuntimeError: no tea", 1) == (failed.event, failed.error, failed.attempts)
        assert Handled(0, 0) == credits.handle_events()  # it waits a minute
        clock.move("1m")
        assert Handled(0, 1) == credits.handle_events()
        moody.mood = None
        clock.move("1m")
        assert Handled(0, 0) == credits.handle_events()  # and then two
        clock.move("1m")
        assert Handled(1, 0) == credits.handle_events()
        assert (credits.provider_events(failed=True), available(credits)) == ([], 110)
        [handled] = credits.provider_events()
        assert (handled.outcome, handled.error, handled.attempts) == ("fulfilled", None, 3)


@pytest.mark.row("P6")
def test_a_payment_that_finds_its_wallet_full_is_fulfilled_when_there_is_room(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        credits.grant("ada", "images", 10**15 - 1, key="all", source="promo")
        order = buy(credits)
        assert None is tell(credits, order, "payment.paid", id="evt_1").outcome
        assert (credits.order("ada", order.id).status, available(credits)) == ("open", 10**15 - 1)
        assert (credits.provider_events(failed=True)[0].error or "").startswith("balance_too_large")
        credits.deduct("ada", "images", 10**15 - 1, key="spend")
        assert credits.retry_event("sandbox", "evt_1").outcome == "fulfilled"
        assert available(credits) == 110


@pytest.mark.row("P6")
def test_an_event_whose_worker_died_is_taken_by_another_when_its_lease_ends(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits:
        order = buy(credits)
        moody.mood, moody.reads_before_mood = SystemExit("killed"), 1
        with pytest.raises(SystemExit):
            tell(credits, order, "payment.paid", id="evt_1")
        moody.mood = None
        [waiting] = credits.provider_events()
        assert (waiting.outcome, waiting.error, waiting.attempts) == (None, None, 0)
        assert Handled(0, 0) == credits.handle_events()
        clock.move("1m")
        assert Handled(1, 0) == credits.handle_events()
        assert available(credits) == 110


@pytest.mark.row("P6")
def test_several_workers_at_once_handle_every_event_once(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits, ThreadPoolExecutor(6) as threads:
        orders = [buy(credits, f"buy:{number}") for number in range(10)]
        moody.mood = RuntimeError("no tea")
        for order in orders:
            tell(credits, order, "payment.paid", id=f"evt_{order.id}")
        moody.mood = None
        clock.move("1h")
        counts = [job.result() for job in [threads.submit(credits.handle_events) for _ in range(6)]]
        assert Handled(10, 0) == Handled(*map(sum, zip(*counts, strict=True)))
        assert (1100, {2}) == (available(credits), {event.attempts for event in credits.provider_events()})


@pytest.mark.row("P6")
def test_an_event_can_be_handled_again_by_hand_and_never_twice(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, "payment.paid", id="evt_1")
        handled_at = clock.now
        clock.move("1h")
        again = credits.retry_event("sandbox", "evt_1")
        assert ("fulfilled", handled_at, 110) == (again.outcome, again.handled_at, available(credits))
        with pytest.raises(NotFound):
            credits.retry_event("sandbox", "evt_2")


def test_an_event_is_given_to_one_worker_only(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        tell(credits, buy(credits), "payment.paid", id="evt_1")
        assert credits.run(lambda tx: event_rows.take(tx.session, "sandbox", "evt_1", clock.now)) is None


def test_an_event_that_was_unknown_can_be_handled_by_a_version_that_knows_it(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits:
        order = buy(credits)
        known = moody.read
        moody.read = lambda body: known(body)._replace(facts=())
        assert tell(credits, order, "payment.paid", id="evt_1").outcome == "unknown"
        moody.read = known
        assert (credits.retry_event("sandbox", "evt_1").outcome, available(credits)) == ("fulfilled", 110)


def test_an_event_without_an_id_goes_by_its_digest(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits:
        order = buy(credits)
        known = moody.read
        moody.read = lambda body: known(body)._replace(id=None)
        first, again = (tell(credits, order, "payment.paid", id="evt_1") for _ in range(2))
        assert first.event == again.event
        assert first.event.startswith("sha256:")
        assert (again.duplicate, available(credits)) == (True, 110)


def test_a_job_for_a_provider_that_is_gone_keeps_its_events(database_url: str, clock: Clock):
    moody = Moody()
    with selling(database_url, clock, providers=[moody]) as credits:
        order = buy(credits)
        moody.mood = RuntimeError("no tea")
        tell(credits, order, "payment.paid", id="evt_1")
    clock.move("1h")
    with selling(database_url, clock, providers=[]) as credits:
        assert Handled(0, 1) == credits.handle_events()
        assert (credits.provider_events(failed=True)[0].error or "").startswith("unknown_provider")
    clock.move("1h")
    with selling(database_url, clock) as credits:
        assert (Handled(1, 0), 110) == (credits.handle_events(), available(credits))


def test_bodies_are_dropped_after_ninety_days_and_outcomes_are_kept(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, "payment.paid", id="evt_1")

        def bodies() -> list[tuple[Any, ...]]:
            with credits.database.reading() as session:
                return session.execute("SELECT body IS NULL, digest IS NULL, outcome FROM farthing_provider_events")

        clock.move("90d")
        credits.handle_events()
        assert bodies() == [(False, False, "fulfilled")]
        clock.move("1s")
        credits.handle_events()
        assert bodies() == [(True, False, "fulfilled")]
        assert credits.retry_event("sandbox", "evt_1").outcome == "fulfilled"


def test_an_order_whose_grants_did_not_say_when_is_proved_all_the_same(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """So they were written at first."""
    real = order_fulfilment._stamp
    monkeypatch.setattr(order_fulfilment, "_stamp", lambda *said: real(*said)._replace(occurred_at=None))
    with selling(database_url, clock) as credits:
        tell(credits, buy(credits), "payment.paid", id="evt_1")
        assert credits.verify().proved


def test_erasing_an_account_forgets_what_providers_wrote_about_it_and_about_nobody_else(
    database_url: str, clock: Clock
):
    with selling(database_url, clock) as credits:
        for account in ("ada", "bob"):
            tell(credits, buy(credits, account=account), "payment.paid", id=f"evt_{account}")
        credits.erase("ada", key="e")
        with credits.database.reading() as session:
            rows = session.execute("SELECT event, body, digest, outcome FROM farthing_provider_events ORDER BY event")
        assert [(row[0], row[1] is None, bool(row[2]), row[3]) for row in rows] == [
            ("evt_ada", True, True, "fulfilled"),
            ("evt_bob", False, True, "fulfilled"),
        ]
        assert credits.verify().proved
