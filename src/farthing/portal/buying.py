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
from farthing.portal.frame import CONTENT_SECURITY_POLICY, PAYMENT_FORM_POLICY
from farthing.portal.returning import returned
from farthing.portal.visit import Visit
from farthing.portal.words import ENGLISH, outcome, standing
from farthing.selling.orders import OrderView
from farthing.views import Balance

ORDERS = 20
WAITING = ("open", "processing")
FORM_SCRIPT = "https://js.stripe.com/endive/stripe.js"  # the release of the API version that providers/stripe.py pins
SECRET_IN_ADDRESS = "payment_intent_client_secret"  # some banks' pages come back by an address that Stripe adds it to
_KEY = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class Wanted(NamedTuple):
    """What a form asks to buy, as it was sent; `total_minor` is the price that its reader saw.

    `page`: to be paid on the provider's page, though it has a form too.
    """

    key: str
    package: str | None
    credit_type: str | None
    amount: str | None
    currency: str
    provider: str
    total_minor: str
    page: str | None


def buy(visit: Visit) -> Response:
    """What is sold, with prices; nothing is ordered by looking."""
    return _shop(visit, visit.query, 200, None)


def place(visit: Visit) -> Response:
    """Orders what a form asks for, and leads on to where it is paid; the same form again is the same order."""
    wanted = _wanted(visit.form)
    what = (wanted.credit_type, wanted.amount)
    try:
        quote = visit.credits.quote(*what, package=wanted.package, currency=wanted.currency, account=visit.account)
        if str(quote.total_minor) != wanted.total_minor:
            return _shop(visit, visit.form, 409, "price_changed")
        checkout = visit.credits.checkout(
            visit.account, *what, package=wanted.package, currency=wanted.currency, provider=wanted.provider,
            key=f"portal:{wanted.key}", return_url=visit.outside("/orders/{order}"),
            form=_has_form(visit, wanted.provider) and not wanted.page, locale=visit.reader.language,
        )  # fmt: skip
    except Unavailable as error:
        text = error.code if f"unplaced.{error.code}" in ENGLISH else "unavailable"
        return _leading_on(visit, visit.show("unplaced.html", 503, text=text, code=error.code, wanted=wanted))
    except (Invalid, Refused) as error:
        return _shop(visit, visit.form, 422 if isinstance(error, Invalid) else 409, error.code)
    here = "pay" if checkout.client_secret else "order"
    return visit.go(checkout.url or visit.url(here, order=checkout.order.id))


def pay(visit: Visit) -> Response:
    """The provider's payment form in our own page, for an order that is paid so; how it stands, where it is no longer.

    What the form needs is asked of the provider anew, stands in the page and in no address.
    """
    try:
        checkout = visit.credits.resume_checkout(visit.account, visit.request.path_params["order"])
    except Refused as error:  # nothing was begun there, and nothing can be
        return _shop(visit, {}, 409, error.code)
    found = checkout.order
    if not checkout.client_secret:
        return visit.go(visit.url("order", order=found.id))
    page = visit.show(
        "pay.html", order=found, checkout=checkout, name=_name(visit, found), new_key=token_urlsafe(16),
        script=FORM_SCRIPT, amount=None if found.package else f"{found.amount:f}",
    )  # fmt: skip
    page.headers["content-security-policy"] = PAYMENT_FORM_POLICY.format(forms=_anywhere(visit))
    page.headers["cross-origin-opener-policy"] = "same-origin-allow-popups"  # some ways to pay open their own window
    return page


def order(visit: Visit) -> Response:
    """How an order truly stands, whatever the address says."""
    found = visit.credits.order(visit.account, visit.request.path_params["order"])
    if SECRET_IN_ADDRESS in visit.query:
        return visit.go(visit.url("order", order=found.id))
    surplus = any(payment.standing == "surplus" for payment in found.payments)
    return visit.show(
        "order.html", order=found, stands=standing(found), text=outcome(found), surplus=surplus,
        back=returned(visit.credits, found), name=_name(visit, found), pay_at=_pay_at(visit, found),
        balance=_balance(visit, found) if found.status == "fulfilled" else None,
        again=_again(visit, found), look_again_s=_look_again_s(visit, found),
    )  # fmt: skip


def orders(visit: Visit) -> Response:
    """All orders, newest first."""
    cursor = visit.query.get("cursor") or None
    page = visit.credits.orders(visit.account, limit=ORDERS, cursor=cursor)
    names = {one.id: _name(visit, one) for one in page.data}
    return visit.show("orders.html", page=page, names=names, standing=standing, cursor=cursor)


def _shop(visit: Visit, asked: Mapping[str, str], status: int, refusal: str | None) -> Response:
    catalog = visit.credits.catalog
    providers = [name for name in visit.credits.providers if catalog.is_on(f"providers.{name}")]
    offered = shelf.currencies(catalog) if catalog.switches["selling"] else []
    currency = asked.get("currency", "")
    if currency not in offered:
        currency = next(iter(offered), catalog.currency)
    provider = asked.get("provider", "")
    if provider not in providers:
        provider = next(iter(providers), "")
    if refusal is not None and f"refusal.{refusal}" not in ENGLISH:
        refusal = "other"
    page = visit.show(
        "buy.html", status, currencies=offered, currency=currency, providers=providers, provider=provider,
        sections=shelf.sections(visit.credits, visit.account, visit.reader, currency, asked) if offered else [],
        chosen=asked.get("package"), refusal=refusal, new_key=lambda: token_urlsafe(16),
        test=bool(provider) and not visit.credits.providers[provider].livemode, form=_has_form(visit, provider),
    )  # fmt: skip
    return _leading_on(visit, page)


def _leading_on(visit: Visit, page: Response) -> Response:
    """A page whose forms lead on to the provider's: browsers hold a redirect against the same rule as the form."""
    page.headers["content-security-policy"] = CONTENT_SECURITY_POLICY.format(forms=_anywhere(visit))
    return page


def _anywhere(visit: Visit) -> str:
    return "'self' https:" if visit.secure else "'self' https: http:"


def _has_form(visit: Visit, provider: str) -> bool:
    found = visit.credits.providers.get(provider)
    return found is not None and found.forms


def _pay_at(visit: Visit, found: OrderView) -> str | None:
    """Where an open order is paid: in our page, or on its provider's."""
    in_form = found.form and found.status == "open" and found.provider in visit.credits.providers
    return visit.url("pay", order=found.id) if in_form else found.url


def _wanted(form: Mapping[str, str]) -> Wanted:
    key = form.get("key", "")
    if not _KEY.fullmatch(key):
        raise Stopped("foreign_form", 400)
    package, credit_type, amount = (form.get(name) or None for name in ("package", "credit_type", "amount"))
    currency, provider, total_minor = (form.get(name, "") for name in ("currency", "provider", "total_minor"))
    return Wanted(key, package, credit_type, amount, currency, provider, total_minor, form.get("page") or None)


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
