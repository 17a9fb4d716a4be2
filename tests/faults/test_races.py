"""Real processes and threads on the same wallets: exactly as many win as there are credits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import farthing
from farthing import AsyncCredits, Credits, Receipt
from farthing.errors import DatabaseBusy, NestedWrite
from farthing.ledger.verifying import verify
from farthing.store.database import Database
from tests.faults.crowd import hear, start
from tests.faults.told import PATIENCE_S, Ask, Told, prove, through
from tests.kit import shop


@pytest.mark.row("L3")
def test_four_processes_of_eight_threads_race_for_the_last_credits(any_url: str):
    told = Told()
    with farthing.open(any_url, catalog=shop()) as credits:
        for amount in (100, 37):
            told.do(through(credits), Ask("ada", amount, f"g{amount}"))
    processes = [start(do="race", url=any_url, name=str(n), threads=8, tries=6, account="ada") for n in range(4)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == '["ready"]\n'
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [hear(told, process) for process in processes] == [0] * 4
    assert len(told.entries) == 2 + 137
    assert told.errors() == {"insufficient_credits": 4 * 8 * 6 - 137}
    prove(any_url, told)


@pytest.mark.row("L3", "L16")
def test_two_processes_of_eight_threads_share_one_file(file_url: str, count: Callable[[int, int], int]):
    told = Told()
    orders = {"do": "work", "url": file_url, "threads": 8, "tries": count(25, 250), "again": []}
    processes = [start(name=name, **orders) for name in ("a", "b")]
    assert [hear(told, process) for process in processes] == [0, 0]
    assert len(told.asked) == 2 * 8 * count(25, 250)
    assert told.unanswered() == []
    prove(file_url, told)


@pytest.mark.row("L3")
def test_a_slow_neighbour_holds_up_nobody_else(
    postgresql, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
):
    """Decision 20. The neighbour holds on until all others were answered: who waits for it waits for ever."""
    gave_up: list[str] = []
    run = Database.run

    def noting(self: Database, work, *, hurried: bool = False):
        try:
            return run(self, work, hurried=hurried)
        except DatabaseBusy:
            gave_up.append(threading.current_thread().name)
            raise

    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        for number in range(5):
            credits.grant(f"user{number}", "images", 1000, key="g", source="gift")
        with farthing.open(url, catalog=shop()) as host, ThreadPoolExecutor(7) as threads:
            with host.begin() as tx:
                tx.deduct("user0", "images", 1, key="host")
                waiting = [threads.submit(credits.deduct, "user0", "images", 1, key=f"w{n}") for n in range(3)]
                credits.deduct("user1", "images", 1, key="begins a lane for user0")
                monkeypatch.setattr(Database, "run", noting)
                others = [threads.submit(seconds_of_deductions, credits, f"user{number}") for number in range(1, 5)]
                times = sorted(time for one in others for time in one.result(PATIENCE_S))
                assert not any(one.done() for one in waiting)
                assert "farthing-writer" not in gave_up, "the writer itself waited for the neighbour's lock"
            for one in waiting:
                one.result(PATIENCE_S)
        record_property("figure", f"p99 beside a slow neighbour: {times[len(times) * 99 // 100] * 1000:.0f} ms")
        assert credits.balance("user0", "images").posted == 1000 - 1 - 3
        assert credits.verify().proved


def seconds_of_deductions(credits: Credits, account: str) -> list[float]:
    times: list[float] = []
    for turn in range(100):
        began = time.perf_counter()
        credits.deduct(account, "images", 1, key=f"d{turn}")
        times.append(time.perf_counter() - began)
    return times


def test_a_neighbour_who_is_slow_to_make_an_account_holds_up_nobody_else(postgresql):
    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        credits.grant("bob", "images", 1000, key="g", source="gift")
        with farthing.open(url, catalog=shop()) as host:
            with host.begin() as tx:
                tx.grant("new", "images", 5, key="host", source="gift")
                waiting = threading.Thread(
                    target=credits.grant, args=("new", "images", 2), kwargs={"key": "mine", "source": "gift"}
                )
                waiting.start()
                for turn in range(50):
                    credits.deduct("bob", "images", 1, key=f"d{turn}")
                    credits.grant(f"other{turn}", "images", 1, key="g", source="gift")
                assert waiting.is_alive()
            waiting.join()
        assert credits.balance("new", "images").posted == 7
        assert verify(credits.database).proved


@pytest.mark.row("L3")
def test_writers_of_a_file_wait_for_the_application_that_holds_it(file_url: str):
    """SQLite has one lock for the whole file: callers of another connection wait, and none is lost."""
    told = Told()
    holder = sqlite3.connect(file_url.removeprefix("sqlite:///"), isolation_level=None)
    with farthing.open(file_url, catalog=shop()) as credits, ThreadPoolExecutor(8) as threads:
        told.do(through(credits), Ask("ada", 8, "g"))
        holder.execute("BEGIN IMMEDIATE")
        waiting = [threads.submit(told.do, through(credits), Ask("ada", -1, f"d{number}")) for number in range(8)]
        assert credits.balance("ada", "images").posted == 8
        assert not any(one.done() for one in waiting)
        holder.execute("COMMIT")
        assert [one.result(PATIENCE_S) for one in waiting] == [None] * 8
    holder.close()
    prove(file_url, told)


def test_a_busy_wallet_keeps_the_order_of_its_callers(postgresql):
    async def many(credits: Credits) -> list[Receipt]:
        host = farthing.open(url, catalog=shop())
        awaiting = AsyncCredits(credits)
        with host.begin() as tx:
            tx.deduct("ada", "images", 1, key="host")
            waiting = [asyncio.ensure_future(awaiting.deduct("ada", "images", 1, key=f"d{n}")) for n in range(30)]
            await awaiting.grant("bob", "images", 1, key="g", source="gift")
            assert not any(answer.done() for answer in waiting)
        host.close()
        return await asyncio.gather(*waiting)

    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        credits.grant("ada", "images", 50, key="g", source="gift")
        assert [receipt.seq for receipt in asyncio.run(many(credits))] == list(range(3, 33))


def test_a_plain_verb_inside_ones_own_transaction_says_so(credits: Credits):
    with credits.begin() as tx:
        tx.grant("ada", "images", 1, key="g", source="gift")
        with pytest.raises(NestedWrite, match=r"tx\.deduct"):
            credits.deduct("ada", "images", 1, key="d")
        tx.deduct("ada", "images", 1, key="d")
    assert credits.balance("ada", "images").posted == 0


def test_a_block_that_fails_leaves_nothing_and_a_refusal_inside_it_harms_nothing(credits: Credits):
    with pytest.raises(ZeroDivisionError), credits.begin() as tx:
        tx.grant("ada", "images", 5, key="g", source="gift")
        raise ZeroDivisionError
    assert credits.history("ada").data == []
    with credits.begin() as tx:
        tx.grant("ada", "images", 5, key="g", source="gift")
        with pytest.raises(farthing.InsufficientCredits):
            tx.deduct("ada", "images", 6, key="d")
        tx.deduct("ada", "images", 4, key="d")
    assert credits.balance("ada", "images").posted == 1
