"""What payments do to an order, and what money that goes back does to its credits.

Providers tell of a payment twice, late and in any order. So no event moves an order by itself: of each payment, refund
and dispute the strongest fact is kept, and the order's state follows from those. Money outranks time, and between
notices that bring no money the latest counts. Whatever order the facts arrive in, the order ends the same, and so do
its credits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Literal, NamedTuple, get_args

from farthing.core.calendar import EPOCH, micros
from farthing.core.checks import OUR_KEYS, fingerprint
from farthing.core.payments import Asks, Dispute, Notice, Refund, Said, stronger_dispute, stronger_refund

State = Literal["open", "fulfilled", "cancelled", "expired", "failed", "review"]
Outcome = Literal["review", "surplus", "fulfilled", "disputed", "refunded", "noted", "no_change"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""What several facts at once come to is the first of these that one of them comes to."""
TOP_UP_KEYS = f"{OUR_KEYS}topup:"
"""So begin the keys of orders that a saved card is charged for."""
PARTS = ("paid", "bonus", "promo")
"""What an order gives, each part a lot of its own."""
SETTLING: dict[str, str] = {"accepted": "accept_payment", "dismissed": "dismiss_payment"}
"""The verb of each decision that an operator may take about money that came."""

_RANK: dict[Said, int] = {"pending": 0, "expired": 1, "cancelled": 2, "failed": 3, "paid": 4}


class Paying(NamedTuple):
    """How an order is to be paid: what its provider is told beside the money, the same however often it is asked.

    `form`: in a form on a page of ours; `save_card`: the card is kept to be charged again. `customer` is the provider's
    own name for who pays, as it was known when the order was made.
    """

    form: bool = False
    save_card: bool = False
    email: str | None = None
    locale: str | None = None
    metadata: Mapping[str, str] = {}
    customer: str | None = None
    asks: Asks = Asks()


class Settlement(NamedTuple):
    """What an operator decided about money that came: "accepted", it buys the order as it is; "dismissed", it is
    nothing to the order any more.

    It holds for the payment with just this amount and currency: what the provider says otherwise later counts anew.
    `key` is that of the act.
    """

    payment: str
    key: str
    said: Literal["accepted", "dismissed"]
    amount_minor: int
    currency: str
    at: datetime


class Order(NamedTuple):
    """A purchase: what is bought is frozen when it is made, only the fields with a default change after.

    `amount` and `bonus` are smallest units of the credit type (10^-scale credits), money is whole minor units of
    `currency`; `expires` is the life of the credits, counted from fulfilment: a duration or "never". `working` is JSON.
    `paid_by` is the payment that the credits are for; `payments` holds the strongest notice of each, `refunds` and
    `disputes` the strongest fact of each of those, `settled` what operators decided. `promo_code`, the `promo_bonus`
    credits it adds and `paying` are frozen too.
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
    promo_code: str | None = None
    promo_bonus: int = 0
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    paying: Paying = Paying()
    settled: tuple[Settlement, ...] = ()


class Heard(NamedTuple):
    """What a fact comes to: the order afterwards, the strongest fact of its payment, refund or dispute, and what
    happened.

    With the outcome "fulfilled", and only then, the order's credits are to be granted.
    """

    order: Order
    fact: Notice | Refund | Dispute
    outcome: Outcome


class MoneyBack(NamedTuple):
    """What becomes of credits whose money goes back.

    `refunds`, of what was used up of them: "debt", it is owed; "write_off", it is forgiven; or "keep": nothing of them
    is taken at all. `disputes`, while the bank has not decided: "hold", what is left is set aside; "take", it goes as
    if the money were gone, and comes back when the dispute is won; "keep", it stays.
    """

    refunds: Literal["debt", "write_off", "keep"] = "debt"
    disputes: Literal["hold", "take", "keep"] = "hold"


class Gone(NamedTuple):
    """Money of an order's payment that went back, and what of the rest a bank wants back; whole minor units."""

    minor: int
    disputed_minor: int


