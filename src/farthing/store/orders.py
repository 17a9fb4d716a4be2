"""Orders, their payments and the names that providers know them by: rows to values and back."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from farthing.core.orders import Order, Paying, Settlement, order_seal
from farthing.core.payments import Asks, Dispute, Notice, Refund
from farthing.store import acts, lookups, references, sql
from farthing.store.acts import Act
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import disputes, orders, payments, refunds, settlements

_NAMES = ", ".join(orders.c.keys())
_CHANGING = ("state", "reason", "paid_by", "paid_minor", "tax_minor", "fulfilled_at")


def read(session: Session, account: str, order: str, *, locked: bool = False) -> Order | None:
    """One order with its facts; `locked`, so that it stays as read until the transaction ends."""
    lock = session.dialect.exclusive if locked else ""
    statement = f"SELECT {_NAMES} FROM farthing_orders WHERE account = ? AND id = ? {lock}"
    rows = session.execute(statement, (account, order))
    return _with_facts(session, rows)[0] if rows else None


def newest(session: Session, account: str, *, before: str | None, limit: int) -> list[Order]:
    """The account's orders older than the order `before`, newest first."""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_orders WHERE account = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (account, before or "~", limit),
    )
    return _with_facts(session, rows)


def rows_of_all(
    session: Session, account: str | None, *, since: datetime | None = None
) -> Generator[tuple[Row, Told]]:  # fmt: skip
    """Every order of an account, or of all, as its row and what was told of it. Close it before the session ends.

    since: only those made then or later.
    """
    where, params = scope(session, account, since)
    with closing(session.stream(f"SELECT {_NAMES} FROM farthing_orders {where} ORDER BY account, id", params)) as rows:
        while some := list(islice(rows, 500)):
            told = _told(session, some)
            yield from ((row, told[row[0], row[1]]) for row in some)


def scope(session: Session, account: str | None, since: datetime | None) -> tuple[str, tuple[Any, ...]]:
    """The condition for orders of an account, made since then, and its parameters; None: no matter which, or when."""
    said = {"account = ?": account, "created_at >= ?": session.dialect.time_in(since)}
    given = {condition: value for condition, value in said.items() if value is not None}
    return (f"WHERE {' AND '.join(given)}" if given else ""), tuple(given.values())


def count(session: Session, account: str | None, *, since: datetime | None) -> int:
    """How many orders there are of an account, or in all."""
    where, params = scope(session, account, since)
    return session.execute(f"SELECT count(*) FROM farthing_orders {where}", params)[0][0]


def page_of_all(
    session: Session, account: str | None, *, since: datetime | None, after: tuple[str, str], limit: int
) -> list[Order]:
    """Orders of an account, or of all, behind this one (account, id), in that order."""
    where, params = scope(session, account, since)
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_orders {where or 'WHERE TRUE'} AND (account, id) > (?, ?) "
        "ORDER BY account, id LIMIT ?",
        (*params, *after, limit),
    )
    return _with_facts(session, rows)


def add(session: Session, order: Order) -> None:
    """Writes a new order, and its id as a name its provider may call it by."""
    time_in = session.dialect.time_in
    row = (
        *order[:20], time_in(order.created_at), time_in(order.expires_at), *order[22:29], time_in(order.fulfilled_at),
        order_seal(order), order.promo_code, order.promo_bonus, paying_in(order.paying),
    )  # fmt: skip
    session.dialect.insert_many(session, orders, [row])
    acts.add(session, Act(order.account, order.key, "checkout", order.content, order.id, None, None, order.created_at))
    references.name(session, order, [order.id])
    if order.state == "open":
        lookups.add(session, order)


def set_started(session: Session, order: Order, *, reference: str, url: str) -> None:
    """Where the order is to be paid, "" in a form; the first answer stays."""
    session.execute(
        "UPDATE farthing_orders SET reference = ?, url = ? WHERE account = ? AND id = ? AND url IS NULL",
        (reference, url, order.account, order.id),
    )
    references.name(session, order, [reference])


def set_state(session: Session, order: Order) -> None:
    """Writes what payments may change of an order."""
    row = (*order[24:29], session.dialect.time_in(order.fulfilled_at), order.account, order.id)
    session.dialect.update_many(session, orders, _CHANGING, [row])


