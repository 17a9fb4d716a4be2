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
from typing import Any, NamedTuple

from farthing.amounts import LIMIT, to_credits
from farthing.core.calendar import EPOCH, micros
from farthing.errors import BalanceTooLarge, Corrupt

KINDS = (
    *("grant", "deduct", "hold", "capture", "release", "lapse", "extend"),
    *("reverse", "void", "clawback", "expire", "transfer_out", "transfer_in", "repay"),
)
BOOKED_WHEN_DUE = frozenset({"expire", "lapse", "repay", "void", "clawback"})  # may be recorded after they count
SOURCES = ("gift", "plan", "purchase", "bonus", "promo", "adjustment", "transfer", "reversal")
DEFAULT_PRIORITY = 100


class CreditType(NamedTuple):
    """What is counted, and its rules. Amounts are in smallest units (10^-scale credits)."""

    code: str
    name: str
    scale: int = 0
    expires: str | None = None  # default life of a lot, e.g. "30d"; None is never
    overdraft_limit: int = 0
    hold: str = "15m"  # how long a hold lasts where nothing else is said
    max_hold: str | None = None  # how long it may last in all, extended or not; None is for ever
    capture_more: bool = False  # whether a capture may take more than was held
    reversal: str = "restore"  # what is given back of a lot that expired meanwhile; see core.reversals
    grace: str = "7d"  # for reversal "grace"
    low: int | None = None  # below it a balance is told to be low; None tells nothing of balances
    expiring: str | None = None  # so long before a lot expires it is told; None tells nothing of lots

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


class Hold(NamedTuple):
    """Credits set aside. `parts` are the lots that gave some, `owed` what none covered: within the overdraft.

    It ends in one way: `ended` is then the kind of the entry that ended it.
    """

    seq: int  # the entry that made it
    amount: int
    owed: int
    parts: tuple[tuple[int, int], ...]  # lot, amount
    held_at: datetime
    deadline: datetime | None  # it lapses then; None is never
    late: str  # what a capture after that does: "refuse" or "charge"
    ended: str | None = None
    ended_at: datetime | None = None


class Until(NamedTuple):
    """How long a hold lasts, as the entry says that made or extended it."""

    hold: int
    deadline: datetime | None
    late: str


class Claim(NamedTuple):
    """Credits that are to be taken out of a lot as soon as no hold keeps them."""

    seq: int  # the entry that wants them
    kind: str  # its kind: void or clawback
    lot: int
    amount: int
    rest: str  # what becomes of those that were used up instead: "debt" or "write_off"


class Draw(NamedTuple):
    """Credits taken out of one lot (or held in it, or put back), with their share of its cost.

    On a repay `debt` is the entry whose debt they pay.
    """

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
    opened: Opened | None  # the lot it made, or how the hold or claim stands after it
    source: str | None
    key: str | None
    content: bytes | None
    link: str | None  # what it belongs to: an order, a hold, another entry
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
    claimed: int = 0
    frozen: bool = False
    recorded_at: datetime = EPOCH
    next_change_at: datetime | None = None  # nothing changes by itself before this; may be early, never late
    seal: bytes = b""
    lots: tuple[Lot, ...] = ()  # open ones in burn order
    debts: tuple[Debt, ...] = ()  # open ones, oldest first
    holds: tuple[Hold, ...] = ()  # open ones, oldest first, and those asked for
    claims: tuple[Claim, ...] = ()  # open ones, oldest first
    cited: tuple[Entry, ...] = ()  # entries asked for, and what later ones did to them
    shut: tuple[Lot, ...] = ()  # closed lots that those drew from, or that were asked for
    whole: bool = True  # False: only the first lots and debts were read, and no claims

    @property
    def available(self) -> int:
        return self.posted - self.held - self.pending

    @property
    def spendable(self) -> int:
        """What a deduction may take: what is available and the rest of the overdraft."""
        return self.available + self.credit_type.overdraft_limit


class Draft(NamedTuple):
    """What decisions want written: the book afterwards, its new entries, every part they changed, latest last."""

    book: Book
    entries: tuple[Entry, ...] = ()
    changes: tuple[Part, ...] = ()


Part = Lot | Debt | Hold | Claim
Opened = Lot | Until | Claim


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
    changes: Iterable[Part] = (),
    draws: tuple[Draw, ...] = (),
    opened: Opened | None = None,
    effective_at: datetime | None = None,
) -> Draft:
    """`draft` with one more entry, numbered and sealed, and the book as it stands after it.

    `changes` are the lots, debts, holds and claims it changes as they are afterwards; a new lot is `opened` as well.
    """
    book = draft.book
    posted = book.posted + amount
    if not -LIMIT < posted < LIMIT:
        raise BalanceTooLarge(
            f"{book.account} would hold {to_credits(posted, book.credit_type.scale)} {book.credit_type.code}; "
            "a wallet holds at most 15 digits of its smallest unit. Nothing was changed."
        )
    facts = (
        book.account, book.credit_type.code, book.seq + 1, kind, amount, held_change,
        posted, book.held + held_change, book.pending + pending_change, draws, opened,
        opened.source if type(opened) is Lot else None,
        stamp.key, stamp.content, stamp.link, stamp.operation, stamp.reason, stamp.actor, stamp.metadata,
        stamp.catalog_version, effective_at or stamp.now, stamp.now, stamp.occurred_at,
    )  # fmt: skip
    entry = Entry._make((*facts, seal(book.seal, facts)))
    changed = tuple(changes)
    parts = _with_lots(book, changed)
    if not all(type(part) is Lot for part in changed):
        parts |= _with_others(book, changed)
    after = book._replace(
        seq=entry.seq,
        posted=posted,
        held=entry.held_after,
        pending=entry.pending_after,
        recorded_at=stamp.now,
        seal=entry.seal,
        cited=(*book.cited, entry) if book.cited else (),
        **parts,
    )
    return Draft(after, (*draft.entries, entry), draft.changes + changed)


