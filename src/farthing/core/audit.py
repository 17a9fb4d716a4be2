"""The books rebuilt from their entries alone, and where they differ from what is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from farthing.core.book import BOOKED_WHEN_DUE, Book, Debt, Entry, Lot, draw, seal
from farthing.core.calendar import EPOCH
from farthing.errors import Corrupt


class Wrong(Exception):
    """The first thing in a wallet that cannot be true."""


class Audit:
    """One wallet, folded entry by entry: `entry` in order, then `finish`; each raises `Wrong` at the first fault."""

    def __init__(self) -> None:
        self.seq = self.posted = self.held = 0
        self.seal = b""
        self.recorded_at = EPOCH
        self.lots: dict[int, Lot] = {}
        self.debts: dict[int, Debt] = {}
        self._pending: dict[int, Lot] = {}
        self._takers: dict[str, Callable[[str, Entry], None]] = {
            "grant": self._grant,
            "deduct": self._deduct,
            "expire": self._expire,
            "repay": self._repay,
        }

    @property
    def debt(self) -> int:
        return sum(debt.remaining for debt in self.debts.values())

    def entry(self, line: Entry) -> None:
        """Takes the next entry into the books."""
        at = f"entry {line.seq}"
        _same(f"{at}: its number", line.seq, self.seq + 1)
        _same(f"{at}: its seal", line.seal.hex(), seal(self.seal, line).hex())
        if line.recorded_at < self.recorded_at:
            raise Wrong(f"{at}: it was recorded before the entry in front of it")
        take = self._takers.get(line.kind)
        if take is None:
            raise Wrong(f"{at}: there is no kind {line.kind!r}")
        take(at, line)
        self.seq, self.seal, self.recorded_at = line.seq, line.seal, line.recorded_at
        self.posted += line.amount
        self.held += line.held_change
        as_of = line.effective_at if line.kind in BOOKED_WHEN_DUE else line.recorded_at
        _same(f"{at}: posted_after", line.posted_after, self.posted)
        _same(f"{at}: held_after", line.held_after, self.held)
        _same(f"{at}: pending_after", line.pending_after, self.pending(as_of))

    def pending(self, at: datetime) -> int:
        """What does not count yet at `at`; asked in the order of time."""
        self._pending = {number: lot for number, lot in self._pending.items() if lot.effective_at > at}
        return sum(self.lots[number].remaining for number in self._pending)

    def finish(self, book: Book, lots: list[Lot], debts: list[Debt]) -> None:
        """Compares with the stored wallet, all its lots and all its debts, open or not."""
        _same("wallet: seq", book.seq, self.seq)
        _same("wallet: posted", book.posted, self.posted)
        _same("wallet: held", book.held, self.held)
        _same("wallet: debt", book.debt, self.debt)
        _same("wallet: last_lot", book.last_lot, len(self.lots))
        _same("wallet: seal", book.seal.hex(), self.seal.hex())
        _same("lots: their numbers", [lot.number for lot in lots], list(self.lots))
        for lot in lots:
            _same_parts(f"lot {lot.number}", lot, self.lots[lot.number])
        _same("debts: their entries", [debt.seq for debt in debts], list(self.debts))
        for debt in debts:
            _same_parts(f"debt of entry {debt.seq}", debt, self.debts[debt.seq])
        if book.recorded_at < self.recorded_at:
            raise Wrong("wallet: recorded_at lies before its last entry")
        _same("wallet: pending", book.pending, self.pending(book.recorded_at))
        self._next_change(book)
        if self.posted != sum(lot.remaining for lot in lots) - self.debt:
            raise Wrong("wallet: posted is not what its lots have less what it owes")

    def _next_change(self, book: Book) -> None:
        instants = [
            at
            for lot in self.lots.values()
            for at in (lot.effective_at, lot.expires_at)
            if at is not None and lot.remaining > lot.held and at > book.recorded_at
        ]
        upcoming = min(instants, default=None)
        if upcoming and (book.next_change_at is None or book.next_change_at > upcoming):
            raise Wrong(f"wallet: next_change_at is {book.next_change_at}, but something changes at {upcoming}")

    def _grant(self, at: str, line: Entry) -> None:
        lot = line.opened
        if lot is None or line.draws or line.held_change:
            raise Wrong(f"{at}: a grant opens one lot and draws from none")
        _same(f"{at}: the number of its lot", lot.number, len(self.lots) + 1)
        _same(f"{at}: its amount", line.amount, lot.amount)
        if lot.expires_at is not None and lot.expires_at <= max(lot.effective_at, line.recorded_at):
            raise Wrong(f"{at}: its lot expires before it counts")
        self.lots[lot.number] = lot
        if lot.effective_at > line.recorded_at:
            self._pending[lot.number] = lot

    def _deduct(self, at: str, line: Entry) -> None:
        drawn = self._draw(at, line, line.recorded_at)
        owed = -line.amount - drawn
        if line.amount >= 0 or owed < 0 or line.held_change:
            raise Wrong(f"{at}: it takes {-line.amount} and draws {drawn}")
        if owed:
            self.debts[line.seq] = Debt(line.seq, owed, owed)

    def _expire(self, at: str, line: Entry) -> None:
        _same(f"{at}: lots it draws", len(line.draws), 1)
        lot = self.lots.get(line.draws[0].lot)
        _same(f"{at}: its instant", line.effective_at, lot and lot.expires_at)
        drawn = self._draw(at, line, None)
        _same(f"{at}: its amount", -line.amount, drawn)
        after = self.lots[line.draws[0].lot]
        _same(f"{at}: what remains of its lot", after.remaining, after.held)

    def _repay(self, at: str, line: Entry) -> None:
        _same(f"{at}: its amount", line.amount, 0)
        self._draw(at, line, line.effective_at)
        for drawn in line.draws:
            debt = self.debts.get(drawn.debt or 0)
            if debt is None or drawn.amount > debt.remaining:
                raise Wrong(f"{at}: it repays {drawn.amount} of entry {drawn.debt}, which does not owe that")
            self.debts[debt.seq] = debt._replace(remaining=debt.remaining - drawn.amount)

    def _draw(self, at: str, line: Entry, usable_at: datetime | None) -> int:
        for given in line.draws:
            lot = self.lots.get(given.lot)
            if lot is None:
                raise Wrong(f"{at}: it draws from lot {given.lot}, which does not exist")
            expired = lot.expires_at is not None and usable_at is not None and lot.expires_at <= usable_at
            if expired or (usable_at is not None and lot.effective_at > usable_at):
                raise Wrong(f"{at}: it draws from lot {given.lot}, which did not count at {usable_at}")
            try:
                self.lots[given.lot], drawn = draw(lot, given.amount, debt=given.debt)
            except Corrupt as error:
                raise Wrong(f"{at}: {error}") from None
            _same(f"{at}: the cost drawn from lot {given.lot}", given.cost_minor, drawn.cost_minor)
        return sum(given.amount for given in line.draws)


def _same(what: str, stored: object, rebuilt: object) -> None:
    if stored != rebuilt:
        raise Wrong(f"{what} is {stored}, but the entries make it {rebuilt}")


def _same_parts(what: str, stored: Lot | Debt, rebuilt: Lot | Debt) -> None:
    for name in stored._fields:
        _same(f"{what}: {name}", getattr(stored, name), getattr(rebuilt, name))
