"""Who may call what: each route says the scope it needs, and that is what OpenAPI says and what is enforced."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.requests import Request

from farthing.http.problems import Problem
from farthing.keys import SCOPES, ApiKey, Keyring, mode_of, note_use

log = logging.getLogger("farthing")

SCHEME = "api_key"
REALM = 'Bearer realm="farthing"'
PUBLIC: dict[str, Any] = {"security": []}
"""Anyone may call this route."""

SECURITY_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, as `farthing keys create` shows it once: `Authorization: Bearer frt_test_…`. "
    "Each operation names the scope it needs. "
    + " ".join(f"`{scope}`: {may}." for scope, may in SCOPES.items())
    + " A key of a test database begins with `frt_test_`, one of a live database with `frt_live_`.",
}


def needs(scope: str) -> dict[str, Any]:
    """What a route says where it is declared, so that only keys with this scope get through."""
    assert scope in SCOPES
    return {"security": [{SCHEME: [scope]}]}


def scope_of(route_extra: dict[str, Any] | None) -> str | None:
    """The scope that a route needs; None is public.

    Raises:
        TypeError: the route does not say.
    """
    match (route_extra or {}).get("security"):
        case []:
            return None
        case [{"api_key": [scope]}]:
            return scope
        case _:
            raise TypeError("a route must say who may call it: openapi_extra=needs(…) or PUBLIC")


async def admit(request: Request, scope: str) -> ApiKey:
    """The key that the request carries, which has `scope`.

    Raises:
        Problem: 401 no key, an unknown or revoked one, or one of the other mode; 403 its scopes do not cover this.
    """
    keyring: Keyring = request.app.state.keyring
    secret = _bearer(request)
    mode = mode_of(secret)
    if mode is not None and mode != keyring.mode:
        raise Problem(
            "api_key_wrong_mode",
            f"This is a {mode} key, and this server's database is in {keyring.mode} mode. Nothing was changed.",
            headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
        )
    key = mode and (keyring.known(secret) or await asyncio.to_thread(keyring.verify, secret))
    if not key:
        raise Problem(
            "api_key_invalid",
            "The API key is unknown or was revoked. Nothing was changed. `farthing keys list` shows those that work.",
            headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
        )
    require_scope(key, scope)
    if keyring.due(key):
        _note(request.app.state, keyring, key)
    return key


def require_scope(key: ApiKey, scope: str) -> None:
    """Nothing, where the key's scopes cover `scope`.

    Raises:
        Problem: 403, they do not.
    """
    if not key.may(scope):
        scopes = key.as_dict()["scopes"]
        raise Problem(
            "scope_missing",
            f"The key {key.name!r} has the scopes {', '.join(scopes)}; this needs {scope}. Nothing was changed.",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            scope=scope,
            scopes=scopes,
        )


def _bearer(request: Request) -> str:
    given = request.headers.getlist("authorization")
    kind, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not secret.strip():
        raise Problem(
            "api_key_missing",
            "Send an API key as `Authorization: Bearer frt_…`; `farthing keys create` makes one. Nothing was changed.",
            headers={"WWW-Authenticate": REALM},
        )
    return secret.strip()


def _note(state: Any, keyring: Keyring, key: ApiKey) -> None:
    """Writes the key's last use beside the request, which does not wait for it."""
    running: set[asyncio.Task[None]] = state.noting

    async def note() -> None:
        try:
            await asyncio.to_thread(note_use, keyring.credits, key)
        except Exception:
            log.warning("the last use of API key %s could not be noted", key.id, exc_info=True)

    task = asyncio.create_task(note())
    running.add(task)
    task.add_done_callback(running.discard)
