"""`grant`: credits arrive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from farthing.amounts import CURRENCIES, Amount, Money, to_units
from farthing.core import checks
from farthing.core.book import DEFAULT_PRIORITY, SOURCES
from farthing.errors import InvalidField
from farthing.ledger.commands import DEFAULT, Expires, NewLot, give, life, life_said
from farthing.ledger.verbs.carrying import Carrier, stamped
from farthing.views import Receipt

_CALLER_SOURCES = tuple(source for source in SOURCES if source not in ("transfer", "reversal"))


class Giving(Carrier):
    """`grant`."""

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
        catalog = self.catalog
        kind = catalog.credit_type(credit_type)
        lot = NewLot(
            to_units(amount, kind.scale), str.__str__(source), life(expires),
            checks.instant("effective_at", effective_at), _checked_priority(priority), _checked_cost(cost),
        )  # fmt: skip
        said = checks.fingerprint(
            "grant", kind.code, lot.units,
            source=source, expires=life_said(lot.life), effective_at=lot.start, priority=lot.priority, cost=lot.cost,
            occurred_at=checks.instant("occurred_at", occurred_at),
        )  # fmt: skip
        stamp = stamped(
            catalog, checks.caller_key(key), said,
            reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip
        return self._receipt(give(catalog, checks.account_id(account), kind, lot, stamp))


def _checked_priority(priority: int) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 1_000_000:
        raise InvalidField(f"priority must be 0 to 1000000, not {priority!r}. Nothing was changed.", field="priority")
    return int(priority)


def _checked_cost(cost: Money | None) -> Money | None:
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
    return Money(int(minor), str.__str__(currency))
