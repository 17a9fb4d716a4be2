"""The goals, and how each is measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bench import floor, ours, postgres, rivals
from bench.measure import Contender, Measured, Plan, Run, faster, take_turns
from bench.postgres import Postgres
from bench.server import serving
from bench.sqlite import raw_sqlite

PAGES = 200  # accounts of an empty ledger that have a page of history to read
LOADS: tuple[ours.Load, ...] = ("spread", "zipf", "hot")
CALLERS = (1, 64, 256, 1024)


class Stage:
    """What goals are measured on: one PostgreSQL for all of them, started by the first that needs it."""

    def __init__(self, plan: Plan, pgledger: Path | None, cleanup: ExitStack) -> None:
        self.plan = plan
        self.pgledger = pgledger
        self.load = os.getloadavg()[0]
        self._cleanup = cleanup

    @cached_property
    def server(self) -> Postgres:
        return self._cleanup.enter_context(postgres.running())

    @cached_property
    def folder(self) -> Path:
        return Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="farthing-bench-")))

    @property
    def has_postgres(self) -> bool:
        return "server" in self.__dict__


class Reach(NamedTuple):
    """What a ratio has to reach first, and what it is meant to reach then."""

    first: float
    then: float | None = None


class Goal(NamedTuple):
    """One goal. Its parts are told apart by name; without reaches it only shows how things are."""

    what: str
    measure: Callable[[Stage], Measured]
    reaches: dict[str, Reach]
    at_most: bool = False  # the ratio is to stay below

    def reached(self, part: str, ratio: float) -> bool:
        first = self.reaches[part].first
        return ratio <= first if self.at_most else ratio >= first


def f1(stage: Stage) -> Measured:
    with (
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
        floor.floor(stage.server, stage.plan.accounts) as least,
    ):
        best = least.at_its_best(stage.plan.seconds / 2)
        runs = take_turns(
            stage.plan, {"one process": ledger.at(256), "two processes": ledger.at(256, processes=2), "floor": best}
        )
    return Measured({part: faster(runs[part], runs["floor"]) for part in ("one process", "two processes")}, runs)


def f2(stage: Stage) -> Measured:
    with (
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
        floor.floor(stage.server, stage.plan.accounts) as least,
    ):
        return _against(stage, {"hot": (ledger.at(256, "hot"), least.at(32, "hot"))}, "floor")


def f3(stage: Stage) -> Measured:
    with (
        rivals.pgledger(stage.server, stage.pgledger, stage.plan.accounts) as rival,
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
    ):
        pairs = {"spread": (ledger.at(256), rival.at(8, "spread")), "hot": (ledger.at(256, "hot"), rival.at(8, "hot"))}
        return _against(stage, pairs, "pgledger")


def f4(stage: Stage) -> Measured:
    with (
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
        floor.floor(stage.server, stage.plan.accounts) as least,
    ):
        return _against(stage, {"one caller": (ledger.at(1), least.at(1))}, "floor")


def f5(stage: Stage) -> Measured:
    accounts = stage.plan.accounts
    with (
        ours.on_sqlite(stage.folder / "f5.db", accounts) as ledger,
        raw_sqlite(stage.folder / "f5-raw.db", accounts) as raw,
    ):
        runs = take_turns(stage.plan, {"64 callers": ledger.at(64), "raw, one": raw.at(1), "raw, 256": raw.at(256)})
    return Measured({"64 callers": faster(runs["64 callers"], runs["raw, one"])}, runs)


def f6(stage: Stage) -> Measured:
    paged = min(PAGES, stage.plan.accounts // 2)
    with (
        ours.on_postgres(stage.server, stage.plan.accounts, with_a_page=paged) as empty,
        ours.on_postgres(stage.server, 10 * stage.plan.accounts, entries=stage.plan.entries) as full,
    ):
        pairs = {
            "deduct": (full.at(256), empty.at(256)),
            "balance": (full.reading("balance"), empty.reading("balance")),
            "history": (full.reading("history"), empty.reading("history", paged)),
        }
        return _against(stage, pairs, "empty")


def f8(stage: Stage) -> Measured:
    with ours.on_postgres(stage.server, stage.plan.accounts) as ledger:
        runs = take_turns(stage.plan, {"64 callers": ledger.at(64)})
    return Measured({part: [run.p99_ms / run.p50_ms for run in of] for part, of in runs.items()}, runs)


def f9(stage: Stage) -> Measured:
    # The third has no goal of its own: what is loaded when it is first named is not to be forgotten.
    programs = {"farthing": "import farthing", "sqlalchemy": "import sqlalchemy", "open": "from farthing import open"}
    runs = take_turns(stage.plan, {name: _import(program) for name, program in programs.items()})
    return Measured({"import": faster(runs["sqlalchemy"], runs["farthing"])}, runs)


def f10(stage: Stage) -> Measured:
    few, many = stage.plan.deductions // 100, stage.plan.deductions
    with ours.on_postgres(stage.server, stage.plan.accounts) as ledger, serving(ledger, stage.plan.accounts) as server:
        began = time.perf_counter()
        server.deduct(few)
        before = server.memory_kb()
        server.deduct(many - few)
        after = server.memory_kb()
        run = ledger.proved(Run(many, time.perf_counter() - began))
    return Measured({"memory": [after / before]}, {"over HTTP, 64 connections": [run]})


def f11(stage: Stage) -> Measured:
    with ours.on_postgres(stage.server, stage.plan.accounts) as ledger:
        return _against(stage, {"spread": (ledger.at(256, processes=2), ledger.at(256))}, "one process")


def f12(stage: Stage) -> Measured:
    with stage.server.slow_disk():
        return f2(stage)


def f13(stage: Stage) -> Measured:
    with (
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
        rivals.nostro(stage.server, stage.plan.accounts) as rival,
    ):

        def theirs(load: str) -> Contender:
            return lambda seconds: rival.work(1, seconds=seconds, callers=64, load=load)

        pairs = {"spread": (ledger.at(64), theirs("spread")), "hot": (ledger.at(64, "hot"), theirs("hot"))}
        return _against(stage, pairs, "nostro")


def crowds_on_postgres(stage: Stage) -> Measured:
    with (
        ours.on_postgres(stage.server, stage.plan.accounts) as ledger,
        floor.floor(stage.server, stage.plan.accounts) as least,
    ):
        contenders = {
            f"{_counted(callers, 'caller')}, {load}, {_counted(processes, 'process')}": ledger.at(
                callers, load, processes=processes
            )
            for callers in CALLERS
            for load in LOADS
            for processes in (1, 2)
            if callers >= processes
        }
        return _crowds(stage, contenders, least.at_its_best(stage.plan.seconds / 2))


def crowds_on_sqlite(stage: Stage) -> Measured:
    accounts = stage.plan.accounts
    with (
        ours.on_sqlite(stage.folder / "crowds.db", accounts) as ledger,
        raw_sqlite(stage.folder / "crowds-raw.db", accounts) as raw,
    ):
        contenders = {
            f"{_counted(callers, 'caller')}, {load}": ledger.at(callers, load) for callers in CALLERS for load in LOADS
        }
        return _crowds(stage, contenders, raw.at(1))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def _crowds(stage: Stage, contenders: dict[str, Contender], least: Contender) -> Measured:
    runs = take_turns(stage.plan, contenders | {"floor": least})
    return Measured({part: faster(runs[part], runs["floor"]) for part in contenders}, runs)


def _against(stage: Stage, pairs: dict[str, tuple[Contender, Contender]], other: str) -> Measured:
    """Each part's contender against its opponent, all of them taking turns."""
    both = {part: (part, f"{part}: {other}" if len(pairs) > 1 else other) for part in pairs}
    contenders = {name: who for part in pairs for name, who in zip(both[part], pairs[part], strict=True)}
    runs = take_turns(stage.plan, contenders)
    return Measured({part: faster(runs[one], runs[two]) for part, (one, two) in both.items()}, runs)


