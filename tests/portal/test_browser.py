"""What a person does on the portal, in a real Chromium: come in, look, buy, pay, and be told the truth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.portal.site import Site


@pytest.fixture
def ada(at: Site, page: Page) -> Page:
    """Ada's browser, signed in by a link. Nothing may go wrong in its console."""
    at.credits.open_account("ada")
    sign_in(page, at)
    return page


@pytest.fixture
def scriptless(at: Site, browser: Browser) -> Iterator[Page]:
    """Ada's browser with JavaScript switched off."""
    at.credits.open_account("ada")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, at)
    yield page
    context.close()


def sign_in(page: Page, at: Site, account: str = "ada") -> None:
    page.goto(at.link(account))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Your credits")).to_be_visible()


def buy_studio(page: Page) -> None:
    page.get_by_role("link", name="Buy", exact=True).click()
    page.get_by_role("button", name="Buy Studio for $39.00").click()
    expect(page.get_by_role("heading", name="Pay USD 39.00")).to_be_visible()


def wallet(page: Page, name: str = "Image credits"):
    return page.get_by_role("region", name=name)


@pytest.mark.row("U1", "U2", "U9", "P5", "P11")
def test_come_in_see_the_gift_buy_pay_and_see_it_there(at: Site, ada: Page):
    expect(wallet(ada)).to_contain_text("10 available")
    buy_studio(ada)
    ada.get_by_role("button", name="Pay", exact=True).click()
    expect(ada.get_by_role("heading", name="550 Image credits added")).to_be_visible()
    expect(ada.get_by_role("main")).to_contain_text("Your new balance: 560 Image credits")
    ada.get_by_role("link", name="To your credits").click()
    expect(wallet(ada)).to_contain_text("560 available")
    assert at.credits.balance("ada", "images").available == 560


@pytest.mark.row("P11")
def test_a_decline_then_another_way_then_success(at: Site, ada: Page):
    buy_studio(ada)
    ada.get_by_role("button", name="Decline").click()
    expect(ada.get_by_role("heading", name="The payment was declined")).to_be_visible()
    assert at.credits.balance("ada", "images").available == 10
    ada.get_by_role("link", name="Try another way to pay").click()
    ada.get_by_role("button", name="Buy Studio for $39.00").click()
    ada.get_by_role("button", name="Pay", exact=True).click()
    expect(ada.get_by_role("heading", name="550 Image credits added")).to_be_visible()


