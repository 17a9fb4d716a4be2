"""The sandbox provider's own hosted pay page, as an ASGI app: what a customer sees, and each way it can end.

A button performs what it says: it signs an event, delivers it to the webhook by HTTP and sends the customer back.
Leaving the page abandons the order. Under "Misbehave" the webhook can be sent twice, late or not at all. A second page
saves a card and takes no money. They need no JavaScript and load nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from secrets import token_hex
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from farthing.amounts import format_money
from farthing.providers import Bill
from farthing.providers import sandbox_html as html
from farthing.providers.sandbox import CardAsked, Kind, Sandbox
from farthing.providers.sandbox_delivery import Delivery
from farthing.providers.sandbox_events import CARDS
from farthing.providers.sandbox_plan_page import routes

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
            return html.nothing_here()
        return _pay_page(sandbox, bill, clock(), pending="pending" in request.query_params)

    async def show_card(request: Request) -> Response:
        asked = sandbox.card_asked(request.path_params["token"])
        return html.nothing_here() if asked is None else _card_page(sandbox, asked)

    async def act(request: Request) -> Response:
        token = request.path_params["token"]
        bill, pressed = sandbox.bill(token), await _pressed(request)
        if bill is None or pressed is None or pressed.action not in ACTIONS:
            return html.not_sent()
        action = ACTIONS[pressed.action]
        card = pressed.card if bill.save_card and action.kind == "payment.paid" else None
        body = sandbox.event(
            bill, action.kind, id=pressed.event_id, at=clock(), reason=action.reason, card=card,
        )  # fmt: skip
        sandbox.remember(body)
        if problem := await delivery.send(body, sign, pressed.webhook):
            return _undelivered(f"{bill.description}: {action.hint}", pressed, problem)
        back = f"{sandbox.url}/pay/{token}?pending" if pressed.action == "later" else bill.return_url
        return html.done(action.hint, back, delivery.rest(body, sign, pressed.webhook))

    async def keep_card(request: Request) -> Response:
        asked, pressed = sandbox.card_asked(request.path_params["token"]), await _pressed(request)
        if asked is None or pressed is None or pressed.action != KEEP[0]:
            return html.not_sent()
        body = sandbox.card_event(asked, pressed.card, id=pressed.event_id, at=clock())
        sandbox.remember(body)
        if problem := await delivery.send(body, sign, pressed.webhook):
            return _undelivered(CARDS[pressed.card].label, pressed, problem)
        return html.done("The card is kept.", asked.return_url, delivery.rest(body, sign, pressed.webhook))

    return Starlette(
        routes=[
            Route("/pay/{token}", show, methods=["GET"]),
            Route("/pay/{token}", act, methods=["POST"]),
            Route("/card/{token}", show_card, methods=["GET"]),
            Route("/card/{token}", keep_card, methods=["POST"]),
            *routes(sandbox, delivery, sign, clock),
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


def _pay_page(sandbox: Sandbox, bill: Bill, now: datetime, *, pending: bool) -> Response:
    notes = ["This is a sandbox: no money moves."]
    if now >= bill.expires_at:
        notes.append("The order's time is over; paying now shows what a late payment does.")
    if pending:
        notes.append("The payment is on its way. How does it end?")
    if bill.save_card:
        notes.append(f"{sandbox.merchant} may charge your card again without you.")
    buttons = "".join(
        html.button(name, action.label, action.hint) for name, action in (LATER if pending else NOW).items()
    )
    return html.page(
        f"Pay {format_money(bill.total_minor, bill.currency)}",
        f"<dl><dt>To</dt><dd>{escape(sandbox.merchant)}</dd><dt>For</dt><dd>{escape(bill.description)}</dd>"
        f"<dt>Order</dt><dd>{escape(bill.order)}</dd></dl>{html.notes(notes)}"
        f"{_form(buttons, cards=bill.save_card)}{html.back(sandbox, bill.return_url)}",
    )


def _card_page(sandbox: Sandbox, asked: CardAsked) -> Response:
    notes = ["This is a sandbox: no money moves.", f"{sandbox.merchant} may charge your card later without you."]
    return html.page(
        "Leave a card",
        f"{html.notes(notes)}{_form(html.button(*KEEP), cards=True)}{html.back(sandbox, asked.return_url)}",
    )


def _form(buttons: str, *, cards: bool) -> str:
    labels = {name: f"{card.label}: {card.hint}" for name, card in CARDS.items()}
    kept = html.choice("card", "The card that is kept", labels) if cards else ""
    told = html.choice("webhook", "What the shop is told", WEBHOOKS)
    return (
        f'<form method="post"><input type="hidden" name="visit" value="{token_hex(16)}">{kept}{buttons}'
        f"<details><summary>Misbehave</summary>{told}</details></form>"
    )


def _undelivered(said: str, pressed: Pressed, problem: str) -> Response:
    return html.page(
        "The shop could not be told",
        f'<p role="alert">{escape(problem)}</p><p>{escape(said)}</p>'
        f'<form method="post"><input type="hidden" name="visit" value="{escape(pressed.visit)}">'
        f'<input type="hidden" name="card" value="{escape(pressed.card)}">'
        f'<p><button name="action" value="{escape(pressed.action)}">Tell it again</button></p></form>',
        status=502,
    )
