"""Transfers: credits move to another account."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import needs
from farthing.http.entries import Entry
from farthing.http.fields import WRITES, AccountId, CreditType, Said
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router, written
from farthing.http.wire import Amount, Exact

routes = router("Transfers")


class Transfer(Said):
    """Credits to move."""

    to: str = Field(description="An account that exists.", examples=["bob"])
    credit_type: CreditType
    amount: Amount


@routes.post(
    "/accounts/{account}/transfers",
    status_code=201,
    openapi_extra=needs("admin") | KEYED,
    response_model=Entry,
    responses=refusals(
        *(errors.InsufficientCredits, errors.AccountFrozen, errors.NotFound, errors.BalanceTooLarge),
        *(errors.InvalidAmount, errors.UnknownCreditType, *WRITES),
    ),
)
async def transfer(request: Request, account: AccountId, asked: Transfer) -> Exact:
    """Moves available credits to another account, in burn order; they keep their expiry, priority and cost.

    The key is one of the account that gives, and so is the entry that is answered.
    """
    key = idempotency_key(request)
    return written(await ledger(request).transfer(account, key=key, **asked.arguments(request)))
