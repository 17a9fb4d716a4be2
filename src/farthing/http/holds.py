"""Holds: credits set aside for work that is not finished, then captured, released or extended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.errors import InvalidField
from farthing.http.auth import needs
from farthing.http.charges import NOT_PRICED, Usage
from farthing.http.entries import Entry
from farthing.http.fields import WRITES, AccountId, CreditType, Occurred, Said
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router, written
from farthing.http.wire import Amount, Body, Exact, Expires, Number, Time
from farthing.ledger.commands import DEFAULT

routes = router("Holds")

ByUsage = Annotated[
    Usage | None,
    Field(description="Instead of an amount: what was used, or the most that will be, priced by its rate card."),
]


class Hold(BaseModel):
    """Credits set aside."""

    id: str
    credit_type: str
    amount: Number
    held_at: Time
    expires_at: Time | None = Field(description="When it lapses by itself.")
    on_late: str = Field(description="What a capture after that does: refuse or charge.")


class Holds(BaseModel):
    """Open holds, oldest first; those that lapsed are not among them."""

    data: list[Hold]


class HoldsAsked(Body):
    """Which holds."""

    credit_type: str | None = Field(default=None, description="Only of this one; left out: all.")


class Held(Entry):
    """The entry that a hold made."""

    hold: str = Field(description="The hold's id, by which it is captured, released or extended.")


class HoldAsked(Said):
    """Credits to set aside: an amount of a credit type, or what usage would cost."""

    credit_type: CreditType | None = None
    amount: Amount | None = None
    usage: ByUsage = None
    expires: Expires = None
    on_late: Literal["refuse", "charge"] = Field(
        default="refuse", description="A capture after it lapsed is refused, or charged like a deduction."
    )
    operation: str | None = Field(default=None, description="What they are for; of usage, its own.")
    occurred_at: Occurred = None

    @property
    def by(self) -> str:
        """The verb that does it."""
        return "hold_for" if self.usage else "hold"

    def arguments(self, request: Request) -> dict[str, Any]:
        """For the verb `by`.

        Raises:
            InvalidField: neither an amount nor usage is said, or both.
        """
        plain = [self.credit_type, self.amount]
        if self.usage is None and None in plain:
            raise InvalidField(f"Say credit_type and amount, or usage. {_UNCHANGED}", field="amount")
        if self.usage is not None and [*plain, self.operation] != [None] * 3:
            raise InvalidField(f"usage says what is held: leave amount and operation out. {_UNCHANGED}", field="usage")
        return _by_usage(super().arguments(request), self.usage, request)


class Capture(Said):
    """How much of a hold is used up."""

    amount: Amount | None = Field(default=None, description="Left out: all that was held.")
    usage: ByUsage = None
    operation: str | None = Field(default=None, description="What they were used for; of usage, its own.")

    @property
    def by(self) -> str:
        """The verb that does it."""
        return "capture_for" if self.usage else "capture"

    def arguments(self, request: Request) -> dict[str, Any]:
        """For the verb `by`.

        Raises:
            InvalidField: an amount or an operation is said beside usage.
        """
        if self.usage is not None and (self.amount, self.operation) != (None, None):
            raise InvalidField(f"usage says what is used: leave amount and operation out. {_UNCHANGED}", field="usage")
        return _by_usage(super().arguments(request), self.usage, request)


class Extension(Said):
    """Another deadline."""

    expires: Expires = Field(
        default=None, description="A duration from now on, or an instant. Left out: as long as the type's holds last."
    )

    def arguments(self, request: Request) -> dict[str, Any]:
        """With the default said."""
        return {"expires": DEFAULT} | super().arguments(request)


_UNCHANGED = "Nothing was changed."
_ENDED = (errors.HoldEnded, errors.NotFound, errors.InvalidAmount, errors.UnknownCreditType)


@routes.get(
    "/accounts/{account}/holds",
    openapi_extra=needs("read"),
    response_model=Holds,
    responses=refusals(errors.InvalidAccount, errors.UnknownCreditType),
)
async def show_holds(request: Request, account: AccountId, asked: Annotated[HoldsAsked, Query()]) -> Exact:
    """The account's open holds, oldest first."""
    found = await ledger(request).holds(account, asked.credit_type)
    return Exact({"data": [one._asdict() for one in found]})


@routes.post(
    "/accounts/{account}/holds",
    status_code=201,
    openapi_extra=needs("spend") | KEYED,
    response_model=Held,
    responses=refusals(
        *(errors.InsufficientCredits, errors.AccountFrozen, errors.HoldTooLong, errors.InvalidExpiry),
        *(errors.UnknownCreditType, errors.NothingToCharge, *NOT_PRICED, *WRITES),
    ),
)
async def hold(request: Request, account: AccountId, asked: HoldAsked) -> Exact:
    """Sets credits aside until they are captured or released, or the hold lapses: exactly one of these."""
    key, credits = idempotency_key(request), ledger(request)
    set_aside = credits.hold_for if asked.usage else credits.hold
    held = await set_aside(account, key=key, **asked.arguments(request))
    return written(held.receipt, hold=held.id)


@routes.post(
    "/accounts/{account}/holds/{hold}/capture",
    status_code=201,
    openapi_extra=needs("spend"),
    response_model=Entry,
    responses=refusals(
        *(*_ENDED, errors.CaptureTooLarge, errors.InsufficientCredits, errors.NothingToCharge, *NOT_PRICED),
        *(errors.InvalidAccount, errors.InvalidField, errors.Unavailable),
    ),
)
async def capture(request: Request, account: AccountId, hold: str, asked: Capture | None = None) -> Exact:
    """Uses up what a hold kept and ends it; the rest of it is available again.

    A hold ends once, so it needs no key: the same capture again is a replay, and any other end of it is refused.
    """
    asked = asked or Capture()
    credits = ledger(request)
    use_up = credits.capture_for if asked.usage else credits.capture
    return written(await use_up(account, hold, **asked.arguments(request)))


@routes.post(
    "/accounts/{account}/holds/{hold}/release",
    status_code=201,
    openapi_extra=needs("spend"),
    response_model=Entry,
    responses=refusals(*_ENDED, errors.InvalidAccount, errors.InvalidField, errors.Unavailable),
)
async def release(request: Request, account: AccountId, hold: str, asked: Said | None = None) -> Exact:
    """Ends a hold and lets its credits be available again.

    A hold ends once, so it needs no key: the same release again is a replay.
    """
    said = (asked or Said()).arguments(request)
    return written(await ledger(request).release(account, hold, **said))


@routes.post(
    "/accounts/{account}/holds/{hold}/extend",
    status_code=201,
    openapi_extra=needs("spend") | KEYED,
    response_model=Entry,
    responses=refusals(*_ENDED, errors.HoldTooLong, errors.InvalidExpiry, *WRITES),
)
async def extend(request: Request, account: AccountId, hold: str, asked: Extension | None = None) -> Exact:
    """Gives a hold another deadline."""
    key, said = idempotency_key(request), (asked or Extension()).arguments(request)
    return written(await ledger(request).extend(account, hold, key=key, **said))


def _by_usage(said: dict[str, Any], usage: Usage | None, request: Request) -> dict[str, Any]:
    priced = usage.priced_by(request) if usage else {}
    return {name: value for name, value in said.items() if name != "usage"} | priced
