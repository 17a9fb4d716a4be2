"""The beat, load → decide → post, inside a transaction that somebody else owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from farthing.core.book import Book, CreditType, Draft, Entry, Partial, Stamp
from farthing.core.due import settle
from farthing.errors import AccountMerged, Corrupt, FarthingError, KeyReused, NotFound
from farthing.store import acts, scales, sql
from farthing.store.acts import Act
from farthing.store.database import Retry, Session
from farthing.store.dialects import Row
from farthing.store.sql import Account, Wallet

Rule = Callable[[Book, Stamp, str], Draft]
"""A rule of core with its arguments bound: settled book, stamp and the account's time zone → draft."""
Landing = Callable[[Draft, Book, Stamp], Draft]
"""What a transfer does at the other end: the sender's draft, the settled book of the receiver, stamp → draft."""
Clash = Callable[[Book, Entry], FarthingError]
"""The refusal of a command whose key stands for something else: the wallet's book, and what the key stands for."""


class Cites(NamedTuple):
    """What a rule looks at beyond the open lots and debts of its wallet, by number."""

    hold: int | None = None
    entry: int | None = None
    lot: int | None = None


class Command(NamedTuple):
    """What a caller asked of one wallet, checked and in smallest units."""

    account: str
    credit_type: CreditType
    key: str
    stamp: Stamp  # its `now` is replaced when the command is decided
    rule: Rule
    opens: Account | None = None  # made where the account does not exist yet
    cites: Cites | None = None
    to: str | None = None  # the account that gets what leaves this one
    landing: Landing | None = None
    clash: Clash | None = None

    @property
    def wallet(self) -> Wallet:
        return self.account, self.credit_type.code

    @property
    def wallets(self) -> tuple[Wallet, ...]:
        """All that it writes to."""
        return (self.wallet,) if self.to is None else (self.wallet, (self.to, self.credit_type.code))


class Outcome(NamedTuple):
    """The entry that stands for the command's key, and whether it stood there before."""

    entry: Entry
    replayed: bool


Answer = Outcome | FarthingError | None


class _ReadWhole(Exception):
    """The first lots of these wallets did not decide; nothing has been written yet."""


class _Page(NamedTuple):
    """What one batch read and has decided so far."""

    now: datetime
    books: dict[Wallet, Book]
    accounts: dict[str, Account]
    known: dict[tuple[str, str], Entry]
    acted: dict[tuple[str, str], Act]
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
    asked = list(dict.fromkeys(wallet for command in commands for wallet in command.wallets))
    seen = sql.look(session, asked, sorted({(one.account, one.key) for one in commands}), wait=wait)
    rows, busy = _settled(session, seen.wallets, asked, wait=wait)
    scales.require(session, [types[code] for code in sorted({wallet[1] for wallet in rows})])
    missing = [wallet for wallet in asked if wallet not in rows and wallet not in busy]
    opening = {one.account for one in commands if one.opens} | {account for account, _ in missing}
    opening |= {one.to for one in commands if one.to} | sql.frozen(rows)
    accounts = sql.read_accounts(session, sorted(opening)) if opening else {}
    known, acted = seen.entries, acts.by_key(session, seen.acts)
    if rows.keys() != seen.wallets.keys():  # wallets were waited for since: look again, and what they wrote is seen
        keys = sorted({(one.account, one.key) for one in commands})
        known, acted = sql.read_keys(session, keys), acts.read_keys(session, keys)
    whole: set[Wallet] = set()
    while True:
        before = {wallet: _new(wallet, types[wallet[1]], accounts) for wallet in missing}
        few = {w: row for w, row in rows.items() if w not in whole}
        before |= sql.read_books(session, few, types, first=seen.lots)
        before |= sql.read_books(session, {w: rows[w] for w in whole}, types, whole=True)
        _cite(session, before, commands)
        page = _Page(now, dict(before), dict(accounts), dict(known), acted, [])
        wanted: set[Wallet] = set()
        answers: list[Answer] = []
        for one in commands:
            try:
                skipped = any(wallet in busy or wallet in wanted for wallet in one.wallets)
                answers.append(None if skipped else _answer(page, one))
            except _ReadWhole:
                wanted |= {wallet for wallet in one.wallets if not before[wallet].whole}
        if wanted:
            whole |= wanted
            continue
        accept(answers)
        sql.add_accounts(session, [one for one in page.accounts.values() if one.account not in accounts])
        if missing:
            made = {(one.account, one.key) for one in commands if one.wallet in missing}
            _guard_new(session, made - acted.keys(), [account for account, _ in missing], accounts)
        sql.post(session, before, page.drafts)
        return answers


def book_due(
    session: Session, wallets: Sequence[Wallet], types: dict[str, CreditType], now: datetime, *, wait: bool = False
) -> int:
    """Books what came due in these wallets and was not yet seen by a write of their own. Returns the entries written.

    Without `wait`, wallets that somebody else holds are left to that somebody.
    """
    rows = sql.lock_wallets(session, wallets, wait=wait)
    before = sql.read_books(session, rows, types, whole=True)
    drafts = [settle(book, max(now, book.recorded_at)) for book in before.values()]
    sql.post(session, before, drafts)
    return sum(len(draft.entries) for draft in drafts)


