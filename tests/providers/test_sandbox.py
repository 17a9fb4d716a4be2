"""The sandbox: a customer goes to its pay page, and each button does over real HTTP what it says."""

from __future__ import annotations

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from playwright.sync_api import Page, expect
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from farthing.core.payments import Notice, SavedCard
from farthing.errors import SettingsInvalid
from farthing.providers import Bill
from farthing.providers.sandbox import Sandbox
from farthing.providers.sandbox_page import sandbox_app
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
    evil = '"><script>alert(1)</script>'
    shop = Sandbox(url="http://testserver", secrets=["x" * 16], merchant=evil)
    bill = Bill("ord_1", evil, "USD", 990, f"http://shop.test/{evil}", START + timedelta(days=1))
    page = TestClient(sandbox_app(shop, webhook_url="http://127.0.0.1:9", clock=clock)).get(shop.start(bill).url or "")
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


@contextmanager
def receiver(told: list[bytes], *, refused: int = 0) -> Generator[str]:
    """An address that takes webhooks and writes down their bodies; the first so many it answers with 503."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(503 if len(told) <= refused else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def pressed(page: httpx2.Response, action: str, **chosen: str) -> dict[str, str]:
    """The form that a browser sends when a button is pressed after these choices."""
    for name, value in chosen.items():
        assert f'<input type="radio" name="{name}" value="{value}"' in page.text
    return {"action": action, "visit": re.findall(r'name="visit" value="(\w+)"', page.text)[0], **chosen}


def choose(page: httpx2.Response, action: str, **chosen: str) -> httpx2.Response:
    return httpx2.post(str(page.url), data=pressed(page, action, **chosen), trust_env=False)


def test_a_webhook_that_comes_twice_pays_once(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        here.arrived.clear()
        assert choose(here.visit(checkout.url or ""), "pay", webhook="twice").status_code == 303
        first, again = here.arrived
        assert first == again
        assert (len(here.credits.provider_events()), available(here.credits)) == (1, 110)


def test_a_webhook_that_never_comes_leaves_the_order_open_and_the_sandbox_tells_who_asks(
    database_url: str, clock: Clock
):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        answer = choose(here.visit(checkout.url or ""), "pay", webhook="never")
        assert (303, HOME.format(order=checkout.order.id)) == (answer.status_code, answer.headers["location"])
        order = here.credits.order("ada", checkout.order.id)
        assert (order.status, here.credits.provider_events()) == ("open", [])
        found = here.credits.providers["sandbox"].look(order.reference or "")
        assert found
        [notice] = found.facts
        assert isinstance(notice, Notice)
        assert ("paid", order.total_minor, clock.now) == (notice.said, notice.amount_minor, notice.at)


def test_a_late_webhook_comes_when_the_customer_is_back_already(database_url: str, clock: Clock):
    with town(database_url, clock) as here:
        paid_by = here.credits.providers["sandbox"]
        assert isinstance(paid_by, Sandbox)
        checkout = here.credits.checkout("ada", package="starter", key="buy:1", return_url=HOME)
        page = here.visit(checkout.url or "")
        app = sandbox_app(paid_by, webhook_url=f"{here.url}/v1/webhooks/sandbox", clock=clock, late_s=0)
        seen: list[str] = []

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def noted(message: Message) -> None:
                await send(message)
                seen.append(here.credits.order("ada", checkout.order.id).status)

            await app(scope, receive, noted)

        form = pressed(page, "pay", webhook="late")
        answer = TestClient(watched, follow_redirects=False).post(f"/pay/{token_of(checkout.url)}", data=form)
        assert (answer.status_code, set(seen)) == (303, {"open"})
        here.rest()
        assert (here.credits.order("ada", checkout.order.id).status, available(here.credits)) == ("fulfilled", 110)


def test_a_late_webhook_that_is_lost_is_logged(clock: Clock, caplog: pytest.LogCaptureFixture):
    shop = sandbox("http://testserver")
    bill = Bill("ord_1", "110 Image credits", "USD", 990, None, START + timedelta(days=1))
    with TestClient(sandbox_app(shop, webhook_url="http://127.0.0.1:9", clock=clock, late_s=0)) as browser:
        page = browser.get(shop.start(bill).url or "")
        form = {"action": "pay", "visit": re.findall(r'name="visit" value="(\w+)"', page.text)[0], "webhook": "late"}
        assert browser.post(str(page.url), data=form).status_code == 200
    assert "late webhook was lost" in caplog.text


def test_a_bill_that_saves_the_card_says_so_and_lets_one_choose_how_it_behaves(clock: Clock):
    shop, told = sandbox("http://testserver"), list[bytes]()
    bill = Bill("ord_1", "110 Image credits", "USD", 990, None, START + timedelta(days=1), "ada", save_card=True)
    with receiver(told) as webhook, TestClient(sandbox_app(shop, webhook_url=webhook, clock=clock)) as browser:
        started = shop.start(bill)
        page = browser.get(started.url or "")
        assert "may charge your card again without you" in page.text
        form = {"action": "pay", "visit": re.findall(r'name="visit" value="(\w+)"', page.text)[0]}
        assert browser.post(str(page.url), data=form | {"card": "card_authenticate"}).status_code == 200
        assert "may charge your card" not in browser.get(shop.start(bill._replace(save_card=False)).url or "").text
    [event] = [shop.read(body) for body in told]
    assert started.customer
    card = SavedCard(started.customer, "card_authenticate", START, "Visa •••• 3184")
    assert (card, started.customer) == (event.facts[1], event.customer)


def test_a_shop_that_is_told_again_is_told_of_the_same_card(clock: Clock):
    shop, told = sandbox("http://testserver"), list[bytes]()
    bill = Bill("ord_1", "110 Image credits", "USD", 990, None, START + timedelta(days=1), "ada", save_card=True)
    with (
        receiver(told, refused=1) as webhook,
        TestClient(sandbox_app(shop, webhook_url=webhook, clock=clock)) as browser,
    ):
        page = browser.get(shop.start(bill).url or "")
        form = {"action": "pay", "visit": re.findall(r'name="visit" value="(\w+)"', page.text)[0]}
        failed = browser.post(str(page.url), data=form | {"card": "card_declined"})
        assert failed.status_code == 502
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', failed.text))
        assert browser.post(str(page.url), data=hidden | {"action": "pay"}).status_code == 200
    first, again = told
    assert first == again
    assert b"card_declined" in first


def test_a_card_is_left_without_paying(clock: Clock):
    shop, told = sandbox("http://testserver"), list[bytes]()
    with receiver(told) as webhook, TestClient(sandbox_app(shop, webhook_url=webhook, clock=clock)) as browser:
        started = shop.ask_card("ada", key="card:1", customer=None, return_url="http://shop.test/cards")
        page = browser.get(started.url or "")
        for words in ("Leave a card", "Ada &amp; Sons &lt;shop&gt;", "Nothing is charged now", "card_declined"):
            assert words in page.text
        form = {"action": "keep", "visit": re.findall(r'name="visit" value="(\w+)"', page.text)[0]}
        answer = browser.post(str(page.url), data=form | {"card": "card_declined"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "http://shop.test/cards")
        for wrong in ({"action": "pay"}, {"card": "card_of_gold"}, {"webhook": "by pigeon"}, {"visit": "1"}):
            assert browser.post(str(page.url), data=form | wrong).status_code == 400
        pay = (started.url or "").replace("/card/", "/pay/")
        assert [browser.get(url).status_code for url in (pay, f"{started.url}0")] == [404, 404]
    [event] = [shop.read(body) for body in told]
    found = shop.look(started.reference)
    assert found
    assert (event.facts, (started.reference,)) == (found.facts, event.references)
    [card] = event.facts
    assert isinstance(card, SavedCard)
    assert ("card_declined", started.customer) == (card.card, card.customer)


def test_the_page_is_reached_and_pressed_by_keyboard_and_the_rest_is_folded_away(
    page: Page, database_url: str, clock: Clock
):
    with town(database_url, clock) as here:
        checkout = here.credits.checkout("ada", package="starter", key="buy:1")
        page.goto(checkout.url or "")
        expect(page.get_by_role("radio")).to_have_count(0)
        page.get_by_text("Misbehave").press("Enter")
        expect(page.get_by_role("group", name="What the shop is told").get_by_role("radio")).to_have_count(4)
        page.get_by_label("Never send it").check()
        page.get_by_role("button", name="Pay", exact=True).press("Enter")
        expect(page.get_by_role("heading", name="The card is charged.")).to_be_visible()
        assert here.credits.order("ada", checkout.order.id).status == "open"
