"""Selling: quotes for anyone, checkouts for an account."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import PUBLIC, needs
from farthing.http.fields import AccountId
from farthing.http.orders import Checkout, Minor, Money, QuotedLine, bought, priced
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Amount, Body, Exact, Number, Time

routes = router("Selling")


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


NOT_SOLD = (
    *(errors.SwitchedOff, errors.AmountOutOfRange, errors.NoPrice, errors.PackageUnavailable, errors.PlanRequired),
    *(errors.TotalTooSmall, errors.InvalidAmount, errors.InvalidField, errors.UnknownCreditType),
    *(errors.UnknownCurrency, errors.UnknownPlan, errors.CalculatorFailed),
    *(errors.PromoCodeUnavailable, errors.PromoCodeNotForThis, errors.PromoCodeUsedUp),
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
    return done(bought(made), replayed=made.replayed, status=201)


async def _quoted(request: Request, asked: WishAsked, account: str | None) -> Exact:
    answer = await ledger(request).quote(
        asked.credit_type, asked.amount, package=asked.package, currency=asked.currency, plan=asked.plan,
        promo_code=asked.promo_code, account=account,
    )  # fmt: skip
    return Exact(priced(answer._asdict() | {"lines": [line._asdict() for line in answer.lines]}))