def _settled(
    session: Session, rows: dict[Wallet, Row], asked: list[Wallet], *, wait: bool
) -> tuple[dict[Wallet, Row], set[Wallet]]:
    """The rows of the wallets that exist, under lock, and the wallets that somebody else holds."""
    missing = [wallet for wallet in asked if wallet not in rows]
    held = set(sql.read_wallets(session, missing)) if missing else set[Wallet]()
    if wait and held:  # made by somebody else just now
        return rows | sql.lock_wallets(session, list(held), wait=True), set()
    return rows, held


def _new(wallet: Wallet, kind: CreditType, accounts: dict[str, Account]) -> Book:
    owner = accounts.get(wallet[0])
    return Book(wallet[0], kind, frozen=bool(owner and owner.frozen_at))


def _cite(session: Session, books: dict[Wallet, Book], commands: Sequence[Command]) -> None:
    cited = [(*one.wallet, one.cites) for one in commands if one.cites and one.wallet in books]
    if cited:
        sql.cite_holds(session, books, [(a, t, cites.hold) for a, t, cites in cited if cites.hold is not None])
        sql.cite_entries(session, books, [(a, t, cites.entry) for a, t, cites in cited if cites.entry is not None])
        sql.cite_lots(session, books, [(a, t, cites.lot) for a, t, cites in cited if cites.lot is not None])


def _guard_new(
    session: Session, keys: set[tuple[str, str]], accounts: Sequence[str], known: dict[str, Account]
) -> None:
    """An act cannot lock a wallet that is only being made, so it and the maker meet at the account's row.

    Raises:
        Retry: an act took one of the keys meanwhile, or changed one of the accounts.
    """
    sql.share_accounts(session, sorted(set(accounts)))
    now = sql.read_accounts(session, sorted(known.keys() & set(accounts)))
    if acts.read_keys(session, sorted(keys)) or any(known[name] != now.get(name) for name in now):
        raise Retry


def _answer(page: _Page, command: Command) -> Answer:
    key = (command.account, command.key)
    try:
        if known := page.known.get(key):
            return _replay(page, command, known)
        if act := page.acted.get(key):
            raise key_reused(*key, act_said(act), act.recorded_at)
        drafts = _drafts(page, command)
    except FarthingError as refusal:
        if isinstance(refusal, Corrupt):
            raise
        return refusal
    except Partial:
        raise _ReadWhole from None
    for wallet, draft in zip(command.wallets, drafts, strict=True):
        page.books[wallet] = draft.book
        page.drafts.append(draft)
    if command.opens and command.account not in page.accounts:
        page.accounts[command.account] = command.opens._replace(created_at=page.now)
    line = next(line for line in drafts[0].entries if line.key == command.key)
    page.known[key] = line
    return Outcome(line, replayed=False)


def _replay(page: _Page, command: Command, known: Entry) -> Outcome:
    if known.content == command.stamp.content:
        return Outcome(known, replayed=True)
    if command.clash:
        raise command.clash(page.books[command.wallet], known)
    raise key_reused(known.account, command.key, f"a {known.kind} of {known.credit_type}", known.recorded_at)


def act_said(act: Act) -> str:
    """An act as part of a sentence."""
    return "an order" if act.verb == "checkout" else f"a {act.verb}"


def key_reused(account: str, key: str, what: str, recorded_at: datetime) -> KeyReused:
    """The refusal of a key that already stands for `what`."""
    return KeyReused(
        f"The key {key!r} of {account} already stands for {what} recorded at {recorded_at.isoformat()}, and this call "
        "says something else. Nothing was changed. Use a new key for a new wish, or repeat the first call exactly.",
        key=key,
        recorded_at=recorded_at,
    )


def _drafts(page: _Page, command: Command) -> list[Draft]:
    """One draft for each wallet of the command."""
    account = page.accounts.get(command.account) or command.opens
    require_unmerged(account)
    due = _due(page, command.wallet, stranger=account is None)
    zone = account.time_zone if account else "UTC"
    decided = command.rule(due.book, _at(page, command, due), zone)
    drafts = [_joined(due, decided)]
    if command.to is not None and command.landing:
        there = (command.to, command.credit_type.code)
        if page.accounts.get(command.to) is None:
            raise NotFound(f"There is no account {command.to!r} to give to. Nothing was changed.")
        require_unmerged(page.accounts[command.to])
        due = _due(page, there, stranger=False)
        drafts.append(_joined(due, command.landing(decided, due.book, _at(page, command, due))))
    return drafts


def require_unmerged(account: Account | None) -> None:
    """Nothing, unless another account took this one over.

    Raises:
        AccountMerged: it did.
    """
    if account and account.merged_into:
        raise AccountMerged(
            f"{account.account} was merged into {account.merged_into}. Nothing was changed. Name that account instead.",
            account=account.account,
            into=account.merged_into,
        )


def _at(page: _Page, command: Command, due: Draft) -> Stamp:
    return Stamp(max(page.now, due.book.recorded_at), *command.stamp[1:])


def _due(page: _Page, wallet: Wallet, *, stranger: bool) -> Draft:
    """The wallet settled at the batch's time, or its own where that is later."""
    book = page.books[wallet]
    if stranger and not book.seal:
        book = book._replace(credit_type=book.credit_type._replace(overdraft_limit=0))  # nobody lends to a stranger
    return settle(book, max(page.now, book.recorded_at))


def _joined(due: Draft, decided: Draft) -> Draft:
    """Both, one after the other."""
    if not due.entries:
        return decided
    return Draft(decided.book, due.entries + decided.entries, due.changes + decided.changes)
