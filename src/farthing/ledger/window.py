"""Window: so many commands under way at once, and no more, however many there are to send."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeVar

from farthing.ledger.beat import Outcome

T = TypeVar("T")

PARALLEL = 1024  # a few full batches of the writer


class Window(Generic[T]):
    """Sends what is put into it and settles the answers in the same order, all of them when its block ends.

    After an error they are settled too, as far as that goes: what was sent may have been recorded.

    Args:
        send: hands an item to the writer; None where there is nothing to wait for.
        settle: told each item and its answer, for which it may have to wait.
        most: items under way at once, and so what is held in memory.
    """

    def __init__(
        self,
        send: Callable[[T], Future[Outcome] | None],
        settle: Callable[[T, Future[Outcome]], None],
        most: int = PARALLEL,
    ) -> None:
        self._send = send
        self._settle = settle
        self._most = most
        self._sent: deque[tuple[T, Future[Outcome]]] = deque()

    def put(self, item: T) -> None:
        """Sends `item`, once there is room for it."""
        if len(self._sent) >= self._most:
            self._settle_first()
        if answer := self._send(item):
            self._sent.append((item, answer))

    def __enter__(self) -> Window[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._sent:
                self._settle_first()
        finally:
            while self._sent:
                with suppress(Exception):
                    self._settle(*self._sent.popleft())

    def _settle_first(self) -> None:
        self._settle(*self._sent[0])
        self._sent.popleft()
