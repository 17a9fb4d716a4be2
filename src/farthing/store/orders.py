"""Orders, their payments and the names that providers know them by: rows to values and back."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from farthing.core.payments import Notice, Order, order_seal
from farthing.errors import EventUnreadable
from farthing.store import acts, sql
from farthing.store.acts import Act
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import orders, payments

_NAMES = ", ".join(orders.c.keys())
_CHANGING = ("state", "reason", "paid_by", "paid_minor", "tax_minor", "fulfilled_at")


def read(session: Session, account: str, order: str, *, locked: bool = False) -> Order | None:
    """One order with its payments; `locked`, so that it stays as read until the transaction ends."""
    lock = session.dialect.exclusive if locked else ""
    statement = f"SELECT {_NAMES} FROM farthing_orders WHERE account = ? AND id = ? {lock}"
    rows = session.execute(statement, (account, order))
    return _with_payments(session, rows)[0] if rows else None


def newest(session: Session, account: str, *, before: str | None, limit: int) -> list[Order]:
    """The account's orders older than the order `before`, newest first."""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_orders WHERE account = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (account, before or "~", limit),
    )
    return _with_payments(session, rows)


def rows_of_all(session: Session, account: str | None) -> Generator[tuple[Row, tuple[Notice, ...]]]:
    """Every order of an account, or of all, as its row and its payments. Close it before the session ends."""
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    with closing(session.stream(f"SELECT {_NAMES} FROM farthing_orders {where} ORDER BY account, id", params)) as rows:
        while some := list(islice(rows, 500)):
            payments = _payments(session, some)
            yield from ((row, tuple(payments[row[0], row[1]])) for row in some)


def add(session: Session, order: Order) -> None:
    """Writes a new order, and its id as a name its provider may call it by."""
    time_in = session.dialect.time_in
    row = (
        *order[:20], time_in(order.created_at), time_in(order.expires_at), *order[22:29], time_in(order.fulfilled_at),
        order_seal(order),
    )  # fmt: skip
    session.dialect.insert_many(session, orders, [row])
    acts.add(session, Act(order.account, order.key, "checkout", order.content, order.id, None, None, order.created_at))
    name(session, order, [order.id])


def set_started(session: Session, order: Order, *, reference: str, url: str) -> None:
    """Where the order is to be paid; the first answer stays."""
    session.execute(
        "UPDATE farthing_orders SET reference = ?, url = ? WHERE account = ? AND id = ? AND url IS NULL",
        (reference, url, order.account, order.id),
    )
    name(session, order, [reference])


def set_state(session: Session, order: Order) -> None:
    """Writes what payments may change of an order."""
    row = (*order[24:29], session.dialect.time_in(order.fulfilled_at), order.account, order.id)
    session.dialect.update_many(session, orders, _CHANGING, [row])


def keep_payment(session: Session, order: Order, payment: Notice) -> None:
    """Writes the strongest notice of a payment over the one before."""
    columns = ("said", "said_at", "amount_minor", "tax_minor", "currency", "reason")
    values = (payment.said, session.dialect.time_in(payment.at), *payment[3:])
    session.execute(
        f"INSERT INTO farthing_payments (account, order_id, payment, {', '.join(columns)}) "
        f"VALUES (?, ?, ?, {', '.join('?' * len(columns))}) ON CONFLICT (account, order_id, payment) "
        f"DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in columns)}",
        (order.account, order.id, payment.payment, *values),
    )


def name(session: Session, order: Order, references: Iterable[str]) -> None:
    """Notes that the order's provider calls it so."""
    for reference in references:
        session.execute(
            "INSERT INTO farthing_provider_references (provider, reference, account, order_id) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (provider, reference) DO NOTHING",
            (order.provider, reference, order.account, order.id),
        )


def references_of(session: Session, account: str) -> set[tuple[str, str]]:
    """What providers call the account's orders: provider and reference."""
    statement = "SELECT provider, reference FROM farthing_provider_references WHERE account = ?"
    return {(row[0], row[1]) for row in session.execute(statement, (account,))}


def lock_named(session: Session, provider: str, references: Iterable[str]) -> Order | None:
    """The order that a provider calls by one of these names, locked; None where none is ours.

    Raises:
        EventUnreadable: the names belong to different orders.
    """
    found: set[tuple[str, str]] = set()
    for reference in references:
        found |= {
            (row[0], row[1])
            for row in session.execute(
                "SELECT account, order_id FROM farthing_provider_references WHERE provider = ? AND reference = ?",
                (provider, reference),
            )
        }
    if len(found) > 1:
        raise EventUnreadable(f"The event names {len(found)} different orders. Nothing was changed.")
    return read(session, *found.pop(), locked=True) if found else None


def _with_payments(session: Session, rows: Sequence[Row]) -> list[Order]:
    found = _payments(session, rows)
    return [from_row(session, row, tuple(found[row[0], row[1]])) for row in rows]


def _payments(session: Session, rows: Sequence[Row]) -> dict[tuple[str, str], list[Notice]]:
    """The payments of these orders, by account and order."""
    found: dict[tuple[str, str], list[Notice]] = {(row[0], row[1]): [] for row in rows}
    for row in session.dialect.select_each(
        session, payments, ("account", "order_id"), [row[:2] for row in rows], "ORDER BY account, order_id, payment"
    ):
        found[row[0], row[1]].append(Notice(row[2], row[3], _time(session, row[4]), *row[5:9]))
    return found


def from_row(session: Session, row: Row, known: tuple[Notice, ...]) -> Order:
    """An order out of its row, with its payments."""
    created_at, expires_at, fulfilled_at = (_time(session, row[column]) for column in (20, 21, 29))
    working = sql.dumps(session.dialect.json_out(row[15]))
    bought = (*row[:3], bytes(row[3]), *row[4:15], working, row[16], bool(row[17]), *row[18:20])
    return Order._make((*bought, created_at, expires_at, *row[22:29], fulfilled_at, known))


def _time(session: Session, stored: Any) -> Any:
    return session.dialect.time_out(stored)
