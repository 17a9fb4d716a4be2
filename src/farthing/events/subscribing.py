"""Who listens inside this process: called after the commit, in a thread of its own, so that no verb waits."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from json import loads
from typing import Any, NamedTuple

from farthing.core.events import KINDS
from farthing.errors import InvalidField
from farthing.store.outbox import Event

log = logging.getLogger("farthing")


class EventView(NamedTuple):
    """Something that happened to an account. `sequence` numbers its events from 1; amounts in `data` are Decimal."""

    id: str
    type: str
    account: str
    sequence: int
    occurred_at: datetime
    data: dict[str, Any]


def view(event: Event) -> EventView:
    """An event as it is told."""
    data = loads(event.data, parse_float=Decimal)
    return EventView(event.id, event.kind, event.account, event.sequence, event.occurred_at, data)


def known(kind: str) -> str:
    """The kind, if there is one called so.

    Raises:
        InvalidField: there is none.
    """
    if kind not in KINDS:
        raise InvalidField(
            f"There is no event {kind!r}; there is {', '.join(KINDS)}. Nothing was changed.", field="kind"
        )
    return kind


class Subscribers:
    """The functions that listen in this process, and the thread that calls them one after another."""

    def __init__(self) -> None:
        self._listening: dict[str, list[Callable[[EventView], object]]] = {}
        self._forget()
        alive = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: (it := alive()) and it._forget())

    def add(self, kind: str, function: Callable[[EventView], object]) -> Callable[[], None]:
        """As `Credits.subscribe`."""
        listening = self._listening.setdefault(known(kind), [])
        listening.append(function)

        def end() -> None:
            if function in listening:
                listening.remove(function)

        return end

    def hear(self, events: Sequence[Event]) -> None:
        """Takes what was committed; it is told soon, by another thread."""
        wanted = [event for event in events if self._listening.get(event.kind)]
        if wanted:
            with self._changed:
                self._queue.extend(wanted)
                if self._thread is None:
                    self._start()

    def close(self) -> None:
        """Waits until all that was taken is told."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="farthing-events", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had: the next event tries again, and no verb fails of it
            log.warning("events are not told in this process now: %r", error)
        else:
            self._thread = thread

    def _forget(self) -> None:
        """As new, in a forked child: what the parent took, the parent tells."""
        self._changed = threading.Condition()
        self._queue: deque[Event] = deque()
        self._thread: threading.Thread | None = None

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._thread = None
                    return
                event = self._queue.popleft()
            for function in tuple(self._listening.get(event.kind, ())):
                try:
                    function(view(event))
                except Exception:
                    log.exception("a subscriber failed with %s of %s", event.kind, event.account)
