"""Stripe: what its events say, how its money is counted, who signs; the official SDK is the judge."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from farthing.core.payments import Dispute, Notice, Refund
from farthing.errors import BadSignature, EventUnreadable, NotBillable, SettingsInvalid
from farthing.providers import Provider
from farthing.providers.stripe import Stripe
from farthing.providers.stripe_api import API_VERSION
from farthing.providers.stripe_facts import EVENTS
from farthing.providers.stripe_money import from_stripe, to_stripe

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "whsec_of_the_tests"

SESSION = {
    "id": "cs_test_1", "object": "checkout.session", "mode": "payment", "status": "complete", "payment_status": "paid",
    "payment_intent": "pi_1", "setup_intent": None, "customer": "cus_1", "client_reference_id": "ord_1",
    "metadata": {"farthing_order": "ord_1", "farthing_way": "page"}, "currency": "usd", "amount_total": 990,
    "total_details": {"amount_tax": 0, "amount_discount": 0, "amount_shipping": 0},
}  # fmt: skip
INTENT = {
    "id": "pi_1", "object": "payment_intent", "status": "succeeded", "currency": "usd", "amount_received": 990,
    "metadata": {"farthing_order": "ord_1", "farthing_way": "form"}, "customer": None, "payment_method": "pm_1",
    "latest_charge": "ch_1", "last_payment_error": None, "setup_future_usage": None, "created": 1767268800,
}  # fmt: skip
REFUND = {
    "id": "re_1", "object": "refund", "amount": 330, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1",
    "status": "succeeded", "metadata": {},
}  # fmt: skip
DISPUTE = {
    "id": "dp_1", "object": "dispute", "amount": 990, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1",
    "status": "needs_response", "reason": "fraudulent", "metadata": {},
}  # fmt: skip

EXPIRED = {"last_payment_error": {"code": "expired_card"}}


def collector(*secrets: str, key: str = "sk_test_of_the_tests") -> Stripe:
    return Stripe(secret_key=key, secrets=secrets or [SECRET])


def said(kind: str, about: dict[str, Any], **changed: Any) -> Any:
    event = {
        "id": "evt_1", "object": "event", "type": kind, "livemode": False, "created": int(NOW.timestamp()),
        "data": {"object": about | changed},
    }  # fmt: skip
    return collector().read(json.dumps(event).encode())


def test_it_is_a_provider_and_shows_no_secret():
    provider: Provider = collector(key="rk_test_4242")
    assert (provider.name, provider.livemode, repr(provider)) == ("stripe", False, "Stripe(test)")
    assert collector(key="sk_live_4242").livemode
    assert "4242" not in str(vars(provider).keys())


def test_the_version_we_pin_is_the_one_that_the_sdk_was_made_for():
    assert stripe.api_version == API_VERSION


@pytest.mark.parametrize(
    "given",
    [
        {"secret_key": "pk_test_1"}, {"secret_key": "sk_1"}, {"secret_key": ""}, {"secrets": []}, {"secrets": [" "]},
        {"publishable_key": "pk_live_1"}, {"publishable_key": "sk_test_1"},
    ],
)  # fmt: skip
def test_keys_that_cannot_be_right_are_refused_without_showing_them(given: dict[str, Any]):
    with pytest.raises(SettingsInvalid) as refused:
        Stripe(**{"secret_key": "sk_test_1", "secrets": [SECRET], **given})
    assert "_1" not in str(refused.value)


@pytest.mark.row("P2")
@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        ("completed", {}, ("paid", 990, 0, 0)),
        ("completed", {"payment_status": "unpaid"}, ("pending", 0, 0, 0)),
        ("async_payment_succeeded", {}, ("paid", 990, 0, 0)),
        ("async_payment_failed", {"payment_status": "unpaid"}, ("failed", 0, 0, 0)),
        ("expired", {"status": "expired", "payment_status": "unpaid"}, ("expired", 0, 0, 0)),
        (
            "completed",
            {"amount_total": 1069, "total_details": {"amount_tax": 178, "amount_discount": 99}},
            ("paid", 1069, 178, 99),
        ),
        (
            "completed",
            {
                "amount_total": 0, "payment_status": "no_payment_required", "payment_intent": None,
                "total_details": {"amount_tax": 0, "amount_discount": 990},
            },
            ("paid", 0, 0, 990),
        ),
    ],
)  # fmt: skip
def test_a_session_says_what_became_of_it_with_tax_and_promotion(
    kind: str, changed: dict[str, Any], expected: tuple[object, ...]
):
    event = said(f"checkout.session.{kind}", SESSION, **changed)
    [notice] = event.facts
    assert (notice.said, notice.amount_minor, notice.tax_minor, notice.discount_minor) == expected
    assert notice.payment == ("pi_1" if changed.get("payment_intent", "pi_1") else "cs_test_1")
    assert (notice.at, notice.currency) == (NOW, "USD" if notice.said == "paid" else "")
    assert {"ord_1", "cs_test_1"} <= set(event.references)
    assert event.customer == "cus_1"


@pytest.mark.row("P3")
@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        ("succeeded", {}, Notice("pi_1", "paid", NOW, 990, 0, "USD")),
        ("processing", {"status": "processing"}, Notice("pi_1", "pending", NOW)),
        ("canceled", {"status": "canceled"}, Notice("pi_1", "cancelled", NOW)),
        (
            "payment_failed",
            {"last_payment_error": {"code": "card_declined", "decline_code": "insufficient_funds"}},
            Notice("pi_1", "failed", NOW, reason="insufficient_funds"),
        ),
        ("payment_failed", EXPIRED, Notice("pi_1", "failed", NOW, reason="expired_card")),
    ],
)
def test_an_intent_of_our_form_says_what_became_of_it(kind: str, changed: dict[str, Any], expected: Notice):
    event = said(f"payment_intent.{kind}", INTENT, **changed)
    assert event.facts == (expected,)
    assert event.references == ("ord_1", "pi_1", "ch_1")


def test_of_a_page_only_the_session_says_what_was_paid_since_only_it_knows_the_tax():
    page = {"metadata": {"farthing_order": "ord_1", "farthing_way": "page"}}
    assert said("payment_intent.succeeded", INTENT, **page).facts == ()
    assert said("payment_intent.canceled", INTENT, **page).facts == ()
    [failed] = said("payment_intent.payment_failed", INTENT, **page).facts
    assert failed.said == "failed"


@pytest.mark.row("P8")
def test_a_card_that_was_left_is_looked_up_since_only_asking_tells_its_name():
    left = said("payment_intent.succeeded", INTENT, customer="cus_1", setup_future_usage="off_session")
    assert (left.look, left.facts, left.customer) == ("pi_1", (), "cus_1")
    setup = {"id": "seti_1", "object": "setup_intent", "customer": "cus_1", "metadata": {"farthing_way": "card"}}
    assert said("setup_intent.succeeded", setup).look == "seti_1"
    assert said("checkout.session.completed", SESSION, mode="setup", setup_intent="seti_1").look == "seti_1"


@pytest.mark.row("P6")
@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("checkout.session.completed", SESSION | {"client_reference_id": "user_7"}),
        ("payment_intent.succeeded", INTENT | {"customer": "cus_1", "setup_future_usage": "off_session"}),
        ("setup_intent.succeeded", {"id": "seti_1", "object": "setup_intent", "customer": "cus_1"}),
    ],
)
def test_other_business_of_the_same_account_is_none_of_ours_and_asked_about_never(kind: str, about: dict[str, Any]):
    event = said(kind, about, metadata={"cart": "7"})
    assert (event.facts, event.look, event.references) == ((), None, ())


@pytest.mark.row("P7")
@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", "pending"), ("requires_action", "pending"), ("succeeded", "succeeded"), ("failed", "failed"),
        ("canceled", "failed"),
    ],
)  # fmt: skip
def test_each_refund_is_named(kind: str, status: str, expected: str):
    event = said(kind, REFUND, status=status)
    assert event.facts == (Refund("pi_1", "re_1", expected, NOW, 330, "USD"),)  # pyright: ignore[reportArgumentType]
    assert event.references == ("pi_1", "ch_1")


@pytest.mark.row("P7")
def test_a_charge_says_the_sum_of_its_refunds():
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": 660, "currency": "usd"}
    assert said("charge.refunded", charge).facts == (Refund("pi_1", None, "succeeded", NOW, 660, "USD"),)


@pytest.mark.row("P7")
@pytest.mark.parametrize("kind", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("warning_needs_response", "inquiry"), ("warning_under_review", "inquiry"), ("warning_closed", "inquiry"),
        ("needs_response", "opened"), ("under_review", "opened"), ("won", "won"), ("lost", "lost"),
    ],
)  # fmt: skip
def test_a_dispute_is_as_its_status_says(kind: str, status: str, expected: str):
    [told] = said(f"charge.dispute.{kind}", DISPUTE, status=status).facts
    assert told == Dispute("pi_1", "dp_1", expected, NOW, 990, "USD", "fraudulent")  # pyright: ignore[reportArgumentType]


@pytest.mark.row("P6")
@pytest.mark.parametrize("kind", ["customer.created", "invoice.created", "payout.paid"])
def test_what_it_says_of_other_things_means_nothing(kind: str):
    event = said(kind, {"id": "x_1", "object": "thing"})
    assert (event.facts, event.look, event.kind) == ((), None, kind)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_total": "990"}, {"amount_total": -1}, {"amount_total": 9.9}, {"currency": "dollars"},
        {"payment_status": "maybe"}, {"payment_intent": 7}, {"id": None}, {"total_details": {"amount_tax": None}},
    ],
)  # fmt: skip
def test_a_session_that_stripe_would_not_send_is_unreadable(changed: dict[str, Any]):
    with pytest.raises(EventUnreadable):
        said("checkout.session.completed", SESSION, **changed)


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [
        ("USD", 990, 990), ("JPY", 1500, 1500), ("KWD", 9900, 9900), ("ISK", 1500, 150000), ("UGX", 700, 70000),
        ("HUF", 17500, 17500), ("TWD", 9900, 9900), ("MGA", 150000, 1500),
    ],
)  # fmt: skip
def test_money_is_said_as_stripe_counts_it_and_back(currency: str, minor: int, amount: int):
    assert to_stripe(minor, currency) == amount
    assert from_stripe(amount, currency) == minor


@pytest.mark.row("C7")
@pytest.mark.parametrize(
    ("currency", "minor"), [("KWD", 9905), ("MGA", 150050), ("USD", 49), ("JPY", 49), ("GBP", 29), ("USD", 10**8)]
)
def test_what_stripe_cannot_count_or_takes_too_little_of_is_refused_at_the_quote(currency: str, minor: int):
    with pytest.raises(NotBillable) as refused:
        collector().require_billable(currency, minor)
    assert (refused.value.provider, refused.value.currency) == ("stripe", currency)


def test_a_fraction_of_a_minor_unit_is_no_money():
    with pytest.raises(ValueError, match="whole"):
        from_stripe(150, "ISK")


@pytest.mark.row("P6")
def test_what_the_official_sdk_signs_is_accepted_with_any_of_the_secrets():
    body = json.dumps({"id": "evt_1"})
    sign = stripe.WebhookSignature.generate_signature_header
    for secret in (SECRET, "whsec_old"):
        header = sign(body, secret, int(NOW.timestamp()))  # pyright: ignore[reportUnknownMemberType]
        collector(SECRET, "whsec_old").verify({"stripe-signature": header}, body.encode(), NOW)
        both = f"{sign(body, 'whsec_next', int(NOW.timestamp()))},{header.partition(',')[2]}"  # pyright: ignore[reportUnknownMemberType]
        collector(SECRET, "whsec_old").verify({"stripe-signature": both}, body.encode(), NOW)
        with pytest.raises(BadSignature):
            collector("whsec_another").verify({"stripe-signature": header}, body.encode(), NOW)


@pytest.mark.row("P6")
@pytest.mark.parametrize("age", [timedelta(), timedelta(minutes=4), timedelta(minutes=6), timedelta(days=1)])
def test_the_official_sdk_and_we_agree_about_age(age: timedelta):
    body, now = json.dumps({"id": "evt_1", "object": "event"}), datetime.now(UTC)
    header = stripe.WebhookSignature.generate_signature_header(  # pyright: ignore[reportUnknownMemberType]
        body, SECRET, int(time.time() - age.total_seconds())
    )
    theirs = _raises(stripe.SignatureVerificationError, lambda: stripe.Webhook.construct_event(body, header, SECRET))  # pyright: ignore
    ours = _raises(BadSignature, lambda: collector().verify({"stripe-signature": header}, body.encode(), now))
    assert ours == theirs == (age > timedelta(minutes=5))


def _raises(kind: type[Exception], call: Any) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def test_every_kind_we_act_on_is_one_that_stripe_has():
    from stripe.params._webhook_endpoint_create_params import WebhookEndpointCreateParams

    known = str(WebhookEndpointCreateParams.__annotations__["enabled_events"])
    assert {kind for kind in EVENTS if f"'{kind}'" not in known and f'"{kind}"' not in known} == set()
