"""Plans that a provider bills: buying one, how it is paid there, and the way to the provider's own portal."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, ReturnUrl
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Body, Exact, Time

routes = router("Plans")


class Invoice(BaseModel):
    """An invoice that was paid, in whole minor units, tax included."""

    invoice: str
    pays: str = Field(description="period, change or other.")
    paid_at: Time
    amount_minor: int
    tax_minor: int
    currency: str
    outcome: str = Field(description="opened, changed, noted, or review.")


class Billing(BaseModel):
    """How a plan is paid at a provider."""

    id: str
    account: str
    plan: str
    status: str = Field(description="open, expired, trialing, active, past_due, paused or ended.")
    currency: str
    price_minor: int = Field(description="Whole minor units of the currency, for one period.")
    trial_days: int
    provider: str
    livemode: bool
    subscription: str | None = Field(description="As the provider calls it.")
    plan_id: str | None = Field(description="The plan of the account that it pays.")
    cancels: bool = Field(description="It ends with what is paid.")
    url: str | None = Field(description="Where it is bought, while it is open.")
    created_at: Time
    expires_at: Time
    invoices: list[Invoice]


class Billings(BaseModel):
    """All plans that the account bought at providers, newest first."""

    data: list[Billing]


class PlanCheckout(BaseModel):
    """A plan being bought, and where."""

    billing: Billing
    url: str | None = Field(description="Send the customer there. Null: nothing is to be paid there any more.")


class PlanCheckoutAsked(Body):
    """Which plan, and how it is paid."""

    plan: str = Field(description="The code of a plan that is opened by its payment.", examples=["pro"])
    provider: str = Field(default="sandbox", description="A payment provider that bills plans.")
    currency: str | None = Field(default=None, description="ISO 4217. Left out: the catalog's.", examples=["USD"])
    return_url: str | None = Field(
        default=None,
        description="Where the customer comes back to; the billing's id takes the place of `{billing}`.",
        examples=["https://example.com/plans/{billing}"],
    )
    email: str | None = Field(default=None, description="Where the provider's invoices go.")
    locale: str | None = Field(default=None, description="Language tag for the provider's page.", examples=["zh"])
    metadata: dict[str, str] | None = Field(
        default=None, description="Passed on to the provider: at most 20 short texts by name."
    )


class PortalAsked(Body):
    """Where the provider's portal leads back to."""

    return_url: ReturnUrl = None


class PortalLink(BaseModel):
    """A page at the provider, for this customer alone and soon over: make it when they click."""

    url: str


@routes.post(
    "/accounts/{account}/plan-checkouts",
    status_code=201,
    openapi_extra=needs("sell") | KEYED,
    response_model=PlanCheckout,
    responses=refusals(
        *(errors.UnknownPlan, errors.NoPrice, errors.NotBillable, errors.AlreadySubscribed, errors.UnknownProvider),
        *(errors.UnknownCurrency, errors.SwitchedOff, errors.AccountFrozen, errors.ProviderUnavailable, *WRITES),
    ),
)
async def buy_plan(request: Request, account: AccountId, asked: PlanCheckoutAsked) -> Exact:
    """A plan at today's price, and the provider's page where it is bought; the provider bills it from then on.

    Whoever has another plan changes to this one when it is paid. The same call with the same key again answers the same
    page.
    """
    said = {name: getattr(asked, name) for name in type(asked).model_fields}
    made = await ledger(request).buy_plan(account, key=idempotency_key(request), **said)
    return done({"billing": made.billing.as_dict(), "url": made.url}, replayed=made.replayed, status=201)


@routes.get(
    "/accounts/{account}/plan-billings",
    openapi_extra=needs("read"),
    response_model=Billings,
    responses=refusals(errors.InvalidAccount),
)
async def show_billings(request: Request, account: AccountId) -> Exact:
    """All plans that the account bought at providers, newest first."""
    return Exact({"data": [one.as_dict() for one in await ledger(request).plan_billings(account)]})


@routes.get(
    "/accounts/{account}/plan-billings/{billing}",
    openapi_extra=needs("read"),
    response_model=Billing,
    responses=refusals(errors.NotFound, errors.InvalidAccount, errors.InvalidField),
)
async def show_billing(request: Request, account: AccountId, billing: str) -> Exact:
    """How one plan of the account is paid at its provider, with every invoice that was paid."""
    return Exact((await ledger(request).plan_billing(account, billing)).as_dict())


@routes.post(
    "/accounts/{account}/plan-portal-links",
    status_code=201,
    openapi_extra=needs("sell"),
    response_model=PortalLink,
    responses=refusals(
        *(errors.NotSubscribed, errors.InvalidAccount, errors.InvalidField, errors.UnknownProvider),
        *(errors.ProviderUnavailable, errors.Unavailable),
    ),
)
async def link_to_portal(request: Request, account: AccountId, asked: PortalAsked | None = None) -> Exact:
    """Where the customer changes cards, sees invoices and ends the plan. It writes nothing, so it needs no key."""
    back = (asked or PortalAsked()).return_url
    return Exact({"url": await ledger(request).plan_portal(account, return_url=back)}, 201)
