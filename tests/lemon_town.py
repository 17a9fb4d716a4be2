"""A town with a Lemon Squeezy: our own counterpart, since there is no other, written from its public documentation.

It makes checkouts, shows their page, takes payments there, keeps orders, gives money back, signs and sends webhooks,
and has bad days. It was never compared with the real service.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NamedTuple
from uuid import UUID

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from farthing.providers.lemonsqueezy import LemonSqueezy
from farthing.providers.lemonsqueezy_api import MEDIA_TYPE

KEY = "eyJ0eXAiOiJKV1Qi.a-key-of-the-tests"
SECRET = "a signing secret of the tests"
STORE, VARIANT = "7", "42"
PLAN_VARIANTS = {"paid": "51", "more": "52", "tried": "53", "pro": "54"}
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

Webhook = tuple[dict[str, str], bytes]
Wrong = Literal["slow", "lost"]


class Asked(NamedTuple):
    """A request that the town got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class LemonTown:
    """What a store at Lemon Squeezy is to us. Times are `now`; the attributes may be changed by who tells a story."""

    def __init__(self, url: str = "", *, test_mode: bool = True) -> None:
        self.url = url
        self.test_mode = test_mode
        self.currency = "USD"
        self.key = KEY
        self.secret = SECRET
        self.now = NOW
        self.tax_percent = 0
        self.tax_inclusive = False
        self.webhook_url: str | None = None
        self.checkouts: list[dict[str, Any]] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.invoices: list[dict[str, Any]] = []
        self.custom: dict[str, dict[str, str]] = {}
        self.asked: list[Asked] = []
        self.delivered: list[Webhook] = []
        self.wrong: list[Wrong | Response | None] = []  # what becomes of the next requests, one each
        self.released = threading.Event()

    # What the store and its customers do.

    def pay(self, checkout: str, *, status: str = "paid", **told: Any) -> str:
        """A customer pays a checkout, by its id or page; the number of the order. `told` overrides its attributes."""
        made = next(one for one in self.checkouts if one["id"] in checkout)
        attributes = made["attributes"]
        return self.sell(attributes["custom_price"], dict(attributes["checkout_data"]["custom"]), status, **told)

    def sell(self, subtotal: int, custom: dict[str, str], status: str = "paid", /, **told: Any) -> str:
        """An order of the store; the number of it."""
        number = str(1000 + len(self.orders))
        discount = told.pop("discount_total", 0)
        base = subtotal - discount
        tax = base * self.tax_percent // (100 + self.tax_percent * self.tax_inclusive)
        total = base if self.tax_inclusive else base + tax
        money = {"subtotal": subtotal, "setup_fee": 0, "discount_total": discount, "tax": tax, "total": total}
        money["refunded_amount"] = 0
        attributes = {
            "store_id": int(STORE), "customer_id": 12, "identifier": str(UUID(int=int(number))),
            "order_number": len(self.orders) + 1, "user_name": "Ada", "user_email": "ada@example.com",
            "currency": self.currency, "currency_rate": "1.0000",
            **money, **{f"{name}_usd": amount for name, amount in money.items()},
            "tax_name": "VAT" if tax else None, "tax_rate": f"{self.tax_percent}.00",
            "tax_inclusive": self.tax_inclusive,
            "status": status, "status_formatted": status.title(), "refunded": False, "refunded_at": None,
            "first_order_item": {
                "id": 1, "order_id": int(number), "product_id": 5, "variant_id": int(VARIANT),
                "product_name": "Credits", "variant_name": "Default", "price": subtotal, "quantity": 1,
                "created_at": _said(self.now), "updated_at": _said(self.now), "test_mode": self.test_mode,
            },
            "urls": {"receipt": f"{self.url}/my-orders/{number}"},
            "created_at": _said(self.now), "updated_at": _said(self.now), "test_mode": self.test_mode,
        }  # fmt: skip
        self.orders[number] = {"type": "orders", "id": number, "attributes": attributes | told}
        self.custom[number] = custom
        return number

    def turn(self, number: str, **told: Any) -> None:
        """An order of the store stands differently now."""
        self.orders[number]["attributes"] |= {"updated_at": _said(self.now), **told}

    def refund(self, number: str, amount: int) -> None:
        """The store gives so much of an order back, on top of what it gave before."""
        attributes = self.orders[number]["attributes"]
        back = attributes["refunded_amount"] + amount
        whole = back == attributes["total"]
        self.turn(
            number, refunded_amount=back, refunded_amount_usd=back, refunded=whole, refunded_at=_said(self.now),
            status="refunded" if whole else "partial_refund",
        )  # fmt: skip

    def subscribe(self, checkout: str) -> str:
        """A customer buys a plan on its page: the number of the subscription, and its first invoice."""
        made = next(one for one in self.checkouts if one["id"] in checkout)["attributes"]
        number = str(3000 + len(self.subscriptions))
        trial = not made["checkout_options"]["skip_trial"]
        urls = dict.fromkeys(("update_payment_method", "customer_portal_update_subscription"), f"{self.url}/x")
        attributes = {
            "store_id": int(STORE), "customer_id": 12, "order_id": 900, "order_item_id": 1, "product_id": 6,
            "variant_id": made["variant_id"], "product_name": "Plan", "variant_name": "Default", "user_name": "Ada",
            "user_email": "ada@example.com", "status": "on_trial" if trial else "active", "card_brand": "visa",
            "card_last_four": "4242", "pause": None, "cancelled": False,
            "trial_ends_at": _said(self.now + timedelta(days=14)) if trial else None, "billing_anchor": 1,
            "first_subscription_item": {"id": 1, "subscription_id": int(number), "price_id": 1, "quantity": 1},
            "urls": urls | {"customer_portal": f"{self.url}/billing"}, "renews_at": None, "ends_at": None,
            "created_at": _said(self.now), "updated_at": _said(self.now), "test_mode": self.test_mode,
        }  # fmt: skip
        self.subscriptions[number] = {"type": "subscriptions", "id": number, "attributes": attributes}
        self.custom[number] = dict(made["checkout_data"]["custom"])
        self.bill(number, "initial", 0 if trial else made["custom_price"])
        return number

    def bill(self, number: str, reason: str, total: int, status: str = "paid") -> str:
        """An invoice of a subscription: its number."""
        invoice = str(4000 + len(self.invoices))
        money = {"subtotal": total, "discount_total": 0, "tax": 0, "total": total, "refunded_amount": 0}
        attributes = {
            "store_id": int(STORE), "subscription_id": int(number), "customer_id": 12, "user_name": "Ada",
            "user_email": "ada@example.com", "billing_reason": reason, "card_brand": "visa", "card_last_four": "4242",
            "currency": self.currency, "currency_rate": "1.0000", "status": status, "status_formatted": status.title(),
            "refunded": False, "refunded_at": None, **money,
            **{f"{name}_usd": amount for name, amount in money.items()}, "urls": {"invoice_url": f"{self.url}/i"},
            "created_at": _said(self.now), "updated_at": _said(self.now), "test_mode": self.test_mode,
        }  # fmt: skip
        self.invoices.append({"type": "subscription-invoices", "id": invoice, "attributes": attributes})
        self.custom[invoice] = self.custom[number]
        return invoice

    def alter(self, number: str, **told: Any) -> None:
        """A subscription stands differently now."""
        self.subscriptions[number]["attributes"] |= {"updated_at": _said(self.now), **told}

    def webhook(self, event: str, number: str, **meta: Any) -> Webhook:
        """The headers and the body that tell of an order, a subscription or an invoice as it stands now."""
        named: dict[str, Any] = {"event_name": event, "webhook_id": "a8a9", "test_mode": self.test_mode}
        if self.custom[number]:
            named["custom_data"] = self.custom[number]
        every = self.orders | self.subscriptions | {one["id"]: one for one in self.invoices}
        body = json.dumps({"meta": named | meta, "data": every[number]}).encode()
        return self.sign(body, event), body

    def sign(self, body: bytes, event: str = "order_created", *, secret: str | None = None) -> dict[str, str]:
        signature = hmac.new((secret or self.secret).encode(), body, sha256).hexdigest()
        return {"content-type": "application/json", "x-event-name": event, "x-signature": signature}

    def send(self, webhook: Webhook) -> int:
        """Posts a webhook to `webhook_url`; the status it answered."""
        headers, body = webhook
        return httpx2.post(self.webhook_url or "", headers=headers, content=body, trust_env=False).status_code

    # What it answers.

    async def answer(self, request: Request) -> Response:
        self.asked.append(Asked(request.method, request.url.path, dict(request.headers), await request.body()))
        wrong = self.wrong.pop(0) if self.wrong else None
        if isinstance(wrong, Response):
            return wrong
        done = self._done(request, self.asked[-1])
        if wrong == "slow":  # it was done, and nobody hears of it
            await asyncio.to_thread(self.released.wait)
        if wrong == "lost":
            return Response(b"{", headers={"content-length": "1000"})
        return done

    def _done(self, request: Request, asked: Asked) -> Response:
        if asked.headers.get("accept") != MEDIA_TYPE or asked.headers.get("content-type") != MEDIA_TYPE:
            return _error(415, "Unsupported Media Type")
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "Unauthenticated.")
        kind, number = request.path_params["kind"], request.path_params.get("number", "")
        if (kind, number, asked.method) == ("checkouts", "", "POST"):
            return self._make(json.loads(asked.body)["data"])
        if (kind, number) == ("checkouts", ""):
            return _answer(self._listed(request.query_params))
        if kind == "subscription-invoices":
            wanted = request.query_params["filter[subscription_id]"]
            return _answer([one for one in self.invoices if str(one["attributes"]["subscription_id"]) == wanted])
        found: dict[str, Any] = {
            "customers": {"12": {"attributes": {"urls": {"customer_portal": f"{self.url}/billing?signature=1"}}}},
            "orders": self.orders,
            "subscriptions": self.subscriptions,
            "checkouts": {one["id"]: one for one in self.checkouts},
            "stores": {STORE: {"type": "stores", "id": STORE, "attributes": {"currency": self.currency}}},
        }[kind]
        return _answer(found[number]) if number in found else _error(404, "The requested resource does not exist.")

    def _listed(self, query: Any) -> list[Any]:
        wanted = {"store_id": query.get("filter[store_id]"), "variant_id": query.get("filter[variant_id]")}
        fits = [
            one
            for one in reversed(self.checkouts)
            if all(value in (None, str(one["attributes"][name])) for name, value in wanted.items())
        ]
        return fits[: min(100, int(query.get("page[size]", "10")))]

    def _make(self, asked: dict[str, Any]) -> Response:
        related, attributes = asked["relationships"], asked["attributes"]
        if attributes["custom_price"] < 50:
            return _error(422, "The custom price must be at least 50.")
        custom = attributes["checkout_data"]["custom"]
        if not all(isinstance(value, str) for value in custom.values()):
            return _error(422, "The {0} field must be a string.")
        name = str(UUID(int=len(self.checkouts) + 1))
        made = {
            **attributes, "store_id": int(related["store"]["data"]["id"]), "test_mode": self.test_mode,
            "variant_id": int(related["variant"]["data"]["id"]), "created_at": _said(self.now),
            "url": f"{self.url}/checkout/custom/{name}?signature=8f",
        }  # fmt: skip
        self.checkouts.append({"type": "checkouts", "id": name, "attributes": made})
        return _answer(self.checkouts[-1], status=201)

    async def hear(self, request: Request) -> Response:
        """A shop's webhook, for who tells no story of a shop."""
        self.delivered.append((dict(request.headers), await request.body()))
        return Response(status_code=200)

    # Its page.

    async def page(self, request: Request) -> Response:
        made = next((one for one in self.checkouts if one["id"] == request.path_params["checkout"]), None)
        if made is None:
            return HTMLResponse("Not found", 404)
        attributes = made["attributes"]
        if request.method == "GET":
            price, options = attributes["custom_price"], attributes["product_options"]
            said = f"<h1>{options['name']}</h1><p>{options['description']}</p><p>{self.currency} {price}</p>"
            return HTMLResponse(f'{said}<form method="post"><button>Pay</button></form>')
        number = self.pay(made["id"])
        if self.webhook_url:
            await asyncio.to_thread(self.send, self.webhook("order_created", number))
        return RedirectResponse(attributes["product_options"].get("redirect_url") or self.url, 303)


