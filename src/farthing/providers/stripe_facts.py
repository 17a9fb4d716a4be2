"""What Stripe's events and objects say, as facts. Everything here is plain data as JSON has it.

A payment goes by its PaymentIntent everywhere, so that sessions, intents, refunds and disputes meet; a session that has
none, because there was nothing to pay, by the session. Only a session knows tax and promotions, so what was paid on
Stripe's page is read from it and not from its PaymentIntent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from farthing.core.payments import Dispute, DisputeSaid, Fact, Notice, Refund, RefundSaid, Said, SavedCard
from farthing.providers import ProviderEvent
from farthing.providers.stripe_money import from_stripe

ORDER = "farthing_order"  # in metadata: our order
ATTEMPT = "farthing_attempt"  # in metadata: which try to charge a saved card
BILLING = "farthing_billing"  # in metadata: our billing of a plan
PLAN = "farthing_plan"  # in metadata: the plan that is paid for
WAY = "farthing_way"  # in metadata: how it is paid, "page", "form", "charge" or "plan"; or "card", which is only left

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,255}", re.ASCII)
_MARKED = (
    "checkout.session",
    "payment_intent",
    "setup_intent",
    "subscription",
    "invoice",
)  # what we make, and mark as ours by WAY
_NAMES_AN_ORDER = ("checkout.session", "payment_intent", "charge", "setup_intent")
_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "eftpos_au": "eftpos",
    "jcb": "JCB",
    "unionpay": "UnionPay",
}
_REFUNDS: dict[str, RefundSaid] = {
    "pending": "pending", "requires_action": "pending", "succeeded": "succeeded", "failed": "failed",
    "canceled": "failed",
}  # fmt: skip
_DISPUTES: dict[str, DisputeSaid] = {
    "warning_needs_response": "inquiry", "warning_under_review": "inquiry", "warning_closed": "inquiry",
    "prevented": "inquiry", "needs_response": "opened", "under_review": "opened", "lost": "lost", "won": "won",
}  # fmt: skip
_SESSIONS: dict[str, Said] = {
    "checkout.session.async_payment_succeeded": "paid",
    "checkout.session.async_payment_failed": "failed",
    "checkout.session.expired": "expired",
}
_COMPLETED: dict[str, Said] = {"paid": "paid", "no_payment_required": "paid", "unpaid": "pending"}
_INTENTS: dict[str, Said] = {
    "payment_intent.succeeded": "paid",
    "payment_intent.payment_failed": "failed",
    "payment_intent.processing": "pending",
    "payment_intent.canceled": "cancelled",
}


def event(told: Any) -> ProviderEvent:
    """What one event says.

    Raises:
        ValueError, KeyError, TypeError: it is not what Stripe sends.
    """
    id_, kind, livemode, at = name(told["id"]), name(told["type"]), told["livemode"], instant(told["created"])
    if not isinstance(livemode, bool):
        raise ValueError("it says no mode")
    about = told["data"]["object"]
    read = _READERS.get(kind)
    if read is None:
        return ProviderEvent(id_, kind, livemode, ())
    if about["object"] in _MARKED and WAY not in _marks(about):
        return ProviderEvent(id_, kind, livemode, ())  # of other business of the same Stripe account
    customer = named(about.get("customer"))
    return read(ProviderEvent(id_, kind, livemode, references(about), customer=customer), about, at)


def references(about: Any) -> tuple[str, ...]:
    """All names in an object by which we may know its order: ours, its session's, PaymentIntent's and charge's."""
    marks = _marks(about)
    order = marks.get(ORDER) or marks.get(BILLING) or about.get("client_reference_id")
    linked = ("payment_intent", "latest_charge", "charge", "setup_intent", "subscription")
    others = (*(named(about.get(field)) for field in linked), subscription_of(about))
    own = [name(about["id"])] if about["object"] in _NAMES_AN_ORDER else []
    return tuple(dict.fromkeys(name(one) for one in (order, *own, *others) if one))


def session_notice(session: Any, said: Said, at: datetime) -> Notice:
    """What a Checkout Session says of its payment."""
    payment = named(session["payment_intent"]) or name(session["id"])
    if said != "paid":
        return Notice(payment, said, at, reason="payment_failed" if said == "failed" else None)
    currency, details = session["currency"].upper(), table(session.get("total_details"))
    paid, tax, discount = (
        from_stripe(_amount(part), currency)
        for part in (session["amount_total"], details.get("amount_tax", 0), details.get("amount_discount", 0))
    )
    return Notice(payment, "paid", at, paid, tax, currency, discount_minor=discount)


def intent_notice(intent: Any, said: Said, at: datetime) -> Notice:
    """What a PaymentIntent says of itself."""
    payment = name(intent["id"])
    if said != "paid":
        return Notice(payment, said, at, reason=declined(intent) if said == "failed" else None)
    currency = intent["currency"].upper()
    received = intent["amount_received" if "amount_received" in intent else "amount"]  # the schema promises neither
    return Notice(payment, said, at, from_stripe(_amount(received), currency), 0, currency)


def declined(intent: Any) -> str:
    """Why the last attempt failed: the bank's code, or Stripe's."""
    error = table(intent.get("last_payment_error"))
    code = named(error.get("code"))
    return (code if code == "authentication_required" else named(error.get("decline_code"))) or code or "payment_failed"


def refund(about: Any, at: datetime) -> Refund:
    """One refund."""
    payment, currency = _payment(about), about["currency"].upper()
    return Refund(payment, name(about["id"]), _REFUNDS[about["status"]], at, money(about["amount"], currency), currency)


