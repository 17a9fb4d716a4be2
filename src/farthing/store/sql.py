"""How books are read and drafts are written: rows to values and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from farthing.core.book import (
    Book,
    Claim,
    CreditType,
    Debt,
    Draft,
    Draw,
    Entry,
    Hold,
    Lot,
    Opened,
    Part,
    Until,
    burn_key,
)  # fmt: skip
from farthing.core.calendar import instant, micros
from farthing.core.events import of_drafts
from farthing.errors import Corrupt
from farthing.store import outbox, scales
from farthing.store.database import Session
from farthing.store.dialects import Ask, Dialect, Row
from farthing.store.tables import accounts, acts, claims, debts, entries, holds, lots, wallets

Wallet = tuple[str, str]  # account, credit type
Numbered = tuple[str, str, int]  # a wallet, and the number of something in it

_BURN_ORDER = (
    "AND open ORDER BY account, credit_type, priority, (expires_at IS NULL), expires_at, (cost_minor > 0), "
    "effective_at, number"
)
_OLDEST_DEBT = "AND open ORDER BY account, credit_type, seq"
_OPEN_HOLDS = "AND open ORDER BY account, credit_type, seq"
_OPEN_CLAIMS = "AND amount > 0 ORDER BY account, credit_type, seq"
# With all the index's kinds spelled out, it is found.
_LATER = "AND kind IN ('reverse', 'repay', 'clawback') ORDER BY account, credit_type, seq"
_FIRST = 64  # open lots read of a wallet before anyone asks for all
_FEW = f" LIMIT {_FIRST + 1}"
_BY_WALLET = ("account", "credit_type")
_BY_SEQ = (*_BY_WALLET, "seq")
_COLUMNS = {name: place for place, name in enumerate(wallets.c.keys())}


class Account(NamedTuple):
    """Who holds credits. `merged_into`: who took them over, for good."""

    account: str
    time_zone: str
    locale: str
    created_at: datetime
    frozen_at: datetime | None = None
    merged_into: str | None = None

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had done what this answers to. Two that say the same are equal."""
        return False


def read_accounts(session: Session, ids: Iterable[str]) -> dict[str, Account]:
    """The accounts that exist."""
    rows = session.dialect.select_each(session, accounts, ("account",), [(one,) for one in ids])
    time_out = session.dialect.time_out
    return {row[0]: Account._make((*row[:3], time_out(row[3]), time_out(row[4]), row[5])) for row in rows}


def add_accounts(session: Session, new: Sequence[Account]) -> None:
    """Makes accounts that do not exist yet."""
    time_in = session.dialect.time_in
    rows = [(*one[:3], time_in(one.created_at), time_in(one.frozen_at), one.merged_into) for one in new]
    session.dialect.insert_many(session, accounts, rows)


def share_accounts(session: Session, ids: Iterable[str]) -> None:
    """Keeps the accounts that exist from being locked by a checkout until the transaction ends."""
    tail = f"LIMIT 1 {session.dialect.shared}"
    session.dialect.select_each(session, accounts, ("account",), [(one,) for one in ids], tail)


def lock_wallets(session: Session, asked: Sequence[Wallet], *, wait: bool) -> dict[Wallet, Row]:
    """The wallets' rows under lock, in byte order; without `wait`, only those that nobody else holds."""
    found = session.dialect.lock_rows(session, wallets, asked, wait=wait) if asked else []
    return {(row[0], row[1]): row for row in found}


def read_wallets(session: Session, asked: Sequence[Wallet]) -> dict[Wallet, Row]:
    """The wallets' rows as last committed, whoever holds them."""
    rows = session.dialect.select_each(session, wallets, _BY_WALLET, asked)
    return {(row[0], row[1]): row for row in rows}


def wallets_of(session: Session, account: str) -> list[Wallet]:
    """All wallets of an account, in byte order."""
    rows = session.execute(
        "SELECT account, credit_type FROM farthing_wallets WHERE account = ? ORDER BY credit_type", (account,)
    )
    return [(row[0], row[1]) for row in rows]


