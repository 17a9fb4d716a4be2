"""SQLite, through the standard library."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from farthing.core.calendar import instant, micros
from farthing.store.dialects.parts import (
    BUSY_TIMEOUT_S,
    REFUSAL,
    About,
    Ask,
    Row,
    Run,
    Session,
    State,
    Trouble,
    equal,
    insert,
    key,
    names,
)


class SQLite:
    """SQLite 3.37 or later, through the standard library; autocommit mode, so that BEGIN IMMEDIATE is ours to say."""

    name = "sqlite"
    begin = "BEGIN IMMEDIATE"
    begin_reading = "BEGIN"
    by_key = None
    locks_rows = False
    pipe = None  # a call of the library takes no trip that others could share
    remedy = "Check that the file's folder exists and that you may read and write there"
    shared = exclusive = ""  # a transaction that writes is alone
    drivers = "the standard library's sqlite3 and aiosqlite"
    begin_later = "BEGIN IMMEDIATE"
    # Taking the right to write before anything is read: what was read could be old when it comes to writing.
    claim = "UPDATE farthing_meta SET value = value WHERE 0"
    way_out = (
        "Begin it with BEGIN IMMEDIATE, or with a write before it reads anything, and it waits its turn instead. "
        "See docs/embed.md"
    )

    def __init__(self, url: URL) -> None:
        self.memory = url.database in (None, "", ":memory:")
        self.settled_scales: set[tuple[str, int]] = set()

    def speaks_through(self, driver: Any) -> bool:
        """Whether this is a connection of the standard library's driver, or of aiosqlite."""
        aiosqlite = sys.modules.get("aiosqlite")
        return isinstance(driver, sqlite3.Connection) or bool(aiosqlite and isinstance(driver, aiosqlite.Connection))

    def own_cursor(self, driver: Any, run: Run | None) -> Any:
        """A cursor whose rows are tuples, whatever the host made of its own."""
        cursor = run(lambda connection: connection.cursor()) if run else driver.cursor()
        cursor.row_factory = None
        return cursor

    def state(self, driver: Any) -> State:
        """Of the transaction on a host's connection."""
        if driver.in_transaction:
            return "open"
        return "later" if self.begins_late(driver) else "none"

    def begins_late(self, driver: Any) -> bool:
        """Whether the driver says BEGIN itself, and not before a write: then a SAVEPOINT may stand outside of it."""
        return driver.isolation_level is not None and getattr(driver, "autocommit", -1) == -1

    def engine_options(self, *, writes: bool) -> dict[str, Any]:
        options: dict[str, Any] = {
            "connect_args": {"isolation_level": None, "check_same_thread": False, "timeout": BUSY_TIMEOUT_S}
        }
        return options | ({"poolclass": sa.StaticPool} if self.memory else {"pool_size": 8, "max_overflow": 56})

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor()

    def sql(self, statement: str) -> str:
        return statement

    def time_in(self, at: datetime | None) -> int | None:
        return None if at is None else micros(at)

    def time_out(self, stored: Any) -> datetime | None:
        return None if stored is None else instant(stored)

    def json_out(self, stored: Any) -> Any:
        return None if stored is None else json.loads(stored)

    def died(self, connection: Any) -> bool:
        """Whether the whole transaction was undone, as on a full disk, so that COMMIT would keep nothing."""
        return not connection.driver_connection.in_transaction

    def select_together(self, session: Session, asks: Sequence[Ask]) -> list[list[Row]]:
        """The rows of several look-ups, in their order."""
        return [self.select_each(session, one.table, one.by, one.keys, one.tail) for one in asks]

    def lock_rows(self, session: Session, table: sa.Table, keys: Sequence[Row], *, wait: bool) -> list[Row]:
        return self.select_each(session, table, ("account", "credit_type"), keys)

    def select_each(
        self, session: Session, table: sa.Table, by: tuple[str, ...], keys: Sequence[Row], tail: str = ""
    ) -> list[Row]:
        statement = f"SELECT {names(table)} FROM {table.name} WHERE {equal(by)} {tail}"
        return [row for key in keys for row in session.execute(statement, key)]

    def insert_many(self, session: Session, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            session.executemany(insert(table), rows)

    def update_many(self, session: Session, table: sa.Table, sets: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            changes = ", ".join(f"{name} = ?" for name in sets)
            session.executemany(f"UPDATE {table.name} SET {changes} WHERE {equal(key(table))}", rows)

    def trouble(self, error: BaseException) -> Trouble:
        if isinstance(error, sqlite3.IntegrityError):
            return "unique" if "UNIQUE" in str(error) else "other"
        if not isinstance(error, sqlite3.DatabaseError):
            return "other"
        known: list[tuple[str, Trouble]] = [
            ("locked", "busy"), ("no such table", "missing"), ("no such column", "missing"),
            ("readonly", "readonly"), ("unable to open", "lost"), ("disk I/O", "lost"),
            ("not a database", "lost"), ("malformed", "lost"), ("is full", "full"),
        ]  # fmt: skip
        for words, kind in known:
            if words in str(error):
                return kind
        return "other"

    def append_only(self, table: sa.Table, erasable: frozenset[str]) -> list[str]:
        """Triggers that let nobody change `table` but to blank its `erasable` columns.

        A delete trigger does not fire for INSERT OR REPLACE, so an insert over an existing row is refused as well.
        """
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        same_key = equal(key(table), "new.")
        kept = " AND ".join(f"new.{name} IS old.{name}" for name in table.c.keys() if name not in erasable)
        blank = " AND ".join(f"new.{name} IS NULL" for name in sorted(erasable))
        exists = f"EXISTS (SELECT 1 FROM {table.name} WHERE {same_key})"
        same_unique = f"EXISTS (SELECT 1 FROM {table.name} WHERE account = new.account AND key = new.key)"
        return [
            f"CREATE TRIGGER {table.name}_no_delete BEFORE DELETE ON {table.name} {refuse}",
            f"CREATE TRIGGER {table.name}_no_update BEFORE UPDATE ON {table.name} "
            f"WHEN NOT ({kept} AND {blank}) {refuse}",
            f"CREATE TRIGGER {table.name}_no_replace BEFORE INSERT ON {table.name} "
            f"WHEN {exists} OR {same_unique} {refuse}",
        ]

    def use_wal(self, session: Session) -> str:
        """Readers and the writer no longer wait for each other; the file keeps this mode. Returns the mode."""
        return session.execute("PRAGMA journal_mode=WAL")[0][0]

    def about(self, session: Session) -> About:
        """What the library and the file say of themselves."""
        [[version, text]] = session.execute("SELECT sqlite_version(), strftime('%Y-%m-%d %H:%M:%f', 'now')")
        supported = tuple(int(part) for part in version.split(".")[:2]) >= (3, 37)
        clock = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return About(f"SQLite {version}", "SQLite 3.37", supported, clock, session.execute("PRAGMA journal_mode")[0][0])
