"""`verify`: every balance, lot, debt, hold, order and plan rebuilt from the ledger and compared with what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import groupby, islice
from typing import Any, NamedTuple

from farthing.core.audit import Audit, Wrong, same
from farthing.core.book import Claim, CreditType, Debt, Hold, Lot, Part
from farthing.errors import NotFound
from farthing.ledger import folding, ordered
from farthing.ledger.ordered import Fault, first_wrong
from farthing.plans import proving
from farthing.store import sql
from farthing.store.database import Database, Session
from farthing.store.dialects import Row
from farthing.store.tables import claims, debts, entries, holds, lots, wallets

MAX_FAULTS = 1000
_AT_ONCE = 500  # rows of each table
_EVERY = 5000  # entries between two reports of progress
_TABLES = (wallets, entries, debts, holds, claims, lots)
# A debt, hold or claim comes right behind the entry that made it, so that it is compared and forgotten when it ends.
_STAGES = (0, 1, 1, 1, 1, 2)
_ENTRY = 1
_FROZEN = "(SELECT frozen_at IS NOT NULL FROM farthing_accounts a WHERE a.account = farthing_wallets.account)"

_Place = tuple[str, str, int, int, int]  # account, credit type, stage, number, which of _TABLES


class Report(NamedTuple):
    """What `verify` saw. Totals are in smallest units, one for each credit type."""

    wallets: int
    entries: int
    orders: int
    plans: int
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
        Report: `proved`, and the first fault of each wallet, order and plan that is wrong (at most 1,000).
    """
    with database.reading() as session:
        total = _count(session, account) if progress else 0
        report = look(session, account, lambda done: progress(done, total) if progress else None)
        seen = report.wallets or report.orders or report.plans
        if account is not None and not seen and not sql.read_accounts(session, [account]):
            raise NotFound(f"There is no account {account!r}, so there is nothing to prove.")
    return report


def look(session: Session, account: str | None, progress: Callable[[int], None] = lambda done: None) -> Report:
    """As `verify`, of what this transaction sees."""
    done = seen = 0
    posted: dict[str, int] = {}
    faults: list[Fault] = []
    for (owner, kind), rows in groupby(_rows(session, account), key=lambda row: row[0][:2]):
        wallet = _Wallet(session, kind)
        for place, row in rows:
            wallet.take(place, row)
            done += place[-1] == _ENTRY
            if place[-1] == _ENTRY and done % _EVERY == 0:
                progress(done)
        seen += 1
        posted[kind] = posted.get(kind, 0) + wallet.audit.posted
        wrong = wallet.finish()
        if wrong and len(faults) < MAX_FAULTS:
            faults.append(Fault(owner, kind, None, wrong))
    counts: list[int] = []
    for found in (ordered.faults(session, account), proving.faults(session, account)):
        counts.append(0)
        for fault in found:
            counts[-1] += 1
            if fault and len(faults) < MAX_FAULTS:
                faults.append(fault)
    faults += islice(ordered.missing(session, account), MAX_FAULTS - len(faults))
    progress(done)
    orders, plans = counts
    return Report(seen, done, orders, plans, posted, faults)


class _Wallet:
    """The rows of one wallet as they come: its own, each entry with what it made, at last the lots."""

    def __init__(self, session: Session, kind: str) -> None:
        self.audit = Audit()
        self._session = session
        self._kind = CreditType(kind, kind)
        self._row: Row | None = None
        self._stored: dict[tuple[type[Part], int], Part] = {}
        self._lots = 0
        self._wrong: str | None = None
        self._takers = (self._keep, self._entry, self._debt, self._hold, self._claim, self._lot)

    def take(self, place: _Place, row: Row) -> None:
        """The next row; behind the first fault nothing is looked at any more."""
        if self._wrong is None:
            table = _TABLES[place[-1]].name.removeprefix("farthing_")
            self._wrong = first_wrong(f"{table} {place[3]}", lambda: self._takers[place[-1]](row))

    def finish(self) -> str | None:
        """The first fault, if there is any."""
        return self._wrong or first_wrong("wallet", self._finish)

    def _keep(self, row: Row) -> None:
        self._row = row

    def _entry(self, row: Row) -> None:
        line = sql.entry(self._session, row)
        self.audit.entry(line, folding.cited(self._session, line))
        for part in self.audit.closed:
            same(self._stored.pop((type(part), part.seq), None), part)

    def _debt(self, row: Row) -> None:
        debt = Debt(*row[2:5])
        self._expect(debt, self.audit.debts, f"debt of entry {debt.seq}", row[5], open=debt.remaining > 0)

    def _hold(self, row: Row) -> None:
        hold = sql.hold(self._session, row)
        self._expect(hold, self.audit.holds, f"hold {hold.seq}", row[11], open=not hold.ended)

    def _claim(self, row: Row) -> None:
        claim = Claim(*row[2:7])
        self._expect(claim, self.audit.claims, "", True, open=True)

    def _expect(self, part: Debt | Hold | Claim, made: Mapping[int, Part], what: str, flag: Any, *, open: bool) -> None:
        if part.seq not in made:
            same(part, None)
        _same_flag(what, flag, open=open)
        self._stored[type(part), part.seq] = part

    def _lot(self, row: Row) -> None:
        lot = sql.lot(self._session, row)
        self._lots += 1
        if lot.number > self._lots <= len(self.audit.lots):
            same(None, self.audit.lots[self._lots])
        same(lot, self.audit.lots.get(lot.number))
        _same_flag(f"lot {lot.number}", row[8], open=lot.remaining > 0)

    def _finish(self) -> None:
        if self._row is None:
            raise Wrong("wallet: its row is missing")
        wallet, owner_frozen = (self._row[0], self._row[1]), self._row[-1]
        book = sql.books_without_lots(self._session, {wallet: self._row}, {wallet[1]: self._kind})[wallet]
        if owner_frozen is None:
            raise Wrong("wallet: its account is missing")
        if book.frozen != bool(owner_frozen):
            raise Wrong(f"wallet: frozen is {book.frozen}, but its account's is {bool(owner_frozen)}")
        if self._lots < len(self.audit.lots):
            same(None, self.audit.lots[self._lots + 1])
        for part in self.audit.parts():
            if not isinstance(part, Lot):
                same(self._stored.get((type(part), part.seq)), part)
        self.audit.finish(book)


def _same_flag(what: str, flag: Any, *, open: bool) -> None:
    if bool(flag) != open:
        raise Wrong(f"{what}: open is {bool(flag)}, which it is not")


def _rows(session: Session, account: str | None) -> Iterator[tuple[_Place, Row]]:
    return merge(*(_stream(session, which, account) for which in range(len(_TABLES))), key=lambda row: row[0])


def _stream(session: Session, which: int, account: str | None) -> Iterator[tuple[_Place, Row]]:
    table = _TABLES[which]
    names = [*table.c.keys(), *([_FROZEN] if table is wallets else [])]
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    order = ", ".join(column.name for column in table.primary_key)
    statement = f"SELECT {', '.join(names)} FROM {table.name} {where} ORDER BY {order}"
    for row in session.stream(statement, params, size=_AT_ONCE):
        yield (row[0], row[1], _STAGES[which], row[2] if _STAGES[which] else 0, which), row


def _count(session: Session, account: str | None) -> int:
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    return session.execute(f"SELECT count(*) FROM farthing_entries {where}", params)[0][0]
