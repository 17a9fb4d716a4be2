"""What stands around every request: its id, bounds on what it sends, the headers of its answer, and a last resort."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from farthing.http.problems import HTTP_ONLY, Problem, answer, broken
from farthing.http.wire import Exact

log = logging.getLogger("farthing")

MAX_BODY_BYTES = 2**20
_SANE_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,100}")
_SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Frame:
    """ASGI middleware; the outermost, so that no answer leaves without its id and no error with its insides."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["farthing.request_id"] = request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _complete(message, request_id)
            await send(message)

        try:
            wrong = _wrong_path(scope) or _wrong_size(scope)
            await (wrong or self.app)(scope, _bounded(receive), framed)
        except Exception:
            log.exception("request %s failed: %s %s", request_id, scope["method"], ascii(scope["path"]))
            if started:
                raise
            await broken(scope)(scope, receive, framed)


def _request_id(given: str) -> str:
    return given if _SANE_ID.fullmatch(given) else f"req_{uuid7().hex}"


def _complete(message: MutableMapping[str, Any], request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    headers["x-request-id"] = request_id
    for name, value in _SAFE.items():
        headers.setdefault(name, value)


def _wrong_path(scope: Scope) -> Exact | None:
    """Ids hold no slash: an encoded one must not be read as the border of a segment, which is what servers do."""
    raw: bytes = scope.get("raw_path") or b""
    parts = [unquote_to_bytes(segment) for segment in raw.partition(b"?")[0].split(b"/")]
    try:
        b"/".join(parts).decode()
    except UnicodeDecodeError:
        return _refusal(scope, "not_found", "The path is not percent-encoded UTF-8. Nothing was changed.")
    if any(b"/" in part for part in parts):
        return _refusal(scope, "not_found", "No id contains '/', encoded or not. Nothing was changed.")
    return None


def _wrong_size(scope: Scope) -> Exact | None:
    declared = Headers(scope=scope).get("content-length", "0")
    return _too_large(scope) if declared.isdecimal() and int(declared[:20]) > MAX_BODY_BYTES else None


def _too_large(scope: Scope) -> Exact:
    return _refusal(scope, "body_too_large", f"A body has at most {MAX_BODY_BYTES} bytes. Nothing was changed.")


def _refusal(scope: Scope, code: str, detail: str) -> Exact:
    status, title = HTTP_ONLY[code]
    return answer(scope, code, status, title, detail)


def _bounded(receive: Receive) -> Receive:
    """`receive`, which stops when a body that did not declare its length grows too large."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY_BYTES:
            raise Problem("body_too_large", f"A body has at most {MAX_BODY_BYTES} bytes. Nothing was changed.")
        return message

    return bounded
