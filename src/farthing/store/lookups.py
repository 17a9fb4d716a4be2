"""Which orders their providers are asked about, and when next: one row for each, which is also the lease on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from farthing.core.orders import Order
from farthing.store.database import Session

SOONEST = timedelta(minutes=10)


class Lookup(NamedTuple):
    """An order that is to be asked about; `failures` in a row came to nothing."""

    account: str
    order: str
    failures: int


def add(session: Session, order: Order) -> None:
    """A new order is asked about once its webhook had time to come."""
    session.execute(
        "INSERT INTO farthing_lookups (account, order_id, due_at, failures) VALUES (?, ?, ?, 0)",
        (order.account, order.id, session.dialect.time_in(order.created_at + SOONEST)),
    )


def take_due(
    session: Session, now: datetime, *, account: str | None, until: datetime, limit: int
) -> list[Lookup]:  # fmt: skip
    """The orders that are due, longest due first, leased until then: no other worker is given them meanwhile."""
    moment = session.dialect.time_in(now)
    own, params = ("AND account = ?", (account,)) if account is not None else ("", ())
    chosen = (
        f"SELECT account, order_id FROM farthing_lookups WHERE due_at <= ? {own} ORDER BY due_at, account, order_id "
        "LIMIT ?"
    )
    leased = session.execute(
        f"UPDATE farthing_lookups SET due_at = ? WHERE (account, order_id) IN ({chosen}) AND due_at <= ? "
        "RETURNING account, order_id, failures",
        (session.dialect.time_in(until), moment, *params, limit, moment),
    )
    return [Lookup._make(row) for row in sorted(leased)]


def keep(session: Session, account: str, order: str, *, due_at: datetime | None, failures: int = 0) -> None:
    """Writes when the order is asked about next; None: it needs not be any more."""
    if due_at is None:
        session.execute("DELETE FROM farthing_lookups WHERE account = ? AND order_id = ?", (account, order))
        return
    session.execute(
        "UPDATE farthing_lookups SET due_at = ?, failures = ? WHERE account = ? AND order_id = ?",
        (session.dialect.time_in(due_at), failures, account, order),
    )


def put_off(session: Session, orders: Iterable[Lookup], *, due_at: datetime) -> None:
    """Orders that were leased and not asked about."""
    for one in orders:
        keep(session, one.account, one.order, due_at=due_at, failures=one.failures)
