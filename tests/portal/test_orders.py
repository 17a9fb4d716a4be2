"""The result page tells the truth of the order, whatever its address says."""

from __future__ import annotations

from typing import Literal

import pytest

from farthing.providers.sandbox import Kind
from farthing.selling.orders import OrderView
from tests.herald import Herald, Purchase
from tests.kit import Clock, shop
from tests.portal.customer import Customer, Page
from tests.portal.site import PREFIX, STORE, Site


@pytest.fixture
def order(at: Site, ada: Customer) -> OrderView:
    return at.credits.checkout("ada", package="studio", key="o").order


def result(ada: Customer, order: OrderView) -> Page:
    return ada.see(f"/orders/{order.id}?status=success&paid=1&balance=9999")


def looks_again(page: Page) -> str | None:
    return next((given["data-look-again-s"] for tag, given in page.elements if "data-look-again-s" in given), None)


@pytest.mark.row("P11")
def test_an_order_nobody_paid_yet_says_so_and_leads_to_the_payment(ada: Customer, order: OrderView):
    page = result(ada, order)
    assert "Waiting for your payment We have not heard of a payment yet." in page.text
    assert ("a", {"class": "button primary", "href": order.url}) in page.elements
    assert looks_again(page) == "3" and ("meta", {"http-equiv": "refresh", "content": "3"}) in page.elements


@pytest.mark.row("P11")
def test_a_payment_under_way_is_watched_less_and_less_often(at: Site, ada: Customer, order: OrderView, clock: Clock):
    at.tell(order, "payment.pending")
    assert "Your payment is on its way" in result(ada, order).text
    waits = [looks_again(result(ada, order)) for _ in range(3) if clock.move("10m")]
    assert waits == ["15", "15", "60"]


@pytest.mark.row("P11")
def test_success_is_said_with_the_new_balance(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "payment.paid")
    page = result(ada, order)
    assert "550 Image credits added Thank you. Your new balance: 560 Image credits" in page.text
    assert "9999" not in page.text and looks_again(page) is None
    assert "Bought 500 + 50 bonus Image credits Total $39.00" in page.text


@pytest.mark.row("P11")
@pytest.mark.parametrize("kind", [None, "payment.pending", "payment.failed", "checkout.cancelled", "expired", "review"])
def test_what_was_not_paid_was_ordered_and_not_bought(
    at: Site, ada: Customer, order: OrderView, clock: Clock, kind: Kind | Literal["expired", "review"] | None
):
    if kind == "expired":
        clock.move("24h")
        ada.come_back()
    elif kind == "review":
        at.tell(order, "payment.paid", amount_minor=1)
    elif kind is not None:
        at.tell(order, kind)
    text = result(ada, order).text
    assert "Ordered 500 + 50 bonus Image credits" in text and "Bought" not in text
    assert "Ordered on" in text


@pytest.mark.row("P11")
def test_who_comes_back_from_paying_without_a_session_is_told_that_the_payment_is_safe(at: Site, order: OrderView):
    safe = "If you have just paid, your payment is safe."
    stranger = Customer(at, None)
    for name in (order.id, "ord_nothing"):
        assert safe in stranger.see(f"/orders/{name}", 403).text
    for path in ("/", "/orders", "/buy", "/nowhere/orders/x"):
        assert safe not in Page(stranger.get(PREFIX + path).text).text


@pytest.mark.row("P11")
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("card_declined", "Your bank declined the card. No credits were added and nothing was charged."),
        ("bank_refused", "The bank did not carry out the payment."),
        (None, "No credits were added, and this order was not paid."),
        ("a_new_reason", "No credits were added, and this order was not paid."),
    ],
)
def test_a_decline_says_why_and_leads_on(at: Site, ada: Customer, order: OrderView, reason: str | None, said: str):
    at.tell(order, "payment.failed", reason=reason)
    page = result(ada, order)
    assert f"The payment was declined {said}" in page.text and looks_again(page) is None
    [again] = [
        given["href"] for tag, given in page.elements if tag == "a" and "package=studio" in given.get("href", "")
    ]
    assert "Buy for $39.00" in ada.see(again.removeprefix(PREFIX)).text
    assert at.credits.balance("ada", "images").available == 10


@pytest.mark.row("P11")
def test_cancelled_says_that_nothing_was_charged(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "checkout.cancelled")
    assert "You cancelled the payment Nothing was charged, and no credits were added." in result(ada, order).text


@pytest.mark.row("P11")
def test_an_order_past_its_time_has_expired_and_a_late_payment_still_counts(
    at: Site, ada: Customer, order: OrderView, clock: Clock
):
    clock.move("24h")
    ada.come_back()
    assert "This order has expired It was not paid in time." in result(ada, order).text
    at.tell(order, "payment.paid")
    assert "550 Image credits added" in result(ada, order).text


@pytest.mark.row("P11")
def test_money_that_does_not_match_is_under_review(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "payment.paid", amount_minor=1)
    text = result(ada, order).text
    assert "We are checking your payment" in text and "Please do not pay again" in text
    assert "Paid $0.01" in text and "added" not in text


@pytest.fixture
def bought(at: Site, ada: Customer) -> Purchase:
    """550 images for $39.00, paid."""
    at.credits.providers["herald"] = Herald()
    made = Purchase(at.credits, package="studio")
    made.paid()
    return made


