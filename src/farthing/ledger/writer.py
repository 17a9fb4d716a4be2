"""Group commit: commands that arrive together share one transaction.

A batch locks its wallets in byte order, reads keys and lots, decides one command after another, writes everything in
a handful of statements, commits, and only then answers each caller. There is no timer: what arrives while one batch
commits is the next. A wallet that somebody else holds leaves the batch and waits in a lane of its own, so that a slow
neighbour holds up nobody else.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

from farthing.errors import DatabaseBusy, NotReady, Unavailable
from farthing.ledger.beat import Command, Outcome, decide
from farthing.store.database import Database
from farthing.store.dialects import BUSY_TIMEOUT_S
from farthing.store.sql import Wallet

MAX_BATCH = 256
MAX_LANES = 8

Clock = Callable[[], datetime]


class Ticket(NamedTuple):
    """A command in the queue, the future its caller waits on, and until when it may wait for somebody else's lock."""

    command: Command
    answer: Future[Outcome]
    deadline: float


class Writer:
    """The one thread of this process that writes plain verbs, and its lanes. Starts with the first command of a pid."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._forget()
        alive = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: (writer := alive()) and writer._forget())

    def submit(self, command: Command) -> Future[Outcome]:
        """Queues a command; its answer arrives after the commit that holds it."""
        ticket = Ticket(command, Future(), time.monotonic() + BUSY_TIMEOUT_S)
        ticket.answer.set_running_or_notify_cancel()  # from here on nobody can take it back
        with self._changed:
            while self._closing:
                self._changed.wait()
            if self._thread is None:
                self._start()
            lane = self._lanes.get(command.wallet)
            (self._queue if lane is None else lane).append(ticket)
            self._changed.notify_all()
        return ticket.answer

    def close(self) -> None:
        """Answers what is queued, then ends the thread."""
        with self._changed:
            while self._closing:
                self._changed.wait()
            thread, pool = self._thread, self._pool
            if thread is None:
                return
            self._closing = True
            self._changed.notify_all()
        thread.join()
        if pool is not None:
            pool.shutdown()
        with self._changed:
            self._thread, self._closing = None, False
            self._changed.notify_all()

    def _forget(self) -> None:
        """As new: after `close`, and in a forked child, which has none of its parent's threads."""
        self._changed = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._lanes: dict[Wallet, deque[Ticket]] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def _start(self) -> None:
        self._pool = ThreadPoolExecutor(MAX_LANES, thread_name_prefix="farthing-lane")
        thread = threading.Thread(target=self._run, name="farthing-writer", daemon=True)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        while batch := self._next_batch():
            busy: dict[Wallet, list[Ticket]] = {}
            for ticket in _settle(self._database, batch, self._clock, wait=False):
                busy.setdefault(ticket.command.wallet, []).append(ticket)
            for wallet, tickets in busy.items():
                self._into_lane(wallet, tickets)

    def _next_batch(self) -> list[Ticket]:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return _take(self._queue)

    def _into_lane(self, wallet: Wallet, tickets: list[Ticket]) -> None:
        with self._changed:
            if wallet in self._lanes:
                self._lanes[wallet].extend(tickets)
                return
            later = [ticket for ticket in self._queue if ticket.command.wallet == wallet]
            self._queue = deque(ticket for ticket in self._queue if ticket.command.wallet != wallet)
            self._lanes[wallet] = deque([*tickets, *later])
        self._start_lane(wallet)

    def _start_lane(self, wallet: Wallet) -> None:
        try:
            assert self._pool is not None
            self._pool.submit(self._keep_lane, wallet)
        except RuntimeError:  # no thread to be had: this one waits itself, which is slow and loses nobody
            while not self._run_lane(wallet):
                pass

    def _keep_lane(self, wallet: Wallet) -> None:
        if not self._run_lane(wallet):
            self._start_lane(wallet)

    def _run_lane(self, wallet: Wallet) -> bool:
        """Settles the lane's tickets, waiting for the wallet a moment at a time; whether the lane has ended.

        A wallet that is still held then goes to the end of the line, so that many held ones cannot keep out another.
        """
        while True:
            with self._changed:
                batch = _take(self._lanes[wallet])
                if not batch:
                    del self._lanes[wallet]
                    return True
            waiting = _settle(self._database, batch, self._clock, wait=True)
            if waiting:
                with self._changed:
                    self._lanes[wallet].extendleft(reversed(waiting))
                return False


def _take(queue: deque[Ticket]) -> list[Ticket]:
    return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]


def _settle(database: Database, batch: list[Ticket], clock: Clock, *, wait: bool) -> list[Ticket]:
    """Commits the batch and answers its callers; returns the tickets that wait for somebody else."""
    commands = [ticket.command for ticket in batch]
    try:
        answers = database.run(lambda session: decide(session, commands, clock(), wait=wait), hurried=True)
    except BaseException as error:
        blocked = isinstance(error, DatabaseBusy) and database.dialect.locks_rows
        alike = wait if blocked else isinstance(error, (Unavailable, NotReady))
        if len(batch) > 1 and not alike:  # one of them is at fault
            return [busy for ticket in batch for busy in _settle(database, [ticket], clock, wait=wait)]
        now = time.monotonic()
        for ticket in batch:
            if not blocked or ticket.deadline <= now:
                ticket.answer.set_exception(error)
        return [ticket for ticket in batch if not ticket.answer.done()]
    busy: list[Ticket] = []
    for ticket, answer in zip(batch, answers, strict=True):
        if answer is None:
            busy.append(ticket)
        elif isinstance(answer, Outcome):
            ticket.answer.set_result(answer)
        else:
            ticket.answer.set_exception(answer)
    return busy
