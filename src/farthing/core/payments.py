"""What payments do to an order.

Providers tell of a payment twice, late and in any order. So no event moves an order by itself: of each payment the
strongest notice is kept, and the order's state follows from those. Money outranks time, and between notices that bring
no money the latest counts. Whatever order the notices of one payment arrive in, the order ends the same.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Literal, NamedTuple

from farthing.core.calendar import EPOCH, micros
from farthing.core.checks import OUR_KEYS

Said = Literal["pending", "expired", "cancelled", "failed", "paid"]
State = Literal["open", "fulfilled", "cancelled", "expired", "failed", "review"]
Outcome = Literal["fulfilled", "surplus", "review", "noted", "no_change"]

_RANK: dict[Said, int] = {"pending": 0, "expired": 1, "cancelled": 2, "failed": 3, "paid": 4}


class Notice(NamedTuple):
    """What a provider says about one payment. Money is whole minor units and said of payments that were paid.

    `payment` is the provider's name for it; `amount_minor` is all that was paid, `tax_minor` the part of
    it that is tax; `at` is the provider's time; `reason` is a stable code, e.g. "card_declined".
    """

    payment: str
    said: Said
    at: datetime
    amount_minor: int = 0
    tax_minor: int = 0
    currency: str = ""
    reason: str | None = None


class Order(NamedTuple):
    """A purchase: what is bought is frozen when it is made, only the fields with a default change after.

    `amount` and `bonus` are smallest units of the credit type (10^-scale credits), money is whole minor units of
    `currency`; `expires` is the life of the credits, counted from fulfilment: a duration or "never". `working` is JSON.
    `paid_by` is the payment that the credits are for; `payments` holds the strongest notice of each.
    """

    account: str
    id: str
    key: str
    content: bytes
    credit_type: str
    scale: int
    amount: int
    bonus: int
    package: str | None
    expires: str
    description: str
    currency: str
    subtotal_minor: int
    discount_minor: int
    total_minor: int
    working: str
    provider: str
    livemode: bool
    return_url: str | None
    catalog_version: str
    created_at: datetime
    expires_at: datetime
    reference: str | None = None
    url: str | None = None
    state: State = "open"
    reason: str | None = None
    paid_by: str | None = None
    paid_minor: int = 0
    tax_minor: int = 0
    fulfilled_at: datetime | None = None
    payments: tuple[Notice, ...] = ()


class Heard(NamedTuple):
    """What a notice comes to: the order afterwards, the payment's strongest notice, and what happened.

    With the outcome "fulfilled", and only then, the order's credits are to be granted.
    """

    order: Order
    payment: Notice
    outcome: Outcome


def hear(order: Order, notice: Notice, now: datetime) -> Heard:
    """`order` after a notice about one of its payments."""
    known = {payment.payment: payment for payment in order.payments}
    told = known.get(notice.payment)
    strongest = notice if told is None else max(told, notice, key=lambda one: _weight(order, one))
    if strongest is told:
        return Heard(order, strongest, "no_change")
    known[notice.payment] = strongest
    after = _decided(order._replace(payments=tuple(known.values())), now)
    return Heard(after, strongest, _outcome(order, after, strongest))


def order_seal(order: Order) -> bytes:
    """A digest of what an order froze, so that `verify` finds a change made behind the database's back (BLAKE2b).

    Without `return_url`, which `erase` blanks.
    """
    frozen = (*order[:18], order.catalog_version, micros(order.created_at), micros(order.expires_at))
    return blake2b(ascii(frozen).encode(), digest_size=16).digest()


def order_key(order: str, part: str) -> str:
    """The key under which an order gives what was "paid" for, or the "bonus" on top."""
    return f"{OUR_KEYS}order:{order}:{part}"


def matches(order: Order, notice: Notice) -> bool:
    """Whether this is the money the order asks for: what was paid less tax, in its currency."""
    return (
        notice.said == "paid"
        and notice.currency == order.currency
        and notice.tax_minor >= 0
        and notice.amount_minor - notice.tax_minor == order.total_minor
    )


def as_paid(order: Order) -> Order:
    """The order as its payments alone make it; where several are the money it asks for, `paid_by` chose among them."""
    bought = tuple(one for one in order.payments if one.payment == order.paid_by and matches(order, one))
    new = order._replace(
        state="open", reason=None, paid_by=None, paid_minor=0, tax_minor=0, fulfilled_at=None,
        payments=bought or order.payments,
    )  # fmt: skip
    if not order.total_minor:
        return new._replace(state="fulfilled", fulfilled_at=order.created_at)
    return _decided(new, order.fulfilled_at or EPOCH) if new.payments else new


def status(order: Order, now: datetime) -> str:
    """How an order truly stands: its state, "processing" while a payment is under way, "expired" past its deadline."""
    if order.state != "open":
        return order.state
    if order.payments:
        return "processing"
    return "expired" if now >= order.expires_at else "open"


def standing(order: Order, payment: Notice) -> str:
    """What the payment means for its order: what was said of it, or of money "paid", "surplus" or under "review"."""
    if payment.said != "paid" or payment.payment == order.paid_by:
        return payment.said
    return "surplus" if order.state == "fulfilled" else "review"


def _decided(order: Order, now: datetime) -> Order:
    if order.state == "fulfilled":
        bought = [one for one in order.payments if one.payment == order.paid_by]
        return _with_money(order, bought[0]) if bought else order
    decisive = max(order.payments, key=lambda one: _weight(order, one))
    if decisive.said == "pending":
        return order._replace(state="open", reason=None)
    if decisive.said != "paid":
        return order._replace(state=decisive.said, reason=decisive.reason)
    order = _with_money(order, decisive)
    if matches(order, decisive):
        return order._replace(state="fulfilled", reason=None, paid_by=decisive.payment, fulfilled_at=now)
    wrong = "amount_mismatch" if decisive.currency == order.currency else "currency_mismatch"
    return order._replace(state="review", reason=wrong)


def _with_money(order: Order, payment: Notice) -> Order:
    return order._replace(paid_minor=payment.amount_minor, tax_minor=payment.tax_minor)


def _outcome(before: Order, after: Order, payment: Notice) -> Outcome:
    if after.state == "fulfilled" and before.state != "fulfilled":
        return "fulfilled"
    if payment.said != "paid" or payment.payment == after.paid_by:
        return "noted"
    return "surplus" if after.state == "fulfilled" else "review"


def _weight(order: Order, notice: Notice) -> tuple[bool, bool, datetime, int, int, int, str, str, str]:
    """A total order of notices, so that the strongest of several does not depend on which came first."""
    paid = notice.said == "paid"
    return (
        matches(order, notice),
        paid,
        EPOCH if paid else notice.at,
        _RANK[notice.said],
        notice.amount_minor,
        notice.tax_minor,
        notice.currency,
        notice.payment,
        notice.reason or "",
    )
