"""Over HTTP: many writes in one call, all or none, or each for itself."""

from __future__ import annotations

from typing import Any

import pytest

from farthing import Credits
from farthing.awaiting import AsyncCredits
from farthing.errors import DatabaseBusy
from farthing.ledger.posting import MOST
from tests.http.conftest import Api

pytestmark = pytest.mark.row("D1", "L15")


def use(amount: Any, key: str, account: str = "ada") -> dict[str, Any]:
    return {"verb": "deduct", "account": account, "key": key, "credit_type": "images", "amount": amount}


def give(amount: Any, key: str, account: str = "ada", **more: Any) -> dict[str, Any]:
    return use(amount, key, account) | {"verb": "grant", "source": "gift"} | more


def post(api: Api, *calls: dict[str, Any], **how: Any) -> Any:
    return api.post("/v1/batches", json={"calls": calls, **how})


def images(api: Api, account: str = "ada") -> int:
    return api.get(f"/v1/accounts/{account}/balances/images").json()["available"]


def test_all_calls_are_carried_out_in_their_order_and_sent_again_they_are_replays(api: Api):
    calls = [give(5, "g"), use(2, "d"), give(1, "g", "bob", expires="30d", cost={"minor": 5, "currency": "USD"})]
    done = post(api, *calls)
    assert done.status_code == 200
    assert [one["entry"]["amount"] for one in done.json()["data"]] == [5, -2, 1]
    assert {one["replayed"] for one in done.json()["data"]} == {False}
    again = post(api, *calls).json()["data"]
    assert [one["entry"] for one in again] == [one["entry"] for one in done.json()["data"]]
    assert {one["replayed"] for one in again} == {True}
    assert (images(api), images(api, "bob")) == (3, 1)


def test_one_refusal_stops_all_of_them_and_says_which_it_was(api: Api):
    refused = post(api, give(5, "g"), use(9, "d"), give(1, "h"))
    assert (refused.status_code, refused.json()["code"], refused.json()["index"]) == (402, "insufficient_credits", 1)
    assert (refused.json()["shortfall"], images(api)) == (4, 0)


def test_each_for_itself_one_refusal_stands_in_its_place(api: Api):
    answers = post(api, give(5, "g"), use(9, "d"), give(1, "h"), atomic=False)
    assert answers.status_code == 200
    first, second, third = answers.json()["data"]
    assert (first["entry"]["amount"], first["problem"]) == (5, None)
    assert (second["entry"], second["problem"]["code"], second["problem"]["status"]) == (
        None,
        "insufficient_credits",
        402,
    )
    assert second["problem"]["request_id"] == answers.headers["x-request-id"]
    assert (third["entry"]["available"], images(api)) == (6, 6)


def test_every_verb_can_be_in_a_batch(api: Api):
    api.grant("bob", 1, "g")
    first = post(api, give(50, "1"), use(10, "2"), use(5, "3") | {"verb": "hold"}, use(5, "4") | {"verb": "hold"})
    assert [one["hold"] for one in first.json()["data"]] == [None, None, "hold_images_3", "hold_images_4"]
    lot = "lot_images_1"
    second = post(
        api,
        {"verb": "reverse", "account": "ada", "key": "5", "entry": "ent_images_2", "amount": 4},
        {"verb": "extend", "account": "ada", "key": "6", "hold": "hold_images_3", "expires": "2h"},
        {"verb": "capture", "account": "ada", "hold": "hold_images_3", "amount": 3},
        {"verb": "release", "account": "ada", "hold": "hold_images_4"},
        use(6, "9") | {"verb": "transfer", "to": "bob"},
        {"verb": "clawback", "account": "ada", "key": "10", "lot": lot, "amount": 1, "rest": "debt"},
        {"verb": "void", "account": "ada", "key": "11", "lot": lot, "amount": 4},
    )
    kinds = [one["entry"]["kind"] for one in second.json()["data"]]
    assert kinds == ["reverse", "extend", "capture", "release", "transfer_out", "clawback", "void"]
    assert (images(api), images(api, "bob")) == (50 - 10 + 4 - 3 - 6 - 1 - 4, 7)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"verb": "steal"}, "invalid_request"),
    ({}, "invalid_request"),
    (use(1, "d") | {"to": "bob"}, "invalid_request"),
    ({"verb": "deduct", "account": "ada", "credit_type": "images", "amount": 1}, "invalid_request"),
    ({"verb": "capture", "account": "ada", "hold": "hold_images_1", "key": "k"}, "invalid_request"),
    (use(-1, "d"), "invalid_amount"),
    (use(0.5, "d"), "invalid_amount"),
    (use(1, "farthing:x"), "invalid_key"),
    (use(1, "d", ""), "invalid_account"),
    (use(1, "d") | {"credit_type": "gold"}, "unknown_credit_type"),
    ({"verb": "hold", "account": "ada", "key": "k"}, "invalid_field"),
    ({"verb": "charge", "account": "ada", "key": "k", "operation": "paint"}, "unknown_operation"),
]


def test_a_call_that_is_wrong_as_written_stops_all_of_them_however_they_are_sent(api: Api):
    for call, code in WRONG:
        for atomic in (True, False):
            refused = post(api, give(5, "g"), call, atomic=atomic)
            assert (refused.status_code, refused.json()["code"]) == (422, code), call
            assert refused.json().get("index", 1) == 1
    assert api.get("/v1/accounts/ada/entries").json()["data"] == []


@pytest.mark.row("D2")
def test_a_batch_does_for_nobody_what_a_single_call_would_not(shop: Credits):
    api = Api(shop)
    api.grant("ada", 10, "g")
    worker, giver = Api(shop, "spend"), Api(shop, "spend", "grant")
    assert post(worker, use(1, "d")).status_code == 200
    refused = post(worker, use(1, "d2"), give(5, "g2"))
    assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (403, "scope_missing", "grant")
    assert post(giver, give(5, "g2")).status_code == 200
    for verb in (
        {"verb": "void", "key": "v", "lot": "lot_images_1"},
        {"verb": "clawback", "key": "v", "lot": "lot_images_1", "amount": 1, "rest": "debt"},
        {"verb": "transfer", "key": "v", "to": "bob", "credit_type": "images", "amount": 1},
    ):
        refused = post(giver, {"account": "ada"} | verb)
        assert (refused.status_code, refused.json()["scope"]) == (403, "admin")
    assert images(api) == 14


def test_an_empty_batch_does_nothing_and_one_that_is_too_long_is_refused(api: Api):
    assert post(api).json() == {"data": []}
    refused = post(api, *[use(1, f"d{number}") for number in range(MOST + 1)])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_what_a_call_meets_inside_is_told_without_its_insides(api: Api, monkeypatch: pytest.MonkeyPatch):
    async def busy(*_: object, **how: object) -> list[DatabaseBusy]:
        return [DatabaseBusy("postgresql://db.internal is what it says.")]

    monkeypatch.setattr(AsyncCredits, "post", busy)
    answer = post(api, use(1, "d"), atomic=False)
    [one] = answer.json()["data"]
    assert (answer.status_code, one["problem"]["code"], one["problem"]["status"]) == (200, "database_busy", 503)
    assert "db.internal" not in answer.text
