"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from farthing.store import arrays
from farthing.store.arrays import Encoder
from farthing.store.dialects.parts import (
    BUSY_TIMEOUT_S,
    HURRY_MS,
    REFUSAL,
    About,
    Ask,
    Row,
    Run,
    Session,
    State,
    Trouble,
    key,
    names,
)

_cursors = count()


class PostgreSQL:
    """PostgreSQL 14 or later, through psycopg 3."""

    name = "postgresql"
    begin = f"SET LOCAL lock_timeout = '{BUSY_TIMEOUT_S}s'"  # the writer waits only a moment
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
            settings += [f"lock_timeout={HURRY_MS}ms", "plan_cache_mode=force_generic_plan"]
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

    def pipe(self, driver: Any) -> Any:
        """Pipeline mode for a connection of psycopg 3."""
        from farthing.store.dialects.pipe import Pipe

        return Pipe(driver)

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

    def select_together(self, session: Session, asks: Sequence[Ask]) -> list[list[Row]]:
        """The rows of several look-ups, in their order, sent together where the session can."""
        return session.together([_look_up(one, alone=session.alone) for one in asks])

    def lock_rows(self, session: Session, table: sa.Table, keys: Sequence[Row], *, wait: bool) -> list[Row]:
        """The rows that exist, locked in byte order of the key; those held by others are left out unless `wait`."""
        return session.execute(*_look_up(Ask(table, key(table), keys, wait=wait)))

    def select_each(
        self, session: Session, table: sa.Table, by: tuple[str, ...], keys: Sequence[Row], tail: str = ""
    ) -> list[Row]:
        return session.execute(*_look_up(Ask(table, by, keys, tail), alone=session.alone)) if keys else []

    def insert_many(self, session: Session, table: sa.Table, rows: Sequence[Row]) -> None:
        columns = tuple(table.c.keys())
        if len(rows) == 1 and session.alone:
            session.execute(_insert_one(table), rows[0])
        elif rows:
            session.execute(_insert(table), _arrays(table, columns, rows))

    def update_many(self, session: Session, table: sa.Table, sets: tuple[str, ...], rows: Sequence[Row]) -> None:
        if len(rows) == 1 and session.alone:
            session.execute(_update_one(table, sets), rows[0])
        elif rows:
            session.execute(_update(table, sets), _arrays(table, sets + key(table), rows))

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


def _look_up(one: Ask, *, alone: bool = False) -> tuple[str, Sequence[Any]]:
    """The statement and its values. A single key needs no array, which would cost the server more than the row."""
    if alone and len(one.keys) == 1:
        return _select_one(one.table, one.by, one.tail, one.wait), one.keys[0]
    statement = _select(one.table, one.by, one.tail) if one.wait is None else _lock(one.table, wait=one.wait)
    return statement, _arrays(one.table, one.by, one.keys)


@cache
def _lock(table: sa.Table, *, wait: bool) -> str:
    return (
        f"SELECT {names(table, 't.')} FROM {table.name} t JOIN {_unnest(table, key(table))} "
        f"USING (account, credit_type) ORDER BY t.account, t.credit_type FOR UPDATE OF t"
        f"{'' if wait else ' SKIP LOCKED'}"
    )


@cache
def _select(table: sa.Table, by: tuple[str, ...], tail: str) -> str:
    """LATERAL with a limit looks each key up by itself: no plan for it can read the whole index."""
    match = " AND ".join(f"t.{name} = k.{name}" for name in by)
    return (
        f"SELECT found.* FROM {_unnest(table, by)} CROSS JOIN LATERAL "
        f"(SELECT {names(table, 't.')} FROM {table.name} t WHERE {match} {tail or 'LIMIT 1'}) found"
    )


@cache
def _select_one(table: sa.Table, by: tuple[str, ...], tail: str, wait: bool | None) -> str:
    locked = "" if wait is None else "FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED"
    return f"SELECT {names(table)} FROM {table.name} WHERE {_given(table, by, ' AND ')} {tail or 'LIMIT 1'} {locked}"


@cache
def _insert(table: sa.Table) -> str:
    return f"INSERT INTO {table.name} ({names(table)}) SELECT * FROM {_unnest(table, tuple(table.c.keys()))}"


@cache
def _insert_one(table: sa.Table) -> str:
    values = ", ".join(f"?::{kind}" for kind in _kinds(table, tuple(table.c.keys())))
    return f"INSERT INTO {table.name} ({names(table)}) VALUES ({values})"


@cache
def _update(table: sa.Table, sets: tuple[str, ...]) -> str:
    changes = ", ".join(f"{name} = k.{name}" for name in sets)
    match = " AND ".join(f"t.{name} = k.{name}" for name in key(table))
    return f"UPDATE {table.name} t SET {changes} FROM {_unnest(table, sets + key(table))} WHERE {match}"


@cache
def _update_one(table: sa.Table, sets: tuple[str, ...]) -> str:
    return f"UPDATE {table.name} SET {_given(table, sets, ', ')} WHERE {_given(table, key(table), ' AND ')}"


def _given(table: sa.Table, columns: tuple[str, ...], between: str) -> str:
    kinds = _kinds(table, columns)
    return between.join(f"{name} = ?::{kind}" for name, kind in zip(columns, kinds, strict=True))


@cache
def _unnest(table: sa.Table, columns: tuple[str, ...]) -> str:
    parts = ", ".join(f"?::{kind}[]" for kind in _kinds(table, columns))
    return f"unnest({parts}) AS k({', '.join(columns)})"


@cache
def _kinds(table: sa.Table, columns: tuple[str, ...]) -> list[str]:
    from sqlalchemy.dialects import postgresql

    return [table.c[name].type.compile(postgresql.dialect()).split(" COLLATE")[0] for name in columns]


@cache
def _encoders(table: sa.Table, columns: tuple[str, ...]) -> list[Encoder]:
    known = {"BYTEA": arrays.octets, "TIMESTAMP WITH TIME ZONE": arrays.instants}
    known |= {"TEXT": arrays.words, "JSONB": arrays.words}
    return [known.get(kind, arrays.plain) for kind in _kinds(table, columns)]


def _arrays(table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> list[str]:
    return [encode(column) for encode, column in zip(_encoders(table, columns), zip(*rows, strict=True), strict=True)]
