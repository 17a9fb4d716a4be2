"""`charge`, `hold_for` and `capture_for`: credits by what was used, as the operation's rate card prices it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from farthing.amounts import Amount
from farthing.catalog import Catalog
from farthing.core import burn, checks, holds, rates
from farthing.core.book import Book, CreditType, Draft, Stamp
from farthing.core.rates import RateCard, Used
from farthing.errors import InvalidField, Refused
from farthing.ledger.beat import Command
from farthing.ledger.commands import DEFAULT, Expires, life, life_said
from farthing.ledger.verbs.carrying import named, stamped
from farthing.ledger.verbs.holding import Held, Holding, end_stamp
from farthing.views import Receipt

Measures = Mapping[str, Amount]


class Charging(Holding):
    """The verbs that are told what was used, and not how many credits that is."""

    def charge(
        self,
        account: str,
        operation: str,
        measures: Measures | None = None,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
        **dimensions: str,
    ) -> Receipt:
        """Uses up what an operation costs, like `deduct`: `charge("ada", "render", {"seconds": 12}, key="render:17")`.

        Args:
            operation: the code of a rate card of the catalog; the entry's operation.
            measures: how much was used of each measure that the card prices, 0 or more, whole or exact decimal numbers.
            key: idempotency key, unique in the account for ever. It stands for operation, measures and dimensions as
                given: the same call again answers the first receipt, also where the catalog has other prices by then.
            dimensions: what the card's prices differ by: `model="deep"`. The rest as for `deduct`.
        Raises:
            InsufficientCredits: it costs more than available and overdraft together; nothing was taken.
            NoRate: the card has no price for these dimensions. NothingToCharge: it comes to 0 credits.
            UnknownOperation, Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        priced = _priced(catalog, operation, measures, dimensions)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint("charge", priced.kind.code, 0, **priced.said, occurred_at=happened)
        stamp = stamped(
            catalog, checks.caller_key(key), said,
            operation=operation, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return burn.deduct(book, priced.amount(), stamp)

        return self._receipt(Command(checks.account_id(account), priced.kind, stamp.key or "", stamp, rule))

    def hold_for(
        self,
        account: str,
        operation: str,
        measures: Measures | None = None,
        *,
        key: str,
        expires: Expires = DEFAULT,
        on_late: str = "refuse",
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
        **dimensions: str,
    ) -> HeldFor:
        """Sets aside what an operation would cost, like `hold`; its `capture_for` takes what it did cost.

        Args:
            measures: the most, or about how much, that will be used. Unless the credit type has `capture_more`, a
                capture that costs more than this did is refused.
            expires, on_late: as for `hold`. The rest as for `charge`.
        Raises:
            as `hold` and `charge`.
        """
        catalog = self.catalog
        priced = _priced(catalog, operation, measures, dimensions)
        late = checks.one_of("on_late", on_late, holds.LATE)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint(
            "hold_for", priced.kind.code, 0, **priced.said,
            expires=life_said(life(expires)), on_late=late, occurred_at=happened,
        )  # fmt: skip
        stamp = stamped(
            catalog, checks.caller_key(key), said,
            operation=operation, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip
        command = self._hold_command(account, priced.kind, stamp, priced.amount, expires, late)
        return self._held_for(command, priced.used.dimensions)

    def capture_for(
        self,
        account: str,
        hold: str,
        operation: str,
        measures: Measures | None = None,
        *,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **dimensions: str,
    ) -> Receipt:
        """Uses up what an operation did cost out of a hold and ends it, like `capture`. The same again is a replay.

        Args:
            hold: its id, e.g. "hold_images_7". The rest as for `charge`.
        Raises:
            NothingToCharge: it comes to 0 credits; release the hold. InvalidField: the hold is of other credits.
            The rest as `capture` and `charge`.
        """
        catalog = self.catalog
        priced = _priced(catalog, operation, measures, dimensions)
        kind, seq = named(catalog, "hold", hold)
        if kind.code != priced.kind.code:
            raise InvalidField(
                f"{hold} is of {kind.code}, and {operation} costs {priced.kind.code}. Nothing was changed.",
                field="hold",
            )
        said = checks.fingerprint("capture_for", kind.code, 0, **priced.said)
        end = end_stamp(catalog, kind, seq, said, operation=operation, reason=reason, actor=actor, metadata=metadata)
        return self._receipt(self._capture_command(account, kind, seq, end, priced.amount))

    def _held_for(self, command: Command, dimensions: dict[str, str]) -> HeldFor:
        return HeldFor(self, self._receipt(command), dimensions)


def asked(
    catalog: Catalog, operation: str, measures: Measures | None, dimensions: Mapping[str, str]
) -> tuple[RateCard, CreditType, Used]:
    """The rate card of an operation, what it is counted in, and what a call of it used.

    Raises:
        UnknownOperation, Invalid: there is none, or an argument is wrong.
    """
    card = catalog.operation(operation)
    used = rates.usage(card, {} if measures is None else measures, dimensions)
    return card, catalog.credit_type(card.credit_type), used


class Priced(NamedTuple):
    """What a call costs in smallest units, or why it has no price."""

    operation: str
    kind: CreditType
    used: Used
    cost: int | Refused

    @property
    def said(self) -> dict[str, Any]:
        """What its key stands for. Not the cost: a retry is the same call, whatever the prices are by then."""
        return {"operation": self.operation, **self.used.said}

    def amount(self) -> int:
        """The cost. Asked when the key is known to be new: a retry gets its receipt, whatever the card says by then.

        Raises:
            NoRate, NothingToCharge: it has none.
        """
        if isinstance(self.cost, Refused):
            raise self.cost
        return self.cost


def _priced(catalog: Catalog, operation: str, measures: Measures | None, dimensions: Mapping[str, str]) -> Priced:
    card, kind, used = asked(catalog, operation, measures, dimensions)
    try:
        return Priced(operation, kind, used, rates.cost(card, kind, used))
    except Refused as refusal:
        return Priced(operation, kind, used, refusal)


class HeldFor(Held):
    """Credits set aside for an operation. As a context manager it captures all of them at the end, unless
    `capture_for` was told what was used."""

    def __init__(self, verbs: Charging, receipt: Receipt, dimensions: Mapping[str, str]) -> None:
        super().__init__(verbs, receipt)
        self._charging = verbs
        self._dimensions: dict[str, Any] = dict(dimensions)

    def capture_for(self, measures: Measures | None = None) -> Receipt:
        """As `Credits.capture_for`, by the operation and dimensions that the hold was made for."""
        entry = self.receipt
        self.ended = self._charging.capture_for(
            entry.account, self.id, entry.operation or "", measures, **self._dimensions
        )
        return self.ended
