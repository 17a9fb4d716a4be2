"""API keys: made, found, rotated and revoked. The database keeps a digest of each; its secret is shown once.

A secret is `frt_test_…` or `frt_live_…`, by the mode of its database, and 256 random bits, so that one round of
SHA-256 is enough at rest: slow hashes are for what people choose.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from threading import Lock
from typing import Any, NamedTuple

from uuid_utils import uuid7

from farthing.core import checks
from farthing.credits import Credits
from farthing.errors import InvalidField, NotFound
from farthing.store import migrations
from farthing.store.database import Session
from farthing.store.dialects import Row

SCOPES = {
    "read": "read accounts, balances, lots, entries, holds, orders, plans and cards; check and estimate",
    "spend": "deduct, charge and hold credits, and reverse that",
    "grant": "open accounts, grant credits, start and change plans",
    "sell": "start checkouts, save cards, agree on auto top-ups and charge them",
    "admin": "everything",
}
"""Who may do what: a key may do what its scopes say, and nothing else."""

CACHE_S = 5
"""A key once verified is good for so many seconds; no longer does a revoked one live on anywhere."""

NOTED_EVERY_S = 60
_MOST_CACHED = 1024
_SHOWN = 6
_SECRET = re.compile(r"frt_(test|live)_[A-Za-z0-9_-]{43}")
_COLUMNS = "id, name, prefix, scopes, created_at, last_used_at, revoked_at"


class ApiKey(NamedTuple):
    """What is known of a key. `prefix` is how its secret begins; `revoked_at` may lie ahead, after a rotation."""

    id: str
    name: str
    prefix: str
    scopes: frozenset[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def may(self, scope: str) -> bool:
        """Whether the key's scopes cover `scope`."""
        return scope in self.scopes or "admin" in self.scopes

    def works(self, now: datetime) -> bool:
        """Whether the key is not revoked at `now`."""
        return self.revoked_at is None or now < self.revoked_at

    def as_dict(self) -> dict[str, Any]:
        """Every field by name, scopes in the order of `SCOPES`."""
        return self._asdict() | {"scopes": [scope for scope in SCOPES if scope in self.scopes]}


def create(credits: Credits, name: str, scopes: Collection[str]) -> tuple[str, str]:
    """A new key's id and its secret, which is stored nowhere and cannot be shown again.

    Args:
        name: for people, e.g. "render farm"; at most 100 bytes. scopes: some of `SCOPES`.
    Raises:
        InvalidField: no name, no scope, or one that does not exist.
    """
    wanted, named = _scopes(scopes), checks.text("name", name, most=100)
    if named is None:
        raise InvalidField("A key needs a name that tells people what it is for. No key was made.", field="name")
    mode = migrations.mode(credits.database)
    return credits.database.run(lambda session: _insert(session, mode, named, wanted, credits.clock()))


def rotate(credits: Credits, key_id: str, *, overlap: timedelta = timedelta(hours=24)) -> tuple[str, str]:
    """A new key with the same name and scopes: its id and secret. The old one works on for `overlap`.

    Raises:
        NotFound: no such key, or it is revoked already. InvalidField: `overlap` is negative or above 30 days.
    """
    if not timedelta() <= overlap <= timedelta(days=30):
        raise InvalidField("overlap must be 0 to 30 days. No key was changed.", field="overlap")
    mode, now = migrations.mode(credits.database), credits.clock()

    def work(session: Session) -> tuple[str, str]:
        old = _one(session, key_id)
        if not old.works(now):
            raise NotFound(f"The API key {key_id!r} is revoked. No key was changed. Make a new one.")
        _end(session, old, now + overlap)
        return _insert(session, mode, old.name, old.scopes, now)

    return credits.database.run(work)


def revoke(credits: Credits, key_id: str) -> ApiKey:
    """The key as it is afterwards: every server refuses it within `CACHE_S` seconds. Harmless to say again.

    Raises:
        NotFound: no such key.
    """
    now = credits.clock()

    def work(session: Session) -> ApiKey:
        found = _one(session, key_id)
        if found.works(now):
            _end(session, found, now)
        return _one(session, key_id)

    return credits.database.run(work)


def list_keys(credits: Credits) -> list[ApiKey]:
    """All keys, oldest first, revoked ones too."""
    statement = f"SELECT {_COLUMNS} FROM farthing_api_keys ORDER BY id"
    return credits.database.read(lambda session: [_key(session, row) for row in session.execute(statement)])


