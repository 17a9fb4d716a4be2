"""How credits arrive, mature, expire and repay debt."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farthing.core.book import Book, Debt, Draft, Draw, Lot, Partial, Stamp, draw, write
from farthing.errors import Corrupt, InvalidExpiry


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
    if not book.whole:
        raise Partial  # where the new lot stands in the burn order shows only among all
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
    pending = effective_at > stamp.now
    draft = write(
        Draft(book),
        "grant",
        stamp,
        amount=lot.amount,
        pending_change=lot.amount if pending else 0,
        opened=lot,
        effective_at=effective_at,
    )
    next_change_at = _earliest(book.next_change_at, effective_at if pending else None, lot.expires_at)
    draft = draft._replace(book=draft.book._replace(next_change_at=next_change_at))
    return draft if pending else repay(draft, lot, stamp, stamp.now)


def settle(book: Book, now: datetime) -> Draft:
    """The book at `now`: what matured or expired since its last write, booked in the order in which it came due.

    A lot already expires at its `expires_at`. Only what remains of it does, less what a hold keeps.
    """
    draft = Draft(book)
    if book.next_change_at is None or book.next_change_at > now:
        return draft
    if not book.whole:
        raise Partial
    stamp = Stamp(now)
    since = book.recorded_at
    due = {at for lot in book.lots for at in (lot.effective_at, lot.expires_at) if at and at <= now}
    for at in sorted(due):
        draft = _mature(draft, at, since, stamp)
        draft = _expire(draft, at, stamp)
    upcoming = [at for lot in draft.book.lots for at in (lot.effective_at, lot.expires_at) if at and at > now]
    return draft._replace(book=draft.book._replace(next_change_at=min(upcoming, default=None), recorded_at=now))


def repay(draft: Draft, lot: Lot, stamp: Stamp, at: datetime) -> Draft:
    """What the wallet owes, oldest first, paid out of `lot`."""
    book = draft.book
    owed = min(book.debt, lot.remaining)
    if not owed:
        return draft
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
    paid = -sum(drawn.amount for drawn in draws)
    keyless = Stamp(stamp.now, catalog_version=stamp.catalog_version)
    return write(
        draft, "repay", keyless, debt_change=paid, lots=[lot], debts=debts, draws=tuple(draws), effective_at=at
    )


def _mature(draft: Draft, at: datetime, since: datetime, stamp: Stamp) -> Draft:
    matured = [lot for lot in draft.book.lots if lot.effective_at == at and at > since]
    amount = sum(lot.remaining for lot in matured)
    draft = draft._replace(book=draft.book._replace(pending=draft.book.pending - amount))
    for lot in matured:
        draft = repay(draft, lot, stamp, at)
    return draft


def _expire(draft: Draft, at: datetime, stamp: Stamp) -> Draft:
    for lot in draft.book.lots:
        rest = lot.remaining - lot.held
        if lot.expires_at == at and rest:
            left, drawn = draw(lot, rest)
            draft = write(draft, "expire", stamp, amount=-rest, lots=[left], draws=(drawn,), effective_at=at)
    return draft


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)
