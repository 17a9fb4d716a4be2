"""Writing to the ledger: grants and deductions, and the check that writes nothing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.amounts import Money
from farthing.core.book import DEFAULT_PRIORITY
from farthing.http.auth import needs
from farthing.http.entries import Entry
from farthing.http.fields import AccountId, Change, CreditType
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router, written
from farthing.http.wire import Amount, Body, Exact, Expires, Instant, Number, Whole

routes = router("Credits")


class CostPaid(Body):
    """Money paid, in whole minor units: {"minor": 990, "currency": "USD"} is $9.90."""

    minor: Whole = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["USD"])


class Grant(Change):
    """Credits to give. They become one lot."""

    source: Literal["gift", "plan", "purchase", "bonus", "promo", "adjustment"] = Field(
        description="Why the credits exist."
    )
    expires: Expires = None
    effective_at: Instant | None = Field(default=None, description="In the future: pending until then. Left out: now.")
    priority: Whole = Field(default=DEFAULT_PRIORITY, description="Lots with a smaller number burn first.")
    cost: CostPaid | None = Field(default=None, description="Money paid for them, for the books.")

    def arguments(self, request: Request) -> dict[str, Any]:
        """As the credits take them: money as `Money`."""
        paid = {"cost": Money(self.cost.minor, self.cost.currency)} if self.cost else {}
        return super().arguments(request) | paid


class Deduction(Change):
    """Credits to use up."""

    operation: str | None = Field(default=None, description="What they were used for.", examples=["render"])


class CheckAsked(Body):
    """A deduction that is only thought of."""

    credit_type: CreditType
    amount: Amount


class Check(BaseModel):
    """What a deduction would be told now, with no effect and no promise."""

    allowed: bool
    required: Number
    available: Number
    shortfall: Number = Field(description="How much is missing; 0 if allowed.")


@routes.post(
    "/accounts/{account}/grants",
    status_code=201,
    openapi_extra=needs("grant") | KEYED,
    response_model=Entry,
    responses=refusals(
        errors.InvalidAmount, errors.InvalidAccount, errors.InvalidKey, errors.InvalidExpiry, errors.InvalidField,
        errors.UnknownCreditType, errors.KeyReused, errors.BalanceTooLarge, errors.AccountMerged, errors.Unavailable,
    ),
)  # fmt: skip
async def grant(request: Request, account: AccountId, asked: Grant) -> Exact:
    """Gives credits: one new lot. An account that does not exist yet is made. What is owed is repaid first."""
    key = idempotency_key(request)
    return written(await ledger(request).grant(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/deductions",
    status_code=201,
    openapi_extra=needs("spend") | KEYED,
    response_model=Entry,
    responses=refusals(
        errors.InsufficientCredits, errors.AccountFrozen, errors.InvalidAmount, errors.InvalidAccount,
        errors.InvalidKey, errors.InvalidField, errors.UnknownCreditType, errors.KeyReused, errors.Unavailable,
    ),
)  # fmt: skip
async def deduct(request: Request, account: AccountId, asked: Deduction) -> Exact:
    """Uses credits up, all or nothing, from the account's lots in burn order."""
    key = idempotency_key(request)
    return written(await ledger(request).deduct(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/checks",
    openapi_extra=needs("read"),
    response_model=Check,
    responses=refusals(errors.InvalidAmount, errors.InvalidAccount, errors.UnknownCreditType),
)
async def check(request: Request, account: AccountId, asked: CheckAsked) -> Exact:
    """Whether a deduction would be allowed now. It changes nothing and reserves nothing."""
    answer = await ledger(request).check(account, asked.credit_type, asked.amount)
    return Exact(answer._asdict())
