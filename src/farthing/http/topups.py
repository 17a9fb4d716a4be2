"""Auto top-ups: what a customer agrees to, and charging it now."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.core.topups import Window
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, Act, Actor
from farthing.http.orders import Order, priced
from farthing.http.route import KEYED, actor, done, idempotency_key, ledger, refusals, router
from farthing.http.selling import NOT_SOLD
from farthing.http.wire import Amount, Body, Exact, Number, Time, Whole
from farthing.selling.topping_up import TopUpView

routes = router("Auto top-ups")


class TopUp(BaseModel):
    """An account's auto top-up of one credit type as it stands."""

    account: str
    credit_type: str
    status: str = Field(description="active, paused or stopped.")
    paused: str | None = Field(
        description="declined, authentication_required, price_above_limit, no_card, review, money_back or "
        "outcome_unknown."
    )
    paused_at: Time | None
    provider: str
    threshold: Number = Field(description="Below so many credits available, the card is charged.")
    package: str | None
    amount: Number | None
    currency: str
    at_most_minor: int = Field(description="The most one charge may cost, in whole minor units.")
    most: int = Field(description="So many charges at most in a `window`.")
    window: str
    used: int = Field(description="So many were made in the window that runs.")
    cooldown: str
    time_zone: str
    declines: int
    next_at: Time | None = Field(description="When the card may be charged again.")
    last_order: str | None
    last_outcome: str | None = Field(description="Null while it is not known.")
    consent: str | None
    consent_at: Time
    actor: str | None
    stopped_at: Time | None


class TopUps(BaseModel):
    """The account's auto top-ups, also those that were stopped."""

    data: list[TopUp]


class Agreement(Body):
    """What the customer agrees to."""

    threshold: Amount
    at_most_minor: Whole = Field(description="The most one charge may cost, in whole minor units.", examples=[1200])
    consent: str = Field(description="What the customer agreed to, in the words they saw. It is kept, with the time.")
    package: str | None = Field(
        default=None, description="What is bought each time: this package of the credit type.", examples=["starter"]
    )
    amount: Amount | None = Field(default=None, description="Or instead so many credits, at the day's price.")
    currency: str | None = Field(default=None, description="ISO 4217. Left out: the catalog's.", examples=["USD"])
    provider: str = Field(default="sandbox", description="The provider that keeps the card.")
    most: Whole = Field(default=1, description="So many charges at most in a `window`, whatever comes of them.")
    window: Window = Field(default="month", description="Of the calendar, in the account's time zone.")
    cooldown: str = Field(default="1h", description="So long after a charge no other one begins.")
    actor: Actor = None


class ToppedUp(BaseModel):
    """What came of a top-up."""

    outcome: str = Field(
        description="paid, declined, authentication_required, review or unknown; where nothing was charged, why not: "
        "enough, cooldown, window_full, paused, stopped, frozen, switched_off or charging."
    )
    order: Order | None = Field(description="What was charged for.")


_NO_TOP_UP = (errors.NoTopUp, errors.UnknownCreditType)


@routes.get(
    "/accounts/{account}/top-ups",
    openapi_extra=needs("read"),
    response_model=TopUps,
    responses=refusals(errors.InvalidAccount),
)
async def show_top_ups(request: Request, account: AccountId) -> Exact:
    """The account's auto top-ups by credit type, also those that were stopped."""
    return Exact({"data": [one._asdict() for one in await ledger(request).top_ups(account)]})


@routes.put(
    "/accounts/{account}/top-ups/{credit_type}",
    openapi_extra=needs("sell") | KEYED,
    response_model=TopUp,
    responses=refusals(
        *(errors.NoSavedCard, errors.NotBillable, errors.UnknownProvider, errors.AccountFrozen, *NOT_SOLD, *WRITES)
    ),
)
async def set_top_up(request: Request, account: AccountId, credit_type: str, asked: Agreement) -> Exact:
    """Agrees on an auto top-up: below the threshold the saved card is charged. Opt-in only.

    It takes the place of the agreement before; charges which that made in the window count.
    """
    said = {name: getattr(asked, name) for name in type(asked).model_fields}
    said |= {"actor": actor(request, asked.actor)}
    key = idempotency_key(request)
    return _stands(await ledger(request).set_top_up(account, credit_type, key=key, **said))


@routes.delete(
    "/accounts/{account}/top-ups/{credit_type}",
    openapi_extra=needs("sell") | KEYED,
    response_model=TopUp,
    responses=refusals(*_NO_TOP_UP, *WRITES),
)
async def stop_top_up(request: Request, account: AccountId, credit_type: str, asked: Annotated[Act, Query()]) -> Exact:
    """Ends an auto top-up. A charge that has begun is carried to its end: it may have been made already."""
    key, said = idempotency_key(request), asked.arguments(request)
    return _stands(await ledger(request).stop_top_up(account, credit_type, key=key, **said))


@routes.post(
    "/accounts/{account}/top-ups/{credit_type}/resume",
    openapi_extra=needs("sell") | KEYED,
    response_model=TopUp,
    responses=refusals(*_NO_TOP_UP, errors.NoSavedCard, errors.AccountFrozen, *WRITES),
)
async def resume_top_up(request: Request, account: AccountId, credit_type: str, asked: Act | None = None) -> Exact:
    """Lets an auto top-up that is paused go on, as if nothing had been declined; what is agreed on stays."""
    key, said = idempotency_key(request), (asked or Act()).arguments(request)
    return _stands(await ledger(request).resume_top_up(account, credit_type, key=key, **said))


@routes.post(
    "/accounts/{account}/top-ups/{credit_type}/charge",
    openapi_extra=needs("sell"),
    response_model=ToppedUp,
    responses=refusals(*_NO_TOP_UP, *NOT_SOLD, errors.InvalidAccount, errors.Unavailable),
)
async def top_up(request: Request, account: AccountId, credit_type: str) -> Exact:
    """Charges the saved card now, if that is due, and carries on a charge that was cut off.

    Nobody is charged twice, however often this is called, so it needs no key.
    """
    came = await ledger(request).top_up(account, credit_type)
    return Exact({"outcome": came.outcome, "order": came.order and priced(came.order.as_dict())})


def _stands(top_up: TopUpView) -> Exact:
    shown: dict[str, Any] = top_up._asdict()
    return done(shown, replayed=top_up.replayed)
