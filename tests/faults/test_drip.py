"""The drip job under load: many due at once, several workers, a worker killed in the middle."""

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import farthing
from farthing.core.subscriptions import Subscription
from farthing.ledger.verifying import verify
from farthing.store import sql, subscriptions
from farthing.store.database import Database
from farthing.store.sql import Account
from tests.kit import START, Clock, shop

PLANS = """
[credit_types.images]
name = "Image credits"
[credit_types.chat]
name = "Chat credits"

[plans.free]
every = "1mo"
[plans.free.credits]
images = { amount = 100 }
chat = { amount = 5, renewal = "add" }
"""
WORKER = """
import sys, farthing
from datetime import datetime
from farthing.catalog import parse
now = datetime.fromisoformat(sys.argv[2])
with farthing.open(sys.argv[1], catalog=parse(open(sys.argv[3]).read()), clock=lambda: now) as credits:
    print("ready", flush=True)
    sys.stdin.readline()
    print(credits.drip()["cycles"], flush=True)
"""


def subscribed(url: str, count: int) -> None:
    """So many accounts whose second month begins at one and the same moment."""
    database = Database(url)
    began = START - timedelta(days=31)
    for first in range(0, count, 1000):
        names = [f"user-{number:06}" for number in range(first, min(first + 1000, count))]

        def add(session, names=names):
            sql.add_accounts(session, [Account(name, "UTC", "en", began) for name in names])
            for name in names:
                sub = Subscription(name, 1, "free", "clock", "UTC", "1mo", None, began, began, opened=1, handled=1)
                subscriptions.add(session, sub)

        database.run(add)
    database.close()


def all_paid_once(url: str, count: int) -> None:
    database = Database(url)
    with database.reading() as session:
        paid = session.execute("SELECT credit_type, count(*), sum(amount) FROM farthing_entries GROUP BY credit_type")
        assert sorted((code, int(lots), int(units)) for code, lots, units in paid) == [
            ("chat", count, 5 * count), ("images", count, 100 * count),
        ]  # fmt: skip
        rows = session.execute("SELECT count(*), sum(paid) FROM farthing_allotments WHERE paid = entitled")
        assert [tuple(map(int, row)) for row in rows] == [(2 * count, 105 * count)]
    assert verify(database).faults == []
    database.close()


@pytest.mark.row("S9")
@pytest.mark.long
def test_many_due_in_the_same_minute_are_paid_in_bounded_memory(
    database_url: str, clock: Clock, count: Callable[[int, int], int]
):
    many = count(2_000, 100_000)
    subscribed(database_url, many)
    with farthing.open(database_url, catalog=shop(PLANS), clock=clock) as credits:
        tracemalloc.start()
        try:
            counts = credits.drip()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (counts["cycles"], counts["lots"], counts["failed"]) == (many, 2 * many, 0)
        assert credits.drip()["cycles"] == 0
    assert peak < 30_000_000
    all_paid_once(database_url, many)


@pytest.mark.row("S9")
@pytest.mark.long
def test_several_workers_share_the_work_and_one_is_killed(
    database_url: str, tmp_path: Path, count: Callable[[int, int], int]
):
    many = count(1_500, 20_000)
    subscribed(database_url, many)
    catalog = tmp_path / "farthing.toml"
    catalog.write_text(PLANS)
    command = [sys.executable, "-c", WORKER, database_url, START.isoformat(), str(catalog)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    database = Database(database_url)
    while not database.read(lambda session: session.execute("SELECT 1 FROM farthing_entries LIMIT 1")):
        assert workers[0].poll() is None, "it ended before it paid anything"
    os.kill(workers[0].pid, signal.SIGKILL)
    said = [worker.communicate() for worker in workers]
    assert [error for _, error in said[1:]] == ["", ""]
    with farthing.open(database_url, catalog=shop(PLANS), clock=lambda: START + timedelta(minutes=2)) as credits:
        credits.drip()
    database.close()
    all_paid_once(database_url, many)
