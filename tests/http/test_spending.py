"""Over HTTP: grants, deductions and checks, their amounts to the last digit, and what a key stands for."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from farthing import Credits
from tests.http.conftest import Api, exact
from tests.kit import Clock


@pytest.mark.row("D1", "L2", "L3")
def test_ada_has_5_gift_and_10_paid_and_deducting_7_leaves_8_paid(api: Api):
    api.grant("ada", 5, "gift")
    api.grant("ada", 10, "paid", source="purchase", cost={"minor": 990, "currency": "USD"})
    used = api.deduct("ada", 7, "render:1", operation="render", metadata={"prompt": "a fox", "steps": 0.5})
    assert used.status_code == 201
    entry = used.json()
    assert (entry["kind"], entry["amount"], entry["available"]) == ("deduct", -7, 8)
    assert entry["draws"] == [{"lot": "lot_images_1", "amount": 5}, {"lot": "lot_images_2", "amount": 2}]
    assert (entry["operation"], entry["metadata"]) == ("render", {"prompt": "a fox", "steps": 0.5})
    [left] = api.get("/v1/accounts/ada/lots").json()["data"]
    assert (left["source"], left["remaining"], left["cost_minor"], left["currency"]) == ("purchase", 8, 990, "USD")


@pytest.mark.row("D1", "L3")
def test_a_deduction_that_is_short_is_402_with_the_facts_and_takes_nothing(api: Api):
    api.grant("ada", 4, "g")
    refused = api.deduct("ada", 5, "d")
    assert refused.status_code == 402
    problem = refused.json()
    assert problem["code"] == "insufficient_credits"
    assert (problem["required"], problem["available"], problem["shortfall"]) == (5, 4, 1)
    assert api.deduct("ada", 4, "d").status_code == 201  # a refused attempt used up no key


@pytest.mark.row("D1", "L4")
def test_a_check_says_what_a_deduction_would_and_changes_nothing(api: Api):
    api.grant("ada", 4, "g")
    asked = {"credit_type": "images", "amount": 5}
    assert api.post("/v1/accounts/ada/checks", json=asked).json() == {
        "allowed": False,
        "required": 5,
        "available": 4,
        "shortfall": 1,
    }
    assert api.post("/v1/accounts/ada/checks", json=asked | {"amount": "4"}).json()["allowed"] is True
    assert len(api.get("/v1/accounts/ada/entries").json()["data"]) == 1


@pytest.mark.row("D1", "L16")
def test_the_same_call_again_answers_the_same_body_and_says_so(api: Api, clock: Clock):
    first = api.grant("ada", 5, "g", expires="30d")
    clock.move("1d")
    again = api.grant("ada", "5.0", "g", expires="30d", reason="another word", actor="someone else")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert api.get("/v1/accounts/ada/balances/images").json()["posted"] == 5


@pytest.mark.row("D1", "L16")
def test_a_key_that_stands_for_something_else_is_refused(api: Api):
    api.grant("ada", 5, "k")
    for other in (api.grant("ada", 6, "k"), api.deduct("ada", 5, "k"), api.grant("ada", 5, "k", expires="30d")):
        assert (other.status_code, other.json()["code"], other.json()["key"]) == (422, "key_reused", "k")
    assert api.grant("bob", 6, "k").status_code == 201  # keys belong to their account


@pytest.mark.row("D1")
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]])
def test_a_write_without_one_key_is_refused(api: Api, headers: Any):
    body = {"credit_type": "images", "amount": 5, "source": "gift"}
    for route in ("grants", "deductions"):
        asked = body if route == "grants" else {"credit_type": "images", "amount": 5}
        refused = api.post(f"/v1/accounts/ada/{route}", json=asked, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_missing")
    assert api.get("/v1/accounts/ada/entries").json()["data"] == []


@pytest.mark.parametrize("key", ["farthing:gift:images", "x" * 201, "é" * 101, "\x85"])
def test_a_key_that_cannot_be_kept_is_refused(api: Api, key: str):
    body = {"credit_type": "images", "amount": 5, "source": "gift"}
    refused = api.post("/v1/accounts/ada/grants", json=body, headers=[(b"Idempotency-Key", key.encode())])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_key")


def test_a_key_of_any_letters_is_kept_as_utf_8(api: Api, shop: Credits):
    body = {"credit_type": "images", "amount": 5, "source": "gift"}
    answer = api.post("/v1/accounts/ada/grants", json=body, headers=[(b"Idempotency-Key", "ключ🦊".encode())])
    assert answer.json()["key"] == "ключ🦊"
    assert shop.grant("ada", "images", 5, key="ключ🦊", source="gift").replayed


@pytest.mark.row("D1", "L1")
def test_a_tenth_and_two_tenths_are_three_tenths_on_the_wire(api: Api):
    api.post(
        "/v1/accounts/ada/grants",
        content=b'{"credit_type": "chat", "amount": 0.1, "source": "gift"}',
        headers={"Content-Type": "application/json", "Idempotency-Key": "a"},
    )
    second = api.grant("ada", "0.20", "b", "chat")
    assert b'"posted":0.3,' in second.content
    assert exact(api.get("/v1/accounts/ada/balances/chat"))["available"] == Decimal("0.3")
    assert b'"available":0,' in api.deduct("ada", "0.3", "c", "chat").content


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    ("said", "written"),
    [
        (b"5", b"5"),
        (b"5.0", b"5"),
        (b"5e0", b"5"),
        (b"50e-1", b"5"),
        (b'"5"', b"5"),
        (b"0.000000001", b"0.000000001"),
        (b"1E-9", b"0.000000001"),
        (b"123456.123456789", b"123456.123456789"),
        (b"999999.999999999", b"999999.999999999"),
        (b'"000001.500"', b"1.5"),
        (b"100000", b"100000"),
        (b"1e5", b"100000"),
    ],
)
def test_amounts_are_plain_numbers_exact_to_nine_decimals(api: Api, said: bytes, written: bytes):
    answer = api.post(
        "/v1/accounts/ada/grants",
        content=b'{"credit_type": "dust", "amount": %s, "source": "gift"}' % said,
        headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
    )
    assert answer.status_code == 201
    assert b'"amount":%s,"held_change":0,"posted":%s,' % (written, written) in answer.content
    assert b'"available":%s,' % written in api.get("/v1/accounts/ada/balances/dust").content


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    "said",
    [
        *(b"0", b"-1", b"-0.5", b'"-5"', b"0.5", b"1000000000000000", b"999999999999999.5", b"1e15", b"1e300"),
        *(b"1e999999999", b"1e-999999999", b"0.30000000000000004", b"true", b"null", b"[5]", b"{}", b'""', b'"five"'),
        *('"５"'.encode(), b'"1e3"', b'" 5"', b'"0x10"', b'"1_000"', b'"NaN"', b'"Infinity"', b'"5' + b"0" * 31 + b'"'),
    ],
)
@pytest.mark.parametrize("route", ["grants", "deductions", "checks"])
def test_an_amount_that_is_none_is_refused_and_changes_nothing(api: Api, route: str, said: bytes):
    source = b', "source": "gift"' if route == "grants" else b""
    refused = api.post(
        f"/v1/accounts/ada/{route}",
        content=b'{"credit_type": "images", "amount": %s%s}' % (said, source),
        headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_amount")
    assert api.get("/v1/accounts/ada/entries").json()["data"] == []


@pytest.mark.row("D1", "L2")
@pytest.mark.parametrize(
    ("expires", "at"),
    [
        ("30d", "2026-01-31T00:00:00Z"),
        ("1mo", "2026-02-01T00:00:00Z"),
        ("never", None),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00.123456789+02:00", "2026-03-01T10:00:00.123456Z"),
        ("2026-03-01t12:00:00z", "2026-03-01T12:00:00Z"),
    ],
)
def test_expiry_is_a_duration_an_instant_or_never(api: Api, expires: str, at: str | None):
    assert api.grant("ada", 5, "g", "chat", expires=expires).json()["expires_at"] == at


@pytest.mark.parametrize(
    "expires",
    [
        *(None, "", "30", "30 days", "0d", "Never", "2026-03-01", "2026-03-01T12:00:00", "2026-13-01T00:00:00Z"),
        *("2025-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00", 30, True, ["30d"]),
    ],
)
def test_an_expiry_that_is_none_is_refused(api: Api, expires: object):
    refused = api.grant("ada", 5, "g", expires=expires)
    assert refused.status_code == 422
    assert refused.json()["code"] in ("invalid_expiry", "invalid_field", "invalid_request")
    assert api.get("/v1/accounts/ada/entries").json()["data"] == []


@pytest.mark.row("D1", "L2")
def test_a_grant_for_later_is_pending_until_then(api: Api, clock: Clock):
    api.grant("ada", 5, "g", effective_at="2026-02-01T00:00:00Z", occurred_at="2025-12-31T23:59:59.5Z", priority=7)
    before = api.get("/v1/accounts/ada/balances/images").json()
    assert (before["posted"], before["pending"], before["available"]) == (5, 5, 0)
    clock.to("2026-02-01")
    assert api.get("/v1/accounts/ada/balances/images").json()["available"] == 5
    [entry] = api.get("/v1/accounts/ada/entries").json()["data"]
    assert entry["occurred_at"] == "2025-12-31T23:59:59.500000Z"


@pytest.mark.row("D1")
def test_every_write_says_who_did_it(api: Api):
    by_key = api.grant("ada", 5, "a").json()["actor"]
    assert by_key.startswith("api_key:key_")
    assert api.grant("ada", 5, "b", actor="support:grace").json()["actor"] == "support:grace"


@pytest.mark.row("D1", "L3")
def test_32_callers_at_once_get_the_last_10_credits_and_not_one_more(shop: Credits):
    with Api(shop) as api, ThreadPoolExecutor(32) as crowd:
        api.grant("ada", 10, "g")
        statuses = list(crowd.map(lambda n: api.deduct("ada", 1, f"d{n}").status_code, range(32)))
    assert (statuses.count(201), statuses.count(402)) == (10, 22)


@pytest.mark.row("D1", "L16")
def test_one_call_repeated_at_once_is_carried_out_once(shop: Credits):
    with Api(shop) as api, ThreadPoolExecutor(16) as crowd:
        api.grant("ada", 100, "g")
        answers = list(crowd.map(lambda _: api.deduct("ada", 7, "same"), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert shop.balance("ada", "images").available == 93
