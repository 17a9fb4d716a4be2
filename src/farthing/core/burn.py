"""Which lots a deduction burns, and whether it may."""

from __future__ import annotations

from farthing.amounts import text, to_credits
from farthing.core.book import Book, Debt, Draft, Draw, Lot, Partial, Stamp, draw, write
from farthing.errors import Corrupt, InsufficientCredits


def require(book: Book, amount: int) -> None:
    """Nothing, where the wallet may spend `amount`.

    Raises:
        InsufficientCredits: it is more than available and overdraft together; carries the shortfall.
    """
    if amount <= book.spendable:
        return
    kind = book.credit_type
    required, available, shortfall = (
        to_credits(units, kind.scale) for units in (amount, book.available, amount - book.spendable)
    )
    raise InsufficientCredits(
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
        InsufficientCredits: all or nothing, so nothing.
    """
    require(book, amount)
    lots, draws = burn(book, amount, stamp)
    owed = amount - sum(drawn.amount for drawn in draws)
    debts = [Debt(book.seq + 1, owed, owed)] if owed else []
    return write(
        Draft(book), "deduct", stamp, amount=-amount, debt_change=owed, lots=lots, debts=debts, draws=tuple(draws)
    )


def burn(book: Book, amount: int, stamp: Stamp) -> tuple[list[Lot], list[Draw]]:
    """The lots as they are after giving up to `amount`, first in burn order first, and what each gave."""
    lots: list[Lot] = []
    draws: list[Draw] = []
    missing = amount
    for lot in book.lots:
        free = lot.remaining - lot.held
        if not missing:
            break
        if free and lot.effective_at <= stamp.now:
            after, drawn = draw(lot, min(free, missing))
            lots.append(after)
            draws.append(drawn)
            missing -= drawn.amount
    if amount - missing < min(amount, max(book.available, 0)):
        raise (
            Corrupt(f"{book.account} shows more {book.credit_type.code} than its lots have") if book.whole else Partial
        )
    return lots, draws