def _import(statement: str) -> Contender:
    program = f"from time import perf_counter as now; a = now(); {statement}; print(now() - a)"

    def work(seconds: float) -> Run:
        deadline = time.perf_counter() + seconds
        took: list[float] = []
        while time.perf_counter() < deadline or not took:
            took.append(float(subprocess.check_output([sys.executable, "-c", program])))
        return Run(1, sorted(took)[len(took) // 2])

    return work


GOALS = {
    "F1": Goal(
        "deductions spread over 10,000 accounts, 256 callers, PostgreSQL, against the floor at its best", f1,
        {"one process": Reach(0.7, 2), "two processes": Reach(1.0, 2)},
    ),
    "F2": Goal("one hot account, 256 callers, PostgreSQL, against the floor at 32 clients", f2, {"hot": Reach(6, 20)}),
    "F3": Goal(
        "256 callers, PostgreSQL, against pgledger at 8 clients", f3, {"spread": Reach(4, 12), "hot": Reach(20, 40)}
    ),
    "F4": Goal("one caller, PostgreSQL, against the floor at 1 client", f4, {"one caller": Reach(0.3, 0.6)}),
    "F5": Goal("SQLite, 64 callers, against a raw loop, one operation a commit", f5, {"64 callers": Reach(0.7, 2)}),
    "F6": Goal(
        "5 million entries and 100,000 accounts, PostgreSQL, against an empty ledger", f6,
        {"deduct": Reach(0.65, 0.95), "balance": Reach(0.9, 0.95), "history": Reach(0.9, 0.95)},
    ),
    "F8": Goal("p99 over p50 of a deduction, 64 callers, PostgreSQL", f8, {"64 callers": Reach(4, 2)}, at_most=True),
    "F9": Goal("`import farthing` against `import sqlalchemy`", f9, {"import": Reach(1.3, 1.1)}, at_most=True),
    "F10": Goal(
        "memory of a server after a million deductions against after ten thousand", f10, {"memory": Reach(1.1)},
        at_most=True,
    ),
    "F11": Goal("two processes on the same wallets against one, 256 callers in all", f11, {"spread": Reach(1.0, 1.5)}),
    "F12": Goal("as F2, where a commit takes a millisecond longer", f12, {"hot": Reach(25, 65)}),
    "F13": Goal("64 callers, PostgreSQL, against nostro", f13, {"spread": Reach(6, 15), "hot": Reach(40, 100)}),
    "P": Goal("callers, loads and processes on PostgreSQL, against the floor at its best", crowds_on_postgres, {}),
    "S": Goal("callers and loads on SQLite, against a raw loop, one operation a commit", crowds_on_sqlite, {}),
}  # fmt: skip
