"""Endpoints that events are sent to, and how each delivery goes: one row each, which is also the lease on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.outbox import Event, Key


class Endpoint(NamedTuple):
    """Where events are sent. `kinds` empty: all of them. `paused` says why nothing is sent now: failing or gone."""

    id: str
    url: str
    kinds: tuple[str, ...]
    created_at: datetime
    failing_since: datetime | None
    paused_at: datetime | None
    paused: str | None

    def wants(self, kind: str) -> bool:
        """Whether it is sent events of this kind."""
        return not self.kinds or kind in self.kinds


class Delivery(NamedTuple):
    """An event on its way to one endpoint. `due_at` None: it is not tried any more; `status` is the last answer's."""

    account: str
    sequence: int
    endpoint: str
    due_at: datetime | None
    attempts: int
    first_at: datetime | None
    last_at: datetime | None
    status: int | None
    error: str | None
    delivered_at: datetime | None

    @property
    def key(self) -> tuple[str, int, str]:
        return self[:3]


_NAMES = ", ".join(Endpoint._fields)
_DELIVERY = ", ".join(Delivery._fields)
_ONE = "account = ? AND sequence = ? AND endpoint = ?"


def add(session: Session, endpoint: Endpoint, secret: str) -> None:
    """Writes a new endpoint."""
    session.execute(
        "INSERT INTO farthing_endpoints (id, url, kinds, secret, created_at) VALUES (?, ?, ?, ?, ?)",
        (*endpoint[:2], " ".join(endpoint.kinds), secret, session.dialect.time_in(endpoint.created_at)),
    )


def every(session: Session) -> list[Endpoint]:
    """All endpoints, oldest first."""
    return [_endpoint(session, row) for row in session.execute(f"SELECT {_NAMES} FROM farthing_endpoints ORDER BY id")]


def read(session: Session, endpoint: str) -> Endpoint | None:
    """One endpoint."""
    rows = session.execute(f"SELECT {_NAMES} FROM farthing_endpoints WHERE id = ?", (endpoint,))
    return _endpoint(session, rows[0]) if rows else None


def secrets(session: Session, endpoint: str) -> list[str]:
    """What its deliveries are signed with, the newer secret first."""
    rows = session.execute("SELECT secret, old_secret FROM farthing_endpoints WHERE id = ?", (endpoint,))
    return [secret for row in rows for secret in row if secret]


def rotate(session: Session, endpoint: str, secret: str) -> bool:
    """Signs with a new secret, and with the one before beside it."""
    return bool(
        session.execute(
            "UPDATE farthing_endpoints SET old_secret = secret, secret = ? WHERE id = ? RETURNING id",
            (secret, endpoint),
        )
    )


def remove(session: Session, endpoint: str) -> bool:
    """Forgets an endpoint and its deliveries."""
    session.execute("DELETE FROM farthing_deliveries WHERE endpoint = ?", (endpoint,))
    return bool(session.execute("DELETE FROM farthing_endpoints WHERE id = ? RETURNING id", (endpoint,)))


def resume(session: Session, endpoint: str, now: datetime) -> bool:
    """Sends again, beginning with what waits."""
    session.execute(
        "UPDATE farthing_deliveries SET due_at = ? WHERE endpoint = ? AND due_at > ? "
        "AND EXISTS (SELECT 1 FROM farthing_endpoints WHERE id = ? AND paused IS NOT NULL)",
        (session.dialect.time_in(now), endpoint, session.dialect.time_in(now), endpoint),
    )
    return bool(
        session.execute(
            "UPDATE farthing_endpoints SET paused = NULL, paused_at = NULL, failing_since = NULL WHERE id = ? "
            "RETURNING id",
            (endpoint,),
        )
    )


def make(session: Session, made: Sequence[tuple[Event, Endpoint]], now: datetime) -> None:
    """Deliveries that are due at once; those that there are stay as they are."""
    due_at = session.dialect.time_in(now)
    if made:
        session.executemany(
            "INSERT INTO farthing_deliveries (account, sequence, endpoint, due_at, attempts) VALUES (?, ?, ?, ?, 0) "
            "ON CONFLICT (account, sequence, endpoint) DO NOTHING",
            [(*event[:2], endpoint.id, due_at) for event, endpoint in made],
        )