class Share(NamedTuple):
    """Credits of one part of an order, in smallest units: those whose money is gone, and those whose money may go."""

    gone: int
    disputed: int


def hear(order: Order, fact: Notice | Refund | Dispute, now: datetime) -> Heard:
    """`order` after a fact about one of its payments."""
    if isinstance(fact, Refund):
        refunds, strongest = stronger_refund(order.refunds, fact)
        after = order._replace(refunds=refunds)
        return Heard(after, strongest, "no_change" if after == order else "refunded")
    if isinstance(fact, Dispute):
        disputes, strongest = stronger_dispute(order.disputes, fact)
        after = order._replace(disputes=disputes)
        return Heard(after, strongest, "no_change" if after == order else "disputed")
    known = {payment.payment: payment for payment in order.payments}
    told = known.get(fact.payment)
    strongest = fact if told is None else max(told, fact, key=lambda one: _weight(order, one))
    if strongest is told:
        return Heard(order, strongest, "no_change")
    known[fact.payment] = strongest
    after = _decided(order._replace(payments=tuple(known.values())), now)
    return Heard(after, strongest, _outcome(order, after, strongest))


def settle(order: Order, decided: Settlement, now: datetime) -> Order:
    """`order` after an operator decided about one of its payments."""
    after = order._replace(settled=(*order.settled, decided))
    return after if order.state == "fulfilled" else _decided(_unpaid(after), now)


def gone(order: Order) -> Gone:
    """What went back of the money that the order's credits are for. Refunds and lost disputes never count twice."""
    refunded = refunded_minor(order)
    currency = paid_currency(order)
    about = [one for one in order.disputes if one.payment == order.paid_by and one.currency == currency]
    lost = sum(one.amount_minor for one in about if one.said == "lost")
    open_ = sum(one.amount_minor for one in about if one.said == "opened")
    minor = min(order.paid_minor, refunded + lost)
    return Gone(minor, min(order.paid_minor - minor, open_))


def refunded_minor(order: Order) -> int:
    """What was refunded of the money that the order's credits are for.

    Some providers name each refund, some say the sum, some both. A sum may hold refunds that failed since.
    """
    bought = next((one for one in order.payments if one.payment == order.paid_by), None)
    return refunded_of(order, bought) if bought else 0


def refunded_of(order: Order, payment: Notice) -> int:
    """What was refunded of one payment, at most all of it."""
    about = [one for one in order.refunds if one.payment == payment.payment and one.currency == payment.currency]
    each = sum(one.amount_minor for one in about if one.refund is not None and one.said != "failed")
    failed = sum(one.amount_minor for one in about if one.refund is not None and one.said == "failed")
    summed = max((one.amount_minor for one in about if one.refund is None), default=0)
    return min(payment.amount_minor, max(each, summed - failed))


def paid_currency(order: Order) -> str:
    """The currency of the money that bought the order: its own, but for a payment that an operator accepted."""
    return next((one.currency for one in order.payments if one.payment == order.paid_by), order.currency)


def shares(order: Order, policy: MoneyBack) -> dict[str, Share]:
    """What of each part of the order is to be taken back: its share of the money, rounded down for the customer.

    The sum over any sequence of refunds is exact, since each share is worked out from all the money that is gone.
    """
    if order.state != "fulfilled" or not order.paid_minor or policy.refunds == "keep":
        return {}
    back = gone(order)
    minor, at_risk = back.minor, back.disputed_minor if policy.disputes == "hold" else 0
    if policy.disputes == "take":
        minor += back.disputed_minor
    units = {"paid": order.amount, "bonus": order.bonus, "promo": order.promo_bonus}
    found: dict[str, Share] = {}
    for part, amount in units.items():
        lost = amount * minor // order.paid_minor
        all_of_it = amount * (minor + at_risk) // order.paid_minor
        if all_of_it:
            found[part] = Share(lost, all_of_it - lost)
    return found


