"""What stands between Farthing and emulate (tests/emulate.py), and adds what emulate lacks of Stripe.

emulate's own are the Checkout Session with its metadata, when it becomes complete and paid, the product and the price
in it, the hosted page with its sum and its button, the way back from there, that an event is sent, and the signature on
it. The browser speaks to emulate itself and never comes by here.

Added here, so that nothing is proved of it:

- `price_data`, which emulate refuses, becomes a product and a price of emulate's first;
- a session's sum and currency, which are those of emulate's price, and fields that Stripe never leaves out;
- the PaymentIntent of a session that emulate calls paid: a name, and what the session says already;
- refunds, of which there are none;
- an event's number, time and empty fields; and so it is signed again, if emulate's own signature is right.

Neither plays declines, taxes, promotion codes, customers, cards, refunds, disputes, or idempotency keys. What leaves
here is held against Stripe's own schemas (tests/stripe_schemas.py) where those can be had.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import stripe
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests import stripe_schemas

SECRET = "whsec_of_emulate"
HOOK = "/events_of_emulate"
SESSIONS = "/v1/checkout/sessions"
LINE = "line_items[0]"


class GoBetween:
    """Stripe's API at `url`, as far as a purchase on the hosted page needs it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.emulate = ""  # where it is
        self.webhook = ""  # where events go on to; "" loses them
        self.heard: list[tuple[dict[str, str], bytes]] = []  # emulate's events as they came: headers and body
        self.events: list[dict[str, Any]] = []  # what became of them
        self._lines: dict[str, tuple[str, int]] = {}  # by session: emulate's price, and how many

    def letter(self, event: dict[str, Any]) -> tuple[dict[str, str], bytes]:
        """An event, signed now: headers and body."""
        body = json.dumps(event)
        sign = stripe.WebhookSignature.generate_signature_header
        return {"Stripe-Signature": sign(body, SECRET, int(time.time()))}, body.encode()  # pyright: ignore

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        request = Request(scope, receive)
        asked, body = f"{request.method} {request.url.path}", (await request.body()).decode()
        if asked == f"POST {HOOK}":
            answer = await self._pass_on(dict(request.headers), body)
        elif asked == f"POST {SESSIONS}":
            answer = JSONResponse(await self._make(dict(parse_qsl(body))))
        elif asked.startswith(f"GET {SESSIONS}/"):
            expand = any(name.startswith("expand") for name in request.query_params)
            answer = JSONResponse(await self._completed(await self._ask("GET", request.url.path), expand=expand))
        elif asked == "GET /v1/refunds":
            answer = JSONResponse({"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"})
        else:
            answer = JSONResponse({"error": {"message": f"{asked} is not played here"}}, 501)
        await answer(scope, receive, send)

    async def _make(self, form: dict[str, str]) -> Any:
        """A session of emulate's, by a price of emulate's."""
        name, currency, amount = (
            form.pop(f"{LINE}[price_data]{field}") for field in ("[product_data][name]", "[currency]", "[unit_amount]")
        )
        product = await self._ask("POST", "/v1/products", {"name": name})
        price = {"product": product["id"], "currency": currency, "unit_amount": amount}
        form[f"{LINE}[price]"] = (await self._ask("POST", "/v1/prices", price))["id"]
        made = await self._ask("POST", SESSIONS, form)
        self._lines[made["id"]] = form[f"{LINE}[price]"], int(form[f"{LINE}[quantity]"])
        return await self._completed(made)

    async def _pass_on(self, headers: dict[str, str], body: str) -> Response:
        """An event that emulate signed, with what it lacks, signed again."""
        self.heard.append((headers, body.encode()))
        told: Any = stripe.Webhook.construct_event(body, headers["stripe-signature"], SECRET).to_dict()  # pyright: ignore
        event = told | {
            "id": f"evt_{len(self.heard):06}", "object": "event", "api_version": stripe.api_version,
            "created": int(time.time()), "livemode": False, "pending_webhooks": 1, "request": None,
            "data": {"object": await self._completed(told["data"]["object"])},
        }  # fmt: skip
        self.events.append(_checked(event))
        if not self.webhook:
            return Response(status_code=503)
        headers, signed = self.letter(event)
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(self.webhook, headers=headers, content=signed)
        return Response(answer.content, answer.status_code)

    async def _completed(self, session: dict[str, Any], *, expand: bool = False) -> dict[str, Any]:
        """A session as emulate tells it, with what it lacks."""
        name, quantity = self._lines[session["id"]]
        price = await self._ask("GET", f"/v1/prices/{name}")
        amount, currency = price["unit_amount"] * quantity, price["currency"]
        intent = {
            "id": session["id"].replace("cs_", "pi_", 1), "object": "payment_intent", "amount": amount,
            "amount_received": amount, "currency": currency, "status": "succeeded", "created": session["created"],
            "livemode": False,
        }  # fmt: skip
        known = _checked(intent) if expand else intent["id"]
        return _checked(session | {
            "amount_total": amount, "currency": currency,
            "payment_intent": known if session["payment_status"] == "paid" else None,
            "expires_at": session["created"] + 24 * 60 * 60,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
            "custom_fields": [], "shipping_options": [], "payment_method_types": ["card"],
        })  # fmt: skip

    async def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.request(method, f"{self.emulate}{path}", data=form)).raise_for_status().json()


def _checked(told: dict[str, Any]) -> dict[str, Any]:
    if stripe_schemas.described():
        stripe_schemas.check(told)
    return told


@contextmanager
def go_between() -> Generator[GoBetween]:
    """A go-between on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    here = GoBetween(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(here.serve, interface="asgi3", log_level="error", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    try:
        yield here
    finally:
        server.should_exit = True
        serving.join()
        listening.close()
