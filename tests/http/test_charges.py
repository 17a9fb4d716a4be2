"""Over HTTP: credits by what was used, priced by the operation's rate card."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.http.conftest import Api, exact
from tests.kit import Clock, proved, shop
from tests.stories.test_charging import CARDS

pytestmark = pytest.mark.row("D1", "C9")
USED = {"input_tokens": 374, "output_tokens": 44}
CHARGES = "/v1/accounts/ada/charges"
NOT_PRICED: list[tuple[dict[str, Any], int, str]] = [
    ({"operation": "paint"}, 422, "unknown_operation"),
    ({"operation": "chat", "measures": USED}, 422, "invalid_field"),
    ({"operation": "chat", "measures": {"seconds": 1}, "dimensions": {"model": "deep"}}, 422, "invalid_field"),
    ({"operation": "chat", "measures": USED, "dimensions": {"model": "new"}}, 422, "no_rate"),
    ({"operation": "chat", "measures": USED, "dimensions": {"model": "free"}}, 422, "nothing_to_charge"),
    ({"operation": "render", "measures": {"seconds": 301}}, 402, "insufficient_credits"),
    ({"operation": "render", "measures": {"seconds": -1}}, 422, "invalid_amount"),
    ({"operation": "render", "measures": {"seconds": True}}, 422, "invalid_amount"),
    ({"operation": "render", "measures": 5}, 422, "invalid_request"),
    *(
        ({"operation": "render", "measures": {"seconds": 1}, "dimensions": {name: "x"}}, 422, "invalid_field")
        for name in ("key", "account", "self", "operation", "measures", "occurred_at", "")
    ),
]


@pytest.fixture
def api(database_url: str, clock: Clock) -> Iterator[Api]:
    with proved(database_url, clock, CARDS) as credits, Api(credits) as client:
        client.grant("ada", 10, "g", "inference")
        yield client


def test_a_call_costs_what_its_card_says_and_the_estimate_said_so_before(api: Api):
    asked = {"operation": "chat", "measures": USED, "dimensions": {"model": "deep"}}
    told = exact(api.post("/v1/estimates", json=asked))
    assert (told["amount"], told["credit_type"]) == (Decimal("1.375"), "inference")
    assert [(line["measure"], line["used"], line["price"], line["per"], line["total"]) for line in told["lines"]] == [
        ("input_tokens", "374", "2.50", 1000, "0.935"),
        ("output_tokens", "44", "10", 1000, "0.44"),
    ]
    charged = api.write(CHARGES, "message:1", **asked, metadata={"chat": 7})
    assert (charged.status_code, exact(charged)["amount"], charged.json()["operation"]) == (
        201,
        Decimal("-1.375"),
        "chat",
    )
    again = api.write(CHARGES, "message:1", **asked)
    assert (again.content, again.headers["idempotent-replayed"]) == (charged.content, "true")
    other = api.write(CHARGES, "message:1", **asked | {"measures": USED | {"output_tokens": 45}})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_what_the_card_does_not_price_is_refused_and_takes_nothing(api: Api):
    for asked, status, code in NOT_PRICED:
        refused = api.write(CHARGES, "k", **asked)
        assert (refused.status_code, refused.json()["code"]) == (status, code), asked
        if code not in ("insufficient_credits", "nothing_to_charge"):
            assert api.post("/v1/estimates", json=asked).json()["code"] == code
    assert api.get("/v1/accounts/ada/balances/inference").json()["posted"] == 10


def test_what_is_held_for_120_seconds_is_captured_for_45(api: Api):
    held = api.write("/v1/accounts/ada/holds", "job", usage={"operation": "render", "measures": {"seconds": 120}})
    assert (held.status_code, held.json()["held_change"], held.json()["operation"]) == (201, 4, "render")
    capture = f"/v1/accounts/ada/holds/{held.json()['hold']}/capture"
    both = api.post(capture, json={"amount": 1, "usage": {"operation": "render", "measures": {"seconds": 45}}})
    assert (both.status_code, both.json()["code"]) == (422, "invalid_field")
    used = api.post(capture, json={"usage": {"operation": "render", "measures": {"seconds": 45}}})
    assert (used.status_code, used.json()["amount"]) == (201, -1.5)
    again = api.post(capture, json={"usage": {"operation": "render", "measures": {"seconds": 45}}})
    assert again.headers["idempotent-replayed"] == "true"


def test_a_retry_after_the_prices_changed_answers_what_was_charged_then(api: Api):
    asked = {"operation": "render", "measures": {"seconds": 60}}
    first = api.write(CHARGES, "k", **asked)
    api.credits.reload(shop(CARDS.replace("2 per 60", "4 per 60")))
    assert api.write(CHARGES, "k", **asked).content == first.content
    assert api.write(CHARGES, "k2", **asked).json()["amount"] == -4
