"""Over HTTP: an order that waits for its money, and money that waits for an operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.herald import Herald, Purchase
from tests.http.conftest import Api
from tests.kit import Clock
from tests.selling import selling

pytestmark = pytest.mark.row("D1", "P9")
ORDERS = "/v1/accounts/ada/orders"


@pytest.fixture
def api(database_url: str, clock: Clock) -> Iterator[Api]:
    with selling(database_url, clock, providers=[Herald()]) as credits, Api(credits) as client:
        yield client


def images(api: Api) -> int:
    return api.get("/v1/accounts/ada/balances/images").json()["available"]


def test_an_order_that_is_open_still_has_its_page_and_one_that_is_paid_has_none(api: Api):
    bought = Purchase(api.credits)
    order = f"{ORDERS}/{bought.order.id}"
    asked = api.post(f"{order}/resume")
    assert (asked.status_code, asked.json()["url"]) == (200, f"https://herald.test/{bought.order.id}")
    bought.paid()
    asked = api.post(f"{order}/resume").json()
    assert (asked["url"], asked["order"]["status"], images(api)) == (None, "fulfilled", 110)
    for path in (f"{ORDERS}/ord_none/resume", f"/v1/accounts/bob/orders/{bought.order.id}/resume"):
        assert api.post(path).json()["code"] == "not_found"


def test_9_dollars_for_what_costs_9_90_are_accepted_once(api: Api):
    bought = Purchase(api.credits)
    bought.paid(900)
    order = f"{ORDERS}/{bought.order.id}"
    assert (api.get(order).json()["status"], images(api)) == ("review", 0)
    accepted = api.write(f"{order}/accept", "a", payment=bought.payment, reason="an old price")
    assert (accepted.status_code, accepted.json()["status"], images(api)) == (200, "fulfilled", 110)
    again = api.write(f"{order}/accept", "a", payment=bought.payment)
    assert (again.content, again.headers["idempotent-replayed"]) == (accepted.content, "true")
    assert "idempotent-replayed" not in accepted.headers
    late = api.write(f"{order}/dismiss", "d", payment=bought.payment)
    assert (late.status_code, late.json()["code"]) == (409, "payment_settled")


def test_money_that_was_given_back_is_dismissed_and_buys_nothing(api: Api):
    bought = Purchase(api.credits)
    bought.paid(900)
    order = f"{ORDERS}/{bought.order.id}"
    unknown = api.write(f"{order}/dismiss", "d", payment="pay_none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert api.write(f"{order}/dismiss", "d", payment=bought.payment).json()["status"] == "failed"
    assert images(api) == 0
