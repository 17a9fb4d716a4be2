"""A process that works on a shared database: started by tests that need real processes.

Reads its orders as JSON from the command line and prints one JSON line for each answer, after the answer.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import farthing
from farthing.errors import FarthingError
from tests.kit import shop


def race(url: str, name: str, threads: int, tries: int, account: str) -> None:
    """Deducts one credit, `tries` times in each thread, and tells how often that was won and refused."""
    credits = farthing.open(url, catalog=shop())
    print("ready", flush=True)
    sys.stdin.readline()

    def run(thread: int) -> Counter[str]:
        told: Counter[str] = Counter()
        for number in range(tries):
            try:
                credits.deduct(account, "images", 1, key=f"{name}:{thread}:{number}")
                told["won"] += 1
            except FarthingError as error:
                told[error.code] += 1
        return told

    with ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(run, range(threads)), Counter[str]())
    print(json.dumps(total), flush=True)


def work(url: str, name: str, threads: int, accounts: int) -> None:
    """Grants and deducts for ever over several accounts, and prints each key once its receipt is there."""
    credits = farthing.open(url, catalog=shop())

    def run(thread: int) -> None:
        number = 0
        while True:
            number += 1
            account = f"user{(number + thread) % accounts}"
            key = f"{name}:{thread}:{number}"
            if number % 5 == 1:
                credits.grant(account, "images", 5, key=key, source="gift", expires="30d")
            else:
                try:
                    credits.deduct(account, "images", 1, key=key)
                except farthing.InsufficientCredits:
                    continue
            sys.stdout.write(f"{account} {key}\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))


if __name__ == "__main__":
    orders = json.loads(sys.argv[1])
    {"race": race, "work": work}[orders.pop("do")](**orders)
