"""The books rebuilt from their entries alone, and where they differ from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from farthing.core.book import (
    BOOKED_WHEN_DUE,
    Book,
    Claim,
    CreditType,
    Debt,
    Draw,
    Entry,
    Hold,
    Lot,
    Part,
    Until,
    burn_key,
    draw,
    put_back,
    seal,
)  # fmt: skip
from farthing.core.calendar import EPOCH
from farthing.core.due import settle
from farthing.core.lots import usable
from farthing.core.names import entry_id, hold_id, number_in
from farthing.core.reversals import USES, what_is_left
from farthing.errors import Corrupt

_CALLED = {Lot: "lot", Debt: "debt of entry", Hold: "hold", Claim: "claim of entry"}


class Wrong(Exception):
    """The first thing in a wallet that cannot be true."""


class Audit:
    """One wallet, folded entry by entry: `entry` in order, then `finish`; each raises `Wrong` at the first fault.

    It keeps all lots, since a reversal may open any of them again; of debts, holds and claims those that may still
    change. What an entry ended for good is in `closed` until the next one.
    """

    def __init__(self) -> None:
        self.seq = self.posted = self.held = 0
        self.seal = b""
        self.recorded_at = EPOCH
        self.lots: dict[int, Lot] = {}
        self.debts: dict[int, Debt] = {}
        self.holds: dict[int, Hold] = {}
        self.claims: dict[int, Claim] = {}
        self.closed: list[Debt | Hold | Claim] = []
        self.changed = set[int]()  # the lots that the last entry made, drew from or gave to
        self._cited: Sequence[Entry] = ()
        self._pending: dict[int, Lot] = {}
        self._freed = set[int]()  # lots that the last end or reversal gave to: what had expired of them goes late
        self._takers: dict[str, Callable[[str, Entry], None]] = {
            "grant": self._grant, "transfer_in": self._grant,
            "deduct": self._deduct, "transfer_out": self._take,
            "expire": self._expire, "repay": self._repay,
            "hold": self._hold, "capture": self._capture, "extend": self._extend,
            "release": self._let_go, "lapse": self._let_go,
            "reverse": self._reverse, "void": self._take_back, "clawback": self._take_back,
        }  # fmt: skip

    @property
    def debt(self) -> int:
        return sum(debt.remaining for debt in self.debts.values())

    def entry(self, line: Entry, cited: Sequence[Entry] = ()) -> None:
        """Takes the next entry into the books. `cited`: of a reversal, what it reverses and what was done to that."""
        at = f"entry {line.seq}"
        _same(f"{at}: its number", line.seq, self.seq + 1)
        _same(f"{at}: its seal", line.seal.hex(), seal(self.seal, line).hex())
        if line.recorded_at < self.recorded_at:
            raise Wrong(f"{at}: it was recorded before the entry in front of it")
        take = self._takers.get(line.kind)
        if take is None:
            raise Wrong(f"{at}: there is no kind {line.kind!r}")
        self._cited, self.closed, self.changed = cited, [], {drawn.lot for drawn in line.draws}
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

    def book(self, account: str, kind: CreditType) -> Book:
        """The wallet as its entries leave it, at the time of the last one; what came due since is not in it."""
        claims = tuple(claim for _, claim in sorted(self.claims.items()))
        return Book(
            account, kind, self.seq, self.posted, self.held, self.pending(self.recorded_at), self.debt, len(self.lots),
            sum(claim.amount for claim in claims), recorded_at=self.recorded_at, next_change_at=EPOCH, seal=self.seal,
            lots=tuple(sorted((lot for lot in self.lots.values() if lot.remaining), key=burn_key)),
            debts=tuple(debt for _, debt in sorted(self.debts.items())),
            holds=tuple(hold for _, hold in sorted(self.holds.items()) if not hold.ended),
            claims=claims,
        )  # fmt: skip

    def parts(self) -> Iterator[Part]:
        """All lots, and the debts, holds and claims that were not `closed`."""
        for parts in (self.lots, self.debts, self.holds, self.claims):
            yield from parts.values()

    def finish(self, book: Book) -> None:
        """Compares with the stored wallet."""
        if book.recorded_at < self.recorded_at:
            raise Wrong("wallet: recorded_at lies before its last entry")
        due = settle(self.book(book.account, book.credit_type), book.recorded_at)
        if due.entries:
            first = due.entries[0]
            raise Wrong(
                f"wallet: its time is {book.recorded_at}, and the {first.kind} at {first.effective_at} is missing"
            )
        for name in ("seq", "posted", "held", "pending", "debt", "last_lot", "claimed"):
            _same(f"wallet: {name}", getattr(book, name), getattr(due.book, name))
        _same("wallet: seal", book.seal.hex(), self.seal.hex())
        self._next_change(book)
        if self.posted != sum(lot.remaining for lot in self.lots.values()) - self.debt:
            raise Wrong("wallet: posted is not what its lots have less what it owes")
        if self.debt and any(lot.remaining > lot.held for lot in self.lots.values() if usable(lot, book.recorded_at)):
            raise Wrong("wallet: it owes credits, and has some to pay with")
        kept = sum(lot.held for lot in self.lots.values()) + sum(
            hold.owed for hold in self.holds.values() if not hold.ended
        )
        _same("wallet: held, by its lots and holds", kept, self.held)

    def _next_change(self, book: Book) -> None:
        instants = [
            at
            for lot in self.lots.values()
            for at in (lot.effective_at, lot.expires_at)
            if at is not None and lot.remaining > lot.held
        ]
        instants += [hold.deadline for hold in self.holds.values() if hold.deadline and not hold.ended]
        upcoming = min((at for at in instants if at > book.recorded_at), default=None)
        if upcoming and (book.next_change_at is None or book.next_change_at > upcoming):
            raise Wrong(f"wallet: next_change_at is {book.next_change_at}, but something changes at {upcoming}")

    def _grant(self, at: str, line: Entry) -> None:
        lot = line.opened
        if not isinstance(lot, Lot) or line.draws or line.held_change:
            raise Wrong(f"{at}: a {line.kind} opens one lot and draws from none")
        _same(f"{at}: the number of its lot", lot.number, len(self.lots) + 1)
        _same(f"{at}: its amount", line.amount, lot.amount)
        if lot.expires_at is not None and lot.expires_at <= max(lot.effective_at, line.recorded_at):
            raise Wrong(f"{at}: its lot expires before it counts")
        self.lots[lot.number] = lot
        self.changed.add(lot.number)
        if lot.effective_at > line.recorded_at:
            self._pending[lot.number] = lot

    def _deduct(self, at: str, line: Entry) -> None:
        self._owe(at, line, self._draw(at, line, line.recorded_at))
        _same(f"{at}: held_change", line.held_change, 0)

    def _take(self, at: str, line: Entry) -> None:
        _same(f"{at}: its amount", -line.amount, self._draw(at, line, None))
        _same(f"{at}: held_change", line.held_change, 0)

    def _expire(self, at: str, line: Entry) -> None:
        _same(f"{at}: lots it draws", len(line.draws), 1)
        number = line.draws[0].lot
        lot = self.lots.get(number)
        if lot is None or lot.expires_at is None or line.effective_at < lot.expires_at:
            raise Wrong(f"{at}: at {line.effective_at} its lot had not expired")
        if line.effective_at > lot.expires_at and number not in self._freed:
            raise Wrong(f"{at}: its lot expired at {lot.expires_at} already")
        self._take(at, line)
        after = self.lots[number]
        _same(f"{at}: what remains of its lot", after.remaining, after.held)

    def _repay(self, at: str, line: Entry) -> None:
        _same(f"{at}: its amount", line.amount, 0)
        self._draw(at, line, line.effective_at)
        for drawn in line.draws:
            debt = self.debts.get(drawn.debt or 0)
            if debt is None or drawn.amount > debt.remaining:
                raise Wrong(f"{at}: it repays {drawn.amount} of entry {drawn.debt}, which does not owe that")
            self._lower(debt, drawn.amount)

    def _hold(self, at: str, line: Entry) -> None:
        until = line.opened
        if not isinstance(until, Until) or until.hold != line.seq or line.amount or line.held_change <= 0:
            raise Wrong(f"{at}: a hold sets credits aside, and says until when")
        for drawn in line.draws:
            lot = self._usable(at, drawn, line.recorded_at)
            if drawn.amount > lot.remaining - lot.held or drawn.cost_minor:
                raise Wrong(f"{at}: it holds {drawn.amount} in lot {lot.number}, which has less that is free")
            self.lots[lot.number] = lot._replace(held=lot.held + drawn.amount)
        parts = tuple((drawn.lot, drawn.amount) for drawn in line.draws)
        owed = line.held_change - sum(part for _, part in parts)
        if owed < 0:
            raise Wrong(f"{at}: it holds more in its lots than in all")
        self.holds[line.seq] = Hold(
            line.seq, line.held_change, owed, parts, line.recorded_at, until.deadline, until.late
        )

    def _extend(self, at: str, line: Entry) -> None:
        until = line.opened
        hold = self.holds.get(until.hold) if isinstance(until, Until) else None
        if hold is None or hold.ended or not isinstance(until, Until) or line.amount or line.held_change or line.draws:
            raise Wrong(f"{at}: there is nothing that it could extend")
        _same(f"{at}: what a late capture does", until.late, hold.late)
        self.holds[hold.seq] = hold._replace(deadline=until.deadline)

    def _capture(self, at: str, line: Entry) -> None:
        hold = self._linked(at, line)
        own: dict[int, int] = {}
        if hold.ended == "lapse" and hold.late == "charge":
            _same(f"{at}: held_change", line.held_change, 0)
        else:
            own = self._end(at, line, hold)
        self._ended(hold, line)
        self._owe(at, line, self._draw(at, line, line.recorded_at, own))

    def _let_go(self, at: str, line: Entry) -> None:
        hold = self._linked(at, line)
        parts = self._end(at, line, hold)
        _same(f"{at}: its amount", line.amount, 0)
        _same(f"{at}: what it lets go of", {drawn.lot: drawn.amount for drawn in line.draws}, parts)
        if line.kind == "lapse":
            _same(f"{at}: its instant", line.effective_at, hold.deadline)
        self._ended(hold, line)

    def _ended(self, hold: Hold, line: Entry) -> None:
        ended = hold._replace(ended=line.kind, ended_at=line.effective_at)
        if line.kind == "lapse" and hold.late == "charge":
            self.holds[hold.seq] = ended
        else:
            self.closed.append(ended)
            del self.holds[hold.seq]

    def _end(self, at: str, line: Entry, hold: Hold) -> dict[int, int]:
        if hold.ended:
            raise Wrong(f"{at}: the hold of entry {hold.seq} had ended")
        _same(f"{at}: held_change", line.held_change, -hold.amount)
        for number, part in hold.parts:
            self.lots[number] = self.lots[number]._replace(held=self.lots[number].held - part)
        self._freed = {number for number, _ in hold.parts}
        self.changed |= self._freed
        return dict(hold.parts)

    def _reverse(self, at: str, line: Entry) -> None:
        original = next((one for one in self._cited if line.link == entry_id(one.credit_type, one.seq)), None)
        if original is None or original.kind not in (*USES, "clawback"):
            raise Wrong(f"{at}: there is nothing that it could reverse")
        if isinstance(line.opened, Claim):
            self._waive(at, line, line.opened, original)
            return
        left = what_is_left(original, [one for one in self._cited if one.seq < line.seq])
        returned = sum(drawn.amount for drawn in line.draws)
        forgiven = line.amount - returned
        if not 0 < line.amount <= left.total or not 0 <= forgiven <= left.owed or (returned and forgiven < left.owed):
            raise Wrong(f"{at}: it takes back {line.amount}, of which {forgiven} was owed, and {left} was left")
        if forgiven:
            debt = self.debts.get(original.seq)
            if debt is None or forgiven > debt.remaining:
                raise Wrong(f"{at}: it forgives {forgiven} of entry {original.seq}, which does not owe that")
            self._lower(debt, forgiven)
        for drawn in line.draws:
            self.lots[drawn.lot], again = _try(at, put_back, self.lots[drawn.lot], drawn.amount)
            _same(f"{at}: the cost put back into lot {drawn.lot}", drawn.cost_minor, again.cost_minor)
        self._freed = {drawn.lot for drawn in line.draws}

    def _waive(self, at: str, line: Entry, claim: Claim, original: Entry) -> None:
        before = self.claims.get(original.seq)
        if before is None or line.amount or line.draws or not 0 <= claim.amount < before.amount:
            raise Wrong(f"{at}: it waives nothing that entry {original.seq} claims")
        _same(f"{at}: its claim", claim, before._replace(amount=claim.amount))
        self.claims[claim.seq] = claim
        if not claim.amount:
            self.closed.append(self.claims.pop(claim.seq))

    def _take_back(self, at: str, line: Entry) -> None:
        claim = line.opened
        if claim is not None and not isinstance(claim, Claim):
            raise Wrong(f"{at}: a {line.kind} opens nothing but a claim")
        drawn = self._draw(at, line, None)
        owed = -line.amount - drawn
        if claim is not None:
            before = self.claims.get(claim.seq)
            if claim.seq != line.seq and (before is None or claim.amount > before.amount - drawn - owed):
                raise Wrong(f"{at}: it settles a claim of entry {claim.seq}, which was not so large")
            if claim.amount > self.lots[claim.lot].held:
                raise Wrong(f"{at}: it claims {claim.amount} that no hold keeps in lot {claim.lot}")
            self.claims[claim.seq] = claim
            if not claim.amount:
                self.closed.append(self.claims.pop(claim.seq))
        if owed:
            self._owe(at, line, drawn)

    def _owe(self, at: str, line: Entry, drawn: int) -> None:
        owed = -line.amount - drawn
        if line.amount >= 0 or owed < 0:
            raise Wrong(f"{at}: it takes {-line.amount} and draws {drawn}")
        if owed:
            self.debts[line.seq] = Debt(line.seq, owed, owed)

    def _lower(self, debt: Debt, amount: int) -> None:
        left = debt._replace(remaining=debt.remaining - amount)
        if left.remaining:
            self.debts[debt.seq] = left
        else:
            self.closed.append(left)
            del self.debts[debt.seq]

    def _linked(self, at: str, line: Entry) -> Hold:
        hold = self.holds.get(number_in(line.link))
        if hold is None or line.link != hold_id(line.credit_type, hold.seq):
            raise Wrong(f"{at}: {line.link} is no hold of this wallet that could end")
        return hold

    def _draw(self, at: str, line: Entry, usable_at: datetime | None, own: dict[int, int] | None = None) -> int:
        """Draws as the entry says. `own`: what its hold had kept, which counts even where the lot has expired."""
        for given in line.draws:
            kept = (own or {}).get(given.lot, 0)
            lot = self._usable(at, given, usable_at if given.amount > kept else None)
            after, drawn = _try(at, draw, lot, given.amount)
            _same(f"{at}: the cost drawn from lot {given.lot}", given.cost_minor, drawn.cost_minor)
            if after.held > after.remaining:
                raise Wrong(f"{at}: it draws from lot {given.lot} what another hold keeps")
            self.lots[given.lot] = after
        return sum(given.amount for given in line.draws)

    def _usable(self, at: str, given: Draw, usable_at: datetime | None) -> Lot:
        lot = self.lots.get(given.lot)
        if lot is None:
            raise Wrong(f"{at}: it draws from lot {given.lot}, which does not exist")
        expired = lot.expires_at is not None and usable_at is not None and lot.expires_at <= usable_at
        if expired or (usable_at is not None and lot.effective_at > usable_at):
            raise Wrong(f"{at}: it draws from lot {given.lot}, which did not count at {usable_at}")
        return lot


def same(stored: Part | None, rebuilt: Part | None) -> None:
    """Compares a stored lot, debt, hold or claim with what the entries make it; None: there is none.

    Raises:
        Wrong: they differ.
    """
    part = stored or rebuilt
    what = f"{_CALLED[type(part)]} {part[0]}" if part else ""
    if stored is None or rebuilt is None:
        raise Wrong(f"{what}: {'its row is missing' if stored is None else 'no entry made it'}")
    for name in stored._fields:
        _same(f"{what}: {name}", getattr(stored, name), getattr(rebuilt, name))


def _try(at: str, change: Callable[[Lot, int], tuple[Lot, Draw]], lot: Lot, amount: int) -> tuple[Lot, Draw]:
    try:
        return change(lot, amount)
    except Corrupt as error:
        raise Wrong(f"{at}: {error}") from None


def _same(what: str, stored: object, rebuilt: object) -> None:
    if stored != rebuilt:
        raise Wrong(f"{what} is {stored}, but the entries make it {rebuilt}")
