"""What every route does before its own work: let in who may, and read JSON exactly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute, APIRouter
from starlette.requests import Request
from starlette.responses import Response

from farthing.awaiting import AsyncCredits
from farthing.core.checks import MAX_KEY_BYTES
from farthing.errors import FarthingError
from farthing.http import wire
from farthing.http.auth import admit, scope_of
from farthing.http.problems import Problem
from farthing.statuses import status_of, title_of
from farthing.views import Receipt

KEYED = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES},
            "description": "Names this wish in its account, for ever. The same call with the same key again answers "
            "the first result, marked `Idempotent-Replayed: true`; a key that stands for something else is refused. "
            "A refused call uses up no key.",
            "example": "render:17",
        }
    ]
}
"""Said by a route that writes, beside who may call it; it reads its key with `idempotency_key`."""


class ExactRequest(Request):
    """A request whose JSON is read exactly."""

    async def json(self) -> Any:
        try:
            return wire.read(await self.body())
        except wire.Unreadable as error:
            raise Problem("invalid_json", f"The body cannot be read: {error}. Nothing was changed.") from None


class Route(APIRoute):
    """A route of the API. It cannot be made without saying who may call it."""

    def __init__(self, *args: Any, openapi_extra: dict[str, Any] | None = None, **options: Any) -> None:
        self._scope = scope_of(openapi_extra)
        super().__init__(*args, openapi_extra=openapi_extra, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            request.state.api_key = await admit(request, self._scope) if self._scope else None
            if self.body_field is not None and _has_body(request):
                _require_json(request)
            return await handle(ExactRequest(request.scope, request.receive))

        return answer


def router(tag: str) -> APIRouter:
    """Routes of one kind; each must say who may call it."""
    return APIRouter(route_class=Route, tags=[tag])


def ledger(request: Request) -> AsyncCredits:
    """The credits that this API stands on."""
    return request.app.state.credits


def actor(request: Request, said: str | None) -> str:
    """Who does it: as the caller says, else the API key."""
    return said or f"api_key:{request.state.api_key.id}"


def idempotency_key(request: Request) -> str:
    """The key that a write must carry, as UTF-8.

    Raises:
        Problem: there is none, or more than one.
    """
    given = request.headers.getlist("idempotency-key")
    if len(given) != 1 or not given[0]:
        raise Problem(
            "idempotency_key_missing",
            "Send one Idempotency-Key header, a string that names this wish in its account, so that a repeated call "
            "is carried out once. Nothing was changed.",
        )
    return given[0].encode("latin-1").decode("utf-8", "surrogateescape")


def written(receipt: Receipt, **more: Any) -> wire.Exact:
    """The answer to a write: its entry, what `more` says of it, and whether an earlier call had made it."""
    entry = receipt.as_dict() | more
    return done(entry, replayed=entry.pop("replayed"), status=201)


def done(answer: Any, *, replayed: bool, status: int = 200) -> wire.Exact:
    """The answer to a call that changed something, marked where an earlier call with the same key had done it."""
    return wire.Exact(answer, status, {"Idempotent-Replayed": "true"} if replayed else {})


def refusals(*kinds: type[FarthingError]) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer, for OpenAPI: one line for each status with the codes it may have."""
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), []).append(f"`{kind.code}`: {title_of(kind)}.")
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    listed: dict[int | str, dict[str, Any]] = {
        status: {"description": " ".join(words), "content": problem} for status, words in sorted(by_status.items())
    }
    return listed | {"default": {"description": "Any other problem.", "content": problem}}


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _require_json(request: Request) -> None:
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json":
        raise Problem(
            "unsupported_media_type",
            f"The body must be JSON and say so: `Content-Type: application/json`, not {declared!a}. "
            "Nothing was changed.",
        )
