"""Asking the API of Lemon Squeezy: its media type, bounded waits, and a second try only of what is safe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from farthing.errors import ProviderUnavailable

if TYPE_CHECKING:
    import httpx2

API_BASE = "https://api.lemonsqueezy.com"
MEDIA_TYPE = "application/vnd.api+json"
TIMEOUT_S = 10
PAUSES_S = (0.25, 1.0)  # before the second and the third try
LONGEST_PAUSE_S = 2.0
MAX_TOLD = 300


class Declined(Exception):
    """It understood what we asked for, and will not do it; the text is its own."""


class _Tried(NamedTuple):
    """What one try came to: the parsed answer, or what went wrong and whether it may be tried again."""

    answer: Any
    problem: str | None = None
    again: bool = False
    wait_s: float = 0


class Api:
    """One account's API, by its key, which nothing here shows."""

    def __init__(
        self,
        api_key: str,
        *,
        base: str = API_BASE,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api_key, self._base, self._timeout_s, self._sleep = api_key, base.rstrip("/"), timeout_s, sleep

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """What stands at `path`; None where nothing does.

        Raises:
            ProviderUnavailable: no answer, or one that cannot be used.
        """
        return self._asked("GET", path, query, None)

    def make(self, path: str, body: object) -> Any:
        """What was made at `path`. Never asked twice where it may have been made.

        Raises:
            ProviderUnavailable: no answer, or one that cannot be used; it may have been made all the same.
            Declined: it was not made.
        """
        return self._asked("POST", path, None, json.dumps(body, separators=(",", ":")).encode())

    def _asked(self, method: str, path: str, query: Mapping[str, str] | None, content: bytes | None) -> Any:
        tried = self._try(method, path, query, content)
        for pause in PAUSES_S:
            if not tried.again or tried.wait_s > LONGEST_PAUSE_S:
                break
            self._sleep(max(pause, tried.wait_s))
            tried = self._try(method, path, query, content)
        if tried.problem is not None:
            raise unavailable(tried.problem)
        return tried.answer

    def _try(self, method: str, path: str, query: Mapping[str, str] | None, content: bytes | None) -> _Tried:
        import httpx2

        headers = {"accept": MEDIA_TYPE, "content-type": MEDIA_TYPE, "authorization": f"Bearer {self._api_key}"}
        try:
            # Proxies that the environment names are for the real one only.
            with httpx2.Client(timeout=self._timeout_s, trust_env=self._base == API_BASE) as client:
                answer = client.request(method, self._base + path, params=query, headers=headers, content=content)
        except httpx2.ConnectError:
            return _Tried(None, "it cannot be reached", again=True)
        except httpx2.TimeoutException:  # who waited so long is not made to wait again
            return _Tried(None, f"it did not answer within {self._timeout_s:g} seconds")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return _Tried(None, f"its answer was lost ({type(error).__name__})", again=method == "GET")
        return _understood(answer, safe=method == "GET")


def unavailable(problem: str) -> ProviderUnavailable:
    """The error that says so."""
    return ProviderUnavailable(
        f"Lemon Squeezy could not be asked: {problem}. Nothing is lost: the order stands, and what an event says is "
        "kept. Make the same call again.",
        provider="lemonsqueezy",
    )


def _understood(answer: httpx2.Response, *, safe: bool) -> _Tried:
    status = answer.status_code
    if answer.is_success:
        try:
            said = json.loads(answer.content)
        except (ValueError, RecursionError):
            said = None
        return _Tried(said, None if isinstance(said, dict) else "its answer is no JSON object")
    if status == 404 and safe:
        return _Tried(None)
    if status == 422:
        raise Declined(_told(answer.content))
    if status in (401, 403):
        return _Tried(None, f"it refused the API key ({status})")
    if status == 429:  # it did nothing: that is safe to ask again
        return _Tried(None, "it was asked too often (429)", again=True, wait_s=_seconds(answer))
    return _Tried(None, f"it answered {status}", again=safe and status >= 500, wait_s=_seconds(answer))


def _seconds(answer: httpx2.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0


def _told(content: bytes) -> str:
    try:
        return "; ".join(str(one["detail"]) for one in json.loads(content)["errors"])[:MAX_TOLD]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it did not say why"
