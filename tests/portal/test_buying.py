"""What is sold, for how much, and the order that a button makes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farthing.core.payments import Notice
from farthing.errors import DatabaseBusy, ProviderUnavailable
from farthing.providers import Bill, Started
from tests.kit import Clock, shop
from tests.portal.customer import Customer, Page
from tests.portal.site import PREFIX, STORE, Site, site

STARTER = "Buy Starter for $9.90"


@pytest.mark.row("U2")
def test_packages_are_on_the_shelf_with_price_bonus_and_life(ada: Customer):
    text = ada.see("/buy").text
    assert "Starter 100 Enough to find out whether you like it. $0.099 each Good for 1 year Buy for $9.90" in text
    assert "Studio Most popular 500 + 50 bonus For a small team" in text
    assert "about $0.0709 each" in text
    assert "Retired" not in text and "Members" not in text


@pytest.mark.row("U2")
def test_prices_are_in_the_currency_of_the_address(ada: Customer):
    page = ada.see("/buy?currency=EUR")
    assert "Buy for €9.50" in page.text and "$" not in page.text
    assert "Any amount" not in page.text  # which has prices in dollars only
    assert "Buy for $9.90" in ada.see("/buy?currency=XXX").text


@pytest.mark.row("U2")
def test_any_amount_shows_its_price_line_by_line_without_a_script(ada: Customer):
    text = ada.see("/buy?credit_type=images&amount=750").text
    assert "490 × $0.10 $49.00 260 × $0.0775 $20.15 Total $69.15 Pay $69.15" in text
    assert "10 to 10,000, in steps of 10" in text
    assert "Those beyond 490 cost $0.0775 each." in ada.see("/buy?credit_type=images&amount=100").text


@pytest.mark.row("U2")
def test_what_rounding_did_and_what_the_next_slab_would_save_are_said(database_url: str, clock: Clock):
    text = """
