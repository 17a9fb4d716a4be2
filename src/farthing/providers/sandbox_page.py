"""The sandbox provider's own hosted pay page, as an ASGI app: what a customer sees, and each way it can end.

A button performs what it says: it signs an event, delivers it to the webhook by HTTP and sends the customer back.
Leaving the page abandons the order. It needs no JavaScript and loads nothing.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from secrets import token_hex
from typing import NamedTuple

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from farthing.amounts import format_money
from farthing.providers import Bill
from farthing.providers.sandbox import Kind, Sandbox

DELIVERY_TIMEOUT_S = 10
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


def sandbox_app(
    sandbox: Sandbox, *, webhook_url: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Starlette:
    """The pay page, to be mounted where the sandbox's `url` says, e.g. under /sandbox.

    Args:
        webhook_url: where its events go, e.g. "http://127.0.0.1:8000/v1/webhooks/sandbox".
    """

    async def show(request: Request) -> Response:
        token = request.path_params["token"]
        bill = sandbox.bill(token)
        if bill is None:
            return _page("There is nothing to pay here", "<p>This sandbox did not make this address.</p>", status=404)
        return _pay_page(sandbox, bill, clock(), pending="pending" in request.query_params)

    async def act(request: Request) -> Response:
        token = request.path_params["token"]
        form = await request.form()
        bill, name, visit = sandbox.bill(token), str(form.get("action")), str(form.get("visit"))
        action = ACTIONS.get(name)
        if bill is None or action is None or not _VISIT.fullmatch(visit):
            return _page("That did not work", "<p>Nothing was sent. Go back and load the page again.</p>", status=400)
        # The same button of the same visit is the same event, however often it is pressed or delivered.
        event_id = f"evt_{sha256(f'{visit}.{name}'.encode()).hexdigest()[:32]}"
        body = sandbox.event(bill, action.kind, id=event_id, at=clock(), reason=action.reason)
        problem = await _deliver(webhook_url, body, sandbox.sign(body, clock()))
        if problem:
            return _undelivered(bill, name, visit, problem)
        if name == "later":
            return RedirectResponse(f"{sandbox.url}/pay/{token}?pending", status_code=303)
        if bill.return_url is None:
            return _page(action.hint, "<p>The shop was told. You may close this page.</p>")
        return RedirectResponse(bill.return_url, status_code=303)

    return Starlette(
        routes=[Route("/pay/{token}", show, methods=["GET"]), Route("/pay/{token}", act, methods=["POST"])]
    )


async def _deliver(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    """Posts an event; what went wrong, in words, or None."""
    try:
        async with httpx2.AsyncClient(timeout=DELIVERY_TIMEOUT_S, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=headers)
    except httpx2.HTTPError as error:
        return f"The webhook at {url} does not answer ({type(error).__name__})."
    return None if answer.is_success else f"The webhook at {url} answered {answer.status_code}."


def _pay_page(sandbox: Sandbox, bill: Bill, now: datetime, *, pending: bool) -> Response:
    notes = ["This is a sandbox: no money moves."]
    if now >= bill.expires_at:
        notes.append("The order's time is over; paying now shows what a late payment does.")
    if pending:
        notes.append("The payment is on its way. How does it end?")
    buttons = "".join(_button(name, action) for name, action in (LATER if pending else NOW).items())
    back = escape(bill.return_url or "")
    link = f'<p><a href="{back}">Back to {escape(sandbox.merchant)}</a></p>' if back else ""
    return _page(
        f"Pay {format_money(bill.total_minor, bill.currency)}",
        f"<dl><dt>To</dt><dd>{escape(sandbox.merchant)}</dd><dt>For</dt><dd>{escape(bill.description)}</dd>"
        f"<dt>Order</dt><dd>{escape(bill.order)}</dd></dl>{''.join(f'<p>{escape(note)}</p>' for note in notes)}"
        f'<form method="post"><input type="hidden" name="visit" value="{token_hex(16)}">{buttons}</form>{link}',
    )


def _button(name: str, action: Action) -> str:
    return (
        f'<p><button name="action" value="{name}" aria-describedby="{name}">{escape(action.label)}</button> '
        f'<span id="{name}">{escape(action.hint)}</span></p>'
    )


def _undelivered(bill: Bill, name: str, visit: str, problem: str) -> Response:
    return _page(
        "The shop could not be told",
        f'<p role="alert">{escape(problem)}</p><p>{escape(bill.description)}: {escape(ACTIONS[name].hint)}</p>'
        f'<form method="post"><input type="hidden" name="visit" value="{escape(visit)}">'
        f'<p><button name="action" value="{escape(name)}">Tell it again</button></p></form>',
        status=502,
    )


_STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { max-width: 30rem; margin: 0 auto; padding: 2rem 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
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
