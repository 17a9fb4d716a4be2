"""Who is signed in: a signed cookie, and the token in each of their forms."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

from farthing import tokens
from farthing.credits import Credits
from farthing.errors import TokenInvalid
from farthing.portal.forms import root, secure
from farthing.tokens import Signer, Token

COOKIE = "farthing_portal"
LIFE = timedelta(hours=12)


class Sessions:
    """Begins sessions, recognises them and ends them."""

    def __init__(self, credits: Credits, secrets: Sequence[str], base_url: str | None) -> None:
        self.signer = Signer(secrets)
        self._credits = credits
        self._base_url = base_url
        self._secrets = [secret.encode() for secret in secrets]

    def begin(self, request: Request, response: Response, account: str) -> None:
        """Signs `account` in, in the browser that gets `response`."""
        text, _ = self.signer.issue("farthing.session", account, now=self._credits.clock(), life=LIFE)
        response.set_cookie(
            COOKIE, text, max_age=int(LIFE.total_seconds()), path=_path(request), httponly=True, samesite="lax",
            secure=secure(request, self._base_url),
        )  # fmt: skip

    def current(self, request: Request) -> Token | None:
        """The session that a request belongs to, if it has one that is neither over nor ended."""
        try:
            session = self.signer.read("farthing.session", request.cookies.get(COOKIE, ""), self._credits.clock())
            tokens.require_unspent(self._credits, session)
        except TokenInvalid:
            return None
        return session

    def end(self, request: Request, response: Response, session: Token) -> None:
        """Ends a session for good: a copy of its cookie is worth nothing any more."""
        tokens.spend(self._credits, session)
        response.delete_cookie(
            COOKIE, path=_path(request), httponly=True, samesite="lax", secure=secure(request, self._base_url)
        )

    def form_token(self, session: Token) -> str:
        """What each form of this session carries, so that nobody else's page can send it."""
        return _mac(self._secrets[0], session)

    def sent_by(self, session: Token, token: str) -> bool:
        """Whether a form with this token is one of the session's."""
        return any(hmac.compare_digest(_mac(secret, session).encode(), token.encode()) for secret in self._secrets)


def _mac(secret: bytes, session: Token) -> str:
    return hmac.new(secret, f"farthing.form.{session.id}".encode(), sha256).hexdigest()


def _path(request: Request) -> str:
    return root(request) or "/"
