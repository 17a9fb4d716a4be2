"""A process of callers: opens the ledger once, then works as each line on its standard input says.

With one caller a plain loop calls the library; with more, so many tasks of one event loop await it. Every call has a
key of its own. What comes back is a line of JSON: operations, seconds, and how long callers waited.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable, Iterator
from itertools import accumulate, count, cycle
from time import perf_counter
from typing import Any
from uuid import uuid4

import farthing
from farthing import AsyncCredits, Credits
from farthing.catalog import parse

CATALOG = '[credit_types.credits]\nname = "Credits"'
TYPE = "credits"
CHOICES = 2**16


def name(number: int) -> str:
    """The account with this number."""
    return f"user-{number}"


def main(url: str) -> None:
    prefix = uuid4().hex[:12]
    keys = (f"{prefix}:{number}" for number in count())
    with farthing.open(url, catalog=parse(CATALOG)) as credits:
        credits.balance(name(1), TYPE)
        print("ready", flush=True)
        for line in sys.stdin:
            print(json.dumps(_turn(credits, keys, **json.loads(line))), flush=True)


def _turn(
    credits: Credits, keys: Iterator[str], *, seconds: float, callers: int, accounts: int, law: str, verb: str
) -> dict[str, Any]:
    picks = _picks(accounts, law)
    waits: list[float] = []
    began = perf_counter()
    until = began + seconds
    if callers == 1:
        _call(_verb(credits, verb, picks, keys), until, waits)
    else:
        asyncio.run(_await_all(AsyncCredits(credits), callers, picks, keys, until, waits))
    took = perf_counter() - began
    waits.sort()
    at = {share: waits[int(len(waits) * share / 100)] * 1000 for share in (50, 99)}
    return {"operations": len(waits), "seconds": took, "p50_ms": at[50], "p99_ms": at[99]}


def _verb(credits: Credits, verb: str, picks: Iterator[str], keys: Iterator[str]) -> Callable[[], object]:
    verbs: dict[str, Callable[[], object]] = {
        "deduct": lambda: credits.deduct(next(picks), TYPE, 1, key=next(keys)),
        "balance": lambda: credits.balance(next(picks), TYPE),
        "history": lambda: credits.history(next(picks), TYPE),
    }
    return verbs[verb]


def _call(verb: Callable[[], object], until: float, waits: list[float]) -> None:
    while (asked := perf_counter()) < until:
        verb()
        waits.append(perf_counter() - asked)


async def _await_all(
    credits: AsyncCredits, callers: int, picks: Iterator[str], keys: Iterator[str], until: float, waits: list[float]
) -> None:
    async def caller() -> None:
        while (asked := perf_counter()) < until:
            await credits.deduct(next(picks), TYPE, 1, key=next(keys))
            waits.append(perf_counter() - asked)

    await asyncio.gather(*(caller() for _ in range(callers)))


def _picks(accounts: int, law: str) -> Iterator[str]:
    """Accounts for ever: all of them as often ("even"), or the n-th one n times rarer than the first ("zipf")."""
    weights = list(accumulate(1 / n for n in range(1, accounts + 1))) if law == "zipf" else None
    numbers = random.choices(range(1, accounts + 1), cum_weights=weights, k=CHOICES)
    return cycle([name(number) for number in numbers])


if __name__ == "__main__":
    main(sys.argv[1])
