"""Charges and estimates: credits by what was used, as the operation's rate card prices it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema
from starlette.requests import Request

from farthing import errors
from farthing.amounts import text
from farthing.core.rates import require_names
from farthing.http.auth import needs
from farthing.http.entries import Entry
from farthing.http.fields import WRITES, AccountId, Occurred, Said
from farthing.http.route import KEYED, idempotency_key, ledger, refusals, router, written
from farthing.http.wire import Amount, Body, Exact, Number

routes = router("Charges")

Exactly = Annotated[
    Decimal, WithJsonSchema({"type": "string", "description": "An exact decimal, of any length.", "examples": ["0.75"]})
]


class Usage(Body):
    """What was used of an operation."""

    operation: str = Field(description="The code of a rate card of the catalog.", examples=["chat"])
    measures: dict[str, Amount] = Field(
        default={},
        description="How much of each measure that the card prices: numbers, 0 or more.",
        examples=[{"input_tokens": 374, "output_tokens": 44}],
    )
    dimensions: dict[str, str] = Field(
        default={}, description="What the card's prices differ by.", examples=[{"model": "deep"}]
    )

    def priced_by(self, request: Request) -> dict[str, Any]:
        """What the verb is called with.

        Raises:
            UnknownOperation: there is no such rate card. InvalidField: it has no measure or dimension called so.
        """
        card = ledger(request).credits.catalog.operation(self.operation)
        require_names(card, self.measures, self.dimensions)
        return {"operation": self.operation, "measures": self.measures, **self.dimensions}


class Charge(Said, Usage):
    """What was used, to be paid for in credits."""

    occurred_at: Occurred = None

    def arguments(self, request: Request) -> dict[str, Any]:
        """As the rate card takes them: each dimension by its name."""
        said = super().arguments(request)
        return {name: said[name] for name in said if name != "dimensions"} | self.priced_by(request)


class EstimatedLine(BaseModel):
    """One line of the working. The totals of all lines add up to the amount."""

    kind: str = Field(description="measure, flat, rounding or minimum")
    measure: str | None
    used: Exactly | None
    price: Exactly | None = Field(description="Credits for every `per`.")
    per: int | None
    total: Exactly = Field(description="Credits, to 12 decimals where decimals cannot say it.")


class Estimate(BaseModel):
    """What a charge would cost, line by line."""

    operation: str
    credit_type: str
    dimensions: dict[str, str]
    amount: Number = Field(description="Credits; may be 0, which cannot be charged.")
    lines: list[EstimatedLine]
    rounding: str = Field(description="up, half_up or down")
    catalog_version: str


NOT_PRICED = (errors.NoRate, errors.UnknownOperation, errors.InvalidAmount, errors.InvalidField)


@routes.post(
    "/accounts/{account}/charges",
    status_code=201,
    openapi_extra=needs("spend") | KEYED,
    response_model=Entry,
    responses=refusals(
        *(errors.InsufficientCredits, errors.AccountFrozen, errors.NothingToCharge, *NOT_PRICED), *WRITES
    ),
)
async def charge(request: Request, account: AccountId, asked: Charge) -> Exact:
    """Uses up what an operation costs, like a deduction.

    The key stands for operation, measures and dimensions: a retry answers the first entry, whatever the card says then.
    """
    key = idempotency_key(request)
    return written(await ledger(request).charge(account, key=key, **asked.arguments(request)))


@routes.post("/estimates", openapi_extra=needs("read"), response_model=Estimate, responses=refusals(*NOT_PRICED))
async def estimate(request: Request, asked: Usage) -> Exact:
    """What a charge would cost now, line by line. It changes nothing, and needs no account."""
    answer = await ledger(request).estimate(**asked.priced_by(request))
    return Exact(answer._asdict() | {"lines": [_line(line._asdict()) for line in answer.lines]})


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {name: text(value) if isinstance(value, Decimal) else value for name, value in line.items()}
