"""Saved cards: which one a provider keeps, where the customer leaves one, and forgetting it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.errors import NotFound
from farthing.http.auth import needs
from farthing.http.fields import WRITES, AccountId, Act, ReturnUrl
from farthing.http.route import KEYED, done, idempotency_key, ledger, refusals, router
from farthing.http.wire import Body, Exact, Time

routes = router("Cards")


class Card(BaseModel):
    """The card that a provider keeps of the account."""

    account: str
    provider: str
    label: str | None = Field(description="For people. Null: the provider says nothing of it.", examples=["visa 4242"])
    saved_at: Time


class CardPage(BaseModel):
    """Where the customer leaves a card."""

    reference: str = Field(description="As the provider calls it.")
    url: str | None = Field(description="Send the customer there. Null: it is left in a form.")
    client_secret: str | None = Field(
        description="For the provider's form, in the customer's browser alone: keep it out of addresses and logs."
    )
    publishable_key: str | None = Field(description="For the provider's form.")


class CardAsked(Body):
    """How the customer leaves a card."""

    return_url: ReturnUrl = None
    form: bool = Field(default=False, description="In the provider's form on a page of yours, not on its page.")


class Forgotten(BaseModel):
    """The card is not kept here any more."""

    account: str
    provider: str


@routes.get(
    "/accounts/{account}/cards/{provider}",
    openapi_extra=needs("read"),
    response_model=Card,
    responses=refusals(errors.NotFound, errors.InvalidAccount, errors.InvalidField),
)
async def show_card(request: Request, account: AccountId, provider: str) -> Exact:
    """The card that the provider keeps of the account, if it keeps one."""
    found = await ledger(request).card(account, provider)
    if found is None:
        raise NotFound(f"{provider} keeps no card of {account}.")
    return Exact(found._asdict())


@routes.post(
    "/accounts/{account}/cards/{provider}",
    status_code=201,
    openapi_extra=needs("sell") | KEYED,
    response_model=CardPage,
    responses=refusals(errors.UnknownProvider, errors.SwitchedOff, errors.ProviderUnavailable, *WRITES),
)
async def ask_card(request: Request, account: AccountId, provider: str, asked: CardAsked | None = None) -> Exact:
    """Where the customer leaves a card and pays nothing. The provider's webhook then says which card it is.

    The provider keeps the key: the same call again answers the same page, and is not marked as a replay.
    """
    key, how = idempotency_key(request), asked or CardAsked()
    page = await ledger(request).ask_card(account, provider, key=key, return_url=how.return_url, form=how.form)
    return Exact(page._asdict(), 201)


@routes.delete(
    "/accounts/{account}/cards/{provider}",
    openapi_extra=needs("sell") | KEYED,
    response_model=Forgotten,
    responses=refusals(*WRITES),
)
async def forget_card(request: Request, account: AccountId, provider: str, asked: Annotated[Act, Query()]) -> Exact:
    """Forgets the account's card: it is charged no more, unless that has begun. Auto top-ups that need it pause.

    At the provider it may still be kept.
    """
    key, said = idempotency_key(request), asked.arguments(request)
    replayed = await ledger(request).forget_card(account, provider, key=key, **said)
    return done({"account": account, "provider": provider}, replayed=replayed)
