"""One wallet's entries read in order, and the book they made by some past instant."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from itertools import takewhile

from farthing.core.audit import Audit, Wrong
from farthing.core.book import Book, CreditType, Entry
from farthing.core.due import settle
from farthing.core.names import number_in
from farthing.errors import Corrupt
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.sql import Wallet
from farthing.store.tables import entries

_NAMES = ", ".join(entries.c.keys())
_WALLET = f"SELECT {_NAMES} FROM farthing_entries WHERE account = ? AND credit_type = ?"
# What was done to a deduction before some entry. With its kinds spelled out, the index on reversals finds it.
_DONE_TO = f"{_WALLET} AND seq > ? AND seq < ? AND kind IN ('reverse', 'repay', 'clawback') ORDER BY seq"


def book_at(session: Session, account: str, kind: CreditType, at: datetime) -> Book:
    """The wallet as it stood at `at`, which is not in the future. Its entries are read, not its stored balance.

    Raises:
        Corrupt: the entries contradict themselves.
    """
    audit = Audit()
    with closing(until(session, (account, kind.code), at)) as lines:
        for line in lines:
            take(session, audit, line)
    return settle(audit.book(account, kind), at).book


def until(session: Session, wallet: Wallet, at: datetime) -> Generator[Entry]:
    """The entries recorded at `at` or before, oldest first. Close it before the session ends."""
    with closing(session.stream(f"{_WALLET} ORDER BY seq", wallet)) as rows:
        yield from takewhile(lambda line: line.recorded_at <= at, (sql.entry(session, row) for row in rows))


def take(session: Session, audit: Audit, line: Entry) -> None:
    """The next entry into the books.

    Raises:
        Corrupt: it cannot be true.
    """
    try:
        audit.entry(line, cited(session, line))
    except Wrong as wrong:
        raise Corrupt(
            f"The {line.credit_type} of {line.account} cannot be added up again: {wrong}. Nothing was changed. "
            f"Run farthing verify {line.account}."
        ) from None


def cited(session: Session, line: Entry) -> list[Entry]:
    """Of a reversal, what it reverses and what was done to that before; of others nothing."""
    if line.kind != "reverse":
        return []
    wallet, seq = (line.account, line.credit_type), number_in(line.link)
    original = [sql.entry(session, row) for row in session.execute(f"{_WALLET} AND seq = ?", (*wallet, seq))]
    with closing(session.stream(_DONE_TO, (*wallet, seq, line.seq))) as rows:
        later = (sql.entry(session, row) for row in rows)
        return original + [one for one in later if one.link == line.link or any(d.debt == seq for d in one.draws)]