def provider(town: LemonTown, *secrets: str, **told: Any) -> LemonSqueezy:
    """Our side of the town; it waits for nothing."""
    given: dict[str, Any] = {
        "api_key": KEY, "store": STORE, "variant": VARIANT, "secrets": secrets or [SECRET], "livemode": False,
        "api_base": town.url, "sleep": lambda _: None, "plan_variants": PLAN_VARIANTS,
    }  # fmt: skip
    return LemonSqueezy(**given | told)


@contextmanager
def lemon_town() -> Generator[LemonTown]:
    """A town on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    town = LemonTown(f"http://127.0.0.1:{listening.getsockname()[1]}")
    app = Starlette(
        routes=[
            Route("/v1/{kind}", town.answer, methods=["GET", "POST"]),
            Route("/v1/{kind}/{number}", town.answer, methods=["GET"]),
            Route("/shop", town.hear, methods=["POST"]),
            Route("/checkout/custom/{checkout}", town.page, methods=["GET", "POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    try:
        yield town
    finally:
        town.released.set()
        server.should_exit = True
        serving.join()
        listening.close()


def _said(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def _answer(data: Any, *, status: int = 200) -> Response:
    return JSONResponse({"jsonapi": {"version": "1.0"}, "data": data}, status, media_type=MEDIA_TYPE)


def _error(status: int, detail: str) -> Response:
    told = {"jsonapi": {"version": "1.0"}, "errors": [{"detail": detail, "status": str(status)}]}
    return JSONResponse(told, status, media_type=MEDIA_TYPE)
