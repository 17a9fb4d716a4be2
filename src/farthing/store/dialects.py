"""What only one database can do: the one file that says "sqlite" or "postgresql".

Statements are written once with `?` for a value. Bulk statements (`insert_many`, `update_many`, `select_each`) are
one statement over arrays on PostgreSQL, and a prepared statement repeated on SQLite, where a call costs no trip.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from itertools import count
from typing import Any, Literal, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, make_url

from farthing.core.calendar import instant, micros
from farthing.errors import SettingsInvalid

BUSY_TIMEOUT_S = 30
HURRY_MS = 100
REFUSAL = "the Farthing ledger is append-only: nothing was changed"

Word = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Whole = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
Flag = sa.Integer().with_variant(sa.Boolean(), "postgresql")
Json = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
Instant = sa.Integer().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")

Row = tuple[Any, ...]
Trouble = Literal["busy", "retry", "unique", "lost", "missing", "readonly", "full", "other"]
State = Literal["open", "later", "none", "failed"]
"""Of a host's transaction; "later": its driver begins it with a statement to come."""
Run = Callable[[Callable[[Any], Awaitable[Any]]], Any]
"""Calls a function with the driver's connection and waits for what it awaits."""


class Session(Protocol):
    """One connection inside one transaction, whoever owns it."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Row]: ...

    def executemany(self, sql: str, rows: Sequence[Row]) -> None: ...


class About(NamedTuple):
    """What a database says of itself. `journal_mode` is None where there is no choice of one."""

    version: str
    oldest: str  # that Farthing runs on
    supported: bool
    clock: datetime
    journal_mode: str | None


def table_options(*, fillfactor: int | None = None) -> dict[str, Any]:
    """Keyword arguments for `sa.Table`: strict and clustered by key on SQLite, room for in-place updates elsewhere."""
    options: dict[str, Any] = {"sqlite_with_rowid": False, "sqlite_strict": True}
    if fillfactor:
        options["postgresql_with"] = {"fillfactor": fillfactor}
    return options


class SQLite:
    """SQLite 3.37 or later, through the standard library; autocommit mode, so that BEGIN IMMEDIATE is ours to say."""

    name = "sqlite"
    begin = begin_hurried = "BEGIN IMMEDIATE"
    begin_reading = "BEGIN"
    by_key = None
    locks_rows = False
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
        """Never: a statement that fails undoes only itself."""
        return False

    def lock_rows(self, session: Session, table: sa.Table, keys: Sequence[Row], *, wait: bool) -> list[Row]:
        return self.select_each(session, table, ("account", "credit_type"), keys)

    def select_each(
        self, session: Session, table: sa.Table, by: tuple[str, ...], keys: Sequence[Row], tail: str = ""
    ) -> list[Row]:
        statement = f"SELECT {_names(table)} FROM {table.name} WHERE {_equal(by)} {tail}"
        return [row for key in keys for row in session.execute(statement, key)]

    def insert_many(self, session: Session, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            session.executemany(_insert(table), rows)

    def update_many(self, session: Session, table: sa.Table, sets: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            changes = ", ".join(f"{name} = ?" for name in sets)
            session.executemany(f"UPDATE {table.name} SET {changes} WHERE {_equal(_key(table))}", rows)

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
        same_key = _equal(_key(table), "new.")
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


class PostgreSQL:
    """PostgreSQL 14 or later, through psycopg 3."""

    name = "postgresql"
    begin = f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s'"  # the writer waits only a moment
    begin_hurried = None  # psycopg begins with the first statement
    begin_reading = None
    by_key = "SET LOCAL enable_seqscan = off"
    locks_rows = True
    remedy = "Check that it runs and that the URL is right"
    shared = "FOR SHARE"
    exclusive = "FOR UPDATE"
    memory = False
    drivers = "psycopg 3"
    begin_later = claim = None  # psycopg begins with the first statement, rows are locked one by one
    way_out = 'Where it calls several verbs, lock their accounts first: `tx.lock(["ada", "bob"])`'

    def __init__(self, url: URL) -> None:
        self.settled_scales: set[tuple[str, int]] = set()
        said = url.query.get("options", ())
        self._options = [said] if isinstance(said, str) else list(said)

    def engine_options(self, *, writes: bool) -> dict[str, Any]:
        settings = ["timezone=UTC"]
        if writes:
            settings += ["default_transaction_isolation=read\\ committed"]
            # A plan made while a table was empty would scan it for ever: the writer's statements all go by key.
            settings += ["enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off"]
            settings += [f"lock_timeout={HURRY_MS}ms"]
        else:
            settings += ["default_transaction_isolation=repeatable\\ read", "default_transaction_read_only=on"]
        options = " ".join([*self._options, *(f"-c {setting}" for setting in settings)])
        return {
            "connect_args": {"options": options, "connect_timeout": 10},
            "pool_size": 8,
            "max_overflow": 24,
        }

    def speaks_through(self, driver: Any) -> bool:
        """Whether this is a connection of psycopg 3."""
        from psycopg import AsyncConnection, Connection

        return isinstance(driver, Connection | AsyncConnection)

    def own_cursor(self, driver: Any, run: Run | None) -> Any:
        """A cursor with our ways of reading and writing values, whatever the host set for its own."""
        from psycopg.rows import tuple_row

        plain, awaited = _own_cursors()
        return (awaited if run else plain)(driver, row_factory=tuple_row)

    def state(self, driver: Any) -> State:
        """Of the transaction on a host's connection."""
        status = driver.info.transaction_status.name
        if status == "INERROR":
            return "failed"
        if status == "IDLE":
            return "none" if driver.autocommit else "later"
        return "open"

    def begins_late(self, driver: Any) -> bool:
        """Never in a way that matters: a SAVEPOINT begins the transaction around it."""
        return False

    def streaming_cursor(self, connection: Any) -> Any:
        return connection.cursor(name=f"farthing_{next(_cursors)}")  # a named cursor's rows stay on the server

    def sql(self, statement: str) -> str:
        return _percent(statement)

    def time_in(self, at: datetime | None) -> datetime | None:
        return at

    def time_out(self, stored: Any) -> datetime | None:
        return stored.astimezone(UTC) if stored is not None and stored.tzinfo is not UTC else stored

    def json_out(self, stored: Any) -> Any:
        return stored

    def died(self, connection: Any) -> bool:
        """Whether a statement failed, so that COMMIT would silently be a ROLLBACK."""
        return connection.driver_connection.info.transaction_status.name == "INERROR"

    def lock_rows(self, session: Session, table: sa.Table, keys: Sequence[Row], *, wait: bool) -> list[Row]:
        """The rows that exist, locked in byte order of the key; those held by others are left out unless `wait`."""
        statement = (
            f"SELECT {_names(table, 't.')} FROM {table.name} t JOIN {_unnest(table, _key(table))} "
            f"USING (account, credit_type) ORDER BY t.account, t.credit_type FOR UPDATE OF t"
        )
        return session.execute(statement if wait else statement + " SKIP LOCKED", _columns(keys))

    def select_each(
        self, session: Session, table: sa.Table, by: tuple[str, ...], keys: Sequence[Row], tail: str = ""
    ) -> list[Row]:
        """LATERAL with a limit looks each key up by itself: no plan for it can read the whole index."""
        match = " AND ".join(f"t.{name} = k.{name}" for name in by)
        statement = (
            f"SELECT found.* FROM {_unnest(table, by)} CROSS JOIN LATERAL "
            f"(SELECT {_names(table, 't.')} FROM {table.name} t WHERE {match} {tail or 'LIMIT 1'}) found"
        )
        return session.execute(statement, _columns(keys)) if keys else []

    def insert_many(self, session: Session, table: sa.Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(table.c.keys())
            statement = f"INSERT INTO {table.name} ({_names(table)}) SELECT * FROM {_unnest(table, names)}"
            session.execute(statement, _columns(rows))

    def update_many(self, session: Session, table: sa.Table, sets: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            key = _key(table)
            changes = ", ".join(f"{name} = k.{name}" for name in sets)
            match = " AND ".join(f"t.{name} = k.{name}" for name in key)
            statement = f"UPDATE {table.name} t SET {changes} FROM {_unnest(table, sets + key)} WHERE {match}"
            session.execute(statement, _columns(rows))

    def trouble(self, error: BaseException) -> Trouble:
        state = getattr(error, "sqlstate", None)
        known: dict[str | None, Trouble] = {
            "40001": "retry", "40P01": "retry", "55P03": "busy", "57014": "busy", "25P03": "lost",
            "23505": "unique", "42P07": "unique", "42P01": "missing", "42703": "missing", "25006": "readonly",
            "53100": "full",
        }  # fmt: skip
        if state in known:
            return known[state]
        operational = type(error).__name__ in ("OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow")
        shut = (state or "").startswith(("08", "57P"))
        return (
            "lost" if shut or (operational and state is None) or "InterfaceError" in type(error).__name__ else "other"
        )

    def append_only(self, table: sa.Table, erasable: frozenset[str]) -> list[str]:
        """Triggers that let nobody change `table` but to blank its `erasable` columns (superusers can drop them)."""
        kept = " AND ".join(
            f"new.{name} IS NOT DISTINCT FROM old.{name}" for name in table.c.keys() if name not in erasable
        )
        blank = " AND ".join(f"new.{name} IS NULL" for name in sorted(erasable))
        function = f"{table.name}_refuse"
        return [
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
            f"CREATE TRIGGER {table.name}_no_delete BEFORE DELETE ON {table.name} "
            f"FOR EACH ROW EXECUTE FUNCTION {function}()",
            f"CREATE TRIGGER {table.name}_no_update BEFORE UPDATE ON {table.name} "
            f"FOR EACH ROW WHEN (NOT ({kept} AND {blank})) EXECUTE FUNCTION {function}()",
            f"CREATE TRIGGER {table.name}_no_truncate BEFORE TRUNCATE ON {table.name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        ]

    def use_wal(self, session: Session) -> None:
        """There is nothing to choose: readers and writers never wait for each other."""

    def about(self, session: Session) -> About:
        """What the server says of itself."""
        version, number, clock = session.execute(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int, clock_timestamp()"
        )[0]
        return About(f"PostgreSQL {version}", "PostgreSQL 14", number >= 140000, clock, None)


Dialect = SQLite | PostgreSQL
_cursors = count()


def parse_url(url: str | URL) -> tuple[URL, Dialect]:
    """The SQLAlchemy URL with the driver Farthing uses, and its dialect.

    Raises:
        SettingsInvalid: not a database URL, or a database that Farthing does not know.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise SettingsInvalid(
            'The database URL cannot be read. Write "sqlite:///app.db" or "postgresql://user:password@host/name".'
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.host:
            raise SettingsInvalid(
                f'The path of an SQLite file comes after three slashes: write "sqlite:///{parsed.host}".'
            )
        return parsed.set(drivername="sqlite"), SQLite(parsed)
    if backend in ("postgresql", "postgres"):
        if find_spec("psycopg") is None:
            raise SettingsInvalid('PostgreSQL needs a driver that is not installed: pip install "farthing[postgres]".')
        return parsed.set(drivername="postgresql+psycopg"), PostgreSQL(parsed)
    raise SettingsInvalid(f"Farthing runs on SQLite and PostgreSQL, not on {backend!r}.")


def elsewhere(dialect: Dialect) -> Dialect:
    """The same for a connection that may lead to another database: it knows nothing of that yet."""
    other = copy(dialect)
    other.settled_scales = set()
    return other


def dialect_of(connection: sa.Connection) -> Dialect:
    """The dialect of a SQLAlchemy connection."""
    return parse_url(connection.engine.url)[1]


def where(condition: str) -> dict[str, Any]:
    """Keyword arguments for `sa.Index`: only rows for which `condition` holds."""
    return {f"{name}_where": sa.text(condition) for name in (SQLite.name, PostgreSQL.name)}


def tune(engine: sa.Engine, *, writes: bool) -> None:
    """Numbers reach psycopg always as 64 bits wide, or each size of number would be a statement of its own."""
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _wide_numbers)
    elif writes:
        event.listen(engine, "begin", _begin_immediate)


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _wide_numbers(connection: Any, _record: Any) -> None:
    from psycopg.types.numeric import Int8Dumper

    connection.adapters.register_dumper(int, Int8Dumper)


@cache
def _own_cursors() -> tuple[type[Any], type[Any]]:
    """psycopg's cursors, plain and awaited, with its own adapters instead of those of their connection."""
    from psycopg import AsyncCursor, Cursor, adapt, adapters
    from psycopg.types.numeric import Int8Dumper

    ours = adapt.AdaptersMap(adapters)
    ours.register_dumper(int, Int8Dumper)

    return type("OwnCursor", (Cursor,), {"adapters": ours}), type("OwnAsyncCursor", (AsyncCursor,), {"adapters": ours})


@cache
def _percent(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


@cache
def _names(table: sa.Table, prefix: str = "") -> str:
    return ", ".join(prefix + name for name in table.c.keys())


@cache
def _key(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@cache
def _equal(names: tuple[str, ...], right: str = "") -> str:
    return " AND ".join(f"{name} = {right + name if right else '?'}" for name in names)


@cache
def _insert(table: sa.Table) -> str:
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES ({', '.join('?' * len(table.c))})"


@cache
def _unnest(table: sa.Table, names: tuple[str, ...]) -> str:
    types = [table.c[name].type.compile(postgresql.dialect()).split(" COLLATE")[0] for name in names]
    arrays = ", ".join(f"?::{kind}[]" for kind in types)
    return f"unnest({arrays}) AS k({', '.join(names)})"


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
