"""Accounts: open one, read what it has, freeze it, merge it into another one, and forget it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, Act
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Body, Exact, Instant, Number, Time

routes = router("Accounts")


class Account(BaseModel):
    """Who holds credits."""

    account: str
    time_zone: str = Field(description="IANA name: months and days are counted here.")
    locale: str
    created_at: Time
    frozen_at: Time | None = Field(description="Since then nothing may be spent or bought; null: it may.")
    merged_into: str | None = Field(description="The account that took this one over for good.")


class Opening(Body):
    """How to open an account. An account that exists keeps what it has."""

    time_zone: str | None = Field(
        default=None, description="IANA name. Left out: the catalog's.", examples=["Europe/Berlin"]
    )
    locale: str | None = Field(default=None, description="Language tag. Left out: the catalog's.", examples=["en"])


class Expiring(BaseModel):
    """Credits that stop counting at an instant."""

    amount: Number
    at: Time


class Balance(BaseModel):
    """What an account has of one credit type now. An account nobody ever gave anything has zeros."""

    account: str
    credit_type: str
    posted: Number = Field(description="Everything granted less everything used: the sum of all entries.")
    held: Number = Field(description="Set aside for work that is not finished.")
    available: Number = Field(description="What can be spent: posted − held − pending. Negative under debt.")
    pending: Number = Field(description="Granted, but not effective yet.")
    overdraft_limit: Number = Field(description="How far below zero a deduction may go.")
    expiring: list[Expiring] = Field(description="What expires when, soonest first.")


class Balances(BaseModel):
    """One balance for each credit type of the catalog."""

    data: list[Balance]


class Lot(BaseModel):
    """Credits that arrived together."""

    id: str
    credit_type: str
    source: str
    priority: int
    amount: Number
    remaining: Number
    held: Number
    effective_at: Time
    expires_at: Time | None
    cost_minor: int = Field(description="What was paid for it, in minor units of `currency`.")
    currency: str | None


class Lots(BaseModel):
    """Open lots, type by type in the order in which they will burn."""

    data: list[Lot]


class BalanceAsked(Body):
    """As of when."""

    at: Instant | None = Field(
        default=None, description="A past instant: what this answered then; only `overdraft_limit` is today's."
    )


class Merge(Act):
    """Who this account turned out to be."""

    into: str = Field(description="The account that gets everything.", examples=["ada"])


class LotsAsked(Body):
    """Which lots."""

    credit_type: str | None = Field(default=None, description="Only this one; left out: all.")


@routes.get(
    "/accounts/{account}",
    openapi_extra=needs("read"),
    response_model=Account,
    responses=refusals(errors.NotFound, errors.InvalidAccount),
)
async def show_account(request: Request, account: AccountId) -> Exact:
    """An account, if it was ever opened or given credits."""
    return Exact((await ledger(request).account(account))._asdict())


@routes.put(
    "/accounts/{account}",
    openapi_extra=needs("grant"),
    response_model=Account,
    responses=refusals(errors.InvalidAccount, errors.InvalidField),
)
async def open_account(request: Request, account: AccountId, opening: Opening | None = None) -> Exact:
    """Makes the account, or finds it, and pays the sign-up gifts it has not had yet.

    Safe to call at every sign-in: each gift is paid once, and an account that exists keeps its time zone and locale.
    """
    opening = opening or Opening()
    opened = await ledger(request).open_account(account, time_zone=opening.time_zone, locale=opening.locale)
    return Exact(opened._asdict())


@routes.get(
    "/accounts/{account}/balances",
    openapi_extra=needs("read"),
    response_model=Balances,
    responses=refusals(errors.InvalidAccount, errors.InvalidField),
)
async def show_balances(request: Request, account: AccountId, asked: Annotated[BalanceAsked, Query()]) -> Exact:
    """What the account has, one balance for each credit type of the catalog. What has expired is not counted."""
    return Exact({"data": [_balance(one) for one in await ledger(request).balances(account, at=asked.at)]})


@routes.get(
    "/accounts/{account}/balances/{credit_type}",
    openapi_extra=needs("read"),
    response_model=Balance,
    responses=refusals(errors.InvalidAccount, errors.InvalidField, errors.UnknownCreditType),
)
async def show_balance(
    request: Request, account: AccountId, credit_type: str, asked: Annotated[BalanceAsked, Query()]
) -> Exact:
    """What the account has of one credit type."""
    return Exact(_balance(await ledger(request).balance(account, credit_type, at=asked.at)))


@routes.get(
    "/accounts/{account}/lots",
    openapi_extra=needs("read"),
    response_model=Lots,
    responses=refusals(errors.InvalidAccount, errors.UnknownCreditType),
)
async def show_lots(request: Request, account: AccountId, asked: Annotated[LotsAsked, Query()]) -> Exact:
    """The account's open lots, in the order in which they will burn."""
    credits = ledger(request)
    wanted = [asked.credit_type] if asked.credit_type is not None else list(credits.credits.catalog.credit_types)
    return Exact({"data": [lot._asdict() for code in wanted for lot in await credits.lots(account, code)]})


@routes.post(
    "/accounts/{account}/freeze",
    openapi_extra=needs("admin") | KEYED,
    response_model=Account,
    responses=refusals(errors.NotFound, *WRITES),
)
async def freeze(request: Request, account: AccountId, asked: Act | None = None) -> Exact:
    """Nothing of the account may be spent, held, transferred or bought until it is unfrozen.

    What was begun goes on: captures, releases, expiry, grants, and the credits of orders that are paid.
    """
    key, said = idempotency_key(request), (asked or Act()).arguments(request)
    return _stands(await ledger(request).freeze(account, key=key, **said))


@routes.post(
    "/accounts/{account}/unfreeze",
    openapi_extra=needs("admin") | KEYED,
    response_model=Account,
    responses=refusals(errors.NotFound, *WRITES),
)
async def unfreeze(request: Request, account: AccountId, asked: Act | None = None) -> Exact:
    """Lets a frozen account go on."""
    key, said = idempotency_key(request), (asked or Act()).arguments(request)
    return _stands(await ledger(request).unfreeze(account, key=key, **said))


@routes.post(
    "/accounts/{account}/merges",
    openapi_extra=needs("admin") | KEYED,
    response_model=Account,
    responses=refusals(errors.NotFound, errors.AccountFrozen, errors.MergeRefused, *WRITES),
)
async def merge(request: Request, account: AccountId, asked: Merge) -> Exact:
    """Moves everything a guest has to the user it turned out to be, and closes the guest for good.

    Lots keep their expiry, priority and cost; a sign-up gift counts once. The answer is the guest's account, which says
    whom it was merged into.
    """
    key = idempotency_key(request)
    return _stands(await ledger(request).merge(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/erase",
    openapi_extra=needs("admin") | KEYED,
    response_model=Account,
    responses=refusals(errors.NotFound, *WRITES),
)
async def erase(request: Request, account: AccountId) -> Exact:
    """Forgets what people wrote about the account and who they were. Amounts stay, and their proof with them."""
    return _stands(await ledger(request).erase(account, key=idempotency_key(request)))


def _stands(account: Any) -> Exact:
    return done(account._asdict(), replayed=account.replayed)


def _balance(balance: Any) -> dict[str, Any]:
    return balance._asdict() | {"expiring": [one._asdict() for one in balance.expiring]}
