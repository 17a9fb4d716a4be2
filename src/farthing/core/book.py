"""What a wallet is, and the one way to write a line of its ledger. Values only: no clock, no database, no rules.

Invariants of every Book, checked by `store` before anything is written and by `verify` at any time:
    posted    = remaining credits of all lots − debt = sum of all entry amounts
    available = posted − held − pending, negative under debt
    while there is debt, no credits are available: a grant repays first
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from farthing.amounts import LIMIT, to_credits
from farthing.core.calendar import EPOCH, micros
from farthing.errors import BalanceTooLarge, Corrupt

KINDS = (
    *("grant", "deduct", "hold", "capture", "release", "lapse", "extend"),
    *("reverse", "void", "clawback", "expire", "transfer_out", "transfer_in", "repay"),
)
BOOKED_WHEN_DUE = frozenset({"expire", "lapse", "repay"})  # may be recorded late; they count at their own instant
SOURCES = ("gift", "plan", "purchase", "bonus", "promo", "adjustment", "transfer", "reversal")
DEFAULT_PRIORITY = 100


class CreditType(NamedTuple):
    """What is counted, and its rules. Amounts are in smallest units (10^-scale credits)."""

    code: str
    name: str
    scale: int = 0
    expires: str | None = None  # default life of a lot, e.g. "30d"; None is never
    overdraft_limit: int = 0

    @property
    def life(self) -> str:
        """How long its credits last where nothing else is said: a duration or "never"."""
        return self.expires or "never"


class Lot(NamedTuple):
    """Credits that arrived together. `remaining` includes what is `held`; `cost_minor` is money paid for `amount`."""

    number: int
    source: str
    priority: int
    amount: int
    remaining: int
    held: int
    cost_minor: int
    currency: str | None
    effective_at: datetime
    expires_at: datetime | None
    seq: int  # the entry that made it


class Debt(NamedTuple):
    """The part of a deduction that no lot paid for yet."""

    seq: int  # the deduction
    amount: int
    remaining: int


class Draw(NamedTuple):
    """Credits taken out of one lot, with their share of its cost; on a repay also the deduction they pay for."""

    lot: int
    amount: int
    cost_minor: int
    debt: int | None = None


class Stamp(NamedTuple):
    """What a command carries and no rule looks at, except `now`."""

    now: datetime
    key: str | None = None
    content: bytes | None = None
    link: str | None = None
    operation: str | None = None
    reason: str | None = None
    actor: str | None = None
    metadata: str | None = None
    catalog_version: str | None = None
    occurred_at: datetime | None = None


class Entry(NamedTuple):
    """One immutable line of the ledger: one effect on one wallet."""

    account: str
    credit_type: str
    seq: int
    kind: str
    amount: int
    held_change: int
    posted_after: int
    held_after: int
    pending_after: int
    draws: tuple[Draw, ...]
    opened: Lot | None
    source: str | None
    key: str | None
    content: bytes | None
    link: str | None  # what it belongs to: the order that paid for a grant
    operation: str | None
    reason: str | None
    actor: str | None
    metadata: str | None
    catalog_version: str | None
    effective_at: datetime
    recorded_at: datetime
    occurred_at: datetime | None
    seal: bytes


class Book(NamedTuple):
    """One wallet (account × credit type) as it stands at `recorded_at`, its last write."""

    account: str
    credit_type: CreditType
    seq: int = 0
    posted: int = 0
    held: int = 0
    pending: int = 0
    debt: int = 0
    last_lot: int = 0
    recorded_at: datetime = EPOCH
    next_change_at: datetime | None = None  # nothing changes by itself before this; may be early, never late
    seal: bytes = b""
    lots: tuple[Lot, ...] = ()  # open ones in burn order
    debts: tuple[Debt, ...] = ()  # open ones, oldest first
    whole: bool = True  # False: only the first lots and debts were read

    @property
    def available(self) -> int:
        return self.posted - self.held - self.pending

    @property
    def spendable(self) -> int:
        """What a deduction may take: what is available and the rest of the overdraft."""
        return self.available + self.credit_type.overdraft_limit


class Draft(NamedTuple):
    """What decisions want written: the book afterwards, its new entries, every lot and debt they changed."""

    book: Book
    entries: tuple[Entry, ...] = ()
    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()


class Partial(Exception):
    """The first lots or debts do not decide this: read them all and ask again. Never leaves the writer."""


def write(
    draft: Draft,
    kind: str,
    stamp: Stamp,
    *,
    amount: int = 0,
    held_change: int = 0,
    pending_change: int = 0,
    debt_change: int = 0,
    lots: Iterable[Lot] = (),
    debts: Iterable[Debt] = (),
    draws: tuple[Draw, ...] = (),
    opened: Lot | None = None,
    effective_at: datetime | None = None,
) -> Draft:
    """`draft` with one more entry, numbered and sealed, and the book as it stands after it.

    `lots` and `debts` are the changed ones as they are afterwards; a new lot is `opened`.
    """
    book = draft.book
    posted = book.posted + amount
    if not -LIMIT < posted < LIMIT:
        raise BalanceTooLarge(
            f"{book.account} would hold {to_credits(posted, book.credit_type.scale)} {book.credit_type.code}; "
            "a wallet holds at most 15 digits of its smallest unit. Nothing was changed."
        )
    source = opened.source if opened else None
    entry = Entry(
        book.account, book.credit_type.code, book.seq + 1, kind, amount, held_change,
        posted, book.held + held_change, book.pending + pending_change, draws, opened, source,
        stamp.key, stamp.content, stamp.link, stamp.operation, stamp.reason, stamp.actor, stamp.metadata,
        stamp.catalog_version, effective_at or stamp.now, stamp.now, stamp.occurred_at, b"",
    )  # fmt: skip
    entry = entry._replace(seal=seal(book.seal, entry))
    changed = tuple(lots)
    after = book._replace(
        seq=entry.seq,
        posted=posted,
        held=entry.held_after,
        pending=entry.pending_after,
        debt=book.debt + debt_change,
        recorded_at=stamp.now,
        seal=entry.seal,
        lots=_merge(book.lots, changed, opened),
        debts=_merge_debts(book.debts, debts := tuple(debts)),
        last_lot=opened.number if opened else book.last_lot,
    )
    opened_lots = (opened,) if opened else ()
    return Draft(after, (*draft.entries, entry), (*draft.lots, *opened_lots, *changed), (*draft.debts, *debts))


def burn_key(lot: Lot) -> tuple[int, bool, datetime, bool, datetime, int]:
    """The published burn order: priority, then soonest expiry (never last), unpaid before paid, oldest, number."""
    never = lot.expires_at is None
    return (lot.priority, never, lot.expires_at or EPOCH, lot.cost_minor > 0, lot.effective_at, lot.number)


def draw(lot: Lot, amount: int, *, debt: int | None = None) -> tuple[Lot, Draw]:
    """`amount` out of `lot`, and its share of the lot's cost: shares of all draws add up to the cost exactly."""
    if not 0 < amount <= lot.remaining:
        raise Corrupt(f"cannot draw {amount} from lot {lot.number}, which has {lot.remaining}")
    left = lot.remaining - amount
    cost = _cost_of(lot, lot.amount - left) - _cost_of(lot, lot.amount - lot.remaining)
    return lot._replace(remaining=left), Draw(lot.number, amount, cost, debt)


