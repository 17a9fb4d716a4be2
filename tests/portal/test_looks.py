"""What every page keeps, measured in a real Chromium: contrast, names, headings, width, quiet consoles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page

from tests.databases import SqliteFiles
from tests.kit import Clock
from tests.portal.site import Site, site
from tests.screenshots import demo, pages, sign_in

WIDTHS = (360, 390, 768, 1280, 1920)

CONTRAST = """
() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!(own || element.matches("input:not([type=hidden])")) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(numbers(style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) faint.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""

NAMELESS = """
() => {
  const faults = [];
  const named = (element) =>
    element.labels?.length || element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") || element.textContent.trim();
  for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a, nav, summary"))
    if (!named(element)) faults.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  for (const element of document.querySelectorAll("svg:not([aria-hidden=true]), img"))
    if (!element.getAttribute("aria-label") && !element.alt) faults.push(`no words for a picture: ${element.outerHTML.slice(0, 80)}`);
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const id of `${element.getAttribute("aria-labelledby") ?? ""} ${element.getAttribute("aria-describedby") ?? ""}`.trim().split(/ +/))
      if (!document.getElementById(id)) faults.push(`nothing is called ${id}`);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`two are called ${id}`);
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang) faults.push("no language");
  let level = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`h${level} is followed by h${next}`);
    level = next;
  }
  for (const landmark of ["main", "header"])
    if (document.querySelectorAll(`body > ${landmark}`).length !== 1) faults.push(`not one ${landmark}`);
  return faults;
}
"""

TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

SMALL = """
() => [...document.querySelectorAll("button, a.button, input:not([type=hidden]), summary, nav a")]
  .filter((element) => element.checkVisibility())
  .filter((element) => element.getBoundingClientRect().height < 24)
  .map((element) => element.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def shop(sqlite: SqliteFiles) -> Iterator[Site]:
    """The demo of the pictures, and a customer in every kind of trouble."""
    clock = Clock()
    with sqlite.migrated() as url, site(url, clock) as at:
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
    page.on("request", lambda asked: said.append(asked.url) if not asked.url.startswith(shop.address) else None)
    sign_in(page, shop, "ada")
    yield page
    context.close()
    assert [line for line in said if "status of 404" not in line] == []


def every_page(shop: Site) -> dict[str, Callable[[Page], object]]:
    return pages(shop) | {"in_trouble": lambda page: sign_in(page, shop, "eve")}


NAMES = [
    "overview", "buy", "buy_refused", "history", "result_paid", "result_declined", "result_cancelled",
    "result_waiting", "orders", "not_found", "empty", "signed_out", "enter", "in_trouble",
]  # fmt: skip


@pytest.mark.row("U8")
@pytest.mark.parametrize("name", NAMES)
def test_every_page_can_be_read_named_and_used_at_any_width(shop: Site, page: Page, name: str):
    every_page(shop)[name](page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(TOO_WIDE) <= 0, f"it scrolls sideways at {width} px"
        assert page.evaluate(SMALL) == [], f"at {width} px"
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(NAMELESS) == []


def test_every_page_is_measured(shop: Site):
    assert set(every_page(shop)) == set(NAMES)