def frozen(rows: Mapping[Wallet, Row]) -> set[str]:
    """Whose wallets among these are frozen, by whom or because the account was merged."""
    return {wallet[0] for wallet, row in rows.items() if row[_COLUMNS["frozen"]]}


def moving(row: Row) -> bool:
    """Whether time alone changes something in this wallet."""
    return row[_COLUMNS["next_change_at"]] is not None


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
    return {wallet: _book(session, row, types[wallet[1]], whole=False) for wallet, row in rows.items()}


class Look(NamedTuple):
    """What a batch sees at first: the wallets that are locked now, what its keys stand for, the first lots."""

    wallets: dict[Wallet, Row]
    entries: dict[tuple[str, str], Entry]
    acts: list[Row]
    lots: dict[Wallet, list[Lot]]


def look(session: Session, asked: Sequence[Wallet], keys: Sequence[tuple[str, str]], *, wait: bool) -> Look:
    """Locks the wallets in byte order, or without `wait` those that nobody else holds, and then reads, in one trip."""
    locked, stand, done, first = session.dialect.select_together(
        session,
        [
            Ask(wallets, _BY_WALLET, asked, wait=wait),
            Ask(entries, ("account", "key"), keys),
            Ask(acts, ("account", "key"), keys),
            Ask(lots, _BY_WALLET, asked, _BURN_ORDER + _FEW),
        ],
    )
    found: dict[Wallet, list[Lot]] = {(row[0], row[1]): [] for row in locked}
    for row in first:
        if (row[0], row[1]) in found:
            found[row[0], row[1]].append(lot(session, row))
    known = {(row[0], row[12]): entry(session, row) for row in stand}
    return Look({(row[0], row[1]): row for row in locked}, known, done, found)


def read_books(
    session: Session,
    rows: dict[Wallet, Row],
    types: dict[str, CreditType],
    *,
    whole: bool = False,
    first: Mapping[Wallet, list[Lot]] | None = None,
) -> dict[Wallet, Book]:
    """The wallets as books: the first lots in burn order, or with `whole` all of them, and all holds and claims.

    Args:
        first: the first lots of some of them, as `look` has read them.
    """
    limit = "" if whole else _FEW
    read = first or {}
    found = {wallet: list(read.get(wallet, ())) for wallet in rows}
    unread = [wallet for wallet in rows if wallet not in read]
    for row in session.dialect.select_each(session, lots, _BY_WALLET, unread, _BURN_ORDER + limit):
        found[row[0], row[1]].append(lot(session, row))
    in_debt = [wallet for wallet, row in rows.items() if row[_COLUMNS["debt"]]]
    owed: dict[Wallet, list[Debt]] = {wallet: [] for wallet in in_debt}
    for row in session.dialect.select_each(session, debts, _BY_WALLET, in_debt, _OLDEST_DEBT + limit):
        owed[row[0], row[1]].append(Debt(*row[2:5]))
    books = {
        wallet: _book(session, row, types[wallet[1]], found[wallet], owed.get(wallet, []), whole=whole)
        for wallet, row in rows.items()
    }
    return _with_holds(session, books) if whole else books


def _with_holds(session: Session, books: dict[Wallet, Book]) -> dict[Wallet, Book]:
    held = [wallet for wallet, book in books.items() if book.held]
    kept: dict[Wallet, list[Hold]] = {wallet: [] for wallet in books}
    for row in session.dialect.select_each(session, holds, _BY_WALLET, held, _OPEN_HOLDS):
        kept[row[0], row[1]].append(hold(session, row))
    claimed = [wallet for wallet, book in books.items() if book.claimed]
    wanted: dict[Wallet, list[Claim]] = {wallet: [] for wallet in books}
    for row in session.dialect.select_each(session, claims, _BY_WALLET, claimed, _OPEN_CLAIMS):
        wanted[row[0], row[1]].append(Claim(*row[2:7]))
    return {
        wallet: book._replace(holds=tuple(kept[wallet]), claims=tuple(wanted[wallet])) for wallet, book in books.items()
    }


