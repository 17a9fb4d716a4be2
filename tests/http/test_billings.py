"""Over HTTP: a plan that a provider bills, from its page to the provider's portal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.biller import Biller, Bought
from tests.http.conftest import Api
from tests.kit import Clock
from tests.selling import selling
from tests.stories.test_buying_plans import CATALOG

pytestmark = pytest.mark.row("D1", "P12")
ADA = "/v1/accounts/ada"


@pytest.fixture
def biller() -> Biller:
    made = Biller()
    made.customer = "cus_ada"
    return made


@pytest.fixture
def api(database_url: str, clock: Clock, biller: Biller) -> Iterator[Api]:
    clock.to("2026-01-10T10:00")
    with selling(database_url, clock, CATALOG, providers=[biller]) as credits, Api(credits) as client:
        yield client


def buy(api: Api, key: str = "buy", **asked: Any) -> Any:
    return api.write(f"{ADA}/plan-checkouts", key, **{"plan": "paid", "provider": "herald"} | asked)


def test_a_plan_is_bought_paid_shown_with_its_invoice_and_looked_after_at_the_provider(api: Api, biller: Biller):
    early = api.post(f"{ADA}/plan-portal-links")
    assert (early.status_code, early.json()["code"]) == (409, "not_subscribed")
    bought = buy(api, return_url="https://shop.test/{billing}", email="ada@example.com", metadata={"team": "blue"})
    billing = bought.json()["billing"]
    assert (bought.status_code, bought.json()["url"]) == (201, f"https://herald.test/{billing['id']}")
    assert (billing["status"], billing["price_minor"], billing["plan_id"]) == ("open", 900, None)
    assert biller.plans[0].return_url == f"https://shop.test/{billing['id']}"
    again = buy(api, return_url="https://shop.test/{billing}")
    assert (again.content, again.headers["idempotent-replayed"]) == (bought.content, "true")
    assert "idempotent-replayed" not in bought.headers
    assert buy(api, plan="more").json()["code"] == "key_reused"

    told = Bought(api.credits, biller, key="theirs")
    told.billing = api.credits.plan_billing("ada", billing["id"])
    told.subscription = f"sub_{billing['id']}"
    told.pay()
    assert told.tell() == "plan_paid"
    paid = api.get(f"{ADA}/plan-billings/{billing['id']}").json()
    assert (paid["status"], paid["plan_id"], paid["url"]) == ("active", "sub_1", None)
    assert [(one["amount_minor"], one["outcome"]) for one in paid["invoices"]] == [(900, "opened")]
    assert billing["id"] in [one["id"] for one in api.get(f"{ADA}/plan-billings").json()["data"]]
    assert api.get(f"{ADA}/plan").json()["status"] == "active"

    link = api.post(f"{ADA}/plan-portal-links", json={"return_url": "https://shop.test/back"})
    assert (link.status_code, link.json()["url"]) == (
        201,
        "https://herald.test/portal/cus_ada?https://shop.test/back&None",
    )
    there = api.write(f"{ADA}/plan/cancel", "end")
    assert (there.status_code, there.json()["code"], there.json()["provider"]) == (409, "billed_by_provider", "herald")


def test_a_plan_that_is_not_sold_like_that_is_not_bought(api: Api, biller: Biller):
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"plan": "gold"}, 422, "unknown_plan"),
        ({"plan": "free"}, 422, "not_billable"),
        ({"currency": "EUR"}, 422, "no_price"),
        ({"provider": "nobody"}, 404, "unknown_provider"),
        ({"return_url": "javascript:alert(1)"}, 422, "invalid_field"),
        ({"metadata": {"a": 5}}, 422, "invalid_request"),
    ]
    for asked, status, code in wrong:
        refused = buy(api, **asked)
        assert (refused.status_code, refused.json()["code"]) == (status, code), asked
    assert api.get(f"{ADA}/plan-billings").json() == {"data": []}
    biller.silent = True
    silent = buy(api)
    assert (silent.status_code, silent.json()["code"], silent.headers["retry-after"]) == (
        503,
        "provider_unavailable",
        "1",
    )
    biller.silent = False
    assert buy(api).json()["url"]
    for path in (f"{ADA}/plan-billings/bil_none", "/v1/accounts/bob/plan-billings/bil_none"):
        assert api.get(path).json()["code"] == "not_found"
