"""What every page keeps, measured in a real Chromium: contrast, names, headings, width, quiet consoles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.databases import SqliteFiles
from tests.kit import Clock
from tests.portal.site import Site, site
from tests.screenshots import SHOP, demo, pages, sign_in

WIDTHS = (360, 390, 768, 1280, 1920)

LOOKS = Path(__file__).with_name("looks.js").read_text("utf-8")


@pytest.fixture(scope="module")
def shop(sqlite: SqliteFiles) -> Iterator[Site]:
    """The demo of the pictures, and a customer in every kind of trouble."""
    clock = Clock()
    with sqlite.migrated() as url, site(url, clock, SHOP) as at:
        demo(at, clock)
        credits = at.credits
        credits.grant("eve", "chat", 1, key="c", source="gift")
        credits.deduct("eve", "chat", 4, key="debt")
        credits.grant("eve", "images", 123456789, key="i", source="gift", expires=timedelta(days=3))
        credits.deduct("eve", "images", 120000000, key="much", operation="a_very_long_name_of_an_operation" * 4)
        yield at


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser, shop: Site) -> Iterator[Page]:
    """A signed-in browser of each theme; its console has to stay empty, and nothing may be asked of another host."""
    context = browser.new_context(color_scheme=request.param, reduced_motion="reduce")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(allowed(shop, page)) else None)
    sign_in(page, shop, "ada")
    yield page
    context.close()
    assert [line for line in said if "status of 404" not in line] == []


def allowed(shop: Site, page: Page) -> tuple[str, ...]:
    """Whom a page may ask: our server alone, and the provider on the one page with its form."""
    own = (shop.address,)
    return (*own, "https://js.stripe.com/", "https://api.stripe.com/") if "/pay/" in page.url else own


def every_page(shop: Site) -> dict[str, Callable[[Page], object]]:
    return pages(shop) | {"in_trouble": lambda page: sign_in(page, shop, "eve")}


NAMES = [
    "overview", "buy", "buy_refused", "history", "result_paid", "result_declined", "result_cancelled",
    "result_waiting", "result_refunded", "result_disputed", "form", "form_unloaded",
    "orders", "not_found", "empty", "signed_out", "enter", "in_trouble",
]  # fmt: skip


@pytest.mark.row("U8")
@pytest.mark.parametrize("name", NAMES)
def test_every_page_can_be_read_named_and_used_at_any_width(shop: Site, page: Page, name: str):
    every_page(shop)[name](page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wrong = {what: where for what, where in page.evaluate(LOOKS).items() if where}
        assert wrong == {}, f"at {width} px"


def test_every_page_is_measured(shop: Site):
    assert set(every_page(shop)) == set(NAMES)
