"""Payments through Stripe while everything breaks: in the end who paid was charged once and credited once.

Processes are killed between any two steps, Stripe is slow, fails or hangs up, the database is gone. Then whoever was
cut off does what one does: makes the same call again, presses Pay, sends the webhook again; and the jobs run.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count as numbers
from queue import Queue
from typing import Any, Literal

import httpx2
import pytest
from sqlalchemy import make_url

import farthing
from farthing import server
from farthing.errors import ProviderUnavailable, Unavailable
from farthing.providers import stripe_api
from farthing.providers.stripe_facts import ORDER
from farthing.selling.checkout import Checkout
from farthing.selling.inbox import Received
from farthing.store.dialects import sqlite as files
from farthing.testing import Clock, prove
from tests.databases import shut
from tests.faults.crowd import ASKING, COMMITS, STATEMENTS, killed_at
from tests.faults.told import PATIENCE_S
from tests.http.test_server import running
from tests.kit import shop as catalog_of
from tests.selling import STORE, available
from tests.stripe_town import StripeTown, collector, stripe_town

Way = Literal["page", "form"]
WAYS: tuple[Way, ...] = ("page", "form")
DAYS = ("slow", "cut", "500")  # see StripeTown.bad_days
Letter = tuple[dict[str, str], bytes]


@pytest.fixture
def clock() -> Clock:
    """Stripe signs by the real time, so these stories begin then."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Generator[StripeTown]:
    """A Stripe that is asked once at a time: the SDK's own tries again are told of in `test_buying_at_stripe.py`."""
    monkeypatch.setattr(stripe_api, "RETRIES", 0)
    with stripe_town() as here:
        yield here


@contextmanager
def shop(url: str, clock: Clock, town: StripeTown) -> Generator[farthing.Credits]:
    """A shop that sells through Stripe; at the end all its books agree, and so do Stripe's."""
    with farthing.open(url, catalog=catalog_of(STORE), clock=clock, providers=[collector(town)]) as credits:
        yield credits
        prove(credits)
        report = credits.reconcile(ask=True)
        assert report.found == {}
        assert sum(one.paid_minor for one in report.totals) == sum(one["amount"] for one in charges(town))


def buy(credits: farthing.Credits, account: str, way: Way = "page") -> Checkout:
    """110 images, on Stripe's page; or in its form, which keeps the card."""
    form = way == "form"
    return credits.checkout(
        account, package="starter", key="buy:1", provider="stripe", form=form, save_card=form, currency="USD"
    )


def held(town: StripeTown, kind: str, order: str | None = None) -> list[dict[str, Any]]:
    """What Stripe holds of a kind, for one order or in all."""
    every = [one for one in town.held.values() if one["object"] == kind]
    return [one for one in every if order in (None, one["metadata"].get(ORDER))]


def payable(town: StripeTown, order: str) -> list[str]:
    """Where an order can be paid: sessions and PaymentIntents that are open."""
    both = (*held(town, "checkout.session", order), *held(town, "payment_intent", order))
    return [one["id"] for one in both if one["status"] in ("open", "requires_payment_method")]


def charges(town: StripeTown, order: str | None = None) -> list[dict[str, Any]]:
    """What customers were charged."""
    return held(town, "charge", order)


def pay(town: StripeTown, order: str) -> list[dict[str, Any]]:
    """The customer pays wherever the order can be paid. Gives the events of it."""
    since = len(town.events)
    for place in payable(town, order):
        if place.startswith("cs_"):
            town.pay(place)
        else:
            town.confirm(place)
    return town.events[since:]


def how_it_stands(credits: farthing.Credits, town: StripeTown, account: str) -> str:
    """How far a checkout came: whether Stripe was asked for a place to pay, and whether its answer was kept."""
    orders = credits.orders(account).data
    if not orders:
        return "no order"
    [order] = orders
    return f"asked: {payable(town, order.id) != []}, kept: {order.reference is not None}"


def signed(town: StripeTown, clock: Clock, event: dict[str, Any]) -> Letter:
    """An event as Stripe sends it now: each try is signed anew."""
    return town.letter(event, at=clock().timestamp())


def deliver(credits: farthing.Credits, town: StripeTown, clock: Clock, events: list[dict[str, Any]]) -> list[Received]:
    return [credits.receive("stripe", *signed(town, clock, event)) for event in events]


