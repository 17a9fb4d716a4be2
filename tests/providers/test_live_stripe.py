"""The real Stripe in test mode, with a key of your own: `STRIPE_SECRET_KEY=sk_test_… pytest -m live_stripe`."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from farthing.core.payments import Refund, SavedCard
from farthing.providers import Bill
from farthing.providers.stripe import Stripe

pytestmark = pytest.mark.live_stripe


@pytest.fixture
def live() -> Stripe:
    key = os.environ.get("STRIPE_SECRET_KEY", "")
    if not key.startswith(("sk_test_", "rk_test_")):
        pytest.skip("STRIPE_SECRET_KEY is no key of Stripe's test mode")
    return Stripe(secret_key=key, secrets=["whsec_unused"], publishable_key="pk_test_unused")


def bill() -> Bill:
    ends_at = datetime.now(UTC) + timedelta(hours=23)
    return Bill(f"ord_{uuid4().hex}", "110 Image credits", "USD", 990, "https://example.com/", ends_at, account="ada")


def test_a_page_and_a_form_are_made_once_and_looked_up(live: Stripe):
    page, form = bill(), bill()._replace(form=True)
    assert live.start(page) == live.start(page)
    assert live.start(form) == live.start(form)
    found = live.look(live.start(page).reference)
    assert found
    assert page.order in found.references
    assert found.facts == ()


def test_a_card_is_charged_once_and_the_refund_is_found(live: Stripe):
    paid = bill()
    customer = live.start(bill()._replace(form=True, save_card=True)).customer or ""
    method = live._api.v1.payment_methods.attach("pm_card_visa", {"customer": customer})  # pyright: ignore
    card = SavedCard(customer, method.id, datetime.now(UTC))
    charged = live.charge(paid, card, attempt=1)
    assert charged == live.charge(paid, card, attempt=1)
    assert (charged.notice.said, charged.notice.amount_minor) == ("paid", 990)
    live._api.v1.refunds.create({"payment_intent": charged.reference, "amount": 330})  # pyright: ignore
    found = live.look(charged.reference)
    assert found
    assert [fact.amount_minor for fact in found.facts if isinstance(fact, Refund)] == [330]
