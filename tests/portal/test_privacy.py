"""Nobody sees what is not theirs, no page runs what somebody wrote, and no other site acts for a customer."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from farthing import portal, tokens
from farthing.errors import DatabaseBusy
from tests.kit import Clock
from tests.portal.customer import Customer, Page
from tests.portal.site import PREFIX, SECRET, Site, site

EVIL = "<script>alert(1)</script>\"'&{{7*7}}"


@pytest.fixture
def bob(at: Site) -> Iterator[Customer]:
    """Somebody else, with credits and orders of his own."""
    at.credits.grant("bob", "images", 777, key="bobs", source="gift", reason="bobs secret")
    at.credits.deduct("bob", "images", 5, key="spent", operation="bobs.operation")
    at.credits.checkout("bob", package="starter", key="bobs-order")
    with Customer(at, "bob") as customer:
        yield customer


def addresses(at: Site, account: str) -> list[str]:
    """Every address of the portal that a customer can ask for, with the ids of `account` wherever ids go."""
    page = at.credits.history(account, limit=1)
    [order] = at.credits.orders(account).data
    parts = {"{order}": [order.id]}
    found: list[str] = []
    for route in portal.app(at.credits, secret=[SECRET]).routes:
        if isinstance(route, Route) and "GET" in (route.methods or ()):
            paths = [route.path]
            for part, ids in parts.items():
                paths = [path.replace(part, one) for path in paths for one in ids]
            assert "{" not in "".join(paths)
            found += paths
    asked = (f"cursor={page.next_cursor}", f"cursor={order.id}", "account=bob", "type=images", f"order={order.id}")
    return found + [f"{path}?{query}" for path in found for query in asked]


@pytest.mark.row("U1")
def test_no_address_shows_another_accounts_anything(at: Site, ada: Customer, bob: Customer):
    theirs = ("bob", "777", "772", *(order.id for order in at.credits.orders("bob").data))
    for address in addresses(at, "bob"):
        answer = ada.get(PREFIX + address)
        assert answer.status_code in (200, 400, 404), address
        shown = Page(answer.text).text
        assert [word for word in theirs if word in shown] == [], address


def test_another_accounts_order_looks_like_one_that_never_was(at: Site, ada: Customer, bob: Customer):
    [order] = at.credits.orders("bob").data
    theirs, none = (ada.get(f"{PREFIX}/orders/{one}") for one in (order.id, "ord_nothing"))
    assert (theirs.status_code, theirs.text) == (none.status_code, none.text)
    assert theirs.status_code == 404
    assert "Waiting for your payment" in bob.see(f"/orders/{order.id}").text


def test_without_a_session_every_page_says_only_that(at: Site, bob: Customer):
    stranger = Customer(at, None)
    for address in addresses(at, "bob"):
        if address.startswith(("/enter", "/left")):
            continue
        assert "You are not signed in" in stranger.see(address, 403).text


def test_what_operators_write_is_not_shown(at: Site, ada: Customer):
    notes = {"reason": "suspected fraudster", "actor": "kim of support", "metadata": {"ticket": "T-1000"}}
    at.credits.grant("ada", "images", 3, key="goodwill-4711", source="adjustment", **notes)
    at.credits.deduct("ada", "images", 1, key="take-4712", **notes)
    for address in ("/", "/history"):
        page = ada.see(address)
        assert "Correction" in page.text
        for word in ("fraudster", "kim", "T-1000", "4711", "4712"):
            assert word not in page.text


def test_words_of_others_are_shown_and_not_run(database_url: str, clock: Clock):
    text = f"""
