"""AsyncCredits: the same verbs for code that awaits, over the same writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from farthing.credits import Credits
from farthing.errors import UnknownConnection
from farthing.ledger.beat import Command
from farthing.ledger.transaction import Tx
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


def _on_tx(
    verb: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncTx, P], Coroutine[Any, Any, T]]:
    async def call(self: AsyncTx, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.do(lambda tx: getattr(tx, verb.__name__)(*args, **kwargs))

    return wraps(verb)(call)


class AsyncTx:
    """As `Tx`, with verbs that are awaited. Made by `AsyncCredits.begin` and `AsyncCredits.on`."""

    def __init__(self, do: Callable[[Callable[[Tx], Any]], Awaitable[Any]]) -> None:
        """`do` carries out what needs the transaction, where it may wait without awaiting."""
        self.do = do

    grant = _on_tx(Tx.grant)
    deduct = _on_tx(Tx.deduct)
    open_account = _on_tx(Tx.open_account)
    lock = _on_tx(Tx.lock)
    balance = _on_tx(Tx.balance)
    check = _on_tx(Tx.check)


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
    drawn_lots = _in_thread(Credits.drawn_lots)
    expire = _in_thread(Credits.expire)
    verify = _in_thread(Credits.verify)

    @asynccontextmanager
    async def begin(self, *, lock: Iterable[str] = ()) -> AsyncGenerator[AsyncTx]:
        """As `Credits.begin`. The transaction has a thread of its own while the block runs."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="farthing-block")

        def do(work: Callable[..., Any], *args: Any) -> Awaitable[Any]:
            return asyncio.get_running_loop().run_in_executor(thread, work, *args)

        block = self.credits.begin(lock=lock)
        try:
            with self.credits.alone():
                tx = await do(block.__enter__)
                yield AsyncTx(lambda work: do(work, tx))
        except BaseException as error:  # also when nobody waits any more: what began has to end
            await do(block.__exit__, type(error), error, error.__traceback__)
            raise
        else:
            await do(block.__exit__, None, None, None)
        finally:
            thread.shutdown(wait=False)

    def on(self, connection: Any) -> AsyncTx:
        """As `Credits.on`, for SQLAlchemy's AsyncConnection and AsyncSession.

        Raises:
            UnknownConnection: a connection that is not awaited. What `Credits.on` raises is raised by the verbs.
        """
        if not hasattr(connection, "run_sync"):
            raise UnknownConnection(
                f"{type(connection).__name__} is not a connection that is awaited. Nothing was changed. Give "
                "SQLAlchemy's AsyncConnection or AsyncSession, or use `farthing.open(…).on(…)`."
            )

        def do(work: Callable[[Tx], Any]) -> Awaitable[Any]:
            def inside(plain: Any) -> Any:
                return work(self.credits.on(plain))

            return connection.run_sync(inside)

        return AsyncTx(do)

    async def close(self) -> None:
        """As `Credits.close`."""
        await asyncio.to_thread(self.credits.close)

    async def __aenter__(self) -> AsyncCredits:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
