"""Events on their way out: written in the transaction of their cause, numbered in each account, kept for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from uuid_utils import uuid7

from farthing.core.events import Told, written
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import events

Key = tuple[str, int]


class Event(NamedTuple):
    """Something that happened to an account. `data` is JSON."""

    account: str
    sequence: int
    id: str
    kind: str
    occurred_at: datetime
    data: str


_NAMES = ", ".join(Event._fields)
_BATCH = 500


def write(session: Session, told: Sequence[Told]) -> None:
    """Writes events when all else of the transaction is written: whoever numbers holds up all others of the account."""
    if told:
        session.untold = (*session.untold, *told)
        session.finish = partial(_write, session)


def _write(session: Session) -> None:
    """Gives each event the next number of its account, in one order of accounts for everybody."""
    told, session.untold = session.untold, ()
    counted = sorted(Counter(one.account for one in told).items())
    last = {account: _raised(session, account, by=many) for account, many in counted}
    made: list[Event] = []
    for one in reversed(told):
        made.append(
            Event(one.account, last[one.account], f"evt_{uuid7().hex}", one.kind, one.occurred_at, written(one.data))
        )
        last[one.account] -= 1
    made.reverse()
    time_in = session.dialect.time_in
    session.dialect.insert_many(session, events, [(*one[:4], time_in(one.occurred_at), one.data, True) for one in made])
    session.told = (*session.told, *made)


def share_out(session: Session) -> list[Event]:
    """The next events that no delivery was made of, which whoever asked makes now."""
    rows = session.execute(
        "UPDATE farthing_events SET waiting = ? WHERE waiting AND (account, sequence) IN (SELECT account, sequence "
        f"FROM farthing_events WHERE waiting ORDER BY account, sequence LIMIT {_BATCH}) RETURNING {_NAMES}",
        (False,),
    )
    return sorted(_event(session, row) for row in rows)


def find(session: Session, event: str) -> Event | None:
    """The event of this id, if it is still kept."""
    rows = session.execute(f"SELECT {_NAMES} FROM farthing_events WHERE id = ?", (event,))
    return _event(session, rows[0]) if rows else None


def read(session: Session, key: Key) -> Event | None:
    """The event of this account and number, if it is still kept."""
    rows = session.execute(f"SELECT {_NAMES} FROM farthing_events WHERE account = ? AND sequence = ?", key)
    return _event(session, rows[0]) if rows else None


def newest(session: Session, *, account: str | None, failed: bool, limit: int) -> list[Event]:
    """The latest events, newest first; `failed`, those of which a delivery failed and did not succeed since."""
    only = ["account = ?"] if account is not None else []
    if failed:
        only.append(
            "EXISTS (SELECT 1 FROM farthing_deliveries d WHERE d.account = e.account AND d.sequence = e.sequence "
            "AND d.error IS NOT NULL AND d.delivered_at IS NULL)"
        )
    where = f"WHERE {' AND '.join(only)} " if only else ""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_events e {where}ORDER BY occurred_at DESC, account, sequence DESC LIMIT ?",
        (*([] if account is None else [account]), limit),
    )
    return [_event(session, row) for row in rows]


def drop(session: Session, *, before: datetime) -> int:
    """Forgets some of the events that occurred before then, and their deliveries. Returns how many."""
    gone = session.execute(
        "DELETE FROM farthing_events WHERE (account, sequence) IN (SELECT account, sequence FROM farthing_events "
        f"WHERE occurred_at < ? AND NOT waiting ORDER BY occurred_at LIMIT {_BATCH}) RETURNING account, sequence",
        (session.dialect.time_in(before),),
    )
    if gone:
        session.executemany("DELETE FROM farthing_deliveries WHERE account = ? AND sequence = ?", gone)
    return len(gone)


def forget(session: Session, account: str) -> None:
    """Forgets every event of an account, sent or not. The numbers go on where they were."""
    for table in ("deliveries", "events"):
        session.execute(f"DELETE FROM farthing_{table} WHERE account = ?", (account,))


def _raised(session: Session, account: str, *, by: int) -> int:
    [[last]] = session.execute(
        "INSERT INTO farthing_event_numbers (account, last) VALUES (?, ?) ON CONFLICT (account) "
        "DO UPDATE SET last = farthing_event_numbers.last + excluded.last RETURNING last",
        (account, by),
    )
    return last


def _event(session: Session, row: Row) -> Event:
    return Event._make((*row[:4], session.dialect.time_out(row[4]), row[5]))
