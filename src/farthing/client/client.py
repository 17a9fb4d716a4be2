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

from farthing.awaiting import AsyncHeld, AsyncHeldFor
from farthing.client import answers, verbs
from farthing.client.routes import Call
from farthing.errors import FarthingError, InvalidField, NotFound, OutcomeUnknown, SettingsInvalid, Unavailable
from farthing.ledger.verbs import Held, HeldFor
from farthing.views import Receipt

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
        if self._call.may_lack and isinstance(error, NotFound):
            return cast(T, None)
        raise error

    def unanswered(self, error: httpx2.HTTPError) -> None:
        """Notes that no answer came."""
        self.problem = self._lost(type(error).__name__)

    def _lost(self, why: str) -> FarthingError:
        if self._call.only_reads:
            return Unavailable(f"The server at {self._url} could not be asked ({why}). Nothing was changed.")
        return OutcomeUnknown(
            f"The server at {self._url} did not answer ({why}). Whether it was done is not known. Make the same call "
            "again, with the same key: it is done once."
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
        headers = {} if call.key is None else {"idempotency-key": call.key.encode()}
        if call.method in ("GET", "DELETE"):
            asked["params"] = dict(call.said)
        elif call.said:
            headers["content-type"] = b"application/json"
            try:
                asked["content"] = json.dumps(call.said, allow_nan=False).encode()
            except (ValueError, TypeError) as error:
                raise InvalidField(
                    f"JSON cannot say what is asked: {error}. Nothing was changed.", field="metadata"
                ) from None
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


def _held(call: Callable[P, Call[Receipt]]) -> Callable[Concatenate[Any, P], Held]:
    """The verb that sets credits aside: `with client.hold(…) as hold:` as in the library."""

    @wraps(call)
    def verb(self: Client, *args: P.args, **kwargs: P.kwargs) -> Held:
        return Held(cast(Any, self), self.send(call(*args, **kwargs)))

    return cast(Any, verb)


def _held_for(call: Callable[P, Call[Receipt]]) -> Callable[Concatenate[Any, P], HeldFor]:
    """The verb that sets aside what an operation may cost."""

    @wraps(call)
    def verb(self: Client, *args: P.args, **kwargs: P.kwargs) -> HeldFor:
        asked = call(*args, **kwargs)
        return HeldFor(cast(Any, self), self.send(asked), asked.said["usage"].get("dimensions", {}))

    return cast(Any, verb)


def _awaited_hold(call: Callable[P, Call[Receipt]]) -> Callable[Concatenate[Any, P], AsyncHeld]:
    """The verb that sets credits aside: `async with client.hold(…) as hold:` as in the library."""

    @wraps(call)
    def verb(self: AsyncClient, *args: P.args, **kwargs: P.kwargs) -> AsyncHeld:
        return AsyncHeld(cast(Any, self), self.send(call(*args, **kwargs)))

    return cast(Any, verb)


def _awaited_hold_for(call: Callable[P, Call[Receipt]]) -> Callable[Concatenate[Any, P], AsyncHeldFor]:
    """The verb that sets aside what an operation may cost."""

    @wraps(call)
    def verb(self: AsyncClient, *args: P.args, **kwargs: P.kwargs) -> AsyncHeldFor:
        asked = call(*args, **kwargs)
        return AsyncHeldFor(cast(Any, self), self.send(asked), asked.said["usage"].get("dimensions", {}))

    return cast(Any, verb)


class Client(_Connection):
    """The library's verbs, carried out by a server. Made by `farthing.connect`; safe to share between threads."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S, retries: int = RETRIES) -> None:
        super().__init__(url, key, timeout_s=timeout_s, retries=retries)
        httpx2 = _httpx2()
        self._http = httpx2.Client(**self._told)

    account = _sent(verbs.account)
    open_account = _sent(verbs.open_account)
    freeze = _sent(verbs.freeze)
    unfreeze = _sent(verbs.unfreeze)
    merge = _sent(verbs.merge)
    erase = _sent(verbs.erase)
    balance = _sent(verbs.balance)
    balances = _sent(verbs.balances)
    lots = _sent(verbs.lots)
    holds = _sent(verbs.holds)
    check = _sent(verbs.check)
    explain = _sent(verbs.explain)
    estimate = _sent(verbs.estimate)
    history = _sent(verbs.history)
    grant = _sent(verbs.grant)
    deduct = _sent(verbs.deduct)
    charge = _sent(verbs.charge)
    reverse = _sent(verbs.reverse)
    void = _sent(verbs.void)
    clawback = _sent(verbs.clawback)
    transfer = _sent(verbs.transfer)
    capture = _sent(verbs.capture)
    capture_for = _sent(verbs.capture_for)
    release = _sent(verbs.release)
    extend = _sent(verbs.extend)
    post = _sent(verbs.post)
    subscription = _sent(verbs.subscription)
    start_plan = _sent(verbs.start_plan)
    renew_plan = _sent(verbs.renew_plan)
    change_plan = _sent(verbs.change_plan)
    cancel_plan = _sent(verbs.cancel_plan)
    buy_plan = _sent(verbs.buy_plan)
    plan_billing = _sent(verbs.plan_billing)
    plan_billings = _sent(verbs.plan_billings)
    plan_portal = _sent(verbs.plan_portal)
    quote = _sent(verbs.quote)
    checkout = _sent(verbs.checkout)
    resume_checkout = _sent(verbs.resume_checkout)
    order = _sent(verbs.order)
    orders = _sent(verbs.orders)
    accept_payment = _sent(verbs.accept_payment)
    dismiss_payment = _sent(verbs.dismiss_payment)
    top_ups = _sent(verbs.top_ups)
    set_top_up = _sent(verbs.set_top_up)
    stop_top_up = _sent(verbs.stop_top_up)
    resume_top_up = _sent(verbs.resume_top_up)
    card = _sent(verbs.card)
    top_up = _sent(verbs.top_up)
    ask_card = _sent(verbs.ask_card)
    forget_card = _sent(verbs.forget_card)
    hold = _held(verbs.hold)
    hold_for = _held_for(verbs.hold_for)

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

    account = _awaited(verbs.account)
    open_account = _awaited(verbs.open_account)
    freeze = _awaited(verbs.freeze)
    unfreeze = _awaited(verbs.unfreeze)
    merge = _awaited(verbs.merge)
    erase = _awaited(verbs.erase)
    balance = _awaited(verbs.balance)
    balances = _awaited(verbs.balances)
    lots = _awaited(verbs.lots)
    holds = _awaited(verbs.holds)
    check = _awaited(verbs.check)
    explain = _awaited(verbs.explain)
    estimate = _awaited(verbs.estimate)
    history = _awaited(verbs.history)
    grant = _awaited(verbs.grant)
    deduct = _awaited(verbs.deduct)
    charge = _awaited(verbs.charge)
    reverse = _awaited(verbs.reverse)
    void = _awaited(verbs.void)
    clawback = _awaited(verbs.clawback)
    transfer = _awaited(verbs.transfer)
    capture = _awaited(verbs.capture)
    capture_for = _awaited(verbs.capture_for)
    release = _awaited(verbs.release)
    extend = _awaited(verbs.extend)
    post = _awaited(verbs.post)
    subscription = _awaited(verbs.subscription)
    start_plan = _awaited(verbs.start_plan)
    renew_plan = _awaited(verbs.renew_plan)
    change_plan = _awaited(verbs.change_plan)
    cancel_plan = _awaited(verbs.cancel_plan)
    buy_plan = _awaited(verbs.buy_plan)
    plan_billing = _awaited(verbs.plan_billing)
    plan_billings = _awaited(verbs.plan_billings)
    plan_portal = _awaited(verbs.plan_portal)
    quote = _awaited(verbs.quote)
    checkout = _awaited(verbs.checkout)
    resume_checkout = _awaited(verbs.resume_checkout)
    order = _awaited(verbs.order)
    orders = _awaited(verbs.orders)
    accept_payment = _awaited(verbs.accept_payment)
    dismiss_payment = _awaited(verbs.dismiss_payment)
    top_ups = _awaited(verbs.top_ups)
    set_top_up = _awaited(verbs.set_top_up)
    stop_top_up = _awaited(verbs.stop_top_up)
    resume_top_up = _awaited(verbs.resume_top_up)
    card = _awaited(verbs.card)
    top_up = _awaited(verbs.top_up)
    ask_card = _awaited(verbs.ask_card)
    forget_card = _awaited(verbs.forget_card)
    hold = _awaited_hold(verbs.hold)
    hold_for = _awaited_hold_for(verbs.hold_for)

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
