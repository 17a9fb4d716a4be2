"""Over HTTP: why a balance is what it is, and what it was."""

from __future__ import annotations

import pytest

from tests.http.conftest import Api
from tests.kit import Clock

pytestmark = pytest.mark.row("D1", "L14")


def test_each_open_lot_says_where_it_came_from_and_what_took_credits_out_of_it(api: Api, clock: Clock):
    api.grant("ada", 5, "gift")
    api.grant("ada", 10, "paid", source="purchase")
    clock.move("1d")
    api.deduct("ada", 7, "render:1", operation="render")
    api.write("/v1/accounts/ada/holds", "job", credit_type="images", amount=3)
    told = api.get("/v1/accounts/ada/explain", params={"credit_type": "images"}).json()
    assert (told["balance"]["posted"], told["balance"]["held"], told["balance"]["available"]) == (8, 3, 5)
    [lot] = told["lots"]
    assert (lot["id"], lot["amount"], lot["remaining"], lot["held"]) == ("lot_images_2", 10, 8, 3)
    assert (lot["origin"]["entry"], lot["origin"]["key"]) == ("ent_images_2", "paid")
    assert [(step["entry"], step["amount"], step["operation"]) for step in lot["taken"]] == [
        ("ent_images_3", 2, "render")
    ]
    assert [kept["hold"] for kept in lot["kept"]] == ["hold_images_4"]
    assert [one["id"] for one in told["holds"]] == ["hold_images_4"]
    before = {"credit_type": "images", "at": "2026-01-01T12:00:00Z"}
    assert [lot["remaining"] for lot in api.get("/v1/accounts/ada/explain", params=before).json()["lots"]] == [5, 10]


def test_debts_and_what_paid_them_are_told(api: Api):
    api.grant("ada", 1, "g1", "chat")
    api.deduct("ada", 5, "d", "chat")
    api.grant("ada", 1, "g2", "chat")
    told = api.get("/v1/accounts/ada/explain", params={"credit_type": "chat"}).json()
    [debt] = told["debts"]
    assert (debt["amount"], debt["remaining"], [paid["amount"] for paid in debt["paid"]]) == (4, 3, [1])


def test_a_balance_is_told_as_it_was_and_never_as_it_will_be(api: Api, clock: Clock):
    api.grant("ada", 5, "g")
    clock.move("2d")
    api.grant("ada", 7, "h")
    then = {"at": "2026-01-02T00:00:00Z"}
    assert api.get("/v1/accounts/ada/balances/images", params=then).json()["posted"] == 5
    assert api.get("/v1/accounts/ada/balances", params=then).json()["data"][0]["posted"] == 5
    for path in ("balances", "balances/images", "explain?credit_type=images"):
        ahead = api.get(f"/v1/accounts/ada/{path}{'&' if '?' in path else '?'}at=2027-01-01T00:00:00Z")
        assert (ahead.status_code, ahead.json()["code"]) == (422, "invalid_field")
    assert api.get("/v1/accounts/ada/explain").json()["code"] == "invalid_request"
    assert api.get("/v1/accounts/ada/explain", params={"credit_type": "gold"}).json()["code"] == "unknown_credit_type"