def refunded(charge: Any, at: datetime) -> Refund:
    """All that was refunded of a charge until then."""
    currency = charge["currency"].upper()
    return Refund(_payment(charge), None, "succeeded", at, money(charge["amount_refunded"], currency), currency)


def dispute(about: Any, at: datetime) -> Dispute:
    """One dispute."""
    currency = about["currency"].upper()
    return Dispute(
        _payment(about), name(about["id"]), _DISPUTES[about["status"]], at, money(about["amount"], currency), currency,
        named(about.get("reason")),
    )  # fmt: skip


def on_page(intent: Any) -> bool:
    """Whether a PaymentIntent belongs to a Checkout Session, which says more of it."""
    return table(intent.get("metadata")).get(WAY) == "page"


def saved_card(intent: Any, at: datetime) -> SavedCard | None:
    """The card that a PaymentIntent or SetupIntent leaves behind to be charged again; None where it leaves none."""
    kept = intent["object"] == "setup_intent" or intent.get("setup_future_usage") == "off_session"
    customer, card = named(intent.get("customer")), named(intent.get("payment_method"))
    if not kept or customer is None or card is None or intent["status"] != "succeeded":
        return None
    return SavedCard(customer, card, at, _label(intent["payment_method"]))


def instant(seconds: Any) -> datetime:
    """One of Stripe's times."""
    if type(seconds) is not int:
        raise ValueError(f"{seconds!r} is no time")
    return datetime.fromtimestamp(seconds, UTC)


def name(said: Any) -> str:
    """An id or a word of Stripe's."""
    if not isinstance(said, str) or not _NAME.fullmatch(said):
        raise ValueError(f"{said!a:.100} is no name")
    return said


def named(said: Any) -> str | None:
    """The id of what a field points to, whether it is expanded or not; None where it is empty."""
    found = table(said).get("id") if isinstance(said, dict) else said
    return None if not found else name(found)


def _session(event: ProviderEvent, session: Any, at: datetime) -> ProviderEvent:
    if session["mode"] == "setup":
        return event._replace(look=named(session["setup_intent"]))
    if session["mode"] == "subscription":
        return event._replace(look=named(session.get("subscription")))
    said = _SESSIONS.get(event.kind) or _COMPLETED[session["payment_status"]]
    return event._replace(facts=(session_notice(session, said, at),))


def _intent(event: ProviderEvent, intent: Any, at: datetime) -> ProviderEvent:
    said = _INTENTS[event.kind]
    if said == "paid" and saved_card(intent, at):  # only asking tells what the card is called
        return event._replace(look=name(intent["id"]))
    if on_page(intent) and said in ("paid", "cancelled"):
        return event
    return event._replace(facts=(intent_notice(intent, said, at),))


def _setup(event: ProviderEvent, intent: Any, at: datetime) -> ProviderEvent:
    return event._replace(look=name(intent["id"]))


def _subscribed(event: ProviderEvent, about: Any, at: datetime) -> ProviderEvent:
    return event._replace(look=subscription_of(about))


def _fact(read: Callable[[Any, datetime], Fact]) -> Callable[[ProviderEvent, Any, datetime], ProviderEvent]:
    return lambda event, about, at: event._replace(facts=(read(about, at),))


def table(said: Any) -> dict[str, Any]:
    """What may be left out, empty where it is."""
    return cast("dict[str, Any]", said or {})


def subscription_of(about: Any) -> str | None:
    """The subscription that this is, or an invoice is of."""
    if about["object"] == "invoice":
        return named(table(table(about.get("parent")).get("subscription_details")).get("subscription"))
    return name(about["id"]) if about["object"] == "subscription" else None


def _marks(about: Any) -> dict[str, Any]:
    """What we wrote into its metadata; an invoice has that of its subscription."""
    if about["object"] == "invoice":
        about = table(table(about.get("parent")).get("subscription_details"))
    return table(about.get("metadata"))


def _payment(about: Any) -> str:
    return named(about.get("payment_intent")) or named(about.get("charge")) or name(about["id"])


def money(amount: Any, currency: str) -> int:
    """An amount of Stripe's, in minor units."""
    return from_stripe(_amount(amount), currency)


def _amount(said: Any) -> int:
    if type(said) is not int or not 0 <= said < 10**15:
        raise ValueError(f"{said!a:.100} is no amount of money")
    return said


def _label(said: Any) -> str | None:
    """What people call a payment method, where it is expanded."""
    if not isinstance(said, dict):
        return None
    method = table(said)
    kind = str(method["type"])
    if kind != "card":
        return kind.replace("_", " ").capitalize()
    brand = str(method["card"]["brand"])
    return f"{_BRANDS.get(brand, brand.capitalize())} •••• {method['card']['last4']}"


_READERS: dict[str, Callable[[ProviderEvent, Any, datetime], ProviderEvent]] = {
    "checkout.session.completed": _session,
    **dict.fromkeys(_SESSIONS, _session),
    **dict.fromkeys(_INTENTS, _intent),
    "setup_intent.succeeded": _setup,
    **dict.fromkeys(
        (f"customer.subscription.{what}" for what in ("created", "updated", "deleted", "paused", "resumed")),
        _subscribed,
    ),
    **dict.fromkeys(("invoice.paid", "invoice.payment_failed"), _subscribed),
    "charge.refunded": _fact(refunded),
    **dict.fromkeys(("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"), _fact(refund)),
    **dict.fromkeys(
        (f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")),
        _fact(dispute),
    ),
}
EVENTS = tuple(_READERS)
"""The kinds of events to subscribe to."""
