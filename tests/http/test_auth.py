"""Who may call what: every route × every kind of caller."""

import re
from pathlib import Path

import pytest

from farthing import Credits, keys
from farthing.http import app
from farthing.http.auth import PUBLIC, scope_of
from farthing.http.route import Route, router
from farthing.keys import CACHE_S, SCOPES
from tests.http.conftest import Api, routes
from tests.kit import Clock

# A new route has to be written here, with the scope it needs (None: anyone), or these tests fail.
A = "/v1/accounts/{account}"
NEEDS = {
    ("GET", A): "read",
    ("PUT", A): "grant",
    ("POST", f"{A}/freeze"): "admin",
    ("POST", f"{A}/unfreeze"): "admin",
    ("POST", f"{A}/merges"): "admin",
    ("POST", f"{A}/erase"): "admin",
    ("GET", f"{A}/balances"): "read",
    ("GET", f"{A}/balances/{{credit_type}}"): "read",
    ("GET", f"{A}/lots"): "read",
    ("GET", f"{A}/entries"): "read",
    ("GET", f"{A}/entries.csv"): "read",
    ("GET", f"{A}/explain"): "read",
    ("POST", f"{A}/grants"): "grant",
    ("POST", f"{A}/deductions"): "spend",
    ("POST", f"{A}/checks"): "read",
    ("POST", f"{A}/charges"): "spend",
    ("POST", "/v1/estimates"): "read",
    ("GET", f"{A}/holds"): "read",
    ("POST", f"{A}/holds"): "spend",
    ("POST", f"{A}/holds/{{hold}}/capture"): "spend",
    ("POST", f"{A}/holds/{{hold}}/release"): "spend",
    ("POST", f"{A}/holds/{{hold}}/extend"): "spend",
    ("POST", f"{A}/reversals"): "spend",
    ("POST", f"{A}/voids"): "admin",
    ("POST", f"{A}/clawbacks"): "admin",
    ("POST", f"{A}/transfers"): "admin",
    ("POST", "/v1/batches"): "spend",
    ("GET", f"{A}/plan"): "read",
    ("POST", f"{A}/plan"): "grant",
    ("POST", f"{A}/plan/renew"): "grant",
    ("POST", f"{A}/plan/change"): "grant",
    ("POST", f"{A}/plan/cancel"): "grant",
    ("POST", f"{A}/plan-checkouts"): "sell",
    ("GET", f"{A}/plan-billings"): "read",
    ("GET", f"{A}/plan-billings/{{billing}}"): "read",
    ("POST", f"{A}/plan-portal-links"): "sell",
    ("GET", f"{A}/top-ups"): "read",
    ("PUT", f"{A}/top-ups/{{credit_type}}"): "sell",
    ("DELETE", f"{A}/top-ups/{{credit_type}}"): "sell",
    ("POST", f"{A}/top-ups/{{credit_type}}/resume"): "sell",
    ("POST", f"{A}/top-ups/{{credit_type}}/charge"): "sell",
    ("GET", f"{A}/cards/{{provider}}"): "read",
    ("POST", f"{A}/cards/{{provider}}"): "sell",
    ("DELETE", f"{A}/cards/{{provider}}"): "sell",
    ("GET", "/v1/catalog"): None,
    ("POST", "/v1/quotes"): None,
    ("POST", f"{A}/quotes"): "sell",
    ("POST", f"{A}/checkouts"): "sell",
    ("GET", f"{A}/orders"): "read",
    ("GET", f"{A}/orders/{{order}}"): "read",
    ("POST", f"{A}/orders/{{order}}/resume"): "sell",
    ("POST", f"{A}/orders/{{order}}/accept"): "admin",
    ("POST", f"{A}/orders/{{order}}/dismiss"): "admin",
    ("POST", "/v1/webhooks/{provider}"): None,
}
OTHER_MODE = f"frt_live_{'A' * 43}"


@pytest.mark.row("D2")
def test_every_route_has_the_rule_that_is_written_here(api: Api):
    assert {operation: scope_of(route.openapi_extra) for operation, route in routes(api.api).items()} == NEEDS


@pytest.mark.row("D2")
def test_what_openapi_says_of_a_route_is_what_is_enforced(api: Api):
    described = api.get("/v1/openapi.json").json()
    said = {
        (method.upper(), path): scope_of(operation)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    }
    assert said == NEEDS
    assert list(described["components"]["securitySchemes"]) == ["api_key"]


@pytest.mark.row("D2")
def test_the_page_lists_every_route_and_scope_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
    listed = re.findall(r"^\| `([A-Z]+) (\S+)` \| (`(\w+)`|anyone) \|", page, re.MULTILINE)
    assert {(method, path): scope or None for method, path, _, scope in listed} == NEEDS
    assert dict(re.findall(r"^\| `(\w+)` \| ([^|`]+) \|$", page, re.MULTILINE)) == SCOPES


