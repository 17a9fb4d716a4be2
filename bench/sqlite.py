"""The floor on SQLite: an UPDATE and an INSERT through Python's own sqlite3, every commit flushed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from bench.measure import Contender, Inexact, Run

FUNDS = 10**12
TABLES = """
CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries (account TEXT, key TEXT, amount INTEGER NOT NULL, PRIMARY KEY (account, key))
    STRICT, WITHOUT ROWID;
"""
TALLY = "SELECT (SELECT count(*) FROM entries), (SELECT sum(? - balance) FROM balances)"


class RawSqlite:
    """One connection in a plain loop."""

    def __init__(self, path: Path, accounts: int) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._accounts = [f"user-{number}" for number in range(1, accounts + 1)]
        self._entries = 0
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(TABLES)
        rows = [(account, FUNDS) for account in self._accounts]
        self._connection.executemany("INSERT INTO balances VALUES (?, ?)", rows)

    def at(self, per_transaction: int) -> Contender:
        """So many operations in each transaction."""

        def work(seconds: float) -> Run:
            prefix, done = uuid4().hex[:12], 0
            began = perf_counter()
            while perf_counter() < began + seconds:
                self._connection.execute("BEGIN IMMEDIATE")
                for _ in range(per_transaction):
                    self._deduct(random.choice(self._accounts), f"{prefix}:{done}")
                    done += 1
                self._connection.execute("COMMIT")
            run = Run(done, perf_counter() - began)
            self._prove(run)
            return run

        return work

    def close(self) -> None:
        self._connection.close()

    def _deduct(self, account: str, key: str) -> None:
        paid = "UPDATE balances SET balance = balance - 1 WHERE account = ? AND balance >= 1"
        if self._connection.execute(paid, (account,)).rowcount == 1:
            self._connection.execute("INSERT INTO entries VALUES (?, ?, -1)", (account, key))

    def _prove(self, run: Run) -> None:
        [(entries, debited)] = self._connection.execute(TALLY, (FUNDS,)).fetchall()
        if not entries == debited == self._entries + run.operations:
            raise Inexact(f"raw SQLite says {run.operations}, wrote {entries - self._entries}")
        self._entries = entries


@contextmanager
def raw_sqlite(path: Path, accounts: int) -> Generator[RawSqlite]:
    raw = RawSqlite(path, accounts)
    yield raw
    raw.close()
