"""What a page of Stripe is asked for: the payment of an order, or a plan that is paid from then on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from farthing.providers import Asks, Bill, PlanBill
from farthing.providers import stripe_facts as facts

SHORTEST_LIFE_S = 32 * 60  # of a page at Stripe: half an hour, and some time to get there
EXPIRES_EARLIER_S = 60  # it lives a day at most, by Stripe's own clock
LOCALES = frozenset(
    (
        *("bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN"),
        *("hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru"),
        *("sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW"),
    )
)  # fmt: skip


def payment(bill: Bill, intent: Mapping[str, Any], back: str, methods: Sequence[str]) -> dict[str, Any]:
    """A page where an order is paid. `intent` is what its PaymentIntent is asked for, amount and currency included."""
    own = {name: intent[name] for name in ("description", "metadata", "receipt_email") if name in intent}
    asked = _page(bill, bill.order, intent["metadata"], back, methods) | {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": _price(intent["currency"], intent["amount"], bill.description)}],
        "payment_intent_data": own | ({"setup_future_usage": "off_session"} if bill.save_card else {}),
    }
    if not bill.customer:
        asked["customer_creation"] = "always" if bill.save_card or bill.asks.tax_ids else "if_required"
    if bill.asks.invoice:
        asked["invoice_creation"] = {"enabled": True}
    return asked


def plan(
    bill: PlanBill, amount: int, recurring: Mapping[str, Any], back: str, methods: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    """A page where a plan is bought."""
    marked = {**bill.metadata, facts.BILLING: bill.billing, facts.PLAN: bill.plan, facts.WAY: "plan"}
    price = _price(bill.currency.lower(), amount, bill.description) | {"recurring": dict(recurring)}
    trial = {"trial_period_days": bill.trial_days} if bill.trial_days else {}
    return _page(bill, bill.billing, marked, back, methods) | {
        "mode": "subscription",
        "line_items": [{"quantity": 1, "price_data": price}],
        "subscription_data": {"metadata": marked, "description": bill.description, **trial},
    }


def locale(said: str | None) -> str:
    """The language of the page, as far as Stripe speaks it."""
    if said in LOCALES:
        return said or "auto"
    short = (said or "").partition("-")[0]
    return short if short in LOCALES else "auto"


def _page(
    bill: Bill | PlanBill, ours: str, marked: Mapping[str, str], back: str, methods: Sequence[str]
) -> dict[str, Any]:  # fmt: skip
    asked: dict[str, Any] = {
        "client_reference_id": ours,
        "metadata": dict(marked),
        "success_url": back,
        "cancel_url": back,
        **_life(bill),
        "locale": locale(bill.locale),
        **_more(bill.asks),
    }
    if methods:
        asked["payment_method_types"] = list(methods)
    if bill.customer:
        asked["customer"] = bill.customer
        if bill.asks.tax or bill.asks.tax_ids or bill.asks.billing_address:
            asked["customer_update"] = {"address": "auto", "name": "auto"}
    elif bill.email:
        asked["customer_email"] = bill.email
    return asked


def _price(currency: str, amount: int, description: str) -> dict[str, Any]:
    return {"currency": currency, "unit_amount": amount, "product_data": {"name": description}}


def _more(asks: Asks) -> dict[str, Any]:
    """What the page asks of the customer beside the money."""
    asked: dict[str, Any] = {}
    if asks.tax:
        asked["automatic_tax"] = {"enabled": True}
    if asks.tax_ids:
        asked["tax_id_collection"] = {"enabled": True}
    if asks.promotion_codes:
        asked["allow_promotion_codes"] = True
    if asks.billing_address:
        asked["billing_address_collection"] = "required"
    return asked


def _life(bill: Bill | PlanBill) -> dict[str, int]:
    """When the page ends: with the order, as far as Stripe lets it. Later money fulfils the order all the same."""
    ends_at = int(bill.expires_at.timestamp()) - EXPIRES_EARLIER_S
    return {"expires_at": ends_at} if ends_at - time.time() >= SHORTEST_LIFE_S else {}
