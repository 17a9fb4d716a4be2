"""Orders: how they stand, and what is given for one that is paid.

What was bought is read from the order, and from nowhere else, when its money arrives.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from json import loads
from typing import TYPE_CHECKING, Any, NamedTuple

from farthing.amounts import Money, to_credits
from farthing.core import checks
from farthing.core.book import CreditType, Stamp
from farthing.core.calendar import EPOCH
from farthing.core.orders import Order, gone, is_payable, order_key, paid_currency, standing, status
from farthing.errors import FarthingError, InvalidField, NotFound
from farthing.ledger.accounts import holders
from farthing.ledger.beat import decide
from farthing.ledger.commands import NewLot, give, life
from farthing.store import orders as store
from farthing.store.database import Session
from farthing.views import QuoteLineView

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

MAX_PAGE = 500


class PaymentView(NamedTuple):
    """Money on its way to an order. Money is whole minor units; `at` is the provider's time.

    `discount_minor` is what a promotion of the provider's own took off before. `standing` is pending, failed, cancelled
    or expired, and of money that came: paid, surplus (the order was paid already), review (it is not what the order
    asks for), or dismissed (an operator did away with that).
    """

    reference: str
    standing: str
    amount_minor: int
    tax_minor: int
    currency: str
    reason: str | None
    at: datetime
    discount_minor: int


class RefundView(NamedTuple):
    """Money of a payment that goes back. `reference` None: `amount_minor` is all that went back of it until `at`.

    `said` is pending, succeeded or failed: then it stayed.
    """

    payment: str
    reference: str | None
    said: str
    amount_minor: int
    currency: str
    at: datetime


class DisputeView(NamedTuple):
    """Money of a payment that a bank wants back. `said` is inquiry (it only asks), opened, lost or won."""

    payment: str
    reference: str
    said: str
    amount_minor: int
    currency: str
    reason: str | None
    at: datetime


class OrderView(NamedTuple):
    """A purchase as it truly stands. Credits as Decimal, money in whole minor units of `currency`.

    `status` is open, processing, fulfilled, failed, cancelled, expired or review, `reason` a stable code for it; `url`
    is where it is paid while it is open. `lines` are the quote's working. `expires` is the life of the credits from
    fulfilment on: a duration or "never". A promo code adds `promo_bonus` credits. `refunded_minor` of `paid_minor` went
    back, by refunds and lost disputes, and `disputed_minor` more may. `form`, `save_card`, `email`, `locale` and
    `metadata` are what the checkout said.
    """

    id: str
    account: str
    status: str
    reason: str | None
    credit_type: str
    amount: Decimal
    bonus: Decimal
    package: str | None
    expires: str
    description: str
    currency: str
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int
    paid_minor: int
    unit_price: Decimal
    lines: list[QuoteLineView]
    provider: str
    reference: str | None
    url: str | None
    livemode: bool
    return_url: str | None
    catalog_version: str
    created_at: datetime
    expires_at: datetime
    fulfilled_at: datetime | None
    payments: list[PaymentView]
    promo_code: str | None
    promo_bonus: Decimal
    refunded_minor: int
    disputed_minor: int
    refunds: list[RefundView]
    disputes: list[DisputeView]
    form: bool
    save_card: bool
    email: str | None
    locale: str | None
    metadata: dict[str, str]

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had done what this answers to. Two that say the same are equal."""
        return False

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; amounts stay Decimal, times stay datetime."""
        listed = ("lines", "payments", "refunds", "disputes")
        lists = {name: [part._asdict() for part in getattr(self, name)] for name in listed}
        return self._asdict() | lists


class OrderAgain(OrderView):
    """An order, answered to a call that an earlier one with the same key had carried out."""

    __slots__ = ()

    @property
    def replayed(self) -> bool:
        return True


class OrderPage(NamedTuple):
    """Part of an account's orders, newest first; `next_cursor` asks for the rest."""

    data: list[OrderView]
    has_more: bool
    next_cursor: str | None


