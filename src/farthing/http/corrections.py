"""Taking back: reversals of deductions, voids and clawbacks of lots."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import needs
from farthing.http.entries import Entry
from farthing.http.fields import WRITES, AccountId, Occurred, Said
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router, written
from farthing.http.wire import Amount, Exact

routes = router("Corrections")


class Reversal(Said):
    """A deduction or capture to take back."""

    entry: str = Field(description="The id of its entry.", examples=["ent_images_5"])
    amount: Amount | None = Field(default=None, description="Left out: all that was not taken back yet.")
    expired: Literal["restore", "grace", "forfeit"] | None = Field(
        default=None,
        description="What becomes of credits whose lot expired meanwhile: a new lot for as long as was left, a new lot "
        "for the credit type's grace, or nothing. Left out: as the credit type says.",
    )
    occurred_at: Occurred = None


class Void(Said):
    """A lot to end."""

    lot: str = Field(description="Its id.", examples=["lot_images_3"])
    amount: Amount | None = Field(default=None, description="Left out: all that is unused.")


class Clawback(Said):
    """Credits to take back, used up or not, because their money went back."""

    lot: str = Field(description="The id of the lot they came as.", examples=["lot_images_3"])
    amount: Amount
    rest: Literal["debt", "write_off"] = Field(description="What was used up already is owed, or forgiven.")


_TAKEN = (errors.NotFound, errors.NotEnoughLeft, errors.InvalidAmount, errors.UnknownCreditType, *WRITES)


@routes.post(
    "/accounts/{account}/reversals",
    status_code=201,
    openapi_extra=needs("spend") | KEYED,
    response_model=Entry,
    responses=refusals(*_TAKEN),
)
async def reverse(request: Request, account: AccountId, asked: Reversal) -> Exact:
    """Takes back a deduction or capture, whole or in part: what it drew last goes back first, to the same lots."""
    key = idempotency_key(request)
    return written(await ledger(request).reverse(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/voids",
    status_code=201,
    openapi_extra=needs("admin") | KEYED,
    response_model=Entry,
    responses=refusals(*_TAKEN),
)
async def void(request: Request, account: AccountId, asked: Void) -> Exact:
    """Ends what is unused of a lot, or `amount` of it. What a hold keeps goes when the hold lets go of it."""
    key = idempotency_key(request)
    return written(await ledger(request).void(account, key=key, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/clawbacks",
    status_code=201,
    openapi_extra=needs("admin") | KEYED,
    response_model=Entry,
    responses=refusals(*_TAKEN),
)
async def clawback(request: Request, account: AccountId, asked: Clawback) -> Exact:
    """Takes back credits that came as this lot. What is unused goes at once, what is held when its hold ends."""
    key = idempotency_key(request)
    return written(await ledger(request).clawback(account, key=key, **asked.arguments(request)))
