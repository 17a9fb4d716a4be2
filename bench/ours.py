"""Our ledger as a contender: driven by processes of callers, its books compared with theirs after every turn."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import farthing
from bench.fill import fill
from bench.measure import Contender, Inexact, Run
from bench.postgres import Postgres
from bench.workers import Workers
from farthing.store.database import Database

TALLY = (
    "SELECT (SELECT count(*) FROM farthing_entries WHERE kind = 'deduct'), (SELECT sum(posted) FROM farthing_wallets)"
)
PAGE = 50

Load = Literal["spread", "zipf", "hot"]


class Tally(NamedTuple):
    """What stands in the books: deductions written, and the credits of all balances together."""

    entries: int
    posted: int


class Ledger:
    """A filled database, and the processes of callers that work on it."""

    def __init__(self, url: str, accounts: int) -> None:
        self.url = url
        self._accounts = accounts
        self._database = Database(url)
        self._tally = self._read_tally()
        self._workers = Workers([sys.executable, "-m", "bench.callers", url])

    def at(self, callers: int, load: Load = "spread", *, processes: int = 1) -> Contender:
        """`callers` that deduct, in all processes together; on all accounts alike, by Zipf's law, or on a hot one."""
        crowd = {
            "callers": callers // processes,
            "accounts": 1 if load == "hot" else self._accounts,
            "law": "zipf" if load == "zipf" else "even",
        }
        return lambda seconds: self.proved(self._workers.work(processes, verb="deduct", seconds=seconds, **crowd))

    def reading(self, verb: Literal["balance", "history"], accounts: int | None = None) -> Contender:
        """One caller that reads balances or first pages of history; of the first `accounts`, or of all."""
        crowd = {"callers": 1, "accounts": accounts or self._accounts, "law": "even"}
        return lambda seconds: self._workers.work(1, verb=verb, seconds=seconds, **crowd)

    def proved(self, run: Run) -> Run:
        """`run`, if the books changed by exactly what it says.

        Raises:
            Inexact: they did not.
        """
        before, self._tally = self._tally, self._read_tally()
        entries, debited = self._tally.entries - before.entries, before.posted - self._tally.posted
        if not run.operations == entries == debited:
            raise Inexact(f"acknowledged {run.operations}, written {entries}, debited {debited}")
        return run._replace(acknowledged=run.operations, entries=entries, debited=debited)

    def close(self) -> None:
        self._workers.close()
        self._database.close()

    def _read_tally(self) -> Tally:
        with self._database.reading() as session:
            [(entries, posted)] = session.execute(TALLY)
        return Tally(entries, int(posted))


@contextmanager
def on_postgres(server: Postgres, accounts: int, *, entries: int = 0, with_a_page: int = 0) -> Generator[Ledger]:
    """A ledger on PostgreSQL with `entries` deductions in its past; besides, so many accounts have a page of them."""
    with server.database() as database:
        url = server.url(database)
        farthing.migrate(url)
        if with_a_page:
            fill(url, with_a_page, PAGE * with_a_page)
        fill(url, accounts - with_a_page, entries, first=1 + with_a_page)
        server.settle(database)
        yield from _opened(url, accounts)


@contextmanager
def on_sqlite(path: Path, accounts: int) -> Generator[Ledger]:
    """A ledger in a new SQLite file, in WAL mode, every commit flushed."""
    url = f"sqlite:///{path}"
    farthing.migrate(url)
    database = Database(url)
    assert database.use_wal() == "wal"
    with database.writing() as session:
        assert session.execute("PRAGMA synchronous") == [(2,)], "no figure counts with durability off"
    database.close()
    fill(url, accounts, 0)
    yield from _opened(url, accounts)


def _opened(url: str, accounts: int) -> Generator[Ledger]:
    ledger = Ledger(url, accounts)
    try:
        yield ledger
    finally:
        ledger.close()
