"""Deductions taken back: what was drawn last goes back first, to the very lots it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from farthing.core import lots
from farthing.core.book import Book, Draft, Draw, Entry, Lot, Partial, Stamp, put_back, write
from farthing.core.calendar import after, span
from farthing.core.names import entry_id
from farthing.errors import Corrupt, NotFound

POLICIES = ("restore", "grace", "forfeit")


class Left(NamedTuple):
    """What of a deduction was not taken back yet: what it still owes, and per lot in the order of drawing."""

    owed: int
    drawn: list[tuple[int, int]]  # lot, amount

    @property
    def total(self) -> int:
        return self.owed + sum(amount for _, amount in self.drawn)


USES = ("deduct", "capture")


def reverse(book: Book, seq: int, amount: int | None, policy: str, stamp: Stamp, kinds: Sequence[str] = USES) -> Draft:
    """`amount` of a deduction or capture is taken back (None: all that is left of it); or of an entry of other `kinds`.

    What it still owes is forgiven first. Of what goes back to a lot that expired meanwhile, by policy: "restore", a new
    lot that lasts as long as the old one still would have when it was drawn from; "grace", a new lot that lasts the
    credit type's `grace`; "forfeit", nothing: it expires again.

    Raises:
        NotFound: there is no such deduction. NotEnoughLeft: less of it is left to take back.
    """
    if not book.whole:
        raise Partial
    original = next((line for line in book.cited if line.seq == seq and line.kind in kinds), None)
    if original is None:
        raise NotFound(
            f"{book.account} has no deduction {entry_id(book.credit_type.code, seq)}. Nothing was changed. "
            "Only deductions and captures can be reversed."
        )
    left = what_is_left(original, book.cited)
    wanted = left.total if amount is None else amount
    if not 0 < wanted <= left.total:
        raise lots.not_enough_left(book, entry_id(book.credit_type.code, seq), wanted, left.total)
    stamp = stamp._replace(link=entry_id(original.credit_type, seq))
    draft, draws = _give_back(Draft(book), seq, wanted, left, stamp)
    instants = [at for lot in draft.book.lots for at in (lot.effective_at, lot.expires_at) if at and at > stamp.now]
    draft = lots.changes_at(draft, *instants)
    draft = lots.expire(draft, [drawn.lot for drawn in draws], stamp.now, stamp)
    draft = lots.repay_all(draft, stamp, stamp.now)
    for drawn in draws:
        draft = _renew(draft, drawn, original, policy, stamp)
    return draft


def what_is_left(original: Entry, later: Sequence[Entry]) -> Left:
    """What of a deduction can be taken back, after what `later` entries repaid of its debt and took back already."""
    drawn = [(one.lot, one.amount) for one in original.draws]
    owed = -original.amount - sum(amount for _, amount in drawn)
    name = entry_id(original.credit_type, original.seq)
    for line in later:
        if line.kind == "repay":
            paid = [(one.lot, one.amount) for one in line.draws if one.debt == original.seq]
            drawn += paid
            owed -= sum(amount for _, amount in paid)
    returned: Counter[int] = Counter()
    for line in later:
        if line.kind == "reverse" and line.link == name:
            returned.update({one.lot: one.amount for one in line.draws})
            owed -= line.amount - sum(one.amount for one in line.draws)
    left: list[tuple[int, int]] = []
    for lot, amount in reversed(drawn):
        gone = min(amount, returned[lot])
        returned[lot] -= gone
        left.append((lot, amount - gone))
    return Left(owed, left[::-1])


def _give_back(draft: Draft, seq: int, wanted: int, left: Left, stamp: Stamp) -> tuple[Draft, tuple[Draw, ...]]:
    book = draft.book
    forgiven = min(wanted, left.owed)
    debts = [debt._replace(remaining=debt.remaining - forgiven) for debt in book.debts if debt.seq == seq and forgiven]
    if forgiven and not debts:
        raise Corrupt(f"{book.account} owes {left.owed} for entry {seq}, and no debt shows it")
    after: dict[int, Lot] = {}
    draws: dict[int, Draw] = {}
    missing = wanted - forgiven
    for number, amount in reversed(left.drawn):
        if part := min(amount, missing):
            after[number], drawn = put_back(after.get(number) or _lot(book, number), part)
            draws[number] = _sum(draws.get(number), drawn)
            missing -= part
    written = write(
        draft, "reverse", stamp,
        amount=wanted,
        pending_change=sum(draws[number].amount for number, lot in after.items() if lot.effective_at > stamp.now),
        changes=[*after.values(), *debts],
        draws=tuple(draws.values()),
    )  # fmt: skip
    return written, tuple(draws.values())


def _renew(draft: Draft, drawn: Draw, original: Entry, policy: str, stamp: Stamp) -> Draft:
    """A new lot for what went back to one that had expired, if there is to be one."""
    lot = _lot(draft.book, drawn.lot)
    if lot.expires_at is None or lot.expires_at > stamp.now:
        return draft
    end = _new_end(draft.book, lot, original, policy, stamp.now)
    if end is None or end <= stamp.now:
        return draft
    terms = lots.Terms(drawn.amount, "reversal", lot.priority, None, end, drawn.cost_minor, lot.currency)
    keyless = Stamp(stamp.now, link=stamp.link, catalog_version=stamp.catalog_version)
    return lots.add(draft, "grant", terms, keyless)


def _new_end(book: Book, lot: Lot, original: Entry, policy: str, now: datetime) -> datetime | None:
    if policy == "restore" and lot.expires_at:
        return now + (lot.expires_at - _drawn_at(book, lot, original))
    return after(now, span(book.credit_type.grace)) if policy == "grace" else None


def _drawn_at(book: Book, lot: Lot, original: Entry) -> datetime:
    """When the deduction first took from this lot: at once, or when the lot repaid what it owed."""
    if any(drawn.lot == lot.number for drawn in original.draws):
        return original.recorded_at
    return min(
        line.effective_at
        for line in book.cited
        for drawn in line.draws
        if line.kind == "repay" and (drawn.lot, drawn.debt) == (lot.number, original.seq)
    )


def _sum(before: Draw | None, drawn: Draw) -> Draw:
    if before is None:
        return drawn
    return drawn._replace(amount=before.amount + drawn.amount, cost_minor=before.cost_minor + drawn.cost_minor)


def _lot(book: Book, number: int) -> Lot:
    found = lots.known_lot(book, number)
    if found is None:
        raise Corrupt(f"lot {number} of {book.account}, which was drawn from, does not exist")
    return found
