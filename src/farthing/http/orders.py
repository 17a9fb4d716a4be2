"""Orders: how a purchase truly stands, where it is paid, and money that an operator decides about."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field, WithJsonSchema
from starlette.requests import Request

from farthing import errors
from farthing.amounts import text
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, Act
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Body, Exact, Number, Time
from farthing.selling.checkout import Checkout as Made
from farthing.selling.orders import MAX_PAGE, OrderView

routes = router("Orders")

Money = Annotated[
    Decimal,
    WithJsonSchema(
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "An exact decimal in major units."}
    ),
]
Minor = Annotated[int, Field(description="Whole minor units of the currency.")]


class QuotedLine(BaseModel):
    """One line of the working: `discount` is what the plan takes off, `promo` what the code does."""

    kind: str = Field(description="slab, package, calculator, discount, promo or rounding")
    start: Number | None
    end: Number | None
    amount: Number | None
    unit: Money | None
    total: Money


class Payment(BaseModel):
    """Money on its way to an order."""

    reference: str
    standing: str = Field(
        description="pending, failed, cancelled or expired; of money that came paid, surplus, review or dismissed."
    )
    amount_minor: Minor
    tax_minor: Minor
    currency: str
    reason: str | None
    at: Time
    discount_minor: Minor = Field(description="What a promotion of the provider's own took off before.")


class Refund(BaseModel):
    """Money of a payment that goes back to who paid it."""

    payment: str
    reference: str | None = Field(description="Null: the amount is all that went back of the payment by then.")
    said: str = Field(description="pending, succeeded or failed: then it stayed.")
    amount_minor: Minor
    currency: str
    at: Time


class Dispute(BaseModel):
    """Money of a payment that a bank wants back."""

    payment: str
    reference: str
    said: str = Field(description="inquiry, opened, lost or won.")
    amount_minor: Minor
    currency: str
    reason: str | None
    at: Time


class Order(BaseModel):
    """A purchase as it truly stands; price and credits were frozen when it was made."""

    id: str
    account: str
    status: str = Field(description="open, processing, fulfilled, failed, cancelled, expired or review.")
    reason: str | None = Field(description="A stable code for the status, where there is one.")
    credit_type: str
    amount: Number
    bonus: Number
    package: str | None
    expires: str = Field(description='Life of the credits from fulfilment on: a duration or "never".')
    description: str
    currency: str
    subtotal_minor: Minor
    discount_minor: Minor
    tax_minor: Minor
    total_minor: Minor
    paid_minor: Minor
    unit_price: Money
    lines: list[QuotedLine]
    provider: str
    reference: str | None
    url: str | None = Field(description="Where it is paid, while it is open.")
    livemode: bool
    return_url: str | None
    catalog_version: str
    created_at: Time
    expires_at: Time
    fulfilled_at: Time | None
    payments: list[Payment]
    promo_code: str | None
    promo_bonus: Number = Field(description="What the promo code adds, on top of the bonus.")
    refunded_minor: Minor = Field(description="What went back of what was paid, by refunds and lost disputes.")
    disputed_minor: Minor = Field(description="What of the rest a bank wants back.")
    refunds: list[Refund]
    disputes: list[Dispute]
    form: bool = Field(description="It is paid in a form on a page of yours.")
    save_card: bool = Field(description="The card is kept, to be charged again.")
    email: str | None
    locale: str | None
    metadata: dict[str, str]


class Checkout(BaseModel):
    """An order, and where it is paid."""

    order: Order
    url: str | None = Field(
        description="Send the customer there. Null: it is paid in a form, there is nothing to pay, or no longer."
    )
    client_secret: str | None = Field(
        description="For the provider's form, in the customer's browser alone: keep it out of addresses and logs. The "
        "same call again answers it again."
    )
    publishable_key: str | None = Field(description="For the provider's form.")


class Orders(BaseModel):
    """Part of an account's orders, newest first."""

    data: list[Order]
    has_more: bool
    next_cursor: str | None


