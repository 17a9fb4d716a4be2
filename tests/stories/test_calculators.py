"""The application's own function as a price: asked with everything it needs, and never believed blindly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from farthing import Money
from farthing.catalog import describe
from farthing.errors import AmountOutOfRange, CalculatorFailed, CatalogInvalid, NoPrice, TotalTooSmall
from tests import calculators
from tests.kit import Clock, shop
from tests.selling import available, selling, tell

SHOP = """
[credit_types.images]
name = "Images"

[credit_types.chat]
name = "Chat"
scale = 2

[prices.images]
calculator = "tests.calculators:images"
min = 10
max = 1000
step = 10

[prices.chat]
calculator = "tests.calculators:told"
currencies = ["USD", "JPY"]

[plans.team]
every = "1mo"
discount = 10
attributes = { seats = 3 }
"""


@pytest.mark.row("C3")
def test_a_calculator_prices_by_the_attributes_of_the_plan(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        anyone = credits.quote("images", 100)
        assert (anyone.total, anyone.unit_price) == (Decimal("10.00"), Decimal("0.1"))
        assert [(line.kind, line.amount, line.unit, line.total) for line in anyone.lines] == [
            ("calculator", 100, None, Decimal("10.00"))
        ]
        team = credits.quote("images", 100, plan="team")
        assert [(line.kind, line.total) for line in team.lines] == [
            ("calculator", Decimal("7.00")),
            ("discount", Decimal("-0.7")),
        ]
        assert (team.total_minor, team.next_slab) == (630, None)
        assert credits.quote("images", 100, account="mallory").total_minor == 2000


@pytest.mark.row("C3", "P1")
def test_a_checkout_tells_the_calculator_who_buys_on_which_plan(database_url: str, clock: Clock):
    calculators.answer[:] = [Money(125, "JPY")]
    with selling(database_url, clock, SHOP) as credits:
        credits.start_plan("ada", "team", key="plan:1")
        order = credits.checkout("ada", "chat", "2.50", currency="JPY", key="buy:1").order
        assert calculators.asked[-1] == (Decimal("2.5"), "JPY", credits.catalog.plans["team"], "ada")
        assert order.total_minor == 113  # 125 − 12.5 = 112.5, rounded up
        tell(credits, order, "payment.paid", id="evt_1")
        assert credits.balance("ada", "chat").available == Decimal("2.5")
        credits.quote("chat", 1, currency="JPY")
        assert calculators.asked[-1][2:] == (None, None)


@pytest.mark.row("C3", "C5")
def test_minimum_maximum_step_and_currencies_hold_before_it_is_asked(database_url: str, clock: Clock):
    calculators.answer[:] = [Money(1, "EUR")]
    with selling(database_url, clock, SHOP) as credits:
        for amount, wrong in ((5, "less than is sold"), (1010, "more than is sold"), (15, "not a multiple")):
            with pytest.raises(AmountOutOfRange, match=rf"{wrong}.*Ask for 10 to 1000, in steps of 10"):
                credits.quote("images", amount)
        asked = len(calculators.asked)
        with pytest.raises(NoPrice, match=r"no price for chat in EUR.*It has one in: USD, JPY"):
            credits.quote("chat", 1, currency="EUR")
        with pytest.raises(NoPrice, match=r"no price for images in JPY.*It has one in: USD"):
            credits.quote("images", 10, currency="JPY")
        assert len(calculators.asked) == asked


class Sly(int):
    """An int that is none."""


@pytest.mark.row("C3")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RuntimeError("no connection"), "raised RuntimeError: no connection"),
        (KeyError("seats"), "raised KeyError: 'seats'"),
        (9.9, "answered 9.9, a float"),
        (None, "answered None, a NoneType"),
        (990, "answered 990, a int"),
        ((990, "USD"), r"answered \(990, 'USD'\), a tuple"),
        (Money(9.9, "USD"), "answered 9.9 minor units"),  # pyright: ignore[reportArgumentType]
        (Money(True, "USD"), "answered True minor units"),
        (Money(Decimal(9), "USD"), r"answered Decimal\('9'\) minor units"),  # pyright: ignore[reportArgumentType]
        (Money(Sly(9), "USD"), "answered 9 minor units"),
        (Money(-1, "USD"), "answered -1 minor units"),
        (Money(10**15, "USD"), "answered 1000000000000000 minor units"),
        (Money(990, "JPY"), "was asked for USD and answered 'JPY'"),
        (Money(990, "usd"), "was asked for USD and answered 'usd'"),
    ],
    ids=repr,
)
def test_what_is_no_price_is_an_error_with_its_name_and_makes_no_order(
    database_url: str, clock: Clock, answer: Any, said: str
):
    calculators.answer[:] = [answer]
    with selling(database_url, clock, SHOP) as credits:
        with pytest.raises(CalculatorFailed, match=rf"tests\.calculators:told {said}.*Nothing was changed") as failed:
            credits.checkout("ada", "chat", 1, key="buy:1")
        assert failed.value.calculator == "tests.calculators:told"
        assert (credits.orders("ada").data, available(credits, credit_type="chat")) == ([], 0)
        calculators.answer[:] = [Money(990, "USD")]
        assert credits.checkout("ada", "chat", 1, key="buy:1").order.total_minor == 990


@pytest.mark.row("C3")
def test_a_price_of_nothing_is_not_sold(database_url: str, clock: Clock):
    calculators.answer[:] = [Money(0, "USD")]
    with selling(database_url, clock, SHOP) as credits, pytest.raises(TotalTooSmall, match="nothing is not sold"):
        credits.quote("chat", 1)


SLABS = '[[prices.images.slabs.USD]]\nfrom = 10\nunit = "0.10"\n'


@pytest.mark.row("C3", "C1")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop.pricing:images", r"shop\.pricing cannot be imported \(ModuleNotFoundError: No module named 'shop'\)"),
        ("tests.calculators:video", r"tests\.calculators has no video"),
        ("tests.calculators:NOT_A_FUNCTION", "is a int, not a function"),
        ("tests.calculators:later", "is async, and a price is not waited for"),
        ("tests.calculators:without_account", r"cannot be called as \(amount, \*, currency, plan, account\)"),
        ("tests.calculators", 'names no function; write "package.module:function"'),
        ("../calculators.py:images", "names no function"),
        ("", "names no function"),
    ],
)
def test_a_calculator_that_cannot_be_had_is_a_mistake_with_its_path(name: str, said: str):
    with pytest.raises(CatalogInvalid, match=rf"prices\.images\.calculator: .*{said}"):
        shop(SHOP.replace("tests.calculators:images", name))


@pytest.mark.row("C3", "C1")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[prices.chat]", f"{SLABS}[prices.chat]", "slabs: there is a calculator already"),
        ("min = 10", 'min = 10\nmode = "volume"', "mode: there is a calculator already"),
        ('calculator = "tests.calculators:images"', "", "mode: it is missing"),
        ('calculator = "tests.calculators:images"', "", "slabs: it is missing"),
        ('calculator = "tests.calculators:images"', "calculator = 5", "calculator: write a text in quotes"),
        ("min = 10", 'min = 10\ncurrencies = ["usd"]', "currencies.1: 'usd' is not an ISO 4217 currency code"),
        ("max = 1000", "max = 1005", " max 1005 is not a multiple of the step, 10"),
        ("min = 10", "min = 2000", " nothing can be sold: min is more than max"),
    ],
)  # fmt: skip
def test_a_price_is_by_slabs_or_by_a_calculator(old: str, new: str, said: str):
    text = SHOP.replace(old, new, 1)
    with pytest.raises(CatalogInvalid) as wrong:
        shop(text)
    assert [one for one in wrong.value.problems if said in one and one.startswith("prices.images")]


def test_currencies_belong_to_a_calculator():
    text = f'[credit_types.images]\nname = "Images"\n[prices.images]\nmode = "volume"\ncurrencies = ["USD"]\n{SLABS}'
    with pytest.raises(CatalogInvalid, match=r"prices\.images\.currencies: the slabs say in which currencies"):
        shop(text)


@pytest.mark.row("C3", "C1")
def test_the_check_of_the_catalog_names_calculators():
    assert describe(shop(SHOP)) == [
        ("images", "10 to 1000 images, calculator", "USD by tests.calculators:images"),
        ("chat", "0.01 or more chat, calculator", "USD, JPY by tests.calculators:told"),
    ]
