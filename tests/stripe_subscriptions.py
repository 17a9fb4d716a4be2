"""Subscriptions, invoices and prices of our counterpart of Stripe, with the fields that Stripe's schemas ask for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from farthing.core.calendar import Span, after

if TYPE_CHECKING:
    from tests.stripe_town import StripeTown

DAY_S = 86_400


def new(town: StripeTown, customer: str, price: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """A subscription to a price that was given with it, as subscription_data says."""
    now, trial = int(time.time()), int(data.get("trial_period_days", 0))
    trial_end = now + trial * DAY_S if trial else None
    made = town.add(
        "sub", "subscription",
        application=None, application_fee_percent=None, automatic_tax=_no_tax(), billing_cycle_anchor=now,
        billing_cycle_anchor_config=None, billing_mode={"type": "flexible", "flexible": None}, billing_schedules=[],
        billing_thresholds=None, cancel_at=None, cancel_at_period_end=False, canceled_at=None,
        cancellation_details=None, collection_method="charge_automatically", currency=price["currency"],
        customer=customer, customer_account=None, days_until_due=None, default_payment_method=None,
        default_source=None, default_tax_rates=[], description=data.get("description"), discounts=[], ended_at=None,
        invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}}, latest_invoice=None,
        metadata=data.get("metadata", {}), next_pending_invoice_item_invoice=None, on_behalf_of=None,
        pause_collection=None, payment_settings=None, pending_invoice_item_interval=None, pending_setup_intent=None,
        pending_update=None, schedule=None, start_date=now, status="trialing" if trial else "active", test_clock=None,
        transfer_data=None, trial_end=trial_end, trial_settings=None, trial_start=now if trial else None,
    )  # fmt: skip
    recurring = price["recurring"]
    item = town.add(
        "si", "subscription_item",
        billing_thresholds=None, current_period_start=now, discounts=[], metadata={}, quantity=1,
        current_period_end=trial_end or _end(now, recurring["interval"], int(recurring["interval_count"])),
        price=town.shown(new_price(town, price)), subscription=made["id"], tax_rates=[],
    )  # fmt: skip
    del item["livemode"]
    made["items"] = _listed([town.shown(item)], f"/v1/subscription_items?subscription={made['id']}")
    return made


def new_price(town: StripeTown, given: dict[str, Any], **metadata: str) -> dict[str, Any]:
    """A price."""
    recurring = given["recurring"]
    return town.add(
        "price", "price",
        active=True, billing_scheme="per_unit", currency=given["currency"], custom_unit_amount=None, lookup_key=None,
        metadata=metadata, nickname=None, product="prod_1", tax_behavior="unspecified", tiers_mode=None,
        recurring={"interval": recurring["interval"], "interval_count": int(recurring["interval_count"]),
                   "meter": None, "usage_type": "licensed"},
        transform_quantity=None, type="recurring", unit_amount=int(given["unit_amount"]),
        unit_amount_decimal=str(given["unit_amount"]),
    )  # fmt: skip


def invoice(
    town: StripeTown, subscription: dict[str, Any], reason: str, amount: int, *, paid: bool
) -> dict[str, Any]:  # fmt: skip
    """An invoice of a subscription; `amount` includes the tax of the town."""
    now, tax, nothing = int(time.time()), town.tax_minor if amount else 0, 0
    made = town.add(
        "in", "invoice",
        account_country="US", account_name="Town", account_tax_ids=None, amount_due=amount, amount_overpaid=nothing,
        amount_paid=amount if paid else 0, amount_paid_off_stripe=nothing, amount_remaining=0 if paid else amount,
        amount_shipping=nothing, application=None, attempt_count=1, attempted=True, auto_advance=False,
        automatic_tax=_no_tax() | {"provider": None, "status": None}, automatically_finalizes_at=None,
        billing_reason=reason, collection_method="charge_automatically", currency=subscription["currency"],
        custom_fields=None, customer=subscription["customer"], customer_account=None, customer_address=None,
        customer_email=None, customer_name=None, customer_phone=None, customer_shipping=None,
        customer_tax_exempt="none", customer_tax_ids=[], default_payment_method=None, default_source=None,
        default_tax_rates=[], description=None, discounts=[], due_date=None, effective_at=now, ending_balance=0,
        footer=None, from_invoice=None, issuer={"type": "self"}, last_finalization_error=None, latest_revision=None,
        lines=_listed([], "/v1/invoices/lines"), metadata={}, next_payment_attempt=None, number=None,
        on_behalf_of=None,
        parent={"type": "subscription_details", "quote_details": None, "subscription_details":
                {"metadata": subscription["metadata"], "subscription": subscription["id"]}},
        payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        payments=_listed([], "/v1/invoice_payments"), period_end=now, period_start=now,
        post_payment_credit_notes_amount=nothing, pre_payment_credit_notes_amount=nothing, receipt_number=None,
        rendering=None, shipping_cost=None, shipping_details=None, starting_balance=0, statement_descriptor=None,
        status="paid" if paid else "open",
        status_transitions={"finalized_at": now, "marked_uncollectible_at": None, "paid_at": now if paid else None,
                            "voided_at": None},
        subtotal=amount, subtotal_excluding_tax=amount - tax, test_clock=None, total=amount,
        total_discount_amounts=[], total_excluding_tax=amount - tax, total_pretax_credit_amounts=[],
        total_taxes=[_taxed(tax, amount)] if tax else [], webhooks_delivered_at=None,
        _listed_by={"subscription": subscription["id"]},
    )  # fmt: skip
    return made


def payment(town: StripeTown, of: dict[str, Any], intent: str) -> dict[str, Any]:
    """What paid an invoice."""
    made = town.add(
        "inpay", "invoice_payment",
        amount_paid=of["amount_paid"], amount_requested=of["amount_due"], currency=of["currency"], invoice=of["id"],
        is_default=True, payment={"type": "payment_intent", "payment_intent": intent}, status="paid",
        status_transitions={"canceled_at": None, "paid_at": int(time.time())},
    )  # fmt: skip
    return town.shown(made)


def settle(of: dict[str, Any]) -> None:
    """An invoice is paid after all."""
    of.update(status="paid", amount_paid=of["amount_due"], amount_remaining=0)
    of["status_transitions"]["paid_at"] = int(time.time())


def _end(start: int, interval: str, count: int) -> int:
    length = Span(0, count * DAY_S) if interval == "day" else Span(count * (12 if interval == "year" else 1), 0)
    return int(after(datetime.fromtimestamp(start, UTC), length, "UTC").timestamp())


def _listed(data: list[Any], url: str) -> dict[str, Any]:
    return {"object": "list", "data": data, "has_more": False, "url": url}


def _no_tax() -> dict[str, Any]:
    return {"disabled_reason": None, "enabled": False, "liability": None}


def _taxed(tax: int, amount: int) -> dict[str, Any]:
    return {
        "amount": tax, "tax_behavior": "inclusive", "tax_rate_details": {"tax_rate": "txr_1"},
        "taxability_reason": "standard_rated", "taxable_amount": amount - tax, "type": "tax_rate_details",
    }  # fmt: skip
