"""Balances and lots, read without writing: what is due is counted as if it were already booked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from farthing.amounts import Amount, to_credits, to_units
from farthing.catalog import Catalog
from farthing.core import burn, checks
from farthing.core.book import Book, CreditType
from farthing.core.due import settle
from farthing.core.names import number_in
from farthing.errors import AccountFrozen, InsufficientCredits, InvalidField
from farthing.ledger import folding
from farthing.ledger.commands import gift_key
from farthing.store import acts, scales, sql
from farthing.store.database import Session
from farthing.store.sql import Account
from farthing.store.tables import lots as lots_table
from farthing.views import Balance, Check, Expiring, HoldView, Line, LotView, hold_view, lot_view

MAX_PAGE = 500


def books(session: Session, account: str, types: Sequence[CreditType], now: datetime) -> list[Book]:
    """The account's wallets as they stand at `now`, zeros where there is none; lots only where time changes any."""
    rows = sql.read_wallets(session, [(account, kind.code) for kind in types])
    scales.require(session, [kind for kind in types if (account, kind.code) in rows])
    by_code = {kind.code: kind for kind in types}
    moving = {wallet: row for wallet, row in rows.items() if sql.moving(row)}
    still = {wallet: row for wallet, row in rows.items() if not sql.moving(row)}
    found = sql.read_books(session, moving, by_code, whole=True) | sql.books_without_lots(session, still, by_code)
    return [_at(found.get((account, kind.code), Book(account, kind)), now) for kind in types]


def whole_books(session: Session, account: str, types: Sequence[CreditType], now: datetime) -> list[Book]:
    """The account's wallets as they stand at `now`, with all their lots and holds; none where there is none."""
    by_code = {kind.code: kind for kind in types}
    rows = sql.read_wallets(session, [(account, kind.code) for kind in types])
    found = sql.read_books(session, rows, by_code, whole=True)
    return [_at(found[account, code], now) for code in by_code if (account, code) in found]


def books_at(session: Session, account: str, types: Sequence[CreditType], at: datetime) -> list[Book]:
    """The account's wallets as they stood at a past instant, zeros where there was none.

    Raises:
        Corrupt: the entries of one contradict themselves.
    """
    rows = sql.read_wallets(session, [(account, kind.code) for kind in types])
    scales.require(session, [kind for kind in types if (account, kind.code) in rows])
    return [folding.book_at(session, account, kind, at) for kind in types]


def past(at: datetime | None, now: datetime) -> datetime | None:
    """`at` in UTC, if it is not in the future; None: now.

    Raises:
        InvalidField: it is, or has no time zone.
    """
    asked = checks.instant("at", at)
    if asked is not None and asked > now:
        raise InvalidField(
            f"at is {asked.isoformat()}, and it is only {now.isoformat()}. What will be is not known. Nothing was "
            "changed. Name a past time, or leave it out.",
            field="at",
        )
    return asked


def spendable_book(session: Session, account: str, kind: CreditType, now: datetime) -> Book:
    """One wallet as a deduction would find it at `now`: a stranger has no overdraft."""
    [book] = books(session, account, [kind], now)
    if book.seal or sql.read_accounts(session, [account]):
        return book
    return book._replace(credit_type=kind._replace(overdraft_limit=0))


def check(session: Session, account: str, kind: CreditType, amount: Amount, now: datetime) -> Check:
    """What a deduction would be told at `now`.

    Raises:
        InvalidAmount: the credit type cannot count it.
    """
    units = to_units(amount, kind.scale)
    book = spendable_book(session, account, kind, now)
    required, available = to_credits(units, kind.scale), to_credits(book.available, kind.scale)
    try:
        burn.require(book, units)
    except InsufficientCredits as refusal:
        return Check(False, required, available, refusal.shortfall)
    except AccountFrozen:
        return Check(False, required, available, to_credits(0, 0))
    return Check(True, required, available, to_credits(0, 0))


def opened(session: Session, catalog: Catalog, account: str) -> Account | None:
    """The account, where it exists and has had all its sign-up gifts: then opening it has nothing to write or lock."""
    found = sql.read_accounts(session, [account]).get(account)
    gifts = catalog.gifts if catalog.switches["gifts"] else ()
    keys = [(account, gift_key(gift.credit_type)) for gift in gifts]
    paid = sql.read_keys(session, keys).keys() | acts.read_keys(session, keys).keys()
    return found if found and len(paid) == len(keys) else None


def balance(book: Book) -> Balance:
    """A settled book in credits."""
    kind = book.credit_type
    expiring: dict[datetime, int] = {}
    for lot in book.lots:
        free = lot.remaining - lot.held
        if lot.expires_at and free:
            expiring[lot.expires_at] = expiring.get(lot.expires_at, 0) + free
    figures = (book.posted, book.held, book.available, book.pending, kind.overdraft_limit)
    posted, held, available, pending, overdraft_limit = (to_credits(units, kind.scale) for units in figures)
    when = [Expiring(to_credits(units, kind.scale), at) for at, units in sorted(expiring.items())]
    return Balance(book.account, kind.code, posted, held, available, pending, overdraft_limit, when)


def lots(session: Session, account: str, kind: CreditType, now: datetime) -> list[LotView]:
    """The open lots in burn order, less what expired meanwhile."""
    books = whole_books(session, account, [kind], now)
    return [lot_view(kind.code, lot, kind.scale) for book in books for lot in book.lots]


def holds(session: Session, account: str, types: Sequence[CreditType], now: datetime) -> list[HoldView]:
    """The holds that neither ended nor lapsed by now, oldest first in each wallet."""
    return [
        hold_view(book.credit_type.code, hold, book.credit_type.scale)
        for book in whole_books(session, account, types, now)
        for hold in book.holds
        if not hold.ended
    ]


def drawn_lots(session: Session, account: str, lines: Iterable[Line], types: Mapping[str, CreditType]) -> list[LotView]:
    """The lots that these entries took credits from, open or not; each once."""
    numbers = {
        (line.credit_type, number_in(drawn.lot)) for line in lines for drawn in line.draws if line.credit_type in types
    }
    keys = [(account, *wallet) for wallet in sorted(numbers)]
    rows = session.dialect.select_each(session, lots_table, ("account", "credit_type", "number"), keys)
    return [lot_view(row[1], sql.lot(session, row), types[row[1]].scale) for row in rows]


def _at(book: Book, now: datetime) -> Book:
    return settle(book, max(now, book.recorded_at)).book
