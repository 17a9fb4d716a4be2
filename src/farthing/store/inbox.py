"""What providers said, as stored before it is handled: one row for each event, which is also the lease on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from farthing.store.database import Session
from farthing.store.dialects import Row

_NOT_OURS = ("unknown", "unmatched", "other_mode")


class InboxEvent(NamedTuple):
    """An event in the inbox. `outcome` None: not handled yet; `error` says why not, `due_at` when it is tried next."""

    provider: str
    event: str
    kind: str | None
    livemode: bool
    received_at: datetime
    due_at: datetime
    attempts: int
    error: str | None
    outcome: str | None
    handled_at: datetime | None


def add(
    session: Session, provider: str, event: str, *, kind: str | None, livemode: bool, body: bytes, digest: bytes,
    now: datetime, lease: timedelta,
) -> bool:  # fmt: skip
    """Stores an event, leased to whoever stores it; False where it is stored already."""
    time_in = session.dialect.time_in
    return bool(
        session.execute(
            "INSERT INTO farthing_provider_events "
            "(provider, event, kind, livemode, received_at, body, digest, due_at, attempts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (provider, event) DO NOTHING RETURNING event",
            (provider, event, kind, livemode, time_in(now), body, digest, time_in(now + lease)),
        )
    )


def due(session: Session, now: datetime, *, limit: int) -> list[tuple[str, str]]:
    """Events that wait to be handled, longest waiting first."""
    rows = session.execute(
        "SELECT provider, event FROM farthing_provider_events WHERE handled_at IS NULL AND due_at <= ? "
        "ORDER BY due_at LIMIT ?",
        (session.dialect.time_in(now), limit),
    )
    return [(row[0], row[1]) for row in rows]


def lease(session: Session, provider: str, event: str, *, now: datetime, until: datetime) -> bool:
    """Keeps others from handling the event until then; False where it is not due."""
    time_in = session.dialect.time_in
    return bool(
        session.execute(
            "UPDATE farthing_provider_events SET due_at = ? WHERE provider = ? AND event = ? "
            "AND handled_at IS NULL AND due_at <= ? RETURNING event",
            (time_in(until), provider, event, time_in(now)),
        )
    )


def take(session: Session, provider: str, event: str, now: datetime) -> bytes | None:
    """The event's body, marked as handled by this transaction; None where another one has handled it.

    The row stays locked until the transaction ends, so two can never both be given the body.
    """
    rows = session.execute(
        "UPDATE farthing_provider_events SET handled_at = ?, attempts = attempts + 1, error = NULL "
        "WHERE provider = ? AND event = ? AND handled_at IS NULL AND body IS NOT NULL RETURNING body",
        (session.dialect.time_in(now), provider, event),
    )
    return bytes(rows[0][0]) if rows else None


def settle(session: Session, provider: str, event: str, outcome: str) -> None:
    """What handling came to, in the transaction that handled."""
    session.execute(
        "UPDATE farthing_provider_events SET outcome = ? WHERE provider = ? AND event = ?", (outcome, provider, event)
    )


def fail(session: Session, provider: str, event: str, *, error: str, now: datetime) -> None:
    """Why handling failed, and when to try again: after 1, 2, 4, … minutes, at last every hour."""
    [[attempts]] = session.execute(
        "UPDATE farthing_provider_events SET attempts = attempts + 1, error = ? WHERE provider = ? AND event = ? "
        "RETURNING attempts",
        (error, provider, event),
    )
    wait = timedelta(minutes=min(2 ** min(attempts - 1, 6), 60))
    session.execute(
        "UPDATE farthing_provider_events SET due_at = ? WHERE provider = ? AND event = ?",
        (session.dialect.time_in(now + wait), provider, event),
    )


def reopen(session: Session, provider: str, event: str, *, until: datetime) -> bool:
    """Makes an event that failed, or was none of ours, wait again, leased until then. False: it has had its effect."""
    return bool(
        session.execute(
            "UPDATE farthing_provider_events SET handled_at = NULL, outcome = NULL, due_at = ? "
            f"WHERE provider = ? AND event = ? AND body IS NOT NULL AND (handled_at IS NULL OR outcome IN {_NOT_OURS}) "
            "RETURNING event",
            (session.dialect.time_in(until), provider, event),
        )
    )


def read(session: Session, provider: str, event: str) -> InboxEvent | None:
    """One event."""
    rows = session.execute(f"{_SELECT} WHERE provider = ? AND event = ?", (provider, event))
    return _stored(session, rows[0]) if rows else None


def newest(session: Session, *, failed: bool, limit: int) -> list[InboxEvent]:
    """The latest events; `failed`, only those that wait because handling them failed."""
    only = "WHERE handled_at IS NULL AND error IS NOT NULL " if failed else ""
    rows = session.execute(f"{_SELECT} {only}ORDER BY received_at DESC, provider, event LIMIT ?", (limit,))
    return [_stored(session, row) for row in rows]


def drop_bodies(session: Session, *, before: datetime) -> None:
    """Forgets the bodies of handled events that arrived before then; digest and outcome stay."""
    session.execute(
        "UPDATE farthing_provider_events SET body = NULL "
        "WHERE body IS NOT NULL AND received_at < ? AND handled_at IS NOT NULL",
        (session.dialect.time_in(before),),
    )


def handled_bodies(session: Session) -> Iterator[tuple[str, str, bytes]]:
    """Provider, event and body of every handled event whose body is still there."""
    statement = (
        "SELECT provider, event, body FROM farthing_provider_events WHERE body IS NOT NULL AND handled_at IS NOT NULL"
    )
    return ((row[0], row[1], bytes(row[2])) for row in session.stream(statement, size=100))


def drop_body(session: Session, provider: str, event: str) -> None:
    """Forgets one body; digest and outcome stay."""
    session.execute(
        "UPDATE farthing_provider_events SET body = NULL WHERE provider = ? AND event = ?", (provider, event)
    )


_SELECT = f"SELECT {', '.join(InboxEvent._fields)} FROM farthing_provider_events"


def _stored(session: Session, row: Row) -> InboxEvent:
    livemode, received_at, due_at, *rest, handled_at = row[3:]
    received_at, due_at, handled_at = (session.dialect.time_out(stored) for stored in (received_at, due_at, handled_at))
    return InboxEvent._make((*row[:3], bool(livemode), received_at, due_at, *rest, handled_at))