@pytest.mark.row("P11", "P7")
def test_a_whole_refund_is_said_with_what_became_of_the_credits(ada: Customer, bought: Purchase):
    bought.tell(bought.refund(3900))
    text = result(ada, bought.order).text
    assert "Refunded $39.00 went back to you. With the money, 550 Image credits were taken back." in text
    assert "Your balance: 10 Image credits" in text and "Thank you" not in text and "owe" not in text
    assert "Refunded" in ada.see("/orders").text


@pytest.mark.row("P11", "P7")
def test_a_refund_in_part_is_said_and_what_was_used_up_is_owed(at: Site, ada: Customer, bought: Purchase):
    at.credits.deduct("ada", "images", 555, key="use")
    bought.tell(bought.refund(1300))
    text = result(ada, bought.order).text
    assert "Refunded in part $13.00 of your payment went back to you." in text
    assert "With the money, 182 Image credits were taken back." in text
    assert "the next credits that you get pay for it first" in text
    assert "Your balance: -177 Image credits" in text.replace("−", "-")
    assert "Refunded in part" in ada.see("/orders").text


@pytest.mark.row("P11", "P7")
def test_a_refund_that_took_nothing_says_so(at: Site, ada: Customer, bought: Purchase):
    at.credits.catalog = shop(STORE + '\n[money_back]\nrefunds = "keep"\n')
    bought.tell(bought.refund(3900))
    assert "None of the credits were taken back. Your balance: 560" in result(ada, bought.order).text


@pytest.mark.row("P11", "P7")
def test_what_a_hold_kept_and_lost_to_a_refund_later_is_said_too(at: Site, ada: Customer, bought: Purchase):
    held = at.credits.hold("ada", "images", 460, key="work")
    bought.tell(bought.refund(3900))
    assert "With the money, 100 Image credits were taken back." in result(ada, bought.order).text
    held.release()
    assert "With the money, 550 Image credits were taken back." in result(ada, bought.order).text


@pytest.mark.row("P11", "P7")
def test_a_dispute_is_said_until_it_is_decided(ada: Customer, bought: Purchase):
    bought.tell(bought.dispute("opened"))
    text = result(ada, bought.order).text
    assert "Your bank asks for the money back A dispute about $39.00 is open." in text
    assert "Until then, 550 Image credits are set aside." in text and "Your balance: 10 Image credits" in text
    assert "Disputed" in ada.see("/orders").text
    bought.tell(bought.dispute("won"))
    assert "550 Image credits added Thank you. Your new balance: 560 Image credits" in result(ada, bought.order).text


@pytest.mark.row("P11", "P7")
def test_a_dispute_about_the_rest_of_what_was_refunded_says_both(ada: Customer, bought: Purchase):
    bought.tell(bought.refund(1300))
    bought.tell(bought.dispute("opened", 2600))
    text = result(ada, bought.order).text
    assert "A dispute about $26.00 is open." in text and "$13.00 of your payment went back to you." in text
    assert "182 Image credits were taken back." in text
    bought.tell(bought.dispute("lost", 2600))
    assert "Refunded $39.00 went back to you. With the money, 550 Image credits" in result(ada, bought.order).text


@pytest.mark.row("P11", "P7", "C10")
def test_money_that_went_back_is_said_in_chinese(at: Site, bought: Purchase):
    at.credits.open_account("mei", locale="zh")
    of_mei = Purchase(at.credits, account="mei", package="studio")
    of_mei.paid()
    of_mei.tell(of_mei.refund(1300))
    with Customer(at, "mei") as mei:
        text = mei.see(f"/orders/{of_mei.order.id}").text
        assert "已部分退款" in text and "收回了" in text and "taken" not in text


@pytest.mark.row("P11")
def test_a_second_payment_is_said_to_be_too_much(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "payment.paid")
    at.tell(order, "payment.paid", payment="pay_again")
    assert "This order was paid more than once." in result(ada, order).text
    assert at.credits.balance("ada", "images").available == 560


def test_an_order_outlives_its_credit_type(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "payment.paid")
    at.credits.catalog = shop('[credit_types.other]\nname = "Other"')
    text = result(ada, order).text
    assert "550 images added" in text
    assert "550 images" in ada.see("/orders").text
    at.credits.catalog = shop(STORE)


def test_orders_are_listed_newest_first_page_by_page(at: Site, ada: Customer, clock: Clock):
    made = []
    for number in range(25):
        clock.move("1m")
        made.append(at.credits.checkout("ada", package="starter", key=str(number)).order.id)
    address, seen = "/orders", []
    while address:
        page = ada.see(address)
        links = [given["href"] for _, given in page.elements if "/orders/" in given.get("href", "")]
        seen += [link.rpartition("/")[2] for link in links]
        address = next((g["href"].removeprefix(PREFIX) for _, g in page.elements if g.get("rel") == "next"), None)
    assert seen == made[::-1]
    assert "100 Image credits" in page.text and "$9.90 Waiting for payment" in page.text


def test_history_leads_to_the_order_that_credits_came_from(at: Site, ada: Customer, order: OrderView):
    at.tell(order, "payment.paid")
    page = ada.see("/history")
    links = [given["href"] for _, given in page.elements if given.get("href", "").endswith(order.id)]
    assert links == [f"{PREFIX}/orders/{order.id}"] * 2
