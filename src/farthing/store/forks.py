"""Connections that a fork must not find open.

SQLite notes its locks in the memory of the process. A child that inherits them believes it holds what only its parent
does: it waits for them for ever, or writes to a log that its parent deletes (tests/faults/test_preload.py). So a fork
waits until no connection is in use, and all are closed before it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

PATIENCE_S = 5


class Uses:
    """How many threads use a connection now. While paused nobody begins; whoever has begun may go on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads = 0
        self._paused = False
        self._mine = threading.local()

    @contextmanager
    def use(self) -> Generator[None]:
        """One use; a thread may have several, one inside the other."""
        depth = self._depth
        if depth == 0:
            with self._changed:
                while self._paused:
                    self._changed.wait()
                self._threads += 1
        self._mine.depth = depth + 1
        try:
            yield
        finally:
            self._mine.depth = depth
            if depth == 0:
                with self._changed:
                    self._threads -= 1
                    self._changed.notify_all()

    def pause(self) -> bool:
        """Waits until no other thread uses one, with patience. Returns whether that is so."""
        mine = 1 if self._depth else 0
        until = time.monotonic() + PATIENCE_S
        with self._changed:
            self._paused = True
            while self._threads > mine and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            return self._threads == mine

    def resume(self) -> None:
        """Lets go on whoever waits to begin."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @property
    def _depth(self) -> int:
        return getattr(self._mine, "depth", 0)