def order_seal(order: Order) -> bytes:
    """A digest of what an order froze, so that `verify` finds a change made behind the database's back (BLAKE2b).

    Without `return_url` and `paying`, which `erase` blanks.
    """
    frozen = (*order[:18], order.catalog_version, micros(order.created_at), micros(order.expires_at))
    if order.promo_code is not None or order.promo_bonus:  # orders without one are sealed as before there were any
        frozen += (order.promo_code, order.promo_bonus)
    return blake2b(ascii(frozen).encode(), digest_size=16).digest()


def settled_content(order: str, decided: Settlement) -> bytes:
    """What the key of an operator's decision stands for."""
    return fingerprint(SETTLING[decided.said], "", 0, order=order, payment=decided.payment)


def order_key(order: str, part: str) -> str:
    """The key under which an order gives what was "paid" for, the "bonus" on top, or that of its "promo" code."""
    return f"{OUR_KEYS}order:{order}:{part}"


def matches(order: Order, notice: Notice) -> bool:
    """Whether this is the money the order asks for, in its currency, but for a promotion of the provider's own.

    Tax came on top of it, or is within it: that is as the seller set the provider up. What an operator accepted is the
    money, what one dismissed is not.
    """
    if decided := settled_as(order, notice):
        return decided == "accepted"
    beyond = notice.amount_minor + notice.discount_minor - order.total_minor
    sound = notice.tax_minor >= 0 and notice.discount_minor >= 0
    return notice.said == "paid" and notice.currency == order.currency and sound and beyond in (0, notice.tax_minor)


def settled_as(order: Order, notice: Notice) -> str | None:
    """What an operator decided about this very money: "accepted" or "dismissed"."""
    money = (notice.payment, notice.amount_minor, notice.currency)
    decided = (one.said for one in order.settled if (one.payment, one.amount_minor, one.currency) == money)
    return next(decided, None) if notice.said == "paid" else None


def as_paid(order: Order) -> Order:
    """The order as payments and operators make it; where several are the money it asks for, `paid_by` chose one."""
    bought = tuple(one for one in order.payments if one.payment == order.paid_by and matches(order, one))
    new = _unpaid(order)._replace(payments=bought or order.payments)
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


def is_payable(order: Order, now: datetime) -> bool:
    """Whether its customer may be sent to a page to pay it: while it is open, and where a saved card was charged and
    the bank wants the customer to be there."""
    wanted = order.state == "failed" and order.reason == "authentication_required"
    if wanted and order.key.startswith(TOP_UP_KEYS):
        return now < order.expires_at
    return status(order, now) == "open"


def uses_promo(order: Order) -> bool:
    """Whether the order's promo code counts as used: not where no money will come, again where it came after all."""
    return order.state not in ("cancelled", "expired", "failed")


def lapses_at(order: Order) -> datetime | None:
    """When the use of its promo code ends by time alone: while nobody began to pay."""
    return order.expires_at if order.state == "open" and not order.payments else None


def standing(order: Order, payment: Notice) -> str:
    """What the payment means for its order: what was said of it, or of money "paid", "surplus", under "review", or
    "dismissed" by an operator."""
    if payment.said != "paid" or payment.payment == order.paid_by:
        return payment.said
    if settled_as(order, payment) == "dismissed":
        return "dismissed"
    return "surplus" if order.state == "fulfilled" else "review"


def _unpaid(order: Order) -> Order:
    """As it was before any money came."""
    return order._replace(state="open", reason=None, paid_by=None, paid_minor=0, tax_minor=0, fulfilled_at=None)


def _decided(order: Order, now: datetime) -> Order:
    if order.state == "fulfilled":
        bought = [one for one in order.payments if one.payment == order.paid_by]
        return _with_money(order, bought[0]) if bought else order
    live = [one for one in order.payments if settled_as(order, one) != "dismissed"]
    if not live:
        return order._replace(state="failed", reason="dismissed")
    decisive = max(live, key=lambda one: _weight(order, one))
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
    if settled_as(after, payment) == "dismissed":
        return "noted"
    return "surplus" if after.state == "fulfilled" else "review"


def _weight(order: Order, notice: Notice) -> tuple[bool, bool, datetime, int, int, int, str, str, str, int]:
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
        notice.discount_minor,
    )
