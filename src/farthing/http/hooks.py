"""Webhooks: what payment providers tell us."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import BaseModel, Field
from starlette.background import BackgroundTask
from starlette.requests import Request

from farthing import errors
from farthing.awaiting import AsyncCredits
from farthing.errors import FarthingError
from farthing.http.auth import PUBLIC
from farthing.http.route import ledger, refusals, router
from farthing.http.wire import Exact
from farthing.selling.inbox import Stored

log = logging.getLogger("farthing")

routes = router("Webhooks")

_RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The provider's event, byte by byte as it was signed; at most 1 MiB.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class Taken(BaseModel):
    """The event is stored and needs not be sent again."""

    received: bool
    duplicate: bool = Field(description="It was stored before.")


@routes.post(
    "/webhooks/{provider}",
    openapi_extra=PUBLIC | _RAW,
    response_model=Taken,
    responses=refusals(errors.BadSignature, errors.UnknownProvider, errors.BodyTooLarge, errors.Unavailable),
)
async def receive(request: Request, provider: str) -> Exact:
    """Takes an event of a payment provider in. Its signature is its key: where that is bad, nothing is stored.

    It is stored before the answer, and handled after it: a provider waits for nothing.
    """
    credits = ledger(request)
    stored = await credits.store_event(provider, dict(request.headers), await request.body())
    answer = Exact({"received": True, "duplicate": stored.duplicate})
    if stored.waits:
        answer.background = BackgroundTask(_handle, credits, stored)
    return answer


async def _handle(credits: AsyncCredits, stored: Stored) -> None:
    """What goes wrong here is nobody's answer any more; the job tries the event again."""
    try:
        await credits.handle_event(stored)
    except FarthingError as error:
        log.warning("the event %s of %s waits for the job: %r", stored.event, stored.provider, error)
