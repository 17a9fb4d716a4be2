"""What Stripe's subscriptions and their invoices say of a plan. Everything here is plain data as JSON has it.

A subscription is ours by what we wrote into its metadata. Which plan it is for may change at Stripe: then the price
that is paid says so in its own metadata, under the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from farthing.core.payments import Billed, PaidInvoice, Pays, Stands
from farthing.providers import PlanBill
from farthing.providers import stripe_facts as facts

MOST_MONTHS, MOST_DAYS = 36, 1095  # of a period
_STANDS: dict[str, Stands] = {
    "incomplete": "open", "trialing": "trialing", "active": "active", "past_due": "past_due", "unpaid": "past_due",
    "paused": "paused", "canceled": "ended", "incomplete_expired": "ended",
}  # fmt: skip
_PAYS: dict[str, Pays] = {
    "subscription_create": "period",
    "subscription_cycle": "period",
    "subscription_update": "change",
}


def recurring(bill: PlanBill) -> dict[str, Any] | None:
    """How often Stripe is to collect; None where it does not so seldom."""
    if bill.months > MOST_MONTHS or bill.days > MOST_DAYS:
        return None
    if bill.months:
        years, months = divmod(bill.months, 12)
        whole = years and not months
        return {"interval": "year" if whole else "month", "interval_count": years if whole else bill.months}
    return {"interval": "day", "interval_count": bill.days}


def billed(subscription: Any, invoices: Sequence[Any], at: datetime) -> Billed:
    """How a subscription stands that was asked for at `at`, with all its invoices that were paid."""
    trial_end = subscription.get("trial_end")
    return Billed(
        facts.name(subscription["id"]), _STANDS[subscription["status"]], at, _plan(subscription),
        bool(subscription["cancel_at_period_end"] or subscription.get("cancel_at")),
        tuple(_paid(invoice, trial_end) for invoice in invoices),
    )  # fmt: skip


def references(subscription: Any, invoices: Sequence[Any]) -> tuple[str, ...]:
    """All names by which we may hear of it: our billing's, its own, and those of the payments of its invoices."""
    payments = [payment for invoice in invoices for payment in _payments(invoice)]
    ours = facts.table(subscription.get("metadata")).get(facts.BILLING)
    return tuple(dict.fromkeys(facts.name(one) for one in (ours, subscription["id"], *payments) if one))


def _payments(invoice: Any) -> Iterator[str]:
    paid: list[Any] = facts.table(invoice.get("payments")).get("data", [])
    for one in paid:
        payment = facts.table(one["payment"])
        if name := facts.named(payment.get("payment_intent")) or facts.named(payment.get("charge")):
            yield name


def _plan(subscription: Any) -> str | None:
    item = next(iter(subscription["items"]["data"]), None)
    price = facts.table(item and item["price"].get("metadata"))
    return price.get(facts.PLAN) or facts.table(subscription.get("metadata")).get(facts.PLAN)


def _paid(invoice: Any, trial_end: int | None) -> PaidInvoice:
    """An invoice that was paid; one for a trial pays no period, though it is paid at once and for nothing."""
    currency = invoice["currency"].upper()
    taxes: list[Any] = invoice.get("total_taxes") or []
    tax = max(0, sum(one["amount"] for one in taxes))  # a credit has less than none
    pays = _PAYS.get(invoice.get("billing_reason") or "", "other")
    if trial_end is not None and invoice["created"] < trial_end:
        pays = "other"
    return PaidInvoice(
        facts.name(invoice["id"]), pays, facts.instant(invoice["status_transitions"]["paid_at"]),
        facts.money(invoice["amount_paid"], currency), facts.money(tax, currency), currency,
    )  # fmt: skip
