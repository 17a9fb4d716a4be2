"""Promo codes: what they take off, how often, and that a use comes back when no money does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import farthing
from farthing.amounts import EXACT, to_major
from farthing.core.book import CreditType
from farthing.core.pricing import Package, Terms, quote_package, to_minor
from farthing.core.promos import PromoCode
from farthing.core.words import Words
from farthing.errors import (
    AccountFrozen,
    CatalogInvalid,
    PromoCodeNotForThis,
    PromoCodeUnavailable,
    PromoCodeUsedUp,
    SwitchedOff,
    TotalTooSmall,
)
from farthing.ledger.verifying import verify
from farthing.store import promos
from tests.kit import START, Clock, shop
from tests.selling import STORE, available, selling, tell

CODES = """
[packages.big]
credit_type = "images"
credits = 1000
price = { USD = "69.90" }

[packages.talk]
credit_type = "chat"
credits = 10
price = { USD = "5.00" }

[plans.pro]
every = "1mo"
discount = 10

[promo_codes.Welcome10]
percent = 10

[promo_codes.TWICE]
percent = 50
uses = 2
uses_per_account = 5

[promo_codes.MINUS5]
amount = { USD = "5.00", JPY = 500 }
uses_per_account = 3

[promo_codes.FREE]
percent = 100
uses = 1

[promo_codes.PLUS20]
bonus = { images = 20, chat = "2.50" }
uses_per_account = 2

[promo_codes.ADVENT]
percent = 24
from = 2026-12-01
until = 2026-12-24
packages = ["big"]
credit_types = ["chat"]

