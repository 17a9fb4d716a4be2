"""`explain`: a balance taken apart into the lots, debts and holds it is made of, each with where it came from."""

from __future__ import annotations

import sys
from bisect import bisect_right, insort
from collections import defaultdict
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from typing import Any

from farthing.amounts import to_credits
from farthing.core.audit import Audit
from farthing.core.book import Book, CreditType, Debt, Draw, Entry, Hold, Lot, Until, burn_key
from farthing.core.checks import OUR_KEYS
from farthing.core.due import settle
from farthing.core.lots import usable
from farthing.core.names import entry_id, hold_id, lot_id, number_in
from farthing.ledger import folding, reading
from farthing.ledger.explanation import DebtStory, Explanation, HoldStory, Kept, LotStory, Origin, Step
from farthing.plans.paying import PLAN_KEYS, is_rolled
from farthing.store import orders
from farthing.store.database import Session

_RULES = ("lower priority number", "expires sooner", "expires sooner", "unpaid before paid", "older", "lower number")
_WHY = {
    "expire": "it expired",
    "void": "named by the call",
    "clawback": "named by the call",
}


def explain(session: Session, account: str, kind: CreditType, now: datetime, at: datetime | None) -> Explanation:
    """The wallet at `at`, or None: now. Its entries are read twice: to learn what is open, and what became of that.

    Raises:
        Corrupt: the entries contradict themselves.
    """
    if at is None:
        [book] = reading.whole_books(session, account, [kind], now) or [Book(account, kind)]
        at = max(now, book.recorded_at)
    else:
        [book] = reading.books_at(session, account, [kind], at)
    trail = _Trail(session, book, at)
    with closing(folding.until(session, (account, kind.code), at)) as lines:
        for line in lines:
            trail.follow(line)
    trail.written = trail.audit.seq
    for line in settle(trail.audit.book(account, kind), at).entries:
        trail.follow(line)
    return trail.explanation()


