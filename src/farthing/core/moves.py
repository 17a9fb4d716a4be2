"""Credits that move to another account: they keep when they expire and what was paid for them."""

from __future__ import annotations

from datetime import datetime

from farthing.core import burn, lots
from farthing.core.book import Book, Draft, Draw, Lot, Partial, Stamp, draw, write


def move_out(book: Book, amount: int | None, stamp: Stamp) -> Draft:
    """`amount` leaves in burn order, none of it on credit; None: all that no hold keeps, pending lots too.

    Raises:
        InsufficientCredits: more than is available. AccountFrozen: nothing may leave.
    """
    if amount is None:
        picked = _everything(book)
    else:
        burn.require_thawed(book)
        if amount > book.available:
            raise burn.short(book, amount, max(book.available, 0))
        picked = burn.pick(book, amount, stamp)
    taken = [draw(lot, part) for lot, part in picked]
    return write(
        Draft(book), "transfer_out", stamp,
        amount=-sum(part for _, part in picked),
        pending_change=-sum(part for lot, part in picked if lot.effective_at > stamp.now),
        changes=[lot for lot, _ in taken],
        draws=tuple(drawn for _, drawn in taken),
    )  # fmt: skip


def move_in(book: Book, arriving: list[tuple[Lot, Draw]], left_at: datetime, stamp: Stamp) -> Draft:
    """A lot for each that credits left: what they cost, their priority and when they end stay. Those that were pending
    when they left, at `left_at` by the other wallet's time, stay so; the others count from now on.

    Raises:
        BalanceTooLarge: the wallet would pass 15 digits.
    """
    if not book.whole:
        raise Partial
    draft = Draft(book)
    for lot, drawn in arriving:
        start = lot.effective_at if lot.effective_at > left_at else None
        terms = lots.Terms(
            drawn.amount, "transfer", lot.priority, start, lot.expires_at, drawn.cost_minor, lot.currency
        )
        draft = lots.add(draft, "transfer_in", terms, stamp)
    return draft


def _everything(book: Book) -> list[tuple[Lot, int]]:
    if not book.whole:
        raise Partial
    return [(lot, lot.remaining - lot.held) for lot in book.lots if lot.remaining > lot.held]
