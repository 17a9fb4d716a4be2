"""Opened before a fork: gunicorn's --preload with four workers, and children of those who write at that moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

import farthing
from farthing import Credits, keys
from farthing.store import forks
from tests.faults.crowd import ROOT, ended, forked
from tests.faults.serving import free_port, serving
from tests.faults.told import PATIENCE_S, Ask, Told, over_http, prove, recorded, through, under_load
from tests.kit import Clock, proved, shop
from tests.stripe_town import collector, stripe_town

WORKERS = 4


@pytest.mark.row("L3", "L16")
def test_four_workers_forked_from_one_preloaded_application(database_url: str, tmp_path: Path):
    """One of them is killed under load; gunicorn forks another out of the same parent."""
    with farthing.open(database_url, catalog=shop()) as credits:
        _, api_key = keys.create(credits, "load", ["spend", "grant"])
    told, port = Told(), free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--chdir", str(ROOT), "--bind", f"127.0.0.1:{port}"),
        *("--workers", str(WORKERS), "--worker-class", "uvicorn_worker.UvicornWorker", "tests.faults.preloaded:app"),
    ]
    with serving(database_url, tmp_path, port, command):
        told.ask(Ask("parent", 5, "before the fork"))
        told.acknowledge(Ask("parent", 5, "before the fork"), 1)
        workers = connections_to_each(port)
        callers = [over_http(port, api_key, connection) for connection in workers.values()]
        with under_load(told, callers + [over_http(port, api_key) for _ in workers]):
            told.wait_for_more(acknowledged=200)
            os.kill(next(iter(workers)), signal.SIGKILL)
            told.wait_for_more(acknowledged=200)
    assert told.errors().keys() <= {"insufficient_credits"}
    assert told.unanswered() == []
    prove(database_url, told)


def connections_to_each(port: int) -> dict[int, HTTPConnection]:
    """An open connection to every worker, by its process."""
    found: dict[int, HTTPConnection] = {}
    for _ in range(1000):
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        found.setdefault(int(answer.headers["x-process"]), connection)
        if len(found) == WORKERS:
            return found
    raise AssertionError(f"only {len(found)} workers ever answered")


@pytest.mark.long
def test_a_child_forked_while_others_write_can_write_itself(any_url: str, count: Callable[[int, int], int]):
    told = Told()
    with farthing.open(any_url, catalog=shop()) as credits:

        def look_and_write(ask: Ask) -> int:
            credits.balance(ask.account, "images")
            return through(credits)(ask)

        for number in range(count(5, 50)):
            grant = Ask("child", 1, f"g{number}")
            told.ask(grant)
            with under_load(told, [look_and_write] * 8):
                told.wait_for_more(acknowledged=10)
                child = forked(lambda grant=grant: look_and_write(grant))
            assert ended(child) == 0
            assert grant in recorded(credits)
    assert told.errors().keys() <= {"insufficient_credits"}
    prove(any_url, told)


@pytest.mark.row("L16")
def test_what_a_child_was_answered_outlives_its_parent(any_url: str):
    """The parent of a daemon closes all it has; whoever looks at the file later sees what the child wrote."""
    told, (begun, tell_begun), (closed, tell_closed) = Told(), os.pipe(), os.pipe()
    with farthing.open(any_url, catalog=shop()) as credits:
        told.do(through(credits), Ask("ada", 10, "g"))
        asks = [Ask("ada", -1, f"d{number}") for number in range(5)]

        def daemon() -> None:
            through(credits)(asks[0])
            os.write(tell_begun, b"!")
            os.read(closed, 1)
            for ask in asks[1:]:
                through(credits)(ask)

        child = forked(daemon)
        os.read(begun, 1)
    os.write(tell_closed, b"!")
    assert ended(child) == 0
    for seq, ask in enumerate(asks, start=2):
        told.ask(ask)
        told.acknowledge(ask, seq)
    prove(any_url, told)


def test_a_fork_inside_ones_own_transaction_does_not_wait_for_it(database_url: str, clock: Clock):
    with proved(database_url, clock) as credits:
        with credits.begin() as tx:
            tx.grant("ada", "images", 10, key="g", source="gift")
            assert ended(forked(lambda: None)) == 0
        assert credits.deduct("ada", "images", 1, key="d").available == 9


def test_a_fork_waits_for_a_strangers_transaction_with_patience(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(forks, "PATIENCE_S", 0.05)
    begun, finish = threading.Event(), threading.Event()

    def stranger(credits: Credits) -> None:
        with credits.begin() as tx:
            tx.grant("ada", "images", 10, key="g", source="gift")
            begun.set()
            finish.wait(PATIENCE_S)

    with proved(database_url, clock) as credits:
        thread = threading.Thread(target=stranger, args=(credits,))
        thread.start()
        begun.wait(PATIENCE_S)
        assert ended(forked(lambda: None)) == 0
        finish.set()
        thread.join()
        assert credits.balance("ada", "images").posted == 10


@pytest.mark.row("P2")
def test_a_forked_process_asks_stripe_over_a_connection_of_its_own():
    """Two that share one may each read the other's answer, and send a customer to somebody else's order."""
    with stripe_town() as town:
        provider = collector(town)
        for _ in range(2):
            provider.look("cs_parent")
        assert ended(forked(lambda: provider.look("cs_child"))) == 0
        provider.look("cs_parent")
        parent, again, child, after = town.connections
        assert parent == again == after
        assert child != parent