@pytest.mark.row("P11")
def test_cancelled_and_abandoned_are_not_charged(at: Site, ada: Page):
    buy_studio(ada)
    ada.get_by_role("button", name="Cancel").click()
    expect(ada.get_by_role("heading", name="You cancelled the payment")).to_be_visible()
    expect(ada.get_by_text("Nothing was charged")).to_be_visible()
    buy_studio(ada)
    ada.get_by_role("link", name="Back to").click()
    expect(ada.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    ada.get_by_role("link", name="Go to the payment page").click()
    expect(ada.get_by_role("heading", name="Pay USD 39.00")).to_be_visible()
    assert at.credits.balance("ada", "images").available == 10


@pytest.mark.row("P11")
def test_the_result_page_looks_by_itself_until_the_money_arrives(at: Site, ada: Page):
    buy_studio(ada)
    ada.get_by_role("button", name="Pay later").click()
    ada.get_by_role("link", name="Back to").click()
    expect(ada.get_by_role("heading", name="Your payment is on its way")).to_be_visible()
    [order] = at.credits.orders("ada").data
    at.tell(order, "payment.paid")
    expect(ada.get_by_role("heading", name="550 Image credits added")).to_be_visible(timeout=10_000)
    expect(ada).to_have_title("550 Image credits added · Credits")


@pytest.mark.row("U2", "P11", "U8")
def test_without_javascript_the_same_purchase_works(at: Site, scriptless: Page):
    scriptless.get_by_role("link", name="Buy", exact=True).click()
    scriptless.get_by_label("How many").fill("750")
    scriptless.get_by_role("button", name="Show the price").click()
    expect(scriptless.get_by_role("row", name="Total $69.15")).to_be_visible()
    assert "amount=750" in scriptless.url
    scriptless.get_by_role("button", name="Pay $69.15").click()
    scriptless.get_by_role("button", name="Pay later").click()
    scriptless.get_by_role("link", name="Back to").click()
    expect(scriptless.get_by_role("heading", name="Your payment is on its way")).to_be_visible()
    [order] = at.credits.orders("ada").data
    at.tell(order, "payment.paid")
    expect(scriptless.get_by_role("heading", name="750 Image credits added")).to_be_visible(timeout=10_000)
    scriptless.get_by_role("link", name="History").click()
    scriptless.get_by_text("Purchase").click()
    expect(scriptless.get_by_role("link", name="Show the order")).to_be_visible()
    scriptless.get_by_role("button", name="Sign out").click()
    expect(scriptless.get_by_role("heading", name="You are signed out")).to_be_visible()


@pytest.mark.row("U2")
def test_the_price_appears_as_one_types(ada: Page):
    ada.get_by_role("link", name="Buy", exact=True).click()
    amount = ada.get_by_label("How many")
    expect(ada.get_by_role("button", name="Show the price")).to_be_hidden()
    amount.fill("750")
    expect(ada.get_by_role("row", name="Total $69.15")).to_be_visible()
    expect(ada.get_by_role("row", name="260 × $0.0775 $20.15")).to_be_visible()
    expect(ada.get_by_role("button", name="Pay $69.15")).to_be_enabled()
    expect(ada).to_have_url(re.compile("amount=750"))
    expect(amount).to_be_focused()
    amount.fill("5")
    expect(ada.get_by_text("This many cannot be bought at once.")).to_be_visible()
    expect(ada.get_by_role("button", name=re.compile("^Pay"))).to_have_count(0)
    ada.reload()
    expect(amount).to_have_value("5")


@pytest.mark.row("U2")
def test_a_price_that_is_not_of_what_was_typed_cannot_be_paid(ada: Page):
    ada.get_by_role("link", name="Buy", exact=True).click()
    ada.route("**/buy?**", lambda route: None)  # the answer never comes
    ada.get_by_label("How many").fill("750")
    expect(ada.get_by_role("button", name="Pay $1.00")).to_be_disabled()


@pytest.mark.row("U2")
@pytest.mark.parametrize("told", [True, False], ids=["typed", "changed_without_an_event"])
def test_a_late_price_of_what_was_typed_before_cannot_be_paid(ada: Page, told: bool):
    asked: list[Route] = []
    answered: list[str] = []
    ada.on("requestfinished", lambda request: answered.append(request.url))
    ada.on("requestfailed", lambda request: answered.append(request.url))
    ada.clock.install()
    ada.get_by_role("link", name="Buy", exact=True).click()
    amount = ada.get_by_label("How many")
    expect(ada.get_by_role("button", name="Show the price")).to_be_hidden()
    ada.clock.pause_at(ada.evaluate("Date.now()") + 1000)
    ada.route("**/buy?**", lambda route: asked.append(route))
    amount.fill("50")
    ada.clock.run_for(200)
    wait_until(ada, lambda: len(asked) == 1)

    amount.fill("500") if told else amount.evaluate("box => { box.value = '500' }")
    asked[0].continue_()
    wait_until(ada, lambda: any("amount=50&" in f"{url}&" for url in answered))
    assert [button.is_enabled() for button in pay_buttons(ada)] == [False]
    ada.clock.run_for(200)
    wait_until(ada, lambda: len(asked) == 2)
    assert [button.is_enabled() for button in pay_buttons(ada)] == [False]
    asked[1].continue_()
    expect(ada.get_by_role("button", name="Pay $49.78")).to_be_enabled()
    assert "amount=500" in ada.url


def test_back_and_forth_keeps_the_currency_of_the_address(ada: Page):
    ada.get_by_role("link", name="Buy", exact=True).click()
    ada.get_by_role("link", name="EUR").click()
    expect(ada.get_by_role("button", name="Buy Starter for €9.50")).to_be_visible()
    ada.go_back()
    expect(ada.get_by_role("button", name="Buy Starter for $9.90")).to_be_visible()
    ada.go_forward()
    expect(ada.get_by_role("link", name="EUR")).to_have_attribute("aria-current", "true")


@pytest.mark.row("U8")
def test_a_purchase_by_keyboard_alone(at: Site, page: Page):
    at.credits.open_account("ada")
    page.goto(at.link("ada"))
    press_until(page, "Continue")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Your credits")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press_until(page, "Buy")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Buy credits")).to_be_visible()
    press_until(page, "How many")
    page.keyboard.press("Control+A")
    page.keyboard.type("750")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="Total $69.15")).to_be_visible()
    press_until(page, "Pay $69.15")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pay USD 69.15")).to_be_visible()
    press_until(page, "Pay")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="750 Image credits added")).to_be_visible()


def pay_buttons(page: Page) -> list[Locator]:
    return page.get_by_role("button", name=re.compile("^Pay")).all()


def wait_until(page: Page, happened: Callable[[], bool]) -> None:
    """Lets the browser go on until something has happened in it."""
    until = monotonic() + 10
    while not happened():
        assert monotonic() < until, "it never happened"
        page.evaluate("document.readyState")


def press_until(page: Page, name: str) -> None:
    """Presses Tab until what is called so has the focus, which has to be seen."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
              const at = document.activeElement;
              const label = at.labels?.[0]?.textContent ?? at.getAttribute("aria-label") ?? at.textContent;
              const style = getComputedStyle(at);
              return [label.trim(), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
            }"""
        )
        assert focused[1], f"the focus on {focused[0]!r} cannot be seen"
        if focused[0] == name:
            return
    raise AssertionError(f"Tab never came to {name!r}")