def renew(session: Session, event: Event, endpoints: Iterable[Endpoint], now: datetime) -> None:
    """The event is due anew at these endpoints, as if it had never been sent there."""
    due_at = session.dialect.time_in(now)
    for endpoint in endpoints:
        session.execute(
            "INSERT INTO farthing_deliveries (account, sequence, endpoint, due_at, attempts) VALUES (?, ?, ?, ?, 0) "
            "ON CONFLICT (account, sequence, endpoint) DO UPDATE SET due_at = excluded.due_at, attempts = 0, "
            "first_at = NULL, last_at = NULL, status = NULL, error = NULL, delivered_at = NULL",
            (*event[:2], endpoint.id, due_at),
        )


def due(session: Session, endpoint: str, now: datetime, *, limit: int) -> list[Delivery]:
    """What waits to be sent to an endpoint, longest waiting first."""
    rows = session.execute(
        f"SELECT {_DELIVERY} FROM farthing_deliveries WHERE endpoint = ? AND due_at <= ? "
        "ORDER BY due_at, account, sequence LIMIT ?",
        (endpoint, session.dialect.time_in(now), limit),
    )
    return [_delivery(session, row) for row in rows]


def lease(session: Session, one: Delivery, *, now: datetime, until: datetime) -> bool:
    """Keeps others from sending it until then; False where somebody else does, or it is not due any more."""
    time_in = session.dialect.time_in
    return bool(
        session.execute(
            f"UPDATE farthing_deliveries SET due_at = ?, first_at = coalesce(first_at, ?) WHERE {_ONE} "
            "AND due_at <= ? AND EXISTS (SELECT 1 FROM farthing_endpoints WHERE id = ? AND paused IS NULL) "
            "RETURNING account",
            (time_in(until), time_in(now), *one.key, time_in(now), one.endpoint),
        )
    )


def settle(
    session: Session, one: Delivery, *, status: int | None, error: str | None, due_at: datetime | None, now: datetime
) -> bool:
    """What an attempt came to; False where it is delivered already, or was forgotten meanwhile. `error` None: it is."""
    time_in = session.dialect.time_in
    return bool(
        session.execute(
            "UPDATE farthing_deliveries SET attempts = attempts + 1, last_at = ?, status = ?, error = ?, due_at = ?, "
            f"delivered_at = ? WHERE {_ONE} AND delivered_at IS NULL RETURNING account",
            (time_in(now), status, error, time_in(due_at), None if error else time_in(now), *one.key),
        )
    )


def works(session: Session, endpoint: str) -> None:
    """It took something: it fails no longer."""
    session.execute(
        "UPDATE farthing_endpoints SET failing_since = NULL WHERE id = ? AND failing_since IS NOT NULL", (endpoint,)
    )


def fails(session: Session, endpoint: str, now: datetime, *, pause: str | None, since: datetime) -> None:
    """It took nothing: paused for `pause`, or as failing, where it has failed since before `since`."""
    moment = session.dialect.time_in(now)
    session.execute(
        "UPDATE farthing_endpoints SET failing_since = ? WHERE id = ? AND failing_since IS NULL", (moment, endpoint)
    )
    session.execute(
        "UPDATE farthing_endpoints SET paused = ?, paused_at = ? WHERE id = ? AND paused IS NULL "
        f"{'' if pause else 'AND failing_since <= ?'}",
        (pause or "failing", moment, endpoint, *(() if pause else (session.dialect.time_in(since),))),
    )


def of_event(session: Session, key: Key) -> list[Delivery]:
    """How the deliveries of an event went."""
    rows = session.execute(
        f"SELECT {_DELIVERY} FROM farthing_deliveries WHERE account = ? AND sequence = ? ORDER BY endpoint", key
    )
    return [_delivery(session, row) for row in rows]


def _endpoint(session: Session, row: Row) -> Endpoint:
    created_at, failing_since, paused_at = (session.dialect.time_out(at) for at in row[3:6])
    return Endpoint._make((*row[:2], tuple(row[2].split()), created_at, failing_since, paused_at, row[6]))


def _delivery(session: Session, row: Row) -> Delivery:
    due_at, first_at, last_at, delivered_at = (session.dialect.time_out(row[place]) for place in (3, 5, 6, 9))
    return Delivery._make((*row[:3], due_at, row[4], first_at, last_at, *row[7:9], delivered_at))
