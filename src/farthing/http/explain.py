"""Explain: why a balance is what it is, lot by lot."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.http.accounts import Balance
from farthing.http.auth import needs
from farthing.http.fields import AccountId, CreditType
from farthing.http.route import ledger, refusals, router
from farthing.http.wire import Body, Exact, Instant, Number, Time

routes = router("Accounts")


class Origin(BaseModel):
    """The entry that made a lot."""

    entry: str
    kind: str
    at: Time
    key: str | None
    of: str | None = Field(description="What `link` is: an order, a transfer, a reversal, a subscription.")
    link: str | None
    payment: str | None = Field(description="Of an order: as its provider calls it.")


class Step(BaseModel):
    """What an entry took out of a lot or paid of a debt; below zero, what it gave back."""

    entry: str | None = Field(description="Null: it is due, and is written by the wallet's next write.")
    kind: str
    amount: Number
    at: Time
    operation: str | None
    why: str = Field(description="Why this lot gave it.")
    before: str | None = Field(description="Where that is a rule of the burn order: the next lot, behind it by this.")


class Kept(BaseModel):
    """What a hold keeps in a lot, and why in this one."""

    hold: str
    amount: Number
    why: str
    before: str | None


class LotStory(BaseModel):
    """An open lot: `remaining` is `amount` less all of `taken`, `held` the sum of `kept`."""

    id: str
    source: str
    amount: Number
    remaining: Number
    held: Number
    pending: bool = Field(description="It does not count yet.")
    priority: int
    effective_at: Time
    expires_at: Time | None
    cost_minor: int
    currency: str | None
    origin: Origin
    taken: list[Step]
    kept: list[Kept]


class DebtStory(BaseModel):
    """What is owed for an entry: `remaining` is `amount` less all of `paid`."""

    entry: str | None
    kind: str
    at: Time
    operation: str | None
    amount: Number
    remaining: Number
    paid: list[Step]


class HoldStory(BaseModel):
    """An open hold: `amount` is what lots keep for it and what is `owed`, which no lot had."""

    id: str
    amount: Number
    owed: Number
    held_at: Time
    expires_at: Time | None
    operation: str | None


class Explanation(BaseModel):
    """Why a balance is what it is. Its leaves add up: posted is what remains in all lots less all debts."""

    account: str
    credit_type: str
    at: Time
    balance: Balance
    lots: list[LotStory] = Field(description="In burn order.")
    debts: list[DebtStory] = Field(description="Oldest first.")
    holds: list[HoldStory] = Field(description="Oldest first.")


class ExplainAsked(Body):
    """Which balance."""

    credit_type: CreditType
    at: Instant | None = Field(default=None, description="A past instant; left out: now.")


@routes.get(
    "/accounts/{account}/explain",
    openapi_extra=needs("read"),
    response_model=Explanation,
    responses=refusals(errors.InvalidAccount, errors.InvalidField, errors.UnknownCreditType),
)
async def explain(request: Request, account: AccountId, asked: Annotated[ExplainAsked, Query()]) -> Exact:
    """Where each open lot came from, what took credits out of it and by which rule; debts and holds."""
    return Exact((await ledger(request).explain(account, asked.credit_type, at=asked.at)).as_dict())
