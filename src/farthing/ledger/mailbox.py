"""Answers on their way from the writer's thread to an event loop: one call wakes it for all that arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from weakref import ref

from farthing.ledger.beat import Outcome


class Mailbox:
    """The answers for one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._arrived: deque[tuple[asyncio.Future[Outcome], Outcome | BaseException]] = deque()
        self._rung = False

    def put(self, future: asyncio.Future[Outcome], answer: Outcome | BaseException) -> None:
        """From any thread: `future` gets its answer the next time its loop looks."""
        self._arrived.append((future, answer))
        loop = self._loop()
        if not self._rung and loop is not None:
            self._rung = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._rung = False
        while self._arrived:
            future, answer = self._arrived.popleft()
            if future.done():  # cancelled; what was asked for is done all the same
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
