"""What both dialects are made of: column types, statements, and the words they share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

BUSY_TIMEOUT_S = 30
HURRY_MS = 100
REFUSAL = "the Farthing ledger is append-only: nothing was changed"


class _Jsonb(UserDefinedType[Any]):
    """What SQLAlchemy has in its PostgreSQL dialect, which takes longer to load than all of Farthing."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSONB"


Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Whole = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
Flag = sa.Integer().with_variant(sa.Boolean(), "postgresql")
Json = sa.Text().with_variant(_Jsonb(), "postgresql")
Instant = sa.Integer().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")

Row = tuple[Any, ...]
Trouble = Literal["busy", "retry", "unique", "lost", "missing", "readonly", "full", "other"]
State = Literal["open", "later", "none", "failed"]
"""Of a host's transaction; "later": its driver begins it with a statement to come."""
Run = Callable[[Callable[[Any], Awaitable[Any]]], Any]
"""Calls a function with the driver's connection and waits for what it awaits."""


class Ask(NamedTuple):
    """One look-up: the rows of `table` whose `by` are one of `keys`. `wait` not None: locked, and whether to wait."""

    table: sa.Table
    by: tuple[str, ...]
    keys: Sequence[Row]
    tail: str = ""
    wait: bool | None = None


class Session(Protocol):
    """One connection inside one transaction, whoever owns it. `alone`: its plans are made for single keys."""

    @property
    def alone(self) -> bool: ...

    def together(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[list[Row]]: ...

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


@cache
def names(table: sa.Table, prefix: str = "") -> str:
    return ", ".join(prefix + name for name in table.c.keys())


@cache
def key(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.primary_key)


@cache
def equal(names: tuple[str, ...], right: str = "") -> str:
    return " AND ".join(f"{name} = {right + name if right else '?'}" for name in names)


@cache
def insert(table: sa.Table) -> str:
    return f"INSERT INTO {table.name} ({names(table)}) VALUES ({', '.join('?' * len(table.c))})"
