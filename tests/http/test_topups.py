"""Over HTTP: a card that is left and forgotten, and an auto top-up that charges it as its customer agreed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from farthing.providers.sandbox import Sandbox
from farthing.testing import Post
from tests.herald import Herald
from tests.http.conftest import Api
from tests.kit import Clock
from tests.selling import SECRET, selling

pytestmark = pytest.mark.row("D1", "P8")
ADA = "/v1/accounts/ada"
IMAGES = f"{ADA}/top-ups/images"
CARD = f"{ADA}/cards/sandbox"
AGREED: dict[str, Any] = {
    "threshold": 20,
    "package": "starter",
    "at_most_minor": 1200,
    "most": 3,
    "consent": "Below 20 images, buy Starter for at most $12, up to 3 times a month.",
}


@pytest.fixture
def api(database_url: str, clock: Clock) -> Iterator[Api]:
    till = Sandbox(url="http://sandbox.test", secrets=[SECRET], clock=clock)
    with selling(database_url, clock, providers=[till, Herald()]) as credits, Api(credits) as client:
        client.grant("ada", 100, "start")
        yield client


def ask(api: Api, method: str, path: str, key: str, /, **options: Any) -> Any:
    return api.request(method, path, headers={"Idempotency-Key": key}, **options)


def leave_card(api: Api) -> None:
    page = api.write(CARD, "card", return_url="https://shop.test/back").json()
    post = Post(api.credits)
    payer = post.sandbox.look(page["reference"])
    assert payer
    assert payer.customer
    post.deliver(post.card(payer.customer, "card_ok", reference=page["reference"]))


def test_a_card_is_left_at_the_provider_shown_and_forgotten(api: Api):
    assert (api.get(CARD).status_code, api.get(CARD).json()["code"]) == (404, "not_found")
    page = api.write(CARD, "card", return_url="https://shop.test/back")
    assert page.status_code == 201
    assert page.json()["url"].startswith("http://sandbox.test/")
    assert api.write(CARD, "card", return_url="https://shop.test/back").content == page.content
    leave_card(api)
    shown = api.get(CARD).json()
    assert (shown["account"], shown["provider"], shown["saved_at"]) == ("ada", "sandbox", "2026-01-01T00:00:00Z")
    gone = ask(api, "DELETE", CARD, "forget", params={"reason": "she asked"})
    assert (gone.status_code, gone.json()) == (200, {"account": "ada", "provider": "sandbox"})
    assert "idempotent-replayed" not in gone.headers
    assert ask(api, "DELETE", CARD, "forget").headers["idempotent-replayed"] == "true"
    assert api.get(CARD).status_code == 404
    for provider, status, code in (("nobody", 404, "unknown_provider"), ("herald", 422, "invalid_field")):
        refused = api.write(f"{ADA}/cards/{provider}", "k")
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert api.delete(CARD).json()["code"] == "idempotency_key_missing"


def test_below_20_images_the_card_is_charged_once_and_110_images_come(api: Api):
    early = ask(api, "PUT", IMAGES, "agree", json=AGREED)
    assert (early.status_code, early.json()["code"]) == (409, "no_saved_card")
    leave_card(api)
    agreed = ask(api, "PUT", IMAGES, "agree", json=AGREED | {"actor": "ada"})
    assert (agreed.status_code, agreed.json()["status"], agreed.json()["threshold"]) == (200, "active", 20)
    assert (agreed.json()["consent"], agreed.json()["actor"], agreed.json()["window"]) == (
        AGREED["consent"],
        "ada",
        "month",
    )
    again = ask(api, "PUT", IMAGES, "agree", json=AGREED)
    assert (again.content, again.headers["idempotent-replayed"]) == (agreed.content, "true")
    assert "idempotent-replayed" not in agreed.headers

    assert api.post(f"{IMAGES}/charge").json() == {"outcome": "enough", "order": None}
    api.deduct("ada", 81, "d")
    came = api.post(f"{IMAGES}/charge").json()
    assert (came["outcome"], came["order"]["status"], came["order"]["paid_minor"]) == ("paid", "fulfilled", 990)
    assert api.post(f"{IMAGES}/charge").json()["outcome"] == "enough"
    assert api.get(f"{ADA}/balances/images").json()["available"] == 129
    [stands] = api.get(f"{ADA}/top-ups").json()["data"]
    assert (stands["used"], stands["last_order"], stands["last_outcome"]) == (1, came["order"]["id"], "paid")


def test_an_auto_top_up_pauses_without_its_card_is_resumed_and_stopped(api: Api):
    leave_card(api)
    ask(api, "PUT", IMAGES, "agree", json=AGREED)
    ask(api, "DELETE", CARD, "forget")
    api.deduct("ada", 90, "d")
    assert api.post(f"{IMAGES}/charge").json()["outcome"] == "paused"
    [paused] = api.get(f"{ADA}/top-ups").json()["data"]
    assert (paused["status"], paused["paused"]) == ("paused", "no_card")
    early = ask(api, "POST", f"{IMAGES}/resume", "on")
    assert (early.status_code, early.json()["code"]) == (409, "no_saved_card")
    leave_card(api)
    assert ask(api, "POST", f"{IMAGES}/resume", "on").json()["status"] == "active"
    assert ask(api, "POST", f"{IMAGES}/resume", "on").headers["idempotent-replayed"] == "true"
    stopped = ask(api, "DELETE", IMAGES, "stop", params={"reason": "she asked"})
    assert (stopped.status_code, stopped.json()["status"]) == (200, "stopped")
    assert ask(api, "DELETE", IMAGES, "stop", params={"reason": "again"}).headers["idempotent-replayed"] == "true"
    late = ask(api, "POST", f"{IMAGES}/resume", "late")
    assert (late.status_code, late.json()["code"]) == (409, "no_top_up")


def test_what_nobody_can_agree_to_is_refused(api: Api):
    leave_card(api)
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"consent": ""}, 422, "invalid_field"),
        ({"at_most_minor": 989}, 422, "invalid_field"),
        ({"at_most_minor": 9.5}, 422, "invalid_request"),
        ({"most": True}, 422, "invalid_request"),
        ({"window": "year"}, 422, "invalid_request"),
        ({"threshold": 0}, 422, "invalid_amount"),
        ({"package": "none"}, 422, "package_unavailable"),
        ({"amount": 5}, 422, "invalid_field"),
        ({"provider": "nobody"}, 404, "unknown_provider"),
        ({"cooldown": "soon"}, 422, "invalid_expiry"),
    ]
    for said, status, code in wrong:
        refused = ask(api, "PUT", IMAGES, "agree", json=AGREED | said)
        assert (refused.status_code, refused.json()["code"]) == (status, code), said
    gold = ask(api, "PUT", f"{ADA}/top-ups/gold", "agree", json=AGREED)
    assert (gold.status_code, gold.json()["code"]) == (422, "unknown_credit_type")
    for method, path in (("DELETE", IMAGES), ("POST", f"{IMAGES}/resume"), ("POST", f"{IMAGES}/charge")):
        nothing = ask(api, method, path, "k")
        assert (nothing.status_code, nothing.json()["code"]) == (409, "no_top_up")
    assert api.get(f"{ADA}/top-ups").json() == {"data": []}
