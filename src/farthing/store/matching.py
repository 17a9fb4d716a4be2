"""What reconciliation reads beside orders: lots by their place, credits of orders that are gone, events that wait."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from farthing.store.database import Session
from farthing.store.tables import lots

_NO_ORDER = (
    "SELECT e.account, e.link, e.key FROM farthing_entries e LEFT JOIN farthing_orders o ON o.id = e.link "
    "WHERE e.kind = 'grant' AND e.key >= 'farthing:order:' AND e.key < 'farthing:order;' AND o.id IS NULL"
)


class LotRow(NamedTuple):
    """What the row of a lot says of what it was made with; `amount` in smallest units."""

    source: str
    amount: int
    cost_minor: int
    currency: str | None


class Waiting(NamedTuple):
    """An event that had no effect: its handling failed, or no order goes by the names in it."""

    provider: str
    event: str
    kind: str | None
    error: str | None


def read_lots(session: Session, places: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str, int], LotRow]:
    """Lots by account, credit type and number."""
    names = list(lots.c.keys())
    wanted = [names.index(name) for name in LotRow._fields]
    rows = session.dialect.select_each(session, lots, ("account", "credit_type", "number"), places)
    return {(row[0], row[1], row[2]): LotRow._make(row[place] for place in wanted) for row in rows}


def without_order(session: Session, account: str | None) -> Generator[tuple[str, str | None, str]]:
    """Account, order and key of every grant for an order that there is none of."""
    where, params = ("AND e.account = ?", (account,)) if account is not None else ("", ())
    with closing(session.stream(f"{_NO_ORDER} {where} ORDER BY e.account, e.key", params)) as rows:
        yield from ((row[0], row[1], row[2]) for row in rows)


def waiting(session: Session, *, since: datetime | None) -> Generator[Waiting]:
    """Events whose handling failed, and those about money that no order goes by, while they can still be replayed."""
    where, params = ("AND received_at >= ?", (session.dialect.time_in(since),)) if since is not None else ("", ())
    statement = (
        "SELECT provider, event, kind, error FROM farthing_provider_events WHERE body IS NOT NULL "
        f"AND ((handled_at IS NULL AND error IS NOT NULL) OR outcome = 'unmatched') {where} "
        "ORDER BY received_at, provider, event"
    )
    with closing(session.stream(statement, params)) as rows:
        yield from (Waiting._make(row) for row in rows)
