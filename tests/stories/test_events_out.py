"""Events tell others what happened: once written with their cause, then sent, signed and sent again until taken."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import WebhookVerificationError

import farthing
from farthing.core.events import KINDS, again
from farthing.errors import InsufficientCredits, InvalidField, NotFound
from farthing.events.delivering import LEASE
from farthing.store.database import Database, Session
from farthing.testing import Post
from tests.kit import SHOP, START, Clock, proved, shop
from tests.receiver import Receiver, receiving
from tests.selling import STORE, selling, tell
from tests.stories.test_topups import ready, shopping, spend
from tests.stories.test_webhooks import buy

pytestmark = pytest.mark.row("D6")

TELLS = 'name = "Image credits"\nlow = 20\nexpiring = "7d"\n'
LOW = SHOP.replace('name = "Image credits"\n', TELLS)
BALANCE = "credits.balance."


@contextmanager
def telling(url: str, clock: Clock, images: int = 100) -> Generator[farthing.Credits]:
    """Ada has so many images, and is low below 20."""
    with proved(url, clock, LOW) as credits:
        credits.local_endpoints = True
        credits.grant("ada", "images", images, key="start", source="gift")
        yield credits


def told(credits: farthing.Credits, account: str = "ada") -> list[tuple[int, str]]:
    """What was told of the account, oldest first: number and kind."""
    return [(one.sequence, one.type.removeprefix(BALANCE)) for one in reversed(credits.events(account))]


def test_each_threshold_is_crossed_once_in_each_direction(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        for number, amount in enumerate((79, 1, 1, 18, 1)):
            credits.deduct("ada", "images", amount, key=f"d{number}")
        assert told(credits) == [(1, "low"), (2, "depleted")]
        credits.grant("ada", "images", 19, key="g1", source="gift")
        assert len(told(credits)) == 2
        credits.grant("ada", "images", 1, key="g2", source="gift")
        assert told(credits)[2:] == [(3, "recovered")]
        credits.grant("ada", "images", 1, key="g3", source="gift")
        credits.deduct("ada", "images", 1, key="to-20")
        assert len(told(credits)) == 3
        [_, _, low] = credits.events("ada")
        assert low.data == {"credit_type": "images", "available": 19, "low": 20, "entry": "ent_images_4"}
        assert (low.account, low.occurred_at) == ("ada", clock())


def test_one_deduction_may_cross_both_and_a_hold_counts_and_a_replay_does_not(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        hold = credits.hold("ada", "images", 100, key="h")
        assert told(credits) == [(1, "low"), (2, "depleted")]
        credits.hold("ada", "images", 100, key="h")
        assert len(told(credits)) == 2
        hold.release()
        assert told(credits)[2:] == [(3, "recovered")]


def test_what_is_refused_or_rolled_back_tells_nothing_and_numbers_have_no_gap(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        with pytest.raises(InsufficientCredits):
            credits.deduct("ada", "images", 101, key="d1")
        with pytest.raises(ZeroDivisionError), credits.begin() as tx:
            tx.deduct("ada", "images", 90, key="d2")
            raise ZeroDivisionError
        assert told(credits) == []
        credits.deduct("ada", "images", 90, key="d3")
        assert told(credits) == [(1, "low")]


def test_without_a_threshold_nothing_is_written(credits: farthing.Credits):
    credits.grant("ada", "images", 100, key="g", source="gift")
    credits.deduct("ada", "images", 100, key="d")
    assert credits.events() == []


def test_a_long_block_that_crossed_a_threshold_holds_up_no_other_wallet(postgresql: Any, clock: Clock):
    text = LOW.replace("scale = 2\n", "scale = 2\nlow = 5\n")
    with postgresql.migrated() as url, proved(url, clock, text) as credits:
        for kind in ("images", "chat"):
            credits.grant("ada", kind, 30, key=f"g:{kind}", source="gift")
        with credits.begin() as tx:
            tx.deduct("ada", "images", 20, key="d1")
            other = threading.Thread(target=credits.deduct, args=("ada", "chat", 28), kwargs={"key": "d2"})
            other.start()
            other.join(timeout=10)
            assert not other.is_alive()
        assert [(one.sequence, one.data["credit_type"]) for one in credits.events("ada")] == [
            (2, "images"),
            (1, "chat"),
        ]


def test_a_deduction_that_crosses_nothing_asks_nothing_more_of_the_database(
    sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def noting(real: Any) -> Any:
        return lambda self, sql, *more: (asked.append(sql), real(self, sql, *more))[1]

    for name in ("execute", "executemany"):
        monkeypatch.setattr(Session, name, noting(getattr(Session, name)))

    def statements(text: str) -> list[str]:
        with sqlite.migrated() as url, proved(url, clock, text) as credits:
            credits.grant("ada", "images", 100, key="g", source="gift")
            asked.clear()
            credits.deduct("ada", "images", 1, key="d")
            return list(asked)

    plain, with_low = statements(SHOP), statements(LOW)
    assert plain == with_low and plain != []


def test_amounts_are_exact_and_a_new_wallet_has_not_recovered(database_url: str, clock: Clock):
    text = SHOP.replace("scale = 2\n", 'scale = 2\nlow = "0.5"\n')
    with proved(database_url, clock, text) as credits:
        credits.grant("bob", "chat", Decimal("0.61"), key="g", source="gift")
        credits.deduct("bob", "chat", Decimal("0.12"), key="d")
        [one] = credits.events("bob")
        assert (one.type, one.data["available"], one.data["low"]) == (
            "credits.balance.low", Decimal("0.49"), Decimal("0.5"),
        )  # fmt: skip


def test_many_at_once_cross_once_and_number_without_gaps(database_url: str, clock: Clock):
    with (
        telling(database_url, clock, images=30) as credits,
        farthing.open(database_url, catalog=shop(LOW), clock=clock) as other,
    ):

        def take(worker: int) -> None:
            mine = (credits, other)[worker % 2]
            for turn in range(5):
                mine.deduct("ada", "images", 1, key=f"{worker}:{turn}")

        threads = [threading.Thread(target=take, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told(credits) == [(1, "low"), (2, "depleted")]


def test_lots_are_told_once_before_they_expire_and_when_they_do(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        credits.grant("bob", "images", 50, key="stays", source="gift")
        for number in range(4):
            credits.grant("bob", "images", 5, key=f"g{number}", source="gift", expires="10d")
        credits.deduct("bob", "images", 5, key="used-up")
        credits.grant("bob", "images", 9, key="short", source="gift", expires="2d")
        assert credits.remind() == 1
        clock.move("2d")
        assert credits.expire() == 1
        clock.move("26h")
        assert (credits.remind(), credits.remind()) == (3, 0)
        credits.grant("bob", "images", 1, key="late", source="gift", expires="1d")
        clock.move("1h")
        assert credits.remind() == 0
        lots = [(one.type, one.data["lot"], one.data["amount"]) for one in reversed(credits.events("bob"))]
        assert lots[:3] == [
            ("credits.lot.expiring", "lot_images_6", 9),
            ("credits.lot.expired", "lot_images_6", 9),
            ("credits.lot.expiring", "lot_images_3", 5),
        ]
        assert len(lots) == 5
        assert credits.events("bob")[0].data["expires_at"] == "2026-01-11T00:00:00Z"


def test_buying_and_money_back_are_told(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        tell(credits, order, "payment.paid", id="evt_1")
        tell(credits, order, "payment.paid", id="evt_2")
        mail = Post(credits)
        mail.deliver(mail.refunded(credits.order("ada", order.id), minor=400))
        events = credits.events("ada")
        assert [one.type for one in reversed(events)] == ["order.fulfilled", "order.refunded"]
        assert events[1].data["order"] == order.id and events[1].data["paid_minor"] == order.total_minor
        assert (events[0].data["refunded_minor"], events[0].data["disputed_minor"]) == (400, 0)


def test_what_an_order_gives_recovers_a_balance(database_url: str, clock: Clock):
    with selling(database_url, clock, STORE.replace('name = "Image credits"\n', TELLS)) as credits:
        credits.grant("ada", "images", 30, key="g", source="gift")
        credits.deduct("ada", "images", 30, key="d")
        tell(credits, buy(credits), "payment.paid", id="evt_1")
        assert [kind for _, kind in told(credits)] == ["low", "depleted", "recovered", "order.fulfilled"]


def test_top_ups_are_told_when_they_charge_and_when_they_pause(database_url: str, clock: Clock):
    with shopping(database_url, clock) as (credits, _):
        ready(credits)
        spend(credits, 5, "d1")
        done = credits.top_up("ada", "images")
        credits.forget_card("ada", key="forget")
        clock.move("2h")
        spend(credits, 5, "d2")
        assert (credits.top_up("ada", "images").outcome, credits.top_up("ada", "images").outcome) == ("paused",) * 2
        paused, *_ = credits.events("ada")
        kinds = {one.type: one for one in credits.events("ada")}
        assert sorted(kinds) == ["order.fulfilled", "top_up.charged", "top_up.paused"]
        assert (paused.type, paused.data) == ("top_up.paused", {"credit_type": "images", "why": "no_card"})
        assert done.order and kinds["top_up.charged"].data["order"] == done.order.id


PLANS = f"""{SHOP}
[plans.pro]
every = "1mo"
rank = 1
[plans.pro.credits.images]
amount = 50
[plans.team]
every = "1mo"
rank = 2
[plans.team.credits.images]
amount = 90
"""


def test_plans_are_told_from_their_start_to_their_end(database_url: str, clock: Clock):
    with proved(database_url, clock, PLANS) as credits:
        credits.start_plan("ada", "pro", key="s")
        clock.move("31d")
        credits.drip()
        credits.change_plan("ada", "team", key="c")
        credits.cancel_plan("ada", key="x", unused="take_back")
        events = list(reversed(credits.events("ada")))
        assert [one.type for one in events] == ["plan.started", "plan.renewed", "plan.changed", "plan.ended"]
        assert [one.data["plan"] for one in events] == ["pro", "pro", "team", "team"]
        assert events[0].data["period_end"] == "2026-02-01T00:00:00Z"


def test_whoever_listens_in_the_process_is_called_after_the_commit(
    database_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
):
    with telling(database_url, clock) as credits:
        heard: list[Any] = []

        def listen(event: Any) -> None:
            heard.append((event.type, credits.balance("ada", "images").available))
            if len(heard) == 1:  # a listener may call verbs, and may fail
                credits.grant("ada", "images", 50, key="more", source="gift")
                raise ValueError("a listener's own mistake")

        end = credits.subscribe(f"{BALANCE}low", listen)
        with credits.begin() as tx:
            tx.deduct("ada", "images", 90, key="d1")
            assert heard == []
        settled(credits)
        credits.deduct("ada", "images", 45, key="d2")
        settled(credits)
        end()
        credits.grant("ada", "images", 50, key="again", source="gift")
        credits.deduct("ada", "images", 50, key="d3")
        settled(credits)
        assert heard == [(f"{BALANCE}low", 10), (f"{BALANCE}low", 15)]
        assert [one.levelno for one in caplog.records if "subscriber" in one.message] == [logging.ERROR]
        with pytest.raises(InvalidField):
            credits.subscribe("credits.balance.lo", listen)


def settled(credits: farthing.Credits) -> None:
    credits._subscribers.close()  # pyright: ignore[reportPrivateUsage]


def test_in_your_own_transaction_events_last_or_go_with_it(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        database = Database(database_url)
        engine = sa.create_engine(database.url)
        for commits in (False, True):
            with engine.connect() as connection, connection.begin() as own:
                credits.on(connection).deduct("ada", "images", 90, key="d")
                if not commits:
                    own.rollback()
            assert told(credits) == [(1, "low")] * commits
        engine.dispose()
        database.close()


def test_events_arrive_signed_and_once(database_url: str, clock: Clock):
    clock.to(datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat())
    with telling(database_url, clock) as credits, receiving() as receiver:
        made = credits.add_endpoint(f"{receiver.url}/hook?a=1")
        credits.deduct("ada", "images", 90, key="d")
        assert credits.deliver() == {"delivered": 1, "failed": 0, "given_up": 0}
        assert credits.deliver()["delivered"] == 0
        [event], [came] = credits.events(), receiver.arrived
        assert came.said == {
            "id": event.id, "type": f"{BALANCE}low", "account": "ada", "sequence": 1,
            "occurred_at": f"{event.occurred_at.isoformat().removesuffix('+00:00')}Z",
            "data": {"credit_type": "images", "available": 10, "low": 20, "entry": "ent_images_2"},
        }  # fmt: skip
        assert (came.id, came.path, came.headers["host"]) == (event.id, "/hook?a=1", receiver.url[7:])
        assert receiver.believes(made.secret)
        first = credits.rotate_endpoint(made.endpoint.id)
        credits.replay_event(event.id)
        credits.deliver()
        assert receiver.believes(made.secret)
        receiver.arrived.pop(0)
        assert receiver.believes(first.secret) and receiver.arrived[0].id == event.id
        credits.rotate_endpoint(made.endpoint.id)
        credits.replay_event(event.id, endpoint=made.endpoint.id)
        credits.deliver()
        with pytest.raises(WebhookVerificationError):
            receiver.believes(made.secret)


def test_an_endpoint_gets_what_it_asked_for_and_nothing_from_before(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.deduct("ada", "images", 90, key="d1")
        clock.move("1s")
        credits.add_endpoint(f"{receiver.url}/some", kinds=[f"{BALANCE}recovered"])
        every = credits.add_endpoint(f"{receiver.url}/every").endpoint
        credits.deduct("ada", "images", 10, key="d2")
        credits.grant("ada", "images", 50, key="g", source="gift")
        assert credits.deliver()["delivered"] == 3
        assert sorted((one.path, one.said["sequence"]) for one in receiver.arrived) == [
            ("/every", 2), ("/every", 3), ("/some", 3),
        ]  # fmt: skip
        credits.remove_endpoint(every.id)
        assert [one.url for one in credits.endpoints()] == [f"{receiver.url}/some"]
        for gone in (credits.remove_endpoint, credits.resume_endpoint, credits.rotate_endpoint):
            with pytest.raises(NotFound):
                gone(every.id)
        with pytest.raises(InvalidField):
            credits.add_endpoint(receiver.url, kinds="order.fulfilled")
        for limit in (0, 1001):
            with pytest.raises(InvalidField):
                credits.events(limit=limit)
        for wrong in ("credits.balance", ""):
            with pytest.raises(InvalidField):
                credits.add_endpoint(receiver.url, kinds=[wrong])


def test_what_failed_is_tried_again_and_holds_up_nothing(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        receiver.answer = lambda came: 500 if came.said["sequence"] == 1 else 200
        credits.deduct("ada", "images", 100, key="d")
        assert credits.deliver() == {"delivered": 1, "failed": 1, "given_up": 0}
        [event] = credits.events(failed=True)
        _, [delivery] = credits.event(event.id)
        assert (delivery.status, delivery.error, delivery.attempts) == (500, "it refused (500)", 1)
        assert delivery.due_at and 22 <= (delivery.due_at - clock()).total_seconds() <= 38
        assert credits.deliver()["failed"] == 0
        clock.move("1m")
        receiver.answer = lambda came: 200
        assert credits.deliver()["delivered"] == 1
        _, [delivery] = credits.event(event.id)
        assert (delivery.attempts, delivery.delivered_at, delivery.due_at) == (2, clock(), None)
        assert credits.events(failed=True) == []
        assert len({one.body for one in receiver.arrived if one.id == event.id}) == 1


def test_after_three_days_it_is_given_up_and_the_endpoint_pauses_until_somebody_resumes(
    database_url: str, clock: Clock
):
    with telling(database_url, clock) as credits, receiving() as receiver:
        [end] = [credits.add_endpoint(receiver.url).endpoint]
        receiver.answer = lambda came: 503
        credits.deduct("ada", "images", 90, key="d")
        tries = 0
        while credits.endpoints()[0].paused is None:
            tries += sum(credits.deliver().values())
            clock.move("8h")
        assert (len(receiver.arrived), tries) == (10, 10)
        [paused] = credits.endpoints()
        assert (paused.paused, paused.failing_since) == ("failing", START)
        [event] = credits.events(failed=True)
        assert credits.event(event.id)[1][0].due_at is None
        credits.grant("ada", "images", 90, key="g", source="gift")
        assert sum(credits.deliver().values()) == 0
        receiver.answer = lambda came: 200
        assert credits.resume_endpoint(end.id).paused is None
        assert credits.deliver()["delivered"] == 1
        credits.replay_event(event.id)
        assert (credits.deliver()["delivered"], receiver.kinds[-1]) == (1, f"{BALANCE}low")


def test_who_says_gone_is_paused_at_once_and_a_redirect_is_not_followed(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        receiver.answer = lambda came: 307
        credits.deduct("ada", "images", 90, key="d")
        assert credits.deliver()["failed"] == 1
        assert len(receiver.arrived) == 1
        receiver.answer = lambda came: 410
        clock.move("1m")
        credits.deliver()
        assert credits.endpoints()[0].paused == "gone"


def test_waits_grow_fourfold_to_six_hours_for_three_days():
    waits = [again(number, START, START, chance=0.5) for number in range(1, 8)]
    assert [(one - START).total_seconds() for one in waits if one] == [30, 120, 480, 1920, 7680, 21600, 21600]
    later = START.replace(day=4)
    assert again(1, START, later, chance=0.5) is None
    assert again(400, later, later, chance=1) == later + timedelta(hours=7.5)


def test_erasing_an_account_forgets_its_events_and_about_nobody_else(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        credits.grant("bob", "images", 100, key="g", source="gift")
        for account in ("ada", "bob"):
            credits.deduct(account, "images", 90, key="d")
        receiver.answer = lambda came: 500
        credits.deliver()
        credits.erase("ada", key="e")
        assert [one.account for one in credits.events()] == ["bob"]
        with credits.database.reading() as session:
            rows = [session.execute(f"SELECT account FROM farthing_{name}") for name in ("events", "deliveries")]
        assert rows == [[("bob",)], [("bob",)]]
        credits.grant("ada", "images", 90, key="g", source="gift")
        assert told(credits) == [(2, "recovered")]


def test_events_are_forgotten_after_thirty_days(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits:
        credits.deduct("ada", "images", 90, key="d")
        event = credits.events()[0].id
        credits.deliver()
        clock.move("30d")
        credits.deliver()
        assert credits.event(event)[0].id == event
        clock.move("1s")
        credits.deliver()
        for gone in (credits.event, credits.replay_event):
            with pytest.raises(NotFound):
                gone(event)
        credits.grant("ada", "images", 90, key="g", source="gift")
        assert told(credits) == [(2, "recovered")]


def test_async_code_has_the_same_verbs(database_url: str, clock: Clock):
    async def story(receiver: Receiver) -> dict[str, int]:
        async with farthing.open_async(database_url, catalog=shop(LOW), clock=clock) as credits:
            credits.credits.local_endpoints = True
            await credits.add_endpoint(receiver.url)
            await credits.grant("ada", "images", 100, key="g", source="gift")
            await credits.deduct("ada", "images", 90, key="d")
            assert await credits.remind() == 0
            return await credits.deliver()

    with receiving() as receiver:
        assert asyncio.run(story(receiver))["delivered"] == 1


def test_every_kind_is_told_somewhere(request: pytest.FixtureRequest):
    """So that no kind is promised which nothing writes."""
    source = request.path.read_text("utf-8")
    assert [kind for kind in KINDS if kind not in source and f'"{kind.removeprefix(BALANCE)}"' not in source] == []
    assert LEASE.total_seconds() > 15
