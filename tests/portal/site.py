"""An application that sells, as its customers meet it: the portal, the API and the sandbox on one real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

import farthing
from farthing import http, portal
from farthing.ledger.verifying import verify
from farthing.providers import Bill
from farthing.providers.sandbox import Kind, Sandbox
from farthing.providers.sandbox_page import sandbox_app
from farthing.selling.orders import OrderView
from tests.kit import Clock, shop

SECRET = "a secret of the tests, long enough to sign"
OLD_SECRET = "the secret before that one, still accepted"
PREFIX = "/account/credits"
STORE = """
time_zone = "Europe/Berlin"
currency = "USD"

[credit_types.images]
name = "Image credits"

[credit_types.chat]
name = "Chat credits"
scale = 2
expires = "30d"
overdraft = "5.00"

[gifts.images]
amount = 10
expires = "30d"

[packages.starter]
credit_type = "images"
credits = 100
price = { USD = "9.90", EUR = "9.50" }
name = "Starter"
description = "Enough to find out whether you like it."
expires = "1y"

[packages.studio]
credit_type = "images"
credits = 500
bonus = 50
price = { USD = "39.00", EUR = "37.00" }
name = "Studio"
description = "For a small team that renders every day."
expires = "1y"
popular = true

[packages.agency]
credit_type = "images"
credits = 2000
bonus = 300
price = { USD = "139.00", EUR = "132.00" }
name = "Agency"
description = "For campaigns, with the best price for each image."
expires = "1y"

[packages.retired]
credit_type = "images"
credits = 1
price = { USD = "1.00" }
disabled = true

[packages.members]
credit_type = "images"
credits = 1
price = { USD = "1.00" }
plans = ["pro"]

[prices.images]
mode = "graduated"
min = 10
max = 10000
step = 10

[[prices.images.slabs.USD]]
from = 10
to = 490
unit = "0.10"

[[prices.images.slabs.USD]]
from = 500
to = 10000
unit = "0.0775"
"""


class Site:
    """The server, at `address`; the portal is at `url`."""

    def __init__(self, credits: farthing.Credits, address: str, app: Starlette) -> None:
        self.credits = credits
        self.app = app
        self.address = address
        self.url = f"{address}{PREFIX}"

    def link(self, account: str, secret: str = SECRET, **how: Any) -> str:
        """A signed link for one use."""
        return portal.link(account, [secret], base_url=self.url, now=self.credits.clock(), **how)

    def tell(self, order: OrderView, kind: Kind, **misbehaviour: Any) -> None:
        """The sandbox says by webhook what became of an order's payment."""
        sandbox, now = self.credits.providers["sandbox"], self.credits.clock()
        assert isinstance(sandbox, Sandbox)
        bill = Bill(order.id, order.description, order.currency, order.total_minor, order.return_url, order.expires_at)
        body = sandbox.event(bill, kind, id=f"evt_{uuid4().hex}", at=now, **misbehaviour)
        self.credits.receive("sandbox", sandbox.sign(body, now), body)


@contextmanager
def site(url: str, clock: Clock, text: str = STORE) -> Generator[Site]:
    """An application on a free port of this machine; when it closes, `verify` has to prove every balance it left."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sandbox = Sandbox(url=f"{address}/sandbox", secrets=[SECRET], merchant="Ada’s images")
    with farthing.open(url, catalog=shop(text), clock=clock, providers=[sandbox]) as credits:
        app = Starlette(
            routes=[
                Mount(PREFIX, portal.app(credits, secret=[SECRET, OLD_SECRET])),
                Mount("/sandbox", sandbox_app(sandbox, webhook_url=f"{address}/v1/webhooks/sandbox", clock=clock)),
                Mount("/", http.app(credits)),
            ]
        )
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        try:
            yield Site(credits, address, app)
        finally:
            server.should_exit = True
            serving.join()
            listening.close()
        assert verify(credits.database).faults == []