class _Trail:
    """What became of the lots, debts and holds that are open in the end, gathered entry by entry."""

    def __init__(self, session: Session, book: Book, at: datetime) -> None:
        self.audit = Audit()
        self.written = sys.maxsize  # the last entry that was; those behind it are due
        self._session, self._book, self._at = session, book, at
        self._kind = book.credit_type
        self._lots = {lot.number for lot in book.lots}
        self._open = {debt.seq for debt in book.debts} | {hold.seq for hold in book.holds if not hold.ended}
        self._made: dict[int, Entry] = {}  # the entries that made these lots, debts and holds, by their own number
        self._taken = defaultdict[int, list[Step]](list)
        self._kept = defaultdict[int, list[Kept]](list)
        self._paid = defaultdict[int, list[Step]](list)
        self._burning: list[tuple[Any, ...]] = []  # the burn keys of all lots with free credits, in order

    def follow(self, line: Entry) -> None:
        """The next entry, seen from the books in front of it."""
        if (isinstance(line.opened, Lot) and line.opened.number in self._lots) or line.seq in self._open:
            self._made[line.seq] = line
        own = self._own(line)
        for drawn in line.draws:
            if drawn.lot in self._lots and drawn.lot in self.audit.lots:
                self._draw(line, drawn, own)
            if drawn.debt in self._open:
                paid_from = f"paid out of {lot_id(line.credit_type, drawn.lot)}"
                self._paid[drawn.debt].append(self._step(line, drawn.amount, paid_from))
        self._forgive(line)
        folding.take(self._session, self.audit, line)
        self._reorder()

    def explanation(self) -> Explanation:
        book = self._book
        return Explanation(
            book.account, self._kind.code, self._at, reading.balance(book),
            [self._lot(lot) for lot in book.lots], [self._debt(debt) for debt in book.debts],
            [self._hold(hold) for hold in book.holds if not hold.ended],
        )  # fmt: skip

    def _own(self, line: Entry) -> set[int]:
        """Of a capture, the lots that its hold had kept credits in."""
        hold = self.audit.holds.get(number_in(line.link)) if line.kind == "capture" else None
        return {lot for lot, _ in hold.parts} if hold and not hold.ended else set()

    def _draw(self, line: Entry, drawn: Draw, own: set[int]) -> None:
        if line.kind == "hold":
            if line.seq in self._open:
                named = isinstance(line.opened, Until) and line.opened.deadline is None
                rule = ("its money is in dispute", None) if named else self._rule(line, drawn.lot)
                name = hold_id(line.credit_type, line.seq)
                self._kept[drawn.lot].append(Kept(name, self._credits(drawn.amount), *rule))
        elif line.kind == "reverse":
            self._taken[drawn.lot].append(self._step(line, -drawn.amount, "given back to where it came from"))
        elif line.kind not in ("release", "lapse"):
            why, before = self._reason(line, drawn, own)
            self._taken[drawn.lot].append(self._step(line, drawn.amount, why, before))

    def _reason(self, line: Entry, drawn: Draw, own: set[int]) -> tuple[str, str | None]:
        if line.kind in _WHY:
            return _WHY[line.kind], None
        if drawn.debt is not None:
            return f"owed for {entry_id(line.credit_type, drawn.debt)}", None
        if drawn.lot in own:
            own.remove(drawn.lot)
            return "held for it", None
        if not usable(self.audit.lots[drawn.lot], line.recorded_at):
            return "everything was moved", None
        return self._rule(line, drawn.lot)

    def _rule(self, line: Entry, number: int) -> tuple[str, str | None]:
        """The rule of the burn order that put this lot in front of the next one that could have given credits."""
        mine = burn_key(self.audit.lots[number])
        for key in self._burning[bisect_right(self._burning, mine) :]:
            if usable(self.audit.lots[key[-1]], line.recorded_at):
                differs = next(place for place, part in enumerate(mine) if part != key[place])
                return _RULES[differs], lot_id(line.credit_type, key[-1])
        return "the only one", None

    def _reorder(self) -> None:
        for number in self.audit.changed:
            lot = self.audit.lots[number]
            key = burn_key(lot)
            place = bisect_right(self._burning, key)
            there = place > 0 and self._burning[place - 1] == key
            if lot.remaining > lot.held and not there:
                insort(self._burning, key)
            elif lot.remaining == lot.held and there:
                del self._burning[place - 1]

    def _forgive(self, line: Entry) -> None:
        """What a reversal took off a debt."""
        number = number_in(line.link)
        forgiven = line.amount - sum(drawn.amount for drawn in line.draws)
        if line.kind == "reverse" and forgiven and number in self._open:
            self._paid[number].append(self._step(line, forgiven, "forgiven"))

    def _step(self, line: Entry, amount: int, why: str, before: str | None = None) -> Step:
        credits = self._credits(amount)
        return Step(self._name(line), line.kind, credits, line.effective_at, line.operation, why, before)

    def _name(self, line: Entry) -> str | None:
        return entry_id(line.credit_type, line.seq) if line.seq <= self.written else None

    def _credits(self, units: int) -> Decimal:
        return to_credits(units, self._kind.scale)

    def _lot(self, lot: Lot) -> LotStory:
        amount, remaining, held = map(self._credits, (lot.amount, lot.remaining, lot.held))
        return LotStory(
            lot_id(self._kind.code, lot.number), lot.source, amount, remaining, held, lot.effective_at > self._at,
            lot.priority, lot.effective_at, lot.expires_at, lot.cost_minor, lot.currency,
            self._origin(self._made[lot.seq]), self._taken[lot.number], self._kept[lot.number],
        )  # fmt: skip

    def _origin(self, line: Entry) -> Origin:
        of = {"transfer": "transfer", "reversal": "reversal"}.get(line.source or "")
        payment = None
        if (line.key or "").startswith(f"{OUR_KEYS}order:"):
            order = orders.read(self._session, line.account, line.link or "")
            of, payment = "order", order and order.paid_by
        if (line.key or "").startswith(PLAN_KEYS):
            of = "rollover" if is_rolled(line) else "plan"
        name = entry_id(line.credit_type, line.seq)
        return Origin(name, line.kind, line.recorded_at, line.key, of, line.link, payment)

    def _debt(self, debt: Debt) -> DebtStory:
        line = self._made[debt.seq]
        amount, remaining = self._credits(debt.amount), self._credits(debt.remaining)
        at, paid = line.effective_at, self._paid[debt.seq]
        return DebtStory(self._name(line), line.kind, at, line.operation, amount, remaining, paid)

    def _hold(self, hold: Hold) -> HoldStory:
        amount, owed = self._credits(hold.amount), self._credits(hold.owed)
        name, operation = hold_id(self._kind.code, hold.seq), self._made[hold.seq].operation
        return HoldStory(name, amount, owed, hold.held_at, hold.deadline, operation)