def read(session: Session, account: str, order_id: str, now: datetime) -> OrderView:
    """One order of an account.

    Raises:
        NotFound: it has none of this id.
    """
    order = store.read(session, checks.account_id(account), checks.text("order", order_id) or "")
    if order is None:
        raise NotFound(f"The account {account!r} has no order {order_id!r}.")
    return view(order, now)


def page(session: Session, account: str, now: datetime, *, limit: int, cursor: str | None) -> OrderPage:
    """An account's orders, newest first.

    Raises:
        InvalidField: a limit outside 1–500, or a cursor that is not one of ours.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidField(f"limit must be 1 to {MAX_PAGE}, not {limit!r}.", field="limit")
    before = checks.text("cursor", cursor)
    found = store.newest(session, checks.account_id(account), before=before, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return OrderPage([view(order, now) for order in shown], more, shown[-1].id if more else None)


def view(order: Order, now: datetime) -> OrderView:
    """An order in credits, as it stands at `now`."""
    working = loads(order.working)
    lines = [QuoteLineView(line[0], *(part and Decimal(part) for part in line[1:])) for line in working["lines"]]
    payments = [
        PaymentView(one.payment, standing(order, one), *one[3:7], one.at, one.discount_minor) for one in order.payments
    ]
    refunds = [RefundView(*one[:3], one.amount_minor, one.currency, one.at) for one in order.refunds]
    disputes = [DisputeView(*one[:3], *one[4:7], one.at) for one in order.disputes]
    stands, back = status(order, now), gone(order)
    return OrderView(
        order.id, order.account, stands, order.reason, order.credit_type,
        to_credits(order.amount, order.scale), to_credits(order.bonus, order.scale), order.package, order.expires,
        order.description, order.currency, order.subtotal_minor, order.discount_minor, order.tax_minor,
        order.total_minor, order.paid_minor, Decimal(working["unit_price"]), lines, order.provider, order.reference,
        order.url or None if is_payable(order, now) else None, order.livemode, order.return_url, order.catalog_version,
        order.created_at, order.expires_at, order.fulfilled_at, payments, order.promo_code,
        to_credits(order.promo_bonus, order.scale), back.minor, back.disputed_minor, refunds, disputes,
        *order.paying[:4], dict(order.paying.metadata),
    )  # fmt: skip


def fulfil(tx: Tx, order: Order, now: datetime) -> None:
    """Grants what a paid order froze: a lot for what was paid, one for the bonus, and one for a promo code's bonus.

    Whatever the catalog says meanwhile, even when it has no such credit type any more, the order's own terms hold.
    """
    kind = CreditType(order.credit_type, order.credit_type, order.scale)
    if now_said := tx.catalog.credit_types.get(order.credit_type):
        kind = kind._replace(low=now_said.low, expiring=now_said.expiring)
    currency = paid_currency(order)
    cost = Money(order.paid_minor - order.tax_minor, currency)
    parts = {"paid": NewLot(order.amount, "purchase", life(order.expires), cost=cost)}
    if order.bonus:
        parts["bonus"] = NewLot(order.bonus, "bonus", life(order.expires), cost=Money(0, currency))
    if order.promo_bonus:
        parts["promo"] = NewLot(order.promo_bonus, "promo", life(order.expires), cost=Money(0, currency))
    commands = [
        give(tx.catalog, _owner(tx.session, order.account), kind, lot, _stamp(order, part))
        for part, lot in parts.items()
    ]
    for answer in decide(tx.session, commands, now, wait=True):
        if isinstance(answer, FarthingError):
            raise answer


def _owner(session: Session, account: str) -> str:
    """Who the account's credits go to: itself, or whom it was merged into since."""
    return holders(session, account)[-1]


def _stamp(order: Order, part: str) -> Stamp:
    key = order_key(order.id, part)
    content = checks.fingerprint("order", order.credit_type, 0, order=order.id, part=part)
    return Stamp(
        EPOCH, key, content, link=order.id, catalog_version=order.catalog_version, occurred_at=order.fulfilled_at
    )
