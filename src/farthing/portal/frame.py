"""What stands around every answer: the headers that keep it private and harmless, and a last resort."""

from __future__ import annotations

import logging
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farthing.portal.forms import ROOT
from farthing.portal.visit import STATIC, Portal

log = logging.getLogger("farthing")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
)
# The one page with foreign script: its provider's form comes from there, and must.
# https://docs.stripe.com/security/guide#content-security-policy
PAYMENT_FORM_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self' https://js.stripe.com https://*.js.stripe.com; "
    "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com; "
    "img-src 'self' https://*.stripe.com; connect-src 'self' https://api.stripe.com; "
    "base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
)
SAFE = {
    "cache-control": "no-store",
    "content-security-policy": CONTENT_SECURITY_POLICY.format(forms="'self'"),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Frame:
    """ASGI middleware: no answer leaves without these headers, and no error with its insides."""

    def __init__(self, app: ASGIApp, portal: Portal) -> None:
        self.app = app
        self.portal = portal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[ROOT] = scope.get("root_path", "")
        started = False

        async def framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, framed)
        except Exception:
            log.exception("%s %s failed", scope["method"], ascii(scope["path"]))
            if started:
                raise
            await self.portal.bare(Request(scope), "broken", 500)(scope, receive, framed)


class Static(StaticFiles):
    """The files beside the pages: kept for good by whoever asked for the version that they have now."""

    def __init__(self, portal: Portal) -> None:
        super().__init__(directory=STATIC)
        self._versions = portal.versions

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        current = self._versions.get(str(full_path).rpartition("/")[2])
        asked = scope["query_string"].decode("latin-1")
        lasting = current is not None and asked == f"v={current}"
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response
