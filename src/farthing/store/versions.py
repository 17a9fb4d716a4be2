"""What each version of the catalog said, since something was first written under it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farthing.store.database import Session
from farthing.store.dialects import Row


class CatalogVersion(NamedTuple):
    """A catalog that something was written under. `document`: what its file said, as JSON."""

    version: str
    document: str
    first_seen_at: datetime


def known(session: Session, version: str) -> bool:
    """Whether this version is kept already."""
    return bool(session.execute("SELECT 1 FROM farthing_catalog_versions WHERE version = ?", (version,)))


def keep(session: Session, version: str, document: str, now: datetime) -> None:
    """Keeps what a version says; one that is kept stays as it is."""
    session.execute(
        "INSERT INTO farthing_catalog_versions (version, document, first_seen_at) VALUES (?, ?, ?) "
        "ON CONFLICT (version) DO NOTHING",
        (version, document, session.dialect.time_in(now)),
    )


def read(session: Session, version: str) -> CatalogVersion | None:
    """One version; None: nothing was ever written under it."""
    rows = session.execute(f"{_SELECT} WHERE version = ?", (version,))
    return _version(session, rows[0]) if rows else None


def every(session: Session) -> list[CatalogVersion]:
    """All versions, newest first."""
    rows = session.execute(f"{_SELECT} ORDER BY first_seen_at DESC, version")
    return [_version(session, row) for row in rows]


_SELECT = "SELECT version, document, first_seen_at FROM farthing_catalog_versions"


def _version(session: Session, row: Row) -> CatalogVersion:
    seen = session.dialect.time_out(row[2])
    assert seen is not None
    return CatalogVersion(row[0], row[1], seen)
