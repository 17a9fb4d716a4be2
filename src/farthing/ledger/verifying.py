"""`verify`: every balance, lot, debt and hold rebuilt from the ledger and compared with what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from farthing.core.audit import Audit, Wrong
from farthing.core.book import Claim, CreditType, Debt, Entry, Part
from farthing.errors import NotFound
from farthing.store import sql
from farthing.store.database import Database, Session
from farthing.store.dialects import Row
from farthing.store.sql import Wallet
from farthing.store.tables import claims, debts, entries, holds, lots, wallets

MAX_FAULTS = 1000
_TABLES = (wallets, entries, lots, debts, holds, claims)
_EVERY = 5000  # entries between two reports of progress


class Fault(NamedTuple):
    """The first thing wrong in one wallet."""

    account: str
    credit_type: str
    wrong: str


class Report(NamedTuple):
    """What `verify` saw. Totals are in smallest units, one for each credit type."""

    wallets: int
    entries: int
    posted: dict[str, int]
    faults: list[Fault]

    @property
    def proved(self) -> bool:
        """Nothing contradicts anything."""
        return not self.faults


def verify(
    database: Database, *, account: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Report:
    """Rebuilds the books of one account, or of all, in one consistent view of the database and in bounded memory.

    Args:
        progress: called with entries done and entries in all, now and then.
    Raises:
        NotFound: there is no such account, so there is nothing to prove.
    Returns:
        Report: `proved`, and for each wallet that is wrong the first fault (at most 1,000 wallets).
    """
    with database.reading() as session:
        total = _count(session, account) if progress else 0
        report = _verify(session, account, lambda done: progress(done, total) if progress else None)
        if account is not None and not report.wallets and not sql.read_accounts(session, [account]):
            raise NotFound(f"There is no account {account!r}, so there is nothing to prove.")
    return report


def _verify(session: Session, account: str | None, progress: Callable[[int], None]) -> Report:
    done = seen = 0
    posted: dict[str, int] = {}
    faults: list[Fault] = []
    frozen = {row[0] for row in session.stream("SELECT account FROM farthing_accounts WHERE frozen_at IS NOT NULL")}
    for (owner, kind), rows in groupby(_rows(session, account), key=lambda row: row[0]):
        audit, stored = _Wallet(session), CreditType(kind, kind)
        for _, rank, row in rows:
            audit.take(rank, row, stored)
            done += rank == 1
            if rank == 1 and done % _EVERY == 0:
                progress(done)
        seen += 1
        posted[kind] = posted.get(kind, 0) + audit.audit.posted
        wrong = audit.finish(owner in frozen)
        if wrong and len(faults) < MAX_FAULTS:
            faults.append(Fault(owner, kind, wrong))
    progress(done)
    return Report(seen, done, posted, faults)


class _Wallet:
    """The rows of one wallet as they come: the wallet's own, entries, lots, debts, holds, claims."""

    def __init__(self, session: Session) -> None:
        self.audit = Audit()
        self._session = session
        self._row: Row | None = None
        self._kind = CreditType("", "")
        self._parts: list[Part] = []
        self._wrong: str | None = None

    def take(self, rank: int, row: Row, kind: CreditType) -> None:
        if rank == 0:
            self._row, self._kind = row, kind
        elif rank == 1:
            self._entry(row)
        elif rank == 2:
            lot = sql.lot(self._session, row)
            self._part(lot, f"lot {lot.number}", row[8], open=lot.remaining > 0)
        elif rank == 3:
            debt = Debt(*row[2:5])
            self._part(debt, f"debt of entry {debt.seq}", row[5], open=debt.remaining > 0)
        elif rank == 4:
            hold = sql.hold(self._session, row)
            self._part(hold, f"hold {hold.seq}", row[11], open=not hold.ended)
        else:
            self._parts.append(Claim(*row[2:7]))

    def finish(self, frozen: bool) -> str | None:
        if self._wrong:
            return self._wrong
        if self._row is None:
            return "wallet: its row is missing"
        wallet = (self._row[0], self._row[1])
        book = sql.books_without_lots(self._session, {wallet: self._row}, {wallet[1]: self._kind})[wallet]
        if book.frozen != frozen:
            return f"wallet: frozen is {book.frozen}, but its account's is {frozen}"
        try:
            self.audit.finish(book, self._parts)
        except Wrong as wrong:
            return str(wrong)
        return None

    def _entry(self, row: Row) -> None:
        if self._wrong is None:
            try:
                line = sql.entry(self._session, row)
                self.audit.entry(line, self._cited(line))
            except Wrong as wrong:
                self._wrong = str(wrong)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                self._wrong = f"entry {row[2]}: it cannot be read ({error})"

    def _cited(self, line: Entry) -> list[Entry]:
        """Of a reversal, what it reverses and what reversals and repayments did to that; of others nothing."""
        if line.kind != "reverse":
            return []
        number = int((line.link or "").rpartition("_")[2])
        return sql.read_cited(self._session, (line.account, line.credit_type, number))

    def _part(self, part: Part, what: str, flag: Any, *, open: bool) -> None:
        self._parts.append(part)
        if bool(flag) != open and self._wrong is None:
            self._wrong = f"{what}: open is {bool(flag)}, which it is not"


def _rows(session: Session, account: str | None) -> Iterator[tuple[Wallet, int, Row]]:
    streams = [_stream(session, table, rank, account) for rank, table in enumerate(_TABLES)]
    return merge(*streams, key=lambda row: row[:2])


def _stream(session: Session, table: sa.Table, rank: int, account: str | None) -> Iterator[tuple[Wallet, int, Row]]:
    names = ", ".join(table.c.keys())
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    order = ", ".join(column.name for column in table.primary_key)
    for row in session.stream(f"SELECT {names} FROM {table.name} {where} ORDER BY {order}", params):
        yield (row[0], row[1]), rank, row


def _count(session: Session, account: str | None) -> int:
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    return session.execute(f"SELECT count(*) FROM farthing_entries {where}", params)[0][0]
