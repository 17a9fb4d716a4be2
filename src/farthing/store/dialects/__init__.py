"""What only one database can do: the one folder that says "sqlite" or "postgresql".

Statements are written once with `?` for a value. Bulk statements (`insert_many`, `update_many`, `select_each`) are
one statement over arrays on PostgreSQL, and a prepared statement repeated on SQLite, where a call costs no trip.
"""

from __future__ import annotations

from copy import copy
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, make_url

from farthing.errors import SettingsInvalid
from farthing.store.dialects.parts import (
    BUSY_TIMEOUT_S,
    HURRY_MS,
    REFUSAL,
    About,
    Ask,
    Flag,
    Instant,
    Json,
    Row,
    Run,
    State,
    Trouble,
    Whole,
    Word,
    table_options,
)
from farthing.store.dialects.postgresql import PostgreSQL
from farthing.store.dialects.sqlite import SQLite

__all__ = [
    "BUSY_TIMEOUT_S",
    "HURRY_MS",
    "REFUSAL",
    "About",
    "Ask",
    "Dialect",
    "Flag",
    "Instant",
    "Json",
    "Row",
    "Run",
    "State",
    "Trouble",
    "Whole",
    "Word",
    "dialect_of",
    "elsewhere",
    "parse_url",
    "table_options",
    "tune",
    "where",
]

Dialect = SQLite | PostgreSQL


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
