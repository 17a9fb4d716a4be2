"""Routes that charge for themselves: the same stories in every framework."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from farthing import Credits
from farthing.errors import FloatAmount, InvalidAmount, InvalidField, KeyReused
from farthing.integrations.charging import Charged, Charging, Delivery, due, price
from farthing.integrations.settling import begin, carry_out, finish, key_of
from tests.integrations.callers import over_asgi
from tests.integrations.sites import Site
from tests.kit import Clock

pytestmark = pytest.mark.row("D4")


def left(site: Site) -> tuple[int, int]:
    """What Ada has, and how much of it is set aside."""
    balance = site.credits.balance("ada", "images")
    return int(balance.posted), int(balance.held)


@pytest.mark.parametrize(
    ("path", "status", "after"),
    [
        ("/images", 200, 8),
        ("/raises", 500, 10),
        ("/fails", 503, 10),
        ("/missing", 404, 10),
        ("/many?many=3", 200, 4),
        ("/many?many=0", 200, 10),
        ("/sketches", 200, 7),
        ("/nothing", 200, 10),
        ("/films", 200, 5),
        ("/no-films", 404, 10),
        ("/torn", 200, 10),
        ("/metered", 200, 5),
        ("/metered-torn", 200, 8),
    ],
)
def test_success_is_charged_and_failure_is_not(site: Site, path: str, status: int, after: int):
    assert (site.ask(path).status, left(site)) == (status, (after, 0))


def test_who_has_too_little_is_told_how_much_is_missing_and_where_to_get_it(site: Site):
    reply = site.ask("/many?many=6")
    assert (reply.status, reply.headers["content-type"]) == (402, "application/problem+json")
    assert reply.said == {
        "type": "urn:farthing:problem:insufficient_credits",
        "title": "The account has fewer credits than this needs",
        "status": 402,
        "detail": reply.said["detail"],
        "code": "insufficient_credits",
        "account": "ada",
        "credit_type": "images",
        "required": 12,
        "available": 10,
        "shortfall": 2,
        "top_up_url": "https://shop.example/credits?missing=2",
    }
    assert reply.said["detail"].startswith("ada has 10 images available and this needs 12: 2 short.")
    assert (site.ran, left(site)) == ([], (10, 0))
    page = site.ask("/many?many=6", accept="text/html,*/*")
    assert page.headers["content-type"].startswith("text/html")
    assert b'<a href="https://shop.example/credits?missing=2">' in page.body


def test_nobody_is_charged_who_is_not_there(site: Site):
    reply = site.ask("/images", None)
    assert (reply.status, reply.said["code"], site.ran) == (401, "account_missing", [])


def test_a_retried_request_runs_again_and_is_charged_once(site: Site):
    first, again = site.ask("/images", idempotency_key="k"), site.ask("/images", idempotency_key="k")
    assert (first.status, again.status, left(site)) == (200, 200, (8, 0))
    assert site.ran == [("/images", False), ("/images", True)]
    site.ask("/images", idempotency_key="another")
    site.ask("/images")
    site.ask("/images")
    assert left(site) == (2, 0)


def test_where_repeats_are_refused_one_charge_pays_for_one_run(site: Site):
    first, again = site.ask("/once", idempotency_key="k"), site.ask("/once", idempotency_key="k")
    assert (first.status, again.status, again.said["code"]) == (200, 409, "already_charged")
    assert (site.ran, left(site)) == ([("/once", False)], (8, 0))


def test_a_key_pays_for_one_method_and_target_and_for_one_amount(site: Site):
    for path, after in (("/many?many=1", 8), ("/many?many=2", 4), ("/images", 2), ("/once", 0)):
        assert (site.ask(path, idempotency_key="k").status, left(site)) == (200, (after, 0))
    assert site.ask("/many?many=2", idempotency_key="k").status == 200
    assert left(site) == (0, 0)


def test_a_request_that_failed_is_charged_when_it_is_retried_and_succeeds(site: Site, monkeypatch: pytest.MonkeyPatch):
    from tests.integrations import sites

    monkeypatch.setitem(sites.PATHS, "/images", sites.PATHS["/fails"])
    for _ in range(2):
        assert site.ask("/images", idempotency_key="k").status == 503
    assert left(site) == (10, 0)
    monkeypatch.undo()
    for _ in range(2):
        assert site.ask("/images", idempotency_key="k").status == 200
    assert left(site) == (8, 0)
    assert [again for _, again in site.ran] == [False, False, False, True]


@pytest.mark.parametrize(("path", "after"), [("/films", 10), ("/metered", 7)])
def test_a_stream_whose_reader_is_gone_costs_what_it_said_it_used(site: Site, path: str, after: int):
    site.ask(path, parts=2)
    posted, held = left(site)
    assert held == 0
    assert posted in (after, after + 1)  # the part that could not be sent may have been made


def test_more_than_was_set_aside_is_no_answer_and_no_charge(site: Site):
    reply = site.ask("/too-much", accept="application/json")
    assert (reply.status, reply.said["code"], left(site)) == (422, "capture_too_large", (10, 0))


def test_of_many_who_race_for_the_last_credits_as_many_run_as_are_paid(site_on_both: Site):
    site = site_on_both
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: site.ask("/images").status, range(8)))
    assert sorted(statuses) == [200] * 5 + [402] * 3
    assert (len(site.ran), left(site)) == (5, (0, 0))


def test_the_same_on_both_databases(site_on_both: Site):
    for path, after in (("/images", 8), ("/fails", 8), ("/sketches", 5), ("/metered-torn", 3)):
        for _ in range(2):
            site_on_both.ask(path, idempotency_key="k")
        assert left(site_on_both) == (after, 0)
    assert site_on_both.ask("/films").said["shortfall"] == 2


@pytest.fixture
def shop(books: Credits) -> Site:
    """No site: the rules themselves."""
    return Site(over_asgi(None), books, [])


def begun(site: Site, key: str = "k", amount: int = 2) -> Charged:
    ada = Charging(site.credits, account=lambda request: "ada")
    return carry_out(begin(ada, price(amount, "images", on_repeat="run"), None, key), site.credits)


def settled(site: Site, charged: Charged, delivery: Delivery = Delivery.WHOLE) -> Charged:
    carry_out(finish(charged, delivery), site.credits)
    return charged


def test_of_two_retries_under_way_at_once_one_is_charged(shop: Site):
    first, second = begun(shop), begun(shop)
    assert (first.repeated, second.repeated, left(shop)) == (False, True, (10, 2))
    settled(shop, second)
    settled(shop, first)
    assert left(shop) == (8, 0)


def test_where_one_fails_the_other_pays(shop: Site):
    first, second = begun(shop), begun(shop)
    settled(shop, first, Delivery.NONE)
    assert left(shop) == (10, 0)
    settled(shop, second)
    assert left(shop) == (8, 0)
    third = begun(shop)
    assert third.repeated
    settled(shop, third, Delivery.NONE)
    assert left(shop) == (8, 0)


def test_a_retry_that_fails_lets_go_of_nothing_that_the_first_one_still_needs(shop: Site):
    first, second = begun(shop), begun(shop)
    shop.credits.deduct("ada", "images", 8, key="d")
    settled(shop, second, Delivery.NONE)
    assert left(shop) == (2, 2)
    settled(shop, first)
    assert left(shop) == (0, 0)


def test_work_that_outlasts_its_hold_is_charged_all_the_same_and_once(shop: Site, clock: Clock):
    slow = begun(shop)
    clock.move("16m")
    retry = begun(shop)
    assert (retry.repeated, left(shop)) == (False, (10, 2))
    settled(shop, slow)
    settled(shop, retry)
    assert left(shop) == (8, 0)


def test_work_that_outlasts_its_hold_and_cannot_be_paid_is_refused_when_it_ends(shop: Site, clock: Clock):
    slow = begun(shop)
    clock.move("16m")
    shop.credits.deduct("ada", "images", 9, key="d")
    with pytest.raises(Exception, match="1 short"):
        settled(shop, slow)
    assert left(shop) == (1, 0)


def test_a_charge_is_settled_once(shop: Site):
    charged = settled(shop, begun(shop))
    settled(shop, charged, Delivery.NONE)
    assert charged.receipt is not None and charged.receipt.available == 8


def test_the_same_key_for_another_amount_is_an_error(shop: Site):
    settled(shop, begun(shop))
    with pytest.raises(KeyReused):
        begun(shop, amount=3)


def test_amounts_and_words_are_checked_where_they_are_said():
    with pytest.raises(FloatAmount):
        price(0.5, "images")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidField):
        price(1, "images", on_repeat="ignore")
    charged = Charged("ada", price(2, "images"), "k", Decimal(2))
    for wrong in (-1, "x"):
        with pytest.raises(InvalidAmount):
            charged.use(wrong)
    assert charged.used is None


def test_keys_are_of_the_request_and_fit():
    assert key_of("POST", "/images", "k") == "POST /images k"
    assert key_of("POST", "/images", "k", place=1) == "POST /images k +1"
    assert key_of("POST", "/images", None) != key_of("POST", "/images", None)
    asked = key_of("POST", "/images?words=a+secret", "k")
    assert asked.startswith("POST /images?") and "secret" not in asked
    assert asked != key_of("POST", "/images?words=another", "k")
    for odd in ("k" * 500, "k\n", "k\udc80"):
        assert len(key_of("POST", "/images", odd)) == 64


@pytest.mark.parametrize(
    ("delivery", "used", "captured"),
    [
        (Delivery.WHOLE, None, None),
        (Delivery.WHOLE, Decimal(3), Decimal(3)),
        (Delivery.CUT, None, Decimal(0)),
        (Delivery.CUT, Decimal(3), Decimal(3)),
        (Delivery.NONE, None, Decimal(0)),
        (Delivery.NONE, Decimal(3), Decimal(0)),
    ],
)
def test_what_is_due(delivery: Delivery, used: Decimal | None, captured: Decimal | None):
    assert due(delivery, used) == captured
