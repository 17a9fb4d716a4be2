"""The beat, load → decide → post, inside a transaction that somebody else owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from farthing.core import checks
from farthing.core.book import Book, CreditType, Draft, Entry, Partial, Stamp
from farthing.core.lots import settle
from farthing.core.payments import Order
from farthing.errors import Corrupt, FarthingError, KeyReused
from farthing.store import orders, sql
from farthing.store.database import Retry, Session
from farthing.store.dialects import Row
from farthing.store.sql import Account, Wallet

Rule = Callable[[Book, Stamp, str], Draft]
"""A rule of core with its arguments bound: settled book, stamp and the account's time zone → draft."""


class Command(NamedTuple):
    """What a caller asked of one wallet, checked and in smallest units."""

    account: str
    credit_type: CreditType
    key: str
    stamp: Stamp  # its `now` is replaced when the command is decided
    rule: Rule
    opens: Account | None = None  # made where the account does not exist yet

    @property
    def wallet(self) -> Wallet:
        return self.account, self.credit_type.code


class Outcome(NamedTuple):
    """The entry that stands for the command's key, and whether it stood there before."""

    entry: Entry
    replayed: bool


Answer = Outcome | FarthingError | None


class _ReadWhole(Exception):
    """The first lots of this wallet did not decide; nothing has been written yet."""

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet


class _Page(NamedTuple):
    """What one batch read and has decided so far."""

    now: datetime
    books: dict[Wallet, Book]
    accounts: dict[str, Account]
    known: dict[tuple[str, str], Entry]
    ordered: dict[tuple[str, str], Order]  # keys that stand for an order
    drafts: list[Draft]


def decide(
    session: Session,
    commands: Sequence[Command],
    now: datetime,
    *,
    wait: bool,
    accept: Callable[[Sequence[Answer]], None] = lambda answers: None,
) -> list[Answer]:
    """Locks, reads, decides and writes `commands`, each seeing those before it.

    Args:
        accept: sees the answers before anything is written; what it raises leaves everything as it was.
    Returns:
        For each command its outcome, its refusal, or None where somebody else holds its wallet and `wait` is off.
    """
    types = {command.credit_type.code: command.credit_type for command in commands}
    asked = {command.wallet: command for command in commands}
    rows, busy = _lock(session, list(asked), wait=wait)
    sql.require_scales(session, [types[code] for code in sorted({wallet[1] for wallet in rows})])
    missing = [wallet for wallet in asked if wallet not in rows and wallet not in busy]
    opening = {one.account for one in commands if one.opens or one.wallet in missing}
    accounts = sql.read_accounts(session, sorted(opening)) if opening else {}
    keys = {(one.account, one.key) for one in commands if one.wallet not in busy}
    known = sql.read_keys(session, sorted(keys))
    ordered = orders.read_keys(session, _callers(keys))
    whole: set[Wallet] = set()
    while True:
        before = {wallet: Book(wallet[0], types[wallet[1]]) for wallet in missing}
        before |= sql.read_books(session, {w: row for w, row in rows.items() if w not in whole}, types)
        before |= sql.read_books(session, {w: rows[w] for w in whole}, types, whole=True)
        page = _Page(now, dict(before), dict(accounts), dict(known), ordered, [])
        wanted: set[Wallet] = set()
        answers: list[Answer] = []
        for one in commands:
            try:
                skipped = one.wallet in busy or one.wallet in wanted
                answers.append(None if skipped else _answer(page, one))
            except _ReadWhole:
                wanted.add(one.wallet)
        if wanted:
            whole |= wanted
            continue
        accept(answers)
        sql.add_accounts(session, [one for one in page.accounts.values() if one.account not in accounts])
        made = {(one.account, one.key) for one in commands if one.wallet in missing}
        _guard_keys(session, made - ordered.keys())
        sql.post(session, before, page.drafts)
        return answers


def book_due(session: Session, wallets: Sequence[Wallet], types: dict[str, CreditType], now: datetime) -> int:
    """Books what came due in these wallets and was not yet seen by a write of their own. Returns the entries written.

    Wallets that somebody else holds are left to that somebody.
    """
    rows = sql.lock_wallets(session, wallets, wait=False)
    before = sql.read_books(session, rows, types, whole=True)
    drafts = [settle(book, max(now, book.recorded_at)) for book in before.values()]
    sql.post(session, before, drafts)
    return sum(len(draft.entries) for draft in drafts)


def _lock(session: Session, asked: list[Wallet], *, wait: bool) -> tuple[dict[Wallet, Row], set[Wallet]]:
    """The rows of the wallets that exist, under lock, and the wallets that somebody else holds."""
    rows = sql.lock_wallets(session, asked, wait=wait)
    missing = [wallet for wallet in asked if wallet not in rows]
    held = set(sql.read_wallets(session, missing)) if missing else set[Wallet]()
    if wait and held:  # made by somebody else just now
        return rows | sql.lock_wallets(session, list(held), wait=True), set()
    return rows, held


def _callers(keys: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The keys that may also stand for an order: those which callers chose."""
    return sorted(key for key in keys if not key[1].startswith(checks.OUR_KEYS))


def _guard_keys(session: Session, keys: set[tuple[str, str]]) -> None:
    """A checkout cannot lock a wallet that is only being made, so it and the maker meet at the account's row.

    Raises:
        Retry: a checkout took one of the keys meanwhile.
    """
    if asked := _callers(keys):
        sql.share_accounts(session, sorted({account for account, _ in asked}))
        if orders.read_keys(session, asked):
            raise Retry


def _answer(page: _Page, command: Command) -> Answer:
    try:
        if known := page.known.get((command.account, command.key)):
            return _replay(command, known)
        if order := page.ordered.get((command.account, command.key)):
            raise key_reused(command.account, command.key, f"an order of {order.credit_type}", order.created_at)
        draft = _draft(page, command)
    except FarthingError as refusal:
        if isinstance(refusal, Corrupt):
            raise
        return refusal
    except Partial:
        raise _ReadWhole(command.wallet) from None
    page.books[command.wallet] = draft.book
    page.drafts.append(draft)
    if command.opens and command.account not in page.accounts:
        page.accounts[command.account] = command.opens._replace(created_at=page.now)
    line = next(line for line in draft.entries if line.key == command.key)
    page.known[command.account, command.key] = line
    return Outcome(line, replayed=False)


def _replay(command: Command, known: Entry) -> Outcome:
    if known.content == command.stamp.content:
        return Outcome(known, replayed=True)
    raise key_reused(known.account, command.key, f"a {known.kind} of {known.credit_type}", known.recorded_at)


def key_reused(account: str, key: str, what: str, recorded_at: datetime) -> KeyReused:
    """The refusal of a key that already stands for `what`."""
    return KeyReused(
        f"The key {key!r} of {account} already stands for {what} recorded at {recorded_at.isoformat()}, and this call "
        "says something else. Nothing was changed. Use a new key for a new wish, or repeat the first call exactly.",
        key=key,
        recorded_at=recorded_at,
    )


def _draft(page: _Page, command: Command) -> Draft:
    book = page.books[command.wallet]
    account = page.accounts.get(command.account) or command.opens
    if account is None and not book.seal:
        book = book._replace(credit_type=book.credit_type._replace(overdraft_limit=0))  # nobody lends to a stranger
    now = max(page.now, book.recorded_at)
    due = settle(book, now)
    zone = account.time_zone if account else "UTC"
    decided = command.rule(due.book, command.stamp._replace(now=now), zone)
    return Draft(decided.book, due.entries + decided.entries, due.lots + decided.lots, due.debts + decided.debts)
