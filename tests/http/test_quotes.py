"""Promo codes, plans and signed quotes over HTTP: what the public door says, and what only a key may have."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

import farthing
from farthing import Credits
from tests.http.conftest import Api, exact
from tests.kit import Clock
from tests.kit import shop as catalog
from tests.selling import STORE, sandbox

SHOP = f"""{STORE}
[plans.pro]
every = "1mo"
discount = 10

[promo_codes.ONCE]
percent = 50
uses = 1

[prices.chat]
calculator = "tests.calculators:told"
"""


@pytest.fixture
def market(database_url: str, clock: Clock) -> Iterator[Credits]:
    with farthing.open(
        database_url,
        catalog=catalog(SHOP),
        clock=clock,
        providers=[sandbox()],
        secret=["x" * 32],
    ) as credits:
        yield credits
        assert credits.verify().faults == []


@pytest.fixture
def api(market: Credits) -> Iterator[Api]:
    with Api(market) as client:
        yield client


@pytest.mark.row("C8", "C4", "D1")
def test_a_quote_with_a_code_is_signed_and_bought(api: Api):
    quoted = api.post("/v1/quotes", json={"credit_type": "images", "amount": 101, "promo_code": "once"})
    said = exact(quoted)
    assert [(line["kind"], Decimal(line["total"])) for line in said["lines"]] == [
        ("slab", Decimal("10.1")),
        ("promo", Decimal("-5.05")),
    ]
    assert (said["promo_code"], said["total_minor"], said["honoured_until"]) == ("ONCE", 505, "2026-01-01T00:30:00Z")
    bought = api.write("/v1/accounts/ada/checkouts", "buy:1", quote=said["token"]).json()["order"]
    assert (bought["total_minor"], bought["discount_minor"], bought["promo_code"]) == (505, 505, "ONCE")
    late = api.write("/v1/accounts/bob/checkouts", "buy:1", quote=said["token"])
    assert (late.status_code, late.json()["code"], late.json()["by"]) == (409, "promo_code_used_up", "all")
    unknown = api.post("/v1/quotes", json={"package": "starter", "promo_code": "NOPE"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "promo_code_unavailable")


@pytest.mark.row("C8", "C4")
def test_whoever_names_a_plan_at_the_public_door_gets_a_price_and_no_promise(api: Api):
    claimed = api.post("/v1/quotes", json={"credit_type": "images", "amount": 100, "plan": "pro"}).json()
    assert claimed["total_minor"] == 900
    refused = api.write("/v1/accounts/ada/checkouts", "buy:1", quote=claimed["token"])
    assert (refused.status_code, refused.json()["code"]) == (422, "quote_invalid")
    api.credits.start_plan("ada", "pro", key="plan:1")
    own = api.post("/v1/accounts/ada/quotes", json={"credit_type": "images", "amount": 100}).json()
    assert (own["plan"], own["total_minor"]) == ("pro", 900)
    assert api.write("/v1/accounts/bob/checkouts", "buy:1", quote=own["token"]).json()["code"] == "quote_invalid"
    assert api.write("/v1/accounts/ada/checkouts", "buy:1", quote=own["token"]).status_code == 201


@pytest.mark.row("C8")
def test_an_expired_quote_and_a_broken_one_have_codes_of_their_own(api: Api, clock: Clock):
    token = api.post("/v1/quotes", json={"package": "starter"}).json()["token"]
    clock.move("30m")
    over = api.write("/v1/accounts/ada/checkouts", "buy:1", quote=token)
    assert (over.status_code, over.json()["code"]) == (409, "quote_expired")
    assert api.write("/v1/accounts/ada/checkouts", "buy:1", quote="x" * 100_000).json()["code"] == "quote_invalid"


@pytest.mark.row("C3")
def test_a_calculator_that_fails_tells_nothing_of_its_inside(api: Api):
    from tests import calculators

    calculators.answer[:] = [RuntimeError("password=hunter2")]
    failed = api.post("/v1/quotes", json={"credit_type": "chat", "amount": 1})
    assert (failed.status_code, failed.json()["code"]) == (500, "calculator_failed")
    assert "hunter2" not in failed.text
    prices = {one["credit_type"]: one for one in api.get("/v1/catalog").json()["prices"]}
    assert (prices["chat"]["mode"], prices["chat"]["currencies"], prices["chat"]["slabs"]) == (
        "calculator",
        ["USD"],
        {},
    )
