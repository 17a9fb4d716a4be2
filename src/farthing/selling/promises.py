"""Signed quotes: a price that a checkout honours until it expires, whatever the catalog says meanwhile.

A quote that was made for an account is good for that account alone. One that was made for a plan somebody only named is
good for subscribers of it: whoever reads a price aloud may name any plan.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from farthing.amounts import text
from farthing.core.book import CreditType
from farthing.core.pricing import Quote, QuoteLine
from farthing.core.promos import PromoUse
from farthing.errors import InvalidField, QuoteExpired, QuoteInvalid, TokenInvalid
from farthing.selling.buyers import own_plan
from farthing.selling.quoting import Wish

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.tokens import Signer

AUDIENCE = "farthing.quote"
FORM = 1
LIFE = timedelta(minutes=30)
MAX_BYTES = 2**16


class Offer(NamedTuple):
    """A quote, and how its credits are counted and called."""

    quote: Quote
    kind: CreditType


class Promise(NamedTuple):
    """An offer that was signed. `account` None: for anyone. `own`: the plan is that of the account's subscription."""

    offer: Offer
    account: str | None
    own: bool


def sign(signer: Signer, promise: Promise, now: datetime) -> tuple[str, datetime] | None:
    """The signed quote and when it expires, on a whole second; None where its working is too long to carry around."""
    until = datetime.fromtimestamp(int((now + LIFE).timestamp()), UTC)
    claims = {"aud": AUDIENCE, "exp": int(until.timestamp()), "form": FORM, "own": promise.own} | _said(promise.offer)
    if promise.account is not None:
        claims["sub"] = promise.account
    token = signer.sign(claims)
    return (token, until) if len(token) <= MAX_BYTES else None


def honoured(credits: Credits, account: str, wish: Wish) -> Offer:
    """What the signed quote of a wish promised this account.

    Raises:
        SwitchedOff: nothing is sold now. QuoteExpired: its time is over.
        QuoteInvalid: it was not signed here, or is for another account or for subscribers of a plan.
    """
    credits.catalog.require_on("selling")
    if wish._replace(quote=None, plan=None) != Wish():
        raise InvalidField(
            "A signed quote says itself what is bought. Nothing was changed. Give it alone, or with a plan.",
            field="quote",
        )
    promise = _read(credits.signer, wish.quote, credits.clock())
    offer = promise.offer
    if offer.quote.promo:
        credits.catalog.require_on("promo_codes")
    if promise.account not in (None, account):
        raise QuoteInvalid("This quote was made for another account. Nothing was changed. Ask for a new one.")
    plan = offer.quote.plan
    if plan is not None and not promise.own and plan != wish.plan and plan != _plan_of(credits, account):
        raise QuoteInvalid(
            f"This quote is for subscribers of {plan}. Nothing was changed. Ask for one for this account."
        )
    return offer


def _read(signer: Signer | None, said: Any, now: datetime) -> Promise:
    try:
        claims = signer.claims(said, most=MAX_BYTES) if signer and isinstance(said, str) else {}
    except TokenInvalid:
        claims = {}
    if claims.get("aud") != AUDIENCE or claims.get("form") != FORM:
        raise QuoteInvalid("This is no quote that was signed here. Nothing was changed. Ask for a new one.")
    until = datetime.fromtimestamp(claims["exp"], UTC)
    if now >= until:
        raise QuoteExpired(
            f"This quote was honoured until {until.isoformat()}. Nothing was changed. Ask for a new one.",
            honoured_until=until,
        )
    return Promise(_offer(claims), claims.get("sub"), claims["own"])


def _plan_of(credits: Credits, account: str) -> str | None:
    now = credits.clock()
    plan = credits.read(lambda session: own_plan(session, credits.catalog, account, now))
    return plan and plan.code


def _said(offer: Offer) -> dict[str, Any]:
    quote, kind = offer
    lines = [[line.kind, *line[1:4], line.unit and text(line.unit), text(line.total)] for line in quote.lines]
    return {
        "kind": [kind.code, str(kind.name), kind.scale],
        "quote": [*quote[1:7], text(quote.unit_price), lines, *quote[9:12], quote.plan, quote.promo],
    }


def _offer(claims: dict[str, Any]) -> Offer:
    """The offer in the claims of a token; what was signed here is what `_said` made."""
    kind = CreditType(*claims["kind"])
    *terms, unit_price, working, package, expires, version, plan, promo = claims["quote"]
    amount, bonus, currency, subtotal, discount, total = terms
    lines = tuple(
        QuoteLine(line, start, end, part, None if unit is None else Decimal(unit), Decimal(exact))
        for line, start, end, part, unit, exact in working
    )
    used = None if promo is None else PromoUse(*promo)
    quote = Quote(
        kind.code, amount, bonus, currency, subtotal, discount, total, Decimal(unit_price), lines, package, expires,
        version, None, plan, used,
    )  # fmt: skip
    return Offer(quote, kind)
