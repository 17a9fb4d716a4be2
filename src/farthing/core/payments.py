"""What providers say of payments: facts, each about one payment, one refund or one dispute.

Providers say things twice, late and in any order. So of each payment, refund and dispute only the strongest fact is
kept, by a rank that never falls, and everything else is computed from those.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

Said = Literal["pending", "expired", "cancelled", "failed", "paid"]
RefundSaid = Literal["pending", "succeeded", "failed"]
DisputeSaid = Literal["inquiry", "opened", "lost", "won"]
Stands = Literal["open", "trialing", "active", "past_due", "paused", "ended"]
Pays = Literal["period", "change", "other"]
T = TypeVar("T")


class Asks(NamedTuple):
    """What the provider's page asks of the customer beside the money, or does for them: the catalog says so."""

    tax: bool = False  # work the tax out and add it
    tax_ids: bool = False
    promotion_codes: bool = False  # the provider's own
    billing_address: bool = False
    invoice: bool = False  # write one, beside the receipt


class Notice(NamedTuple):
    """What a provider says about one payment. Money is whole minor units and said of payments that were paid.

    `payment` is the provider's name for it; `amount_minor` is all that was paid, `tax_minor` the part of it that is
    tax, `discount_minor` what a promotion of the provider's own took off before; `at` is the provider's time; `reason`
    is a stable code, e.g. "card_declined".
    """

    payment: str
    said: Said
    at: datetime
    amount_minor: int = 0
    tax_minor: int = 0
    currency: str = ""
    reason: str | None = None
    discount_minor: int = 0


class Refund(NamedTuple):
    """Money of a payment that goes back to the customer: "failed" means that it stayed, though it was on its way.

    `refund` is the provider's name for this one refund. None: `amount_minor` is all that was refunded of the payment
    until then, as some events say it; then `said` is "succeeded".
    """

    payment: str
    refund: str | None
    said: RefundSaid
    at: datetime
    amount_minor: int
    currency: str


class Dispute(NamedTuple):
    """Money of a payment that the customer's bank wants back: "won" by us, "lost", or still "opened".

    An "inquiry" asks only, and moves no money. `dispute` is the provider's name for it; `reason` is the bank's.
    """

    payment: str
    dispute: str
    said: DisputeSaid
    at: datetime
    amount_minor: int
    currency: str
    reason: str | None = None


class SavedCard(NamedTuple):
    """A card that the customer left with the provider, to be charged again without being there.

    `customer` and `card` are the provider's names; `label` is for people, e.g. "Visa •••• 4242"; None where the
    event does not say it.
    """

    customer: str
    card: str
    at: datetime
    label: str | None = None


class PaidInvoice(NamedTuple):
    """An invoice of a subscription at a provider that was paid: all of it, and the part that is tax, in minor units.

    It pays a "period" of the plan; the "change" of it, in the middle of one; or something "other", e.g. a trial.
    """

    invoice: str
    pays: Pays
    at: datetime
    amount_minor: int
    tax_minor: int
    currency: str


class Billed(NamedTuple):
    """How a subscription at a provider stands, as it answered when it was asked at `at`.

    `plan` is ours that it is for, None where it does not say; `cancels`: it ends with what is paid. `invoices` are all
    that were ever paid of it.
    """

    subscription: str
    stands: Stands
    at: datetime
    plan: str | None
    cancels: bool
    invoices: tuple[PaidInvoice, ...]


Fact = Notice | Refund | Dispute | SavedCard | Billed

_REFUND_RANK: dict[RefundSaid, int] = {"pending": 0, "succeeded": 1, "failed": 2}
_DISPUTE_RANK: dict[DisputeSaid, int] = {"inquiry": 0, "opened": 1, "lost": 2, "won": 3}


def stronger_refund(known: tuple[Refund, ...], told: Refund) -> tuple[tuple[Refund, ...], Refund]:
    """All refunds after one was told of, and the strongest fact of that one. A refund that failed stays failed."""
    return _with(known, told, lambda one: (one.payment, one.refund), _refund_weight)


def stronger_dispute(known: tuple[Dispute, ...], told: Dispute) -> tuple[tuple[Dispute, ...], Dispute]:
    """All disputes after one was told of, and the strongest fact of that one. What was won stays won."""
    return _with(known, told, lambda one: (one.payment, one.dispute), _dispute_weight)


def _with(
    known: tuple[T, ...], told: T, name: Callable[[T], object], weight: Callable[[T], tuple[Any, ...]]
) -> tuple[tuple[T, ...], T]:
    before = next((one for one in known if name(one) == name(told)), None)
    strongest = told if before is None else max(before, told, key=weight)
    if strongest is before:
        return known, strongest
    return (*(one for one in known if one is not before), strongest), strongest


def _refund_weight(one: Refund) -> tuple[Any, ...]:
    if one.refund is None:  # a sum only grows
        return one.amount_minor, one.at, one.currency
    return _REFUND_RANK[one.said], one.at, one.amount_minor, one.currency


def _dispute_weight(one: Dispute) -> tuple[Any, ...]:
    return _DISPUTE_RANK[one.said], one.at, one.amount_minor, one.currency, one.reason or ""