[promo_codes.GONE]
percent = 5
disabled = true
"""
SHOP = STORE + CODES
USES = "farthing_promo_uses SET"


def uses(credits: farthing.Credits, code: str) -> int:
    """How often the code counts as used, when what lapsed is looked at."""
    credits.database.run(lambda session: promos.lock(session, code, credits.clock()))
    [[used]] = credits.database.read(
        lambda session: session.execute("SELECT used FROM farthing_promo_codes WHERE code = ?", (code,))
    )
    [[rows]] = credits.database.read(
        lambda session: session.execute(
            "SELECT count(DISTINCT order_id) FROM farthing_promo_uses WHERE code = ? AND given_back_at IS NULL", (code,)
        )
    )
    assert used == rows
    return used


@pytest.mark.row("C4")
def test_a_code_comes_off_after_the_plan_and_the_order_remembers_it(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        credits.start_plan("ada", "pro", key="plan:1")
        quote = credits.quote("images", 101, account="ada", promo_code=" welcome10 ")
        assert [(line.kind, line.total) for line in quote.lines] == [
            ("slab", Decimal("10.10")),
            ("discount", Decimal("-1.01")),
            ("promo", Decimal("-0.909")),
            ("rounding", Decimal("-0.001")),
        ]
        assert (quote.subtotal_minor, quote.discount_minor, quote.total_minor) == (1010, 192, 818)
        order = credits.checkout("ada", "images", 101, key="buy:1", promo_code="WELCOME10").order
        assert (order.promo_code, order.discount_minor, order.total_minor) == ("WELCOME10", 192, 818)
        assert order.lines == quote.lines
        tell(credits, order, "payment.paid", id="evt_1")
        assert [lot.cost_minor for lot in credits.lots("ada", "images")] == [818]
        assert uses(credits, "WELCOME10") == 1
        with pytest.raises(PromoCodeUsedUp, match="the account used it as often as it may") as twice:
            credits.quote("images", 101, account="ada", promo_code="WELCOME10")
        assert (twice.value.by, twice.value.promo_code) == ("account", "WELCOME10")
        assert credits.quote("images", 101, promo_code="WELCOME10").total_minor == 909  # for anyone


@pytest.mark.row("C4")
def test_an_amount_comes_off_in_its_currency_and_never_more_than_all(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        assert credits.quote(package="starter", promo_code="minus5").total_minor == 490
        assert credits.quote(package="starter", currency="JPY", promo_code="minus5").total_minor == 1000
        free = credits.checkout("ada", "images", 40, key="buy:1", promo_code="MINUS5").order
        assert (free.status, free.total_minor, free.discount_minor) == ("fulfilled", 0, 400)
        assert (available(credits), uses(credits, "MINUS5")) == (40, 1)
    dinars = SHOP.replace('price = { USD = "9.90",', 'price = { KWD = "3.005", USD = "9.90",')
    with selling(database_url, clock, dinars) as credits, pytest.raises(PromoCodeNotForThis, match="not for KWD"):
        credits.quote(package="starter", currency="KWD", promo_code="MINUS5")


@pytest.mark.row("C4")
def test_a_bonus_code_makes_a_lot_of_its_own(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        quote = credits.quote(package="starter", promo_code="plus20")
        assert (quote.total_minor, quote.bonus, quote.promo_bonus) == (990, 10, 20)
        assert quote.unit_price == Decimal("0.076153846154")  # 9.90 for 130
        order = credits.checkout("ada", package="starter", key="buy:1", promo_code="plus20").order
        assert order.description == "130 Image credits"
    with selling(database_url, clock, STORE) as credits:  # which has no codes any more
        tell(credits, order, "payment.paid", id="evt_1")
        lots = {lot.source: (lot.amount, lot.cost_minor, lot.expires_at) for lot in credits.lots("ada", "images")}
        ends = START + timedelta(days=90)
        assert lots == {"purchase": (100, 990, ends), "bonus": (10, 0, ends), "promo": (20, 0, ends)}
    with selling(database_url, clock, SHOP) as credits:
        talk = credits.checkout("ada", package="talk", key="buy:2", promo_code="plus20").order
        assert talk.promo_bonus == Decimal("2.5")


@pytest.mark.row("C4")
def test_a_code_has_its_time_and_its_goods(database_url: str, clock: Clock):
    with selling(database_url, clock, f'time_zone = "Europe/Berlin"\n{SHOP}') as credits:

        def asked(**wish: Any) -> int:
            return credits.quote(**wish, promo_code="advent").total_minor

        clock.now = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
        with pytest.raises(PromoCodeUnavailable, match="ADVENT does not count yet"):
            asked(package="big")
        clock.move("1s")
        assert (asked(package="big"), asked(package="talk")) == (5312, 380)
        with pytest.raises(PromoCodeNotForThis, match="ADVENT is not for package starter"):
            asked(package="starter")
        with pytest.raises(PromoCodeNotForThis, match="ADVENT is not for images"):
            asked(credit_type="images", amount=100)
        clock.now = datetime(2026, 12, 24, 22, 59, 59, tzinfo=UTC)  # its last day, in Berlin
        assert asked(package="big") == 5312
        clock.move("1s")
        with pytest.raises(PromoCodeUnavailable, match="ADVENT does not count any more"):
            asked(package="big")
        with pytest.raises(PromoCodeUnavailable, match="GONE does not count any more"):
            credits.quote(package="big", promo_code="gone")


@pytest.mark.row("C4")
@pytest.mark.parametrize(
    "said", ["", " ", "NOPE", "welcome１０", "ẞ", "WELCOME10\0", "x" * 1_000_000, "' OR 1=1 --", 10, b"FREE", "ﬀ"]
)
def test_what_is_no_code_is_refused_and_not_repeated_at_length(database_url: str, clock: Clock, said: Any):
    with selling(database_url, clock, SHOP) as credits:
        for ask in (credits.quote, lambda *a, **k: credits.checkout("ada", *a, **k, key="buy:1")):
            with pytest.raises(PromoCodeUnavailable) as refused:
                ask("images", 100, promo_code=said)
            assert len(str(refused.value)) < 200
        assert credits.orders("ada").data == []


@pytest.mark.row("C4", "C1")
def test_switched_off_is_off(database_url: str, clock: Clock):
    with selling(database_url, clock, f"switches = {{promo_codes = false}}\n{SHOP}") as credits:
        with pytest.raises(SwitchedOff, match="Promo codes are switched off"):
            credits.checkout("ada", "images", 100, key="buy:1", promo_code="WELCOME10")
        assert credits.quote("images", 100).total_minor == 1000


@pytest.mark.row("C4", "L16")
def test_the_same_checkout_again_uses_the_code_once(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        first = credits.checkout("ada", "images", 100, key="buy:1", promo_code="FREE")
        again = credits.checkout("ada", "images", 100, key="buy:1", promo_code="free")
        assert (first.order, True, 1) == (again.order, again.replayed, uses(credits, "FREE"))
        with pytest.raises(PromoCodeUsedUp, match="it was used as often as it may be") as used_up:
            credits.checkout("bob", "images", 100, key="buy:1", promo_code="FREE")
        assert used_up.value.by == "all"
        assert credits.orders("bob").data == []


@pytest.mark.row("C4", "L18")
def test_a_refused_checkout_uses_nothing(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        credits.open_account("ada")
        credits.freeze("ada", key="f")
        with pytest.raises(AccountFrozen):
            credits.checkout("ada", "images", 100, key="buy:1", promo_code="FREE")
        credits.checkout("bob", "images", 100, key="buy:1", promo_code="FREE")
        assert uses(credits, "FREE") == 1


@pytest.mark.row("C4", "P6")
@pytest.mark.parametrize("said", ["payment.failed", "checkout.cancelled", "checkout.expired"])
def test_a_use_comes_back_when_the_order_fails_and_goes_again_when_money_comes_late(
    database_url: str, clock: Clock, said: Any
):
    with selling(database_url, clock, SHOP) as credits:
        first = credits.checkout("ada", "images", 100, key="buy:1", promo_code="TWICE").order
        credits.checkout("ada", "images", 100, key="buy:2", promo_code="TWICE")
        with pytest.raises(PromoCodeUsedUp):
            credits.checkout("ada", "images", 100, key="buy:3", promo_code="TWICE")
        clock.move("1m")
        tell(credits, first, said, id="evt_1")
        assert uses(credits, "TWICE") == 1
        credits.checkout("bob", "images", 100, key="buy:1", promo_code="TWICE")
        clock.move("1m")
        assert tell(credits, first, "payment.paid", id="evt_2").outcome == "fulfilled"
        assert (available(credits), uses(credits, "TWICE")) == (100, 3)  # money outranks the cap, and is counted
        with pytest.raises(PromoCodeUsedUp):
            credits.checkout("eve", "images", 100, key="buy:1", promo_code="TWICE")


@pytest.mark.row("C4", "P6")
def test_a_use_lapses_with_its_order_though_nobody_says_so(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        order = credits.checkout("ada", "images", 100, key="buy:1", promo_code="WELCOME10").order
        waiting = credits.checkout("bob", "images", 100, key="buy:1", promo_code="WELCOME10").order
        tell(credits, waiting, "payment.pending", id="evt_1")
        clock.now = order.expires_at - timedelta(microseconds=1)
        with pytest.raises(PromoCodeUsedUp):
            credits.quote("images", 100, account="ada", promo_code="WELCOME10")
        clock.now = order.expires_at
        assert credits.order("ada", order.id).status == "expired"
        assert credits.quote("images", 100, account="ada", promo_code="WELCOME10").total_minor == 900
        with pytest.raises(PromoCodeUsedUp):  # who began to pay keeps it
            credits.quote("images", 100, account="bob", promo_code="WELCOME10")
        again = credits.checkout("ada", "images", 100, key="buy:2", promo_code="WELCOME10").order
        assert (again.total_minor, uses(credits, "WELCOME10")) == (900, 2)
        assert tell(credits, order, "payment.paid", id="evt_2").outcome == "fulfilled"
        assert uses(credits, "WELCOME10") == 3


@pytest.mark.row("C4", "L18")
def test_what_a_guest_used_counts_for_the_user(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        for account in ("guest", "ada"):
            credits.open_account(account)
        order = credits.checkout("guest", "images", 100, key="buy:1", promo_code="WELCOME10").order
        credits.merge("guest", into="ada", key="m")
        with pytest.raises(PromoCodeUsedUp):
            credits.checkout("ada", "images", 100, key="buy:1", promo_code="WELCOME10")
        assert uses(credits, "WELCOME10") == 1
        tell(credits, order, "payment.failed", id="evt_1")
        assert uses(credits, "WELCOME10") == 0
        assert credits.checkout("ada", "images", 100, key="buy:1", promo_code="WELCOME10").order.total_minor == 900


def tried(start: threading.Barrier, work: Callable[[], Any]) -> bool:
    start.wait()
    try:
        work()
    except PromoCodeUsedUp:
        return False
    return True


@pytest.mark.row("C4")
@pytest.mark.parametrize("accounts", [["ada"], ["ada", "bob", "eve", "kim"]], ids=["one account", "several"])
def test_of_many_at_once_as_many_get_it_as_may(database_url: str, clock: Clock, accounts: list[str]):
    text = SHOP.replace("uses = 2\nuses_per_account = 5", "uses = 5\nuses_per_account = 3")
    with selling(database_url, clock, text) as credits, ThreadPoolExecutor(8) as threads:
        for account in accounts[::2]:
            credits.open_account(account)
        start = threading.Barrier(8)
        racing = [
            threads.submit(
                tried, start, lambda n=n: credits.checkout(
                    accounts[n % len(accounts)], "images", 10, key=f"buy:{n}", promo_code="TWICE"
                ),
            )
            for n in range(16)
        ]  # fmt: skip
        won = sum(one.result() for one in racing)
        assert won == uses(credits, "TWICE") == (3 if len(accounts) == 1 else 5)
        assert won == sum(len(credits.orders(account).data) for account in accounts)


@pytest.mark.row("C4", "L18")
def test_giving_back_using_and_merging_at_once_lose_no_use(database_url: str, clock: Clock):
    text = SHOP.replace("uses = 2\nuses_per_account = 5", "uses = 50\nuses_per_account = 50")
    with selling(database_url, clock, text) as credits, ThreadPoolExecutor(3) as threads:
        for number in range(8):
            guest, user, start = f"guest-{number}", f"user-{number}", threading.Barrier(3)
            for account in (guest, user):
                credits.grant(account, "images", 1, key="g", source="gift")
            order = credits.checkout(guest, "images", 10, key="buy:1", promo_code="TWICE").order
            clock.move("1s")
            failed = partial(tell, credits, order, "payment.failed", id=f"evt_{order.id}")
            merged = partial(credits.merge, guest, into=user, key="m")
            bought = partial(credits.checkout, user, "images", 10, key="buy:1", promo_code="TWICE")
            work = (failed, merged, bought)
            for one in [threads.submit(tried, start, each) for each in work]:
                assert one.result()
        credits.handle_events()
        assert uses(credits, "TWICE") == 8
        rows = credits.database.read(
            lambda session: session.execute("SELECT account FROM farthing_promo_uses WHERE given_back_at IS NULL")
        )
        assert sorted(row[0] for row in rows) == [f"user-{number}" for number in range(8)]


@pytest.mark.row("C4", "L14")
def test_verify_finds_a_use_or_a_code_that_was_changed(database_url: str, clock: Clock):
    with selling(database_url, clock, SHOP) as credits:
        order = credits.checkout("ada", "images", 100, key="buy:1", promo_code="TWICE").order
        for change, back, said in (
            (f"{USES} given_back_at = used_at", f"{USES} given_back_at = NULL", "the use"),
            ("farthing_orders SET promo_code = 'FREE'", "farthing_orders SET promo_code = 'TWICE'", "its seal"),
            ("farthing_orders SET promo_bonus = 5", "farthing_orders SET promo_bonus = 0", "its seal"),
        ):
            credits.database.run(lambda session, change=change: session.execute(f"UPDATE {change}"))
            [fault] = verify(credits.database).faults
            assert fault.order == order.id
            assert said in fault.wrong
            credits.database.run(lambda session, back=back: session.execute(f"UPDATE {back}"))


@pytest.mark.row("C4", "C1")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[promo_codes.A-1]\npercent = 5\nbonus = {images = 1}", "A-1: write one of percent, amount and bonus"),
        ("[promo_codes.EMPTY]", "EMPTY: write one of percent, amount and bonus"),
        ("[promo_codes.twice]\npercent = 5", "twice: it is TWICE again; codes are compared without case"),
        ('[promo_codes."ä"]\npercent = 5', "ä: write a code: letters, digits, - and _, 2 to 32 in all"),
        ("[promo_codes.X1]\npercent = 0", "X1.percent: it must be more than 0"),
        ("[promo_codes.X1]\npercent = 101", "X1.percent: it must be 100 or less"),
        ("[promo_codes.X1]\namount = {USD = 1.001}", "X1.amount.USD: the value 1.001 has more decimals"),
        ("[promo_codes.X1]\nbonus = {gold = 1}", "X1.bonus.gold: there is no credit type 'gold'"),
        ("[promo_codes.X1]\nbonus = {images = 1.5}", "X1.bonus.images: the value 1.5 has more decimals"),
        ("[promo_codes.X1]\npercent = 5\nuses = 0", "X1.uses: it must be 1 or more"),
        ("[promo_codes.X1]\npercent = 5\nfrom = 12:00:00", "X1.from: write a day or an instant"),
        ("[promo_codes.X1]\npercent = 5\nuntil = 9999-12-31", "X1.until: write a day or an instant"),
        ("[promo_codes.X1]\npercent = 5\nfrom = 2026-02-02\nuntil = 2026-02-01", "X1.until: it ends before it begins"),
        ('[promo_codes.X1]\npercent = 5\npackages = ["no"]', "X1.packages: there is no package 'no'"),
        ('[promo_codes.X1]\npercent = 5\ncredit_types = ["no"]', "X1.credit_types: there is no credit type 'no'"),
    ],
)
def test_a_mistake_in_a_code_has_its_path(text: str, said: str):
    with pytest.raises(CatalogInvalid) as wrong:
        shop(f"{SHOP}\n{text}")
    assert [one for one in wrong.value.problems if one.startswith(f"promo_codes.{said}")] == wrong.value.problems


PERCENT = st.decimals(0, 100, places=6)


@pytest.mark.row("C4", "C7")
@given(
    price=st.integers(1, 10**9),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    discount=PERCENT,
    percent=PERCENT,
    amount=st.integers(0, 10**9),
)
def test_discounts_never_make_a_price_negative_and_are_rounded_once(
    price: int, currency: str, discount: Decimal, percent: Decimal, amount: int
):
    promo = PromoCode("CODE1", amounts={currency: amount}) if amount else PromoCode("CODE1", percent)
    package = Package("p", "images", 100, 0, {currency: price}, Words("P"))
    terms = Terms("plan", discount, promo)
    left = EXACT.multiply(to_major(price, currency), EXACT.subtract(100, discount)).scaleb(-2, EXACT)
    left = max(Decimal(0), left - to_major(amount, currency)) if amount else EXACT.multiply(left, 100 - percent) / 100
    try:
        quote = quote_package(package, CreditType("images", "Images"), currency, catalog_version="v", terms=terms)
    except TotalTooSmall:
        assert left and not to_minor(left, currency)
        return
    assert quote.total_minor == to_minor(left, currency)
    assert 0 <= quote.total_minor <= quote.subtotal_minor == price
    assert quote.discount_minor == price - quote.total_minor
    assert sum((line.total for line in quote.lines), Decimal(0)) == to_major(quote.total_minor, currency)
