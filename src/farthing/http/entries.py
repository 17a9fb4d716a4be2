"""Entries: an account's ledger, page by page, or all of it as CSV."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import StreamingResponse

from farthing import errors
from farthing.core.book import KINDS, SOURCES
from farthing.http.auth import needs
from farthing.http.fields import AccountId
from farthing.http.route import ledger, refusals, router
from farthing.http.wire import Body, Exact, Instant, Number, Time
from farthing.ledger.history import MAX_PAGE
from farthing.ledger.wanted import MAX_SEARCH, Sort

routes = router("Accounts")


class Drawn(BaseModel):
    """Credits that an entry took out of one lot."""

    lot: str
    amount: Number


class Entry(BaseModel):
    """One immutable line of the ledger. Totals are those of its wallet after it."""

    id: str
    account: str
    credit_type: str
    seq: int = Field(description="Number in the wallet, from 1, without gaps.")
    kind: str = Field(description="What happened: grant, deduct, expire, repay, …")
    amount: Number = Field(description="Change of posted: positive for a grant, negative for a deduction.")
    held_change: Number = Field(description="Change of held: positive for a hold, negative for its end.")
    posted: Number
    held: Number
    pending: Number
    available: Number
    draws: list[Drawn] = Field(description="Which lots gave how much, in the order drawn.")
    lot: str | None = Field(description="The lot this entry made.")
    expires_at: Time | None = Field(description="When that lot expires or a hold lapses; null is never, or neither.")
    source: str | None = Field(description="Why the credits exist.")
    key: str | None = Field(description="The Idempotency-Key it was made with.")
    link: str | None = Field(description="What it belongs to: an order, a hold, another entry, another account.")
    operation: str | None = Field(description="What the credits were used for.")
    reason: str | None = Field(description="An operator's words; not for customers.")
    actor: str | None = Field(description="Who did it.")
    metadata: dict[str, Any] | None
    catalog_version: str | None
    effective_at: Time = Field(description="When it counts.")
    recorded_at: Time = Field(description="When it was written.")
    occurred_at: Time | None = Field(description="When the caller says it happened.")


class Entries(BaseModel):
    """Part of the history."""

    data: list[Entry]
    has_more: bool
    next_cursor: str | None = Field(description="Send it as `cursor` for the rest.")


class Filter(Body):
    """Which part of the history, and in which order."""

    credit_type: str | None = Field(default=None, description="Only this one; left out: all.")
    kind: list[str] = Field(
        default=[], description=f"Only these, repeated for several: {', '.join(KINDS)}.", examples=[["deduct"]]
    )
    source: list[str] = Field(
        default=[], description=f"Only what made lots so: {', '.join(SOURCES)}.", examples=[["purchase", "bonus"]]
    )
    since: Instant | None = Field(default=None, description="Recorded then or later.")
    until: Instant | None = Field(default=None, description="Recorded before then.")
    search: str | None = Field(
        default=None,
        description="Stands in the key, the operation or the link, as it is; A to Z also as a to z. "
        f"At most {MAX_SEARCH} bytes.",
    )
    sort: Sort = Field(
        default="newest",
        description="By `recorded_at`, or by credits moved: the amount without its sign, or what was held or freed.",
    )

    def arguments(self) -> dict[str, Any]:
        """As the credits take them."""
        return {
            "kinds": self.kind, "sources": self.source, "since": self.since, "until": self.until,
            "search": self.search, "sort": self.sort,
        }  # fmt: skip


class EntriesAsked(Filter):
    """Which part of the history, page by page."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(
        default=None,
        description="`next_cursor` of the page before, with the same filters and sort. "
        "All pages together are what there was when the first was asked for.",
    )


_WRONG = refusals(errors.InvalidAccount, errors.UnknownCreditType, errors.InvalidField)
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "The header, then a line for each entry.", "content": {"text/csv": {}}}
}


@routes.get(
    "/accounts/{account}/entries",
    openapi_extra=needs("read"),
    response_model=Entries,
    responses=_WRONG,
)
async def show_entries(request: Request, account: AccountId, asked: Annotated[EntriesAsked, Query()]) -> Exact:
    """The account's ledger, newest first where nothing else is asked, page by page."""
    page = await ledger(request).history(
        account, asked.credit_type, limit=asked.limit, cursor=asked.cursor, **asked.arguments()
    )
    lines = [line.as_dict() for line in page.data]
    return Exact({"data": lines, "has_more": page.has_more, "next_cursor": page.next_cursor})


@routes.get(
    "/accounts/{account}/entries.csv",
    openapi_extra=needs("read"),
    response_class=StreamingResponse,
    responses=_CSV | _WRONG,
)
async def export_entries(request: Request, account: AccountId, asked: Annotated[Filter, Query()]) -> StreamingResponse:
    """The account's ledger as CSV, however long it is: one consistent view of it, header first.

    Reason, actor and metadata are not in it, so that it may be given to the customer.
    """
    blocks = ledger(request).export_history(account, asked.credit_type, **asked.arguments())
    return StreamingResponse(blocks, media_type="text/csv")
