"""Over HTTP: open an account, read balances, lots and the ledger."""

import csv
import io
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from farthing import Credits, keys
from farthing.http import app
from tests.http.conftest import Api
from tests.kit import Clock


@pytest.mark.row("D1", "S1")
def test_opening_an_account_twice_pays_its_gift_once(api: Api):
    opened = api.put("/v1/accounts/ada", json={"time_zone": "Europe/Berlin"})
    again = api.put("/v1/accounts/ada", json={"time_zone": "Asia/Tokyo"})
    assert opened.json() == {
        "account": "ada",
        "time_zone": "Europe/Berlin",
        "locale": "en",
        "created_at": "2026-01-01T00:00:00Z",
        "frozen_at": None,
        "merged_into": None,
    }
    assert (again.status_code, again.json()) == (200, opened.json())
    assert api.get("/v1/accounts/ada/balances/images").json()["available"] == 10


@pytest.mark.row("D1")
def test_an_account_is_opened_without_saying_anything_about_it(api: Api):
    assert api.put("/v1/accounts/ada").json()["time_zone"] == "UTC"
    assert api.get("/v1/accounts/ada").json() == api.put("/v1/accounts/ada", json={}).json()


@pytest.mark.row("D1")
def test_an_account_nobody_opened_is_not_found_and_has_zeros(api: Api):
    refused = api.get("/v1/accounts/nobody")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    balance = api.get("/v1/accounts/nobody/balances/images")
    assert (balance.status_code, balance.json()["available"]) == (200, 0)
    assert api.get("/v1/accounts/nobody/entries").json() == {"data": [], "has_more": False, "next_cursor": None}


@pytest.mark.row("D1", "L11")
def test_balances_say_what_expires_when_and_forget_what_has_expired(api: Api, clock: Clock):
    api.put("/v1/accounts/ada")
    api.grant("ada", 5, "g", source="purchase")
    [images, chat, dust] = api.get("/v1/accounts/ada/balances").json()["data"]
    assert images == {
        "account": "ada",
        "credit_type": "images",
        "posted": 15,
        "held": 0,
        "available": 15,
        "pending": 0,
        "overdraft_limit": 0,
        "expiring": [{"amount": 10, "at": "2026-01-31T00:00:00Z"}],
    }
    assert (chat["overdraft_limit"], dust["credit_type"]) == (5, "dust")
    clock.move("30d")
    assert api.get("/v1/accounts/ada/balances/images").json()["available"] == 5


@pytest.mark.row("D1", "L5")
def test_lots_are_listed_in_the_order_in_which_they_burn(api: Api):
    api.grant("ada", 1, "a", expires="never")
    api.grant("ada", 2, "b", expires="2d")
    api.grant("ada", 3, "c", "chat")
    both = api.get("/v1/accounts/ada/lots").json()["data"]
    assert [(lot["credit_type"], lot["remaining"]) for lot in both] == [("images", 2), ("images", 1), ("chat", 3)]
    chat = api.get("/v1/accounts/ada/lots", params={"credit_type": "chat"}).json()["data"]
    assert [lot["id"] for lot in chat] == ["lot_chat_1"]


@pytest.mark.row("D1", "L13")
def test_the_ledger_is_paged_without_gaps_while_new_entries_arrive(api: Api):
    for number in range(5):
        api.grant("ada", number + 1, f"g{number}", "images" if number % 2 else "chat")
    seen, cursor = [], None
    while True:
        asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get("/v1/accounts/ada/entries", params=asked).json()
        seen += [entry["amount"] for entry in page["data"]]
        api.grant("ada", 100, f"late{len(seen)}")
        cursor = page["next_cursor"]
        assert page["has_more"] is (cursor is not None)
        if not cursor:
            break
    assert sorted(seen) == [1, 2, 3, 4, 5]
    only = api.get("/v1/accounts/ada/entries", params={"credit_type": "chat"}).json()["data"]
    assert {entry["credit_type"] for entry in only} == {"chat"}