[credit_types.images]
name = "Images"
[prices.images]
mode = "volume"
[[prices.images.slabs.USD]]
from = 1
to = 99
unit = "0.333"
[[prices.images.slabs.USD]]
from = 100
unit = "0.25"
"""
    with site(database_url, clock, text) as at, Customer(at, "ada") as customer:
        text = customer.see("/buy?credit_type=images&amount=5").text
        assert "5 × $0.333 $1.665 Rounded $0.005 Total $1.67" in text
        assert "With 100 or more, all of them cost $0.25 each: 100 save you $8.30." in text
        assert "Rounded −$0.002 Total $1.33" in customer.see("/buy?credit_type=images&amount=4").text


@pytest.mark.row("U2")
@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("5", "This many cannot be bought at once. Choose 10 to 10,000, in steps of 10."),
        ("15", "This many cannot be bought at once."),
        ("10010", "This many cannot be bought at once."),
        ("", "Write a number, such as 10."),
        ("-10", "Write a number"),
        ("ten", "Write a number"),
        ("1e9999", "Write a number"),
        ("NaN", "Write a number"),
        ("10.5", "Write a number"),
        ("9" * 400, "Write a number"),
    ],
)
def test_an_amount_that_is_not_sold_says_what_is(ada: Customer, amount: str, said: str):
    page = ada.see(f"/buy?credit_type=images&amount={amount}")
    assert said in page.text and "Pay $" not in page.text


def test_looking_orders_nothing(at: Site, ada: Customer):
    ada.see("/buy?credit_type=images&amount=750&package=starter&currency=USD")
    assert at.credits.orders("ada").data == []


@pytest.mark.row("U2", "P11")
def test_a_button_makes_an_order_and_leads_to_the_providers_page(at: Site, ada: Customer):
    answer = ada.press(ada.see("/buy"), STARTER)
    [order] = at.credits.orders("ada").data
    assert (answer.status_code, answer.headers["location"]) == (303, order.url)
    assert (order.amount, order.total_minor, order.currency, order.status) == (100, 990, "USD", "open")
    assert order.return_url == f"http://shop.test{PREFIX}/orders/{order.id}"


@pytest.mark.row("U2")
def test_a_double_click_makes_one_order(at: Site, ada: Customer):
    page = ada.see("/buy")
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ada.press(page, STARTER), range(4)))
    [order] = at.credits.orders("ada").data
    assert {answer.headers["location"] for answer in answers} == {order.url}
    ada.press(ada.see("/buy"), STARTER)
    assert len(at.credits.orders("ada").data) == 2


@pytest.mark.row("P11")
def test_a_form_that_was_used_up_leads_to_how_its_order_stands(at: Site, ada: Customer):
    page = ada.see("/buy")
    ada.press(page, STARTER)
    [order] = at.credits.orders("ada").data
    at.tell(order, "payment.paid")
    assert ada.press(page, STARTER).headers["location"] == f"{PREFIX}/orders/{order.id}"
    assert at.credits.balance("ada", "images").available == 110


@pytest.mark.row("P11")
def test_a_price_that_changed_meanwhile_is_shown_before_anything_is_ordered(at: Site, ada: Customer):
    page = ada.see("/buy")
    at.credits.catalog = shop(STORE.replace('"9.90"', '"12.90"'))
    answer = ada.press(page, STARTER)
    assert answer.status_code == 409
    assert "Nothing was ordered. The price changed while you were looking." in Page(answer.text).text
    assert "Buy for $12.90" in Page(answer.text).text and "Code for support: price_changed" in Page(answer.text).text
    assert at.credits.orders("ada").data == []


@pytest.mark.row("P11")
@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({"package": "retired", "total_minor": "100"}, 409, "package_unavailable"),
        ({"package": "members", "total_minor": "100"}, 409, "plan_required"),
        ({"package": "nothing"}, 409, "package_unavailable"),
        ({"currency": "JPY"}, 409, "no_price"),
        ({"currency": "XYZ"}, 422, "unknown_currency"),
        ({"currency": ""}, 422, "unknown_currency"),
        ({"provider": "nobody"}, 422, "unknown_provider"),
        ({"total_minor": "1"}, 409, "price_changed"),
        ({"total_minor": ""}, 409, "price_changed"),
        ({"package": "", "credit_type": "images", "amount": "5"}, 409, "amount_out_of_range"),
        ({"package": "", "credit_type": "images", "amount": "x"}, 422, "invalid_amount"),
        ({"package": "", "credit_type": "nothing", "amount": "10"}, 422, "unknown_credit_type"),
        ({"package": "", "credit_type": "chat", "amount": "10"}, 409, "no_price"),
        ({"credit_type": "images", "amount": "10"}, 422, "other"),
        ({"package": ""}, 422, "other"),
        ({"package": "\x00"}, 409, "package_unavailable"),
    ],
    ids=str,
)
def test_what_cannot_be_ordered_says_so_with_a_stable_code(
    at: Site, ada: Customer, other: dict, status: int, code: str
):
    answer = ada.press(ada.see("/buy"), STARTER, **other)
    assert (answer.status_code, at.credits.orders("ada").data) == (status, [])
    assert f"Code for support: {code}" in Page(answer.text).text


@pytest.mark.parametrize("key", ["", "short", "render:17", "x" * 23, "é" * 22])
def test_a_key_that_no_form_of_ours_had_is_refused(at: Site, ada: Customer, key: str):
    assert ada.press(ada.see("/buy"), STARTER, key=key).status_code == 400
    assert at.credits.orders("ada").data == []


def test_keys_of_forms_cannot_take_those_of_the_application(at: Site, ada: Customer):
    form = ada.see("/buy").form(STARTER)
    ada.submit("/buy", form)
    at.credits.deduct("ada", "images", 1, key=form["key"])
    with pytest.raises(Exception, match="stands for an order"):
        at.credits.deduct("ada", "images", 1, key=f"portal:{form['key']}")


@pytest.mark.row("P11")
def test_selling_switched_off_is_said(at: Site, ada: Customer):
    page = ada.see("/buy")
    at.credits.catalog = shop(STORE + "\n[switches]\nselling = false\n")
    assert "Nothing is sold right now" in ada.see("/buy").text
    answer = ada.press(page, STARTER)
    assert "Selling, or this way to pay, is switched off right now." in Page(answer.text).text
    assert "Code for support: switched_off" in Page(answer.text).text
    assert "Buy Image credits" not in ada.see("/").text


@pytest.mark.row("C1")
def test_a_provider_that_is_switched_off_is_no_way_to_pay(at: Site, ada: Customer):
    page = ada.see("/buy")
    at.credits.catalog = shop(STORE + "\n[switches.providers]\nsandbox = false\n")
    assert "no payment provider is connected" in ada.see("/buy").text
    answer = ada.press(page, STARTER)
    assert "Code for support: switched_off" in Page(answer.text).text
    assert at.credits.orders("ada").data == []


class Away:
    """A provider that does not answer until it does."""

    name = "away"
    livemode = False
    forms = False

    def __init__(self) -> None:
        self.up = False

    def require_billable(self, currency: str, total_minor: int) -> None:
        """It takes everything."""

    def start(self, bill: Bill) -> Started:
        if not self.up:
            raise ProviderUnavailable("It does not answer.", provider=self.name)
        return Started(f"away_{bill.order}", f"https://away.test/{bill.order}")

    def verify(self, headers: object, body: object, now: object) -> None: ...

    def read(self, body: object) -> Notice: ...


@pytest.mark.row("P11")
def test_a_provider_that_does_not_answer_is_asked_again_for_the_same_order(at: Site, ada: Customer):
    at.credits.providers["away"] = away = Away()  # type: ignore[assignment]
    answer = ada.press(ada.see("/buy?provider=away"), STARTER)
    page = Page(answer.text)
    assert answer.status_code == 503
    assert "The payment page does not answer. Nothing was charged." in page.text
    assert "form-action 'self' https:" in answer.headers["content-security-policy"]  # trying again leads on as well
    assert "Code for support: provider_unavailable" in page.text
    away.up = True
    again = ada.press(page, "Try again")
    [order] = at.credits.orders("ada").data
    assert again.headers["location"] == f"https://away.test/{order.id}"


@pytest.mark.row("P11")
def test_a_busy_database_is_asked_again_for_the_same_order(at: Site, ada: Customer, monkeypatch: pytest.MonkeyPatch):
    page = ada.see("/buy")
    with monkeypatch.context() as busy:

        def refuse(*_: object, **__: object) -> None:
            raise DatabaseBusy("Somebody else holds the lock.")

        busy.setattr(at.credits, "checkout", refuse)
        failed = Page(ada.press(page, STARTER).text)
    assert "it will be one order, however often you try" in failed.text
    assert ada.press(failed, "Try again").status_code == 303
    assert len(at.credits.orders("ada").data) == 1


@pytest.mark.row("U2")
def test_several_ways_to_pay_are_a_choice_in_the_address(at: Site, ada: Customer):
    assert "Pay with" not in ada.see("/buy").text
    at.credits.providers["away"] = Away()  # type: ignore[assignment]
    page = ada.see("/buy?provider=away&currency=EUR")
    assert "Pay with Test payment Away" in page.text
    assert page.form("Buy Starter for €9.50")["provider"] == "away"


def test_without_a_way_to_pay_prices_are_shown_and_nothing_can_be_ordered(at: Site, ada: Customer):
    at.credits.providers.clear()
    page = ada.see("/buy?credit_type=images&amount=10")
    assert "$9.90" in page.text and "no payment provider is connected" in page.text
    assert len(page.forms) == 2  # signing out, and asking for a price


@pytest.mark.parametrize(
    ("scheme", "allowed"), [("https", "form-action 'self' https:;"), ("http", "'self' https: http:;")]
)
def test_a_form_may_lead_on_to_the_provider_and_only_on_this_page(at: Site, scheme: str, allowed: str):
    with Customer(at, "ada", base_url=f"{scheme}://shop.test") as customer:
        assert allowed in customer.get(f"{PREFIX}/buy").headers["content-security-policy"]
        assert "form-action 'self';" in customer.get(f"{PREFIX}/").headers["content-security-policy"]


def test_the_box_for_an_amount_is_described_by_its_range_and_the_price_speaks_for_itself(ada: Customer):
    elements = {given["id"]: given for _, given in ada.see("/buy").elements if "id" in given}
    assert elements["amount-images"]["aria-describedby"] == "range-images"
    assert elements["price-images"]["aria-live"] == "polite"


def test_money_is_written_with_its_currencys_own_decimals(database_url: str, clock: Clock):
    text = """
currency = "JPY"
[credit_types.images]
name = "Images"
[packages.one]
credit_type = "images"
credits = 7
price = { JPY = 1500, KWD = "1.250", USD = "0.30" }
"""
    with site(database_url, clock, text) as at, Customer(at, "ada") as customer:
        assert "about ¥214.29 each" in customer.see("/buy").text and "Buy for ¥1,500" in customer.see("/buy").text
        assert "Buy for KWD 1.250" in customer.see("/buy?currency=KWD").text
        assert "Buy for $0.30" in customer.see("/buy?currency=USD").text