def seal(previous: bytes, entry: Entry) -> bytes:
    """A digest of this entry and all before it in its wallet, without what `erase` may blank (reason, actor, metadata).

    So that a line changed, removed or slipped in behind the database's back is found by `verify` (BLAKE2b, RFC 7693).
    """
    opened = entry.opened and (
        *entry.opened[:4],
        *entry.opened[6:8],
        micros(entry.opened.effective_at),
        entry.opened.expires_at and micros(entry.opened.expires_at),
    )
    parts = (
        *entry[:9],
        [tuple(drawn) for drawn in entry.draws],
        opened,
        *entry[11:16],
        entry.catalog_version,
        micros(entry.effective_at),
        micros(entry.recorded_at),
        entry.occurred_at and micros(entry.occurred_at),
    )
    return blake2b(ascii(parts).encode(), digest_size=16, key=previous).digest()


def _cost_of(lot: Lot, drawn: int) -> int:
    return lot.cost_minor * drawn // lot.amount


def _merge(lots: tuple[Lot, ...], changed: tuple[Lot, ...], opened: Lot | None) -> tuple[Lot, ...]:
    if changed:
        now = {lot.number: lot for lot in changed}
        lots = tuple(lot for old in lots if (lot := now.get(old.number, old)).remaining)
    return tuple(sorted((*lots, opened), key=burn_key)) if opened else lots


def _merge_debts(debts: tuple[Debt, ...], changed: tuple[Debt, ...]) -> tuple[Debt, ...]:
    if not changed:
        return debts
    now = {debt.seq: debt for debt in debts} | {debt.seq: debt for debt in changed}
    return tuple(debt for _, debt in sorted(now.items()) if debt.remaining)
