"""Webhooks: what payment providers tell us."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing import errors
from farthing.http.auth import PUBLIC
from farthing.http.route import ledger, refusals, router
from farthing.http.wire import Exact

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
    """Takes an event of a payment provider in. Its signature is its key: where that is bad, nothing is stored."""
    taken = await ledger(request).receive(provider, dict(request.headers), await request.body())
    return Exact({"received": True, "duplicate": taken.duplicate})
