"""Lots that expire soon, and the mark of each credit type up to which they were told."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farthing.core.calendar import instant, micros
from farthing.store.database import Session


class Mark(NamedTuple):
    """Lots that expire before this, and at this up to that account and number, were told."""

    expires_at: datetime
    account: str = ""
    number: int = 0


class Expiring(NamedTuple):
    """An open lot that expires. `remaining` in smallest units, with what holds keep of it."""

    expires_at: datetime
    account: str
    number: int
    remaining: int


def read_mark(session: Session, credit_type: str) -> Mark | None:
    """How far it was told; None: never."""
    rows = session.execute("SELECT value FROM farthing_meta WHERE name = ?", (_name(credit_type),))
    if not rows:
        return None
    at, number, account = rows[0][0].split(" ", 2)
    return Mark(instant(int(at)), account, int(number))


def move_mark(session: Session, credit_type: str, was: Mark | None, mark: Mark) -> bool:
    """Whether the mark moved from where it was; where somebody else moved it first, it stays."""
    if was is None:
        return bool(
            session.execute(
                "INSERT INTO farthing_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING RETURNING name",
                (_name(credit_type), _written(mark)),
            )
        )
    return bool(
        session.execute(
            "UPDATE farthing_meta SET value = ? WHERE name = ? AND value = ? RETURNING name",
            (_written(mark), _name(credit_type), _written(was)),
        )
    )


def expiring(session: Session, credit_type: str, mark: Mark, *, until: datetime, limit: int) -> list[Expiring]:
    """The next open lots behind the mark that expire before `until`, soonest first."""
    time_in, time_out = session.dialect.time_in, session.dialect.time_out
    rows = session.execute(
        "SELECT expires_at, account, number, remaining FROM farthing_lots WHERE credit_type = ? AND open "
        "AND expires_at IS NOT NULL AND expires_at < ? AND (expires_at, account, number) > (?, ?, ?) "
        "ORDER BY expires_at, account, number LIMIT ?",
        (credit_type, time_in(until), time_in(mark.expires_at), mark.account, mark.number, limit),
    )
    return [Expiring._make((time_out(row[0]), *row[1:])) for row in rows]


def _name(credit_type: str) -> str:
    return f"expiring.{credit_type}"


def _written(mark: Mark) -> str:
    return f"{micros(mark.expires_at)} {mark.number} {mark.account}"
