"""AsyncCredits: the same verbs for code that awaits, over the same writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from farthing.credits import Credits
from farthing.ledger.beat import Command
from farthing.ledger.verbs import Verbs, receipt
from farthing.views import Receipt

P = ParamSpec("P")
T = TypeVar("T")


class _Awaiting(Verbs):
    """The verbs, whose answer is still on its way: what `Verbs` calls a receipt is a coroutine here."""

    def __init__(self, credits: Credits) -> None:
        self.catalog = credits.catalog
        self._credits = credits

    def _receipt(self, command: Command) -> Any:
        return self._arrived(command)

    async def _arrived(self, command: Command) -> Receipt:
        outcome = await asyncio.wrap_future(self._credits.submit(command))
        return receipt(command, outcome)


def _awaited(
    verb: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncCredits, P], Coroutine[Any, Any, T]]:
    async def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> T:
        return await cast(Awaitable[T], verb(self.awaiting, *args, **kwargs))

    return wraps(verb)(call)


def _in_thread(
    method: Callable[Concatenate[Credits, P], T],
) -> Callable[Concatenate[AsyncCredits, P], Coroutine[Any, Any, T]]:
    async def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, self.credits, *args, **kwargs)

    return wraps(method)(call)


def _in_blocks(
    method: Callable[Concatenate[Credits, P], Generator[T]],
) -> Callable[Concatenate[AsyncCredits, P], AsyncGenerator[T]]:
    def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        return _one_by_one(method(self.credits, *args, **kwargs))

    return wraps(method)(call)


async def _one_by_one(blocks: Generator[T]) -> AsyncGenerator[T]:
    """`blocks`, read in a thread of their own, which also drops them once the block under way is read."""
    thread = ThreadPoolExecutor(1, "farthing-blocks")
    try:
        while (block := await asyncio.get_running_loop().run_in_executor(thread, next, blocks, None)) is not None:
            yield block
    finally:
        thread.submit(blocks.close)
        thread.shutdown(wait=False)


class AsyncCredits:
    """`Credits` for code that awaits: the same verbs, errors and answers, over the same writer."""

    def __init__(self, credits: Credits) -> None:
        self.credits = credits
        self.awaiting = _Awaiting(credits)

    grant = _awaited(Verbs.grant)
    deduct = _awaited(Verbs.deduct)
    open_account = _in_thread(Credits.open_account)
    account = _in_thread(Credits.account)
    check = _in_thread(Credits.check)
    quote = _in_thread(Credits.quote)
    checkout = _in_thread(Credits.checkout)
    order = _in_thread(Credits.order)
    orders = _in_thread(Credits.orders)
    receive = _in_thread(Credits.receive)
    handle_events = _in_thread(Credits.handle_events)
    provider_events = _in_thread(Credits.provider_events)
    retry_event = _in_thread(Credits.retry_event)
    balance = _in_thread(Credits.balance)
    balances = _in_thread(Credits.balances)
    lots = _in_thread(Credits.lots)
    history = _in_thread(Credits.history)
    export_history = _in_blocks(Credits.export_history)
    drawn_lots = _in_thread(Credits.drawn_lots)
    expire = _in_thread(Credits.expire)
    verify = _in_thread(Credits.verify)

    async def close(self) -> None:
        """As `Credits.close`."""
        await asyncio.to_thread(self.credits.close)

    async def __aenter__(self) -> AsyncCredits:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
