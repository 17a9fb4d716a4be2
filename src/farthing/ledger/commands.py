"""Commands that make lots: what a grant, a sign-up gift and a paid order have in common."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal, NamedTuple

from farthing.amounts import Money
from farthing.catalog import Catalog, Gift
from farthing.core import checks, claims, lots, moves
from farthing.core.book import DEFAULT_PRIORITY, Book, CreditType, Draft, Lot, Stamp
from farthing.core.calendar import EPOCH, Span, after, span
from farthing.core.names import entry_id
from farthing.errors import InvalidExpiry, InvalidField
from farthing.ledger.beat import Cites, Command
from farthing.store.sql import Account

NEVER = "never"
"""Said as `expires`: these credits do not expire, whatever the credit type's default is."""


class Default(Enum):
    """What stands for "the credit type's own"."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT
GIFT_KEYS = f"{checks.OUR_KEYS}gift:"
Expires = datetime | timedelta | str | Literal[Default.DEFAULT]
Life = datetime | timedelta | Span | Literal[Default.DEFAULT] | None
"""`expires` understood: an instant, a length of time, the default, or None for never."""


class NewLot(NamedTuple):
    """A lot as it is asked for, in smallest units. When it ends is settled when it is granted."""

    units: int
    source: str
    life: Life
    start: datetime | None = None  # None: now
    priority: int = DEFAULT_PRIORITY
    cost: Money | None = None


def give(catalog: Catalog, account: str, kind: CreditType, lot: NewLot, stamp: Stamp) -> Command:
    """The command that grants `lot`; an account that does not exist yet is made."""

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        end = end_of(lot.life, kind, lot.start or stamp.now, zone)
        cost_minor, currency = lot.cost or (0, None)
        terms = lots.Terms(lot.units, lot.source, lot.priority, lot.start, end, cost_minor, currency)
        return lots.grant(book, terms, stamp)

    return Command(account, kind, stamp.key or "", stamp, rule, new_account(catalog, account))


def void(account: str, kind: CreditType, number: int, units: int | None, stamp: Stamp) -> Command:
    """The command that ends what is unused of a lot, or `units` of it."""

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        return claims.void(book, number, units, stamp)

    return Command(account, kind, stamp.key or "", stamp, rule, cites=Cites(lot=number))


def move(account: str, to: str, kind: CreditType, units: int | None, stamp: Stamp) -> Command:
    """The command that moves `units` to another account; None: everything that no hold keeps, pending lots too."""

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        return moves.move_out(book, units, stamp)

    def landing(sent: Draft, book: Book, stamp: Stamp) -> Draft:
        left = sent.entries[-1]
        kept = {lot.number: lot for lot in sent.changes if isinstance(lot, Lot)}
        arriving = [(kept[drawn.lot], drawn) for drawn in left.draws]
        keyless = stamp._replace(key=None, content=None, link=f"{account}/{entry_id(left.credit_type, left.seq)}")
        return moves.move_in(book, arriving, left.recorded_at, keyless)

    return Command(account, kind, stamp.key or "", stamp, rule, to=to, landing=landing)


def give_gift(catalog: Catalog, account: str, gift: Gift) -> Command:
    """The sign-up gift of one credit type: its key makes it once per account, whatever the catalog says later."""
    key = gift_key(gift.credit_type)
    content = checks.fingerprint("gift", gift.credit_type, 0)
    lot = NewLot(gift.amount, "gift", DEFAULT if gift.expires is None else life(gift.expires))
    stamp = Stamp(EPOCH, key, content, catalog_version=catalog.version)
    return give(catalog, account, catalog.credit_types[gift.credit_type], lot, stamp)


def gift_key(credit_type: str) -> str:
    """The key that a credit type's sign-up gift has in every account."""
    return GIFT_KEYS + credit_type


def end_key(credit_type: str, seq: int) -> str:
    """The one key that all ends of a hold share: of the hold that this entry made."""
    return f"{checks.OUR_KEYS}hold:{credit_type}:{seq}:end"


def new_account(catalog: Catalog, account: str) -> Account:
    """An account as it is made when nobody said more; `created_at` is set when it is written."""
    return Account(account, catalog.time_zone, catalog.locale, EPOCH)


def life(expires: Any) -> Life:
    """What a caller's `expires` means.

    Raises:
        InvalidExpiry: nothing that anybody understands.
    """
    if expires is DEFAULT:
        return DEFAULT
    if expires == NEVER:
        return None
    if isinstance(expires, str):
        return span(expires)
    if isinstance(expires, timedelta) and expires > timedelta():
        return expires
    if isinstance(expires, datetime) and expires.tzinfo is not None:
        return checks.instant("expires", expires)
    raise InvalidExpiry(
        f"expires must be an aware datetime, a positive timedelta, a duration such as '30d' or NEVER, "
        f"not {expires!r}. Nothing was changed. Leave it out for the credit type's default."
    )


def life_said(life: Life) -> str | None:
    """`life` as part of what a key stands for; None where it was left out."""
    if life is DEFAULT:
        return None
    if isinstance(life, datetime):
        return life.isoformat()
    if isinstance(life, timedelta):
        return f"{life // timedelta(microseconds=1)}us"
    return NEVER if life is None else f"{life.months}mo" if life.months else f"{life.seconds * 1_000_000}us"


def end_of(life: Life, kind: CreditType, start: datetime, zone: str) -> datetime | None:
    """When `life`, counted from `start`, is over; None is never.

    Raises:
        InvalidExpiry: beyond the year 9000.
    """
    if life is DEFAULT:
        life = span(kind.expires) if kind.expires else None
    if isinstance(life, Span):
        return after(start, life, zone)
    return _added(start, life) if isinstance(life, timedelta) else life


def _added(start: datetime, life: timedelta) -> datetime:
    try:
        return checks.instant("expires", start + life) or start
    except (OverflowError, InvalidField):
        raise InvalidExpiry("The duration ends beyond the year 9000. Nothing was changed. Say NEVER instead.") from None
