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
from farthing.core.payments import Order, order_key, standing, status
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

    `standing` is pending, failed, cancelled or expired, and of money that came: paid, surplus (the order was paid
    already), or review (it is not what the order asks for).
    """

    reference: str
    standing: str
    amount_minor: int
    tax_minor: int
    currency: str
    reason: str | None
    at: datetime


class OrderView(NamedTuple):
    """A purchase as it truly stands. Credits as Decimal, money in whole minor units of `currency`.

    `status` is open, processing, fulfilled, failed, cancelled, expired or review, `reason` a stable code for it; `url`
    is where it is paid while it is open. `lines` are the quote's working. `expires` is the life of the credits from
    fulfilment on: a duration or "never".
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

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; amounts stay Decimal, times stay datetime."""
        lists = {name: [part._asdict() for part in getattr(self, name)] for name in ("lines", "payments")}
        return self._asdict() | lists


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
    payments = [PaymentView(one.payment, standing(order, one), *one[3:], one.at) for one in order.payments]
    stands = status(order, now)
    return OrderView(
        order.id, order.account, stands, order.reason, order.credit_type,
        to_credits(order.amount, order.scale), to_credits(order.bonus, order.scale), order.package, order.expires,
        order.description, order.currency, order.subtotal_minor, order.discount_minor, order.tax_minor,
        order.total_minor, order.paid_minor, Decimal(working["unit_price"]), lines, order.provider, order.reference,
        order.url if stands == "open" else None, order.livemode, order.return_url, order.catalog_version,
        order.created_at, order.expires_at, order.fulfilled_at, payments,
    )  # fmt: skip


def fulfil(tx: Tx, order: Order, now: datetime) -> None:
    """Grants what a paid order froze: a lot for what was paid, and one for the bonus.

    Whatever the catalog says meanwhile, even when it has no such credit type any more, the order's own terms hold.
    """
    kind = CreditType(order.credit_type, order.credit_type, order.scale)
    cost = Money(order.paid_minor - order.tax_minor, order.currency)
    parts = {"paid": NewLot(order.amount, "purchase", life(order.expires), cost=cost)}
    if order.bonus:
        parts["bonus"] = NewLot(order.bonus, "bonus", life(order.expires), cost=Money(0, order.currency))
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
