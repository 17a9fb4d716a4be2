"""Lemon Squeezy, played by a town of our own: what we ask of it, and what we believe of what it says."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

import farthing
from farthing import opening, settings
from farthing.core.payments import Notice, Refund
from farthing.errors import BadSignature, ModeMismatch, NotBillable, ProviderUnavailable, SettingsInvalid
from farthing.providers import Asks, Bill
from farthing.providers.lemonsqueezy import LemonSqueezy
from tests.kit import Clock
from tests.lemon_town import KEY, NOW, SECRET, STORE, VARIANT, LemonTown, lemon_town, provider
from tests.selling import STORE as CATALOG
from tests.selling import selling

pytestmark = pytest.mark.row("P4")

BILL = Bill("ord_1", "110 Image credits", "USD", 990, "https://shop.test/orders/ord_1", NOW + timedelta(days=1))
FAILING = Response(status_code=500)


@pytest.fixture
def town() -> Generator[LemonTown]:
    with lemon_town() as here:
        yield here


def facts(town: LemonTown, number: str, **told: Any) -> tuple[Any, ...]:
    """What we find where an order of the town tells us to look."""
    found = provider(town, **told).look(f"order:{number}")
    assert found
    return found.facts


# What we ask of it.


def test_a_checkout_is_asked_for_in_the_words_of_their_documentation(town: LemonTown):
    asks = Asks(promotion_codes=True)
    bill = BILL._replace(email="ada@example.com", metadata={"campaign": "may", "order": "ord_9"}, asks=asks)
    started = provider(town).start(bill)
    asked = town.asked[-1]
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("POST", "/v1/checkouts", f"Bearer {KEY}")
    assert asked.headers["accept"] == asked.headers["content-type"] == "application/vnd.api+json"
    assert json.loads(asked.body) == {
        "data": {
            "type": "checkouts",
            "attributes": {
                "custom_price": 990,
                "product_options": {
                    "name": "110 Image credits",
                    "description": "Order ord_1",
                    "enabled_variants": [42],
                    "redirect_url": "https://shop.test/orders/ord_1",
                },
                "checkout_options": {"discount": True},
                "checkout_data": {
                    "custom": {"campaign": "may", "order": "ord_1"},
                    "email": "ada@example.com",
                },
                "expires_at": "2026-01-02T12:00:00Z",
                "test_mode": True,
            },
            "relationships": {
                "store": {"data": {"type": "stores", "id": "7"}},
                "variant": {"data": {"type": "variants", "id": "42"}},
            },
        }
    }
    assert started.reference == f"checkout:{town.checkouts[0]['id']}"
    assert started.url == town.checkouts[0]["attributes"]["url"]


def test_their_promotions_are_off_unless_the_catalog_asks_for_them(town: LemonTown):
    provider(town).start(BILL)
    assert town.checkouts[0]["attributes"]["checkout_options"] == {"discount": False}


def test_only_the_stores_currency_is_collected(town: LemonTown):
    shop = provider(town)
    shop.require_billable("USD", 990)
    for ask in (lambda: shop.require_billable("EUR", 990), lambda: shop.start(BILL._replace(currency="EUR"))):
        with pytest.raises(NotBillable) as caught:
            ask()
        assert (caught.value.facts["provider"], caught.value.facts["currency"]) == ("lemonsqueezy", "EUR")
    assert town.asked == []


def test_a_store_that_sells_in_another_currency_than_we_were_told_makes_no_checkout(town: LemonTown):
    town.currency = "EUR"
    with pytest.raises(NotBillable, match="EUR"):
        provider(town).start(BILL)
    assert town.checkouts == []
    provider(town, currency="EUR").start(BILL._replace(currency="EUR"))
    assert len(town.checkouts) == 1


def test_what_it_will_not_collect_is_refused_in_its_own_words(town: LemonTown):
    with pytest.raises(NotBillable, match="at least 50"):
        provider(town).start(BILL._replace(total_minor=49))


def test_a_key_of_the_other_mode_collects_nothing(town: LemonTown):
    town.test_mode = False
    with pytest.raises(ModeMismatch, match="live mode, and Farthing was told test mode"):
        provider(town).start(BILL)
    with pytest.raises(ModeMismatch):  # and the checkout that was made by it is not found again
        provider(town).start(BILL)


# Bad days.


@pytest.mark.parametrize("wrong", ["slow", "lost"])
def test_a_checkout_whose_answer_was_lost_is_found_again(town: LemonTown, wrong: Any):
    shop = provider(town, timeout_s=0.3)
    shop.start(BILL._replace(order="ord_0"))
    town.wrong = [None, wrong]  # the list is read, the checkout is made
    with pytest.raises(ProviderUnavailable):
        shop.start(BILL)
    assert [one["attributes"]["checkout_data"]["custom"]["order"] for one in town.checkouts] == ["ord_0", "ord_1"]
    assert shop.start(BILL).reference == f"checkout:{town.checkouts[1]['id']}"
    assert len(town.checkouts) == 2


def test_a_bill_of_another_price_is_another_checkout(town: LemonTown):
    shop = provider(town)
    assert shop.start(BILL).reference != shop.start(BILL._replace(total_minor=991)).reference


def test_two_checkouts_made_at_once_for_one_order_are_from_then_on_the_first(town: LemonTown):
    shop = provider(town)
    made = shop.start(BILL)
    twin = json.loads(json.dumps(town.checkouts[0])) | {"id": "00000000-0000-0000-0000-0000000000ff"}
    town.checkouts.append(twin)
    assert shop.start(BILL) == made


def test_what_may_have_been_done_is_not_asked_again_and_what_is_safe_is_asked_three_times(town: LemonTown):
    slept: list[float] = []
    shop = provider(town, sleep=slept.append)
    shop.start(BILL._replace(order="ord_0"))
    town.asked.clear()
    town.wrong = [None, FAILING]
    with pytest.raises(ProviderUnavailable, match="answered 500"):
        shop.start(BILL)
    assert ([one.method for one in town.asked], slept) == (["GET", "POST"], [])
    town.wrong = [FAILING, "lost"]
    assert shop.look("order:1") is None
    assert slept == [0.25, 1.0]
    town.wrong = [FAILING, FAILING, FAILING]
    with pytest.raises(ProviderUnavailable):
        shop.look("order:1")
    assert town.wrong == []


def test_being_asked_too_often_is_waited_for_a_little_and_no_longer(town: LemonTown):
    slept: list[float] = []
    shop = provider(town, sleep=slept.append)
    shop.start(BILL._replace(order="ord_0"))
    town.wrong = [None, Response(status_code=429, headers={"retry-after": "2"})]
    shop.start(BILL)
    assert slept == [2.0]
    town.wrong = [Response(status_code=429, headers={"retry-after": "60"})]
    with pytest.raises(ProviderUnavailable, match="too often"):
        shop.look("order:1")
    assert slept == [2.0]


def test_nobody_there_is_told_as_such(town: LemonTown):
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        provider(town, api_base="http://127.0.0.1:9").look("order:1")


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"[]", b'{"data":[]}', b'{"data":{}}', b"<html>", b"[" * 100_000, b'{"data":{"id":"1"}}']
)
def test_an_answer_nobody_documents_is_no_answer(town: LemonTown, answer: bytes):
    town.wrong = [Response(answer)]
    with pytest.raises(ProviderUnavailable):
        provider(town).look("order:1")


def test_no_secret_is_in_what_it_prints_or_raises(town: LemonTown):
    shop, wrong_key = provider(town), provider(town, api_key="another-key-of-the-tests")
    said = [repr(shop), f"{shop}"]
    for ask in (lambda: wrong_key.look("order:1"), lambda: wrong_key.start(BILL), lambda: shop.verify({}, b"", NOW)):
        with pytest.raises((ProviderUnavailable, BadSignature)) as caught:
            ask()
        said.append(repr(caught.value))
        assert caught.value.__cause__ is None
    assert "refused the API key (401)" in said[2]
    assert not any(secret in one for one in said for secret in (KEY, SECRET, "another-key"))
    assert repr(shop) == "LemonSqueezy(store='7', variant='42', currency='USD', test)"


# What it says by webhook.

AS_DOCUMENTED = {
    "meta": {"event_name": "order_created", "custom_data": {"order": "ord_1"}},
    "data": {
        "type": "orders",
        "id": "1",
        "attributes": {
            "store_id": 7,
            "customer_id": 1,
            "identifier": "636f855c-1fb9-4c07-b75c-3a10afef010a",
            "order_number": 1,
            "user_name": "Darlene Daugherty",
            "user_email": "gernser@example.com",
            "currency": "USD",
            "currency_rate": "1.0000",
            "subtotal": 999,
            "discount_total": 0,
            "tax": 200,
            "total": 1199,
            "subtotal_usd": 999,
            "discount_total_usd": 0,
            "tax_usd": 200,
            "total_usd": 1199,
            "tax_name": "VAT",
            "tax_rate": "20.00",
            "status": "paid",
            "status_formatted": "Paid",
            "refunded": False,
            "refunded_at": None,
            "first_order_item": {"id": 1, "order_id": 1, "product_id": 1, "variant_id": 42, "price": 999},
            "created_at": "2021-08-11T13:47:28.000000Z",
            "updated_at": "2021-08-11T13:54:19.000000Z",
            "test_mode": True,
        },
    },
}


def test_an_event_of_the_documented_shape_names_our_order_and_where_to_look(town: LemonTown):
    event = provider(town).read(json.dumps(AS_DOCUMENTED).encode())
    assert (event.id, event.kind, event.livemode, event.facts) == (None, "order_created", False, ())
    assert event.references == ("ord_1", "order:1", "636f855c-1fb9-4c07-b75c-3a10afef010a")
    assert (event.look, event.customer) == ("order:1", "1")


def test_an_order_of_an_older_shape_is_understood(town: LemonTown):
    town.orders["1"] = AS_DOCUMENTED["data"]
    [notice] = facts(town, "1")
    at = datetime.fromisoformat("2021-08-11T13:47:28+00:00")
    assert notice == Notice("order:1", "paid", at, 1199, 200, "USD")
    town.turn("1", refunded=True, status="refunded")
    assert facts(town, "1")[1].amount_minor == 1199
    town.turn("1", refunded=False, status="partial_refund")
    with pytest.raises(ProviderUnavailable, match="does not say how much"):
        facts(town, "1")


def test_the_official_header_is_the_hex_hmac_of_the_raw_body():
    shop = provider(LemonTown())
    body = b'{"meta": {"event_name":"order_created"}}'
    right = (
        "29ea9c19ecb316d3e09c0fa2e9ede232ab51c03bfcba880d0ed0328aacd0d68f"  # what `openssl dgst -sha256 -hmac` answers
    )
    shop.verify({"x-signature": right, "x-event-name": "order_created"}, body, NOW)
    for wrong in (right.upper(), right[:-1], f"sha256={right}", f"{right} ", right[::-1]):
        with pytest.raises(BadSignature):
            shop.verify({"x-signature": wrong}, body, NOW)


def test_secrets_can_be_changed_and_each_of_them_is_accepted(town: LemonTown):
    number = town.sell(990, {"order": "ord_1"})
    headers, body = town.webhook("order_created", number)
    provider(town, "a newer secret of the tests", SECRET).verify(headers, body, NOW)
    with pytest.raises(BadSignature):
        provider(town, "a newer secret of the tests").verify(headers, body, NOW)


def test_a_webhook_replayed_after_months_says_what_is_true_now(town: LemonTown):
    shop, number = provider(town), town.sell(990, {"order": "ord_1"})
    headers, body = town.webhook("order_created", number)
    town.refund(number, 990)
    shop.verify(headers, body, NOW + timedelta(days=200))
    look = shop.read(body).look
    assert look
    found = shop.look(look)
    assert found and [type(one) for one in found.facts] == [Notice, Refund]


def test_a_webhook_that_comes_again_is_stored_once(database_url: str, clock: Clock, town: LemonTown):
    headers, body = town.webhook("order_created", town.sell(990, {"order": "ord_1"}))
    with selling(database_url, clock, CATALOG, [provider(town)]) as credits:
        first = credits.receive("lemonsqueezy", headers, body)
        clock.move("200d")
        again = credits.receive("lemonsqueezy", headers, body)
        assert (first.duplicate, again.duplicate, first.event) == (False, True, again.event)
        assert len(credits.provider_events()) == 1


def test_a_forged_name_of_an_order_brings_that_order_no_more_than_was_paid(town: LemonTown):
    """`?checkout[custom][order]=…` after the address of any page of the store names any order, and is signed too."""
    number = town.sell(50, {"order": "ord_of_somebody"})
    event = provider(town).read(town.webhook("order_created", number)[1])
    assert event.references[0] == "ord_of_somebody"
    assert [(one.amount_minor, one.currency) for one in facts(town, number)] == [(50, "USD")]


@pytest.mark.parametrize("forged", [{"order": ["ord_1"]}, {"order": "ord_1\n"}, {"order": 1}, {}, [], "ord_1", None])
def test_custom_data_that_is_not_ours_names_no_order(town: LemonTown, forged: Any):
    number = town.sell(990, {})
    event = provider(town).read(town.webhook("order_created", number, custom_data=forged)[1])
    assert event.references[0] == f"order:{number}"


@pytest.mark.parametrize(
    "told", [{"store_id": 8}, {"first_order_item": {"variant_id": 43}}], ids=["another store", "another product"]
)
def test_an_order_of_something_else_means_nothing(town: LemonTown, told: dict[str, Any]):
    shop, number = provider(town), town.sell(990, {"order": "ord_1"}, **told)
    event = shop.read(town.webhook("order_created", number)[1])
    assert (event.facts, event.look) == ((), None)
    assert shop.look(f"order:{number}") is None


def test_an_order_of_the_other_mode_says_so_and_is_not_believed(town: LemonTown):
    number = town.sell(990, {"order": "ord_1"})
    live = provider(town, livemode=True)
    event = live.read(town.webhook("order_created", number)[1])
    assert (event.livemode, event.facts, event.look) == (False, (), None)
    assert live.look(f"order:{number}") is None
    assert provider(town).look(f"order:{number}")


@pytest.mark.parametrize("kind", ["subscription_created", "subscription_payment_success", "license_key_created"])
def test_other_events_have_no_facts_for_now_and_still_name_our_order(town: LemonTown, kind: str):
    number = town.sell(990, {"order": "ord_1"})
    event = provider(town).read(town.webhook(kind, number)[1])
    assert (event.kind, event.references, event.facts, event.look) == (kind, ("ord_1",), (), None)


# What was paid.


def test_what_the_store_adds_and_takes_off_is_told_apart(town: LemonTown):
    """USD 9.90 less a promotion of 0.90 is 9.00, and 20 % tax on that is 1.80: the customer pays 10.80."""
    town.tax_percent = 20
    [notice] = facts(town, town.sell(990, {}, discount_total=90))
    assert notice._replace(payment="") == Notice("", "paid", NOW, 1080, 180, "USD", discount_minor=90)
    assert notice.amount_minor - notice.tax_minor + notice.discount_minor == 990


def test_tax_that_is_part_of_the_price_is_told_as_tax(town: LemonTown):
    """So what is left is less than the order asks for, and a person decides: the docs say to add tax on top."""
    town.tax_percent, town.tax_inclusive = 20, True
    [notice] = facts(town, town.sell(990, {}))
    assert (notice.amount_minor, notice.tax_minor) == (990, 165)


def test_refunds_are_told_as_all_that_went_back_until_then(town: LemonTown):
    number = town.sell(990, {})
    for days, amount, all_of_it in ((1, 100, 100), (2, 200, 300), (3, 690, 990)):
        town.now = NOW + timedelta(days=days)
        town.refund(number, amount)
        paid, back = facts(town, number)
        assert paid == Notice(f"order:{number}", "paid", NOW, 990, 0, "USD")
        assert back == Refund(f"order:{number}", None, "succeeded", town.now, all_of_it, "USD")
    assert town.orders[number]["attributes"]["status"] == "refunded"


def test_a_refund_counts_though_the_order_still_calls_itself_paid(town: LemonTown):
    number = town.sell(990, {}, refunded_amount=100)
    assert [type(one) for one in facts(town, number)] == [Notice, Refund]


def test_a_customer_who_paid_in_another_currency_paid_what_the_order_says_in_dollars(town: LemonTown):
    euros = {"currency": "EUR", "currency_rate": "1.1000", "total": 900, "subtotal": 900, "refunded_amount": 90}
    number = town.sell(990, {}, **euros, refunded_amount_usd=99)
    paid, back = facts(town, number)
    assert (paid.amount_minor, paid.currency) == (990, "USD")
    assert (back.amount_minor, back.currency) == (99, "USD")


def test_a_store_in_euros_is_told_the_currency_that_was_paid_since_nothing_says_it_in_euros(town: LemonTown):
    number = town.sell(990, {}, currency="GBP", total=800)
    [notice] = facts(town, number, currency="EUR")
    assert (notice.amount_minor, notice.currency) == (800, "GBP")
    [notice] = facts(town, town.sell(990, {}, currency="EUR", total_usd=1100), currency="EUR")
    assert (notice.amount_minor, notice.currency) == (990, "EUR")


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [("pending", "pending", None), ("failed", "failed", None), ("fraudulent", "failed", "fraudulent")],
)
def test_an_order_that_brought_no_money_says_why(town: LemonTown, status: str, said: str, reason: str | None):
    number = town.sell(990, {}, "pending")
    town.now = NOW + timedelta(hours=1)
    town.turn(number, status=status)
    [notice] = facts(town, number)
    assert (notice.said, notice.reason, notice.amount_minor, notice.at) == (said, reason, 0, town.now)


def test_a_fraud_that_was_paid_back_says_both(town: LemonTown):
    number = town.sell(990, {})
    town.refund(number, 990)
    town.turn(number, status="fraudulent")
    failed, back = facts(town, number)
    assert (failed.said, back.amount_minor) == ("failed", 990)


def test_another_order_than_was_asked_for_is_not_believed(town: LemonTown):
    number = town.sell(990, {})
    town.orders["2000"] = town.orders[number]
    with pytest.raises(ProviderUnavailable, match="another order"):
        provider(town).look("order:2000")


@pytest.mark.parametrize(
    "told", [{"status": "weighed"}, {"total": "990"}, {"total": -1}, {"tax": 9.9}, {"tax": True}, {"currency": None}]
)
def test_an_order_that_we_do_not_understand_is_asked_for_again_later(town: LemonTown, told: dict[str, Any]):
    with pytest.raises(ProviderUnavailable, match="do not understand"):
        facts(town, town.sell(990, {}, **told))


def test_a_checkout_only_says_whose_it_is(town: LemonTown):
    shop = provider(town)
    started = shop.start(BILL)
    found = shop.look(started.reference)
    assert found and (found.references, found.facts) == ((started.reference, "ord_1"), ())


@pytest.mark.parametrize(
    "name",
    [
        *("", "order:", "order:1000000", "order:../stores/7", "order:1?x=1", "checkout:1"),
        *("checkout:../../orders/1000", "checkout:00000000-0000-0000-0000-000000000099"),
        *("variant:1", "1000", "sandbox_ord_1"),
    ],
)
def test_what_it_does_not_know_is_nothing(town: LemonTown, name: str):
    town.sell(990, {})
    assert provider(town).look(name) is None
    assert all(one.path.startswith(("/v1/orders/1000000", "/v1/checkouts/0")) for one in town.asked)


# The whole way, and the way in.


def test_a_customer_pays_on_the_page_and_the_shop_is_told(town: LemonTown):
    shop = provider(town)
    town.webhook_url = f"{town.url}/shop"
    page = httpx2.get(shop.start(BILL).url or "", trust_env=False)
    assert "110 Image credits" in page.text
    answer = httpx2.post(str(page.url), trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, BILL.return_url)
    [(headers, body)] = town.delivered
    shop.verify(headers, body, NOW)
    event = shop.read(body)
    assert event.references[0] == "ord_1" and event.look
    found = shop.look(event.look)
    assert found and found.facts == (Notice(event.look, "paid", NOW, 990, 0, "USD"),)


@pytest.mark.parametrize(
    "told",
    [
        {"api_key": ""},
        {"api_key": "two words"},
        {"api_key": "a key\n"},
        {"store": "my-store"},
        {"variant": ""},
        {"secrets": []},
        {"secrets": ["short"]},
        {"secrets": ["long enough to be one", ""]},
        {"currency": "JPY"},
        {"currency": "KWD"},
    ],
)
def test_what_cannot_be_right_is_refused_before_anybody_pays(told: dict[str, Any]):
    with pytest.raises(SettingsInvalid):
        provider(LemonTown(), **told)


VARIABLES = {
    "FARTHING_LEMONSQUEEZY_API_KEY": KEY,
    "FARTHING_LEMONSQUEEZY_STORE_ID": STORE,
    "FARTHING_LEMONSQUEEZY_VARIANT_ID": VARIANT,
    "FARTHING_LEMONSQUEEZY_WEBHOOK_SECRET": f"{SECRET.replace(' ', '-')},another-one-of-the-tests",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> pytest.MonkeyPatch:
    (tmp_path / "farthing.toml").write_text(CATALOG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARTHING_DATABASE_URL", database_url)
    for name, said in VARIABLES.items():
        monkeypatch.setenv(name, said)
        monkeypatch.delenv(name.removeprefix("FARTHING_"), raising=False)
    return monkeypatch


def test_the_environment_sets_it_up_in_the_databases_mode(environment: pytest.MonkeyPatch):
    with opening.from_settings(settings.load()) as credits:
        shop = credits.providers["lemonsqueezy"]
        assert isinstance(shop, LemonSqueezy)
        assert (shop.store, shop.variant, shop.currency, shop.livemode) == (STORE, VARIANT, "USD", False)


def test_a_live_database_makes_it_live(environment: pytest.MonkeyPatch, tmp_path: Path):
    environment.setenv("FARTHING_DATABASE_URL", "sqlite:///live.db")
    farthing.migrate("sqlite:///live.db", mode="live")
    with opening.from_settings(settings.load()) as credits:
        assert credits.providers["lemonsqueezy"].livemode is True


@pytest.mark.parametrize("missing", VARIABLES)
def test_set_up_in_part_it_refuses_to_start_and_names_what_is_missing(environment: pytest.MonkeyPatch, missing: str):
    environment.delenv(missing)
    with pytest.raises(SettingsInvalid, match=rf"Set also: {missing}\.") as caught:
        opening.from_settings(settings.load())
    assert KEY not in str(caught.value)


def test_without_any_of_it_there_is_none(environment: pytest.MonkeyPatch):
    for name in VARIABLES:
        environment.delenv(name)
    with opening.from_settings(settings.load()) as credits:
        assert "lemonsqueezy" not in credits.providers
