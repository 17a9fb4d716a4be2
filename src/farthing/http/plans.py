"""Plans: an account's one plan, started, renewed, changed and cancelled on the application's word."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.core.plans import Unused
from farthing.errors import NotFound
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, Act
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Exact, Time
from farthing.views import SubscriptionView

routes = router("Plans")


class Subscription(BaseModel):
    """An account's plan as it stands."""

    id: str
    account: str
    plan: str
    status: str = Field(description="trialing, active, unpaid (nobody paid for the period that runs) or ended.")
    driver: str = Field(description="What opens its periods: clock or payment.")
    started_at: Time
    trial_end: Time | None
    period_start: Time | None = Field(description="Of the last period that is open.")
    period_end: Time | None
    next_at: Time | None = Field(description="When something next comes by itself.")
    next_plan: str | None = Field(description="What it changes to then.")
    ends: str | None = Field(description="It was cancelled, and then this becomes of unused credits.")
    ended_at: Time | None


class Start(Act):
    """What to subscribe to."""

    plan: str = Field(description="The code of a plan of the catalog.", examples=["pro"])
    trial: bool = Field(default=True, description="The plan's trial comes first, where the account had none before.")


class PlanChange(Act):
    """What to change to."""

    plan: str = Field(description="The code of a plan of the catalog.", examples=["max"])


class Cancellation(Act):
    """How to end it."""

    unused: Unused | None = Field(
        default=None,
        description="Unused credits keep their own end, expire when the period ends, or are taken back now, which "
        "ends the plan at once. Left out: as the plan says.",
    )


@routes.get(
    "/accounts/{account}/plan",
    openapi_extra=needs("read"),
    response_model=Subscription,
    responses=refusals(errors.NotFound, errors.InvalidAccount),
)
async def show_plan(request: Request, account: AccountId) -> Exact:
    """The account's plan, or the last one it had."""
    found = await ledger(request).subscription(account)
    if found is None:
        raise NotFound(f"{account} never had a plan.")
    return Exact(found._asdict())


@routes.post(
    "/accounts/{account}/plan",
    status_code=201,
    openapi_extra=needs("grant") | KEYED,
    response_model=Subscription,
    responses=refusals(errors.UnknownPlan, errors.AlreadySubscribed, errors.SwitchedOff, errors.AccountFrozen, *WRITES),
)
async def start_plan(request: Request, account: AccountId, asked: Start) -> Exact:
    """Subscribes the account: the plan's trial begins, or its first period.

    The first period of a plan that is opened by its payment waits for a renewal. An account that does not exist yet is
    made.
    """
    key = idempotency_key(request)
    return _stands(await ledger(request).start_plan(account, key=key, **asked.arguments(request)), 201)


@routes.post(
    "/accounts/{account}/plan/renew",
    openapi_extra=needs("grant") | KEYED,
    response_model=Subscription,
    responses=refusals(errors.NotSubscribed, errors.PeriodNotDue, errors.SwitchedOff, *WRITES),
)
async def renew_plan(request: Request, account: AccountId, asked: Act | None = None) -> Exact:
    """The plan's next period is paid for: it opens, and pays its first cycle when it begins."""
    key, said = idempotency_key(request), (asked or Act()).arguments(request)
    return _stands(await ledger(request).renew_plan(account, key=key, **said))


@routes.post(
    "/accounts/{account}/plan/change",
    openapi_extra=needs("grant") | KEYED,
    response_model=Subscription,
    responses=refusals(
        *(errors.NotSubscribed, errors.UnknownPlan, errors.SwitchedOff, errors.AccountFrozen, errors.BilledByProvider),
        *WRITES,
    ),
)
async def change_plan(request: Request, account: AccountId, asked: PlanChange) -> Exact:
    """Changes to a plan of a higher or equal rank at once, to a lower one when the period ends.

    Changing to the plan that it is takes back a change or an end that was to come.
    """
    key = idempotency_key(request)
    return _stands(await ledger(request).change_plan(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/plan/cancel",
    openapi_extra=needs("grant") | KEYED,
    response_model=Subscription,
    responses=refusals(errors.NotSubscribed, errors.BilledByProvider, *WRITES),
)
async def cancel_plan(request: Request, account: AccountId, asked: Cancellation | None = None) -> Exact:
    """Ends the plan with what is open of it."""
    key, said = idempotency_key(request), (asked or Cancellation()).arguments(request)
    return _stands(await ledger(request).cancel_plan(account, key=key, **said))


def _stands(plan: SubscriptionView, status: int = 200) -> Exact:
    shown: dict[str, Any] = plan._asdict()
    return done(shown, replayed=plan.replayed, status=status)
