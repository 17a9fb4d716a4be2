"""The payment form of a provider in our own page, in a real Chromium with a stand-in for the provider's script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from farthing.core.payments import Notice
from farthing.providers import Bill, Started
from tests.herald import Herald, say
from tests.kit import shop
from tests.portal import customer as plain
from tests.portal.customer import Customer
from tests.portal.foreign import stand_in, unpaid
from tests.portal.site import PREFIX, STORE, Site
from tests.portal.test_browser import sign_in

STUDIO = "Buy Studio for $39.00"


@pytest.fixture
def at(at_any: Site) -> Site:
    """What a browser does with the form is the same whatever the database."""
    return at_any


@pytest.fixture
def herald(at: Site) -> Herald:
    """The only way to pay, with a form; its own page is the sandbox's, so that a browser can open it."""
    paid_by = _Herald(at)
    at.credits.providers["herald"] = paid_by
    at.credits.catalog = shop(STORE + "\n[switches.providers]\nsandbox = false\n")
    return paid_by


class _Herald(Herald):
    def __init__(self, at: Site) -> None:
        super().__init__()
        self.at = at

    def start(self, bill: Bill) -> Started:
        started = super().start(bill)
        return started if bill.form else started._replace(url=self.at.credits.providers["sandbox"].start(bill).url)


@pytest.fixture
def ada(at: Site, herald: Herald, page: Page) -> Page:
    """Ada's browser, signed in. Nothing may go wrong in its console."""
    at.credits.open_account("ada")
    sign_in(page, at)
    return page


class Till:
    """What the stand-in's own host was told, and what it answers; "paid" is told by webhook first."""

    def __init__(self, at: Site, outcome: dict[str, Any] | None = None) -> None:
        self.at = at
        self.outcome = outcome or {"paymentIntent": {"status": "succeeded"}}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, asked: str, said: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((asked, said))
        if asked == "retrieve":
            return unpaid(asked, said)
        if "paymentIntent" in self.outcome:
            [order] = self.at.credits.orders("ada").data
            paid = Notice("pi_1", "paid", self.at.credits.clock(), order.total_minor, currency="USD")
            say(self.at.credits, paid, about=[order.id])
        return self.outcome


def open_form(page: Page) -> None:
    page.get_by_role("link", name="Buy", exact=True).click()
    page.get_by_role("button", name=STUDIO).click()
    expect(page.get_by_role("heading", name="Pay $39.00")).to_be_visible()


@pytest.mark.row("P3", "P11", "U8")
def test_a_purchase_in_our_page_by_keyboard_alone(at: Site, herald: Herald, ada: Page):
    till, addresses = Till(at), list[str]()
    stand_in(ada, till)
    ada.on("request", lambda request: addresses.append(request.url))
    ada.get_by_role("link", name="Buy", exact=True).focus()
    ada.keyboard.press("Enter")
    ada.get_by_role("button", name=STUDIO).focus()
    ada.keyboard.press("Enter")
    expect(ada).to_have_url(re.compile(f"{PREFIX}/pay/ord_"))
    expect(ada.get_by_role("button", name="Pay $39.00")).to_be_enabled()
    expect(ada.get_by_text("The form is coming")).to_be_hidden()
    ada.get_by_role("heading", name="Pay $39.00").click()
    ada.keyboard.press("Tab")
    card = ada.frame_locator("iframe").get_by_label("Card number")
    expect(card).to_be_focused()
    ada.keyboard.type("4242424242424242")
    expect(card).to_have_value("4242424242424242")
    ada.keyboard.press("Tab")
    expect(ada.get_by_role("button", name="Pay $39.00")).to_be_focused()
    ada.keyboard.press("Enter")
    expect(ada.get_by_role("heading", name="550 Image credits added")).to_be_visible()
    expect(ada.get_by_role("main")).to_contain_text("Your new balance: 560 Image credits")
    [order] = at.credits.orders("ada").data
    secret = herald.start(herald.asked[0]).client_secret or ""
    assert (order.form, order.locale, order.status) == (True, "en", "fulfilled")
    place = f"{at.url}/orders/{order.id}"
    confirmed = {"key": "pk_test_herald", "locale": "en", "secret": secret, "to": place, "redirect": "if_required"}
    assert till.asked[-1] == ("confirm", confirmed)
    assert addresses and not [address for address in addresses if secret in address]