class OrdersAsked(Body):
    """Which part of the orders."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


class Verdict(Act):
    """Which money, and why."""

    payment: str = Field(description="The payment's `reference`.", examples=["pi_3Qx"])


_DECIDED = (errors.NotFound, errors.PaymentSettled, *WRITES)


@routes.get(
    "/accounts/{account}/orders",
    openapi_extra=needs("read"),
    response_model=Orders,
    responses=refusals(errors.InvalidAccount, errors.InvalidField),
)
async def show_orders(request: Request, account: AccountId, asked: Annotated[OrdersAsked, Query()]) -> Exact:
    """The account's orders, newest first, page by page."""
    page = await ledger(request).orders(account, limit=asked.limit, cursor=asked.cursor)
    orders = [priced(order.as_dict()) for order in page.data]
    return Exact({"data": orders, "has_more": page.has_more, "next_cursor": page.next_cursor})


@routes.get(
    "/accounts/{account}/orders/{order}",
    openapi_extra=needs("read"),
    response_model=Order,
    responses=refusals(errors.NotFound, errors.InvalidAccount, errors.InvalidField),
)
async def show_order(request: Request, account: AccountId, order: str) -> Exact:
    """One order as it truly stands now: ask this, not the page the customer came back from, whether it is paid."""
    found = await ledger(request).order(account, order)
    return Exact(priced(found.as_dict()))


@routes.post(
    "/accounts/{account}/orders/{order}/resume",
    openapi_extra=needs("sell"),
    response_model=Checkout,
    responses=refusals(
        *(errors.NotFound, errors.UnknownProvider, errors.SwitchedOff, errors.ProviderUnavailable),
        *(errors.InvalidAccount, errors.InvalidField),
    ),
)
async def resume_checkout(request: Request, account: AccountId, order: str) -> Exact:
    """Where an order is paid, if it still is to be: its provider is asked again. It makes nothing, so needs no key."""
    return Exact(bought(await ledger(request).resume_checkout(account, order)))


@routes.post(
    "/accounts/{account}/orders/{order}/accept",
    openapi_extra=needs("admin") | KEYED,
    response_model=Order,
    responses=refusals(*_DECIDED),
)
async def accept_payment(request: Request, account: AccountId, order: str, asked: Verdict) -> Exact:
    """Takes money that is not what the order asks for as good: the order is fulfilled on its frozen terms."""
    key, said = idempotency_key(request), asked.arguments(request)
    return _stands(await ledger(request).accept_payment(account, order, key=key, **said))


@routes.post(
    "/accounts/{account}/orders/{order}/dismiss",
    openapi_extra=needs("admin") | KEYED,
    response_model=Order,
    responses=refusals(*_DECIDED),
)
async def dismiss_payment(request: Request, account: AccountId, order: str, asked: Verdict) -> Exact:
    """Does away with money under review or surplus: it was given back at the provider, or written off.

    An order that had no other money has failed. No money is moved by this.
    """
    key, said = idempotency_key(request), asked.arguments(request)
    return _stands(await ledger(request).dismiss_payment(account, order, key=key, **said))


def bought(made: Made) -> dict[str, Any]:
    """A checkout as it goes out."""
    secrets = {"client_secret": made.client_secret, "publishable_key": made.publishable_key}
    return {"order": priced(made.order.as_dict()), "url": made.url, **secrets}


def _stands(order: OrderView) -> Exact:
    return done(priced(order.as_dict()), replayed=order.replayed)


def priced(shown: dict[str, Any]) -> dict[str, Any]:
    """A quote or an order as it goes out: exact decimals of money are strings, for they may pass 15 digits."""
    shown = shown | {"unit_price": text(shown["unit_price"]), "lines": [_line(line) for line in shown["lines"]]}
    following = shown.get("next_slab")
    return shown | {"next_slab": following._asdict() | {"unit": text(following.unit)}} if following else shown


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"unit": None if line["unit"] is None else text(line["unit"]), "total": text(line["total"])}
