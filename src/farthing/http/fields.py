"""What the bodies and paths of many routes say, each in one way."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from pydantic import Field
from starlette.requests import Request

from farthing import errors
from farthing.http.route import actor
from farthing.http.wire import Amount, Body, Instant, Metadata

AccountId = Annotated[
    str,
    Path(
        description="The account's id, as the application chose it: 1–128 bytes of UTF-8, percent-encoded, "
        "without '/'. It is kept and compared byte by byte.",
        examples=["ada"],
    ),
]
CreditType = Annotated[str, Field(description="The code of a credit type of the catalog.", examples=["images"])]
Reason = Annotated[str | None, Field(description="An operator's words; not for customers. At most 1,000 bytes.")]
Actor = Annotated[str | None, Field(description="Who does it. Left out: the API key.", examples=["support:grace"])]
Facts = Annotated[Metadata | None, Field(description="Any JSON object, at most 8 KiB.", examples=[{"prompt": "a fox"}])]
Occurred = Annotated[Instant | None, Field(description="When it happened for you; kept, never decides.")]
ReturnUrl = Annotated[str | None, Field(description="Where the customer comes back to.")]

WRITES = (
    *(errors.InvalidAccount, errors.InvalidKey, errors.InvalidField, errors.KeyReused, errors.AccountMerged),
    errors.Unavailable,
)
"""What any write may be told."""


class Act(Body):
    """Why, and who does it."""

    reason: Reason = None
    actor: Actor = None

    def arguments(self, request: Request) -> dict[str, Any]:
        """What the verb is called with, beside the account and the key."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        said = {name: value for name, value in given.items() if value is not None}
        return said | {"actor": actor(request, self.actor)}


class Said(Act):
    """What every change of an account's credits may say."""

    metadata: Facts = None


class Change(Said):
    """What every change of a balance may say."""

    credit_type: CreditType
    amount: Amount
    occurred_at: Occurred = None
