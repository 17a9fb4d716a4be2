"""A process that works on a shared database: started by tests that need real processes.

Reads its orders as JSON from the command line and prints what it asks and what it is told, a JSON line each, as it
happens; `Told.hear` reads them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from pathlib import Path
from types import FrameType
from typing import Any

import farthing
from tests.faults.told import PATIENCE_S, Ask, Told, keep_asking, spend, through, under_load
from tests.kit import shop

ROOT = Path(__file__).parents[2]

# What a process may be killed at, before and after: calls of these names, of the database's driver or of `requests`.
COMMITS = frozenset({"commit"})
STATEMENTS = COMMITS | {"execute", "executemany"}
ASKING = frozenset({"send"})  # something of a provider


class Printed(Told):
    """Prints before it asks and after it was told, so that whoever kills this process knows as much as its callers."""

    def ask(self, ask: Ask) -> None:
        tell("ask", ask)
        super().ask(ask)

    def acknowledge(self, ask: Ask, seq: int) -> None:
        tell("acknowledge", ask, seq)
        super().acknowledge(ask, seq)

    def refuse(self, ask: Ask, code: str) -> None:
        tell("refuse", ask, code)
        super().refuse(ask, code)


def tell(*line: object) -> None:
    os.write(1, f"{json.dumps(line)}\n".encode())  # unbuffered, and whole lines whatever the threads do


def race(url: str, name: str, threads: int, tries: int, account: str) -> None:
    """Takes one credit, `tries` times in each thread; a refusal is an answer. Waits at the line for the others."""
    with farthing.open(url, catalog=shop()) as credits, ThreadPoolExecutor(threads) as pool:
        told, call = Printed(), through(credits)
        tell("ready")
        sys.stdin.readline()
        asks = [Ask(account, -1, f"{name}:{number}") for number in range(threads * tries)]
        list(pool.map(lambda ask: told.do(call, ask), asks))


def work(url: str, name: str, threads: int, tries: int, again: list[list[Any]]) -> None:
    """Asks `again` what others were not answered, then gives and takes, `tries` times in each thread."""
    with farthing.open(url, catalog=shop()) as credits, ThreadPoolExecutor(threads) as pool:
        told, call = Printed(), through(credits)
        list(pool.map(lambda ask: keep_asking(told, call, Ask(*ask)), again))

        def run(thread: int) -> None:
            spend(told, call, f"{name}:{thread}", stop=lambda number: number == tries)

        list(pool.map(run, range(threads)))


def cramped(url: str, threads: int, room_bytes: int) -> None:
    """Works while the system lets no file of this process grow beyond what it is and `room_bytes`, and after that."""
    with farthing.open(url, catalog=shop()) as credits:
        told = Printed()
        with under_load(told, [through(credits)] * threads):
            told.wait_for_more(acknowledged=20)
            limit_files(largest_bytes(credits) + room_bytes)
            told.wait_for_more(refused=20)
            limit_files(resource.RLIM_INFINITY)
            told.wait_for_more(acknowledged=20)


def largest_bytes(credits: farthing.Credits) -> int:
    file = Path(credits.database.url.database or "")
    return max(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))


def limit_files(size_bytes: int) -> None:
    """A write beyond this fails; Python ignores the signal that would come with it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def start(**orders: Any) -> subprocess.Popen[str]:
    """Starts such a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.crowd", json.dumps(orders)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def forked(work: Callable[[], object]) -> int:
    """A child of this very process that does `work`; one that hangs ends by itself."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE_S)
            work()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def ended(child: int) -> int:
    """The child's exit code, once it has one: 0 for work that was done, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, work: Callable[[], object], steps: frozenset[str] = STATEMENTS) -> int:
    """How a child ended that does `work` and is killed at its `step`th step: 0 if it has fewer."""
    return ended(forked(lambda: _die_at(step, work, steps)))


def _die_at(step: int, work: Callable[[], object], steps: frozenset[str]) -> None:
    left = islice(repeat(None), step - 1)

    def watch(frame: FrameType, event: str, function: Any) -> None:
        by_c = event.startswith("c_")
        name = function.__name__ if by_c else frame.f_code.co_name
        ours = by_c or frame.f_globals["__name__"].startswith(("psycopg.", "requests.sessions"))
        if name in steps and ours and next(left, "now") == "now":
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    work()
    sys.setprofile(None)


def hear(told: Told, process: subprocess.Popen[str]) -> int:
    """Takes in what it still has to say, to its end. Returns its exit code."""
    assert process.stdout and process.stdin
    for line in process.stdout:
        told.hear(line)
    process.stdout.close()
    process.stdin.close()
    return process.wait()


if __name__ == "__main__":
    orders = json.loads(sys.argv[1])
    {"race": race, "work": work, "cramped": cramped}[orders.pop("do")](**orders)