Survives = Callable[[int, Callable[[], object]], bool]
"""Whether a child that is killed at its nth step of some work comes to its end before."""


@pytest.fixture
def survives(count: Callable[[int, int], int]) -> Survives:
    """Each COMMIT and each question to Stripe is two steps, before and after it; in full, so is each statement."""
    steps = ASKING | (STATEMENTS if count(0, 1) else COMMITS)

    def survives(step: int, work: Callable[[], object]) -> bool:
        status = killed_at(step, work, steps)
        assert status in (0, -signal.SIGKILL)
        return status == 0

    return survives


@pytest.mark.long
@pytest.mark.row("P1", "P2", "P3")
@pytest.mark.parametrize("way", WAYS)
def test_a_checkout_killed_between_any_two_steps_is_one_order_with_one_place_to_pay_it(
    database_url: str, town: StripeTown, clock: Clock, way: Way, survives: Survives
):
    left = set[str]()
    with shop(database_url, clock, town) as credits:
        for step in numbers(1):
            account = f"user{step}"
            lived = survives(step, partial(buy, credits, account, way))
            left.add(how_it_stands(credits, town, account))
            again = [buy(credits, account, way) for _ in range(2)]
            [order] = credits.orders(account).data
            assert {one.order.id for one in again} == {order.id}
            assert payable(town, order.id) == [order.reference]
            deliver(credits, town, clock, pay(town, order.id))
            assert (len(charges(town, order.id)), available(credits, account)) == (1, 110)
            assert (buy(credits, account, way).url, payable(town, order.id)) == (again[0].url and None, [])
            if lived:
                break
        assert left == {"no order", "asked: False, kept: False", "asked: True, kept: False", "asked: True, kept: True"}


@pytest.mark.long
@pytest.mark.row("P6", "P7")
def test_a_webhook_killed_between_any_two_steps_gives_once_and_takes_back_once(
    database_url: str, town: StripeTown, clock: Clock, survives: Survives
):
    """A purchase that is looked up, since it leaves a card; and a refund of a third of it."""
    bought, taken = set[tuple[bool, int]](), set[int]()
    with shop(database_url, clock, town) as credits:
        for step in numbers(1):
            account = f"user{step}"
            order = buy(credits, account, "form").order
            [paid] = pay(town, order.id)
            lived = survives(step, partial(deliver, credits, town, clock, [paid]))
            stored = paid["id"] in [one.event for one in credits.provider_events(limit=1000)]
            bought.add((stored, available(credits, account)))
            deliver(credits, town, clock, [paid])  # at once, while whoever was killed might still be at it
            clock.move("1m")
            credits.handle_events()
            assert (len(charges(town, order.id)), available(credits, account)) == (1, 110)

            since = len(town.events)
            town.refund(order.reference or "", 330)
            refunded = town.events[since:]
            died = not survives(step, partial(deliver, credits, town, clock, refunded))
            taken.add(available(credits, account))
            clock.move("1m")
            deliver(credits, town, clock, [*refunded, paid])
            assert available(credits, account) == 110 - 33 - 3
            assert credits.order(account, order.id).refunded_minor == 330
            if lived and not died:
                break
        assert (bought, taken) == ({(False, 0), (True, 0), (True, 110)}, {110, 74})
        assert {one.outcome for one in credits.provider_events(limit=1000)} == {"fulfilled", "refunded"}


@pytest.mark.long
@pytest.mark.row("P9")
def test_the_job_that_asks_about_orders_killed_between_any_two_steps_gives_once(
    database_url: str, town: StripeTown, clock: Clock, survives: Survives
):
    left = set[int]()
    with shop(database_url, clock, town) as credits:
        for step in numbers(1):
            account = f"user{step}"
            order = buy(credits, account).order
            lost = pay(town, order.id)
            clock.move("10m")
            lived = survives(step, credits.heal_orders)
            left.add(available(credits, account))
            clock.move("5m")
            credits.heal_orders()
            assert (len(charges(town, order.id)), available(credits, account)) == (1, 110)
            deliver(credits, town, clock, lost)  # they come after all
            assert available(credits, account) == 110
            if lived:
                break
        assert left == {0, 110}