@pytest.mark.row("P3", "P11")
def test_a_card_that_is_declined_says_so_and_another_one_pays(at: Site, ada: Page):
    till = Till(at, {"error": {"type": "card_error", "message": "Your card was declined."}})
    stand_in(ada, till)
    open_form(ada)
    pay = ada.get_by_role("button", name="Pay $39.00")
    pay.click()
    expect(ada.get_by_role("alert")).to_have_text("Your card was declined.")
    expect(ada.get_by_role("alert")).to_be_focused()
    till.outcome = {"error": {"type": "api_connection_error", "message": "E_NETWORK"}}
    pay.click()
    expect(ada.get_by_role("alert")).to_contain_text("We could not hear whether the payment went through.")
    till.outcome = {"paymentIntent": {"status": "succeeded"}}
    pay.click()
    expect(ada.get_by_role("heading", name="550 Image credits added")).to_be_visible()


@pytest.mark.row("P3", "P11")
def test_who_comes_back_after_paying_does_not_pay_again(at: Site, ada: Page):
    stand_in(ada, lambda asked, said: {"paymentIntent": {"status": "processing"}})
    ada.get_by_role("link", name="Buy", exact=True).click()
    ada.get_by_role("button", name=STUDIO).click()
    expect(ada.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    [order] = at.credits.orders("ada").data
    say(at.credits, Notice("pi_1", "pending", at.credits.clock()), about=[order.id])
    ada.goto(f"{at.url}/pay/{order.id}")
    expect(ada.get_by_role("heading", name="Your payment is on its way")).to_be_visible()


@pytest.mark.row("P3")
@pytest.mark.parametrize("what", ["no script", "another script", "no answer", "too slow"])
def test_a_form_that_cannot_be_loaded_says_so_and_leads_to_the_providers_page(
    at: Site, page: Page, herald: Herald, what: str
):
    at.credits.open_account("ada")
    page.clock.install()
    sign_in(page, at)
    if what == "no answer":
        stand_in(page, unpaid)
        page.route("https://api.stripe.com/**", lambda route: route.abort())
    elif what == "no script":
        page.route("https://js.stripe.com/**", lambda route: route.abort())
    elif what == "another script":
        page.route("https://js.stripe.com/**", lambda route: route.fulfill(body="", content_type="text/javascript"))
    else:
        page.route("https://js.stripe.com/**", lambda route: None)
    open_form(page)
    if what == "too slow":
        expect(page.get_by_text("The form is coming")).to_be_visible()
        page.clock.run_for(15_000)
    expect(page.get_by_role("alert")).to_contain_text("The form of Herald could not be loaded. Nothing was charged.")
    expect(page.get_by_role("button", name="Pay $39.00")).to_be_hidden()
    page.get_by_role("button", name="Pay on the page of Herald").click()
    expect(page.get_by_role("heading", name="Pay USD 39.00")).to_be_visible()
    hosted, form = at.credits.orders("ada").data
    assert (hosted.form, form.form, hosted.total_minor) == (False, True, form.total_minor)


@pytest.mark.row("P3", "U8")
def test_without_javascript_the_providers_page_is_offered(at: Site, herald: Herald, browser: Browser):
    at.credits.open_account("ada")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, at)
    open_form(page)
    expect(page.get_by_text("needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Pay $39.00")).to_be_hidden()
    page.get_by_role("button", name="Pay on the page of Herald").click()
    expect(page.get_by_role("heading", name="Pay USD 39.00")).to_be_visible()
    context.close()


@pytest.mark.row("P3", "U8")
def test_the_form_wears_the_theme_of_the_page_and_speaks_its_language(at: Site, herald: Herald, page: Page):
    at.credits.open_account("ada", locale="zh")
    till = Till(at)
    stand_in(page, till)
    page.goto(at.link("ada"))
    page.get_by_role("button").click()
    page.goto(f"{at.url}/buy")
    page.get_by_role("button", name="Studio").click()
    expect(page.get_by_text("表单由 Herald 提供")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "stripe")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("#fields")).to_have_css("color-scheme", "light")  # its frame stays clear, and shows the night
    expect(page.locator("html")).to_have_attribute("data-theme", "night")
    assert till.asked[0][1]["locale"] == "zh" == at.credits.orders("ada").data[0].locale


