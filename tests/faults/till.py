"""A shop with auto top-up whose provider notes every charge in a file that outlives its processes.

As a process: reads its orders as JSON from the command line, says "ready", waits for a line, and then spends and tops
up in several threads at once.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import farthing
from farthing.core.payments import SavedCard
from farthing.providers import Bill, Charged
from farthing.providers.sandbox import Sandbox
from farthing.testing import Clock
from tests.kit import shop
from tests.selling import SECRET, STORE


class FiledTill(Sandbox):
    """The sandbox; a line in `file` for each charge that it was asked for: its order and attempt."""

    def __init__(self, file: Path, clock: Clock) -> None:
        super().__init__(url="http://sandbox.test", secrets=[SECRET], clock=clock)
        self.file = file

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        filed = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(filed, f"{bill.order} {attempt}\n".encode())
        os.close(filed)
        return super().charge(bill, card, attempt=attempt)

    def charges(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


def opened(url: str, file: Path, clock: Clock) -> farthing.Credits:
    return farthing.open(url, catalog=shop(STORE), clock=clock, providers=[FiledTill(file, clock)])


def spend(url: str, file: str, now: str, threads: int) -> None:
    """Each thread takes one image of ada's, which crosses the threshold, and tops up as an application would."""
    clock = Clock(datetime.fromisoformat(now))

    def work(thread: int) -> str:
        credits.deduct("ada", "images", 1, key=f"{os.getpid()}:{thread}")
        return credits.top_up("ada", "images").outcome

    with opened(url, Path(file), clock) as credits, ThreadPoolExecutor(threads) as pool:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(list(pool.map(work, range(threads)))), flush=True)


if __name__ == "__main__":
    spend(**json.loads(sys.argv[1]))
