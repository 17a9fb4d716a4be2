"""Over HTTP: deductions taken back, lots ended, and credits whose money went back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Api

pytestmark = pytest.mark.row("D1", "L7", "L8")
ADA = "/v1/accounts/ada"
WRONG: list[tuple[str, dict[str, Any], int, str]] = [
    ("reversals", {"entry": "ent_images_9"}, 404, "not_found"),
    ("reversals", {"entry": "lot_images_1"}, 422, "invalid_field"),
    ("reversals", {"entry": "ent_gold_1"}, 422, "unknown_credit_type"),
    ("reversals", {"entry": "ent_images_2", "expired": "keep"}, 422, "invalid_request"),
    ("reversals", {"entry": "ent_images_2", "amount": 0}, 422, "invalid_amount"),
    ("voids", {"lot": "lot_images_9"}, 404, "not_found"),
    ("voids", {"lot": "lot_images_1", "amount": 11}, 409, "not_enough_left"),
    ("clawbacks", {"lot": "lot_images_9", "amount": 1, "rest": "debt"}, 404, "not_found"),
    ("clawbacks", {"lot": "lot_images_1", "amount": 11, "rest": "debt"}, 409, "not_enough_left"),
    ("clawbacks", {"lot": "lot_images_1", "amount": 1}, 422, "invalid_request"),
]


def has(api: Api) -> tuple[int, int]:
    balance = api.get(f"{ADA}/balances/images").json()
    return balance["posted"], balance["available"]


def test_7_credits_are_used_and_3_of_them_given_back_and_then_the_rest(api: Api):
    api.grant("ada", 10, "g")
    used = api.deduct("ada", 7, "d").json()["id"]
    part = api.write(f"{ADA}/reversals", "r1", entry=used, amount=3, reason="half a picture")
    assert (part.status_code, part.json()["kind"], part.json()["amount"], has(api)) == (201, "reverse", 3, (6, 6))
    assert api.write(f"{ADA}/reversals", "r1", entry=used, amount=3).headers["idempotent-replayed"] == "true"
    more = api.write(f"{ADA}/reversals", "r2", entry=used, amount=5)
    assert (more.status_code, more.json()["code"]) == (409, "not_enough_left")
    assert api.write(f"{ADA}/reversals", "r3", entry=used).json()["amount"] == 4
    assert has(api) == (10, 10)


def test_a_lot_is_ended_and_what_a_hold_keeps_of_it_goes_with_the_hold(api: Api):
    lot = api.grant("ada", 10, "g").json()["lot"]
    api.write(f"{ADA}/holds", "h", credit_type="images", amount=4)
    ended = api.write(f"{ADA}/voids", "v", lot=lot, reason="a mistake")
    assert (ended.status_code, ended.json()["kind"], has(api)) == (201, "void", (4, 0))
    assert api.write(f"{ADA}/voids", "v", lot=lot).headers["idempotent-replayed"] == "true"
    api.write(f"{ADA}/holds/hold_images_2/release", "x")
    assert has(api) == (0, 0)


@pytest.mark.parametrize(("rest", "left"), [("debt", -6), ("write_off", 0)])
def test_10_paid_credits_go_back_though_6_of_them_are_used(api: Api, rest: str, left: int):
    lot = api.grant("ada", 10, "g", source="purchase").json()["lot"]
    api.deduct("ada", 6, "d")
    api.write(f"{ADA}/clawbacks", "c", lot=lot, amount=10, rest=rest)
    assert has(api) == (left, left)
    assert api.write(f"{ADA}/clawbacks", "c", lot=lot, amount=10, rest=rest).headers["idempotent-replayed"] == "true"


def test_what_cannot_be_taken_back_is_refused(api: Api):
    api.grant("ada", 10, "g")
    api.deduct("ada", 2, "d")
    for route, body, status, code in WRONG:
        refused = api.write(f"{ADA}/{route}", "k", **body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), body
    assert has(api) == (8, 8)
