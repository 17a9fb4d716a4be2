"""Writing to the ledger: grants and deductions, and the check that writes nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.amounts import Money
from farthing.core.book import DEFAULT_PRIORITY
from farthing.http.accounts import AccountId, Entry
from farthing.http.auth import needs
from farthing.http.route import KEYED, actor, idempotency_key, ledger, refusals, router
from farthing.http.wire import Amount, Body, Exact, Expires, Instant, Metadata, Number, Whole
from farthing.ledger.commands import DEFAULT
from farthing.views import Receipt

routes = router("Credits")

CreditType = Annotated[str, Field(description="The code of a credit type of the catalog.", examples=["images"])]
Reason = Annotated[str | None, Field(description="An operator's words; not for customers. At most 1,000 bytes.")]
Actor = Annotated[str | None, Field(description="Who does it. Left out: the API key.", examples=["support:grace"])]
Facts = Annotated[Metadata | None, Field(description="Any JSON object, at most 8 KiB.", examples=[{"prompt": "a fox"}])]
Occurred = Annotated[Instant | None, Field(description="When it happened for you; kept, never decides.")]


class CostPaid(Body):
    """Money paid, in whole minor units: {"minor": 990, "currency": "USD"} is $9.90."""

    minor: Whole = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["USD"])


class Change(Body):
    """What every change of a balance may say."""

    credit_type: CreditType
    amount: Amount
    reason: Reason = None
    actor: Actor = None
    metadata: Facts = None
    occurred_at: Occurred = None


class Grant(Change):
    """Credits to give. They become one lot."""

    source: Literal["gift", "plan", "purchase", "bonus", "promo", "adjustment"] = Field(
        description="Why the credits exist."
    )
    expires: Expires = None
    effective_at: Instant | None = Field(default=None, description="In the future: pending until then. Left out: now.")
    priority: Whole = Field(default=DEFAULT_PRIORITY, description="Lots with a smaller number burn first.")
    cost: CostPaid | None = Field(default=None, description="Money paid for them, for the books.")


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
    receipt = await ledger(request).grant(
        account,
        asked.credit_type,
        asked.amount,
        key=idempotency_key(request),
        source=asked.source,
        expires=DEFAULT if asked.expires is None else asked.expires,
        effective_at=asked.effective_at,
        priority=asked.priority,
        cost=asked.cost and Money(asked.cost.minor, asked.cost.currency),
        reason=asked.reason,
        actor=actor(request, asked.actor),
        metadata=asked.metadata,
        occurred_at=asked.occurred_at,
    )
    return _answer(receipt)


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
    receipt = await ledger(request).deduct(
        account,
        asked.credit_type,
        asked.amount,
        key=idempotency_key(request),
        operation=asked.operation,
        reason=asked.reason,
        actor=actor(request, asked.actor),
        metadata=asked.metadata,
        occurred_at=asked.occurred_at,
    )
    return _answer(receipt)


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


def _answer(receipt: Receipt) -> Exact:
    entry = receipt.as_dict()
    replayed = {"Idempotent-Replayed": "true"} if entry.pop("replayed") else {}
    return Exact(entry, 201, replayed)
