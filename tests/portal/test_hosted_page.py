"""A purchase on a hosted page that no one here wrote: emulate's, in a real Chromium, by our provider "stripe".

What is emulate's own in it, and what had to be added to it, stands at the top of tests/go_between.py.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, datetime

import httpx2
import pytest
from playwright.sync_api import Page, expect

from farthing.errors import BadSignature, EventUnreadable
from farthing.providers.stripe import Stripe
from tests.emulate import emulate
from tests.go_between import HOOK, SECRET, GoBetween, go_between
from tests.kit import Clock, shop
from tests.portal.site import STORE, Site
from tests.portal.test_browser import sign_in


@pytest.fixture(scope="module")
def counterpart() -> Generator[GoBetween]:
    with go_between() as between, emulate(webhook=between.url + HOOK, secret=SECRET) as url:
        between.emulate = url
        yield between


@pytest.fixture
def at(at_any: Site) -> Site:
    """Databases have no part in this."""
    return at_any


@pytest.fixture
def clock() -> Clock:
    """emulate lives and signs by the real time."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def between(at: Site, counterpart: GoBetween) -> GoBetween:
    """The only way to pay in the shop is Stripe's page, which emulate plays."""
    at.credits.providers["stripe"] = Stripe(secret_key="sk_test_emulate", secrets=[SECRET], api_base=counterpart.url)
    at.credits.catalog = shop(STORE + "\n[switches.providers]\nsandbox = false\n")
    counterpart.webhook = f"{at.address}/v1/webhooks/stripe"
    counterpart.heard.clear()
    counterpart.events.clear()
    return counterpart


@pytest.fixture
def ada(at: Site, between: GoBetween, page: Page) -> Page:
    """Ada's browser, signed in, on emulate's page of what she buys; nothing outside of this machine can be asked."""
    page.context.route(re.compile(r"^https?://(?!127\.0\.0\.1:)"), lambda route: route.abort())
    at.credits.open_account("ada")
    sign_in(page, at)
    page.get_by_role("link", name="Buy", exact=True).click()
    page.get_by_role("button", name="Buy Studio for $39.00").click()
    expect(page).to_have_url(re.compile(f"^{between.emulate}/checkout/cs_"))
    return page


def available(at: Site) -> int:
    return int(at.credits.balance("ada", "images").available)


def added(page: Page) -> None:
    expect(page.get_by_role("heading", name="550 Image credits added")).to_be_visible(timeout=10_000)


@pytest.mark.row("P2", "P6", "P11")
def test_what_is_paid_on_a_hosted_page_is_there_once(at: Site, between: GoBetween, ada: Page):
    hosted = ada.url
    [order] = at.credits.orders("ada").data
    expect(ada.locator("body")).to_contain_text(order.description)
    expect(ada.locator("body")).to_contain_text("Total due$39.00 USD")
    assert (order.url, available(at)) == (hosted, 10)
    ada.get_by_role("button", name="Pay $39.00").click()
    added(ada)
    expect(ada).to_have_url(f"{at.url}/orders/{order.id}")
    expect(ada.get_by_role("main")).to_contain_text("Your new balance: 560 Image credits")
    [event] = between.events
    for again in (event, event | {"id": "evt_of_the_same"}):  # as happens at Stripe
        assert at.credits.receive("stripe", *between.letter(again)).duplicate == (again is event)
    assert at.credits.reconcile("ada", ask=True).proved
    [order] = at.credits.orders("ada").data
    [payment] = order.payments
    assert (payment.standing, payment.amount_minor, payment.currency) == ("paid", 3900, "USD")
    assert available(at) == 560
    ada.goto(hosted)
    expect(ada.locator("body")).to_contain_text("This checkout session is no longer available.")


@pytest.mark.row("P2", "P9", "P11")
def test_coming_back_pays_nothing_and_a_lost_webhook_is_asked_for(
    at: Site, between: GoBetween, ada: Page, clock: Clock
):
    between.webhook = ""
    ada.get_by_role("link", name="Cancel").click()
    expect(ada.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    clock.move("10m")
    assert at.credits.heal_orders() == (1, 0, 0, 0)
    ada.get_by_role("link", name="Go to the payment page").click()
    ada.get_by_role("button", name="Pay $39.00").click()
    expect(ada.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    assert (len(between.events), available(at)) == (1, 10)
    clock.move("10m")
    assert at.credits.heal_orders() == (1, 1, 0, 0)
    ada.reload()  # it looks by itself too, but seldom after so long
    added(ada)
    assert available(at) == 560


@pytest.mark.row("P2", "P6")
def test_what_emulate_signs_is_taken_for_signed_and_says_too_little(at: Site, between: GoBetween, clock: Clock):
    between.webhook = ""
    provider = at.credits.providers["stripe"]
    at.credits.open_account("ada")
    order = at.credits.checkout("ada", package="studio", key="o", provider="stripe", return_url=at.url).order
    httpx2.post(f"{order.url}/complete", trust_env=False)
    [(headers, body)] = between.heard
    provider.verify(headers, body, clock())
    with pytest.raises(BadSignature):
        provider.verify(headers, body.replace(b"complete", b"finished"), clock())
    with pytest.raises(EventUnreadable, match="'id'"):
        provider.read(body)