def burn_key(lot: Lot) -> tuple[int, bool, datetime, bool, datetime, int]:
    """The published burn order: priority, then soonest expiry (never last), unpaid before paid, oldest, number."""
    never = lot.expires_at is None
    return (lot.priority, never, lot.expires_at or EPOCH, lot.cost_minor > 0, lot.effective_at, lot.number)


def draw(lot: Lot, amount: int, *, debt: int | None = None) -> tuple[Lot, Draw]:
    """`amount` out of `lot`, and its share of the lot's cost: shares of all draws add up to the cost exactly."""
    if not 0 < amount <= lot.remaining:
        raise Corrupt(f"cannot draw {amount} from lot {lot.number}, which has {lot.remaining}")
    left = lot.remaining - amount
    cost = _cost_of(lot, lot.amount - left) - _cost_of(lot, lot.amount - lot.remaining) if lot.cost_minor else 0
    return lot._replace(remaining=left), Draw(lot.number, amount, cost, debt)


def put_back(lot: Lot, amount: int) -> tuple[Lot, Draw]:
    """`amount` back into `lot`, and the share of its cost that comes back with it: the opposite of `draw`."""
    left = lot.remaining + amount
    if not lot.remaining < left <= lot.amount:
        raise Corrupt(f"cannot put {amount} back into lot {lot.number}, which lacks {lot.amount - lot.remaining}")
    cost = _cost_of(lot, lot.amount - lot.remaining) - _cost_of(lot, lot.amount - left)
    return lot._replace(remaining=left), Draw(lot.number, amount, cost)


def seal(previous: bytes, facts: tuple[Any, ...]) -> bytes:
    """A digest of an entry and all before it in its wallet, without what `erase` may blank (reason, actor, metadata).

    So that a line changed, removed or slipped in behind the database's back is found by `verify` (BLAKE2b, RFC 7693).

    Args:
        facts: the entry's own, as in `Entry`; its seal, if it has one yet, does not count.
    """
    draws, opened, effective_at, recorded_at, occurred_at = facts[9], facts[10], *facts[20:23]
    recorded = micros(recorded_at)
    parts = (
        *facts[:9],
        [(*drawn,) for drawn in draws],
        opened and _opened_parts(opened),
        *facts[11:16],
        facts[19],
        recorded if effective_at is recorded_at else micros(effective_at),
        recorded,
        occurred_at and micros(occurred_at),
    )
    return blake2b(ascii(parts).encode(), digest_size=16, key=previous).digest()


def _cost_of(lot: Lot, drawn: int) -> int:
    return lot.cost_minor * drawn // lot.amount


def _opened_parts(opened: Opened) -> tuple[object, ...]:
    if isinstance(opened, Lot):
        return (*opened[:4], *opened[6:8], micros(opened.effective_at), opened.expires_at and micros(opened.expires_at))
    if isinstance(opened, Until):
        return ("hold", opened.hold, opened.deadline and micros(opened.deadline), opened.late)
    return ("claim", *opened)


def _with_lots(book: Book, changes: tuple[Part, ...]) -> dict[str, Any]:
    """The book's lots as they now are: new ones in their place, used up ones set apart."""
    changed = {part.number: part for part in changes if type(part) is Lot}
    if not changed:
        return {}
    old = [changed.pop(lot.number, lot) for lot in book.lots]
    lots, shut = tuple(old), book.shut
    if emptied := [lot for lot in old if not lot.remaining]:
        lots = tuple(lot for lot in old if lot.remaining)
        shut += tuple(emptied)
    if changed:
        shut = tuple(lot for lot in shut if lot.number not in changed)
        fresh = list(changed.values())
        if not book.whole:  # behind the last that was read, others stand that were not
            fresh = [lot for lot in fresh if lots and burn_key(lot) < burn_key(lots[-1])]
        lots = tuple(sorted((*lots, *fresh), key=burn_key))
    return {"lots": lots, "shut": shut, "last_lot": max(book.last_lot, *changed, 0)}


def _with_others(book: Book, changes: tuple[Part, ...]) -> dict[str, Any]:
    """The book's debts, claims and holds as they now are: those that are settled left out."""
    debts = {part.seq: part for part in changes if type(part) is Debt}
    claims = {part.seq: part for part in changes if type(part) is Claim}
    holds = {part.seq: part for part in changes if type(part) is Hold}
    parts: dict[str, Any] = {}
    if debts:
        known = {debt.seq: debt for debt in book.debts}
        change = sum(debt.remaining - (known[seq].remaining if seq in known else 0) for seq, debt in debts.items())
        still = tuple(debt for _, debt in sorted((known | debts).items()) if debt.remaining)
        parts |= {"debt": book.debt + change, "debts": still}
    if claims:
        wanted = {claim.seq: claim for claim in book.claims} | claims
        still = tuple(claim for _, claim in sorted(wanted.items()) if claim.amount)
        parts |= {"claimed": sum(claim.amount for claim in still), "claims": still}
    if holds:
        known = {hold.seq: hold for hold in book.holds} | holds
        parts["holds"] = tuple(hold for _, hold in sorted(known.items()))
    return parts
