"""Real processes and threads on the same wallets: exactly as many win as there are credits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import farthing
from farthing import AsyncCredits, Credits, Receipt
from farthing.errors import NestedWrite
from farthing.ledger.verifying import verify
from tests.kit import Clock, proved, shop

ROOT = Path(__file__).parents[2]


def start(**orders: object) -> subprocess.Popen[str]:
    """A process of tests/faults/crowd.py."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crowd", json.dumps(orders)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.row("L3")
def test_four_processes_of_eight_threads_race_for_the_last_credits(database_url: str):
    race_for_the_last(database_url)


@pytest.mark.row("L3")
def test_they_race_beside_a_write_ahead_log(sqlite):
    with sqlite.migrated() as url:
        with farthing.open(url, catalog=shop()) as credits:
            assert credits.database.use_wal() == "wal"
        race_for_the_last(url)


def race_for_the_last(database_url: str) -> None:
    with farthing.open(database_url, catalog=shop()) as credits:
        credits.grant("ada", "images", 100, key="g1", source="gift", expires="30d")
        credits.grant("ada", "images", 37, key="g2", source="gift")
        processes = [
            start(do="race", url=database_url, name=str(n), threads=8, tries=6, account="ada") for n in range(4)
        ]
        for process in processes:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        told = sum((Counter(json.loads(process.communicate()[0])) for process in processes), Counter[str]())
        assert told == {"won": 137, "insufficient_credits": 4 * 8 * 6 - 137}
        assert credits.balance("ada", "images").posted == 0
        report = verify(credits.database)
        assert report.proved
        assert report.entries == 2 + 137


@pytest.mark.long
def test_nothing_acknowledged_is_lost_when_processes_are_killed(database_url: str, count: Callable[[int, int], int]):
    farthing.open(database_url, catalog=shop()).close()
    acknowledged: list[str] = []
    for kill in range(count(5, 50)):
        process = start(do="work", url=database_url, name=str(kill), threads=4, accounts=3)
        assert process.stdout
        acknowledged += [process.stdout.readline() for _ in range(15 + kill * 7 % 40)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    with farthing.open(database_url, catalog=shop()) as credits:
        with credits.database.reading() as session:
            recorded = Counter(session.execute("SELECT account, key FROM farthing_entries WHERE key IS NOT NULL"))
        assert set(recorded.values()) == {1}
        assert {tuple(line.split()) for line in acknowledged} <= set(recorded)
        assert verify(credits.database).faults == []


def _slowest_but_one_percent(credits: Credits, round: int) -> float:
    """The p99, in seconds, of 400 deductions by four threads on accounts of their own."""
    times: list[float] = []

    def deduct(number: int) -> None:
        for turn in range(100):
            began = time.perf_counter()
            credits.deduct(f"user{number}", "images", 1, key=f"{round}:{turn}")
            times.append(time.perf_counter() - began)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(deduct, range(1, 5)))
    return sorted(times)[int(len(times) * 0.99)]


@pytest.mark.row("L3")
def test_a_slow_neighbour_holds_up_nobody_else(postgresql):
    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        for number in range(5):
            credits.grant(f"user{number}", "images", 1000, key="g", source="gift")
        host = farthing.open(url, catalog=shop())
        held = threading.Event()
        finish = threading.Event()

        def hold() -> None:
            with host.begin() as tx:
                tx.deduct("user0", "images", 1, key="host")
                held.set()
                finish.wait()

        neighbour = threading.Thread(target=hold)
        neighbour.start()
        held.wait()
        waiting = [
            threading.Thread(target=credits.deduct, args=("user0", "images", 1), kwargs={"key": f"w{n}"})
            for n in range(3)
        ]
        for thread in waiting:
            thread.start()
        # The machine has other things to do as well: of several rounds the calmest tells what the neighbour costs.
        p99 = min(_slowest_but_one_percent(credits, round) for round in range(5))
        assert all(thread.is_alive() for thread in waiting)
        finish.set()
        for thread in [neighbour, *waiting]:
            thread.join()
        host.close()
        assert p99 < 0.2
        assert credits.balance("user0", "images").posted == 1000 - 1 - 3
        assert verify(credits.database).proved


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
                began = time.perf_counter()
                for turn in range(50):
                    credits.deduct("bob", "images", 1, key=f"d{turn}")
                    credits.grant(f"other{turn}", "images", 1, key="g", source="gift")
                assert time.perf_counter() - began < 5
                assert waiting.is_alive()
            waiting.join()
        assert credits.balance("new", "images").posted == 7
        assert verify(credits.database).proved


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


def test_writes_go_on_in_a_forked_child(database_url: str, clock: Clock):
    with proved(database_url, clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if credits.deduct("ada", "images", 1, key="child").available == 9 else 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert credits.deduct("ada", "images", 1, key="parent").available == 8


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