@pytest.mark.row("D2")
def test_each_caller_gets_through_or_not_at_every_route(shop: Credits):
    api = Api(shop)
    revoked_id, revoked = keys.create(shop, "gone", ["admin"])
    keys.revoke(shop, revoked_id)
    callers = {"nobody": None, "revoked": revoked, "other mode": OTHER_MODE, "unknown": f"frt_test_{'A' * 43}"}
    callers |= {scope: keys.create(shop, scope, [scope])[1] for scope in SCOPES}

    def ask(method: str, address: str, secret: str | None) -> str | None:
        api.headers.pop("Authorization", None)
        answer = api.request(method, address, headers={"Authorization": f"Bearer {secret}"} if secret else {})
        if answer.status_code not in (401, 403):
            return None
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        return answer.json()["code"]

    for (method, path), needed in NEEDS.items():
        address = re.sub(r"{\w+}", "x", path.replace("{account}", "ada").replace("{credit_type}", "images"))
        expected: dict[str, str | None] = dict.fromkeys(callers)
        if needed:
            expected |= {"nobody": "api_key_missing", "revoked": "api_key_invalid", "unknown": "api_key_invalid"}
            expected |= {"other mode": "api_key_wrong_mode"}
            expected |= {scope: "scope_missing" for scope in SCOPES if scope not in (needed, "admin")}
        assert {caller: ask(method, address, secret) for caller, secret in callers.items()} == expected, (method, path)


@pytest.mark.row("D2")
def test_a_refused_caller_learns_which_scope_is_missing(shop: Credits):
    api = Api(shop, "read", "sell")
    refused = api.grant("ada", 5, "g")
    assert refused.status_code == 403
    assert (refused.json()["scope"], refused.json()["scopes"]) == ("grant", ["read", "sell"])
    assert 'scope="grant"' in refused.headers["www-authenticate"]
    assert api.get("/v1/accounts/ada/entries").json()["data"] == []


@pytest.mark.row("D2")
@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "frt_test_x", "Bearer  ", "Token abc"),
        *("Bearer frt_test_short", "Bearer a b", "Bearer " + "x" * 10_000, "Bearer frt_test_" + "é" * 43),
    ],
)
def test_what_is_no_key_is_401_and_never_anything_worse(shop: Credits, authorization: str):
    api = Api(shop)
    api.headers.pop("Authorization")
    refused = api.get("/v1/accounts/ada", headers={b"Authorization": authorization.encode()})
    assert refused.status_code == 401
    twice = api.get("/v1/accounts/ada", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert (twice.status_code, twice.json()["code"]) == (401, "api_key_missing")


@pytest.mark.row("D2")
def test_nothing_of_a_body_is_read_before_the_caller_is_known(shop: Credits):
    api = Api(shop, secret="frt_test_nobody")
    refused = api.post("/v1/accounts/ada/grants", content=b"{" * 1000, headers={"Content-Type": "application/json"})
    assert refused.status_code == 401


@pytest.mark.row("D2")
def test_a_key_revoked_while_it_is_in_use_is_refused_within_five_seconds(shop: Credits, clock: Clock):
    key_id, secret = keys.create(shop, "one", ["read"])
    api = Api(shop, secret=secret)
    assert api.get("/v1/accounts/ada/balances").status_code == 200
    keys.revoke(shop, key_id)
    clock.move(f"{CACHE_S}s")
    assert api.get("/v1/accounts/ada/balances").status_code == 401


@pytest.mark.row("D2")
def test_using_a_key_is_noted_beside_the_request(shop: Credits, clock: Clock):
    with Api(shop) as api:
        api.get("/v1/accounts/ada/balances")

        async def noted() -> None:
            for task in list(api.api.state.noting):
                await task

        assert api.portal
        api.portal.call(noted)
    assert [key.last_used_at for key in keys.list_keys(shop)] == [clock.now]


def test_a_note_that_fails_does_not_fail_the_request(shop: Credits, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("farthing.http.auth.note_use", lambda *_: 1 / 0)
    with Api(shop) as api:
        assert api.get("/v1/accounts/ada/balances").status_code == 200


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made():
    async def anything() -> None: ...

    group = router("Tests")
    with pytest.raises(TypeError, match="who may call it"):
        group.get("/anything")(anything)
    group.get("/anything", openapi_extra=PUBLIC)(anything)
    assert isinstance(group.routes[0], Route)


def test_other_sites_scripts_are_not_let_in(shop: Credits):
    api = app(shop)
    answer = Api(shop).options(
        "/v1/accounts/ada", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    )
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert api.docs_url is None