def find(credits: Credits, secret: str) -> ApiKey | None:
    """The key whose secret this is, revoked or not; None if there is none.

    The look-up goes by digest, so what its time could tell is nothing about any secret.
    """
    digest = _digest(secret)

    def work(session: Session) -> ApiKey | None:
        rows = session.execute(f"SELECT digest, {_COLUMNS} FROM farthing_api_keys WHERE digest = ?", (digest,))
        return next((_key(session, row[1:]) for row in rows if compare_digest(bytes(row[0]), digest)), None)

    return credits.database.read(work)


def mode_of(secret: str) -> str | None:
    """ "test" or "live", as a well-formed secret says; None for anything else."""
    match = _SECRET.fullmatch(secret)
    return match and match[1]


def note_use(credits: Credits, key: ApiKey) -> None:
    """Writes that the key was used now, unless that was noted within the last minute."""
    now = credits.clock()
    before = now - timedelta(seconds=NOTED_EVERY_S)

    def work(session: Session) -> None:
        at = session.dialect.time_in
        session.execute(
            "UPDATE farthing_api_keys SET last_used_at = ? "
            "WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)",
            (at(now), key.id, at(before)),
        )

    credits.database.run(work)


class Keyring:
    """The keys that a process saw lately, so that not every request reads the database. Threads may share it."""

    def __init__(self, credits: Credits) -> None:
        self.credits = credits
        self.mode = migrations.mode(credits.database)
        self._seen: dict[bytes, tuple[datetime, ApiKey]] = {}
        self._noted: dict[str, datetime] = {}
        self._changing = Lock()

    def known(self, secret: str) -> ApiKey | None:
        """The working key of this secret, if it was verified within the last `CACHE_S` seconds."""
        now = self.credits.clock()
        at, key = self._seen.get(_digest(secret), (None, None))
        fresh = at is not None and timedelta() <= now - at < timedelta(seconds=CACHE_S)
        return key if key and fresh and key.works(now) else None

    def verify(self, secret: str) -> ApiKey | None:
        """The working key of this secret, as the database has it now; None if there is none."""
        key, now, digest = find(self.credits, secret), self.credits.clock(), _digest(secret)
        with self._changing:
            self._seen.pop(digest, None)
            if key is None or not key.works(now):
                return None
            while len(self._seen) >= _MOST_CACHED:
                del self._seen[next(iter(self._seen))]
            self._seen[digest] = now, key
        return key

    def due(self, key: ApiKey) -> bool:
        """Whether this use should be noted: true once a minute for each key, for one caller."""
        now = self.credits.clock()
        with self._changing:
            last = self._noted.get(key.id) or key.last_used_at
            if last is not None and timedelta() <= now - last < timedelta(seconds=NOTED_EVERY_S):
                return False
            while len(self._noted) >= _MOST_CACHED:
                del self._noted[next(iter(self._noted))]
            self._noted[key.id] = now
        return True


def _insert(session: Session, mode: str, name: str, scopes: Collection[str], now: datetime) -> tuple[str, str]:
    secret = f"frt_{mode}_{token_urlsafe(32)}"
    key_id = f"key_{uuid7().hex}"
    shown = secret[: len(f"frt_{mode}_") + _SHOWN]
    session.execute(
        "INSERT INTO farthing_api_keys (id, name, prefix, digest, scopes, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (key_id, name, shown, _digest(secret), " ".join(sorted(scopes)), session.dialect.time_in(now)),
    )
    return key_id, secret


def _end(session: Session, key: ApiKey, at: datetime) -> None:
    ends = min(at, key.revoked_at or at)
    session.execute("UPDATE farthing_api_keys SET revoked_at = ? WHERE id = ?", (session.dialect.time_in(ends), key.id))


def _one(session: Session, key_id: str) -> ApiKey:
    rows = session.execute(f"SELECT {_COLUMNS} FROM farthing_api_keys WHERE id = ?", (key_id,))
    if not rows:
        raise NotFound(f"There is no API key {key_id!r}. No key was changed. `farthing keys list` shows them.")
    return _key(session, rows[0])


def _key(session: Session, row: Row) -> ApiKey:
    at = session.dialect.time_out
    created_at = at(row[4])
    assert created_at is not None
    return ApiKey(row[0], row[1], row[2], frozenset(row[3].split()), created_at, at(row[5]), at(row[6]))


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _scopes(asked: Collection[str]) -> Sequence[str]:
    wanted = [asked] if isinstance(asked, str) else list(asked)
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise InvalidField(
            f"scopes must be some of {', '.join(SCOPES)}, not {', '.join(map(repr, unknown)) or 'none at all'}. "
            "No key was made.",
            field="scopes",
        )
    return wanted
