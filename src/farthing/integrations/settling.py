"""A charge around a request: set aside before its handler runs, captured after success, released otherwise.

`begin` and `finish` are generators that yield what to ask of the credits next, so that `carry_out` and
`carry_out_awaiting` drive the same rules in both colours.

A request with an Idempotency-Key is charged at most once. Its hold's key is made of it; where such a hold ended without
a capture, because an earlier request failed, the next one has a key with the next number. Whoever comes to capture and
finds the hold gone does the same, so that every success is paid.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from inspect import isawaitable
from itertools import count
from typing import Any, TypeVar

from uuid_utils import uuid7

from farthing.amounts import exact
from farthing.awaiting import AsyncCredits
from farthing.credits import Credits
from farthing.errors import FarthingError, HoldEnded, Unavailable
from farthing.integrations.charging import Charged, Charging, Declined, Delivery, Price, due

log = logging.getLogger("farthing")

T = TypeVar("T")
Step = Callable[[Any], Any]
Steps = Generator[Step, Any, T]

_LONGEST_BYTES = 160
_under_way = set[asyncio.Task[Any]]()  # a loop itself keeps tasks only weakly


def key_of(method: str, target: str, given: str | None, *, place: int = 0) -> str:
    """The key of a request's hold: of its Idempotency-Key for this method and target, or one for this request alone.

    Args:
        target: path and query, so that a key given for one thing pays for no other. Only a digest of the query is
            kept: what people write there has no place in a ledger.
        place: how many charges the same request has already.
    """
    if not given:
        return uuid7().hex
    path, asks, query = target.partition("?")
    said = f"{method} {path}{asks}{_digest(query)[:32] if asks else ''} {given}" + (f" +{place}" if place else "")
    return said if said.isprintable() and len(said.encode("utf-8", "replace")) <= _LONGEST_BYTES else _digest(said)


def _digest(said: str) -> str:
    return sha256(said.encode("utf-8", "backslashreplace")).hexdigest()


def carry_out(steps: Steps[T], credits: Credits) -> T:
    """What the steps come to, for code that waits."""
    try:
        step = next(steps)
        while True:
            try:
                answer = step(credits)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as done:
        return done.value


async def carry_out_awaiting(steps: Steps[T], credits: AsyncCredits) -> T:
    """What the steps come to, for code that awaits."""
    try:
        step = next(steps)
        while True:
            try:
                answer = step(credits)
                if isawaitable(answer):
                    answer = await answer
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as done:
        return done.value


async def surely(work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to; it goes on also when its caller is cancelled."""
    return await asyncio.shield(_started(work))


def _started(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.ensure_future(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task


async def begin_awaiting(charging: Charging, price: Price, request: Any, key: str) -> Charged:
    """As `begin`, with its errors. What was set aside for a caller that was cancelled meanwhile is released."""
    beginning = _started(carry_out_awaiting(begin(charging, price, request, key), charging.awaiting))

    async def let_go() -> None:
        with suppress(Exception):  # nobody waits for the refusal any more
            await carry_out_awaiting(finish(await beginning, Delivery.NONE), charging.awaiting)

    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        _started(let_go())
        raise


def begin(charging: Charging, price: Price, request: Any, key: str) -> Steps[Charged]:
    """Sets aside what a request costs, before its handler runs.

    Raises:
        InsufficientCredits, AccountFrozen, KeyReused: as for `Credits.hold`. Declined: nobody to charge, or the price's
            `on_repeat` refuses this request. What the application's callables raise.
    """
    account = yield lambda _: charging.account(request)
    if account is None:
        raise Declined(
            "account_missing", 401, "Nobody is there to be charged",
            "This costs credits, and nobody is signed in whose they could be. Nothing was done. Sign in first.",
        )  # fmt: skip
    amount = price.amount
    if callable(amount):
        asked = amount
        amount = yield lambda _: asked(request)
    charged = Charged(account, price, key, exact(amount))
    if charged.amount:
        yield from _set_aside(charged)
        if charged.repeated and price.on_repeat == "refuse":
            raise Declined(
                "already_charged", 409, "An earlier request with this key was charged, or is under way",
                "The Idempotency-Key was used for this before. Nothing was done. Use the earlier answer, or a new key.",
            )  # fmt: skip
    return charged


def finish(charged: Charged, delivery: Delivery) -> Steps[None]:
    """Captures what is due, or releases what was set aside. Only the first call does anything.

    Raises:
        what `Credits.capture` raises, and then nothing is kept aside any more; but for Unavailable, where nobody knows.
    """
    if charged.settled:
        return
    charged.settled = True
    if charged.hold is None:
        return
    amount = due(delivery, charged.used)
    if amount == 0:
        yield from _release(charged)
        return
    try:
        yield from _capture(charged, amount)
    except Unavailable:
        raise
    except FarthingError:
        yield from _release(charged)
        raise


def _set_aside(charged: Charged) -> Steps[None]:
    """Makes the hold, or finds that of an earlier request with the same key, unless it ended without a capture."""
    price = charged.price
    for number in count(1):
        key = f"request:{charged.key}" if number == 1 else f"request{number}:{charged.key}"
        held = yield lambda credits, key=key: credits.hold(
            charged.account, price.credit_type, charged.amount,
            key=key, operation=price.operation, expires=price.expires,
        )  # fmt: skip
        charged.hold = held.id
        if not held.replayed:
            charged.repeated = False
            return
        ended = yield from _end_of(charged)
        if ended in (None, "capture"):
            charged.repeated = True
            return


def _end_of(charged: Charged) -> Steps[str | None]:
    """How the hold of an earlier request ended; None where it is open."""
    account, hold, credit_type = charged.account, charged.hold, charged.price.credit_type
    still = yield lambda credits: credits.holds(account, credit_type)
    if any(one.id == hold for one in still):
        return None
    try:
        yield lambda credits: credits.release(account, hold)  # it has ended, so this changes nothing and says how
    except HoldEnded as error:
        return error.facts["ended"]
    return "release"


def _capture(charged: Charged, amount: Decimal | None) -> Steps[None]:
    while True:
        try:
            charged.receipt = yield lambda credits: credits.capture(charged.account, charged.hold, amount)
            return
        except HoldEnded as error:
            if error.facts["ended"] == "capture":
                return
        yield from _set_aside(charged)


def _release(charged: Charged) -> Steps[None]:
    """Ends the hold, if it was made for this request: one that a retry found may be that of a request under way."""
    if charged.repeated:
        return
    try:
        yield lambda credits: credits.release(charged.account, charged.hold)
    except HoldEnded:
        return
    except FarthingError as error:
        named = f"the hold {charged.hold} of {charged.account}"
        log.warning("%s could not be released; it lapses by itself: %s", named, error)
