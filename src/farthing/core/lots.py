"""How credits arrive, mature, expire and repay debt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from farthing.amounts import text, to_credits
from farthing.core.book import Book, Debt, Draft, Draw, Lot, Partial, Stamp, draw, write
from farthing.errors import Corrupt, InvalidExpiry, NotEnoughLeft


class Terms(NamedTuple):
    """What a grant promises. `effective_at` None is now; `expires_at` None is never."""

    amount: int
    source: str
    priority: int
    effective_at: datetime | None
    expires_at: datetime | None
    cost_minor: int = 0
    currency: str | None = None


def grant(book: Book, terms: Terms, stamp: Stamp) -> Draft:
    """A new lot; where credits are owed, the next entry repays from it.

    Raises:
        InvalidExpiry: it would expire before it counts.
        BalanceTooLarge: the wallet would pass 15 digits.
    """
    if book.debt and not book.whole:
        raise Partial
    return add(Draft(book), "grant", terms, stamp)


def add(draft: Draft, kind: str, terms: Terms, stamp: Stamp) -> Draft:
    """A new lot on `terms`, by an entry of this `kind`, and what it repays."""
    book = draft.book
    effective_at = terms.effective_at or stamp.now
    counts_from = max(effective_at, stamp.now)
    if terms.expires_at is not None and terms.expires_at <= counts_from:
        raise InvalidExpiry(
            f"The credits would expire at {terms.expires_at.isoformat()}, not after they begin to count at "
            f"{counts_from.isoformat()}. Nothing was changed."
        )
    lot = Lot(
        book.last_lot + 1, terms.source, terms.priority, terms.amount, terms.amount, 0,
        terms.cost_minor, terms.currency, effective_at, terms.expires_at, book.seq + 1,
    )  # fmt: skip
    pending = lot.amount if effective_at > stamp.now else 0
    draft = write(
        draft, kind, stamp,
        amount=lot.amount, pending_change=pending, changes=[lot], opened=lot, effective_at=effective_at,
    )  # fmt: skip
    draft = changes_at(draft, effective_at if pending else None, lot.expires_at)
    return draft if pending else repay(draft, lot.number, stamp, stamp.now)


def changes_at(draft: Draft, *instants: datetime | None) -> Draft:
    """The book knows that something changes by itself at these instants."""
    first = min((at for at in (draft.book.next_change_at, *instants) if at is not None), default=None)
    return draft._replace(book=draft.book._replace(next_change_at=first))


def usable(lot: Lot, at: datetime) -> bool:
    """Whether the lot counts at `at`: from its `effective_at` on, and no longer at its `expires_at`."""
    return lot.effective_at <= at and (lot.expires_at is None or at < lot.expires_at)


def repay(draft: Draft, number: int, stamp: Stamp, at: datetime) -> Draft:
    """What the wallet owes, oldest first, paid out of what is free in lot `number`, if it counts at `at`."""
    book = draft.book
    lot = open_lot(book, number)
    if not book.debt or lot is None or not usable(lot, at):
        return draft
    owed = min(book.debt, lot.remaining - lot.held)
    debts: list[Debt] = []
    draws: list[Draw] = []
    for debt in book.debts:
        part = min(debt.remaining, owed)
        if not part:
            break
        lot, drawn = draw(lot, part, debt=debt.seq)
        draws.append(drawn)
        debts.append(debt._replace(remaining=debt.remaining - part))
        owed -= part
    if owed:
        raise Corrupt(f"{book.account} owes {owed} more than its debts show") if book.whole else Partial
    if not draws:
        return draft
    keyless = Stamp(stamp.now, catalog_version=stamp.catalog_version)
    return write(draft, "repay", keyless, changes=[lot, *debts], draws=tuple(draws), effective_at=at)


def repay_all(draft: Draft, stamp: Stamp, at: datetime) -> Draft:
    """What the wallet owes, paid out of all that is free, in burn order."""
    for lot in draft.book.lots if draft.book.debt else ():
        draft = repay(draft, lot.number, stamp, at)
    return draft


def mature(draft: Draft, at: datetime, since: datetime, stamp: Stamp) -> Draft:
    """Lots that count from `at` on, which the book's last write, at `since`, did not see."""
    matured = [lot for lot in draft.book.lots if lot.effective_at == at and at > since]
    amount = sum(lot.remaining for lot in matured)
    draft = draft._replace(book=draft.book._replace(pending=draft.book.pending - amount))
    for lot in matured:
        draft = repay(draft, lot.number, stamp, at)
    return draft


def expire(draft: Draft, numbers: Iterable[int], at: datetime, stamp: Stamp) -> Draft:
    """What is left of these lots, less what holds keep, is gone where they are expired at `at`."""
    for number in numbers:
        lot = open_lot(draft.book, number)
        if lot and lot.expires_at and lot.expires_at <= at and (rest := lot.remaining - lot.held):
            left, drawn = draw(lot, rest)
            keyless = Stamp(stamp.now, catalog_version=stamp.catalog_version)
            draft = write(draft, "expire", keyless, amount=-rest, changes=[left], draws=(drawn,), effective_at=at)
    return draft


def not_enough_left(book: Book, name: str, wanted: int, left: int) -> NotEnoughLeft:
    """The refusal to take back `wanted` of what is called `name`, of which only `left` is left."""
    kind = book.credit_type
    required, there = to_credits(wanted, kind.scale), to_credits(left, kind.scale)
    asked = f", and {text(required)} were asked for" if required else ""
    return NotEnoughLeft(
        f"{name} of {book.account} has {text(there)} {kind.code} left to take back{asked}. Nothing was changed. What "
        "was taken back before counts.",
        of=name,
        required=required,
        left=there,
    )


def known_lot(book: Book, number: int) -> Lot | None:
    """The lot of this number, used up or not, if it was read."""
    return next((lot for lot in (*book.lots, *book.shut) if lot.number == number), None)


def open_lot(book: Book, number: int) -> Lot | None:
    """The lot of this number, if anything remains of it."""
    return next((lot for lot in book.lots if lot.number == number), None)
