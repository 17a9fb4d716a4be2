"""Signed, short-lived tokens that name an account: links into the portal, and the sessions behind them.

They are JSON Web Tokens (RFC 7519) with one algorithm and an audience, so that a link is no session. The first secret
signs, all verify. A token that was used up or ended is a row until it would have expired anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from farthing.core import checks
from farthing.errors import FarthingError, SettingsInvalid, TokenExpired, TokenInvalid, TokenSpent
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.credits import Credits

ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
MAX_BYTES = 1000

Audience = Literal["farthing.link", "farthing.session"]


class Token(NamedTuple):
    """Who it stands for, until when. A `reusable` link is not spent by its use: for demos."""

    account: str
    id: str
    expires_at: datetime
    reusable: bool = False


class Signer:
    """Makes tokens and reads them.

    Raises:
        SettingsInvalid: there is no secret, one is shorter than 32 bytes, or it is a text instead of a list of them.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if isinstance(secrets, str):
            raise SettingsInvalid("`secret` is one text. Nothing was started. Give a list: [secret].")
        if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
            raise SettingsInvalid(
                f"Links and sessions need a secret of at least {MIN_SECRET_BYTES} bytes. Nothing was started. "
                "Set FARTHING_SECRET; `farthing init` writes one."
            )
        self._keys = [OctKey.import_key(secret.encode()) for secret in secrets]

    def issue(
        self, audience: Audience, account: str, *, now: datetime, life: timedelta, reusable: bool = False
    ) -> tuple[str, Token]:
        """A new token for `account`, as text and as read; it ends on a whole second.

        Raises:
            InvalidAccount: no account can be called so.
        """
        ends = int((now + life).timestamp())
        token = Token(checks.account_id(account), token_urlsafe(16), datetime.fromtimestamp(ends, UTC), reusable)
        claims = {"aud": audience, "sub": token.account, "jti": token.id, "exp": ends}
        if reusable:
            claims["reusable"] = True
        return self.sign(claims), token

    def sign(self, claims: dict[str, Any]) -> str:
        """A token of these claims, signed with the first secret. They name their audience and their end."""
        return jwt.encode({"alg": ALGORITHM}, claims, self._keys[0], [ALGORITHM])

    def read(self, audience: Audience, text: str, now: datetime) -> Token:
        """What a token says that was signed here, for this audience.

        Raises:
            TokenInvalid: it was not. TokenExpired: its time is over.
        """
        claims = self.claims(text)
        match claims:
            case {"aud": str(meant_for), "sub": str(account), "jti": str(name), "exp": int(ends)} if (
                meant_for == audience
            ):
                token = Token(account, name, datetime.fromtimestamp(ends, UTC), claims.get("reusable") is True)
            case _:
                raise _invalid()
        if now >= token.expires_at:
            raise TokenExpired("This link or session is over. Nothing was changed. Ask for a new one.")
        return token

    def claims(self, text: str, *, most: int = MAX_BYTES) -> dict[str, Any]:
        """What a token of at most `most` bytes says that was signed here; for whom and until when is not looked at.

        Raises:
            TokenInvalid: it was not.
        """
        if len(text) <= most and text.isascii():
            for key in self._keys:
                try:
                    return jwt.decode(text, key, [ALGORITHM]).claims
                except (JoseError, ValueError):
                    continue
        raise _invalid()


def spend(credits: Credits, token: Token) -> None:
    """Uses a token up: of several callers exactly one gets through.

    Raises:
        TokenSpent: it was used or ended before.
    """
    if not credits.run(lambda tx: _spend(tx.session, token, credits.clock())):
        raise TokenSpent("This link was used, or this session ended. Nothing was changed. Ask for a new one.")


def require_unspent(credits: Credits, token: Token) -> None:
    """Nothing, where the token was neither used nor ended.

    Raises:
        TokenSpent: it was.
    """
    statement = "SELECT id FROM farthing_spent_tokens WHERE account = ? AND id = ?"
    if credits.database.read(lambda session: session.execute(statement, (token.account, token.id))):
        raise TokenSpent("This link was used, or this session ended. Nothing was changed. Ask for a new one.")


def _spend(session: Session, token: Token, now: datetime) -> bool:
    time_in = session.dialect.time_in
    session.execute(
        "DELETE FROM farthing_spent_tokens WHERE account = ? AND expires_at < ?", (token.account, time_in(now))
    )
    return bool(
        session.execute(
            "INSERT INTO farthing_spent_tokens (account, id, expires_at) VALUES (?, ?, ?) "
            "ON CONFLICT (account, id) DO NOTHING RETURNING id",
            (token.account, token.id, time_in(token.expires_at)),
        )
    )


def _invalid() -> FarthingError:
    return TokenInvalid("This was not signed here, or for something else. Nothing was changed. Ask for a new link.")
