"""Over HTTP: what is sold, what it costs, and a purchase from the order to the credits."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from farthing import Credits
from farthing.providers import Bill
from farthing.providers.sandbox import Kind, Sandbox
from tests.herald import Herald
from tests.http.conftest import Api, exact
from tests.kit import Clock, proved
from tests.selling import STORE, selling

CATALOG = """
locale = "en"

[credit_types.images]
name = {en = "Images", zh = "图像"}

[credit_types.chat]
name = "Chat"
scale = 2

[packages.starter]
credit_type = "images"
credits = 100
bonus = 10
price = {USD = "9.90", JPY = 1500}
name = {en = "Starter", zh = "入门"}
popular = true
expires = "365d"

[packages.insider]
credit_type = "images"
credits = 500
price = {USD = "39.90"}
plans = ["pro"]

[packages.old]
credit_type = "images"
credits = 1000
price = {USD = "69.90"}
disabled = true

[prices.images]
mode = "volume"
min = 10
[[prices.images.slabs.USD]]
from = 1
to = 100
unit = "0.10"
[[prices.images.slabs.USD]]
from = 101
unit = "0.079999999999"
"""


@pytest.fixture
def market(database_url: str, clock: Clock) -> Iterator[Credits]:
    with proved(database_url, clock, CATALOG) as credits:
        credits.providers["sandbox"] = Sandbox(url="http://pay.test/sandbox", secrets=["x" * 32])
        yield credits


@pytest.fixture
def api(market: Credits) -> Iterator[Api]:
    with Api(market) as client:
        yield client


def tell(api: Api, order: dict[str, Any], kind: Kind, event: str, **more: Any) -> Any:
    """What the sandbox sends about an order."""
    sandbox = api.credits.providers["sandbox"]
    assert isinstance(sandbox, Sandbox)
    now = api.credits.clock()
    bill = Bill(order["id"], order["description"], order["currency"], order["total_minor"], None, now)
    body = sandbox.event(bill, kind, id=event, at=now, **more)
    return api.post("/v1/webhooks/sandbox", content=body, headers=sandbox.sign(body, now))


@pytest.mark.row("D1", "C6")
def test_anyone_sees_what_is_sold_and_nobody_what_is_not(market: Credits):
    visitor = Api(market, secret="none")
    shown = visitor.get("/v1/catalog", params={"locale": "zh-CN"}).json()
    assert (shown["currency"], shown["selling"]) == ("USD", True)
    assert [(one["code"], one["name"], one["scale"]) for one in shown["credit_types"]] == [
        ("images", "图像", 0),
        ("chat", "Chat", 2),
    ]
    starter, insider = sorted(shown["packages"], key=lambda package: package["credits"])
    assert starter == {
        "code": "starter",
        "credit_type": "images",
        "name": "入门",
        "description": None,
        "credits": 100,
        "bonus": 10,
        "prices": {"USD": 990, "JPY": 1500},
        "popular": True,
        "expires": "365d",
        "plans": [],
    }
    assert insider["plans"] == ["pro"]
    [price] = shown["prices"]
    assert (price["mode"], price["minimum"], price["step"]) == ("volume", 10, 1)
    assert price["slabs"]["USD"] == [
        {"start": 1, "end": 100, "unit": "0.10"},
        {"start": 101, "end": None, "unit": "0.079999999999"},
    ]


@pytest.mark.row("D1", "C8")
def test_anyone_gets_a_quote_with_its_working(market: Credits):
    visitor = Api(market, secret="none")
    quoted = visitor.post("/v1/quotes", json={"credit_type": "images", "amount": 50})
    assert exact(quoted)["total_minor"] == 500
    assert quoted.json()["lines"] == [
        {"kind": "slab", "start": 1, "end": 100, "amount": 50, "unit": "0.10", "total": "5"}
    ]
    assert quoted.json()["next_slab"]["amount"] == 101
    package = visitor.post("/v1/quotes", json={"package": "starter", "currency": "JPY"}).json()
    assert (package["total_minor"], package["bonus"], package["expires"]) == (1500, 10, "365d")


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({}, 422, "invalid_field"),
        ({"package": "starter", "amount": 5}, 422, "invalid_field"),
        ({"package": "none"}, 422, "package_unavailable"),
        ({"package": "old"}, 422, "package_unavailable"),
        ({"package": "insider"}, 403, "plan_required"),
        ({"package": "starter", "currency": "KWD"}, 422, "no_price"),
        ({"package": "starter", "currency": "XXZ"}, 422, "unknown_currency"),
        ({"credit_type": "images", "amount": 9}, 422, "amount_out_of_range"),
        ({"credit_type": "images", "amount": -9}, 422, "invalid_amount"),
        ({"credit_type": "images", "amount": "9" * 30}, 422, "invalid_amount"),
        ({"credit_type": "chat", "amount": 9}, 422, "no_price"),
        ({"credit_type": "gold", "amount": 9}, 422, "unknown_credit_type"),
        ({"package": 5}, 422, "invalid_request"),
        ({"pakage": "starter"}, 422, "invalid_request"),
    ],
)
def test_what_is_not_sold_like_that_is_refused_by_quote_and_checkout_alike(
    api: Api, wish: dict[str, Any], status: int, code: str
):
    for refused in (api.post("/v1/quotes", json=wish), api.write("/v1/accounts/ada/checkouts", "k", **wish)):
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert api.get("/v1/accounts/ada/orders").json() == {"data": [], "has_more": False, "next_cursor": None}


@pytest.mark.row("D1", "P1", "P11")
def test_a_package_is_ordered_paid_and_delivered_in_two_lots(api: Api):
    made = api.write("/v1/accounts/ada/checkouts", "buy", package="starter", return_url="https://shop.test/{order}")
    order = made.json()["order"]
    assert made.status_code == 201
    assert (order["status"], order["total_minor"], order["return_url"]) == (
        "open",
        990,
        f"https://shop.test/{order['id']}",
    )
    assert made.json()["url"].startswith("http://pay.test/sandbox/pay/")
    assert api.get("/v1/accounts/ada/balances/images").json()["posted"] == 0

    told = tell(api, order, "payment.paid", "evt_1")
    assert (told.status_code, told.json()) == (200, {"received": True, "duplicate": False})

    paid = api.get(f"/v1/accounts/ada/orders/{order['id']}").json()
    assert (paid["status"], paid["paid_minor"], [one["standing"] for one in paid["payments"]]) == (
        "fulfilled",
        990,
        ["paid"],
    )
    lots = api.get("/v1/accounts/ada/lots").json()["data"]
    assert sorted((lot["source"], lot["amount"], lot["cost_minor"]) for lot in lots) == [
        ("bonus", 10, 0),
        ("purchase", 100, 990),
    ]
    assert {entry["link"] for entry in api.get("/v1/accounts/ada/entries").json()["data"]} == {order["id"]}


@pytest.mark.row("D1", "L16")
def test_the_same_checkout_again_is_the_same_order(api: Api):
    first = api.write("/v1/accounts/ada/checkouts", "buy", package="starter")
    again = api.write("/v1/accounts/ada/checkouts", "buy", package="starter")
    assert again.content == first.content
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    other = api.write("/v1/accounts/ada/checkouts", "buy", package="starter", currency="JPY")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    grant = api.write("/v1/accounts/ada/grants", "buy", credit_type="images", amount=5, source="gift")
    assert (grant.status_code, grant.json()["code"]) == (422, "key_reused")
    missing = api.post("/v1/accounts/ada/checkouts", json={"package": "starter"})
    assert (missing.status_code, missing.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.row("D1")
def test_orders_are_listed_newest_first_and_belong_to_their_account(api: Api, clock: Clock):
    ids = []
    for number in range(3):
        made = api.write("/v1/accounts/ada/checkouts", f"buy{number}", package="starter")
        ids.append(made.json()["order"]["id"])
        clock.move("1m")
    first = api.get("/v1/accounts/ada/orders", params={"limit": 2}).json()
    rest = api.get("/v1/accounts/ada/orders", params={"cursor": first["next_cursor"]}).json()
    assert [order["id"] for order in first["data"] + rest["data"]] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    for path in (f"/v1/accounts/bob/orders/{ids[0]}", "/v1/accounts/ada/orders/ord_none"):
        assert api.get(path).status_code == 404


@pytest.mark.row("D1")
def test_a_unit_price_of_more_than_15_digits_goes_out_exactly(api: Api):
    quoted = api.post("/v1/quotes", json={"credit_type": "images", "amount": 1_000_000_007}).json()
    [slab, rounding] = quoted["lines"]
    assert Decimal(slab["total"]) == Decimal("0.079999999999") * 1_000_000_007
    assert Decimal(slab["total"]) + Decimal(rounding["total"]) == Decimal(quoted["total_minor"]) / 100


@pytest.mark.row("D1", "P6")
def test_a_webhook_that_the_provider_did_not_sign_is_400_and_nothing_is_stored(api: Api, clock: Clock):
    order = api.write("/v1/accounts/ada/checkouts", "buy", package="starter").json()["order"]
    sandbox = api.credits.providers["sandbox"]
    assert isinstance(sandbox, Sandbox)
    bill = Bill(order["id"], "", "USD", 990, None, clock.now)
    body = sandbox.event(bill, "payment.paid", id="evt_1", at=clock.now)
    forged = Sandbox(url="http://x", secrets=["y" * 32]).sign(body, clock.now)
    late = sandbox.sign(body, clock.now - timedelta(minutes=6))
    for headers in ({}, forged, late, sandbox.sign(body, clock.now) | {"sandbox-signature": "t=é"}):
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        refused = api.post("/v1/webhooks/sandbox", content=body, headers=raw)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_signature")
    changed = api.post("/v1/webhooks/sandbox", content=body + b" ", headers=sandbox.sign(body, clock.now))
    assert changed.status_code == 400
    assert api.credits.provider_events() == []
    assert api.credits.bad_signatures["sandbox"] == 5
    assert api.get(f"/v1/accounts/ada/orders/{order['id']}").json()["status"] == "open"


@pytest.mark.row("D1", "P6")
def test_a_webhook_again_is_acknowledged_and_pays_nothing_twice(api: Api):
    order = api.write("/v1/accounts/ada/checkouts", "buy", package="starter").json()["order"]
    answers = [tell(api, order, "payment.paid", event).json() for event in ("evt_1", "evt_1", "evt_2")]
    assert [answer["duplicate"] for answer in answers] == [False, True, False]
    assert api.get("/v1/accounts/ada/balances/images").json()["posted"] == 110


@pytest.mark.row("D1", "P6")
def test_webhooks_that_are_too_large_or_for_nobody_are_refused(api: Api, clock: Clock):
    sandbox = api.credits.providers["sandbox"]
    assert isinstance(sandbox, Sandbox)
    large = json.dumps({"x": "x" * 2**20}).encode()
    refused = api.post("/v1/webhooks/sandbox", content=large, headers=sandbox.sign(large, clock.now))
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    unknown = api.post("/v1/webhooks/nobody", content=b"{}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_provider")
    odd = b'{"id": "evt_9", "type": "something.else", "livemode": false}'
    assert api.post("/v1/webhooks/sandbox", content=odd, headers=sandbox.sign(odd, clock.now)).status_code == 200
    assert [event.outcome for event in api.credits.provider_events()] == ["unknown"]


def test_nothing_is_offered_while_selling_is_switched_off(database_url: str, clock: Clock):
    with proved(database_url, clock, CATALOG + "\n[switches]\nselling = false\n") as credits:
        api = Api(credits)
        shown = api.get("/v1/catalog").json()
        assert (shown["selling"], shown["packages"], shown["prices"]) == (False, [], [])
        refused = api.post("/v1/quotes", json={"package": "starter"})
        assert (refused.status_code, refused.json()["code"]) == (403, "switched_off")


@pytest.mark.row("C1")
def test_nobody_is_sent_to_a_provider_that_is_switched_off(database_url: str, clock: Clock):
    with selling(database_url, clock, STORE + "\n[switches.providers]\nsandbox = false\n") as credits:
        api = Api(credits)
        assert api.post("/v1/quotes", json={"package": "starter"}).status_code == 200
        refused = api.write("/v1/accounts/ada/checkouts", "buy:1", package="starter")
        assert (refused.status_code, refused.json()["code"]) == (403, "switched_off")
        assert refused.json()["switch"] == "providers.sandbox"
        assert credits.orders("ada").data == []


@pytest.mark.row("C1")
def test_no_gift_is_paid_through_the_api_while_gifts_are_switched_off(database_url: str, clock: Clock):
    with proved(database_url, clock, CATALOG + "\n[switches]\ngifts = false\n") as credits:
        api = Api(credits)
        assert api.put("/v1/accounts/ada", json={}).status_code in (200, 201)
        assert credits.balance("ada", "images").posted == 0


@pytest.mark.row("P3", "P10", "D1")
def test_a_form_has_what_it_needs_in_the_answer_and_in_no_other(api: Api):
    api.credits.providers["herald"] = herald = Herald()
    asked = {"package": "starter", "provider": "herald", "form": True, "email": "ada@example.com", "locale": "en"}
    asked |= {"metadata": {"team": "blue"}}
    made = api.write("/v1/accounts/ada/checkouts", "cart:1", **asked)
    assert made.status_code == 201
    answer = made.json()
    assert (answer["url"], answer["publishable_key"]) == (None, "pk_test_herald")
    assert answer["client_secret"].startswith("form_ord_")
    again = api.write("/v1/accounts/ada/checkouts", "cart:1", **asked)
    assert (again.json(), again.headers["idempotent-replayed"]) == (answer, "true")
    order = api.get(f"/v1/accounts/ada/orders/{answer['order']['id']}")
    assert answer["client_secret"] not in order.text
    told = {"form": True, "save_card": False, "email": "ada@example.com", "locale": "en", "metadata": {"team": "blue"}}
    assert told.items() <= order.json().items()
    assert (herald.asked[0].email, herald.asked[0].metadata) == ("ada@example.com", {"team": "blue"})


@pytest.mark.row("P10", "D1")
@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ada"},
        {"locale": "english please"},
        {"metadata": {"farthing": "x"}},
        {"form": True},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_passed_on_is_refused_with_its_field(api: Api, wrong: dict[str, Any]):
    refused = api.write("/v1/accounts/ada/checkouts", "cart:1", package="starter", **wrong)
    assert (refused.json()["code"], refused.json()["field"]) == ("invalid_field", *wrong)
    assert api.get("/v1/accounts/ada/orders").json()["data"] == []
