"""How books are read and drafts are written: rows to values and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from farthing.core.book import Book, CreditType, Debt, Draft, Draw, Entry, Lot, burn_key
from farthing.core.calendar import instant, micros
from farthing.errors import Corrupt, ScaleChanged
from farthing.store.database import Session
from farthing.store.dialects import Dialect, Row
from farthing.store.tables import accounts, debts, entries, lots, wallets

Wallet = tuple[str, str]  # account, credit type

_BURN_ORDER = (
    "AND open ORDER BY account, credit_type, priority, (expires_at IS NULL), expires_at, (cost_minor > 0), "
    "effective_at, number"
)
_OLDEST_DEBT = "AND open ORDER BY account, credit_type, seq"
_FIRST = 64  # open lots read of a wallet before anyone asks for all


class Account(NamedTuple):
    """Who holds credits."""

    account: str
    time_zone: str
    locale: str
    created_at: datetime


def read_accounts(session: Session, ids: Iterable[str]) -> dict[str, Account]:
    """The accounts that exist."""
    rows = session.dialect.select_each(session, accounts, ("account",), [(one,) for one in ids])
    return {row[0]: Account(row[0], row[1], row[2], _time(session, row[3])) for row in rows}


def add_accounts(session: Session, new: Sequence[Account]) -> None:
    """Makes accounts that do not exist yet."""
    rows = [(*one[:3], session.dialect.time_in(one.created_at)) for one in new]
    session.dialect.insert_many(session, accounts, rows)


def share_accounts(session: Session, ids: Iterable[str]) -> None:
    """Keeps the accounts that exist from being locked by a checkout until the transaction ends."""
    tail = f"LIMIT 1 {session.dialect.shared}"
    session.dialect.select_each(session, accounts, ("account",), [(one,) for one in ids], tail)


def lock_wallets(session: Session, asked: Sequence[Wallet], *, wait: bool) -> dict[Wallet, Row]:
    """The wallets' rows under lock, in byte order; without `wait`, only those that nobody else holds."""
    return {(row[0], row[1]): row for row in session.dialect.lock_rows(session, wallets, asked, wait=wait)}


def read_wallets(session: Session, asked: Sequence[Wallet]) -> dict[Wallet, Row]:
    """The wallets' rows as last committed, whoever holds them."""
    rows = session.dialect.select_each(session, wallets, ("account", "credit_type"), asked)
    return {(row[0], row[1]): row for row in rows}


def due_wallets(session: Session, now: datetime, *, after: Wallet, limit: int = 500) -> list[Wallet]:
    """The next wallets, in byte order behind `after`, in which something comes due by itself until `now`."""
    rows = session.execute(
        "SELECT account, credit_type FROM farthing_wallets WHERE next_change_at <= ? "
        "AND (account, credit_type) > (?, ?) ORDER BY account, credit_type LIMIT ?",
        (session.dialect.time_in(now), *after, limit),
    )
    return [(row[0], row[1]) for row in rows]


def books_without_lots(session: Session, rows: dict[Wallet, Row], types: dict[str, CreditType]) -> dict[Wallet, Book]:
    """The wallets' totals, for readings that need no lots."""
    return {wallet: _book(session, row, types[wallet[1]], [], [], whole=False) for wallet, row in rows.items()}


def read_books(
    session: Session, rows: dict[Wallet, Row], types: dict[str, CreditType], *, whole: bool = False
) -> dict[Wallet, Book]:
    """The wallets as books: the first lots in burn order, or with `whole` all of them."""
    limit = "" if whole else f" LIMIT {_FIRST + 1}"
    by = ("account", "credit_type")
    found: dict[Wallet, list[Lot]] = {wallet: [] for wallet in rows}
    for row in session.dialect.select_each(session, lots, by, list(rows), _BURN_ORDER + limit):
        found[row[0], row[1]].append(lot(session, row))
    in_debt = [wallet for wallet, row in rows.items() if row[6]]
    owed: dict[Wallet, list[Debt]] = {wallet: [] for wallet in in_debt}
    for row in session.dialect.select_each(session, debts, by, in_debt, _OLDEST_DEBT + limit):
        owed[row[0], row[1]].append(Debt(*row[2:5]))
    return {
        wallet: _book(session, row, types[wallet[1]], found[wallet], owed.get(wallet, []), whole=whole)
        for wallet, row in rows.items()
    }


