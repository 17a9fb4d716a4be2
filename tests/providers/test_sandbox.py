"""The sandbox: a customer goes to its pay page, and each button does over real HTTP what it says."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from farthing.errors import SettingsInvalid
from farthing.providers import Bill
from farthing.providers.sandbox import Sandbox
from tests.kit import START, Clock
from tests.selling import available, sandbox, token_of, town

pytestmark = pytest.mark.row("P5")

HOME = "http://shop.test/orders/{order}?from=sandbox"


@pytest.mark.row("P11")
@pytest.mark.parametrize(
    ("button", "status", "reason", "credits_then"),
    [
        ("Pay", "fulfilled", None, 110),
        ("Decline", "failed", "card_declined", 0),
        ("Cancel", "cancelled", None, 0),
    ],
)
def test_a_button_tells_the_shop_and_sends_the_customer_back(
    database_url: str, clock: Clock, button: str, status: str, reason: str | None, credits_then: int
):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        answer = here.press(here.visit(checkout.url or ""), button)
        assert (303, HOME.format(order=checkout.order.id)) == (answer.status_code, answer.headers["location"])
        order = here.credits.order("ada", checkout.order.id)
        assert (status, reason, credits_then) == (order.status, order.reason, available(here.credits))


@pytest.mark.row("P6", "P11")
@pytest.mark.parametrize(
    ("button", "status", "reason", "credits_then"),
    [("The transfer arrives", "fulfilled", None, 110), ("The transfer fails", "failed", "bank_refused", 0)],
)
def test_paying_later_is_processing_until_the_transfer_ends(
    database_url: str, clock: Clock, button: str, status: str, reason: str | None, credits_then: int
):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        answer = here.press(here.visit(checkout.url or ""), "Pay later")
        assert answer.status_code == 303
        assert (here.credits.order("ada", checkout.order.id).status, available(here.credits)) == ("processing", 0)
        waiting = here.visit(answer.headers["location"])
        assert "Pay later" not in waiting.text
        assert f'href="{HOME.format(order=checkout.order.id)}"' in waiting.text
        clock.move("3d")
        assert here.press(waiting, button).status_code == 303
        order = here.credits.order("ada", checkout.order.id)
        assert (status, reason, credits_then) == (order.status, order.reason, available(here.credits))


@pytest.mark.row("P11")
def test_leaving_the_page_abandons_the_order(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        here.visit(checkout.url or "")
        assert here.credits.order("ada", checkout.order.id).status == "open"
        clock.move("1d")
        assert (here.credits.order("ada", checkout.order.id).status, here.credits.provider_events()) == ("expired", [])


def test_a_declined_customer_may_try_again_on_the_same_page_and_a_double_click_pays_once(
    database_url: str, clock: Clock
):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        page = here.visit(checkout.url or "")
        for button in ("Decline", "Pay", "Pay", "Decline", "Cancel"):
            assert here.press(page, button).status_code == 200
        assert (here.credits.order("ada", checkout.order.id).status, available(here.credits)) == ("fulfilled", 110)
        assert len(here.credits.provider_events()) == 3


def test_paying_after_the_order_expired_fulfils_it(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        clock.move("2d")
        page = here.visit(checkout.url or "")
        assert "late payment" in page.text
        here.press(page, "Pay")
        assert available(here.credits) == 110


def test_a_shop_that_does_not_answer_is_shown_and_can_be_told_again(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        here.webhook_up = False
        failed = here.press(here.visit(checkout.url or ""), "Pay")
        assert (failed.status_code, available(here.credits)) == (502, 0)
        assert "answered 503" in failed.text
        here.webhook_up = True
        assert here.press(failed, "Tell it again").status_code == 303
        assert available(here.credits) == 110


def test_the_page_says_who_asks_how_much_for_what_and_runs_nothing(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", currency="JPY")
        page = here.visit(checkout.url or "")
        for words in ("Pay JPY 1500", "110 Image credits", checkout.order.id, "Ada &amp; Sons &lt;shop&gt;", "sandbox"):
            assert words in page.text
        assert '<html lang="en">' in page.text
        assert page.text.count("<h1>") == 1
        assert not re.search(r"<script|\son\w+=|https?://", page.text)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        described = set(re.findall(r'aria-describedby="(\w+)"', page.text))
        assert {"pay", "decline", "later", "cancel"} == described == set(re.findall(r'<span id="(\w+)"', page.text))


def test_whatever_a_bill_says_is_shown_as_text(clock: Clock):
    from starlette.testclient import TestClient

    from farthing.providers.sandbox_page import sandbox_app

    evil = '"><script>alert(1)</script>'
    shop = Sandbox(url="http://testserver", secrets=["x" * 16], merchant=evil)
    bill = Bill("ord_1", evil, "USD", 990, f"http://shop.test/{evil}", START + timedelta(days=1))
    page = TestClient(sandbox_app(shop, webhook_url="http://127.0.0.1:9", clock=clock)).get(shop.start(bill).url)
    assert (page.status_code, page.text.count("<script>")) == (200, 0)
    assert page.text.count("&lt;script&gt;") >= 3


def test_an_address_the_sandbox_did_not_make_pays_nothing(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        said, _, signature = token_of(checkout.url or "").partition(".")
        forged = [f"{said}x.{signature}", f"{said}.", said, f".{signature}", "x.é"]
        for token in forged:
            answer = here.visit(f"{here.url}/sandbox/pay/{token}")
            assert answer.status_code == 404
        other = sandbox("http://sandbox.test", "the secret of somebody else").start(
            Bill(checkout.order.id, "all of them", "USD", 1, None, START)
        )
        assert here.visit(f"{here.url}/sandbox/pay/{token_of(other.url)}").status_code == 404
        assert here.credits.provider_events() == []


@pytest.mark.parametrize("form", [{}, {"action": "pay"}, {"action": "steal", "visit": "0" * 32}, {"visit": "0" * 32}])
def test_a_form_that_is_not_the_pages_sends_nothing(database_url: str, clock: Clock, form: dict[str, str]):
    import httpx2

    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        assert httpx2.post(checkout.url or "", data=form, trust_env=False).status_code == 400
        assert here.credits.provider_events() == []


def test_any_process_with_the_secret_serves_the_same_page():
    bill = Bill("ord_1", "110 Image credits", "USD", 990, None, START)
    assert bill == sandbox().bill(token_of(sandbox().start(bill).url))
    rotated = sandbox("http://sandbox.test", "a newer secret of the tests", "a sandbox secret of the tests")
    assert bill == rotated.bill(token_of(sandbox().start(bill).url))


@pytest.mark.parametrize("secrets", [[], [""], ["short"], ["long enough to be one", "short"]])
def test_a_secret_that_can_be_guessed_is_refused(secrets: list[str]):
    with pytest.raises(SettingsInvalid):
        Sandbox(url="http://sandbox.test", secrets=secrets)
