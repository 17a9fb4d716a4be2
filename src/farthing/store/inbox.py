"""What providers said, as stored before it is handled: one row for each event, which is also the lease on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def body(session: Session, provider: str, event: str) -> bytes | None:
    """The event's body, where it waits to be handled."""
    rows = session.execute(
        "SELECT body FROM farthing_provider_events WHERE provider = ? AND event = ? AND handled_at IS NULL "
        "AND body IS NOT NULL",
        (provider, event),
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


def wait_for(session: Session, provider: str, event: str, references: Iterable[str]) -> None:
    """An event about something that is not ours yet waits until one of these names is."""
    for reference in references:
        session.execute(
            "INSERT INTO farthing_event_references (provider, event, reference) VALUES (?, ?, ?) "
            "ON CONFLICT (provider, event, reference) DO NOTHING",
            (provider, event, reference),
        )


def wake(session: Session, provider: str, references: Iterable[str], *, due_at: datetime) -> list[str]:
    """The events that waited for one of these names, due again at `due_at`."""
    waiting: set[str] = set()
    for reference in references:
        rows = session.execute(
            "SELECT event FROM farthing_event_references WHERE provider = ? AND reference = ?", (provider, reference)
        )
        waiting |= {row[0] for row in rows}
    return [event for event in sorted(waiting) if _woken(session, provider, event, due_at)]


def wake_missed(session: Session, *, since: datetime, due_at: datetime) -> None:
    """As `wake`, for events received since then that were handled while what they are about was being written."""
    rows = session.execute(
        "SELECT DISTINCT e.provider, e.event FROM farthing_provider_events e "
        "JOIN farthing_event_references w ON w.provider = e.provider AND w.event = e.event "
        "JOIN farthing_provider_references r ON r.provider = w.provider AND r.reference = w.reference "
        "WHERE e.received_at >= ? AND e.outcome = 'unmatched'",
        (session.dialect.time_in(since),),
    )
    for provider, event in rows:
        _woken(session, provider, event, due_at)


def _woken(session: Session, provider: str, event: str, due_at: datetime) -> bool:
    session.execute("DELETE FROM farthing_event_references WHERE provider = ? AND event = ?", (provider, event))
    return bool(
        session.execute(
            "UPDATE farthing_provider_events SET handled_at = NULL, outcome = NULL, due_at = ? "
            "WHERE provider = ? AND event = ? AND body IS NOT NULL AND outcome = 'unmatched' RETURNING event",
            (session.dialect.time_in(due_at), provider, event),
        )
    )


def read(session: Session, provider: str, event: str) -> InboxEvent | None:
    """One event."""
    rows = session.execute(f"{_SELECT} WHERE provider = ? AND event = ?", (provider, event))
    return _stored(session, rows[0]) if rows else None


def newest(session: Session, *, failed: bool, provider: str | None, limit: int) -> list[InboxEvent]:
    """The latest events; `failed`, only those that wait because handling them failed."""
    only = ["handled_at IS NULL AND error IS NOT NULL"] if failed else []
    params: list[object] = []
    if provider is not None:
        only.append("provider = ?")
        params.append(provider)
    where = f"WHERE {' AND '.join(only)} " if only else ""
    rows = session.execute(f"{_SELECT} {where}ORDER BY received_at DESC, provider, event LIMIT ?", (*params, limit))
    return [_stored(session, row) for row in rows]


def find(session: Session, event: str, *, provider: str | None) -> list[tuple[InboxEvent, bytes | None]]:
    """The events of this id, of one provider or of whichever has one, with their bodies as far as they are kept."""
    names, params = ("provider = ? AND event = ?", (provider, event)) if provider else ("event = ?", (event,))
    rows = session.execute(
        f"SELECT {', '.join(InboxEvent._fields)}, body FROM farthing_provider_events WHERE {names} ORDER BY provider",
        params,
    )
    return [(_stored(session, row[:-1]), None if row[-1] is None else bytes(row[-1])) for row in rows]


def drop_bodies(session: Session, *, before: datetime) -> None:
    """Forgets the bodies of handled events that arrived before then; digest and outcome stay."""
    dropped = session.execute(
        "UPDATE farthing_provider_events SET body = NULL "
        "WHERE body IS NOT NULL AND received_at < ? AND handled_at IS NOT NULL RETURNING provider, event",
        (session.dialect.time_in(before),),
    )
    for row in dropped:
        session.execute("DELETE FROM farthing_event_references WHERE provider = ? AND event = ?", row)


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
