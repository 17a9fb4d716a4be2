"""Over HTTP: credits that move to another account, and accounts that are frozen, merged and forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farthing import Credits
from tests.http.conftest import Api

pytestmark = pytest.mark.row("D1", "L18")
ADA = "/v1/accounts/ada"


def images(api: Api, account: str) -> int:
    return api.get(f"/v1/accounts/{account}/balances/images").json()["available"]


def test_ada_gives_bob_4_of_her_10_credits_with_their_end(api: Api):
    api.grant("ada", 10, "g", expires="30d")
    nobody = api.write(f"{ADA}/transfers", "t", to="bob", credit_type="images", amount=4)
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    api.grant("bob", 1, "g")
    moved = api.write(f"{ADA}/transfers", "t", to="bob", credit_type="images", amount=4, reason="a present")
    assert (moved.status_code, moved.json()["amount"], moved.json()["account"]) == (201, -4, "ada")
    again = api.write(f"{ADA}/transfers", "t", to="bob", credit_type="images", amount=4)
    assert (again.content, again.headers["idempotent-replayed"]) == (moved.content, "true")
    assert (images(api, "ada"), images(api, "bob")) == (6, 5)
    lots = api.get("/v1/accounts/bob/lots").json()["data"]
    assert {(lot["amount"], lot["expires_at"]) for lot in lots} == {(4, "2026-01-31T00:00:00Z"), (1, None)}
    for to, amount, status, code in (
        ("bob", 7, 402, "insufficient_credits"),
        ("ada", 1, 422, "invalid_account"),
    ):
        refused = api.write(f"{ADA}/transfers", "t2", to=to, credit_type="images", amount=amount)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_frozen_account_spends_nothing_until_it_is_unfrozen(api: Api):
    nobody = api.write(f"{ADA}/freeze", "f1")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    api.grant("ada", 10, "g")
    frozen = api.write(f"{ADA}/freeze", "f1", reason="a stolen card", actor="support:grace")
    assert (frozen.status_code, frozen.json()["frozen_at"]) == (200, "2026-01-01T00:00:00Z")
    again = api.write(f"{ADA}/freeze", "f1")
    assert ("idempotent-replayed" in frozen.headers, again.headers["idempotent-replayed"]) == (False, "true")
    for path in (f"{ADA}/deductions", f"{ADA}/holds"):
        refused = api.write(path, "d", credit_type="images", amount=1)
        assert (refused.status_code, refused.json()["code"]) == (403, "account_frozen")
    reused = api.write(f"{ADA}/unfreeze", "f1")
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
    assert api.post(f"{ADA}/unfreeze", headers={"Idempotency-Key": "f2"}).json()["frozen_at"] is None
    assert api.deduct("ada", 1, "d").status_code == 201
    missing = api.post(f"{ADA}/freeze")
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")


def test_a_guest_becomes_a_user_with_all_it_has_and_is_closed(api: Api):
    api.grant("guest", 5, "g")
    api.grant("ada", 1, "g")
    api.write("/v1/accounts/guest/holds", "h", credit_type="images", amount=1)
    held = api.write("/v1/accounts/guest/merges", "m", into="ada")
    assert (held.status_code, held.json()["code"]) == (409, "merge_refused")
    api.post("/v1/accounts/guest/holds/hold_images_2/release")
    merged = api.write("/v1/accounts/guest/merges", "m", into="ada")
    assert (merged.status_code, merged.json()["merged_into"], images(api, "ada")) == (200, "ada", 6)
    assert api.write("/v1/accounts/guest/merges", "m", into="ada").headers["idempotent-replayed"] == "true"
    late = api.grant("guest", 1, "late")
    assert (late.status_code, late.json()["code"]) == (409, "account_merged")
    assert api.write("/v1/accounts/guest/merges", "m2", into="guest").json()["code"] == "invalid_account"


def test_what_people_wrote_is_forgotten_and_amounts_stay(api: Api):
    api.grant("ada", 5, "g", reason="because she is nice", metadata={"phone": "555"})
    erased = api.write(f"{ADA}/erase", "e")
    assert (erased.status_code, erased.json()["account"]) == (200, "ada")
    assert api.write(f"{ADA}/erase", "e").headers["idempotent-replayed"] == "true"
    [entry] = api.get(f"{ADA}/entries").json()["data"]
    assert (entry["amount"], entry["reason"], entry["metadata"], entry["actor"]) == (5, None, None, None)
    assert api.write("/v1/accounts/bob/erase", "e").status_code == 404


def test_of_one_freeze_said_8_times_at_once_one_is_no_replay(shop: Credits):
    with Api(shop) as api, ThreadPoolExecutor(8) as crowd:
        api.grant("ada", 5, "g")
        answers = list(crowd.map(lambda _: api.write(f"{ADA}/freeze", "same"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