def cite_holds(session: Session, books: dict[Wallet, Book], asked: Sequence[Numbered]) -> None:
    """Adds the holds asked for to their books, whether they ended or not."""
    for row in session.dialect.select_each(session, holds, _BY_SEQ, asked):
        book, found = books[row[0], row[1]], hold(session, row)
        others = [one for one in book.holds if one.seq != found.seq]
        books[row[0], row[1]] = book._replace(holds=tuple(sorted((*others, found))))


def cite_entries(session: Session, books: dict[Wallet, Book], asked: Sequence[Numbered]) -> None:
    """Adds the entries asked for to their books, what reversals and repayments did after them, and the lots drawn."""
    lines: dict[Wallet, dict[int, Entry]] = {}
    for wallet, seq in [(number[:2], number[2]) for number in asked]:
        cited = read_cited(session, (*wallet, seq))
        lines.setdefault(wallet, {}).update({line.seq: line for line in cited})
    for wallet, cited in lines.items():
        cite_lots(session, books, [(*wallet, drawn.lot) for line in cited.values() for drawn in line.draws])
        books[wallet] = books[wallet]._replace(cited=tuple(line for _, line in sorted(cited.items())))


def cite_lots(session: Session, books: dict[Wallet, Book], asked: Iterable[Numbered]) -> None:
    """Adds to their books those of the lots asked for that are closed."""
    keys = sorted(set(asked))
    for row in session.dialect.select_each(session, lots, (*_BY_WALLET, "number"), keys):
        found, wallet = lot(session, row), (row[0], row[1])
        shut = {one.number: one for one in books[wallet].shut}
        if not found.remaining:
            books[wallet] = books[wallet]._replace(shut=tuple((shut | {found.number: found}).values()))


def read_cited(session: Session, asked: Numbered) -> list[Entry]:
    """An entry, if it exists, and every reversal, repayment and clawback after it in its wallet, oldest first."""
    names = ", ".join(entries.c.keys())
    where = "account = ? AND credit_type = ?"
    rows = session.execute(f"SELECT {names} FROM farthing_entries WHERE {where} AND seq = ?", asked)
    rows += session.execute(f"SELECT {names} FROM farthing_entries WHERE {where} AND seq > ? {_LATER}", asked)
    return [entry(session, row) for row in rows]


def read_keys(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
    """The entries that already stand for these (account, key)."""
    rows = session.dialect.select_each(session, entries, ("account", "key"), keys)
    return {(row[0], row[12]): entry(session, row) for row in rows}


def read_keys_under(session: Session, account: str, prefix: str) -> list[Entry]:
    """The entries of an account whose keys begin so."""
    rows = session.execute(
        f"SELECT {', '.join(entries.c.keys())} FROM farthing_entries "
        "WHERE account = ? AND key >= ? AND key < ? ORDER BY key",
        (account, prefix, prefix + "\U0010ffff"),
    )
    return [entry(session, row) for row in rows]


def read_claim(session: Session, asked: Numbered) -> int:
    """What the claim of an entry is still to get; 0 where it has none."""
    rows = session.execute(
        "SELECT amount FROM farthing_claims WHERE account = ? AND credit_type = ? AND seq = ?", asked
    )
    return rows[0][0] if rows else 0


def read_arrivals(session: Session, wallet: Wallet, link: str) -> list[Entry]:
    """What came to a wallet by the transfer that `link` names, in the order in which it arrived."""
    rows = session.execute(
        f"SELECT {', '.join(entries.c.keys())} FROM farthing_entries "
        "WHERE account = ? AND credit_type = ? AND kind = 'transfer_in' AND link = ? ORDER BY seq",
        (*wallet, link),
    )
    return [entry(session, row) for row in rows]


def post(session: Session, before: dict[Wallet, Book], drafts: Sequence[Draft]) -> None:
    """Writes what decisions drafted: the one place where ledger rows are written. Checks the sums again first.

    Args:
        before: each wallet's book as it was read under the lock; seq 0 and no recorded time where it is new.
        drafts: in the order decided, each built on the one before it in its wallet.
    """
    after: dict[Wallet, Book] = {}
    lines: list[Entry] = []
    tells = False
    parts: dict[type[Part], dict[Numbered, Any]] = {Lot: {}, Debt: {}, Hold: {}, Claim: {}}
    for draft in drafts:
        book = draft.book
        tells = tells or bool(book.credit_type.low or book.credit_type.expiring)
        wallet = (book.account, book.credit_type.code)
        after[wallet] = book
        lines += draft.entries
        for part in draft.changes:
            parts[type(part)][(*wallet, part[0])] = part
    _check_sums(before, after, lines)
    _write_wallets(session, before, after)
    _write_lots(session, before, parts[Lot])
    _write_debts(session, before, parts[Debt])
    _write_holds(session, before, parts[Hold])
    _write_claims(session, before, parts[Claim])
    session.dialect.insert_many(session, entries, [_entry_row(session.dialect, line) for line in lines])
    if tells:
        outbox.write(session, of_drafts(before, drafts))


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
            book.seq, book.posted, book.held, book.pending, book.debt, book.last_lot, book.claimed, book.frozen,
            time_in(book.recorded_at), time_in(book.next_change_at), book.seal,
        )  # fmt: skip
        if before[wallet].seal:
            changed.append((*values, *wallet))
        else:
            made.append((*wallet, *values))
            scales.fix(session, book.credit_type)
    session.dialect.insert_many(session, wallets, made)
    session.dialect.update_many(session, wallets, tuple(wallets.c.keys())[2:], changed)


