"""Window: so many commands under way at once, and no more, however many there are to send."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from farthing.errors import Unavailable
from farthing.ledger.beat import Outcome

T = TypeVar("T")

PARALLEL = 1024  # a few full batches of the writer


class Window(Generic[T]):
    """Sends what is put into it and settles the answers in the same order, all of them when its block ends.

    After an error they are settled too, as far as that goes: what was sent may have been recorded. Ctrl+C waits for
    the moment between two items, so that every one that was sent is settled once; a second one does not wait.

    Args:
        send: hands an item to the writer; None where there is nothing to wait for.
        settle: told each item and its answer, which is there.
        most: items under way at once, and so what is held in memory.
        waits_s: how long to wait before an item is sent again, time after time, while the database is away.
        wait: sleeps for so many seconds.
    """

    def __init__(
        self,
        send: Callable[[T], Future[Outcome] | None],
        settle: Callable[[T, Future[Outcome]], None],
        most: int = PARALLEL,
        *,
        waits_s: Sequence[float] = (),
        wait: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._send = send
        self._settle = settle
        self._most = most
        self._waits_s = waits_s
        self._wait = wait
        self._sent: deque[tuple[T, Future[Outcome]]] = deque()
        self._interrupts = _Interrupts()

    def put(self, item: T) -> None:
        """Sends `item`, once there is room for it."""
        if len(self._sent) >= self._most:
            self._settle_first()
        with self._interrupts.later():
            if answer := self._send(item):
                self._sent.append((item, answer))

    def __enter__(self) -> Window[T]:
        self._interrupts.begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while kind is None and self._sent:
                self._settle_first()
        finally:
            try:
                with self._interrupts.later():
                    while self._sent:
                        with suppress(Exception):
                            self._settle(*self._sent.popleft())
            finally:
                self._interrupts.end()

    def _settle_first(self) -> None:
        for wait_s in self._waits_s:
            item, answer = self._sent[0]
            if not isinstance(answer.exception(), Unavailable):
                break
            self._wait(wait_s)
            with self._interrupts.later():
                if again := self._send(item):
                    self._sent[0] = (item, again)
        item, answer = self._sent[0]
        answer.exception()
        with self._interrupts.later():
            try:
                self._settle(item, answer)
            except Unavailable:
                self._waits_s = ()  # it stays away: nobody waits for it a second time
                raise
            self._sent.popleft()


class _Interrupts:
    """Ctrl+C where Python itself would answer it: in the main thread of a program with no handler of its own."""

    def __init__(self) -> None:
        self._handling = False
        self._delaying = False
        self._asked = False

    def begin(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with suppress(ValueError):  # another thread: no Ctrl+C arrives there
                signal.signal(signal.SIGINT, self._arrived)
                self._handling = True

    def end(self) -> None:
        if self._handling:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def later(self) -> Generator[None]:
        """A block that the first Ctrl+C does not break: it arrives when the block has ended."""
        self._delaying = True
        try:
            yield
        finally:
            self._delaying = False
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def _arrived(self, *_: Any) -> None:
        if self._asked or not self._delaying:
            raise KeyboardInterrupt
        self._asked = True
