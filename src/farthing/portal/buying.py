"""Buying: what is sold, the order that a form makes, and how orders stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from secrets import token_urlsafe
from typing import NamedTuple

from starlette.responses import Response

from farthing.errors import Invalid, Refused, Unavailable, UnknownCreditType
from farthing.portal import shelf
from farthing.portal.forms import Stopped
from farthing.portal.frame import CONTENT_SECURITY_POLICY
from farthing.portal.visit import Visit
from farthing.portal.words import ENGLISH, outcome
from farthing.selling.orders import OrderView
from farthing.views import Balance

ORDERS = 20
WAITING = ("open", "processing")
_KEY = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class Wanted(NamedTuple):
    """What a form asks to buy, as it was sent; `total_minor` is the price that its reader saw."""

    key: str
    package: str | None
    credit_type: str | None
    amount: str | None
    currency: str
    provider: str
    total_minor: str


def buy(visit: Visit) -> Response:
    """What is sold, with prices; nothing is ordered by looking."""
    return _shop(visit, visit.query, 200, None)


def place(visit: Visit) -> Response:
    """Orders what a form asks for, and leads on to the page where it is paid; the same form again is the same order."""
    wanted = _wanted(visit.form)
    asked = {"package": wanted.package, "credit_type": wanted.credit_type, "amount": wanted.amount}
    try:
        quote = visit.credits.quote(**asked, currency=wanted.currency)
        if str(quote.total_minor) != wanted.total_minor:
            return _shop(visit, visit.form, 409, "price_changed")
        checkout = visit.credits.checkout(
            visit.account, **asked, currency=wanted.currency, provider=wanted.provider, key=f"portal:{wanted.key}",
            return_url=visit.outside("/orders/{order}"),
        )  # fmt: skip
    except Unavailable as error:
        text = error.code if f"unplaced.{error.code}" in ENGLISH else "unavailable"
        return _leading_on(visit, visit.show("unplaced.html", 503, text=text, code=error.code, wanted=wanted))
    except (Invalid, Refused) as error:
        return _shop(visit, visit.form, 422 if isinstance(error, Invalid) else 409, error.code)
    return visit.go(checkout.url or visit.url("order", order=checkout.order.id))


def order(visit: Visit) -> Response:
    """How an order truly stands, whatever the address says."""
    found = visit.credits.order(visit.account, visit.request.path_params["order"])
    surplus = any(payment.standing == "surplus" for payment in found.payments)
    return visit.show(
        "order.html", order=found, text=outcome(found), surplus=surplus, name=_name(visit, found),
        balance=_balance(visit, found) if found.status == "fulfilled" else None,
        again=_again(visit, found), look_again_s=_look_again_s(visit, found),
    )  # fmt: skip


def orders(visit: Visit) -> Response:
    """All orders, newest first."""
    cursor = visit.query.get("cursor") or None
    page = visit.credits.orders(visit.account, limit=ORDERS, cursor=cursor)
    names = {one.id: _name(visit, one) for one in page.data}
    return visit.show("orders.html", page=page, names=names, cursor=cursor)


def _shop(visit: Visit, asked: Mapping[str, str], status: int, refusal: str | None) -> Response:
    catalog = visit.credits.catalog
    offered = shelf.currencies(catalog) if catalog.switches["selling"] else []
    currency = asked.get("currency", "")
    if currency not in offered:
        currency = next(iter(offered), catalog.currency)
    providers = list(visit.credits.providers)
    provider = asked.get("provider", "")
    if provider not in providers:
        provider = next(iter(providers), "")
    if refusal is not None and f"refusal.{refusal}" not in ENGLISH:
        refusal = "other"
    page = visit.show(
        "buy.html", status, currencies=offered, currency=currency, providers=providers, provider=provider,
        sections=shelf.sections(visit.credits, visit.reader, currency, asked) if offered else [],
        chosen=asked.get("package"), refusal=refusal, new_key=lambda: token_urlsafe(16),
        test=bool(provider) and not visit.credits.providers[provider].livemode,
    )  # fmt: skip
    return _leading_on(visit, page)


def _leading_on(visit: Visit, page: Response) -> Response:
    """A page whose forms lead on to the provider's: browsers hold a redirect against the same rule as the form."""
    anywhere = "'self' https:" if visit.secure else "'self' https: http:"
    page.headers["content-security-policy"] = CONTENT_SECURITY_POLICY.format(forms=anywhere)
    return page


def _wanted(form: Mapping[str, str]) -> Wanted:
    key = form.get("key", "")
    if not _KEY.fullmatch(key):
        raise Stopped("foreign_form", 400)
    package, credit_type, amount = (form.get(name) or None for name in ("package", "credit_type", "amount"))
    said = (form.get(name, "") for name in ("currency", "provider", "total_minor"))
    return Wanted(key, package, credit_type, amount, *said)


def _name(visit: Visit, found: OrderView) -> str:
    """What the order's credits are called; their code, where the catalog has them no more."""
    kind = visit.credits.catalog.credit_types.get(found.credit_type)
    return visit.reader.own(kind.name) if kind else found.credit_type


def _balance(visit: Visit, found: OrderView) -> Balance | None:
    try:
        return visit.credits.balance(visit.account, found.credit_type)
    except UnknownCreditType:
        return None


def _again(visit: Visit, found: OrderView) -> str:
    """The page on which the same can be bought once more."""
    amount = None if found.package else f"{found.amount:f}"
    query = {"package": found.package, "credit_type": amount and found.credit_type, "amount": amount}
    return visit.url("buy", query | {"currency": found.currency, "provider": found.provider})


def _look_again_s(visit: Visit, found: OrderView) -> int | None:
    """After how many seconds to look again; less and less often. None: nothing will change by itself."""
    if found.status not in WAITING:
        return None
    age = visit.now - found.created_at
    return 3 if age < timedelta(minutes=3) else 15 if age < timedelta(minutes=30) else 60
