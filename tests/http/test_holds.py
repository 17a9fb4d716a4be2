"""Over HTTP: credits set aside, then captured, released, extended, or lapsed: exactly one of these."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.conftest import Api
from tests.kit import Clock

pytestmark = pytest.mark.row("D1", "L6")
HOLDS = "/v1/accounts/ada/holds"
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"credit_type": "images"}, "invalid_field"),
    ({"amount": 5}, "invalid_field"),
    ({}, "invalid_field"),
    ({"credit_type": "images", "amount": 5, "usage": {"operation": "render"}}, "invalid_field"),
    ({"operation": "render", "usage": {"operation": "render"}}, "invalid_field"),
    ({"credit_type": "images", "amount": 5, "expires": "never"}, "invalid_expiry"),
    ({"credit_type": "images", "amount": 5, "on_late": "perhaps"}, "invalid_request"),
    ({"credit_type": "gold", "amount": 5}, "unknown_credit_type"),
    ({"credit_type": "images", "amount": 0.5}, "invalid_amount"),
    ({"usage": {"operation": "render"}}, "unknown_operation"),
]


def hold(api: Api, amount: Any, key: str = "job:1", **more: Any) -> Any:
    return api.write(HOLDS, key, credit_type="images", amount=amount, **more)


def end(api: Api, hold: str, how: str, key: str = "end", /, **body: Any) -> Any:
    return api.write(f"{HOLDS}/{hold}/{how}", key, **body)


def available(api: Api) -> int:
    return api.get("/v1/accounts/ada/balances/images").json()["available"]


def test_of_10_credits_8_are_held_and_3_of_them_are_used_so_7_are_left(api: Api):
    api.grant("ada", 10, "g")
    made = hold(api, 8, operation="render", expires="30m", metadata={"prompt": "a fox"})
    assert made.status_code == 201
    assert (made.json()["hold"], made.json()["held_change"], made.json()["available"]) == ("hold_images_2", 8, 2)
    assert api.get(HOLDS).json()["data"] == [
        {
            "id": "hold_images_2",
            "credit_type": "images",
            "amount": 8,
            "held_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-01T00:30:00Z",
            "on_late": "refuse",
        }
    ]
    used = end(api, "hold_images_2", "capture", amount=3, operation="render")
    assert (used.status_code, used.json()["kind"], used.json()["amount"]) == (201, "capture", -3)
    assert (available(api), api.get(HOLDS).json()["data"]) == (7, [])


def test_a_hold_captured_twice_is_captured_once_and_the_second_answer_says_so(api: Api):
    api.grant("ada", 10, "g")
    made = hold(api, 8)
    again = hold(api, 8)
    assert again.content == made.content
    assert ("idempotent-replayed" in made.headers, again.headers["idempotent-replayed"]) == (False, "true")
    first = api.post(f"{HOLDS}/hold_images_2/capture")
    second = api.post(f"{HOLDS}/hold_images_2/capture")
    assert (first.status_code, second.content) == (201, first.content)
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert available(api) == 2
    for how, body in (("capture", {"amount": 3}), ("release", {})):
        refused = end(api, "hold_images_2", how, **body)
        assert (refused.status_code, refused.json()["code"]) == (409, "hold_ended")
    late = end(api, "hold_images_2", "extend", expires="1h")
    assert (late.status_code, late.json()["code"]) == (409, "hold_ended")


def test_a_released_hold_gives_all_back_and_cannot_be_captured_any_more(api: Api):
    api.grant("ada", 10, "g")
    hold(api, 8)
    assert end(api, "hold_images_2", "release", reason="the job failed").json()["reason"] == "the job failed"
    assert end(api, "hold_images_2", "release").headers["idempotent-replayed"] == "true"
    assert end(api, "hold_images_2", "capture").json()["code"] == "hold_ended"
    assert available(api) == 10


def test_more_than_was_held_and_more_than_there_is_are_refused(api: Api):
    api.grant("ada", 10, "g")
    short = hold(api, 11)
    assert (short.status_code, short.json()["code"], short.json()["shortfall"]) == (402, "insufficient_credits", 1)
    hold(api, 8)
    refused = end(api, "hold_images_2", "capture", amount=9)
    assert (refused.status_code, refused.json()["code"]) == (422, "capture_too_large")
    assert end(api, "hold_images_2", "capture", amount=8).status_code == 201


def test_a_hold_lapses_at_its_deadline_unless_it_is_given_another_one(api: Api, clock: Clock):
    api.grant("ada", 10, "g")
    hold(api, 4, "a", expires="15m")
    hold(api, 4, "b", expires="15m", on_late="charge")
    later = end(api, "hold_images_2", "extend", "later", expires="1h")
    assert later.json()["expires_at"] == "2026-01-01T01:00:00Z"
    assert end(api, "hold_images_2", "extend", "later", expires="1h").headers["idempotent-replayed"] == "true"
    clock.move("15m")
    assert [one["id"] for one in api.get(HOLDS, params={"credit_type": "images"}).json()["data"]] == ["hold_images_2"]
    assert end(api, "hold_images_3", "capture").status_code == 201
    clock.move("45m")
    refused = end(api, "hold_images_2", "capture")
    assert (refused.status_code, refused.json()["code"]) == (409, "hold_ended")
    assert available(api) == 6


def test_a_hold_that_is_not_said_rightly_is_422_and_holds_nothing(api: Api):
    api.grant("ada", 10, "g")
    for body, code in WRONG:
        refused = api.write(HOLDS, "k", **body)
        assert (refused.status_code, refused.json()["code"]) == (422, code), body
    assert available(api) == 10


def test_holds_that_there_are_not_and_holds_of_others_are_404(api: Api):
    api.grant("bob", 10, "g")
    api.write("/v1/accounts/bob/holds", "k", credit_type="images", amount=4)
    for how in ("capture", "release", "extend"):
        refused = end(api, "hold_images_2", how)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        for odd in ("hold_images_x", "hold", "ent_images_2", "hold_images_99999999999999999999"):
            assert end(api, odd, how).status_code in (404, 422)
    assert api.get(HOLDS).json()["data"] == []
    missing = api.post(HOLDS, json={"credit_type": "images", "amount": 1})
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")
