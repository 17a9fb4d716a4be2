"""The verbs that write, said once: arguments are checked here and become commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal

from farthing.amounts import CURRENCIES, Amount, Money, to_units
from farthing.beat import Command, Outcome
from farthing.catalog import Catalog, Gift
from farthing.core import burn, checks, lots
from farthing.core.book import DEFAULT_PRIORITY, SOURCES, Book, CreditType, Draft, Stamp
from farthing.core.calendar import EPOCH, Span, after, span
from farthing.errors import InvalidExpiry, InvalidField
from farthing.store.sql import Account
from farthing.views import Receipt

NEVER = "never"
"""Said as `expires`: these credits do not expire, whatever the credit type's default is."""


class Default(Enum):
    """What stands for "the credit type's own"."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT
Expires = datetime | timedelta | str | Literal[Default.DEFAULT]
_CALLER_SOURCES = tuple(source for source in SOURCES if source not in ("transfer", "reversal"))


class Verbs(ABC):
    """`grant` and `deduct`, for whoever can carry a command out."""

    catalog: Catalog

    @abstractmethod
    def _post(self, command: Command) -> Outcome: ...

    def _receipt(self, command: Command) -> Receipt:
        outcome = self._post(command)
        return Receipt(outcome.entry, command.credit_type.scale, replayed=outcome.replayed)

    def grant(
        self,
        account: str,
        credit_type: str,
        amount: Amount,
        *,
        key: str,
        source: str,
        expires: Expires = DEFAULT,
        effective_at: datetime | None = None,
        priority: int = DEFAULT_PRIORITY,
        cost: Money | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Receipt:
        """Gives `account` a new lot of credits; an account that does not exist yet is made.

        Args:
            amount: more than zero, in credits, with at most the type's decimals.
            key: idempotency key, unique in the account for ever: the same call again answers the first receipt.
            source: gift, plan, purchase, bonus, promo or adjustment.
            expires: an aware datetime, a timedelta, a duration such as "30d" or "1mo" counted from `effective_at`,
                or NEVER. Left out: the credit type's default.
            effective_at: when the credits begin to count; in the future they are pending until then.
            priority: lots with a smaller number burn first.
            cost: money paid for them, in whole minor units, for the books.
            reason: an operator's words, not shown to customers. actor: who does it. metadata: JSON, at most 8 KiB.
            occurred_at: when it happened for the caller; kept, never decides.
        Raises:
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
            BalanceTooLarge: the wallet would pass 15 digits.
        """
        if source not in _CALLER_SOURCES:
            raise InvalidField(
                f"source must be one of {', '.join(_CALLER_SOURCES)}, not {source!r}. Nothing was changed.",
                field="source",
            )
        return self._receipt(
            grant_command(
                self.catalog, account, credit_type, amount, checks.caller_key(key),
                source=source, expires=expires, effective_at=effective_at, priority=priority, cost=cost,
                reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
            )
        )  # fmt: skip

    def deduct(
        self,
        account: str,
        credit_type: str,
        amount: Amount,
        *,
        key: str,
        operation: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Receipt:
        """Uses credits up, all or nothing, from the account's lots in burn order.

        Args:
            amount: more than zero, in credits, with at most the type's decimals.
            key: idempotency key, unique in the account for ever: the same call again answers the first receipt.
            operation: what they were used for, e.g. "render". The rest as for `grant`.
        Raises:
            InsufficientCredits: more than available and overdraft together; nothing was taken.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        kind = self.catalog.credit_type(credit_type)
        units = to_units(amount, kind.scale)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint("deduct", kind.code, units, operation=operation, occurred_at=happened)
        stamp = _stamp(
            self.catalog, checks.caller_key(key), said,
            operation=operation, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return burn.deduct(book, units, stamp)

        return self._receipt(Command(checks.account_id(account), kind, key, stamp, rule))


def grant_command(
    catalog: Catalog,
    account: str,
    credit_type: str,
    amount: Amount,
    key: str,
    *,
    source: str,
    expires: Expires = DEFAULT,
    effective_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
    cost: Money | None = None,
    reason: str | None = None,
    actor: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    occurred_at: datetime | None = None,
    link: str | None = None,
) -> Command:
    """A grant, checked; `key` may be one of Farthing's own."""
    kind = catalog.credit_type(credit_type)
    units = to_units(amount, kind.scale)
    life = _life(expires)
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 1_000_000:
        raise InvalidField(f"priority must be 0 to 1000000, not {priority!r}. Nothing was changed.", field="priority")
    start = checks.instant("effective_at", effective_at)
    said = checks.fingerprint(
        "grant", kind.code, units,
        source=source, expires=_said(life), effective_at=start, priority=priority, cost=_checked(cost),
        occurred_at=checks.instant("occurred_at", occurred_at),
    )  # fmt: skip
    stamp = _stamp(
        catalog, key, said, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at, link=link
    )

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        end = _end(life, kind, start or stamp.now, zone)
        terms = lots.Terms(units, source, priority, start, end, *(cost or (0, None)))
        return lots.grant(book, terms, stamp)

    return Command(checks.account_id(account), kind, key, stamp, rule, new_account(catalog, account))


def gift_command(catalog: Catalog, account: str, gift: Gift) -> Command:
    """The sign-up gift of one credit type: its key makes it once per account, whatever the catalog says later."""
    kind = catalog.credit_types[gift.credit_type]
    key = f"{checks.OUR_KEYS}gift:{gift.credit_type}"
    life = DEFAULT if gift.expires is None else _life(gift.expires)
    stamp = _stamp(catalog, key, checks.fingerprint("gift", gift.credit_type, 0))

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        end = _end(life, kind, stamp.now, zone)
        return lots.grant(book, lots.Terms(gift.amount, "gift", DEFAULT_PRIORITY, None, end), stamp)

    return Command(account, kind, key, stamp, rule, new_account(catalog, account))


def new_account(catalog: Catalog, account: str) -> Account:
    """An account as it is made when nobody said more; `created_at` is set when it is written."""
    return Account(account, catalog.time_zone, catalog.locale, EPOCH)


def _stamp(
    catalog: Catalog,
    key: str,
    content: bytes,
    *,
    operation: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    occurred_at: datetime | None = None,
    link: str | None = None,
) -> Stamp:
    return Stamp(
        EPOCH, key, content, link, checks.text("operation", operation, most=200), checks.text("reason", reason),
        checks.text("actor", actor, most=200), checks.metadata(metadata), catalog.version,
        checks.instant("occurred_at", occurred_at),
    )  # fmt: skip


def _life(expires: Any) -> datetime | timedelta | Span | Literal[Default.DEFAULT] | None:
    """`expires` understood: an instant, a length of time, None for never, or the default."""
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


def _said(life: Any) -> str | None:
    if life is DEFAULT:
        return None
    return NEVER if life is None else repr(life)


def _end(life: Any, kind: CreditType, start: datetime, zone: str) -> datetime | None:
    if life is DEFAULT:
        life = span(kind.expires) if kind.expires else None
    if isinstance(life, Span):
        return after(start, life, zone)
    return start + life if isinstance(life, timedelta) else life


def _checked(cost: Money | None) -> Money | None:
    if cost is None:
        return None
    minor, currency = cost
    whole = isinstance(minor, int) and not isinstance(minor, bool) and 0 <= minor < 10**15
    if not whole or currency not in CURRENCIES:
        raise InvalidField(
            f"cost must be whole minor units and an ISO 4217 currency, e.g. Money(990, 'USD'), not {cost!r}. "
            "Nothing was changed.",
            field="cost",
        )
    return cost
