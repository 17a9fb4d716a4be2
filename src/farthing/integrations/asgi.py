"""Charging in any ASGI application: middleware that is told which requests cost what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from inspect import isawaitable
from typing import Any

from farthing.awaiting import AsyncCredits
from farthing.credits import Credits
from farthing.errors import FarthingError, InsufficientCredits
from farthing.integrations.answers import Answer, answer_to
from farthing.integrations.charging import Asked, Charged, Charging, Declined, Delivery, Price, price
from farthing.integrations.settling import begin_awaiting, carry_out_awaiting, finish, key_of, surely

__all__ = ["ChargeMiddleware", "Charges", "Price", "price"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_BODIES = ("http.response.body", "http.response.pathsend")


class ChargeMiddleware:
    """ASGI middleware that charges for the requests it is told to; the handler finds its `Charged` in
    `scope["farthing.charged"]`."""

    def __init__(
        self,
        app: App,
        credits: Credits | AsyncCredits,
        *,
        price: Callable[[Scope], Price | Awaitable[Price | None] | None],
        account: Asked,
        top_up_url: str | Callable[[InsufficientCredits], str | None] | None = None,
    ) -> None:
        """
        Args:
            price: from the scope to what the request costs, made with `price(…)`; None where it costs nothing. It may
                be awaited.
            account, top_up_url: as for `Charging`; the request is the scope.
        """
        self.app = app
        self.price = price
        self.charging = Charging(credits, account=account, top_up_url=top_up_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        costs: Any = self.price(scope)
        if isawaitable(costs):
            costs = await costs
        charges = Charges(self.charging, scope, send)
        if costs is not None:
            try:
                scope["farthing.charged"] = await charges.charge(scope, costs)
            except (FarthingError, Declined) as error:
                if not await charges.refuse(error):
                    raise
                return
        await charges.around(self.app, receive)


class Charges:
    """What one request is charged, and how far its answer has come.

    An answer that says its length is not begun before what it costs is captured, so that whoever is told of success was
    charged for it. One that does not is a stream: it is captured before its last message.
    """

    def __init__(self, charging: Charging, scope: Scope, send: Send) -> None:
        self.charging = charging
        self.scope = scope
        self._send = send
        self._charged: list[Charged] = []
        self._start: Message | None = None
        self._succeeds = False
        self._begun = False
        self._replaced = False

    async def charge(self, request: Any, price: Price) -> Charged:
        """Sets aside what `request` costs; `finish` and `around` settle it. Raises what `begin` raises."""
        scope = self.scope
        target = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope.get("query_string") else "")
        key = key_of(scope["method"], target, header(scope, b"idempotency-key"), place=len(self._charged))
        charged = await begin_awaiting(self.charging, price, request, key)
        self._charged.append(charged)
        return charged

    async def around(self, app: App, receive: Receive) -> None:
        """Runs the application; what its answer leaves unsettled is settled for as much as was delivered."""
        try:
            await app(self.scope, receive, self.send)
        finally:
            await self._settle(Delivery.CUT if self._begun else Delivery.NONE)

    async def send(self, message: Message) -> None:
        """The application's `send`."""
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            self._succeeds = message["status"] < 400
            self._start = message
            if not self._charged or not any(name.lower() == b"content-length" for name, _ in message["headers"]):
                await self._begin()
        elif message["type"] in _BODIES:
            if message["type"] != _BODIES[0] or not message.get("more_body", False):
                await self._settle_whole()
            if not self._replaced:
                await self._begin()
                await self._send(message)
        else:
            await self._send(message)

    async def refuse(self, error: Exception) -> bool:
        """Answers with the error, where the caller may know it; says whether it did."""
        answer = answer_to(error, self.charging, header(self.scope, b"accept") or "")
        if answer is not None:
            await answer_with(answer, self._send)
        return answer is not None

    async def _begin(self) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            self._begun = True
            await self._send(start)

    async def _settle_whole(self) -> None:
        """Before the last message of an answer: what cannot be captured is answered instead, if nothing is out yet."""
        try:
            await self._settle(Delivery.WHOLE)
        except FarthingError as error:
            if self._begun or not await self.refuse(error):
                raise
            self._replaced = True

    async def _settle(self, delivery: Delivery) -> None:
        if any(not charged.settled for charged in self._charged):
            await surely(self._finish(delivery if self._succeeds else Delivery.NONE))

    async def _finish(self, delivery: Delivery) -> None:
        failed: FarthingError | None = None
        for charged in self._charged:
            try:
                await carry_out_awaiting(finish(charged, delivery), self.charging.awaiting)
            except FarthingError as error:
                failed = failed or error
        if failed is not None:
            raise failed


async def answer_with(answer: Answer, send: Send) -> None:
    """Sends a whole answer."""
    headers = answer.headers | {"Content-Length": str(len(answer.body))}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name, given in lower case."""
    return next((value.decode("latin-1") for given, value in scope["headers"] if given.lower() == name), None)
