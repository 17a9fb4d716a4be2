"""Processes killed with SIGKILL at random points under load: no acknowledged write is lost, none counts twice."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

import farthing
from farthing import Credits, keys
from tests.faults.crowd import hear, killed_at, start
from tests.faults.serving import free_port, serving
from tests.faults.told import PATIENCE_S, Ask, Told, keep_asking, over_http, prove, recorded, through, under_load
from tests.kit import shop


@pytest.mark.long
@pytest.mark.row("L3", "L16")
def test_killed_workers_lose_nothing_they_acknowledged(database_url: str, count: Callable[[int, int], int]):
    told, chance = Told(), random.Random(1)
    for kill in range(count(3, 50)):
        again = told.unanswered()  # the next worker asks for what the last one took with it, with the same keys
        process = start(do="work", url=database_url, name=str(kill), threads=4, tries=10**6, again=again)
        assert process.stdout
        for line in islice(process.stdout, chance.randrange(40, 200)):
            told.hear(line)
        os.kill(process.pid, signal.SIGKILL)
        assert hear(told, process) == -signal.SIGKILL
    with farthing.open(database_url, catalog=shop()) as credits:
        for ask in told.unanswered():
            keep_asking(told, through(credits), ask)
    assert told.unanswered() == []
    prove(database_url, told)


@pytest.mark.long
@pytest.mark.row("L3", "L16")
def test_a_killed_server_loses_nothing_it_acknowledged(
    database_url: str, tmp_path: Path, count: Callable[[int, int], int]
):
    with farthing.open(database_url, catalog=shop()) as credits:
        _, api_key = keys.create(credits, "load", ["spend", "grant"])
    told, chance, port, serves = Told(), random.Random(2), free_port(), threading.Event()
    callers = [over_http(port, api_key) for _ in range(8)]
    with ExitStack() as last, under_load(told, callers, back=lambda: serves.wait(PATIENCE_S)):
        for _ in range(count(3, 50)):
            with serving(database_url, tmp_path, port) as server:
                serves.set()
                told.wait_for_more(acknowledged=chance.randrange(20, 120))
                serves.clear()
                server.kill()
        last.enter_context(serving(database_url, tmp_path, port))
        serves.set()
    assert told.unanswered() == []
    prove(database_url, told)


@pytest.mark.row("L16")
def test_killed_at_any_statement_a_transaction_is_all_there_or_not_at_all(database_url: str):
    """One child after another dies one step later, before and after each statement and the COMMIT."""
    told, stood = Told(), [False]
    with farthing.open(database_url, catalog=shop()) as credits:
        call, status = through(credits), None
        told.do(call, Ask("ada", 1000, "g"))
        while status != 0:
            step = len(stood)
            asks = [Ask("ada", -7, f"d{step}"), Ask(f"new{step}", 5, "g")]
            for ask in asks:
                told.ask(ask)
            status = killed_at(step, partial(spend_together, credits, asks))
            there = recorded(credits).keys() & set(asks)
            assert there in (set(), set(asks))
            stood.append(bool(there))
            for ask in asks:
                keep_asking(told, call, ask)
    assert len(stood) > 15
    assert stood == sorted(stood), "it stands from its COMMIT on, and not before"
    prove(database_url, told)


def spend_together(credits: Credits, asks: list[Ask]) -> None:
    """Carries out `asks` in one transaction."""
    with credits.begin() as tx:
        for ask in asks:
            through(tx)(ask)
