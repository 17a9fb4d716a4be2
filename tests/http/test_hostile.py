"""Bodies, headers and paths that mean no good: a clear 4xx, nothing written, never a 500."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farthing import Credits
from tests.http.conftest import Api

GOOD = b'"credit_type": "images", "amount": 5, "source": "gift"'
DEEP = 100_000


def post(api: Api, body: bytes, content_type: str | None = "application/json", route: str = "grants"):
    declared = {"Content-Type": content_type} if content_type else {}
    answer = api.post(f"/v1/accounts/ada/{route}", content=body, headers=declared | {"Idempotency-Key": "k"})
    if answer.status_code >= 400:
        assert api.get("/v1/accounts/ada/entries").json()["data"] == []
    return answer


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b"{%s" % GOOD,
        b"{%s}}" % GOOD,
        b"{%s,}" % GOOD,
        b"{%s} // so" % GOOD,
        b"\xef\xbb\xbf{%s}" % GOOD,
        b'{%s, "priority": NaN}' % GOOD,
        b'{%s, "priority": Infinity}' % GOOD,
        b'{%s, "priority": -Infinity}' % GOOD,
        b'{%s, "amount": 6}' % GOOD,
        b'{%s, "metadata": {"a": 1, "a": 2}}' % GOOD,
        b'{%s, "reason": "\xff"}' % GOOD,
        b'{%s, "reason": "\xed\xa0\x80"}' % GOOD,
        b'{%s, "reason": "a\x00b"}' % GOOD,
        ("{" + GOOD.decode() + "}").encode("utf-16"),
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{%s, "metadata": {"a": %s1%s}}' % (GOOD, b"[" * 40, b"]" * 40),
        b'{%s, "metadata": {"n": %s}}' % (GOOD, b"9" * 41),
        b'{"credit_type": "images", "source": "gift", "amount": %s}' % (b"1" * 900_000),
        b'{"credit_type": "images", "source": "gift", "amount": 0.%s}' % (b"1" * 900_000),
        b'{"credit_type": "images", "source": "gift", "amount": 1e99999999999999999999}',
    ],
    ids=range(24),
)
def test_what_cannot_be_read_exactly_is_400(api: Api, body: bytes):
    refused = post(api, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_json")


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b"", ["body"]),
        (b"null", ["body"]),
        (b"[]", ["body"]),
        (b"5", ["body"]),
        (b'"text"', ["body"]),
        (b"{}", ["body.credit_type", "body.amount", "body.source"]),
        (b'{%s, "ammount": 5}' % GOOD, ["body.ammount"]),
        (b'{%s, "key": "k"}' % GOOD, ["body.key"]),
        (b'{%s, "priority": "high"}' % GOOD, ["body.priority"]),
        (b'{%s, "priority": 1.5}' % GOOD, ["body.priority"]),
        (b'{%s, "priority": true}' % GOOD, ["body.priority"]),
        (b'{%s, "metadata": []}' % GOOD, ["body.metadata"]),
        (b'{%s, "metadata": {"n": 0.1234567890123456789}}' % GOOD, ["body.metadata"]),
        (b'{%s, "metadata": {"n": 1e400}}' % GOOD, ["body.metadata"]),
        (b'{%s, "cost": {"minor": 9.9, "currency": "USD"}}' % GOOD, ["body.cost.minor"]),
        (b'{%s, "cost": {"minor": 990, "currency": "usd", "x": 1}}' % GOOD, ["body.cost.currency", "body.cost.x"]),
        (b'{%s, "reason": 5}' % GOOD, ["body.reason"]),
        (b'{"credit_type": 5, "amount": 5, "source": "theft"}', ["body.credit_type", "body.source"]),
    ],
)
def test_what_has_the_wrong_shape_is_422_with_every_path(api: Api, body: bytes, paths: list[str]):
    refused = post(api, body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert [mistake["path"] for mistake in refused.json()["errors"]] == paths


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (b'"priority": -1', "invalid_field"),
        (b'"priority": 99999999999999999999', "invalid_field"),
        (b'"reason": "%s"' % (b"x" * 1001), "invalid_field"),
        (b'"reason": "a\\u0000b"', "invalid_field"),
        (b'"reason": "\\ud800"', "invalid_field"),
        (b'"actor": "%s"' % (b"x" * 201), "invalid_field"),
        (b'"metadata": {"a": "%s"}' % (b"x" * 8192), "invalid_field"),
        (b'"metadata": {"a\\u0000": 1}', "invalid_field"),
        (b'"metadata": {"a": "\\udc00"}', "invalid_field"),
        (b'"occurred_at": "9999-01-01T00:00:00Z"', "invalid_field"),
        (b'"effective_at": "1969-12-31T23:59:59Z"', "invalid_field"),
        (b'"cost": {"minor": 1000000000000000, "currency": "USD"}', "invalid_field"),
    ],
)
def test_what_the_ledger_cannot_keep_is_422(api: Api, more: bytes, code: str):
    refused = post(api, b"{%s, %s}" % (GOOD, more))
    assert (refused.status_code, refused.json()["code"]) == (422, code)


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json", ""],
)
def test_a_body_that_is_not_declared_as_json_is_415(api: Api, content_type: str | None):
    refused = post(api, b"{%s}" % GOOD, content_type)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_body_declared_as_json_is_read(api: Api, content_type: str):
    assert post(api, b"{%s}" % GOOD, content_type).status_code == 201


@pytest.mark.row("D1")
def test_a_body_above_a_mebibyte_is_413_whether_it_says_so_or_not(api: Api):
    large = b"{%s, %s}" % (GOOD, b" " * 2**20)
    said = post(api, large)
    streamed = api.post(
        "/v1/accounts/ada/grants",
        content=(large[at : at + 65536] for at in range(0, len(large), 65536)),
        headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
    )
    unread = api.request("GET", "/v1/accounts/ada/balances", content=large)
    for refused in (said, streamed, unread):
        assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert post(api, b"{%s%s}" % (GOOD, b" " * (2**20 - len(GOOD) - 2))).status_code == 201


@pytest.mark.parametrize("depth", [20, 5_000, 40_000])
def test_a_cursor_made_to_hurt_is_refused(api: Api, depth: int):
    cursor = base64.urlsafe_b64encode(b"[" * depth).decode()
    refused = api.get("/v1/accounts/ada/entries", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field")


@pytest.mark.row("D1")
@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-1:a/b=", True), ("x" * 100, True), ("x" * 101, False), ("a b", False), ("", False), ("é", False)],
)
def test_a_sane_request_id_is_kept_and_any_other_is_replaced(api: Api, given: str, kept: bool):
    answer = api.get("/v1/nothing", headers={b"X-Request-Id": given.encode()})
    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.row("D1")
def test_what_breaks_inside_is_500_and_tells_only_the_log(
    shop: Credits, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("farthing.ledger.reading.books", broken)
    answer = Api(shop).get("/v1/accounts/ada/balances", headers={"X-Request-Id": "here"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "42" not in answer.text
    assert "request here failed" in caplog.text
    assert "the secret is 42" in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["credit_type", "amount", "source", "expires", "effective_at", "priority", "cost", "reason", "metadata", "x"]
FIELDS += ["usage", "operation", "measures", "dimensions", "entry", "lot", "rest", "to", "into", "plan", "calls"]
ADA = "/v1/accounts/ada"
WRITES = [f"{ADA}/{noun}" for noun in ("grants", "deductions", "charges", "holds", "holds/hold_images_1/capture")]
WRITES += [f"{ADA}/{noun}" for noun in ("reversals", "voids", "clawbacks", "transfers", "merges", "freeze", "plan")]
WRITES += [f"{ADA}/{noun}" for noun in ("plan/cancel", "plan-checkouts", "cards/sandbox", "orders/ord_1/accept")]
WRITES += ["/v1/batches", "/v1/estimates"]
CALLS = st.fixed_dictionaries(
    {"verb": st.sampled_from(["grant", "deduct", "charge", "hold", "capture", "extend", "void", "transfer"])},
    optional=dict.fromkeys(["account", "key", "credit_type", "hold", *FIELDS], JSON),
)
BATCHES = st.lists(CALLS, max_size=2).map(lambda calls: {"calls": calls})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.dictionaries(st.sampled_from(FIELDS), JSON) | BATCHES, path=st.sampled_from(WRITES))
def test_no_json_at_all_breaks_the_server(api: Api, body: object, path: str):
    answer = api.post(
        path,
        content=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
    )
    assert answer.status_code in (200, 201, 400, 402, 403, 404, 409, 422)


ODD = ["%00", "%F0%9F%A6%8A", "x" * 5000, "hold_images_0", "hold_images_-1", "hold__1", "hold_images_1%00", "%ED%A0%80"]


@pytest.mark.row("D1")
def test_ids_in_paths_that_mean_no_good_find_nothing_and_break_nothing(api: Api):
    calls = [("POST", "holds/{}/capture"), ("POST", "holds/{}/extend"), ("GET", "plan-billings/{}")]
    calls += [("DELETE", "top-ups/{}"), ("POST", "top-ups/{}/charge")]
    calls += [("GET", "cards/{}"), ("POST", "cards/{}"), ("DELETE", "cards/{}")]
    calls += [("GET", "orders/{}"), ("POST", "orders/{}/resume"), ("GET", "balances/{}")]
    for method, path in calls:
        for odd in ODD:
            answer = api.request(method, f"{ADA}/{path.format(odd)}", headers={"Idempotency-Key": "k"})
            assert answer.status_code in (404, 409, 422) or path == "cards/{}", (method, path, odd)
            assert answer.status_code < 500, (method, path, odd)
