"""Plans as Lemon Squeezy's subscriptions: the checkout of one, and what it and its invoices say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from farthing.core.payments import Billed, PaidInvoice, Pays, Stands
from farthing.providers import PlanBill
from farthing.providers import lemonsqueezy_facts as facts

_STANDS: dict[str, Stands] = {
    "on_trial": "trialing", "active": "active", "past_due": "past_due", "unpaid": "past_due", "paused": "paused",
    "cancelled": "active", "expired": "ended",
}  # fmt: skip
_PAYS: dict[str, Pays] = {"initial": "period", "renewal": "period", "updated": "change"}
_PAID = ("paid", "refunded", "partial_refund")


def checkout(bill: PlanBill, variant: int, *, test_mode: bool) -> dict[str, Any]:
    """What a checkout of the plan is asked for. The price holds for every renewal."""
    options: dict[str, Any] = {
        "name": bill.description,
        "description": f"Plan {bill.billing}",
        "enabled_variants": [variant],  # or the page offers all others at our price
    }
    if bill.return_url is not None:
        options["redirect_url"] = bill.return_url
    data: dict[str, Any] = {"custom": {**bill.metadata, "billing": bill.billing}}
    if bill.email is not None:
        data["email"] = bill.email
    return {
        "custom_price": bill.price_minor,
        "product_options": options,
        "checkout_options": {"discount": bill.asks.promotion_codes, "skip_trial": not bill.trial_days},
        "checkout_data": data,
        "expires_at": facts.instant(bill.expires_at),
        "test_mode": test_mode,
    }


def billed(
    name: str, attributes: Any, invoices: Sequence[Any], plan: str, currency: str, at: datetime
) -> Billed:  # fmt: skip
    """How a subscription stands that was asked for at `at`, with all its invoices that were paid."""
    trial = attributes.get("trial_ends_at")
    trial_ends_at = None if trial is None else facts.moment(trial)
    paid = [_paid(one, trial_ends_at, currency) for one in invoices if one["attributes"]["status"] in _PAID]
    status = attributes["status"]
    return Billed(name, _STANDS[status], at, plan, status == "cancelled", tuple(paid))


def _paid(invoice: Any, trial_ends_at: datetime | None, currency: str) -> PaidInvoice:
    """An invoice that was paid, refunded since or not; one of a trial pays no period."""
    attributes = invoice["attributes"]
    suffix, said_in = facts.counted_in(attributes, currency)
    at, pays = facts.moment(attributes["created_at"]), _PAYS.get(attributes["billing_reason"], "other")
    if trial_ends_at is not None and at < trial_ends_at:
        pays = "other"
    total, tax = (facts.minor(attributes[f"{one}{suffix}"]) for one in ("total", "tax"))
    return PaidInvoice(f"invoice:{facts.word(invoice['id'])}", pays, at, total, tax, said_in)
