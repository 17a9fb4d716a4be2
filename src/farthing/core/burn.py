"""Which lots credits come out of, and whether they may."""

from __future__ import annotations

from farthing.amounts import text, to_credits
from farthing.core.book import Book, Debt, Draft, Draw, Lot, Part, Partial, Stamp, draw, write
from farthing.core.lots import usable
from farthing.errors import AccountFrozen, Corrupt, InsufficientCredits


def require(book: Book, amount: int) -> None:
    """Nothing, where the wallet may spend `amount`.

    Raises:
        InsufficientCredits: it is more than available and overdraft together; carries the shortfall.
        AccountFrozen: nothing may be spent.
    """
    require_thawed(book)
    if amount > book.spendable:
        raise short(book, amount, book.spendable)


def require_thawed(book: Book) -> None:
    """Nothing, unless the account is frozen.

    Raises:
        AccountFrozen: it is.
    """
    if book.frozen:
        raise AccountFrozen(
            f"{book.account} is frozen: nothing may be spent until it is unfrozen. Nothing was changed.",
            account=book.account,
        )


def short(book: Book, amount: int, most: int) -> InsufficientCredits:
    """The refusal of `amount` where at most `most` may go."""
    kind = book.credit_type
    required, available, shortfall = (
        to_credits(units, kind.scale) for units in (amount, book.available, amount - most)
    )
    return InsufficientCredits(
        f"{book.account} has {text(available)} {kind.code} available and this needs {text(required)}: "
        f"{text(shortfall)} short. Nothing was changed. Grant or buy credits, or ask for less.",
        account=book.account,
        credit_type=kind.code,
        required=required,
        available=available,
        shortfall=shortfall,
    )


def deduct(book: Book, amount: int, stamp: Stamp) -> Draft:
    """`amount` out of the wallet's lots in burn order; what no lot covers becomes debt, within the overdraft limit.

    The book must be settled at `stamp.now`: what is due is booked before anything is decided.

    Raises:
        InsufficientCredits, AccountFrozen: all or nothing, so nothing.
    """
    require(book, amount)
    return take(Draft(book), "deduct", pick(book, amount, stamp), amount, stamp)


def take(
    draft: Draft, kind: str, picked: list[tuple[Lot, int]], amount: int, stamp: Stamp, *, held_change: int = 0
) -> Draft:
    """An entry of this `kind` that uses up `amount`: what was picked, and the rest as debt."""
    changes: list[Part] = []
    draws: list[Draw] = []
    owed = amount
    for lot, part in picked:
        after, drawn = draw(lot, part)
        changes.append(after)
        draws.append(drawn)
        owed -= part
    if owed:
        changes.append(Debt(draft.book.seq + 1, owed, owed))
    return write(draft, kind, stamp, amount=-amount, held_change=held_change, changes=changes, draws=tuple(draws))


def pick(book: Book, amount: int, stamp: Stamp) -> list[tuple[Lot, int]]:
    """Which open lots give how much of `amount`, first in burn order first; less than that where no more is free."""
    picked: list[tuple[Lot, int]] = []
    missing = amount
    for lot in book.lots:
        if not missing:
            break
        free = lot.remaining - lot.held
        if free and usable(lot, stamp.now):
            part = min(free, missing)
            picked.append((lot, part))
            missing -= part
    if missing and amount - missing < min(amount, max(book.available, 0)):
        raise (
            Corrupt(f"{book.account} shows more {book.credit_type.code} than its lots have") if book.whole else Partial
        )
    if missing and not book.whole:
        raise Partial  # lots that holds had owed to may stand further down
    return picked
