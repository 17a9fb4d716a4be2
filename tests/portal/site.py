"""An application that sells, as its customers meet it: the portal, the API and the sandbox on one real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

import farthing
from farthing import http, portal
from farthing.providers.sandbox import Sandbox
from farthing.providers.sandbox_page import sandbox_app
from farthing.verifying import verify
from tests.kit import Clock, shop

SECRET = "a secret of the tests, long enough to sign"
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

    def __init__(self, credits: farthing.Credits, address: str) -> None:
        self.credits = credits
        self.address = address
        self.url = f"{address}{PREFIX}"

    def link(self, account: str) -> str:
        """A signed link for one use."""
        return portal.link(account, [SECRET], base_url=self.url, now=self.credits.clock())


@contextmanager
def site(url: str, clock: Clock, text: str = STORE) -> Generator[Site]:
    """An application on a free port of this machine; when it closes, `verify` has to prove every balance it left."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    sandbox = Sandbox(url=f"{address}/sandbox", secrets=[SECRET], merchant="Ada’s images")
    with farthing.open(url, catalog=shop(text), clock=clock, providers=[sandbox]) as credits:
        app = Starlette(
            routes=[
                Mount(PREFIX, portal.app(credits, secret=[SECRET])),
                Mount("/sandbox", sandbox_app(sandbox, webhook_url=f"{address}/v1/webhooks/sandbox", clock=clock)),
                Mount("/", http.app(credits)),
            ]
        )
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        try:
            yield Site(credits, address)
        finally:
            server.should_exit = True
            serving.join()
            listening.close()
        assert verify(credits.database).faults == []