def read_keys(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
    """The entries that already stand for these (account, key)."""
    rows = session.dialect.select_each(session, entries, ("account", "key"), keys)
    return {(row[0], row[12]): entry(session, row) for row in rows}


def post(session: Session, before: dict[Wallet, Book], drafts: Sequence[Draft]) -> None:
    """Writes what decisions drafted: the one place where ledger rows are written. Checks the sums again first.

    Args:
        before: each wallet's book as it was read under the lock; seq 0 and no recorded time where it is new.
        drafts: in the order decided, each built on the one before it in its wallet.
    """
    after: dict[Wallet, Book] = {}
    lines: list[Entry] = []
    lot_rows: dict[tuple[str, str, int], Lot] = {}
    debt_rows: dict[tuple[str, str, int], Debt] = {}
    for draft in drafts:
        book = draft.book
        wallet = (book.account, book.credit_type.code)
        after[wallet] = book
        lines += draft.entries
        for lot in draft.lots:
            lot_rows[(*wallet, lot.number)] = lot
        for debt in draft.debts:
            debt_rows[(*wallet, debt.seq)] = debt
    _check_sums(before, after, lines)
    _write_wallets(session, before, after)
    _write_parts(session, before, lot_rows, debt_rows)
    session.dialect.insert_many(session, entries, [_entry_row(session.dialect, line) for line in lines])


def _check_sums(before: dict[Wallet, Book], after: dict[Wallet, Book], lines: list[Entry]) -> None:
    posted = {wallet: before[wallet].posted for wallet in after}
    seq = {wallet: before[wallet].seq for wallet in after}
    for line in lines:
        wallet = (line.account, line.credit_type)
        posted[wallet] += line.amount
        seq[wallet] += 1
        if line.posted_after != posted[wallet] or line.seq != seq[wallet]:
            raise Corrupt(f"entry {line.seq} of {wallet} does not follow from the one before it; nothing was written")
    for wallet, book in after.items():
        backed = sum(lot.remaining for lot in book.lots) - book.debt
        if book.posted != posted[wallet] or book.seq != seq[wallet] or (book.whole and book.posted != backed):
            raise Corrupt(f"the book of {wallet} does not add up; nothing was written")


def _write_wallets(session: Session, before: dict[Wallet, Book], after: dict[Wallet, Book]) -> None:
    time_in = session.dialect.time_in
    made: list[Row] = []
    changed: list[Row] = []
    for wallet, book in after.items():
        values = (
            book.seq, book.posted, book.held, book.pending, book.debt, book.last_lot,
            time_in(book.recorded_at), time_in(book.next_change_at), book.seal,
        )  # fmt: skip
        if before[wallet].seal:
            changed.append((*values, *wallet))
        else:
            made.append((*wallet, *values))
            fix_scale(session, book.credit_type)
    session.dialect.insert_many(session, wallets, made)
    session.dialect.update_many(session, wallets, tuple(wallets.c.keys())[2:], changed)


def _write_parts(
    session: Session,
    before: dict[Wallet, Book],
    lot_rows: dict[tuple[str, str, int], Lot],
    debt_rows: dict[tuple[str, str, int], Debt],
) -> None:
    dialect = session.dialect
    new_lots = [key for key in lot_rows if key[2] > before[key[:2]].last_lot]
    new_debts = [key for key in debt_rows if key[2] > before[key[:2]].seq]
    dialect.insert_many(session, lots, [(*key[:2], *_lot_values(dialect, lot_rows[key])) for key in new_lots])
    changed = [(lot.remaining, lot.held, lot.remaining > 0, *key) for key, lot in lot_rows.items()]
    fresh = set(new_lots)
    dialect.update_many(session, lots, ("remaining", "held", "open"), [row for row in changed if row[3:] not in fresh])
    dialect.insert_many(
        session, debts, [(*key[:2], *debt_rows[key], debt_rows[key].remaining > 0) for key in new_debts]
    )
    fresh = set(new_debts)
    owed = [(debt.remaining, debt.remaining > 0, *key) for key, debt in debt_rows.items() if key not in fresh]
    dialect.update_many(session, debts, ("remaining", "open"), owed)


def fix_scale(session: Session, kind: CreditType) -> None:
    """The first wallet of a credit type settles how it is counted, for good."""
    session.execute(
        "INSERT INTO farthing_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (f"scale.{kind.code}", str(kind.scale)),
    )
    check_scales(session, [kind])


def require_scales(session: Session, kinds: Iterable[CreditType]) -> None:
    """As `check_scales`, asked of the database once for each type that has a wallet: it is settled for good then."""
    asked = [kind for kind in kinds if (kind.code, kind.scale) not in session.dialect.settled_scales]
    if asked:
        check_scales(session, asked)
        session.dialect.settled_scales.update((kind.code, kind.scale) for kind in asked)


def check_scales(session: Session, types: Iterable[CreditType]) -> None:
    """Nothing, where the ledger counts these types as the catalog does.

    Raises:
        ScaleChanged: the amounts in the ledger would mean something else.
    """
    for kind in types:
        rows = session.execute("SELECT value FROM farthing_meta WHERE name = ?", (f"scale.{kind.code}",))
        stored = rows[0][0] if rows else str(kind.scale)
        if stored != str(kind.scale):
            raise ScaleChanged(
                f"credit_types.{kind.code}.scale is {kind.scale} in the catalog, but the ledger already counts "
                f"{kind.code} with scale {stored}. Nothing was changed. Set it back to {stored}, or add a new type."
            )


def _time(session: Session, stored: Any) -> Any:
    return session.dialect.time_out(stored)


def _book(session: Session, row: Row, kind: CreditType, found: list[Lot], owed: list[Debt], *, whole: bool) -> Book:
    seq, posted, held, pending, debt, last_lot, recorded_at, next_change_at, sealed = row[2:11]
    lots_in_order = tuple(sorted(found, key=burn_key))
    read_all = whole or (len(found) <= _FIRST and len(owed) <= _FIRST)
    return Book(
        row[0], kind, seq, posted, held, pending, debt, last_lot, _time(session, recorded_at),
        _time(session, next_change_at), bytes(sealed), lots_in_order, tuple(owed), read_all,
    )  # fmt: skip


def lot(session: Session, row: Row) -> Lot:
    """A lot out of its row."""
    return Lot._make((*row[2:8], *row[9:11], _time(session, row[11]), _time(session, row[12]), row[13]))


def _lot_values(dialect: Dialect, lot: Lot) -> Row:
    return (
        *lot[:6], lot.remaining > 0, *lot[6:8], dialect.time_in(lot.effective_at), dialect.time_in(lot.expires_at),
        lot.seq,
    )  # fmt: skip


def _entry_row(dialect: Dialect, line: Entry) -> Row:
    return (
        *line[:9],
        dumps([[part for part in drawn if part is not None] for drawn in line.draws]),
        line.opened and dumps(_opened(line.opened)),
        *line[11:20],
        dialect.time_in(line.effective_at),
        dialect.time_in(line.recorded_at),
        dialect.time_in(line.occurred_at),
        line.seal,
    )


def _opened(lot: Lot) -> dict[str, Any]:
    return {
        "lot": lot.number,
        "priority": lot.priority,
        "cost_minor": lot.cost_minor,
        "currency": lot.currency,
        "expires_at": lot.expires_at and micros(lot.expires_at),
    }


def entry(session: Session, row: Row) -> Entry:
    """A ledger line out of its row."""
    load = session.dialect.json_out
    effective_at, recorded_at, occurred_at = (_time(session, stored) for stored in row[20:23])
    draws = tuple(Draw(*drawn) for drawn in load(row[9]))
    opened = None if row[10] is None else _opened_lot(load(row[10]), row, effective_at)
    content = None if row[13] is None else bytes(row[13])
    metadata = None if row[18] is None else dumps(load(row[18]))
    facts = (*row[:9], draws, opened, *row[11:13], content, *row[14:18], metadata, row[19])
    return Entry._make((*facts, effective_at, recorded_at, occurred_at, bytes(row[23])))


def _opened_lot(opened: dict[str, Any], row: Row, effective_at: datetime) -> Lot:
    expires_at = opened["expires_at"] and instant(opened["expires_at"])
    return Lot(
        opened["lot"], row[11], opened["priority"], row[4], row[4], 0, opened["cost_minor"], opened["currency"],
        effective_at, expires_at, row[2],
    )  # fmt: skip


def dumps(value: Any) -> str:
    """Compact JSON with sorted names."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