def _write_lots(session: Session, before: dict[Wallet, Book], changed: dict[Numbered, Lot]) -> None:
    dialect = session.dialect
    new = {key: lot for key, lot in changed.items() if key[2] > before[key[:2]].last_lot}
    dialect.insert_many(session, lots, [(*key[:2], *_lot_values(dialect, lot)) for key, lot in new.items()])
    rows = [(lot.remaining, lot.held, lot.remaining > 0, *key) for key, lot in changed.items() if key not in new]
    dialect.update_many(session, lots, ("remaining", "held", "open"), rows)


def _write_debts(session: Session, before: dict[Wallet, Book], changed: dict[Numbered, Debt]) -> None:
    new = {key: debt for key, debt in changed.items() if key[2] > before[key[:2]].seq}
    session.dialect.insert_many(session, debts, [(*key[:2], *debt, debt.remaining > 0) for key, debt in new.items()])
    rows = [(debt.remaining, debt.remaining > 0, *key) for key, debt in changed.items() if key not in new]
    session.dialect.update_many(session, debts, ("remaining", "open"), rows)


def _write_holds(session: Session, before: dict[Wallet, Book], changed: dict[Numbered, Hold]) -> None:
    time_in = session.dialect.time_in
    new = {key: hold for key, hold in changed.items() if key[2] > before[key[:2]].seq}
    made = [
        (*key[:2], *hold[:3], dumps(hold.parts), time_in(hold.held_at), time_in(hold.deadline), hold.late, hold.ended,
         time_in(hold.ended_at), not hold.ended)
        for key, hold in new.items()
    ]  # fmt: skip
    session.dialect.insert_many(session, holds, made)
    rows = [
        (time_in(hold.deadline), hold.ended, time_in(hold.ended_at), not hold.ended, *key)
        for key, hold in changed.items()
        if key not in new
    ]
    session.dialect.update_many(session, holds, ("deadline", "ended", "ended_at", "open"), rows)


def _write_claims(session: Session, before: dict[Wallet, Book], changed: dict[Numbered, Claim]) -> None:
    new = {key: claim for key, claim in changed.items() if key[2] > before[key[:2]].seq}
    session.dialect.insert_many(session, claims, [(*key[:2], *claim) for key, claim in new.items()])
    rows = [(claim.amount, *key) for key, claim in changed.items() if key not in new]
    session.dialect.update_many(session, claims, ("amount",), rows)


def _time(session: Session, stored: Any) -> Any:
    return session.dialect.time_out(stored)


