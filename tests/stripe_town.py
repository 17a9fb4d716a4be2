"""A counterpart of Stripe for tests: what no ready-made fake of it plays, as far as Farthing asks for it.

Checkout Sessions with a page, PaymentIntents, SetupIntents, customers, refunds and disputes, subscriptions and their
invoices, idempotency keys, signed events. Everything it says is held against Stripe's own schemas
(tests/stripe_schemas.py) where those can be had.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

import stripe
import uvicorn
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from farthing.providers.stripe import Stripe
from tests import stripe_schemas
from tests import stripe_subscriptions as subscriptions

SECRET = "whsec_of_the_town"
KEY = "sk_test_of_the_town"
CARDS = {
    "pm_card_visa": "4242",
    "pm_card_chargeDeclined": "0002",
    "pm_card_authenticationRequired": "3184",
}
PAGE = """<!doctype html><title>Pay</title><h1>{name}</h1><p>{money}</p>
<form method="post"><button name="do" value="pay">Pay</button> <button name="do" value="decline">Try a bad card</button>
<button name="do" value="later">Pay by bank transfer</button></form><a href="{back}">Back to the shop</a>"""


class StripeTown:
    """What one Stripe account holds. Methods are what happens there; `events` is all that it said, oldest first."""

    def __init__(self) -> None:
        self.url = ""
        self.held: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.answered: dict[str, tuple[str, Any]] = {}  # by idempotency key: what was asked, and the answer
        self.asked: list[tuple[str, str]] = []
        self.connections: list[int] = []  # over which each was asked
        # What befalls the next writes, and the next reads. Nothing is done: "500", "429". It is done all the same:
        # "lost" and "broken" (a 502 this once, a 500 whenever the key comes again), "slow" (never answered),
        # "cut" (the answer breaks off).
        self.bad_days: list[str] = []
        self.bad_reads: list[str] = []
        self.tax_minor = self.discount_minor = 0  # what Stripe adds to, and takes off, sessions that are paid

    # What customers, banks and the seller do

    def pay(self, session: str) -> None:
        """The customer pays by card on the page of a session."""
        self._complete(session, paid=True)

    def later(self, session: str) -> None:
        """The customer chooses a way of paying that takes days."""
        self._complete(session, paid=False)

    def arrived(self, session: str, *, well: bool = True) -> None:
        """What was to come later came, or did not."""
        found = self.held[session]
        intent = self.held[found["payment_intent"]]
        if well:
            self._succeed(intent)
            found["payment_status"] = "paid"
        else:
            intent["status"] = "requires_payment_method"
        self._say(f"checkout.session.async_payment_{'succeeded' if well else 'failed'}", found)

    def decline(self, session: str) -> None:
        """The customer tries a card that the bank refuses; the page stays open."""
        found = self.held[session]
        intent = self._intent_of(found)
        self._fail(intent, "card_declined", "insufficient_funds")

    def expire(self, session: str) -> None:
        """A day went by."""
        self.held[session]["status"] = "expired"
        self._say("checkout.session.expired", self.held[session])

    def confirm(self, intent: str, card: str = "pm_card_visa") -> None:
        """The customer confirms in a form of ours, or leaves a card for later."""
        found = self.held[intent]
        found["payment_method"] = self.leave_card(card, found["customer"])
        if found["object"] == "setup_intent":
            found["status"] = "succeeded"
            self._say("setup_intent.succeeded", found)
        elif card == "pm_card_chargeDeclined":
            self._fail(found, "card_declined", "generic_decline")
        else:
            self._succeed(found)
            self._say("payment_intent.succeeded", found)

    def refund(self, intent: str, amount: int, *, status: str = "succeeded") -> str:
        """The seller refunds in the dashboard."""
        charge = self.held[self.held[intent]["latest_charge"]]
        made = self.add("re", "refund", amount=amount, charge=charge["id"], payment_intent=intent, status=status,
                         currency=charge["currency"], metadata={}, reason=None, balance_transaction=None,
                         receipt_number=None, source_transfer_reversal=None, transfer_reversal=None)  # fmt: skip
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        self._say("refund.created", made)
        self._say("charge.refunded", charge)
        return made["id"]

    def fail_refund(self, refund: str) -> None:
        """The customer's bank does not take the money back."""
        found = self.held[refund]
        found["status"] = "failed"
        self.held[found["charge"]]["amount_refunded"] -= found["amount"]
        self._say("refund.failed", found)

    def dispute(self, intent: str, amount: int, status: str = "needs_response") -> str:
        """The customer's bank wants money back."""
        charge = self.held[self.held[intent]["latest_charge"]]
        evidence = dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}}
        made = self.add("dp", "dispute", amount=amount, charge=charge["id"], payment_intent=intent, status=status,
                         currency=charge["currency"], metadata={}, reason="fraudulent", balance_transactions=[],
                         evidence=evidence, is_charge_refundable=False, enhanced_eligibility_types=[],
                         evidence_details={"due_by": None, "has_evidence": False, "past_due": False,
                                           "submission_count": 0, "enhanced_eligibility": {}})  # fmt: skip
        charge["disputed"] = True
        self._say("charge.dispute.created", made)
        self._say("charge.dispute.funds_withdrawn", made)
        return made["id"]

    def decide(self, dispute: str, status: str) -> None:
        """The bank decides: "won" or "lost" by the seller."""
        self.held[dispute]["status"] = status
        self._say("charge.dispute.closed", self.held[dispute])

    def subscribe(self, session: str) -> str:
        """The customer buys a plan on the page of a session: its name. A trial's invoice is of nothing."""
        found = self.held[session]
        given, data = found["_given"], found["_given"]["subscription_data"]
        found["customer"] = found["customer"] or self._new_customer({})["id"]
        made = subscriptions.new(self, found["customer"], given["line_items"]["0"]["price_data"], data)
        found.update(status="complete", payment_status="paid", subscription=made["id"])
        if made["status"] == "trialing":
            found["payment_status"] = "no_payment_required"
        self._say("customer.subscription.created", made)
        self.bill(made["id"], "subscription_create")
        self._say("checkout.session.completed", found)
        return made["id"]

    def bill(self, subscription: str, reason: str, *, paid: bool = True, amount: int | None = None) -> str:
        """Stripe collects for a subscription: the name of the invoice."""
        found = self.held[subscription]
        trial = found["status"] == "trialing" and reason == "subscription_create"
        price = 0 if trial else found["items"]["data"][0]["price"]["unit_amount"] if amount is None else amount
        invoice = subscriptions.invoice(self, found, reason, price, paid=paid)
        if paid and price:
            asked = {"amount": price, "currency": found["currency"], "customer": found["customer"]}
            intent = self._new_intent(asked)
            self._succeed(intent)
            invoice["payments"]["data"].append(subscriptions.payment(self, invoice, intent["id"]))
            self._say("payment_intent.succeeded", intent)
        found["latest_invoice"] = invoice["id"]
        self._say("invoice.paid" if paid else "invoice.payment_failed", invoice)
        return invoice["id"]

    def settle(self, invoice: str) -> None:
        """What could not be collected is paid after all."""
        subscriptions.settle(self.held[invoice])
        self._say("invoice.paid", self.held[invoice])

    def alter(self, subscription: str, what: str = "updated", **fields: Any) -> None:
        """A subscription stands otherwise from now on."""
        self.held[subscription].update(fields)
        self._say(f"customer.subscription.{what}", self.held[subscription])

    # How its events travel

    def letters(self, since: int = 0, *, secret: str = SECRET) -> list[tuple[dict[str, str], bytes]]:
        """The events from the `since`th on, each signed now: headers and body."""
        return [self.letter(event, secret=secret) for event in self.events[since:]]

    def letter(
        self, event: dict[str, Any], *, secret: str = SECRET, at: float | None = None
    ) -> tuple[dict[str, str], bytes]:
        """One event, signed."""
        body = json.dumps(event, indent=2)
        sign = stripe.WebhookSignature.generate_signature_header
        return {"Stripe-Signature": sign(body, secret, int(at or time.time()))}, body.encode()  # pyright: ignore

    # Its API

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application: the API under /v1, and the page of each session under /c/pay."""
        request = Request(scope, receive)
        path, body = request.url.path, (await request.body()).decode()
        if path.startswith("/c/pay/"):
            answer = self._page(path.rpartition("/")[2], body)
        else:
            answer = self._api(request, path, body)
        await answer(scope, receive, send)

    def _page(self, session: str, body: str) -> Response:
        found = self.held[session]
        if not body:
            money = f"{found['currency'].upper()} {found['amount_total']}"
            return HTMLResponse(PAGE.format(name=found["_name"], money=money, back=found["cancel_url"]))
        getattr(self, dict(parse_qsl(body))["do"])(session)
        return RedirectResponse(found["success_url"] if found["status"] == "complete" else request_again(session), 303)

    def _api(self, request: Request, path: str, body: str) -> Response:
        self.asked.append((request.method, path))
        self.connections.append(request.client.port if request.client else 0)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _error(401, "invalid_request_error", "Invalid API Key provided")
        given = _nested(parse_qsl(body if request.method == "POST" else request.url.query, keep_blank_values=True))
        days = self.bad_days if request.method == "POST" else self.bad_reads
        befalls = days.pop(0) if days else ""
        if befalls in ("500", "429"):
            return _error(int(befalls), "api_error", "Something went wrong")
        key = request.headers.get("idempotency-key", "")
        if key in self.answered:
            known, answer = self.answered[key]
            if known != path + body:
                return _error(
                    400, "idempotency_error", "Keys for idempotent requests can only be used with the same parameters"
                )
        else:
            answer = self._answer(request.method, path.removeprefix("/v1/"), given)
            if befalls == "broken":
                answer = _error(500, "api_error", "Something went wrong")
            if key:
                self.answered[key] = (path + body, answer)
        return {"lost": Response(status_code=502), "slow": _Silence(), "cut": _Half()}.get(befalls, answer)

    def _answer(self, method: str, path: str, given: dict[str, Any]) -> Response:
        kind, _, name = path.removeprefix("checkout/").replace("billing_portal/sessions", "portals").partition("/")
        if method == "GET" and not name:
            paging = ("limit", "starting_after", "expand", "created")
            wanted = {field: value for field, value in given.items() if field not in paging}
            since = int(given.get("created", {}).get("gte", 0))
            listed = [one for one in self.held.values() if one["_kind"] == kind and one["created"] >= since]
            alike = [one for one in listed if wanted.items() <= (one | one.get("_listed_by", {})).items()]
            data = [self.shown(one, []) for one in alike]
            return JSONResponse({"object": "list", "data": data, "has_more": False, "url": f"/v1/{path}"})
        if method == "GET":
            found = self.held.get(name)
            if found is None or found["_kind"] != kind:
                return _error(404, "invalid_request_error", f"No such {kind}: '{name}'", code="resource_missing")
            return JSONResponse(self.shown(found, list(given.get("expand", {}).values())))
        makers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "customers": self._new_customer, "sessions": self._new_session, "payment_intents": self._new_intent,
            "setup_intents": self._new_setup, "portals": self._new_portal,
        }  # fmt: skip
        try:
            made = makers[kind](given)
        except _Declined as declined:
            return JSONResponse({"error": declined.args[0]}, 402)
        except _Missing as missing:
            return _error(400, "invalid_request_error", str(missing), code="resource_missing")
        except KeyError as missing:
            return _error(400, "invalid_request_error", f"Missing required param: {missing.args[0]}.")
        return JSONResponse(self.shown(made, []))

    def shown(self, found: dict[str, Any], expand: Sequence[str] = ()) -> dict[str, Any]:
        """An object as Stripe would show it."""
        shown = {field: value for field, value in found.items() if not field.startswith("_")}
        for field in {path.partition(".")[0] for path in expand}:
            inner = [path.partition(".")[2] for path in expand if path.startswith(f"{field}.")]
            if isinstance(shown.get(field), str):
                shown[field] = self.shown(self.held[shown[field]], inner)
        if stripe_schemas.described():
            stripe_schemas.check(shown)
        return shown

    # What it makes

    def _new_customer(self, given: dict[str, Any]) -> dict[str, Any]:
        return self.add("cus", "customer", metadata=given.get("metadata", {}), email=given.get("email"))

    def _new_session(self, given: dict[str, Any]) -> dict[str, Any]:
        line: dict[str, Any] = {"currency": None}
        if given["mode"] != "setup":
            line = given["line_items"]["0"]["price_data"]
        amount = int(line["unit_amount"]) if "unit_amount" in line else None
        customer = given.get("customer")
        made = self.add(
            "cs_test", "checkout.session",
            mode=given["mode"], status="open", payment_status="unpaid" if amount else "no_payment_required",
            currency=line["currency"], amount_subtotal=amount, amount_total=amount, customer=customer,
            client_reference_id=given.get("client_reference_id"), metadata=given.get("metadata", {}),
            success_url=given["success_url"], cancel_url=given["cancel_url"], payment_intent=None, setup_intent=None,
            expires_at=int(given.get("expires_at", time.time() + 3600)), locale=given.get("locale"),
            automatic_tax={"enabled": "automatic_tax" in given, "liability": None, "provider": None, "status": None},
            custom_fields=[], shipping_options=[], payment_method_types=["card"], subscription=None, invoice=None,
            custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
            total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            customer_creation=given.get("customer_creation"), customer_email=given.get("customer_email"),
            _name=line.get("product_data", {}).get("name", ""), _intent=given.get("payment_intent_data", {}),
            _given=given,
        )  # fmt: skip
        made["url"] = f"{self.url}/c/pay/{made['id']}"
        if given["mode"] == "setup":
            marked = given.get("setup_intent_data", {})
            made["setup_intent"] = self._new_setup({"customer": customer, "usage": "off_session", **marked})["id"]
        return made

    def _new_intent(self, given: dict[str, Any]) -> dict[str, Any]:
        made = self.add(
            "pi", "payment_intent",
            amount=int(given["amount"]), amount_received=0, currency=given["currency"],
            status="requires_payment_method",
            customer=given.get("customer"), metadata=given.get("metadata", {}), payment_method=None, latest_charge=None,
            setup_future_usage=given.get("setup_future_usage"), last_payment_error=None, canceled_at=None,
            description=given.get("description"), receipt_email=given.get("receipt_email"),
            payment_method_types=["card"],
        )  # fmt: skip
        made["client_secret"] = f"{made['id']}_secret_{len(self.held)}"
        if given.get("confirm") == "true":
            if given["payment_method"] not in self.held:
                raise _Missing(f"No such PaymentMethod: '{given['payment_method']}'")
            card = self.held[given["payment_method"]]
            made["payment_method"] = card["id"]
            if card["card"]["last4"] != CARDS["pm_card_visa"]:
                needs = card["card"]["last4"] == CARDS["pm_card_authenticationRequired"]
                code = "authentication_required" if needs else "card_declined"
                self._fail(made, code, code if needs else "generic_decline")
                error = {"type": "card_error", "code": code, "decline_code": code if needs else "generic_decline",
                         "message": "Your card was declined.", "payment_intent": self.shown(made, [])}  # fmt: skip
                raise _Declined(error)
            self._succeed(made)
            self._say("payment_intent.succeeded", made)
        return made

    def _new_portal(self, given: dict[str, Any]) -> dict[str, Any]:
        where = f"{self.url}/p/session/{given['customer']}"
        made = self.add("bps", "billing_portal.session", customer=given["customer"], customer_account=None, url=where,
                         configuration="bpc_1", return_url=given.get("return_url"), locale=given.get("locale"),
                         flow=None, on_behalf_of=None)  # fmt: skip
        return made

    def _new_setup(self, given: dict[str, Any]) -> dict[str, Any]:
        made = self.add(
            "seti", "setup_intent",
            customer=given.get("customer"), metadata=given.get("metadata", {}), payment_method=None,
            status="requires_payment_method",
            usage=given["usage"], payment_method_types=["card"],
        )  # fmt: skip
        made["client_secret"] = f"{made['id']}_secret_{len(self.held)}"
        return made

    def leave_card(self, name: str, customer: str | None) -> str:
        """A card of this temper, kept for a customer."""
        bare = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
        card = {"brand": "visa", "last4": CARDS[name], "exp_month": 12, "exp_year": 2031, "funding": "credit",
                "country": "US", "checks": None, "fingerprint": "x", "generated_from": None, "networks": None,
                "three_d_secure_usage": None, "wallet": None, "display_brand": "visa",
                "regulated_status": None}  # fmt: skip
        return self.add("pm", "payment_method", type="card", card=card, billing_details=bare, customer=customer)["id"]

    def _intent_of(self, session: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"] is None:
            given = {
                "amount": session["amount_total"],
                "currency": session["currency"],
                "customer": session["customer"],
            }
            session["payment_intent"] = self._new_intent({**given, **session["_intent"]})["id"]
        return self.held[session["payment_intent"]]

    def _complete(self, session: str, *, paid: bool) -> None:
        found = self.held[session]
        if found["mode"] == "subscription":
            self.subscribe(session)
            return
        if found["mode"] == "setup":
            self.confirm(found["setup_intent"])
            found["status"] = "complete"
            self._say("checkout.session.completed", found)
            return
        found["total_details"] |= {"amount_tax": self.tax_minor, "amount_discount": self.discount_minor}
        found["amount_total"] = found["amount_subtotal"] + self.tax_minor - self.discount_minor
        if found["customer_creation"] == "always":
            found["customer"] = self._new_customer({})["id"]
        found["status"] = "complete"
        if not found["amount_total"]:
            found["payment_status"] = "no_payment_required"
        else:
            intent = self._intent_of(found)
            intent["amount"], intent["customer"] = found["amount_total"], found["customer"]
            intent["payment_method"] = self.leave_card("pm_card_visa", found["customer"])
            if paid:
                self._succeed(intent)
                self._say("payment_intent.succeeded", intent)
                found["payment_status"] = "paid"
            else:
                intent["status"] = "processing"
                self._say("payment_intent.processing", intent)
        self._say("checkout.session.completed", found)

    def _succeed(self, intent: dict[str, Any]) -> None:
        bare = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
        charge = self.add("ch", "charge", amount=intent["amount"], amount_captured=intent["amount"], amount_refunded=0,
                           billing_details=bare, captured=True, currency=intent["currency"], disputed=False,
                           metadata=intent["metadata"], paid=True, refunded=False, status="succeeded",
                           payment_intent=intent["id"], customer=intent["customer"], outcome=None)  # fmt: skip
        intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])

    def _fail(self, intent: dict[str, Any], code: str, decline_code: str) -> None:
        error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined."}
        intent.update(status="requires_payment_method", last_payment_error=error)
        self._say("payment_intent.payment_failed", intent)

    def add(self, prefix: str, kind: str, **fields: Any) -> dict[str, Any]:
        """One more object."""
        plural = {"dispute": "disputes", "checkout.session": "sessions"}.get(kind, f"{kind}s")
        name = f"{prefix}_{len(self.held) + 1:06}"
        made = {"id": name, "object": kind, "created": int(time.time()), "livemode": False, "_kind": plural, **fields}
        if kind == "refund":
            del made["livemode"]
        self.held[name] = made
        return made

    def _say(self, kind: str, about: dict[str, Any]) -> None:
        event = {
            "id": f"evt_{len(self.events) + 1:06}", "object": "event", "api_version": stripe.api_version, "type": kind,
            "created": int(time.time()), "livemode": False, "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None}, "data": {"object": self.shown(about, [])},
        }  # fmt: skip
        if stripe_schemas.described():
            stripe_schemas.check(event)
        self.events.append(json.loads(json.dumps(event)))


class _Declined(Exception):
    """The bank said no."""


class _Missing(Exception):
    """There is no such thing."""


def request_again(session: str) -> str:
    """The page of a session that is still open."""
    return f"/c/pay/{session}"


def _error(status: int, kind: str, message: str, **more: str) -> Response:
    return JSONResponse({"error": {"type": kind, "message": message, **more}}, status)


class _Silence(Response):
    """No answer, for as long as anybody waits for it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class _Half(Response):
    """An answer that breaks off: the connection is closed in the middle of it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A form's a[b][0]=c as tables in tables."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = re.findall(r"[^\[\]]+", name)
        here = found
        for part in path:
            here = here.setdefault(part, {})
        here[last] = value
    return found


_EVIDENCE = (
    *("access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure"),
    *("cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name"),
    *("customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation"),
    *("duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure"),
    *("refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier"),
    *("shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file"),
    "uncategorized_text",
)


@contextmanager
def stripe_town() -> Generator[StripeTown]:
    """A town on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    town = StripeTown()
    town.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(town.serve, interface="asgi3", log_level="error", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    try:
        yield town
    finally:
        server.should_exit = True
        serving.join()
        listening.close()


def collector(town: StripeTown, **given: Any) -> Stripe:
    """Our Stripe, which speaks to this town."""
    settings: dict[str, Any] = {
        "secret_key": KEY, "secrets": [SECRET], "publishable_key": "pk_test_of_the_town", "api_base": town.url,
        "return_url": "https://shop.test/back",
    }  # fmt: skip
    return Stripe(**(settings | given))
