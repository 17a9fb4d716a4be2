"""The job that sends events: shares them out among endpoints, then sends what is due, outside any transaction.

A row is leased before it is sent and settled after. Whoever is stopped in between lets the lease end, and the same
event is sent once more, with the same id: at least once, and twice only then.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from farthing.core.events import TRIED_FOR, again
from farthing.errors import SettingsInvalid
from farthing.events.sending import Sent, send
from farthing.store import endpoints as store
from farthing.store import outbox
from farthing.store.endpoints import Delivery, Endpoint

if TYPE_CHECKING:
    import httpx2

    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

LEASE = timedelta(minutes=1)
KEPT = timedelta(days=30)
AT_ONCE = 200  # to one endpoint in one run
LANES = 4  # requests under way to one endpoint
ENDPOINTS_AT_ONCE = 16
PATIENCE = 4  # failures in a row after which an endpoint is left alone until the next run

T = TypeVar("T")


def deliver(credits: Credits) -> dict[str, int]:
    """As `Credits.deliver`."""
    while credits.run(lambda tx: _share_out(tx)):
        pass
    now = credits.clock()
    due: list[tuple[Endpoint, list[Delivery]]] = []
    for endpoint in credits.read(store.every):
        if endpoint.paused is None:
            waiting = credits.read(lambda session, one=endpoint: store.due(session, one.id, now, limit=AT_ONCE))
            due += [(endpoint, waiting)] if waiting else []
    counts = Counter[str](delivered=0, failed=0, given_up=0)
    if due:
        _require_installed()
        with ThreadPoolExecutor(1, thread_name_prefix="farthing-deliver") as apart:  # whoever calls may have a loop
            counts.update(apart.submit(asyncio.run, _Round(credits).send_all(due)).result())
    while credits.run(lambda tx: outbox.drop(tx.session, before=now - KEPT)):
        pass
    return dict(counts)


def _share_out(tx: Tx) -> int:
    """Makes the deliveries of some events that have none, for the endpoints that there were when they occurred."""
    events, endpoints = outbox.share_out(tx.session), store.every(tx.session)
    made = [
        (event, endpoint)
        for event in events
        for endpoint in endpoints
        if endpoint.wants(event.kind) and endpoint.created_at <= event.occurred_at
    ]
    store.make(tx.session, made, tx.clock())
    return len(events)


class _Round:
    """Everything that is due, endpoint beside endpoint, so that a slow one holds up no other."""

    def __init__(self, credits: Credits) -> None:
        self._credits = credits
        self._counts = Counter[str]()
        self._work = ThreadPoolExecutor(LANES, thread_name_prefix="farthing-deliver")
        self._endpoints = asyncio.Semaphore(ENDPOINTS_AT_ONCE)

    async def send_all(self, due: list[tuple[Endpoint, list[Delivery]]]) -> Counter[str]:
        import httpx2

        # Names are looked up in threads: as many as may be under way, or slow ones would hold up the others.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(ENDPOINTS_AT_ONCE * LANES))
        with self._work:
            async with httpx2.AsyncClient(timeout=None, trust_env=False, follow_redirects=False) as client:
                await asyncio.gather(*(self._send_to(client, endpoint, waiting) for endpoint, waiting in due))
        return self._counts

    async def _send_to(self, client: httpx2.AsyncClient, endpoint: Endpoint, waiting: list[Delivery]) -> None:
        queue, failures = deque(waiting), [0]

        async def lane() -> None:
            while queue and failures[0] < PATIENCE:
                came = await self._send(client, endpoint, queue.popleft())
                failures[0] = 0 if came == "delivered" else failures[0] + (came is not None)
                self._counts.update([came] if came else [])

        async with self._endpoints:
            await asyncio.gather(*(lane() for _ in range(LANES)))

    async def _send(self, client: httpx2.AsyncClient, endpoint: Endpoint, one: Delivery) -> str | None:
        """What came of one delivery; None where it is not ours to send, or that could not be noted."""
        credits = self._credits
        try:
            taken = await self._apart(lambda tx: _take(tx, one))
            if taken is None:
                return None
            event, secrets = taken
            sent = await send(client, endpoint.url, event, secrets, now=credits.clock(), local=credits.local_endpoints)
            return await self._apart(lambda tx: _settle(tx, one, sent))
        except Exception as error:  # its lease ends, and the job takes it again
            log.warning("the delivery of event %d of %s failed here: %r", one.sequence, one.account, error)
            return None

    async def _apart(self, work: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._work, self._credits.run, work)


def _take(tx: Tx, one: Delivery) -> tuple[outbox.Event, list[str]] | None:
    """The event and what signs it, leased to us; None where it is somebody else's, or is no more."""
    now = tx.clock()
    if not store.lease(tx.session, one, now=now, until=now + LEASE):
        return None
    event, secrets = outbox.read(tx.session, one.key[:2]), store.secrets(tx.session, one.endpoint)
    return (event, secrets) if event and secrets else None


def _settle(tx: Tx, one: Delivery, sent: Sent) -> str | None:
    session, now = tx.session, tx.clock()
    tried_from = one.first_at or now
    due_at = again(one.attempts + 1, tried_from, now, chance=random.random()) if sent.error else None
    if not store.settle(session, one, status=sent.status, error=sent.error, due_at=due_at, now=now):
        return None
    if sent.error is None:
        store.works(session, one.endpoint)
        return "delivered"
    store.fails(session, one.endpoint, now, pause="gone" if sent.gone else None, since=now - TRIED_FOR)
    return "failed" if due_at else "given_up"


def _require_installed() -> None:
    """Nothing, where events can be sent.

    Raises:
        SettingsInvalid: what sends them is not installed.
    """
    with suppress(ImportError):
        import httpx2
        import standardwebhooks

        del httpx2, standardwebhooks
        return
    raise SettingsInvalid("Sending events needs `pip install farthing[server]`. They wait until it is there.")