def _book(
    session: Session,
    row: Row,
    kind: CreditType,
    found: Sequence[Lot] = (),
    owed: Sequence[Debt] = (),
    *,
    whole: bool,
) -> Book:
    totals, (recorded_at, next_change_at, sealed) = row[2:9], row[10:13]
    few = len(found) <= _FIRST and len(owed) <= _FIRST
    read_all = whole or (few and not row[_COLUMNS["held"]] and not row[_COLUMNS["claimed"]])
    times = _time(session, recorded_at), _time(session, next_change_at)
    parts = tuple(sorted(found, key=burn_key)), tuple(owed)
    none_read = ((), (), (), ())  # holds, claims, cited, shut
    return Book._make((row[0], kind, *totals, bool(row[9]), *times, bytes(sealed), *parts, *none_read, read_all))


def lot(session: Session, row: Row) -> Lot:
    """A lot out of its row."""
    return Lot._make((*row[2:8], *row[9:11], _time(session, row[11]), _time(session, row[12]), row[13]))


def hold(session: Session, row: Row) -> Hold:
    """A hold out of its row."""
    parts = tuple((part[0], part[1]) for part in session.dialect.json_out(row[5]))
    held_at, deadline, ended_at = (_time(session, row[place]) for place in (6, 7, 10))
    return Hold._make((*row[2:5], parts, held_at, deadline, *row[8:10], ended_at))


def _lot_values(dialect: Dialect, lot: Lot) -> Row:
    return (
        *lot[:6], lot.remaining > 0, *lot[6:8], dialect.time_in(lot.effective_at), dialect.time_in(lot.expires_at),
        lot.seq,
    )  # fmt: skip


def _entry_row(dialect: Dialect, line: Entry) -> Row:
    return (
        *line[:9],
        _draws(line.draws),
        line.opened and dumps(_opened(line.opened)),
        *line[11:20],
        dialect.time_in(line.effective_at),
        dialect.time_in(line.recorded_at),
        dialect.time_in(line.occurred_at),
        line.seal,
    )


def _draws(draws: Iterable[Draw]) -> str:
    """JSON, written here because whole numbers need no encoder and every deduction has some."""
    parts = [f"[{drawn[0]},{drawn[1]},{drawn[2]}{'' if drawn[3] is None else f',{drawn[3]}'}]" for drawn in draws]
    return f"[{','.join(parts)}]"


def _opened(opened: Opened) -> dict[str, Any]:
    if isinstance(opened, Lot):
        return {
            "lot": opened.number,
            "priority": opened.priority,
            "cost_minor": opened.cost_minor,
            "currency": opened.currency,
            "expires_at": opened.expires_at and micros(opened.expires_at),
        }
    if isinstance(opened, Until):
        return {"hold": opened.hold, "deadline": opened.deadline and micros(opened.deadline), "late": opened.late}
    return {"claim": opened.seq, "kind": opened.kind, "lot": opened.lot, "amount": opened.amount, "rest": opened.rest}


def entry(session: Session, row: Row) -> Entry:
    """A ledger line out of its row."""
    load = session.dialect.json_out
    effective_at, recorded_at, occurred_at = (_time(session, stored) for stored in row[20:23])
    draws = tuple(Draw(*drawn) for drawn in load(row[9]))
    opened = None if row[10] is None else _opened_out(load(row[10]), row, effective_at)
    content = None if row[13] is None else bytes(row[13])
    metadata = None if row[18] is None else dumps(load(row[18]))
    facts = (*row[:9], draws, opened, *row[11:13], content, *row[14:18], metadata, row[19])
    return Entry._make((*facts, effective_at, recorded_at, occurred_at, bytes(row[23])))


def _opened_out(opened: dict[str, Any], row: Row, effective_at: datetime) -> Opened:
    if "hold" in opened:
        return Until(opened["hold"], opened["deadline"] and instant(opened["deadline"]), opened["late"])
    if "claim" in opened:
        return Claim(opened["claim"], opened["kind"], opened["lot"], opened["amount"], opened["rest"])
    expires_at = opened["expires_at"] and instant(opened["expires_at"])
    return Lot(
        opened["lot"], row[11], opened["priority"], row[4], row[4], 0, opened["cost_minor"], opened["currency"],
        effective_at, expires_at, row[2],
    )  # fmt: skip


_encoder = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def dumps(value: Any) -> str:
    """Compact JSON with sorted names."""
    return _encoder.encode(value)
