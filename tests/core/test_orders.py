"""What payments do to an order, whatever order the news of them arrives in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, permutations, product
from typing import Any

import pytest

from farthing.core.orders import Order, hear, standing, status
from farthing.core.payments import Notice, Said

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDER = Order(
    "ada", "ord_1", "buy:1", b"", "images", 0, 100, 10, "starter", "90d", "110 Image credits", "USD", 1000, 10, 990,
    "{}", "sandbox", False, None, "c1", NOON, NOON + timedelta(days=1),
)  # fmt: skip


def notice(said: Said, minute: int = 0, payment: str = "pay_1", reason: str | None = None, **money: Any) -> Notice:
    if said == "paid":
        money = {"amount_minor": 990, "currency": "USD"} | money
    return Notice(payment, said, NOON + timedelta(minutes=minute), reason=reason, **money)


def told(notices: Iterable[Notice], order: Order = ORDER) -> tuple[Order, list[str]]:
    """The order after all of them, and what each came to."""
    outcomes: list[str] = []
    for one in notices:
        order, _, outcome = hear(order, one, NOON)
        outcomes.append(outcome)
    return order, outcomes


ONE_PAYMENT = [
    notice("pending", 1),
    notice("failed", 2, reason="card_declined"),
    notice("failed", 2, reason="insufficient_funds"),
    notice("cancelled", 3),
    notice("expired", 4),
    notice("pending", 4),
    notice("paid", 5),
    notice("paid", 6, amount_minor=1089, tax_minor=99),
    notice("paid", 6, amount_minor=5),
    notice("paid", 6, amount_minor=5000),
    notice("paid", 6, currency="EUR"),
]


@pytest.mark.row("P6")
def test_the_notices_of_one_payment_end_the_same_in_every_order_and_however_often_they_come():
    for chosen in combinations_with_replacement(ONE_PAYMENT, 4):
        results = {repr(told(arriving)[0]) for arriving in permutations(chosen)}
        assert len(results) == 1, chosen


@pytest.mark.row("P6")
def test_credits_are_granted_once_at_most_and_only_for_the_right_money():
    right = {one for one in ONE_PAYMENT if one.amount_minor - 990 in (0, one.tax_minor) and one.currency == "USD"}
    for arriving in product(ONE_PAYMENT, repeat=4):
        order, outcomes = told(arriving)
        expected = 1 if right & set(arriving) else 0
        assert outcomes.count("fulfilled") == expected == (order.state == "fulfilled")
        assert "surplus" not in outcomes


@pytest.mark.parametrize(
    ("notices", "state", "reason"),
    [
        ([notice("pending")], "open", None),
        ([notice("failed", reason="card_declined")], "failed", "card_declined"),
        ([notice("cancelled")], "cancelled", None),
        ([notice("expired")], "expired", None),
        ([notice("paid")], "fulfilled", None),
        ([notice("paid", amount_minor=989)], "review", "amount_mismatch"),
        ([notice("paid", amount_minor=991)], "review", "amount_mismatch"),
        ([notice("paid", amount_minor=1040, tax_minor=99)], "review", "amount_mismatch"),
        ([notice("paid", amount_minor=991)._replace(discount_minor=-1)], "review", "amount_mismatch"),
        ([notice("paid", currency="EUR")], "review", "currency_mismatch"),
        ([notice("paid", amount_minor=980, tax_minor=-10)], "review", "amount_mismatch"),
        ([notice("failed", 1), notice("pending", 2)], "open", None),
        ([notice("pending", 1), notice("failed", 2)], "failed", None),
        ([notice("cancelled", 1), notice("failed", 2, payment="pay_2")], "failed", None),
        ([notice("paid", amount_minor=5), notice("cancelled", 9)], "review", "amount_mismatch"),
        ([notice("paid", amount_minor=5), notice("paid", payment="pay_2")], "fulfilled", None),
    ],
)
def test_the_strongest_notice_decides(notices: list[Notice], state: str, reason: str | None):
    order, _ = told(notices)
    assert (state, reason) == (order.state, order.reason)


@pytest.mark.row("P1")
@pytest.mark.parametrize("ended", ["failed", "cancelled", "expired"])
def test_money_outranks_time(ended: Said):
    order, outcomes = told([notice(ended, 1), notice("paid", 0)])
    assert (order.state, outcomes) == ("fulfilled", ["noted", "fulfilled"])


def test_tax_comes_on_top_of_what_the_order_asks_for_or_is_within_it():
    for paid in (1089, 990):
        order, _ = told([notice("paid", amount_minor=paid, tax_minor=99)])
        assert (order.state, order.paid_minor, order.tax_minor, order.paid_by) == ("fulfilled", paid, 99, "pay_1")


def test_what_a_promotion_of_the_provider_took_off_is_not_missing():
    order, _ = told([notice("paid", amount_minor=891, tax_minor=81)._replace(discount_minor=180)])
    assert (order.state, order.paid_minor) == ("fulfilled", 891)
    order, _ = told([notice("paid", amount_minor=0)._replace(discount_minor=990)])
    assert (order.state, order.paid_minor) == ("fulfilled", 0)


def test_a_second_payment_is_surplus_and_changes_nothing():
    order, outcomes = told([notice("paid"), notice("paid", payment="pay_2")])
    assert outcomes == ["fulfilled", "surplus"]
    assert {one.payment: standing(order, one) for one in order.payments} == {"pay_1": "paid", "pay_2": "surplus"}


def test_wrong_money_is_under_review_until_right_money_comes_and_is_surplus_then():
    order, outcomes = told([notice("paid", amount_minor=5), notice("paid", payment="pay_2")])
    assert outcomes == ["review", "fulfilled"]
    assert {one.payment: standing(order, one) for one in order.payments} == {"pay_1": "surplus", "pay_2": "paid"}


def test_a_later_word_against_a_payment_takes_nothing_back():
    order, outcomes = told([notice("paid"), notice("failed", 9), notice("cancelled", 9, payment="pay_2")])
    assert (order.state, outcomes) == ("fulfilled", ["fulfilled", "no_change", "noted"])


@pytest.mark.row("P11")
def test_an_order_shows_how_it_truly_stands():
    tomorrow = ORDER.expires_at
    assert status(ORDER, tomorrow - timedelta(microseconds=1)) == "open"
    assert status(ORDER, tomorrow) == "expired"
    assert status(told([notice("pending")])[0], tomorrow) == "processing"
    assert status(told([notice("paid")])[0], tomorrow) == "fulfilled"
