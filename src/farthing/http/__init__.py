"""The HTTP API, under /v1."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from farthing.awaiting import AsyncCredits
from farthing.credits import Credits
from farthing.errors import FarthingError
from farthing.http import (
    accounts,
    auth,
    batches,
    billings,
    cards,
    charges,
    corrections,
    entries,
    explain,
    holds,
    hooks,
    orders,
    plans,
    problems,
    selling,
    shop,
    spending,
    topups,
    transfers,
)
from farthing.http.frame import Frame
from farthing.keys import Keyring

__all__ = ["app", "document"]

_ABOUT = """Prepaid credits: give, check, use up, sell.

Amounts are JSON numbers of at most 15 significant digits; read them exactly, as most JSON readers do. Strings of digits
are taken as well. Times are RFC 3339 in UTC. Every write carries an `Idempotency-Key`, or says why it needs none.
Whatever goes wrong is a problem (RFC 9457) with a stable `code`, and the facts of the refusal beside it; quote its
`request_id` when you ask for help. Lists are pages: `{data, has_more, next_cursor}`, or whole: `{data}`."""

_PROBLEM = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). Depending on `code` there are more members: `required`, "
    "`available` and `shortfall`, or `errors` with the path of each mistake.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:farthing:problem: and the code."},
        "title": {"type": "string", "description": "What the code means."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, what it means for the data, what to do."},
        "code": {"type": "string", "description": "Stable; decide by this."},
        "request_id": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
                "required": ["path", "message"],
            },
        },
    },
    "examples": [
        {
            "type": "urn:farthing:problem:insufficient_credits",
            "title": "The account has fewer credits than this needs",
            "status": 402,
            "detail": "ada has 4 images available and this needs 5: 1 short. Nothing was changed.",
            "code": "insufficient_credits",
            "request_id": "req_0199a3c2b7f17c8e9d5f1c2a3b4d5e6f",
            "account": "ada",
            "credit_type": "images",
            "required": 5,
            "available": 4,
            "shortfall": 1,
        }
    ],
}


_GROUPS = (
    *(accounts, entries, explain, spending, charges, holds, corrections, transfers, batches),
    *(plans, shop, selling, orders, billings, topups, cards, hooks),
)


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        parts = described.setdefault("components", {})
        parts["securitySchemes"] = {auth.SCHEME: auth.SECURITY_SCHEME}
        parts.setdefault("schemas", {})["Problem"] = _PROBLEM
        return described


def app(credits: AsyncCredits | Credits) -> FastAPI:
    """The API over `credits`, as an ASGI application with its paths under /v1. It does not close what it was given."""
    awaiting = credits if isinstance(credits, AsyncCredits) else AsyncCredits(credits)
    api = _described()
    api.state.credits = awaiting
    api.state.keyring = Keyring(awaiting.credits)
    api.state.noting = set()
    return api


def document() -> str:
    """The API's OpenAPI 3.1 description, as docs/openapi.json has it."""
    return json.dumps(_described().openapi(), indent=2, ensure_ascii=False) + "\n"


def _described() -> FastAPI:
    api = _Api(
        title="Farthing",
        summary="Prepaid credits over HTTP.",
        description=_ABOUT,
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        middleware=[Middleware(Frame)],
        exception_handlers={
            FarthingError: problems.refused,
            HTTPException: problems.stopped,
            RequestValidationError: problems.misread,
        },
    )
    for group in _GROUPS:
        api.include_router(group.routes, prefix="/v1")
    return api