@pytest.fixture
def buyer(at: Site, herald: Herald) -> Iterator[Customer]:
    """Ada without a browser."""
    at.credits.open_account("ada")
    with Customer(at, "ada") as customer:
        yield customer


@pytest.mark.row("P3")
def test_only_the_page_with_the_form_lets_foreign_script_in(at: Site, buyer: Customer):
    where = buyer.press(buyer.see("/buy"), STUDIO).headers["location"]
    [order] = at.credits.orders("ada").data
    assert where == f"{PREFIX}/pay/{order.id}"
    headers = buyer.get(where).headers
    policy = headers["content-security-policy"]
    assert "script-src 'self' https://js.stripe.com https://*.js.stripe.com;" in policy
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    for path in ("/", "/buy", "/orders", f"/orders/{order.id}"):
        assert "stripe" not in buyer.get(PREFIX + path).headers["content-security-policy"]


@pytest.mark.row("P3")
def test_the_secret_is_in_the_page_and_in_no_address(at: Site, herald: Herald, buyer: Customer):
    where = buyer.press(buyer.see("/buy"), STUDIO).headers["location"]
    page = buyer.see(where.removeprefix(PREFIX))
    secret = herald.start(herald.asked[0]).client_secret or ""
    assert [given["data-client-secret"] for _, given in page.elements if "data-client-secret" in given] == [secret]
    addresses = [where, *(given.get(name, "") for _, given in page.elements for name in ("href", "src", "action"))]
    assert not [address for address in addresses if secret in address]
    [order] = at.credits.orders("ada").data
    back = f"{PREFIX}/orders/{order.id}"
    assert buyer.get(f"{back}?payment_intent=pi_1&payment_intent_client_secret={secret}").headers["location"] == back


@pytest.mark.row("P3", "P11")
def test_another_accounts_form_does_not_exist_and_a_paid_order_has_none(at: Site, herald: Herald, buyer: Customer):
    where = buyer.press(buyer.see("/buy"), STUDIO).headers["location"].removeprefix(PREFIX)
    with Customer(at, "bob") as bob:
        bob.see(where, 404)
    [order] = at.credits.orders("ada").data
    page = buyer.see(f"/orders/{order.id}")
    assert ("a", {"class": "button primary", "href": PREFIX + where}) in page.elements
    say(at.credits, Notice("pi_1", "paid", at.credits.clock(), 3900, currency="USD"), about=[order.id])
    assert buyer.get(PREFIX + where).headers["location"] == f"{PREFIX}/orders/{order.id}"
    hosted = at.credits.checkout("ada", package="starter", key="o", provider="herald").order
    assert buyer.get(f"{PREFIX}/pay/{hosted.id}").headers["location"] == f"{PREFIX}/orders/{hosted.id}"


@pytest.mark.row("P3", "P11")
def test_a_provider_that_does_not_answer_is_asked_again_for_the_same_form(at: Site, herald: Herald, buyer: Customer):
    herald.silent = True
    page = plain.Page(buyer.press(buyer.see("/buy"), STUDIO).text)
    assert "The payment page does not answer. Nothing was charged." in page.text
    [order] = at.credits.orders("ada").data
    assert "Back in a moment" in buyer.see(f"/pay/{order.id}", 503).text
    herald.silent = False
    assert buyer.press(page, "Try again").headers["location"] == f"{PREFIX}/pay/{order.id}"
    assert len(at.credits.orders("ada").data) == 1


@pytest.mark.row("P11", "C1")
def test_a_form_that_was_never_begun_at_a_provider_switched_off_is_none(at: Site, herald: Herald, buyer: Customer):
    herald.silent = True
    buyer.press(buyer.see("/buy"), STUDIO)
    [order] = at.credits.orders("ada").data
    at.credits.catalog = shop(STORE + "\n[switches.providers]\nherald = false\nsandbox = false\n")
    assert "Code for support: switched_off" in buyer.see(f"/pay/{order.id}", 409).text
