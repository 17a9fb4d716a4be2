"""The sandbox provider's own hosted pay page, as an ASGI app: what a customer sees, and each way it can end.

A button performs what it says: it signs an event, delivers it to the webhook by HTTP and sends the customer back.
Leaving the page abandons the order. Under "Misbehave" the webhook can be sent twice, late or not at all. A second page
saves a card and takes no money. They need no JavaScript and load nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from secrets import token_hex
from typing import NamedTuple

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from farthing.amounts import format_money
from farthing.providers import Bill
from farthing.providers.sandbox import CardAsked, Kind, Sandbox
from farthing.providers.sandbox_events import CARDS

log = logging.getLogger("farthing")

DELIVERY_TIMEOUT_S = 10
LATE_S = 5.0  # a server that ends waits so long for what is late
_VISIT = re.compile(r"[0-9a-f]{32}", re.ASCII)


class Action(NamedTuple):
    """A button, and the event it sends."""

    label: str
    hint: str
    kind: Kind
    reason: str | None = None


NOW = {
    "pay": Action("Pay", "The card is charged.", "payment.paid"),
    "decline": Action("Decline", "The bank refuses the card.", "payment.failed", "card_declined"),
    "later": Action("Pay later", "A bank transfer, which takes its time.", "payment.pending"),
    "cancel": Action("Cancel", "Nothing is charged.", "checkout.cancelled"),
}
LATER = {
    "arrive": Action("The transfer arrives", "The payment succeeds after all.", "payment.paid"),
    "bounce": Action("The transfer fails", "The bank sends it back.", "payment.failed", "bank_refused"),
}
ACTIONS = NOW | LATER
KEEP = ("keep", "Keep this card", "It can be charged later, without you. Nothing is charged now.")
WEBHOOKS = {
    "once": "Send the webhook once, as it should be",
    "twice": "Send it twice",
    "late": "Send it late, seconds after you are back",
    "never": "Never send it: the shop has to ask",
}


class Pressed(NamedTuple):
    """A form that came back: the button, the visit it belongs to, how the webhook goes and which card is left."""

    action: str
    visit: str
    webhook: str
    card: str

    @property
    def event_id(self) -> str:
        """The same button of the same visit is the same event, however often it is pressed or delivered."""
        return f"evt_{sha256(f'{self.visit}.{self.action}'.encode()).hexdigest()[:32]}"


class Delivery(NamedTuple):
    """How events come to the shop: to which address, and how many seconds after the customer when they come late."""

    url: str
    late_s: float

    async def send(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]], how: str) -> str | None:
        """Posts an event now, as often as `how` says; what went wrong, in words, or None."""
        for _ in range({"once": 1, "twice": 2}.get(how, 0)):
            if problem := await _post(self.url, body, sign(body)):
                return problem
        return None

    def rest(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]], how: str) -> BackgroundTask | None:
        """What is left to send when the customer was answered."""
        return BackgroundTask(self._send_late, body, sign) if how == "late" else None

    async def _send_late(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]]) -> None:
        await asyncio.sleep(self.late_s)
        if problem := await _post(self.url, body, sign(body)):
            log.warning("the sandbox's late webhook was lost: %s", problem)


def sandbox_app(
    sandbox: Sandbox,
    *,
    webhook_url: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    late_s: float = LATE_S,
) -> Starlette:
    """The pay page, to be mounted where the sandbox's `url` says, e.g. under /sandbox.

    Args:
        webhook_url: where its events go, e.g. "http://127.0.0.1:8000/v1/webhooks/sandbox".
        late_s: how long a webhook waits that is sent late.
    """
    delivery = Delivery(webhook_url, late_s)

    def sign(body: bytes) -> Mapping[str, str]:
        return sandbox.sign(body, clock())

    async def show(request: Request) -> Response:
        bill = sandbox.bill(request.path_params["token"])
        if bill is None:
            return _nothing_here()
        return _pay_page(sandbox, bill, clock(), pending="pending" in request.query_params)

    async def show_card(request: Request) -> Response:
        asked = sandbox.card_asked(request.path_params["token"])
        return _nothing_here() if asked is None else _card_page(sandbox, asked)

    async def act(request: Request) -> Response:
        token = request.path_params["token"]
        bill, pressed = sandbox.bill(token), await _pressed(request)
        if bill is None or pressed is None or pressed.action not in ACTIONS:
            return _not_sent()
        action = ACTIONS[pressed.action]
        card = pressed.card if bill.save_card and action.kind == "payment.paid" else None
        body = sandbox.event(
            bill, action.kind, id=pressed.event_id, at=clock(), reason=action.reason, card=card,
        )  # fmt: skip
        sandbox.remember(body)
        if problem := await delivery.send(body, sign, pressed.webhook):
            return _undelivered(f"{bill.description}: {action.hint}", pressed, problem)
        back = f"{sandbox.url}/pay/{token}?pending" if pressed.action == "later" else bill.return_url
        return _done(action.hint, back, delivery.rest(body, sign, pressed.webhook))

    async def keep_card(request: Request) -> Response:
        asked, pressed = sandbox.card_asked(request.path_params["token"]), await _pressed(request)
        if asked is None or pressed is None or pressed.action != KEEP[0]:
            return _not_sent()
        body = sandbox.card_event(asked, pressed.card, id=pressed.event_id, at=clock())
        sandbox.remember(body)
        if problem := await delivery.send(body, sign, pressed.webhook):
            return _undelivered(CARDS[pressed.card].label, pressed, problem)
        return _done("The card is kept.", asked.return_url, delivery.rest(body, sign, pressed.webhook))

    return Starlette(
        routes=[
            Route("/pay/{token}", show, methods=["GET"]),
            Route("/pay/{token}", act, methods=["POST"]),
            Route("/card/{token}", show_card, methods=["GET"]),
            Route("/card/{token}", keep_card, methods=["POST"]),
        ]
    )


async def _pressed(request: Request) -> Pressed | None:
    """What a form of these pages says; None where it is none of them."""
    form = await request.form()
    said = Pressed(
        str(form.get("action")),
        str(form.get("visit")),
        str(form.get("webhook", "once")),
        str(form.get("card", "card_ok")),
    )
    right = _VISIT.fullmatch(said.visit) and said.webhook in WEBHOOKS and said.card in CARDS
    return said if right else None


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str | None:
    """Posts an event; what went wrong, in words, or None."""
    try:
        async with httpx2.AsyncClient(timeout=DELIVERY_TIMEOUT_S, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=dict(headers))
    except httpx2.HTTPError as error:
        return f"The webhook at {url} does not answer ({type(error).__name__})."
    return None if answer.is_success else f"The webhook at {url} answered {answer.status_code}."


def _done(said: str, back: str | None, rest: BackgroundTask | None) -> Response:
    if back is not None:
        return RedirectResponse(back, status_code=303, background=rest)
    answer = _page(said, "<p>You may close this page.</p>")
    answer.background = rest
    return answer


def _nothing_here() -> Response:
    return _page("There is nothing to pay here", "<p>This sandbox did not make this address.</p>", status=404)


def _not_sent() -> Response:
    return _page("That did not work", "<p>Nothing was sent. Go back and load the page again.</p>", status=400)


def _pay_page(sandbox: Sandbox, bill: Bill, now: datetime, *, pending: bool) -> Response:
    notes = ["This is a sandbox: no money moves."]
    if now >= bill.expires_at:
        notes.append("The order's time is over; paying now shows what a late payment does.")
    if pending:
        notes.append("The payment is on its way. How does it end?")
    if bill.save_card:
        notes.append(f"{sandbox.merchant} may charge your card again without you.")
    buttons = "".join(_button(name, action.label, action.hint) for name, action in (LATER if pending else NOW).items())
    return _page(
        f"Pay {format_money(bill.total_minor, bill.currency)}",
        f"<dl><dt>To</dt><dd>{escape(sandbox.merchant)}</dd><dt>For</dt><dd>{escape(bill.description)}</dd>"
        f"<dt>Order</dt><dd>{escape(bill.order)}</dd></dl>{_notes(notes)}"
        f"{_form(buttons, cards=bill.save_card)}{_back(sandbox, bill.return_url)}",
    )


def _card_page(sandbox: Sandbox, asked: CardAsked) -> Response:
    notes = ["This is a sandbox: no money moves.", f"{sandbox.merchant} may charge your card later without you."]
    return _page(
        "Leave a card", f"{_notes(notes)}{_form(_button(*KEEP), cards=True)}{_back(sandbox, asked.return_url)}"
    )


def _form(buttons: str, *, cards: bool) -> str:
    labels = {name: f"{card.label}: {card.hint}" for name, card in CARDS.items()}
    kept = _choice("card", "The card that is kept", labels) if cards else ""
    return (
        f'<form method="post"><input type="hidden" name="visit" value="{token_hex(16)}">{kept}{buttons}'
        f"<details><summary>Misbehave</summary>{_choice('webhook', 'What the shop is told', WEBHOOKS)}</details></form>"
    )


def _choice(name: str, legend: str, labels: Mapping[str, str]) -> str:
    """Radio buttons, the first of them chosen."""
    chosen = next(iter(labels))
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" * (value == chosen)}> '
        f"{escape(label)}</label>"
        for value, label in labels.items()
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{options}</fieldset>"


def _notes(notes: list[str]) -> str:
    return "".join(f"<p>{escape(note)}</p>" for note in notes)


def _back(sandbox: Sandbox, url: str | None) -> str:
    return f'<p><a href="{escape(url)}">Back to {escape(sandbox.merchant)}</a></p>' if url else ""


def _button(name: str, label: str, hint: str) -> str:
    return (
        f'<p><button name="action" value="{name}" aria-describedby="{name}">{escape(label)}</button> '
        f'<span id="{name}">{escape(hint)}</span></p>'
    )


def _undelivered(said: str, pressed: Pressed, problem: str) -> Response:
    return _page(
        "The shop could not be told",
        f'<p role="alert">{escape(problem)}</p><p>{escape(said)}</p>'
        f'<form method="post"><input type="hidden" name="visit" value="{escape(pressed.visit)}">'
        f'<input type="hidden" name="card" value="{escape(pressed.card)}">'
        f'<p><button name="action" value="{escape(pressed.action)}">Tell it again</button></p></form>',
        status=502,
    )


_STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 0 auto; padding: 2rem 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
fieldset { border: 1px solid; margin: .5rem 0; }
label { display: block; padding: .25rem 0; cursor: pointer; }
summary { padding: .5rem 0; cursor: pointer; }
button { font: inherit; min-width: 8rem; padding: .5rem 1rem; cursor: pointer; }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
"""
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def _page(title: str, body: str, *, status: int = 200) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Sandbox</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status_code=status,
        headers=_HEADERS,
    )
