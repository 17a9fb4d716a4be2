"""The sandbox's pages for plans: one where a plan is bought, and a portal where its time is made to pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from html import escape
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from farthing.amounts import format_money
from farthing.core.payments import Billed, PaidInvoice
from farthing.providers import Found
from farthing.providers import sandbox_html as html
from farthing.providers.sandbox import PlanAsked, Sandbox
from farthing.providers.sandbox_delivery import Delivery
from farthing.providers.sandbox_plans import ACTIONS, after, billed_of, subscription_of

Sign = Callable[[bytes], Mapping[str, str]]


def routes(sandbox: Sandbox, delivery: Delivery, sign: Sign, clock: Callable[[], datetime]) -> list[Route]:
    """The pages, to be mounted with the pay page."""

    async def show(request: Request) -> Response:
        asked = sandbox.plan_asked(request.path_params["token"])
        return html.nothing_here() if asked is None else _plan_page(sandbox, asked)

    async def buy(request: Request) -> Response:
        asked = sandbox.plan_asked(request.path_params["token"])
        if asked is None:
            return html.not_sent()
        name, now = subscription_of(asked.billing, asked.price_minor), clock()
        if sandbox.look(name) is None:
            trial = asked.trial_days > 0
            paid = PaidInvoice(
                f"inv_{asked.billing}_1", "other" if trial else "period", now, 0 if trial else asked.price_minor, 0,
                asked.currency,
            )  # fmt: skip
            billed = Billed(name, "trialing" if trial else "active", now, asked.plan, False, (paid,))
            body = sandbox.plan_event(asked.billing, asked.customer, billed, id=f"evt_{asked.billing}_1")
            sandbox.remember(body)
            if problem := await delivery.send(body, sign, "once"):
                return html.page("The shop could not be told", f"<p>{escape(problem)}</p>", status=502)
        return html.done("The plan is bought.", asked.return_url, None)

    async def manage(request: Request) -> Response:
        found = sandbox.portal_of(request.path_params["token"])
        if found is None:
            return html.nothing_here()
        return _portal_page(sandbox, sandbox.plans_of(found[0]), found[1])

    async def change(request: Request) -> Response:
        found, form = sandbox.portal_of(request.path_params["token"]), await request.form()
        known = sandbox.look(str(form.get("subscription"))) if found else None
        action = ACTIONS.get(str(form.get("action")))
        if found is None or known is None or known.customer != found[0] or action is None:
            return html.not_sent()
        now, event = clock(), f"evt_{token_hex(12)}"
        body = sandbox.plan_event(known.references[0], found[0], after(known, action, now), id=event)
        sandbox.remember(body)
        if problem := await delivery.send(body, sign, "once"):
            return html.page("The shop could not be told", f"<p>{escape(problem)}</p>", status=502)
        return RedirectResponse(str(request.url), status_code=303)

    return [
        Route("/plan/{token}", show, methods=["GET"]),
        Route("/plan/{token}", buy, methods=["POST"]),
        Route("/portal/{token}", manage, methods=["GET"]),
        Route("/portal/{token}", change, methods=["POST"]),
    ]


def _plan_page(sandbox: Sandbox, asked: PlanAsked) -> Response:
    every = f"{asked.months} months" if asked.months > 1 else "month" if asked.months else f"{asked.days} days"
    price = format_money(asked.price_minor, asked.currency)
    notes = ["This is a sandbox: no money moves.", f"{price} every {every}, until you cancel."]
    hint = "The card is charged."
    if asked.trial_days:
        notes.append(f"The first {asked.trial_days} days are free.")
        hint = "Nothing is charged now."
    return html.page(
        f"Subscribe to {asked.description}",
        f"<dl><dt>To</dt><dd>{escape(sandbox.merchant)}</dd><dt>Number</dt><dd>{escape(asked.billing)}</dd></dl>"
        f'{html.notes(notes)}<form method="post">{html.button("subscribe", "Subscribe", hint)}</form>'
        f"{html.back(sandbox, asked.return_url)}",
    )


def _portal_page(sandbox: Sandbox, plans: list[Found], return_url: str | None) -> Response:
    notes = html.notes(
        [
            "This is a sandbox: no money moves, and it bills when you say so.",
            "The shop opens periods by its own clock: what is paid long before it begins waits for somebody to look.",
        ]
    )
    shown = "".join(map(_plan_of, plans)) or "<p>This sandbox remembers no plan of yours.</p>"
    return html.page("Your plans", f"{notes}{shown}{html.back(sandbox, return_url)}")


def _plan_of(known: Found) -> str:
    billed = billed_of(known)
    buttons = "".join(html.button(name, action.label, action.hint) for name, action in ACTIONS.items())
    stands = f"{billed.stands}, ends with what is paid" if billed.cancels else billed.stands
    hidden = f'<input type="hidden" name="subscription" value="{escape(billed.subscription)}">'
    return f'<h2>{escape(billed.plan or "")}: {escape(stands)}</h2><form method="post">{hidden}{buttons}</form>'
