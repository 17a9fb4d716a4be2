"""What a plan takes off, and that nobody gets it who does not subscribe to it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from farthing.errors import CatalogInvalid, PlanRequired, TotalTooSmall, UnknownPlan
from tests.kit import Clock, shop
from tests.selling import STORE, available, selling, tell

PLANS = """
[packages.insider]
credit_type = "images"
credits = 500
price = { USD = "39.90" }
plans = ["pro"]

[[prices.images.slabs.JPY]]
from = 1
unit = "14.5"

[plans.free]
every = "1mo"

[plans.pro]
rank = 10
every = "1mo"
driver = "payment"
discount = "12.5"

[plans.pro.trial]
length = "14d"

[plans.staff]
rank = 20
every = "1mo"
discount = 100

[plans.nearly]
rank = 30
every = "1mo"
discount = "99.999999"
"""
SHOP = STORE + PLANS


@pytest.mark.row("C4")
def test_a_plan_takes_its_percentage_off_and_the_working_says_so(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        quote = credits.quote("images", 101, plan="pro")
        assert [(line.kind, line.total) for line in quote.lines] == [
            ("slab", Decimal("10.10")),
            ("discount", Decimal("-1.2625")),
            ("rounding", Decimal("0.0025")),
        ]
        assert (quote.subtotal_minor, quote.discount_minor, quote.total_minor, quote.plan) == (1010, 126, 884, "pro")
        assert sum(line.total for line in quote.lines) == quote.total
        assert quote.unit_price == Decimal("0.0875")
        yen = credits.quote("images", 3, currency="JPY", plan="pro")
        assert (yen.subtotal_minor, yen.discount_minor, yen.total_minor) == (44, 6, 38)  # 43.5 − 5.4375 = 38.0625
        package = credits.quote(package="starter", plan="pro")
        assert (package.total_minor, package.unit_price) == (866, Decimal("0.07875"))  # 8.6625 for 110 credits
        assert credits.quote("images", 101, plan="free").discount_minor == 0


@pytest.mark.row("C4", "P1")
def test_a_checkout_has_the_discount_of_the_accounts_own_subscription(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        credits.start_plan("ada", "pro", key="plan:1")
        on_trial = credits.checkout("ada", "images", 101, key="buy:1").order
        assert (on_trial.subtotal_minor, on_trial.discount_minor, on_trial.total_minor) == (1010, 126, 884)
        assert [line.kind for line in on_trial.lines] == ["slab", "discount", "rounding"]
        tell(credits, on_trial, "payment.paid", id="evt_1")
        assert available(credits) == 101
        assert [lot.cost_minor for lot in credits.lots("ada", "images")] == [884]
        assert credits.checkout("ada", package="insider", key="buy:2").order.total_minor == 3491
        assert credits.checkout("bob", "images", 101, key="buy:1").order.discount_minor == 0
        with pytest.raises(PlanRequired):
            credits.checkout("bob", package="insider", key="buy:2")


@pytest.mark.row("C4")
def test_who_has_not_paid_or_has_cancelled_has_no_discount_though_no_job_came_by(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        credits.start_plan("ada", "pro", key="plan:1", trial=False)
        assert credits.quote("images", 100, account="ada").discount_minor == 0  # nobody paid for the first period
        credits.renew_plan("ada", key="plan:2")
        assert credits.quote("images", 100, account="ada").discount_minor == 125
        clock.move("1mo")
        assert credits.quote("images", 100, account="ada").discount_minor == 0
        credits.start_plan("bob", "staff", key="plan:1")
        credits.change_plan("bob", "free", key="plan:2")
        assert credits.quote("images", 100, account="bob").plan == "staff"
        clock.move("1mo")
        stored = credits.subscription("bob")
        assert stored
        assert (credits.quote("images", 100, account="bob").plan, stored.plan) == ("free", "staff")
        credits.start_plan("eve", "staff", key="plan:1")
        credits.cancel_plan("eve", key="plan:2")
        assert credits.quote("images", 100, account="eve").total_minor == 0
        clock.move("1mo")
        assert credits.quote("images", 100, account="eve").total_minor == 1000
        assert credits.quote("images", 100, account="nobody").plan is None


@pytest.mark.row("C4", "C1")
def test_with_plans_switched_off_a_subscription_takes_nothing_off(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        credits.start_plan("ada", "staff", key="plan:1")
    with selling(database_url, clock, f"switches = {{plans = false}}\n{SHOP}") as credits:
        assert credits.quote("images", 100, account="ada").discount_minor == 0
    with selling(database_url, clock, STORE) as credits:  # which has no plans any more
        assert credits.quote("images", 100, account="ada").discount_minor == 0


@pytest.mark.row("C4")
def test_a_plan_that_does_not_exist_is_refused_and_takes_nothing_off(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        for ask in (credits.quote, lambda *a, **k: credits.checkout("ada", *a, **k, key="buy:1")):
            with pytest.raises(UnknownPlan, match="no plan 'gold'; it has free, pro, staff"):
                ask("images", 100, plan="gold")
        assert credits.orders("ada").data == []


@pytest.mark.row("C4", "C7")
def test_all_of_it_off_is_free_and_a_rest_that_rounds_to_nothing_is_refused(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        free = credits.checkout("ada", "images", 100, key="buy:1", plan="staff")
        assert (free.order.status, free.order.total_minor, free.order.discount_minor, free.url) == (
            *("fulfilled", 0, 1000),
            None,
        )
        assert available(credits) == 100
        with pytest.raises(TotalTooSmall, match=r"100 images would cost USD 0\.00, rounded from 0\.0000001"):
            credits.checkout("ada", "images", 100, key="buy:2", plan="nearly")


@pytest.mark.row("C4", "C8")
def test_the_next_slab_is_told_after_the_discount(database_url: str, clock: Clock):
    slabs = '[[prices.images.slabs.USD]]\nfrom = 101\nunit = "0.08"'
    with selling(database_url, clock, SHOP.replace('unit = "0.10"', f'to = 100\nunit = "0.10"\n{slabs}')) as credits:
        assert credits.quote("images", 100).next_slab == (101, Decimal("0.08"), 808, 202, -192)
        # 8.08 − 12.5 % = 7.07, where 101 at 0.10 were 8.8375 and the 100 asked for are 8.75
        assert credits.quote("images", 100, plan="pro").next_slab == (101, Decimal("0.08"), 707, 177, -168)


@pytest.mark.row("C4")
@pytest.mark.parametrize(("percent", "said"), [("101", "100 or less"), ("-1", "0 or more"), ("1e-7", "decimals")])
def test_a_discount_is_a_percentage(percent: str, said: str):
    with pytest.raises(CatalogInvalid, match=rf"plans\.pro\.discount: it .*{said}"):
        shop(SHOP.replace('"12.5"', f'"{percent}"'))