@contextmanager
def bad_day(
    credits: farthing.Credits, town: StripeTown, *, writes: Sequence[str] = (), reads: str = ""
) -> Generator[None]:
    """What Stripe is asked meanwhile fares so. Who waits for it has no patience, or the day would be long."""
    usual = credits.providers["stripe"]
    credits.providers["stripe"] = collector(town, timeout_s=0.7)
    town.bad_days, town.bad_reads = list(writes), [reads]
    yield
    town.bad_days, town.bad_reads = [], []
    credits.providers["stripe"] = usual


@pytest.mark.row("P2", "P3", "P6")
@pytest.mark.parametrize("day", DAYS)
def test_a_stripe_that_fails_when_asked_makes_one_place_to_pay_and_is_believed_once(
    database_url: str, town: StripeTown, clock: Clock, day: str
):
    """It fails when asked for a session; for a PaymentIntent, after a customer; and when a webhook is looked up."""
    asked: list[tuple[Way, list[str]]] = [("page", [day]), ("form", ["", day])]
    with shop(database_url, clock, town) as credits:
        for way, writes in asked:
            name = f"by-{way}"
            with bad_day(credits, town, writes=writes), pytest.raises(ProviderUnavailable):
                buy(credits, name, way)
            assert how_it_stands(credits, town, name) == f"asked: {day != '500'}, kept: False"
            order = buy(credits, name, way).order
            assert payable(town, order.id) == [order.reference]
            told = pay(town, order.id)
            with bad_day(credits, town, reads=day):
                assert (deliver(credits, town, clock, told)[-1].outcome is None) == (way == "form")
            clock.move("1m")
            assert credits.handle_events().handled == (way == "form")
            deliver(credits, town, clock, told)
            assert (len(charges(town, order.id)), available(credits, name)) == (1, 110)
        assert len(held(town, "customer")) == 1


def agree(credits: farthing.Credits, town: StripeTown, clock: Clock, account: str) -> None:
    """The account has 5 images, left a card at Stripe, and wants 110 more below 20."""
    credits.grant(account, "images", 5, key="start", source="gift")
    since = len(town.events)
    town.confirm(credits.ask_card(account, "stripe", key="card", form=True).reference)
    deliver(credits, town, clock, town.events[since:])
    credits.set_top_up(
        account, "images", key="agree", provider="stripe", threshold=20, package="starter", at_most_minor=990,
        consent="Yes.",
    )  # fmt: skip


@pytest.mark.row("P8")
@pytest.mark.parametrize("day", [*DAYS, "broken"])
@pytest.mark.parametrize("first", ["job", "webhook"])
def test_a_stripe_that_fails_while_it_charges_a_saved_card_charges_it_once(
    database_url: str, town: StripeTown, clock: Clock, day: str, first: str
):
    """It fails when told to charge, and when asked whether it did. The webhook comes before the job or after it."""
    with shop(database_url, clock, town) as credits:
        agree(credits, town, clock, "ada")
        since = len(town.events)
        with bad_day(credits, town, writes=[day]):
            assert credits.top_up("ada", "images").outcome == "unknown"
        assert len(charges(town)) == (day != "500")
        clock.move("1m")
        with bad_day(credits, town, reads="500"):
            assert credits.top_up_due()["unknown"] == 1
        if first == "webhook":
            deliver(credits, town, clock, town.events[since:])
        clock.move("1m")
        credits.top_up_due()
        deliver(credits, town, clock, town.events[since:])
        [order] = credits.orders("ada").data
        assert (len(charges(town)), order.status, available(credits)) == (1, "fulfilled", 5 + 110)


