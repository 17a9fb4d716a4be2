"""Acts: verbs that write no entry, such as a checkout or a freeze, and the keys they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from farthing.core.calendar import EPOCH
from farthing.store import sql
from farthing.store.database import Retry, Session
from farthing.store.dialects import Row
from farthing.store.tables import acts


class Act(NamedTuple):
    """What was done to an account without an entry. `link` names what came of it: the order of a checkout."""

    account: str
    key: str
    verb: str
    content: bytes
    link: str | None
    reason: str | None
    actor: str | None
    recorded_at: datetime


def read_keys(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Act]:
    """The acts that already stand for these (account, key)."""
    return by_key(session, session.dialect.select_each(session, acts, ("account", "key"), keys))


def by_key(session: Session, rows: Iterable[Row]) -> dict[tuple[str, str], Act]:
    """Acts out of their rows."""
    return {(row[0], row[1]): _act(session, row) for row in rows}


def read_keys_under(session: Session, account: str, prefix: str) -> list[Act]:
    """The acts of an account whose keys begin so."""
    rows = session.execute(
        f"SELECT {', '.join(acts.c.keys())} FROM farthing_acts WHERE account = ? AND key >= ? AND key < ? ORDER BY key",
        (account, prefix, prefix + "\U0010ffff"),
    )
    return [_act(session, row) for row in rows]


def set_frozen(session: Session, account: str, at: datetime | None) -> None:
    """Freezes the account and its wallets, or with None unfreezes them; `lock_account` comes before."""
    time_in = session.dialect.time_in
    session.execute("UPDATE farthing_accounts SET frozen_at = ? WHERE account = ?", (time_in(at), account))
    session.execute("UPDATE farthing_wallets SET frozen = ? WHERE account = ?", (at is not None, account))


def close(session: Session, account: str, *, into: str, now: datetime) -> None:
    """Nothing happens in this account any more: `into` took it over."""
    set_frozen(session, account, now)
    session.execute("UPDATE farthing_accounts SET merged_into = ? WHERE account = ?", (into, account))


def forget(session: Session, account: str, *, locale: str) -> None:
    """Blanks what people wrote and who they were; the ledger allows this one update of its entries."""
    for table, columns in (
        ("entries", ("reason", "actor", "metadata")),
        ("acts", ("reason", "actor")),
        ("orders", ("return_url", "paying")),
        ("billings", ("return_url", "paying")),
    ):
        blank = ", ".join(f"{column} = NULL" for column in columns)
        written = " OR ".join(f"{column} IS NOT NULL" for column in columns)
        session.execute(f"UPDATE farthing_{table} SET {blank} WHERE account = ? AND ({written})", (account,))
    session.execute("UPDATE farthing_accounts SET locale = ? WHERE account = ?", (locale, account))


def add(session: Session, act: Act) -> None:
    """Writes an act; `lock_account` comes before."""
    session.dialect.insert_many(session, acts, [(*act[:7], session.dialect.time_in(act.recorded_at))])


def lock_account(session: Session, account: str) -> None:
    """From here to the end of the transaction, no other one gives a key of this account to an entry or an act.

    Entries are written under their wallet's lock, and a wallet is made under a shared lock of its account. So all the
    wallets there are and the account's row are what to hold. Where there is no such row yet, one is written and taken
    back: whoever would make the account waits for this transaction to end (tests/stories/test_buying.py).
    """
    wallets = sql.wallets_of(session, account)
    if wallets:
        sql.lock_wallets(session, wallets, wait=True)
        # Written and not only locked, so that an older view of the database may not go on without what comes now.
        session.execute("UPDATE farthing_wallets SET seq = seq WHERE account = ?", (account,))
    while not _locked(session, account):
        made = session.execute(
            "INSERT INTO farthing_accounts (account, time_zone, locale, created_at) VALUES (?, '', '', ?) "
            "ON CONFLICT (account) DO NOTHING RETURNING account",
            (account, session.dialect.time_in(EPOCH)),
        )
        if made:
            session.execute("DELETE FROM farthing_accounts WHERE account = ?", (account,))
            break
    if sql.wallets_of(session, account) != wallets:
        raise Retry


def _locked(session: Session, account: str) -> bool:
    statement = "UPDATE farthing_accounts SET locale = locale WHERE account = ? RETURNING account"
    return bool(session.execute(statement, (account,)))


def _act(session: Session, row: Row) -> Act:
    return Act._make((*row[:3], bytes(row[3]), *row[4:7], session.dialect.time_out(row[7])))
