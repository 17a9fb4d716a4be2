"""What went wrong, as RFC 9457 problems; the statuses of errors stand in farthing/statuses.py.

A problem's `code` is stable, `type` is its name as a URN, `detail` says what happened and what to do, and the facts
of the error (required, available, …) stand beside them. Answers of 500 and above say nothing of what is inside.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope

from farthing.errors import FarthingError
from farthing.http.wire import Exact
from farthing.statuses import status_of, title_of

log = logging.getLogger("farthing")

HTTP_ONLY = {
    "invalid_json": (400, "The body is not JSON that can be read exactly"),
    "idempotency_key_missing": (400, "A write needs an Idempotency-Key"),
    "bad_request": (400, "The request cannot be understood"),
    "api_key_missing": (401, "No API key was given"),
    "api_key_invalid": (401, "The API key is unknown or revoked"),
    "api_key_wrong_mode": (401, "The API key is of the other mode, test or live"),
    "scope_missing": (403, "The API key may not do this"),
    "not_found": (404, "What was asked for does not exist"),
    "method_not_allowed": (405, "There is no such method here"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body is not declared as JSON"),
    "invalid_request": (422, "The request does not say what is needed"),
    "internal": (500, "Something went wrong inside"),
}
"""Codes that only HTTP has: status and title."""

_BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_OWN_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


class Problem(HTTPException):
    """What can only go wrong over HTTP, by its code in `HTTP_ONLY`."""

    def __init__(self, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(HTTP_ONLY[code][0], detail, headers)
        self.code = code
        self.facts = facts


def answer(
    scope: Scope,
    code: str,
    status: int,
    title: str,
    detail: str,
    *,
    facts: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Exact:
    """One problem as a response."""
    body = problem(scope, code, status, title, detail, facts=facts)
    return Exact(body, status, dict(headers or {}), "application/problem+json")


def problem(
    scope: Scope, code: str, status: int, title: str, detail: str, *, facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One problem by its members."""
    body = {
        "type": f"urn:farthing:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": scope.get("farthing.request_id"),
    }
    return body | {name: value for name, value in (facts or {}).items() if name not in _OWN_MEMBERS}


def told(scope: Scope, error: FarthingError) -> dict[str, Any]:
    """An error of Farthing's own as a problem; what lies inside goes to the log alone."""
    status, title = status_of(type(error)), title_of(type(error))
    if status < 500:
        return problem(scope, error.code, status, title, error.message, facts=error.facts)
    log.error("request %s: %s", scope.get("farthing.request_id"), error, exc_info=error)
    return problem(scope, error.code, status, title, f"{title}.")


async def refused(request: Request, error: Exception) -> Exact:
    """The answer to an error of Farthing's own."""
    assert isinstance(error, FarthingError)
    body = told(request.scope, error)
    headers = {"Retry-After": "1"} if body["status"] == 503 else {}
    return Exact(body, body["status"], headers, "application/problem+json")


async def stopped(request: Request, error: Exception) -> Exact:
    """The answer to what HTTP itself refuses."""
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        code, detail, facts = error.code, error.detail, error.facts
    else:
        code, facts = _BY_STATUS.get(error.status_code, "bad_request"), {}
        detail = f"{HTTP_ONLY[code][1]}: {request.method} {ascii(request.url.path)[1:-1]}."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return answer(request.scope, code, error.status_code, HTTP_ONLY[code][1], detail, facts=facts, headers=headers)


async def misread(request: Request, error: Exception) -> Exact:
    """The answer to a body or a query that does not have the shape it should: every mistake with its path."""
    assert isinstance(error, RequestValidationError)
    mistakes = [{"path": _path(one["loc"]), "message": _words(one)} for one in error.errors()]
    [first, *more] = [one.get("ctx", {}).get("error") for one in error.errors()]
    if isinstance(first, FarthingError) and not more:
        kind = type(first)
        facts = first.facts | {"errors": mistakes}
        return answer(request.scope, first.code, status_of(kind), title_of(kind), first.message, facts=facts)
    detail = "; ".join(f"{one['path']}: {one['message']}" for one in mistakes[:5])
    status, title = HTTP_ONLY["invalid_request"]
    return answer(
        request.scope, "invalid_request", status, title, f"{detail}. Nothing was changed.", facts={"errors": mistakes}
    )


def broken(scope: Scope) -> Exact:
    """The answer when nothing else has one. The log has the traceback, under the request's id."""
    status, title = HTTP_ONLY["internal"]
    detail = "The error was logged under this request's id. Making the same call with the same key again is safe."
    return answer(scope, "internal", status, title, detail)


def _methods(request: Request) -> list[str]:
    """What may be asked of this path, over all routes that share it (RFC 9110, 10.2.1)."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    found: set[str] = set()
    for one in iter_route_contexts(request.app.routes):
        if one.path_regex.match(path):
            found |= one.methods or set()
    return sorted(found)


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(ascii(part)[1:-1] if isinstance(part, str) else str(part) for part in loc)


def _words(mistake: Mapping[str, Any]) -> str:
    known = {"extra_forbidden": "there is no such field", "missing": "it is missing"}
    return known.get(mistake["type"]) or str(mistake["msg"]).removeprefix("Value error, ").rstrip(".")