[credit_types.images]
name = '''{EVIL}'''
[packages.one]
credit_type = "images"
credits = 1
price = {{ USD = "1.00" }}
name = '''{EVIL}'''
description = '''{EVIL}'''
"""
    with site(database_url, clock, text) as at:
        account = EVIL.replace("/", "|")
        at.credits.grant(account, "images", 5, key="g", source="gift")
        at.credits.deduct(account, "images", 1, key="d", operation="<img src=x onerror=alert(1)>")
        order = at.credits.checkout(account, package="one", key="o").order
        at.tell(order, "payment.failed", reason="evil.reason")
        with Customer(at, account) as customer:
            for address in ("/", "/history", "/buy", "/orders", f"/orders/{order.id}", "/<script>alert(1)</script>"):
                answer = customer.get(PREFIX + address).text
                assert [evil for evil in ("<script>alert", "<img") if evil in answer] == []
                assert "{{7*7}}" in Page(answer).text
            assert EVIL in customer.see("/").text


PRIVATE = ["/", "/history", "/buy", "/orders", "/nowhere", "/enter", "/left"]


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the database does not answer when somebody is to be recognised."""

    def refuse(*_: object) -> None:
        raise DatabaseBusy("Somebody else holds the lock.")

    monkeypatch.setattr(tokens, "require_unspent", refuse)


def again(page: Page) -> str:
    """Where "Try again" leads."""
    assert "Back in a moment" in page.text
    return next(given["href"] for _, given in page.elements if given.get("class") == "button primary")


@pytest.mark.parametrize("address", PRIVATE)
def test_every_page_keeps_to_itself(ada: Customer, address: str):
    headers = ada.get(PREFIX + address).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"


def test_pages_load_nothing_from_elsewhere_and_hold_no_inline_code(ada: Customer):
    for address in ("/", "/history", "/buy", "/orders"):
        for tag, given in ada.see(address).elements:
            assert "style" not in given and not [name for name in given if name.startswith("on")]
            assert tag != "style" and (tag != "script" or given.get("src"))
            for name in ("src", "href", "action"):
                assert given.get(name, "/").startswith((PREFIX, "/", "#")) and "//" not in given.get(name, "")


FORGED = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": "http://evil.test"},
    {"origin": "null"},
    {"origin": "http://shop.test.evil.test"},
    {"sec-fetch-site": "cross-site", "origin": "http://shop.test"},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
def test_another_site_cannot_buy_or_sign_out_for_a_customer(at: Site, ada: Customer, headers: dict[str, str]):
    form = ada.see("/buy").form("Buy Starter for $9.90")
    for path in ("/buy", "/leave"):
        answer = ada.submit(path, form, headers)
        assert (answer.status_code, at.credits.orders("ada").data) == (403, [])
    assert "This form was not accepted" in Page(answer.text).text
    ada.see("/")


def test_a_form_of_another_session_is_refused(at: Site, ada: Customer, bob: Customer):
    form = bob.see("/buy").form("Buy Starter for $9.90")
    for token in (form["token"], "", "é", form["token"][:-1]):
        assert ada.submit("/buy", form | {"token": token}).status_code == 403
    assert at.credits.orders("ada").data == []


@pytest.mark.parametrize("body", [b"x" * 20_000, b"token=%ff%fe", b"\xff\xfe", b"&".join([b"a=1"] * 60)])
def test_forms_that_are_none_of_ours_are_refused(ada: Customer, body: bytes):
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    answer = ada.post(f"{PREFIX}/buy", content=body, headers=headers)
    assert answer.status_code in (400, 403, 413)
    assert "<h1>" in answer.text


def test_pages_that_do_not_exist_and_methods_that_are_not_meant_have_pages_too(ada: Customer):
    assert "There is no such page" in ada.see("/nowhere", 404).text
    assert ada.delete(f"{PREFIX}/history").status_code == 405
    assert ada.submit("/history", {}).status_code == 405
    page = ada.see("/static/nowhere.css", 404)
    assert ada.get(next(given["href"] for tag, given in page.elements if given.get("rel") == "stylesheet")).is_success
    for address in ("/history?type=nothing", "/history?cursor=nonsense", "/orders/%00", "/orders?cursor=%00"):
        ada.see(address, 404)


