"""What stories of buying are told with: a shop that sells, a sandbox to pay it, and the ways a payment is told of."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

import farthing
from farthing.providers import Provider
from farthing.providers.sandbox import AnyKind, Sandbox
from farthing.providers.sandbox_page import sandbox_app
from farthing.selling.inbox import Received
from farthing.selling.orders import OrderView
from farthing.server import assemble
from farthing.testing import bill_of, prove
from tests.kit import Clock, shop

SECRET = "a sandbox secret of the tests"
STORE = """
currency = "USD"

[credit_types.images]
name = "Image credits"

[credit_types.chat]
name = "Chat credits"
scale = 2
expires = "30d"

[prices.images]
mode = "volume"

[[prices.images.slabs.USD]]
from = 1
unit = "0.10"

[packages.starter]
credit_type = "images"
credits = 100
bonus = 10
expires = "90d"
price = { USD = "9.90", JPY = "1500" }
name = "Starter"
"""


def sandbox(url: str = "http://sandbox.test", *secrets: str) -> Sandbox:
    return Sandbox(url=url, secrets=secrets or [SECRET], merchant="Ada & Sons <shop>")


@contextmanager
def selling(
    url: str, clock: Clock, text: str = STORE, providers: Iterable[Provider] | None = None
) -> Generator[farthing.Credits]:
    """Credits that sell through a sandbox; when the story ends, `prove` has to prove every balance it left."""
    paid_by = [sandbox()] if providers is None else providers
    with farthing.open(url, catalog=shop(text), clock=clock, providers=paid_by) as credits:
        yield credits
        prove(credits)


def tell(credits: farthing.Credits, order: OrderView, kind: AnyKind, *, id: str, **misbehaviour: Any) -> Received:
    """The sandbox says by webhook what became of an order's payment; it says so now."""
    teller, now = credits.providers["sandbox"], credits.clock()
    assert isinstance(teller, Sandbox)
    body = teller.event(bill_of(order), kind, id=id, at=misbehaviour.pop("at", now), **misbehaviour)
    return credits.receive("sandbox", teller.sign(body, now), body)


def available(credits: farthing.Credits, account: str = "ada", credit_type: str = "images") -> int:
    return int(credits.balance(account, credit_type).available)


class Town:
    """A server with API and pay page, and a customer who goes there; `arrived` are the signatures of its webhooks."""

    def __init__(self, credits: farthing.Credits, url: str) -> None:
        self.credits = credits
        self.url = url
        self.webhook_up = True
        self.arrived: list[str] = []
        self.under_way = 0  # webhooks that are not handled yet, though they may be answered
        self.changed = threading.Condition()

    def visit(self, page: str) -> httpx2.Response:
        return httpx2.get(page, trust_env=False)

    def press(self, page: httpx2.Response, button: str) -> httpx2.Response:
        """What the server answers when the customer presses the button called so; redirects are not followed.

        By then the webhooks that came of it are handled."""
        buttons = dict(re.findall(r'value="(\w+)"[^>]*>([^<]+)</button>', page.text))
        hidden = re.findall(r'name="visit" value="(\w+)"', page.text)
        [action] = [value for value, label in buttons.items() if label == button]
        answer = httpx2.post(str(page.url), data={"action": action, "visit": hidden[0]}, trust_env=False)
        self.rest()
        return answer

    def rest(self) -> None:
        """Waits until every webhook that came is handled: the server does that after it has answered."""
        with self.changed:
            assert self.changed.wait_for(lambda: not self.under_way, timeout=30)

    def count(self, more: int) -> None:
        """A webhook that comes, or is handled."""
        with self.changed:
            self.under_way += more
            self.changed.notify_all()


@contextmanager
def town(url: str, clock: Clock, text: str = STORE) -> Generator[Town]:
    """A town on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    paid_by = sandbox(f"{address}/sandbox")
    webhook = "/v1/webhooks/sandbox"

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        told = scope["type"] == "http" and scope["path"] == webhook
        if told:
            here.arrived += [value.decode() for name, value in scope["headers"] if name == b"sandbox-signature"]
        closed = told and not here.webhook_up
        here.count(+told)
        try:
            await (PlainTextResponse("closed", 503) if closed else app)(scope, receive, send)
        finally:
            here.count(-told)

    with selling(url, clock, text, [paid_by]) as credits:
        pay_page = sandbox_app(paid_by, webhook_url=address + webhook, clock=clock)
        app, here = assemble(credits, [Mount("/sandbox", pay_page)]), Town(credits, address)
        server = uvicorn.Server(uvicorn.Config(serve, log_level="warning", lifespan="off"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        try:
            yield here
        finally:
            server.should_exit = True
            serving.join()
            listening.close()


def token_of(url: str | None) -> str:
    """The part of a pay page's address that says what is paid."""
    return urlsplit(url or "").path.rpartition("/")[2]
