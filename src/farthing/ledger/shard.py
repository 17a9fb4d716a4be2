"""Group commit: commands that arrive together and fall to the same shard share one transaction.

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
from functools import partial
from typing import NamedTuple

from farthing.errors import DatabaseBusy, NotReady, Unavailable
from farthing.ledger.beat import Command, Outcome, decide
from farthing.store.database import Database
from farthing.store.dialects import BUSY_TIMEOUT_S
from farthing.store.sql import Wallet

MAX_BATCH = 256
MAX_LANES = 8

Clock = Callable[[], datetime]
Answering = Callable[[Outcome | BaseException], None]
"""Told once what became of a command, in the thread that carried it out: it must not wait."""


class Ticket(NamedTuple):
    """A command in the queue, who is told its answer, and until when it may wait for somebody else's lock."""

    command: Command
    answer: Answering
    deadline: float


class Shard:
    """One thread of this process that writes plain verbs, and its lanes. Starts with the first command of a pid."""

    def __init__(self, database: Database, clock: Clock, before: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._before = before
        self._forget()
        alive = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: (shard := alive()) and shard._forget())

    def submit(self, command: Command, answer: Answering) -> None:
        """Queues a command; it is answered after the commit that holds it. From here on nobody can take it back."""
        with self._changed:
            self._open_for_work()
            self._enqueue(_ticket(command, answer))

    def carry_out(self, command: Command) -> Outcome:
        """The outcome of a command, for a caller that waits: it does the work itself where nobody else is at it."""
        future: Future[Outcome] = Future()
        ticket = _ticket(command, partial(settle_future, future))
        with self._changed:
            self._open_for_work()
            alone = not (self._working or self._queue or self._lanes)
            self._working = self._working or alone
            if not alone:
                self._enqueue(ticket)
        if alone:
            try:
                self._settle([ticket])
            finally:
                self._rest()
        return future.result()

    def _open_for_work(self) -> None:
        while self._closing:
            self._changed.wait()
        if self._thread is None:
            self._start()

    def _enqueue(self, ticket: Ticket) -> None:
        lane = self._lanes.get(ticket.command.wallet)
        (self._queue if lane is None else lane).append(ticket)
        self._changed.notify_all()

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
        self._working = False  # somebody is carrying out a batch: the writer's thread, or a caller that was alone
        self._thread: threading.Thread | None = None
        self._pool: ThreadPoolExecutor | None = None

    def _start(self) -> None:
        self._pool = ThreadPoolExecutor(MAX_LANES, thread_name_prefix="farthing-lane")
        thread = threading.Thread(target=self._run, name="farthing-writer", daemon=True)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._settle(batch)
            finally:
                self._rest()

    def _next_batch(self) -> list[Ticket]:
        with self._changed:
            while self._working or not (self._queue or self._closing):
                self._changed.wait()
            self._working = bool(self._queue)
            return _take(self._queue)

    def _settle(self, batch: list[Ticket]) -> None:
        self._before()
        busy: dict[Wallet, list[Ticket]] = {}
        for ticket in _settle(self._database, batch, self._clock, wait=False):
            busy.setdefault(ticket.command.wallet, []).append(ticket)
        for wallet, tickets in busy.items():
            self._into_lane(wallet, tickets)

    def _rest(self) -> None:
        with self._changed:
            self._working = False
            self._changed.notify_all()

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


def settle_future(future: Future[Outcome], answer: Outcome | BaseException) -> None:
    """Gives a future its answer."""
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)


def _ticket(command: Command, answer: Answering) -> Ticket:
    return Ticket(command, answer, time.monotonic() + BUSY_TIMEOUT_S)


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
                ticket.answer(error)
        return [ticket for ticket in batch if blocked and ticket.deadline > now]
    busy: list[Ticket] = []
    for ticket, answer in zip(batch, answers, strict=True):
        if answer is None:
            busy.append(ticket)
        else:
            ticket.answer(answer)
    return busy
