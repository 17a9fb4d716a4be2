"""The sandbox's pages for plans: bought with a button, and time passes when somebody says so."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from farthing.errors import EventUnreadable
from farthing.providers import sandbox_events
from farthing.testing import Post, prove
from tests.kit import Clock
from tests.selling import town
from tests.stories.test_buying_plans import CATALOG

pytestmark = pytest.mark.row("P5", "P12")


def test_a_plan_is_bought_billed_declined_and_cancelled_on_its_pages(database_url: str, clock: Clock):
    with town(database_url, clock, CATALOG) as here:
        credits = here.credits
        bought = credits.buy_plan("ada", "tried", key="k", return_url="http://shop.test/{billing}")
        page = httpx2.get(bought.url or "")
        assert "USD 9.00 every month" in page.text and "14 days are free" in page.text
        assert "Nothing is charged now." in page.text
        for _ in range(2):
            done = httpx2.post(bought.url or "")
            here.rest()
            assert (done.status_code, done.headers["location"]) == (303, f"http://shop.test/{bought.billing.id}")
        assert credits.plan_billing("ada", bought.billing.id).status == "trialing"
        assert credits.balance("ada", "images").available == 20
        portal = credits.plan_portal("ada")
        stands: list[tuple[str, int]] = []
        for action in ("next", "decline", "next", "end", "resume", "stop"):
            clock.move("20d")
            shown = httpx2.get(portal).text
            [subscription] = re.findall(r'name="subscription" value="([^"]+)"', shown)
            answer = httpx2.post(portal, data={"action": action, "subscription": subscription}, follow_redirects=True)
            assert answer.status_code == 200
            here.rest()
            billing = credits.plan_billing("ada", bought.billing.id)
            stands.append((billing.status + " ends" * billing.cancels, len(billing.invoices)))
        assert stands == [
            ("active", 2), ("past_due", 2), ("active", 3), ("active ends", 3), ("active", 3), ("ended", 3),
        ]  # fmt: skip
        assert [one.amount_minor for one in credits.plan_billing("ada", bought.billing.id).invoices] == [0, 900, 900]
        prove(credits)


def test_in_a_real_browser(sqlite, clock: Clock, page: Page):
    with sqlite.migrated() as url, town(url, clock, CATALOG) as here:
        bought = here.credits.buy_plan("ada", "paid", key="k")
        page.goto(bought.url or "")
        expect(page.get_by_role("heading", name="Subscribe to paid")).to_be_visible()
        page.get_by_role("button", name="Subscribe").click()
        expect(page.get_by_role("heading", name="The plan is bought.")).to_be_visible()
        here.rest()
        page.goto(here.credits.plan_portal("ada"))
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_role("heading", name="paid: active, ends with what is paid")).to_be_visible()
        here.rest()
        plan = here.credits.subscription("ada")
        assert plan and plan.ends == "keep"


def test_addresses_that_it_never_made(sqlite, clock: Clock):
    with sqlite.migrated() as url, town(url, clock, CATALOG) as here:
        bought = here.credits.buy_plan("ada", "paid", key="k")
        base, _, token = (bought.url or "").rpartition("/plan/")
        assert httpx2.get(f"{base}/plan/{token}0").status_code == 404
        assert httpx2.post(f"{base}/plan/{token}0").status_code == 400
        assert httpx2.get(f"{base}/portal/{token}").status_code == 404
        portal = here.credits.providers["sandbox"].portal("cus_1", return_url=None, locale=None)  # pyright: ignore
        assert "remembers no plan" in httpx2.get(portal).text
        told = httpx2.post(portal, data={"action": "next", "subscription": "sub_1"})
        assert (told.status_code, "Nothing was sent" in told.text) == (400, True)


def test_the_post_tells_of_plans(database_url: str, clock: Clock):
    with town(database_url, clock, CATALOG) as here:
        credits, mail = here.credits, Post(here.credits)
        billing = credits.buy_plan("ada", "paid", key="k").billing
        first = mail.plan(billing)
        assert [one.outcome for one in mail.deliver(first, first)] == ["plan_paid", "plan_paid"]
        clock.move("1mo")
        mail.plan(billing, "past_due", pays=None)
        clock.move("1h")
        late = mail.plan(billing, plan="more")
        mail.deliver(late)
        assert [one.outcome for one in mail.deliver()] == ["no_change"]  # it is older
        shown = credits.plan_billing("ada", billing.id)
        assert (shown.plan, [one.outcome for one in shown.invoices]) == ("more", ["opened", "opened"])
        prove(credits)


@pytest.mark.parametrize(
    "what", [{"stands": "well"}, {"cancels": "no"}, {"invoices": [[1]]}, {"invoices": [["i", "all", "x", 0, 0, "USD"]]}]
)
def test_what_is_no_event_of_a_plan(what: dict[str, object], clock: Clock):
    about: dict[str, object] = {"subscription": "sub_1", "stands": "active", "cancels": False, "invoices": []}
    body = sandbox_events.write("plan.changed", about | what, id="evt_1", at=clock(), livemode=False)
    with pytest.raises(EventUnreadable):
        sandbox_events.read(body)