@pytest.mark.row("D1", "L13")
def test_the_ledger_is_filtered_searched_and_sorted(api: Api, clock: Clock):
    api.grant("ada", 9, "order-1", source="purchase")
    clock.move("1h")
    api.grant("ada", 2, "hello")
    clock.move("1h")
    api.deduct("ada", 4, "job-1", operation="100%")

    def keys(**asked: Any) -> list[str]:
        return [entry["key"] for entry in api.get("/v1/accounts/ada/entries", params=asked).json()["data"]]

    assert keys(kind="grant", sort="oldest") == ["order-1", "hello"]
    assert keys(kind=["grant", "deduct"], sort="smallest") == ["hello", "job-1", "order-1"]
    assert keys(source=["gift", "purchase"], sort="largest") == ["order-1", "hello"]
    assert keys(search="0%") == ["job-1"]
    assert keys(since="2026-01-01T01:00:00Z", until="2026-01-01T03:00:00+01:00") == ["hello"]
    first = api.get("/v1/accounts/ada/entries", params={"kind": "grant", "limit": 1}).json()
    assert keys(kind="grant", cursor=first["next_cursor"]) == ["order-1"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"kind": "gift"}, "invalid_field"),
        ({"source": "deduct"}, "invalid_field"),
        ({"sort": "best"}, "invalid_request"),
        ({"since": "2026-01-01"}, "invalid_request"),
        ({"until": "2026-01-01T12:00:00"}, "invalid_request"),
        ({"search": ""}, "invalid_field"),
        ({"limit": 0}, "invalid_request"),
        ({"limit": 501}, "invalid_request"),
        ({"limit": "many"}, "invalid_request"),
        ({"credittype": "images"}, "invalid_request"),
        ({"cursor": "nonsense"}, "invalid_field"),
        ({"cursor": "W1" * 30000}, "invalid_field"),
        ({"cursor": "eyJpbWFnZXMiOiAtMX0"}, "invalid_field"),
        ({"credit_type": "gold"}, "unknown_credit_type"),
        ({"credit_type": ""}, "unknown_credit_type"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(api: Api, query: dict[str, str | int], code: str):
    refused = api.get("/v1/accounts/ada/entries", params=query)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


IDS = ["ada", "a b", "a+b", "Zoë", "Zoe\u0308", "用户", "🦊", "..", "?", "#", "a:b@c", "x" * 128, '"', "\\"]


@pytest.mark.row("D1")
def test_account_ids_of_any_letters_are_kept_byte_by_byte(api: Api, shop: Credits):
    for number, account in enumerate(IDS, start=1):
        path = quote(account, safe="").replace(".", "%2E")
        answer = api.grant(path, number, "g")
        assert (answer.status_code, answer.json()["account"]) == (201, account)
        assert api.get(f"/v1/accounts/{path}/balances/images").json()["account"] == account
    assert [shop.balance(account, "images").posted for account in IDS] == list(range(1, len(IDS) + 1))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/accounts/a%2Fbalances", 404),
        ("/v1/accounts/a%2fbalances/images", 404),
        ("/v1/accounts/a%2F..%2Fb/balances", 404),
        ("/v1/accounts/%FF/balances", 404),
        ("/v1/accounts/%ED%A0%80/balances", 404),
        ("/v1/accounts//balances", 404),
        ("/v1/accounts/a/balances/", 404),
        ("/v1//accounts/a/balances", 404),
        ("/V1/accounts/a/balances", 404),
        ("/v1/accounts/a%00b/balances", 422),
        ("/v1/accounts/a%0A/balances", 422),
        ("/v1/accounts/a%C2%85b/balances", 422),
        (f"/v1/accounts/{'x' * 129}/balances", 422),
        (f"/v1/accounts/{'%C3%A9' * 65}/balances", 422),
        ("/v1/accounts/a/balances/no%00pe", 422),
    ],
)
def test_a_path_that_can_be_no_account_is_refused_and_never_read_as_another_route(api: Api, path: str, status: int):
    refused = api.get(path)
    assert (refused.status_code, refused.json()["code"] in ("not_found", "invalid_account", "unknown_credit_type")) == (
        status,
        True,
    )


@pytest.mark.row("D1")
def test_an_application_may_mount_the_api_where_it_likes(shop: Credits):
    host = FastAPI()
    host.mount("/billing", app(shop))
    secret = keys.create(shop, "host", ["admin"])[1]
    with TestClient(host, headers={"Authorization": f"Bearer {secret}"}) as caller:
        assert caller.put("/billing/v1/accounts/ada").json()["account"] == "ada"
        wrong = caller.delete("/billing/v1/accounts/ada")
        assert (wrong.status_code, wrong.headers["allow"], wrong.json()["code"]) == (
            405,
            "GET, PUT",
            "method_not_allowed",
        )
        assert caller.get("/billing/v1/accounts/a%2Fbalances").json()["code"] == "not_found"


@pytest.mark.row("D1")
def test_the_ledger_is_taken_home_as_csv_without_what_is_for_operators_alone(api: Api):
    api.grant("ada", 5, "g", reason="because she is nice")
    api.deduct("ada", 2, "d", operation="render")
    taken = api.get("/v1/accounts/ada/entries.csv", params={"sort": "oldest"})
    assert taken.headers["content-type"] == "text/csv; charset=utf-8"
    header, first, second = csv.DictReader(io.StringIO(taken.text)), *csv.DictReader(io.StringIO(taken.text))
    assert [(one["kind"], one["amount"]) for one in (first, second)] == [("grant", "5"), ("deduct", "-2")]
    assert not {"reason", "actor", "metadata"} & set(header.fieldnames or ())
    only = api.get("/v1/accounts/ada/entries.csv", params={"kind": "deduct"}).text
    assert len(only.splitlines()) == 2
    for wrong, code in (({"kind": "theft"}, "invalid_field"), ({"limit": 5}, "invalid_request")):
        refused = api.get("/v1/accounts/ada/entries.csv", params=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
