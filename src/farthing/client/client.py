"""The client: the library's verbs, carried out by a server of Farthing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

from farthing.client import answers, calls
from farthing.client.calls import Call
from farthing.errors import FarthingError, OutcomeUnknown, SettingsInvalid, Unavailable

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 10.0
RETRIES = 2
PAUSE_S = 0.2  # before the first retry, and twice as long before each one after it
_AGAIN = (502, 503, 504)


def connect(url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> Client:
    """A client of the server at `url`: the verbs of `farthing.open` with its errors and types.

    Args:
        url: where the server is, e.g. "https://credits.example.com".
        key: an API key, as `farthing keys create` shows it.
        timeout_s: seconds that each request may take to connect, and to be answered.
        retries: how often a request is made again that was not answered. It is safe: a write carries its key.
    Raises:
        SettingsInvalid: `url` is no http or https address, or `key` is empty.
    """
    return Client(url, key, timeout_s=timeout_s, retries=retries)


def connect_async(url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> AsyncClient:
    """As `connect`, for code that awaits: the verbs of `farthing.open_async`."""
    return AsyncClient(url, key, timeout_s=timeout_s, retries=retries)


def _httpx2() -> Any:
    """What speaks HTTP, loaded when a client is made: `import farthing` does not pay for it."""
    try:
        return import_module("httpx2")
    except ImportError:
        raise SettingsInvalid("A client needs `pip install farthing[client]`.") from None


class _Tried(Generic[T]):
    """What one request came to: its answer, or why it may be made again."""

    def __init__(self, call: Call[T], url: str) -> None:
        self._call, self._url = call, url
        self.problem: FarthingError | None = None

    def answered(self, response: httpx2.Response) -> T:
        """The answer, as the verb's type.

        Raises:
            FarthingError: what the server refused. `problem` is set where the same request may be made again.
        """
        body = response.content
        if response.is_success:
            replayed = response.headers.get("idempotent-replayed") == "true"
            return self._call.answer(answers.read(body), replayed)
        try:
            error = answers.problem(response.status_code, answers.read(body))
        except ValueError:
            error = None
        if error is None or response.status_code in _AGAIN:
            self.problem = error or self._lost(f"it answered {response.status_code}, which is no answer of Farthing's")
            if response.status_code not in _AGAIN:
                raise self.problem
            raise _Again
        raise error

    def unanswered(self, error: httpx2.HTTPError) -> None:
        """Notes that no answer came."""
        self.problem = self._lost(type(error).__name__)

    def _lost(self, why: str) -> FarthingError:
        if self._call.key is None:
            return Unavailable(f"The server at {self._url} could not be asked ({why}). Nothing was changed.")
        return OutcomeUnknown(
            f"The server at {self._url} did not answer ({why}). Whether it was done is not known. Make the same call "
            "with the same key again: it is done once."
        )


class _Again(Exception):
    """The same request may be made again."""


class _Connection:
    def __init__(self, url: str, key: str, *, timeout_s: float, retries: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsInvalid(f"{url!r} is no address of a server. Write https://credits.example.com.")
        if not key or not key.isascii() or not key.isprintable():
            raise SettingsInvalid("A client needs an API key, as `farthing keys create` shows it.")
        self._url, self._retries = url.rstrip("/"), retries
        self._told: dict[str, Any] = {
            "base_url": self._url,
            "timeout": timeout_s,
            "headers": {"authorization": f"Bearer {key}", "accept": "application/json"},
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def _asked(self, call: Call[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"method": call.method, "url": call.path}
        query = {name: calls.as_query(value) for name, value in call.query.items()}
        if query:
            asked["params"] = query
        headers: dict[str, bytes] = {}
        if call.key is not None:
            headers["idempotency-key"] = call.key.encode("utf-8", "surrogateescape")
        if call.body is not None:
            headers["content-type"] = b"application/json"
            asked["content"] = json.dumps(call.body, default=calls.as_json, allow_nan=False).encode()
        return asked | {"headers": headers}


def _sent(call: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], T]:
    """The verb that makes this request."""

    @wraps(call)
    def verb(self: Client, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(call(*args, **kwargs))

    return cast(Any, verb)


def _awaited(call: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """The verb that makes this request, for code that awaits."""

    @wraps(call)
    async def verb(self: AsyncClient, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(call(*args, **kwargs))

    return cast(Any, verb)


class Client(_Connection):
    """The library's verbs, carried out by a server. Made by `farthing.connect`; safe to share between threads."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> None:
        super().__init__(url, key, timeout_s=timeout_s, retries=retries)
        httpx2 = _httpx2()
        self._http = httpx2.Client(**self._told)

    account = _sent(calls.account)
    open_account = _sent(calls.open_account)
    balances = _sent(calls.balances)
    balance = _sent(calls.balance)
    lots = _sent(calls.lots)
    history = _sent(calls.history)
    grant = _sent(calls.grant)
    deduct = _sent(calls.deduct)
    check = _sent(calls.check)
    quote = _sent(calls.quote)
    checkout = _sent(calls.checkout)
    order = _sent(calls.order)
    orders = _sent(calls.orders)

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, call: Call[T]) -> T:
        """Makes a request, again where that is safe and no answer came."""
        httpx2, tried, asked = _httpx2(), _Tried(call, self._url), self._asked(call)
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                return tried.answered(self._http.request(**asked))
            except httpx2.HTTPError as error:
                tried.unanswered(error)
            except _Again:
                pass
        assert tried.problem
        raise tried.problem


class AsyncClient(_Connection):
    """As `Client`, for code that awaits. Made by `farthing.connect_async`."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> None:
        super().__init__(url, key, timeout_s=timeout_s, retries=retries)
        httpx2 = _httpx2()
        self._http = httpx2.AsyncClient(**self._told)

    account = _awaited(calls.account)
    open_account = _awaited(calls.open_account)
    balances = _awaited(calls.balances)
    balance = _awaited(calls.balance)
    lots = _awaited(calls.lots)
    history = _awaited(calls.history)
    grant = _awaited(calls.grant)
    deduct = _awaited(calls.deduct)
    check = _awaited(calls.check)
    quote = _awaited(calls.quote)
    checkout = _awaited(calls.checkout)
    order = _awaited(calls.order)
    orders = _awaited(calls.orders)

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, call: Call[T]) -> T:
        """Makes a request, again where that is safe and no answer came."""
        httpx2, tried, asked = _httpx2(), _Tried(call, self._url), self._asked(call)
        for attempt in range(self._retries + 1):
            if attempt:
                await asyncio.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                return tried.answered(await self._http.request(**asked))
            except httpx2.HTTPError as error:
                tried.unanswered(error)
            except _Again:
                pass
        assert tried.problem
        raise tried.problem