def test_an_error_inside_shows_nothing_of_itself(at: Site, ada: Customer, monkeypatch: pytest.MonkeyPatch):
    def broken(account: str) -> None:
        raise RuntimeError("the password is 1234")

    monkeypatch.setattr(at.credits, "balances", broken)
    page = ada.see("/", 500)
    assert "Something went wrong on our side" in page.text and "1234" not in page.text


AGAIN = [
    "/history?type=images&cursor=a%2Bb",
    "/orders/ord_1?status=success",
    "/enter?link=a.b.c",
    "/orders/%22%3E%3Cscript%3E",
    "/buy?amount=1&x=%22'%3E",
]


@pytest.mark.parametrize("address", AGAIN)
def test_trying_again_leads_to_the_same_page(at: Site, ada: Customer, monkeypatch: pytest.MonkeyPatch, address: str):
    away(monkeypatch)
    link = at.link("ada").partition("link=")[2]
    address = address.replace("a.b.c", link)
    answer = ada.get(PREFIX + address)
    assert answer.status_code == 503 and "<script>" not in answer.text
    assert again(Page(answer.text)) == PREFIX + address


def test_after_a_form_trying_again_leads_to_the_overview(ada: Customer, monkeypatch: pytest.MonkeyPatch):
    form = ada.see("/buy").form("Buy Starter for $9.90")
    away(monkeypatch)
    assert again(Page(ada.submit("/buy?x=1", form).text)) == f"{PREFIX}/"


@pytest.mark.parametrize("path", ["//evil.test/a", "///evil.test/a", "/\\evil.test/a", "/%5Cevil.test/a"])
def test_trying_again_never_leads_to_another_site(at_any: Site, monkeypatch: pytest.MonkeyPatch, path: str):
    pages = portal.app(at_any.credits, secret=[SECRET])
    [overview] = [one for one in pages.routes if isinstance(one, Route) and one.name == "overview"]
    monkeypatch.setattr(pages.router, "routes", [Route("/{anything:path}", overview.endpoint)])
    with Customer(at_any, "ada") as ada, TestClient(pages, base_url="http://shop.test") as client:
        away(monkeypatch)
        cookie = f"farthing_portal={ada.cookies['farthing_portal']}"
        answer = client.get(f"http://shop.test{path}?next=//evil.test", headers={"cookie": cookie})
    # To browsers, a backslash at the beginning is a slash.
    address = urljoin("http://shop.test/x", again(Page(answer.text)).replace("\\", "/"))
    assert address.startswith("http://shop.test/") and address.endswith("evil.test/a?next=//evil.test")


@pytest.mark.parametrize("prefix", ["", "/credits", "/a/b/c", "/café"])
@pytest.mark.row("U9")
def test_it_mounts_under_any_prefix(at: Site, prefix: str):
    from fastapi import FastAPI

    host = FastAPI()
    host.mount(prefix, portal.app(at.credits, secret=[SECRET]))
    with TestClient(host, base_url="http://shop.test", follow_redirects=False) as client:
        link = portal.link("ada", [SECRET], base_url=f"http://shop.test{prefix}", now=at.credits.clock())
        form = Page(client.get(link).text).form("Continue")
        entered = client.post(form["action"], data=form, headers={"sec-fetch-site": "same-origin"})
        page = client.get(entered.headers["location"])
        assert page.status_code == 200
        for tag, given in Page(page.text).elements:
            if address := given.get("href", "" if tag != "a" else "#"):
                assert address.startswith("#") or client.get(address).status_code == 200


def test_files_beside_the_pages_are_kept_for_good_only_in_the_version_that_was_asked_for(ada: Customer):
    [sheet] = [given["href"] for _, given in ada.see("/").elements if given.get("rel") == "stylesheet"]
    assert "immutable" in ada.get(sheet).headers["cache-control"]
    for address in (sheet.partition("?")[0], f"{sheet}x"):
        assert ada.get(address).headers["cache-control"] == "no-cache"
