"""The connection to PostgreSQL is cut between COMMIT and answer: the same key gets the receipt, through every door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

import pytest

import farthing
from farthing import AsyncCredits, Credits, keys, server
from farthing.errors import OutcomeUnknown
from tests.faults.told import Ask, Call, Told, over_http, prove, recorded, through, under_load
from tests.faults.wire import NEVER_AGAIN, Lost, wire_to
from tests.http.test_server import running
from tests.kit import shop

Door = Callable[[str], AbstractContextManager[Call]]


@contextmanager
def library(url: str) -> Generator[Call]:
    with farthing.open(url, catalog=shop()) as credits:
        yield through(credits)


@contextmanager
def awaiting(url: str) -> Generator[Call]:
    with farthing.open(url, catalog=shop()) as credits, asyncio.Runner() as runner:
        waiting = AsyncCredits(credits)

        def call(ask: Ask) -> int:
            if ask.amount > 0:
                verb = waiting.grant(ask.account, "images", ask.amount, key=ask.key, source="gift")
            else:
                verb = waiting.deduct(ask.account, "images", -ask.amount, key=ask.key)
            return runner.run(verb).seq

        yield call


@contextmanager
def http(url: str) -> Generator[Call]:
    credits = farthing.open(url, catalog=shop())
    _, api_key = keys.create(credits, "caller", ["spend", "grant"])
    with running(lambda *_: server.assemble(credits)) as address:
        yield over_http(int(address.rpartition(":")[2]), api_key)


@pytest.mark.row("L16")
@pytest.mark.parametrize("door", [library, awaiting, http])
@pytest.mark.parametrize("lost", ["the question", "the answer"])
def test_a_call_cut_off_while_committing_is_made_once(postgresql, door: Door, lost: Lost):
    told = Told()
    with postgresql.migrated() as url, wire_to(url) as wire, door(wire.url) as call:
        told.do(call, Ask("ada", 10, "g"))
        wire.cut(1, lost=lost)
        assert told.do(call, Ask("ada", -1, "once")) is None  # asked again before anybody noticed
        wire.cut(NEVER_AGAIN, lost=lost)
        assert told.do(call, Ask("ada", -2, "often")) == "outcome_unknown"
        wire.mend()
        with farthing.open(url, catalog=shop()) as credits:
            assert (Ask("ada", -2, "often") in recorded(credits)) == (lost == "the answer")
        assert told.do(call, Ask("ada", -2, "often")) is None
        prove(url, told)


@pytest.mark.row("L16")
def test_an_answer_lost_with_the_server_is_not_called_unchanged(postgresql):
    """The COMMIT is made, its answer is lost, and then nobody answers at all: what became of it is unknown."""
    told = Told()
    with postgresql.migrated() as url, wire_to(url) as wire, library(wire.url) as call:
        told.do(call, Ask("ada", 10, "g"))
        wire.cut(1, lost="the answer", then_down=True)
        assert told.do(call, Ask("ada", -1, "d")) == "outcome_unknown"
        assert told.do(call, Ask("ada", -2, "e")) == "database_unreachable"
        wire.mend()
        assert told.do(call, Ask("ada", -1, "d")) is None
        prove(url, told)


@pytest.mark.row("L16")
@pytest.mark.parametrize("lost", ["the question", "the answer"])
def test_a_block_cut_off_while_committing_is_made_once(postgresql, lost: Lost):
    def block(credits: Credits) -> list[bool]:
        with credits.begin() as tx:
            given = tx.grant("ada", "images", 10, key="g", source="gift")
            return [given.replayed, tx.deduct("ada", "images", 1, key="d").replayed]

    with postgresql.migrated() as url, wire_to(url) as wire, farthing.open(wire.url, catalog=shop()) as credits:
        credits.grant("bob", "images", 1, key="g", source="gift")  # the first write also keeps what the catalog says
        wire.cut(1, lost=lost)
        with pytest.raises(OutcomeUnknown, match="same key"):
            block(credits)
        assert block(credits) == [lost == "the answer"] * 2
        assert credits.balance("ada", "images").posted == 9
        assert credits.verify().proved


@pytest.mark.long
@pytest.mark.row("L3", "L16")
@pytest.mark.parametrize("lost", ["the question", "the answer"])
def test_callers_on_a_wire_that_is_cut_again_and_again(postgresql, lost: Lost, count: Callable[[int, int], int]):
    told = Told()
    with postgresql.migrated() as url, wire_to(url) as wire, farthing.open(wire.url, catalog=shop()) as credits:
        with under_load(told, [through(credits)] * 8):
            for times in range(count(5, 50)):
                wire.cut(1 + times % 8, lost=lost)
                told.wait_for_more(acknowledged=20)
            wire.mend()
        assert told.unanswered() == []
        prove(url, told)
