"""Selling: the catalog and quotes for anyone, checkouts and orders for an account."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field, WithJsonSchema
from starlette.requests import Request

from farthing import errors
from farthing.amounts import text, to_credits
from farthing.catalog import Catalog
from farthing.core.pricing import Package, PriceRule
from farthing.core.words import Words
from farthing.http.auth import PUBLIC, needs
from farthing.http.fields import AccountId
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router
from farthing.http.wire import Amount, Body, Exact, Number, Time
from farthing.selling.orders import MAX_PAGE

routes = router("Selling")

Money = Annotated[
    Decimal,
    WithJsonSchema(
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "An exact decimal in major units."}
    ),
]
Minor = Annotated[int, Field(description="Whole minor units of the currency.")]


class SoldType(BaseModel):
    """What is counted."""

    code: str
    name: str
    scale: int = Field(description="Decimals a credit can be split into.")
    expires: str = Field(description='How long its credits last where nothing else is said: a duration or "never".')


class SoldPackage(BaseModel):
    """A fixed number of credits at a fixed price."""

    code: str
    credit_type: str
    name: str
    description: str | None
    credits: Number
    bonus: Number = Field(description="What comes on top, unpaid.")
    prices: dict[str, Minor] = Field(description="By ISO 4217 currency, in whole minor units.")
    popular: bool
    expires: str = Field(description='How long they last from fulfilment on: a duration or "never".')
    plans: list[str] = Field(description="Only their subscribers may buy it; empty: everyone.")


class SoldSlab(BaseModel):
    """One price for amounts from `start` to `end`, both inclusive; `end` null has no upper end."""

    start: Number
    end: Number | None
    unit: Money


class SoldPrice(BaseModel):
    """How any amount of one credit type is priced."""

    credit_type: str
    mode: Literal["volume", "graduated", "calculator"] = Field(
        description="volume: the whole amount at the slab it falls in; graduated: each part at its slab; calculator: "
        "the seller's own function, and no slabs."
    )
    currencies: list[str] = Field(description="ISO 4217.")
    minimum: Number | None
    maximum: Number | None
    step: Number
    slabs: dict[str, list[SoldSlab]] = Field(description="By ISO 4217 currency.")


class Shop(BaseModel):
    """What the seller shows to everyone. While selling is switched off there are no packages and no prices."""

    version: str
    currency: str = Field(description="The one that is meant where none is said.")
    selling: bool
    credit_types: list[SoldType]
    packages: list[SoldPackage] = Field(description="In the order in which they are to be shown.")
    prices: list[SoldPrice]


class ShopAsked(Body):
    """For whom."""

    locale: str = Field(default="", max_length=35, description="Language tag for names; left out: the seller's own.")


class WishAsked(Body):
    """What to buy: a package alone, or an amount of a credit type."""

    package: str | None = Field(default=None, examples=["starter"])
    credit_type: str | None = None
    amount: Amount | None = None
    currency: str | None = Field(default=None, description="ISO 4217. Left out: the catalog's.", examples=["USD"])
    plan: str | None = Field(
        default=None,
        description="What the buyer subscribes to, on your word: never pass on what a customer says. Left out at a "
        "checkout: what the account subscribes to here.",
    )
    promo_code: str | None = Field(default=None, description="In whatever case.", examples=["WELCOME10"])


class CheckoutAsked(WishAsked):
    """What to buy, and how it is paid."""

    quote: str | None = Field(
        default=None,
        description="The token of a quote, instead of what says what to buy; a plan may stand beside it.",
    )
    provider: str = Field(default="sandbox", description="The payment provider.")
    return_url: str | None = Field(
        default=None,
        description="Where the customer comes back to; the order's id takes the place of `{order}`.",
        examples=["https://example.com/orders/{order}"],
    )
    form: bool = Field(
        default=False, description="The customer pays in the provider's form on a page of yours, not on its page."
    )
    email: str | None = Field(default=None, description="Where the provider's receipt goes.")
    locale: str | None = Field(default=None, description="Language tag for the provider's page.", examples=["zh"])
    metadata: dict[str, str] | None = Field(
        default=None, description="Passed on to the provider: at most 20 short texts by name."
    )
    save_card: bool = Field(
        default=False,
        description="The provider keeps the card, to be charged again. The customer must have agreed to that.",
    )


class QuotedLine(BaseModel):
    """One line of the working: `discount` is what the plan takes off, `promo` what the code does."""

    kind: str = Field(description="slab, package, calculator, discount, promo or rounding")
    start: Number | None
    end: Number | None
    amount: Number | None
    unit: Money | None
    total: Money


class NextSlab(BaseModel):
    """The least amount that reaches the next slab, and what it saves against the price before it."""

    amount: Number
    unit: Money
    total_minor: Minor
    saved_minor: Minor
    more_minor: int = Field(description="What it costs more than what is quoted; below zero, it costs so much less.")


class Quote(BaseModel):
    """What credits cost now, with the working."""

    credit_type: str
    amount: Number
    bonus: Number
    currency: str
    subtotal_minor: Minor = Field(description="Before discounts, rounded for showing.")
    discount_minor: Minor = Field(description="What the total is less than that.")
    total_minor: Minor
    unit_price: Money = Field(description="For one of all credits, exact or to 12 decimals; only for showing.")
    lines: list[QuotedLine] = Field(description="They add up to the total.")
    package: str | None
    expires: str = Field(description='How long they last from fulfilment on: a duration or "never".')
    catalog_version: str
    next_slab: NextSlab | None
    plan: str | None = Field(description="What it was priced for.")
    promo_code: str | None
    promo_bonus: Number = Field(description="What the promo code adds, on top of the bonus.")
    token: str | None = Field(description="The quote signed, for a checkout. Null where the server has no secret.")
    honoured_until: Time | None = Field(description="When the token expires.")


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


NOT_SOLD = (
    *(errors.SwitchedOff, errors.AmountOutOfRange, errors.NoPrice, errors.PackageUnavailable, errors.PlanRequired),
    *(errors.TotalTooSmall, errors.InvalidAmount, errors.InvalidField, errors.UnknownCreditType),
    *(errors.UnknownCurrency, errors.UnknownPlan, errors.CalculatorFailed),
    *(errors.PromoCodeUnavailable, errors.PromoCodeNotForThis, errors.PromoCodeUsedUp),
)


@routes.get("/catalog", openapi_extra=PUBLIC, response_model=Shop, responses=refusals())
async def show_catalog(request: Request, asked: Annotated[ShopAsked, Query()]) -> Exact:
    """What is sold: credit types, packages and prices. For anyone; no key is needed."""
    catalog = ledger(request).credits.catalog
    selling = catalog.switches["selling"]
    kinds = catalog.credit_types.values()
    types = [
        {"code": kind.code, "name": _said(kind.name, asked), "scale": kind.scale, "expires": kind.life}
        for kind in kinds
    ]
    packages = [_package(catalog, one, asked) for one in catalog.packages.values() if selling and not one.disabled]
    prices = [_price(catalog, rule) for rule in catalog.prices.values() if selling]
    return Exact(
        {
            "version": catalog.version,
            "currency": catalog.currency,
            "selling": selling,
            "credit_types": types,
            "packages": packages,
            "prices": prices,
        }
    )


@routes.post("/quotes", openapi_extra=PUBLIC, response_model=Quote, responses=refusals(*NOT_SOLD))
async def quote(request: Request, asked: WishAsked) -> Exact:
    """What credits cost now, line by line. For anyone; no key is needed, and nothing is reserved.

    Its token makes a checkout honour it until it expires. One that names a plan is honoured for subscribers of it.
    """
    return await _quoted(request, asked, None)


@routes.post(
    "/accounts/{account}/quotes",
    openapi_extra=needs("sell"),
    response_model=Quote,
    responses=refusals(*NOT_SOLD, errors.InvalidAccount),
)
async def quote_account(request: Request, account: AccountId, asked: WishAsked) -> Exact:
    """What credits cost this account now, on the terms of its own plan. Its token is good for this account alone."""
    return await _quoted(request, asked, account)


@routes.post(
    "/accounts/{account}/checkouts",
    status_code=201,
    openapi_extra=needs("sell") | KEYED,
    response_model=Checkout,
    responses=refusals(
        *(*NOT_SOLD, errors.QuoteInvalid, errors.QuoteExpired, errors.InvalidAccount, errors.InvalidKey),
        *(errors.KeyReused, errors.UnknownProvider, errors.AccountFrozen, errors.AccountMerged),
        *(errors.ProviderUnavailable, errors.Unavailable),
    ),
)  # fmt: skip
async def checkout(request: Request, account: AccountId, asked: CheckoutAsked) -> Exact:
    """An order at today's price, frozen, and where it is paid. The credits come when the money does.

    The same call with the same key again answers the same order, as it stands by then.
    """
    made = await ledger(request).checkout(
        account,
        asked.credit_type,
        asked.amount,
        key=idempotency_key(request),
        package=asked.package,
        currency=asked.currency,
        plan=asked.plan,
        promo_code=asked.promo_code,
        quote=asked.quote,
        provider=asked.provider,
        return_url=asked.return_url,
        form=asked.form,
        email=asked.email,
        locale=asked.locale,
        metadata=asked.metadata,
        save_card=asked.save_card,
    )
    replayed = {"Idempotent-Replayed": "true"} if made.replayed else {}
    secrets = {"client_secret": made.client_secret, "publishable_key": made.publishable_key}
    return Exact({"order": priced(made.order.as_dict()), "url": made.url, **secrets}, 201, replayed)


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


async def _quoted(request: Request, asked: WishAsked, account: str | None) -> Exact:
    answer = await ledger(request).quote(
        asked.credit_type, asked.amount, package=asked.package, currency=asked.currency, plan=asked.plan,
        promo_code=asked.promo_code, account=account,
    )  # fmt: skip
    return Exact(priced(answer._asdict() | {"lines": [line._asdict() for line in answer.lines]}))


def _package(catalog: Catalog, package: Package, asked: ShopAsked) -> dict[str, Any]:
    kind = catalog.credit_types[package.credit_type]
    scale = kind.scale
    return {
        "code": package.code,
        "credit_type": package.credit_type,
        "name": _said(package.name, asked),
        "description": _said(package.description, asked),
        "credits": to_credits(package.credits, scale),
        "bonus": to_credits(package.bonus, scale),
        "prices": package.prices,
        "popular": package.popular,
        "expires": package.expires or kind.life,
        "plans": package.plans,
    }


def _price(catalog: Catalog, rule: PriceRule) -> dict[str, Any]:
    scale = catalog.credit_types[rule.credit_type].scale

    def credits(units: int | None) -> Decimal | None:
        return None if units is None else to_credits(units, scale)

    slabs = {
        currency: [
            {"start": credits(slab.start), "end": credits(slab.end), "unit": text(slab.unit)} for slab in in_currency
        ]
        for currency, in_currency in rule.slabs.items()
    }
    bounds = {"minimum": credits(rule.minimum), "maximum": credits(rule.maximum), "step": credits(rule.step)}
    sold = {"credit_type": rule.credit_type, "mode": rule.mode, "currencies": rule.currencies}
    return sold | bounds | {"slabs": slabs}


def _said(words: str | None, asked: ShopAsked) -> str | None:
    return words.to(asked.locale) if isinstance(words, Words) else words


def priced(shown: dict[str, Any]) -> dict[str, Any]:
    """A quote or an order as it goes out: exact decimals of money are strings, for they may pass 15 digits."""
    shown = shown | {"unit_price": text(shown["unit_price"]), "lines": [_line(line) for line in shown["lines"]]}
    following = shown.get("next_slab")
    return shown | {"next_slab": following._asdict() | {"unit": text(following.unit)}} if following else shown


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"unit": None if line["unit"] is None else text(line["unit"]), "total": text(line["total"])}
