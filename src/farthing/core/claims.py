"""Lots taken back: a void ends what is unused, a clawback takes back what was paid for. What is held waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farthing.core import lots
from farthing.core.book import Book, Claim, Debt, Draft, Lot, Partial, Stamp, draw, write
from farthing.core.names import entry_id, lot_id
from farthing.errors import NotFound

RESTS = ("debt", "write_off")


def void(book: Book, number: int, amount: int | None, stamp: Stamp) -> Draft:
    """`amount` of what remains of a lot is gone (None: all of it). What a hold keeps goes when the hold lets go of it.

    Raises:
        NotFound: there is no such lot. NotEnoughLeft: less remains of it, or all of that is to be taken already.
    """
    lot = _named(book, number)
    claimed = sum(claim.amount for claim in book.claims if claim.lot == number)
    left = lot.remaining - claimed
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        raise lots.not_enough_left(book, lot_id(book.credit_type.code, number), wanted, left)
    return _take(Draft(book), "void", lot, wanted, "write_off", stamp)


def clawback(book: Book, number: int, amount: int, rest: str, stamp: Stamp) -> Draft:
    """`amount` of the credits that once came as this lot is taken back, whatever became of them.

    First what is unused and unheld in the lot; then, when their holds end, what is held in it. The rest, used up or
    expired, becomes debt (`rest` "debt", the only way below the floor) or nothing ("write_off"). Debt is repaid at once
    out of whatever else is free.

    Raises:
        NotFound: there is no such lot. NotEnoughLeft: it never had so much.
    """
    lot = _named(book, number)
    if amount > lot.amount:
        raise lots.not_enough_left(book, lot_id(book.credit_type.code, number), amount, lot.amount)
    return _take(Draft(book), "clawback", lot, amount, rest, stamp)


def take_back(book: Book, number: int | None, amount: int, rest: str, stamp: Stamp) -> Draft:
    """As `clawback`, of credits that came here as this lot for a part, or (None) not at all: their owner was merged."""
    if not book.whole:
        raise Partial
    if number is None:
        return lots.repay_all(_owe(Draft(book), amount if rest == "debt" else 0, stamp), stamp, stamp.now)
    return _take(Draft(book), "clawback", _named(book, number), amount, rest, stamp)


def waive(book: Book, seq: int, amount: int, stamp: Stamp) -> Draft:
    """`amount` of what the claim of clawback `seq` is still to get is not wanted any more, because the money came back.

    Raises:
        NotFound: it wants less than that, or nothing.
    """
    if not book.whole:
        raise Partial
    claim = next((claim for claim in book.claims if claim.seq == seq and claim.kind == "clawback"), None)
    if claim is None or claim.amount < amount:
        raise NotFound(f"{book.account} has no claim of {amount} by entry {seq}. Nothing was changed.")
    less = claim._replace(amount=claim.amount - amount)
    name = entry_id(book.credit_type.code, seq)
    return write(Draft(book), "reverse", stamp._replace(link=name), changes=[less], opened=less)


def settle(draft: Draft, numbers: Sequence[int], stamp: Stamp, at: datetime) -> Draft:
    """A hold let go of credits in these lots: what is claimed goes, then what the hold used up instead is owed."""
    if not draft.book.claimed:
        return draft
    for claim in draft.book.claims:
        if claim.lot in numbers:
            draft = _settle(draft, claim, stamp, at)
    return lots.repay_all(draft, stamp, at)


def _take(draft: Draft, kind: str, lot: Lot, wanted: int, rest: str, stamp: Stamp) -> Draft:
    book = draft.book
    seq = book.seq + 1
    claimed = sum(claim.amount for claim in book.claims if claim.lot == lot.number)
    taken = min(wanted, lot.remaining - lot.held)
    claim = Claim(seq, kind, lot.number, min(wanted - taken, lot.held - claimed), rest)
    owed = wanted - taken - claim.amount if rest == "debt" else 0
    left, drawn = draw(lot, taken) if taken else (None, None)
    debt = Debt(seq, owed, owed) if owed else None
    waits = claim if claim.amount else None
    draft = write(
        draft, kind, stamp,
        amount=-taken - owed,
        pending_change=-taken if lot.effective_at > stamp.now else 0,
        changes=[part for part in (left, debt, waits) if part],
        draws=(drawn,) if drawn else (),
        opened=waits,
    )  # fmt: skip
    return lots.repay_all(draft, stamp, stamp.now)


def _owe(draft: Draft, owed: int, stamp: Stamp) -> Draft:
    debt = Debt(draft.book.seq + 1, owed, owed)
    return write(draft, "clawback", stamp, amount=-owed, changes=[debt] if owed else [])


def _settle(draft: Draft, claim: Claim, stamp: Stamp, at: datetime) -> Draft:
    book = draft.book
    lot = lots.open_lot(book, claim.lot)
    free, held = (lot.remaining - lot.held, lot.held) if lot else (0, 0)
    others = sum(one.amount for one in book.claims if one.lot == claim.lot and one.seq != claim.seq)
    taken = min(claim.amount, free)
    waits = min(claim.amount - taken, max(held - others, 0))
    rest = claim.amount - taken - waits
    if not taken and not rest:
        return draft
    owed = rest if claim.rest == "debt" else 0
    left, drawn = draw(lot, taken) if lot and taken else (None, None)
    still = claim._replace(amount=waits)
    debt = Debt(book.seq + 1, owed, owed) if owed else None
    wanted_by = entry_id(book.credit_type.code, claim.seq)
    keyless = Stamp(stamp.now, link=wanted_by, catalog_version=stamp.catalog_version)
    return write(
        draft, claim.kind, keyless,
        amount=-taken - owed,
        changes=[part for part in (left, debt, still) if part],
        draws=(drawn,) if drawn else (),
        opened=still,
        effective_at=at,
    )  # fmt: skip


def _named(book: Book, number: int) -> Lot:
    if not book.whole:
        raise Partial
    lot = lots.known_lot(book, number)
    if lot is None:
        raise NotFound(f"{book.account} has no lot {lot_id(book.credit_type.code, number)}. Nothing was changed.")
    return lot
