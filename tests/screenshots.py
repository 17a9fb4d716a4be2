"""Pictures of the portal, from a demo shop with a demo customer: `python -m tests.screenshots [FOLDER]`.

Without a folder it makes docs/portal.png, the one picture that is kept; with one, every page there, light and dark,
on a desk and on a phone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import farthing
from tests import browser as chromium
from tests.herald import Herald, Purchase
from tests.kit import Clock
from tests.portal.foreign import stand_in, unpaid
from tests.portal.site import STORE, Site, site

SHOP = (
    STORE
    + """
[packages.talk]
credit_type = "chat"
credits = 50
price = { USD = "5.00", EUR = "4.80" }
name = "Long talk"
"""
)
README_PICTURE = Path(__file__).parents[1] / "docs" / "portal.png"
DESK, PHONE = (1280, 860), (390, 844)
DAYS = 24


def demo(at: Site, clock: Clock) -> None:
    """Ada was given credits, bought some, and used them for a few weeks."""
    credits = at.credits
    credits.providers["herald"] = Herald()
    credits.open_account("ada", locale="en", time_zone="Europe/Berlin")
    credits.grant("ada", "images", 100, key="first", source="purchase", expires="1y", cost=farthing.Money(990, "USD"))
    credits.grant("ada", "chat", 50, key="welcome", source="promo", expires="1mo")
    for day in range(DAYS):
        clock.move("23h")
        credits.deduct("ada", "images", 2 + day % 3, key=f"render:{day}", operation="image.render")
        credits.deduct("ada", "chat", "1.95", key=f"chat:{day}", operation="chat")
    clock.move("3h")
    credits.grant("ada", "images", 250, key="more", source="bonus", effective_at=clock.now.replace(month=3, day=1))
    clock.move("40m")


def buy(page: Page, at: Site, button: str) -> None:
    page.goto(f"{at.url}/buy")
    page.get_by_role("button", name="Studio").click()
    page.get_by_role("button", name=button, exact=True).click()
    if button == "Pay later":
        page.get_by_role("link", name="Back to").click()
    page.wait_for_url(f"{at.url}/orders/*")


def fill_in(page: Page, at: Site, *, loaded: bool = True) -> None:
    """The provider's form in our page, by a stand-in for the provider."""
    if loaded:
        stand_in(page, unpaid)
    else:
        page.route("https://js.stripe.com/**", lambda route: route.fulfill(body="", content_type="text/javascript"))
    order = at.credits.checkout("ada", package="studio", key=f"form:{loaded}", provider="herald", form=True).order
    page.goto(f"{at.url}/pay/{order.id}")
    page.get_by_text("The form is coming" if loaded else "could not be loaded").wait_for(
        state="hidden" if loaded else "visible"
    )


def came_back(page: Page, at: Site, *, disputed: bool) -> None:
    """An order whose money went back in part, or may go back."""
    bought = Purchase(at.credits, key=f"back:{disputed}", package="studio")
    bought.paid()
    bought.tell(bought.dispute("opened") if disputed else bought.refund(1300))
    page.goto(f"{at.url}/orders/{bought.order.id}")


def pages(at: Site) -> dict[str, Callable[[Page], object]]:
    """What to look at, by name."""
    return {
        "overview": lambda page: page.goto(f"{at.url}/"),
        "buy": lambda page: page.goto(f"{at.url}/buy?credit_type=images&amount=750"),
        "buy_refused": lambda page: page.goto(f"{at.url}/buy?credit_type=images&amount=5"),
        "history": lambda page: (page.goto(f"{at.url}/history"), page.locator("summary").nth(1).click()),
        "result_paid": lambda page: buy(page, at, "Pay"),
        "result_declined": lambda page: buy(page, at, "Decline"),
        "result_cancelled": lambda page: buy(page, at, "Cancel"),
        "result_waiting": lambda page: buy(page, at, "Pay later"),
        "result_refunded": lambda page: came_back(page, at, disputed=False),
        "result_disputed": lambda page: came_back(page, at, disputed=True),
        "form": lambda page: fill_in(page, at),
        "form_unloaded": lambda page: fill_in(page, at, loaded=False),
        "orders": lambda page: page.goto(f"{at.url}/orders"),
        "not_found": lambda page: page.goto(f"{at.url}/nowhere"),
        "empty": lambda page: (sign_in(page, at, "bob"), page.goto(f"{at.url}/")),
        "signed_out": lambda page: (page.get_by_role("button", name="Sign out").click(), page.wait_for_url("**/left")),
        "enter": lambda page: page.goto(at.link("ada")),
    }


def sign_in(page: Page, at: Site, account: str) -> None:
    page.goto(at.link(account))
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{at.url}/")


def take(browser: Browser, at: Site, folder: Path, size: tuple[int, int], scheme: str) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore
    page = context.new_page()
    sign_in(page, at, "ada")
    for name, go in pages(at).items():
        go(page)
        page.screenshot(path=folder / f"{name}_{scheme}_{size[0]}.png", full_page=True)
    context.close()


def take_for_readme(browser: Browser, at: Site) -> None:
    context = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}, color_scheme="light")
    page = context.new_page()
    sign_in(page, at, "ada")
    page.screenshot(path=README_PICTURE)
    context.close()


def main(folder: Path | None) -> None:
    clock = Clock(datetime(2026, 1, 5, 9, 12, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        url = f"sqlite:///{place}/demo.db"
        farthing.migrate(url)
        with site(url, clock, SHOP) as at:
            demo(at, clock)
            browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
            if folder is None:
                take_for_readme(browser, at)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                for size in (DESK, PHONE):
                    for scheme in ("light", "dark"):
                        take(browser, at, folder, size, scheme)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