def keep(session: Session, order: Order, fact: Notice | Refund | Dispute) -> None:
    """Writes the strongest fact of a payment, refund or dispute over the one before."""
    table, row = _row_of(order, fact)
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    said_at = names.index("said_at")
    session.execute(
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in names if name not in keys)}",
        (*row[:said_at], session.dialect.time_in(row[said_at]), *row[said_at + 1 :]),
    )


def keep_settlement(session: Session, order: Order, decided: Settlement) -> None:
    """Writes what an operator decided about one of its payments."""
    row = (order.account, order.id, *decided[:5], session.dialect.time_in(decided.at))
    session.dialect.insert_many(session, settlements, [row])


class Told(NamedTuple):
    """What providers said of an order's payments, the strongest fact of each; and what operators decided about them."""

    payments: tuple[Notice, ...] = ()
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    settled: tuple[Settlement, ...] = ()


def _with_facts(session: Session, rows: Sequence[Row]) -> list[Order]:
    told = _told(session, rows)
    return [from_row(session, row, told[row[0], row[1]]) for row in rows]


def _told(session: Session, rows: Sequence[Row]) -> dict[tuple[str, str], Told]:
    """What was told of these orders, by account and order."""
    owners = [(row[0], row[1]) for row in rows]

    def each(table: sa.Table) -> Iterator[tuple[tuple[str, str], Row]]:
        ordered = f"ORDER BY {', '.join(column.name for column in table.primary_key)}"
        for row in session.dialect.select_each(session, table, ("account", "order_id"), owners, ordered):
            yield (row[0], row[1]), row[2:]

    found: dict[tuple[str, str], tuple[list[Notice], list[Refund], list[Dispute], list[Settlement]]] = {
        owner: ([], [], [], []) for owner in owners
    }
    for owner, row in each(payments):
        found[owner][0].append(Notice(row[0], row[1], _time(session, row[2]), *row[3:8]))
    for owner, row in each(refunds):
        found[owner][1].append(Refund(row[0], row[1] or None, row[2], _time(session, row[3]), *row[4:6]))
    for owner, row in each(disputes):
        found[owner][2].append(Dispute._make((*row[:3], _time(session, row[3]), *row[4:7])))
    for owner, row in each(settlements):
        found[owner][3].append(Settlement._make((*row[:5], _time(session, row[5]))))
    return {owner: Told(*map(tuple, lists)) for owner, lists in found.items()}  # pyright: ignore[reportArgumentType]


def _row_of(order: Order, fact: Notice | Refund | Dispute) -> tuple[sa.Table, tuple[Any, ...]]:
    """The fact's table, and its row there. The sum of all refunds has no name of its own: it goes by ""."""
    owner = (order.account, order.id)
    if isinstance(fact, Refund):
        return refunds, (*owner, fact.payment, fact.refund or "", *fact[2:])
    return (disputes if isinstance(fact, Dispute) else payments), (*owner, *fact)


def from_row(session: Session, row: Row, told: Told) -> Order:
    """An order out of its row, with what was told of its payments."""
    created_at, expires_at, fulfilled_at = (_time(session, row[column]) for column in (20, 21, 29))
    working = sql.dumps(session.dialect.json_out(row[15]))
    bought = (*row[:3], bytes(row[3]), *row[4:15], working, row[16], bool(row[17]), *row[18:20])
    return Order._make(
        (
            *bought, created_at, expires_at, *row[22:29], fulfilled_at, told.payments, *row[31:33],
            told.refunds, told.disputes, paying_out(session.dialect.json_out(row[33])), told.settled,
        )
    )  # fmt: skip


def paying_in(paying: Paying) -> str | None:
    """As JSON, without what nobody said; None where nobody said anything."""
    said = {name: value for name, value in paying._asdict().items() if value}
    asks = [name for name, asked in paying.asks._asdict().items() if asked]
    return sql.dumps(said | {"asks": asks}) if paying != Paying() else None


def paying_out(stored: dict[str, Any] | None) -> Paying:
    if stored is None:
        return Paying()
    metadata, asks = sorted(stored.get("metadata", {}).items()), dict.fromkeys(stored["asks"], True)
    said: dict[str, Any] = {**stored, "metadata": dict(metadata), "asks": Asks(**asks)}
    return Paying(**said)


def _time(session: Session, stored: Any) -> Any:
    return session.dialect.time_out(stored)
