"""AsyncCredits: the same verbs for code that awaits, over the same writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial, wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from farthing.amounts import Amount
from farthing.catalog import Catalog
from farthing.core.names import hold_id
from farthing.credits import Credits
from farthing.errors import FarthingError, UnknownConnection
from farthing.ledger.beat import Command, Outcome
from farthing.ledger.commands import Expires
from farthing.ledger.mailbox import Mailbox
from farthing.ledger.transaction import Tx
from farthing.ledger.verbs import Held, HeldFor, Verbs, receipt
from farthing.ledger.verbs.charging import Measures
from farthing.ledger.verbs.holding import note_unreleased
from farthing.views import Receipt

P = ParamSpec("P")
T = TypeVar("T")


class _Awaiting(Verbs):
    """The verbs, whose answer is still on its way: what `Verbs` calls a receipt is a coroutine here."""

    def __init__(self, credits: Credits) -> None:
        self._credits = credits
        self._mailboxes = WeakKeyDictionary[asyncio.AbstractEventLoop, Mailbox]()

    @property
    def catalog(self) -> Catalog:  # pyright: ignore[reportIncompatibleVariableOverride]  # may be another one tomorrow
        return self._credits.catalog

    def _receipt(self, command: Command) -> Any:
        return self._arrived(command)

    def _held(self, command: Command) -> Any:
        return self._arrived(command)

    def _held_for(self, command: Command, dimensions: dict[str, str]) -> Any:
        return self._arrived(command)

    async def _arrived(self, command: Command) -> Receipt:
        loop = asyncio.get_running_loop()
        mailbox = self._mailboxes.get(loop) or self._mailboxes.setdefault(loop, Mailbox(loop))
        future: asyncio.Future[Outcome] = loop.create_future()
        self._credits.send(command, partial(mailbox.put, future))
        return receipt(command, await future)


class AsyncHeld:
    """Credits set aside: `hold = await credits.hold(…)`, or `async with credits.hold(…) as hold:`, which captures all
    of them at the end, or releases them on an error."""

    receipt: Receipt

    def __init__(self, verbs: AsyncCredits | AsyncTx, arriving: Awaitable[Receipt]) -> None:
        self._verbs = verbs
        self._arriving = arriving
        self.ended: Receipt | None = None

    def __await__(self) -> Generator[Any, Any, AsyncHeld]:
        return self._arrived().__await__()

    async def _arrived(self) -> AsyncHeld:
        self.receipt = await self._arriving
        return self

    @property
    def id(self) -> str:
        """The hold's name: `hold_` credit type `_` the number of the entry that made it."""
        return hold_id(self.receipt.credit_type, self.receipt.seq)

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had made it."""
        return self.receipt.replayed

    async def capture(self, amount: Amount | None = None, *, operation: str | None = None) -> Receipt:
        """As `Credits.capture`."""
        self.ended = await self._verbs.capture(self.receipt.account, self.id, amount, operation=operation)
        return self.ended

    async def release(self) -> Receipt:
        """As `Credits.release`."""
        self.ended = await self._verbs.release(self.receipt.account, self.id)
        return self.ended

    async def extend(self, expires: Expires, *, key: str) -> Receipt:
        """As `Credits.extend`."""
        return await self._verbs.extend(self.receipt.account, self.id, expires, key=key)

    async def __aenter__(self) -> AsyncHeld:
        return await self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.ended is None and error is None:
            await self.capture()
        elif self.ended is None:
            try:
                await asyncio.shield(self.release())  # a cancelled caller's credits are let go of all the same
            except FarthingError as second:
                note_unreleased(error, second)


class AsyncHeldFor(AsyncHeld):
    """Credits set aside for an operation, as `HeldFor`."""

    def __init__(
        self, verbs: AsyncCredits | AsyncTx, arriving: Awaitable[Receipt], dimensions: Mapping[str, str]
    ) -> None:
        super().__init__(verbs, arriving)
        self._dimensions: dict[str, Any] = dict(dimensions)

    def __await__(self) -> Generator[Any, Any, AsyncHeldFor]:
        yield from self._arrived().__await__()
        return self

    async def __aenter__(self) -> AsyncHeldFor:
        return await self

    async def capture_for(self, measures: Measures | None = None) -> Receipt:
        """As `Credits.capture_for`, by the operation and dimensions that the hold was made for."""
        entry = self.receipt
        self.ended = await self._verbs.capture_for(
            entry.account, self.id, entry.operation or "", measures, **self._dimensions
        )
        return self.ended


def _awaited(
    verb: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncCredits, P], Coroutine[Any, Any, T]]:
    async def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> T:
        return await cast(Awaitable[T], verb(self.awaiting, *args, **kwargs))

    return wraps(verb)(call)


def _held(verb: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[AsyncCredits, P], AsyncHeld]:
    def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> AsyncHeld:
        return AsyncHeld(self, verb(self.awaiting, *args, **kwargs))

    return wraps(verb)(call)


def _held_for(verb: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[AsyncCredits, P], AsyncHeldFor]:
    asked = signature(verb)

    def call(self: AsyncCredits, *args: P.args, **kwargs: P.kwargs) -> AsyncHeldFor:
        said = asked.bind(self, *args, **kwargs).arguments
        return AsyncHeldFor(self, verb(self.awaiting, *args, **kwargs), said.get("dimensions", {}))

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


def _held_on_tx(verb: Callable[Concatenate[Any, P], Held]) -> Callable[Concatenate[AsyncTx, P], AsyncHeld]:
    def call(self: AsyncTx, *args: P.args, **kwargs: P.kwargs) -> AsyncHeld:
        return AsyncHeld(self, self.do(lambda tx: verb(tx, *args, **kwargs).receipt))

    return wraps(verb)(call)


def _held_for_on_tx(
    verb: Callable[Concatenate[Any, P], HeldFor],
) -> Callable[Concatenate[AsyncTx, P], AsyncHeldFor]:
    asked = signature(verb)

    def call(self: AsyncTx, *args: P.args, **kwargs: P.kwargs) -> AsyncHeldFor:
        said = asked.bind(self, *args, **kwargs).arguments
        arriving = self.do(lambda tx: verb(tx, *args, **kwargs).receipt)
        return AsyncHeldFor(self, arriving, said.get("dimensions", {}))

    return wraps(verb)(call)


class AsyncTx:
    """As `Tx`, with verbs that are awaited. Made by `AsyncCredits.begin` and `AsyncCredits.on`."""

    def __init__(self, do: Callable[[Callable[[Tx], Any]], Awaitable[Any]]) -> None:
        """`do` carries out what needs the transaction, where it may wait without awaiting."""
        self.do = do

    grant = _on_tx(Tx.grant)
    deduct = _on_tx(Tx.deduct)
    charge = _on_tx(Tx.charge)
    reverse = _on_tx(Tx.reverse)
    hold = _held_on_tx(Tx.hold)
    hold_for = _held_for_on_tx(Tx.hold_for)
    capture = _on_tx(Tx.capture)
    capture_for = _on_tx(Tx.capture_for)
    release = _on_tx(Tx.release)
    extend = _on_tx(Tx.extend)
    void = _on_tx(Tx.void)
    clawback = _on_tx(Tx.clawback)
    transfer = _on_tx(Tx.transfer)
    post = _on_tx(Tx.post)
    start_plan = _on_tx(Tx.start_plan)
    renew_plan = _on_tx(Tx.renew_plan)
    change_plan = _on_tx(Tx.change_plan)
    cancel_plan = _on_tx(Tx.cancel_plan)
    freeze = _on_tx(Tx.freeze)
    unfreeze = _on_tx(Tx.unfreeze)
    merge = _on_tx(Tx.merge)
    erase = _on_tx(Tx.erase)
    open_account = _on_tx(Tx.open_account)
    lock = _on_tx(Tx.lock)
    balance = _on_tx(Tx.balance)
    check = _on_tx(Tx.check)


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
    charge = _awaited(Verbs.charge)
    reverse = _awaited(Verbs.reverse)
    hold = _held(Verbs.hold)
    hold_for = _held_for(Verbs.hold_for)
    capture = _awaited(Verbs.capture)
    capture_for = _awaited(Verbs.capture_for)
    release = _awaited(Verbs.release)
    extend = _awaited(Verbs.extend)
    void = _awaited(Verbs.void)
    clawback = _awaited(Verbs.clawback)
    transfer = _awaited(Verbs.transfer)
    start_plan = _in_thread(Credits.start_plan)
    renew_plan = _in_thread(Credits.renew_plan)
    change_plan = _in_thread(Credits.change_plan)
    cancel_plan = _in_thread(Credits.cancel_plan)
    subscription = _in_thread(Credits.subscription)
    drip = _in_thread(Credits.drip)
    freeze = _in_thread(Credits.freeze)
    unfreeze = _in_thread(Credits.unfreeze)
    merge = _in_thread(Credits.merge)
    erase = _in_thread(Credits.erase)
    post = _in_thread(Credits.post)
    open_account = _in_thread(Credits.open_account)
    account = _in_thread(Credits.account)
    check = _in_thread(Credits.check)
    quote = _in_thread(Credits.quote)
    estimate = _in_thread(Credits.estimate)
    checkout = _in_thread(Credits.checkout)
    resume_checkout = _in_thread(Credits.resume_checkout)
    order = _in_thread(Credits.order)
    orders = _in_thread(Credits.orders)
    receive = _in_thread(Credits.receive)
    handle_events = _in_thread(Credits.handle_events)
    provider_events = _in_thread(Credits.provider_events)
    retry_event = _in_thread(Credits.retry_event)
    store_event = _in_thread(Credits.store_event)
    handle_event = _in_thread(Credits.handle_event)
    provider_event = _in_thread(Credits.provider_event)
    heal_orders = _in_thread(Credits.heal_orders)
    reconcile = _in_thread(Credits.reconcile)
    accept_payment = _in_thread(Credits.accept_payment)
    dismiss_payment = _in_thread(Credits.dismiss_payment)
    buy_plan = _in_thread(Credits.buy_plan)
    plan_billing = _in_thread(Credits.plan_billing)
    plan_billings = _in_thread(Credits.plan_billings)
    plan_portal = _in_thread(Credits.plan_portal)
    heal_plans = _in_thread(Credits.heal_plans)
    set_top_up = _in_thread(Credits.set_top_up)
    stop_top_up = _in_thread(Credits.stop_top_up)
    resume_top_up = _in_thread(Credits.resume_top_up)
    top_up = _in_thread(Credits.top_up)
    top_up_due = _in_thread(Credits.top_up_due)
    top_ups = _in_thread(Credits.top_ups)
    add_endpoint = _in_thread(Credits.add_endpoint)
    endpoints = _in_thread(Credits.endpoints)
    remove_endpoint = _in_thread(Credits.remove_endpoint)
    resume_endpoint = _in_thread(Credits.resume_endpoint)
    rotate_endpoint = _in_thread(Credits.rotate_endpoint)
    events = _in_thread(Credits.events)
    event = _in_thread(Credits.event)
    replay_event = _in_thread(Credits.replay_event)
    deliver = _in_thread(Credits.deliver)
    remind = _in_thread(Credits.remind)
    card = _in_thread(Credits.card)
    ask_card = _in_thread(Credits.ask_card)
    forget_card = _in_thread(Credits.forget_card)
    balance = _in_thread(Credits.balance)
    balances = _in_thread(Credits.balances)
    explain = _in_thread(Credits.explain)
    lots = _in_thread(Credits.lots)
    holds = _in_thread(Credits.holds)
    history = _in_thread(Credits.history)
    export_history = _in_blocks(Credits.export_history)
    drawn_lots = _in_thread(Credits.drawn_lots)
    expire = _in_thread(Credits.expire)
    verify = _in_thread(Credits.verify)
    reload = _in_thread(Credits.reload)
    catalog_version = _in_thread(Credits.catalog_version)
    catalog_versions = _in_thread(Credits.catalog_versions)

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
