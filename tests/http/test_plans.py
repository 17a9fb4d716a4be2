"""Over HTTP: a plan from its start to its end, on the application's word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.conftest import Api
from tests.kit import Clock, proved
from tests.stories.test_plans import PLANS

pytestmark = pytest.mark.row("D1")
PLAN = "/v1/accounts/ada/plan"


@pytest.fixture
def api(database_url: str, clock: Clock) -> Iterator[Api]:
    clock.to("2026-01-31T10:00")
    with proved(database_url, clock, PLANS) as credits, Api(credits) as client:
        yield client


def images(api: Api) -> int:
    return api.get("/v1/accounts/ada/balances/images").json()["available"]


def test_a_plan_is_started_changed_cancelled_and_over(api: Api, clock: Clock):
    never = api.get(PLAN)
    assert (never.status_code, never.json()["code"]) == (404, "not_found")
    started = api.write(PLAN, "s", plan="free", reason="signed up")
    assert (started.status_code, started.json()["plan"], started.json()["status"]) == (201, "free", "active")
    assert (started.json()["id"], started.json()["next_at"], images(api)) == ("sub_1", "2026-02-28T10:00:00Z", 100)
    again = api.write(PLAN, "s", plan="free")
    assert (again.content, again.headers["idempotent-replayed"]) == (started.content, "true")
    other = api.write(PLAN, "s2", plan="pro")
    assert (other.status_code, other.json()["code"], other.json()["plan"]) == (409, "already_subscribed", "free")

    changed = api.write(f"{PLAN}/change", "c", plan="pro")
    assert (changed.status_code, changed.json()["plan"]) == (200, "pro")
    assert "idempotent-replayed" not in changed.headers
    assert api.write(f"{PLAN}/change", "c", plan="pro").headers["idempotent-replayed"] == "true"
    down = api.write(f"{PLAN}/change", "d", plan="free").json()
    assert (down["plan"], down["next_plan"]) == ("pro", "free")

    ended = api.write(f"{PLAN}/cancel", "e", unused="expire")
    assert (ended.status_code, ended.json()["ends"], ended.json()["ended_at"]) == (200, "expire", None)
    clock.to(ended.json()["next_at"][:16])
    api.credits.drip()
    assert (api.get(PLAN).json()["status"], images(api)) == ("ended", 0)
    late = api.post(f"{PLAN}/cancel", headers={"Idempotency-Key": "late"})
    assert (late.status_code, late.json()["code"]) == (409, "not_subscribed")


def test_a_plan_that_is_paid_for_opens_one_period_for_each_payment(api: Api, clock: Clock):
    trial = api.write(PLAN, "s", plan="paid")
    assert (trial.json()["status"], trial.json()["trial_end"], images(api)) == (
        "trialing",
        "2026-02-14T10:00:00Z",
        20,
    )
    clock.to("2026-02-14T10:00")
    paid = api.post(f"{PLAN}/renew", headers={"Idempotency-Key": "invoice:1"})
    assert (paid.status_code, paid.json()["status"], paid.json()["period_end"]) == (
        200,
        "active",
        "2026-03-14T10:00:00Z",
    )
    assert (images(api), api.write(f"{PLAN}/renew", "invoice:1").headers["idempotent-replayed"]) == (300, "true")
    early = api.write(f"{PLAN}/renew", "invoice:2")
    assert (early.status_code, early.json()["code"]) == (409, "period_not_due")
    no_trial = api.write("/v1/accounts/bob/plan", "s", plan="paid", trial=False).json()
    assert (no_trial["status"], no_trial["trial_end"]) == ("unpaid", None)


def test_what_is_wrong_of_a_plan_is_refused_and_starts_none(api: Api):
    wrong: list[tuple[str, dict[str, Any], int, str]] = [
        ("", {"plan": "gold"}, 422, "unknown_plan"),
        ("", {}, 422, "invalid_request"),
        ("", {"plan": "free", "trial": "maybe"}, 422, "invalid_request"),
        ("/renew", {}, 409, "not_subscribed"),
        ("/change", {"plan": "pro"}, 409, "not_subscribed"),
        ("/cancel", {}, 409, "not_subscribed"),
        ("/cancel", {"unused": "burn"}, 422, "invalid_request"),
    ]
    for path, body, status, code in wrong:
        refused = api.write(PLAN + path, "k", **body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), path
        missing = api.post(PLAN + path, json={"plan": "free"} if path in ("", "/change") else {})
        assert missing.json()["code"] == "idempotency_key_missing"
    assert api.get(PLAN).status_code == 404
