"""Whatever is changed in the books behind the database's back, in any column of any row, `verify` finds it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from farthing import Credits
from farthing.ledger.verifying import look, verify
from farthing.store.database import Session
from farthing.store.dialects import Flag, Instant, Json, Row, Whole
from farthing.store.tables import claims, debts, entries, holds, lots, orders, wallets
from tests.databases import Databases
from tests.kit import Clock
from tests.store.everything import everything, tampering

pytestmark = [pytest.mark.row("L14"), pytest.mark.long]

BOOKS = (wallets, lots, debts, holds, claims, entries, orders)
FREE = {
    # `erase` may blank these, so no seal covers them.
    *(entries.c.reason, entries.c.actor, entries.c.metadata, orders.c.return_url, orders.c.paying),
    orders.c.url,  # an address that a provider gave, and nobody else knows
}
MAY_BE_LATER = wallets.c.recorded_at  # a job looked and found nothing due; but it cannot have overlooked anything
MAY_BE_EARLY = wallets.c.next_change_at  # a reader then looks too soon; later, and what is due would be overlooked
TO_COME = ("ada", "images")  # the wallet in which something is still to come, so that both are bound
AGES = timedelta(days=20_000)

Planted = tuple[str, str, list[Any]]  # what it is, the statement, its values


def test_any_column_of_any_row_changed_is_found(databases: Databases, clock: Clock, count: Callable[[int, int], int]):
    assert unfound(databases, clock, count(1, 10_000), changes) == []


def test_any_row_missing_or_copied_is_found(databases: Databases, clock: Clock, count: Callable[[int, int], int]):
    assert unfound(databases, clock, count(3, 10_000), lambda *given: [*removals(*given), *copies(*given)]) == []


def unfound(
    databases: Databases, clock: Clock, most: int, plan: Callable[[Session, sa.Table, list[Row]], Any]
) -> list[str]:
    """The planted changes that `verify` did not see, of `most` rows for each column."""
    missed: list[str] = []
    with databases.migrated() as url, everything(url, clock) as credits:
        assert verify(credits.database).faults == []
        for table in BOOKS:
            with tampering(credits) as session:
                rows = session.execute(f"SELECT {', '.join(table.c.keys())} FROM {table.name}")
                assert rows
                planted = list(plan(session, table, rows))
            for what in {what.partition(" of ")[0]: what for what, _, _ in planted}:
                some = [one for one in planted if one[0].partition(" of ")[0] == what]
                random.Random(what).shuffle(some)
                missed += [one[0] for one in some[:most] if not found(credits, *one[1:])]
    return missed


def found(credits: Credits, statement: str, values: list[Any]) -> bool:
    """Whether the database refuses the change or `verify` sees it; then it is undone."""
    with tampering(credits) as session:
        try:
            session.execute(statement, values)
        except Exception as refused:
            assert "constraint" in str(refused).lower(), f"{refused}: {statement} {values}"
            return True
        return not look(session, None).proved
    raise AssertionError


def changes(session: Session, table: sa.Table, rows: list[Row]) -> Iterator[Planted]:
    for row in rows:
        for place, column in enumerate(table.c):
            unbound = column in (MAY_BE_EARLY, MAY_BE_LATER) and row[:2] != TO_COME
            if column not in FREE and not unbound:
                for other in others(session, column, row[place]):
                    yield (
                        f"{column} of {row}: {other}",
                        f"UPDATE {table.name} SET {column.name} = ? WHERE {keyed(table)}",
                        [other, *key(table, row)],
                    )


def removals(session: Session, table: sa.Table, rows: list[Row]) -> Iterator[Planted]:
    for row in rows:
        yield f"{table} of {row} removed", f"DELETE FROM {table.name} WHERE {keyed(table)}", key(table, row)


def copies(session: Session, table: sa.Table, rows: list[Row]) -> Iterator[Planted]:
    last = list(table.primary_key)[-1]
    names = ", ".join(table.c.keys())
    for row in rows:
        for other in others(session, last, row[list(table.c).index(last)]):
            shown = [
                "?" if column is last else f"{column.name} || 'x'" if column.name == "key" else column.name
                for column in table.c
            ]
            yield (
                f"{table} copied of {row}",
                f"INSERT INTO {table.name} ({names}) SELECT {', '.join(shown)} FROM {table.name} WHERE {keyed(table)}",
                [other, *key(table, row)],
            )


def keyed(table: sa.Table) -> str:
    return " AND ".join(f"{column.name} = ?" for column in table.primary_key)


def key(table: sa.Table, row: Row) -> list[Any]:
    return [value for column, value in zip(table.c, row, strict=True) if column.primary_key]


def others(session: Session, column: sa.Column[Any], value: Any) -> list[Any]:
    """What a column could hold instead, as the database takes it."""
    if column is MAY_BE_EARLY:
        return [None, later(value, AGES)]
    if column is MAY_BE_LATER:
        return [later(value, -timedelta(microseconds=1)), later(value, AGES)]
    gone = [None] if column.nullable and value is not None else []
    kind = column.type
    if kind is Whole and value is not None:
        return [*gone, value + 1000] if column.primary_key else [value + 1, value - 1, *gone]
    if kind is Instant:
        now = session.dialect.time_in(Clock().now)
        return [*gone, now] if value is None else [*gone, later(value, timedelta(microseconds=1))]
    if kind is Flag:
        return [not value]
    if kind is Json:
        return [*gone, json.dumps(rewritten(session.dialect.json_out(value)))]
    if isinstance(kind, sa.LargeBinary):
        return [*gone, b"x" if value is None else bytes([bytes(value)[0] ^ 1]) + bytes(value)[1:]]
    return [*gone, f"{value or ''}x"]


def later(stored: Any, by: timedelta) -> Any:
    return stored + by // timedelta(microseconds=1) if isinstance(stored, int) else stored + by


def rewritten(value: Any) -> Any:
    """JSON that says something else: one number or word of it, or one more part."""
    if isinstance(value, dict):
        name = max(value, key=lambda name: (isinstance(value[name], int), name))
        return {**value, name: rewritten(value[name])}
    if isinstance(value, list):
        return [*value[:-1], rewritten(value[-1])] if value else [[1, 1, 0]]
    return value + 1 if isinstance(value, int) else f"{value or ''}x"
