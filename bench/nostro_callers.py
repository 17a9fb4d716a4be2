"""A process that drives nostro as bench/callers.py drives us; runs in nostro's own environment and imports only it."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from uuid import UUID, uuid4

from nostro import AsyncLedger
from psycopg_pool import AsyncConnectionPool

CONNECTIONS = 16  # more of them did less


@asynccontextmanager
async def opened(dsn: str, scale: int) -> AsyncIterator[AsyncLedger]:
    async with AsyncConnectionPool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, timeout=120) as pool:
        yield AsyncLedger(pool=pool, scale=scale)


async def fill(dsn: str, scale: int, accounts: int) -> list[UUID]:
    async with opened(dsn, scale) as ledger:
        turns = asyncio.Semaphore(CONNECTIONS)

        async def make(number: int) -> UUID:
            async with turns:
                account = await ledger.accounts.create("bench", f"user-{number}")
                await ledger.credit(account, ledger.amount(10**9), category="purchase", idempotency_key="grant")
                return account.id

        return await asyncio.gather(*(make(number) for number in range(accounts)))


async def turn(dsn: str, scale: int, ids: list[UUID], seconds: float, callers: int) -> dict[str, float]:
    prefix, waits = uuid4().hex[:12], []
    async with opened(dsn, scale) as ledger:
        one = ledger.amount(1)
        began = perf_counter()

        async def caller(number: int) -> None:
            done = 0
            while (asked := perf_counter()) < began + seconds:
                key = f"{prefix}:{number}:{done}"
                await ledger.debit(random.choice(ids), one, category="render", idempotency_key=key)
                waits.append(perf_counter() - asked)
                done += 1

        await asyncio.gather(*(caller(number) for number in range(callers)))
        took = perf_counter() - began
    waits.sort()
    at = {share: waits[int(len(waits) * share / 100)] * 1000 for share in (50, 99)}
    return {"operations": len(waits), "seconds": took, "p50_ms": at[50], "p99_ms": at[99]}


def main(dsn: str, scale: int, accounts: int) -> None:
    ids = asyncio.run(fill(dsn, scale, accounts))
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        chosen = ids[:1] if order["load"] == "hot" else ids
        print(json.dumps(asyncio.run(turn(dsn, scale, chosen, order["seconds"], order["callers"]))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