class Outage:
    """The database is gone for a while: the server lets nobody in and ends who is there, a file is somebody else's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._file = make_url(url).database if url.startswith("sqlite") else None
        self._others: sqlite3.Connection | None = None

    def begin(self) -> None:
        if self._file is None:
            shut(self._url, allow=False)
        else:
            self._others = sqlite3.connect(self._file, isolation_level=None)
            self._others.execute("BEGIN EXCLUSIVE")

    def end(self) -> None:
        if self._file is None:
            shut(self._url, allow=True)
        elif self._others:
            self._others.close()

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


@pytest.fixture
def outage(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Outage]:
    """Who finds the file locked does not wait for half a minute as it would."""
    monkeypatch.setattr(files, "BUSY_TIMEOUT_S", 0.05)
    one = Outage(database_url)
    yield one
    one.end()


class Door:
    """A server of the shop where webhooks arrive."""

    def __init__(self, url: str, clock: Clock, town: StripeTown) -> None:
        self._town, self._clock = town, clock
        credits = farthing.open(url, catalog=catalog_of(STORE), clock=clock, providers=[collector(town)])
        self._app = server.assemble(credits)
        self._done: Queue[None] = Queue()
        self.address = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            if scope["type"] == "http":
                self._done.put(None)

    def send(self, events: list[dict[str, Any]]) -> set[int]:
        """The answers to events; each was handled by then, which comes after the answer."""
        answers = set[int]()
        for headers, body in (signed(self._town, self._clock, event) for event in events):
            answer = httpx2.post(f"{self.address}/v1/webhooks/stripe", headers=headers, content=body, trust_env=False)
            self._done.get(timeout=PATIENCE_S)
            answers.add(answer.status_code)
        return answers


@pytest.fixture
def door(database_url: str, clock: Clock, town: StripeTown, outage: Outage) -> Generator[Door]:
    here = Door(database_url, clock, town)
    with running(lambda *_: here) as here.address:
        yield here


@pytest.mark.row("P6", "P7", "P9")
def test_webhooks_that_come_while_the_database_is_gone_are_refused_and_count_once_when_it_is_back(
    database_url: str, town: StripeTown, clock: Clock, outage: Outage, door: Door
):
    with shop(database_url, clock, town) as credits:
        ada, bob = (buy(credits, name).order for name in ("ada", "bob"))
        with outage:
            adas, bobs = pay(town, ada.id), pay(town, bob.id)
            assert door.send(adas + bobs + adas) == {503}
            with pytest.raises(Unavailable):
                buy(credits, "eve")
        assert credits.provider_events() == []
        assert door.send(adas) == {200}
        assert (available(credits, "ada"), available(credits, "bob")) == (110, 0)
        clock.move("10m")
        assert credits.heal_orders().healed == 1  # Bob's never come again
        assert door.send(adas + bobs) == {200}
        assert [(len(charges(town, one.id)), available(credits, one.account)) for one in (ada, bob)] == [(1, 110)] * 2

        since = len(town.events)
        with outage:
            town.refund(charges(town, ada.id)[0]["payment_intent"], 330)
            assert door.send(town.events[since:]) == {503}
        assert available(credits) == 110
        assert door.send(town.events[since:]) == {200}
        assert available(credits) == 110 - 33 - 3
        assert payable(town, buy(credits, "eve").order.id) != []


@contextmanager
def gone_after(outage: Outage, provider: Any, verb: str) -> Generator[None]:
    """The database goes away while Stripe is asked, which does what it is asked for; then it comes back."""
    asked = getattr(provider, verb)

    def ask(*args: Any, **named: Any) -> Any:
        answer = asked(*args, **named)
        outage.begin()
        return answer

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Unavailable):
        patched.setattr(provider, verb, ask)
        yield
    outage.end()


@pytest.mark.row("P1", "P6", "P8")
def test_a_database_that_goes_away_while_stripe_is_asked_learns_the_answer_later(
    database_url: str, town: StripeTown, clock: Clock, outage: Outage
):
    """While it makes a place to pay; while a webhook is looked up; while it charges a saved card."""
    with shop(database_url, clock, town) as credits:
        asked = credits.providers["stripe"]
        with gone_after(outage, asked, "start"):
            buy(credits, "ada", "form")
        assert how_it_stands(credits, town, "ada") == "asked: True, kept: False"
        order = buy(credits, "ada", "form").order
        assert payable(town, order.id) == [order.reference]
        [paid] = pay(town, order.id)
        with gone_after(outage, asked, "look"):
            deliver(credits, town, clock, [paid])
        assert [one.outcome for one in deliver(credits, town, clock, [paid])] == [None]
        clock.move("1m")
        assert credits.handle_events() == (1, 0)
        assert (len(charges(town, order.id)), available(credits)) == (1, 110)

        agree(credits, town, clock, "bob")
        with gone_after(outage, asked, "charge"):
            credits.top_up("bob", "images")
        clock.move("2m")
        assert credits.top_up_due()["paid"] == 1
        assert (len(charges(town)), available(credits, "bob")) == (2, 5 + 110)
