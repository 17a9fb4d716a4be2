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
from farthing.http.accounts import AccountId
from farthing.http.auth import PUBLIC, needs
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
    mode: Literal["volume", "graduated"] = Field(
        description="volume: the whole amount at the slab it falls in; graduated: each part at its slab."
    )
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
    plan: str | None = Field(default=None, description="What the buyer subscribes to, where that matters.")


class CheckoutAsked(WishAsked):
    """What to buy, and how it is paid."""

    provider: str = Field(default="sandbox", description="The payment provider.")
    return_url: str | None = Field(
        default=None,
        description="Where the customer comes back to; the order's id takes the place of `{order}`.",
        examples=["https://example.com/orders/{order}"],
    )


class QuotedLine(BaseModel):
    """One line of the working. `rounding`: nothing but what rounding added or took off."""

    kind: str = Field(description="slab, package or rounding")
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


class Quote(BaseModel):
    """What credits cost now, with the working."""

    credit_type: str
    amount: Number
    bonus: Number
    currency: str
    subtotal_minor: Minor
    discount_minor: Minor
    total_minor: Minor
    unit_price: Money = Field(description="For one of all credits, exact or to 12 decimals; only for showing.")
    lines: list[QuotedLine] = Field(description="They add up to the total.")
    package: str | None
    expires: str = Field(description='How long they last from fulfilment on: a duration or "never".')
    catalog_version: str
    next_slab: NextSlab | None


class Payment(BaseModel):
    """Money on its way to an order."""

    reference: str
    standing: str = Field(
        description="pending, failed, cancelled or expired; of money that came paid, surplus or review."
    )
    amount_minor: Minor
    tax_minor: Minor
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


class Checkout(BaseModel):
    """An order, and where it is paid."""

    order: Order
    url: str | None = Field(description="Send the customer there. Null: there is nothing to pay, or no longer.")


class Orders(BaseModel):
    """Part of an account's orders, newest first."""

    data: list[Order]
    has_more: bool
    next_cursor: str | None


class OrdersAsked(Body):
    """Which part of the orders."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


_NOT_SOLD = (
    *(errors.SwitchedOff, errors.AmountOutOfRange, errors.NoPrice, errors.PackageUnavailable, errors.PlanRequired),
    *(errors.TotalTooSmall, errors.InvalidAmount, errors.InvalidField, errors.UnknownCreditType),
    errors.UnknownCurrency,
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


@routes.post("/quotes", openapi_extra=PUBLIC, response_model=Quote, responses=refusals(*_NOT_SOLD))
async def quote(request: Request, asked: WishAsked) -> Exact:
    """What credits cost now, line by line. For anyone; no key is needed, and nothing is reserved or promised."""
    answer = await ledger(request).quote(
        asked.credit_type, asked.amount, package=asked.package, currency=asked.currency, plan=asked.plan
    )
    return Exact(_priced(answer._asdict() | {"lines": [line._asdict() for line in answer.lines]}))


@routes.post(
    "/accounts/{account}/checkouts",
    status_code=201,
    openapi_extra=needs("sell") | KEYED,
    response_model=Checkout,
    responses=refusals(
        *_NOT_SOLD, errors.InvalidAccount, errors.InvalidKey, errors.KeyReused, errors.UnknownProvider,
        errors.AccountFrozen, errors.AccountMerged, errors.ProviderUnavailable, errors.Unavailable,
    ),
)  # fmt: skip
async def checkout(request: Request, account: AccountId, asked: CheckoutAsked) -> Exact:
    """An order at today's price, frozen, and the page where it is paid. The credits come when the money does.

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
        provider=asked.provider,
        return_url=asked.return_url,
    )
    replayed = {"Idempotent-Replayed": "true"} if made.replayed else {}
    return Exact({"order": _priced(made.order.as_dict()), "url": made.url}, 201, replayed)


@routes.get(
    "/accounts/{account}/orders",
    openapi_extra=needs("read"),
    response_model=Orders,
    responses=refusals(errors.InvalidAccount, errors.InvalidField),
)
async def show_orders(request: Request, account: AccountId, asked: Annotated[OrdersAsked, Query()]) -> Exact:
    """The account's orders, newest first, page by page."""
    page = await ledger(request).orders(account, limit=asked.limit, cursor=asked.cursor)
    orders = [_priced(order.as_dict()) for order in page.data]
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
    return Exact(_priced(found.as_dict()))


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
    return {"credit_type": rule.credit_type, "mode": rule.mode, **bounds, "slabs": slabs}


def _said(words: str | None, asked: ShopAsked) -> str | None:
    return words.to(asked.locale) if isinstance(words, Words) else words


def _priced(shown: dict[str, Any]) -> dict[str, Any]:
    """A quote or an order as it goes out: exact decimals of money are strings, for they may pass 15 digits."""
    shown = shown | {"unit_price": text(shown["unit_price"]), "lines": [_line(line) for line in shown["lines"]]}
    following = shown.get("next_slab")
    return shown | {"next_slab": following._asdict() | {"unit": text(following.unit)}} if following else shown


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return line | {"unit": None if line["unit"] is None else text(line["unit"]), "total": text(line["total"])}
