"""Orders: the price and the credits are frozen before any money moves, and the credits come with the money."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import farthing
from farthing.core.orders import Order
from farthing.errors import (
    DatabaseBusy,
    InvalidAccount,
    InvalidField,
    InvalidKey,
    KeyReused,
    ModeMismatch,
    NestedWrite,
    NotFound,
    PackageUnavailable,
    ProviderUnavailable,
    ScaleChanged,
    SwitchedOff,
    UnknownCreditType,
    UnknownProvider,
)
from farthing.providers import Bill, Started
from farthing.providers.sandbox import Sandbox
from farthing.store import acts
from farthing.store import orders as order_rows
from tests.databases import Databases
from tests.kit import START, Clock, shop
from tests.selling import SECRET, STORE, available, sandbox, selling, tell


@pytest.mark.row("P1", "C6")
def test_a_package_makes_two_lots_when_its_money_arrives(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
        assert (order.status, available(credits)) == ("open", 0)
        clock.move("2h")
        assert tell(credits, order, "payment.paid", id="evt_1").outcome == "fulfilled"
        paid, bonus = sorted(credits.lots("ada", "images"), key=lambda lot: lot.cost_minor, reverse=True)
        assert (paid.source, paid.amount, paid.cost_minor, paid.currency) == ("purchase", 100, 990, "USD")
        assert (bonus.source, bonus.amount, bonus.cost_minor) == ("bonus", 10, 0)
        assert {START + timedelta(hours=2, days=90)} == {paid.expires_at, bonus.expires_at}
        keys = {line.key: line.link for line in credits.history("ada").data}
        name = f"farthing:order:{order.id}"
        assert {f"{name}:paid": order.id, f"{name}:bonus": order.id} == keys
        shown = credits.order("ada", order.id)
        assert ("fulfilled", clock.now, 990) == (shown.status, shown.fulfilled_at, shown.paid_minor)
        assert [(one.standing, one.amount_minor, one.currency) for one in shown.payments] == [("paid", 990, "USD")]


@pytest.mark.row("P1")
def test_any_amount_is_one_lot_at_the_quoted_price_less_the_tax(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", "images", 500, key="buy:1").order
        assert (5000, Decimal("0.1"), ["slab"]) == (
            order.total_minor,
            order.unit_price,
            [line.kind for line in order.lines],
        )
        tell(credits, order, "payment.paid", id="evt_1", amount_minor=5950, tax_minor=950)
        [lot] = credits.lots("ada", "images")
        assert (lot.amount, lot.cost_minor, lot.expires_at) == (500, 5000, None)
        shown = credits.order("ada", order.id)
        assert (shown.paid_minor, shown.tax_minor) == (5950, 950)


@pytest.mark.row("P1")
@pytest.mark.parametrize(
    "changed",
    [
        STORE.replace("9.90", "99.00").replace("credits = 100", "credits = 1").replace("90d", "1d"),
        STORE[: STORE.index("[packages")],
        """[credit_types.chat]\nname = "Chat credits"\nscale = 2""",
    ],
    ids=["dearer", "package gone", "credit type gone"],
)
def test_a_catalog_that_changes_under_an_open_order_changes_nothing(database_url: str, clock: Clock, changed: str):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
    with selling(database_url, clock, changed) as credits:
        assert tell(credits, order, "payment.paid", id="evt_1").outcome == "fulfilled"
    with selling(database_url, clock) as credits:
        assert available(credits) == 110
        assert {START + timedelta(days=90)} == {lot.expires_at for lot in credits.lots("ada", "images")}
        assert {order.catalog_version} == {line.catalog_version for line in credits.history("ada").data}


def test_the_default_expiry_is_frozen_too(database_url: str, clock: Clock):
    packages = '[packages.talk]\ncredit_type = "chat"\ncredits = "2.50"\nprice = { USD = "1.00" }\nname = "Talk"'
    with selling(database_url, clock, STORE + packages) as credits:
        order = credits.checkout("ada", package="talk", key="buy:1").order
        assert ("30d", Decimal("2.5")) == (order.expires, order.amount)
    with selling(database_url, clock, STORE.replace('"30d"', '"1d"')) as credits:
        tell(credits, order, "payment.paid", id="evt_1")
        assert [START + timedelta(days=30)] == [lot.expires_at for lot in credits.lots("ada", "chat")]


def test_how_a_credit_type_is_counted_is_settled_by_its_first_order(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        credits.checkout("ada", package="starter", key="buy:1")
    with pytest.raises(ScaleChanged):
        farthing.open(database_url, catalog=shop(STORE.replace('"Image credits"', '"Image credits"\nscale = 2')))


@pytest.mark.row("P1", "L16")
def test_the_same_checkout_again_is_the_same_order(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        first = credits.checkout("ada", package="starter", key="buy:1")
        again = credits.checkout("ada", package="starter", key="buy:1")
        assert (first.order, first.url, True) == (again.order, again.url, again.replayed)
        assert not first.replayed
        with pytest.raises(KeyReused, match="already stands for an order"):
            credits.checkout("ada", package="starter", key="buy:1", currency="JPY")
        assert len(credits.orders("ada").data) == 1
        assert credits.checkout("bob", package="starter", key="buy:1").order.account == "bob"


def test_a_repeated_checkout_asks_no_price_and_no_switch(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
    closed = STORE[: STORE.index("[packages")] + "\n[switches]\nselling = false\n"
    with selling(database_url, clock, closed) as credits:
        assert order == credits.checkout("ada", package="starter", key="buy:1").order


@pytest.mark.row("L16")
def test_keys_of_orders_and_of_entries_are_one_namespace(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        credits.checkout("ada", package="starter", key="one")
        with pytest.raises(KeyReused, match="an order"):
            credits.grant("ada", "images", 5, key="one", source="promo")
        with pytest.raises(KeyReused), credits.begin() as tx:
            tx.grant("ada", "chat", 5, key="one", source="promo")
        credits.grant("ada", "images", 5, key="two", source="promo")
        with pytest.raises(KeyReused, match="a grant of images"):
            credits.checkout("ada", package="starter", key="two")
        with pytest.raises(KeyReused):
            credits.deduct("ada", "images", 5, key="one")
        assert available(credits) == 5
        credits.grant("bob", "images", 5, key="one", source="promo")


WALLETS = {
    "no account yet": [],
    "no wallet of this type yet": [("ada", "chat")],
    "an old wallet": [("ada", "images")],
}


@pytest.mark.row("L16")
@pytest.mark.parametrize("wallets", WALLETS.values(), ids=WALLETS)
def test_a_checkout_waits_for_a_grant_that_has_its_key(database_url: str, clock: Clock, wallets: list[tuple[str, str]]):
    with selling(database_url, clock) as credits, ThreadPoolExecutor() as threads:
        for account, credit_type in wallets:
            credits.grant(account, credit_type, 1, key="first", source="promo")
        with credits.begin() as tx:
            tx.grant("ada", "images", 5, key="same", source="promo")
            checkout = threads.submit(credits.checkout, "ada", package="starter", key="same")
            still_waiting(checkout)
        with pytest.raises(KeyReused):
            checkout.result()
        assert credits.orders("ada").data == []


@pytest.mark.row("L16")
@pytest.mark.parametrize("wallets", WALLETS.values(), ids=WALLETS)
def test_a_grant_waits_for_a_checkout_that_has_its_key(database_url: str, clock: Clock, wallets: list[tuple[str, str]]):
    with selling(database_url, clock) as credits, ThreadPoolExecutor() as threads:
        for account, credit_type in wallets:
            credits.grant(account, credit_type, 1, key="first", source="promo")
        with credits.begin() as tx:
            acts.lock_account(tx.session, "ada")
            grant = threads.submit(credits.grant, "ada", "images", 5, key="same", source="promo")
            still_waiting(grant)
            order_rows.add(tx.session, an_order("ada", key="same"))
        with pytest.raises(KeyReused):
            grant.result()
        assert len(wallets) == len(credits.history("ada").data)


def test_a_checkout_that_waited_while_a_wallet_was_made_begins_again(postgresql: Databases, clock: Clock):
    def lock() -> None:
        with credits.begin() as tx:
            acts.lock_account(tx.session, "ada")

    with postgresql.migrated() as url, selling(url, clock) as credits, ThreadPoolExecutor() as threads:
        with credits.begin() as tx:
            tx.grant("ada", "images", 5, key="first", source="promo")
            locking = threads.submit(lock)
            still_waiting(locking)
        with pytest.raises(DatabaseBusy):
            locking.result()


def still_waiting(answer: Future[Any]) -> None:
    with pytest.raises(TimeoutError):
        answer.result(timeout=0.3)


def an_order(account: str, key: str) -> Order:
    return Order(
        account, "ord_0", key, b"", "images", 0, 1, 0, None, "never", "1 Image credits", "USD", 10, 0, 10,
        '{"lines":[],"unit_price":"0.1"}', "sandbox", False, None, "c1", START, START + timedelta(days=1),
    )  # fmt: skip


@pytest.mark.row("L16")
def test_one_of_them_has_the_key_whoever_is_first(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits, ThreadPoolExecutor(4) as threads:
        for number in range(30):
            account, key, start = f"account-{number // 2}", f"race:{number}", threading.Barrier(4)
            grants = [
                threads.submit(took_the_key, start, credits.grant, account, credit_type, 1, key=key, source="promo")
                for credit_type in ("images", "chat")
            ]
            checkouts = [
                threads.submit(took_the_key, start, credits.checkout, account, package="starter", key=key)
                for _ in range(2)
            ]
            granted, ordered = (sum(one.result() for one in both) for both in (grants, checkouts))
            assert (granted, ordered) in [(1, 0), (0, 2)]


def took_the_key(start: threading.Barrier, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    start.wait()
    try:
        verb(*args, **kwargs)
    except KeyReused:
        return False
    return True


class Silent(Sandbox):
    """A sandbox that does not answer as long as it is told not to, and counts who asked."""

    def __init__(self) -> None:
        super().__init__(url="http://sandbox.test", secrets=[SECRET])
        self.silent = True
        self.asked: list[Bill] = []

    def start(self, bill: Bill) -> Started:
        self.asked.append(bill)
        if self.silent:
            raise ProviderUnavailable("The sandbox does not answer.", provider=self.name)
        return super().start(bill)


@pytest.mark.row("P1")
def test_an_order_stands_when_its_provider_does_not_answer_and_the_same_call_asks_again(
    database_url: str, clock: Clock
):
    provider = Silent()
    with selling(database_url, clock, providers=[provider]) as credits:
        with pytest.raises(ProviderUnavailable):
            credits.checkout("ada", package="starter", key="buy:1")
        [order] = credits.orders("ada").data
        assert (order.status, order.url) == ("open", None)
        provider.silent = False
        checkout = credits.checkout("ada", package="starter", key="buy:1")
        assert (order.id, True) == (checkout.order.id, checkout.replayed)
        assert checkout.url is not None
        assert [order.id, order.id] == [bill.order for bill in provider.asked]
        credits.checkout("ada", package="starter", key="buy:1")
        assert len(provider.asked) == 2


@pytest.mark.row("P1")
def test_a_process_killed_before_it_asked_its_provider_leaves_an_order_that_the_same_call_completes(
    database_url: str, clock: Clock
):
    script = f"""
import os, farthing
from tests.kit import START, shop
from tests.selling import STORE, sandbox
provider = sandbox()
provider.start = lambda bill: os._exit(9)
credits = farthing.open({database_url!r}, catalog=shop(STORE), clock=lambda: START, providers=[provider])
credits.checkout("ada", package="starter", key="buy:1")
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    with selling(database_url, clock) as credits:
        [order] = credits.orders("ada").data
        assert None is order.url
        checkout = credits.checkout("ada", package="starter", key="buy:1")
        assert (order.id, True) == (checkout.order.id, checkout.url is not None)
        tell(credits, order, "payment.paid", id="evt_1")
        assert available(credits) == 110


def test_a_payment_may_arrive_before_its_checkout_was_noted(database_url: str, clock: Clock):
    with selling(database_url, clock, providers=[Silent()]) as credits:
        with pytest.raises(ProviderUnavailable):
            credits.checkout("ada", package="starter", key="buy:1")
        [order] = credits.orders("ada").data
        assert tell(credits, order, "payment.paid", id="evt_1").outcome == "fulfilled"
        assert None is credits.checkout("ada", package="starter", key="buy:1").url


@pytest.mark.row("P6")
def test_what_is_discounted_to_nothing_needs_no_payment(database_url: str, clock: Clock):
    with selling(database_url, clock, f'{STORE}\n[plans.staff]\nevery = "1mo"\ndiscount = 100') as credits:
        credits.start_plan("ada", "staff", key="plan:1")
        checkout = credits.checkout("ada", package="starter", key="buy:1")
        assert (checkout.order.status, checkout.url, available(credits)) == ("fulfilled", None, 110)
        assert checkout.order == credits.checkout("ada", package="starter", key="buy:1").order
        assert available(credits) == 110
        assert {0} == {lot.cost_minor for lot in credits.lots("ada", "images")}


@pytest.mark.row("P11")
def test_what_is_wrong_before_any_order_has_a_code_and_leaves_none(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        wrong: list[tuple[type[farthing.FarthingError], str, dict[str, Any]]] = [
            (UnknownProvider, "unknown_provider", {"package": "starter", "provider": "stripe"}),
            (PackageUnavailable, "package_unavailable", {"package": "gone"}),
            (InvalidField, "invalid_field", {"package": "starter", "amount": 5}),
            (InvalidField, "invalid_field", {}),
            (InvalidField, "invalid_field", {"package": "starter", "return_url": "javascript:alert(1)"}),
            (InvalidField, "invalid_field", {"package": "starter", "return_url": "/orders"}),
            (InvalidField, "invalid_field", {"package": "starter", "return_url": "http://[x"}),
            (InvalidKey, "invalid_key", {"package": "starter", "key": "farthing:x"}),
        ]
        for refused, code, call in wrong:
            with pytest.raises(refused) as error:
                credits.checkout("ada", **{"key": "buy:1", **call})
            assert code == error.value.code
        with pytest.raises(InvalidAccount):
            credits.checkout("a/b", package="starter", key="buy:1")
        with pytest.raises(NestedWrite), credits.begin():
            credits.checkout("ada", package="starter", key="buy:1")
        assert credits.orders("ada").data == []


@pytest.mark.row("P11", "C1")
def test_nothing_is_sold_while_selling_is_switched_off_but_what_was_sold_is_given(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
    with selling(database_url, clock, STORE + "\n[switches]\nselling = false\n") as credits:
        with pytest.raises(SwitchedOff):
            credits.checkout("ada", package="starter", key="buy:2")
        tell(credits, order, "payment.paid", id="evt_1")
        assert available(credits) == 110


def test_a_checkout_opens_no_account(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
        with pytest.raises(NotFound):
            credits.account("ada")
        tell(credits, order, "payment.paid", id="evt_1")
        assert clock.now == credits.account("ada").created_at


@pytest.mark.row("P11")
def test_an_order_nobody_paid_reads_as_expired_and_has_no_page_any_more(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        checkout = credits.checkout("ada", package="starter", key="buy:1")
        clock.now = checkout.order.expires_at - timedelta(microseconds=1)
        assert ("open", checkout.url) == (credits.order("ada", checkout.order.id).status, checkout.url)
        clock.now = checkout.order.expires_at
        again = credits.checkout("ada", package="starter", key="buy:1")
        assert (again.order.status, again.url) == ("expired", None)


def test_orders_are_listed_newest_first_a_page_at_a_time(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        made = [credits.checkout("ada", "images", amount, key=f"buy:{amount}").order for amount in (1, 2, 3)]
        credits.checkout("bob", "images", 9, key="buy:9")
        first = credits.orders("ada", limit=2)
        rest = credits.orders("ada", limit=2, cursor=first.next_cursor)
        assert [made[2], made[1]] == first.data
        assert ([made[0]], False, None) == (rest.data, rest.has_more, rest.next_cursor)
        assert {"amount": Decimal(1), "status": "open"}.items() <= made[0].as_dict().items()
        with pytest.raises(InvalidField):
            credits.orders("ada", limit=0)


def test_an_order_is_its_accounts_own(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
        for account, wanted in [("bob", order.id), ("ada", "ord_0"), ("ada", "")]:
            with pytest.raises((NotFound, InvalidField)):
                credits.order(account, wanted)


@pytest.mark.row("P5")
def test_the_sandbox_never_stands_beside_a_live_database(empty_database_url: str):
    farthing.migrate(empty_database_url, mode="live")
    with pytest.raises(ModeMismatch, match="moves no real money"):
        farthing.open(empty_database_url, catalog=shop(STORE), providers=[sandbox()])


def test_a_provider_of_real_money_never_stands_beside_a_test_database(database_url: str):
    provider = sandbox()
    provider.livemode = True
    with pytest.raises(ModeMismatch, match="moves real money"):
        farthing.open(database_url, catalog=shop(STORE), providers=[provider])


async def _buy(url: str, clock: Clock) -> str:
    async with farthing.open_async(url, catalog=shop(STORE), clock=clock, providers=[sandbox()]) as credits:
        checkout = await credits.checkout("ada", package="starter", key="buy:1")
        await credits.handle_events()
        return (await credits.order("ada", checkout.order.id)).status


def test_the_same_verbs_can_be_awaited(database_url: str, clock: Clock):
    import asyncio

    assert asyncio.run(_buy(database_url, clock)) == "open"


@pytest.mark.row("P1")
def test_asking_again_answers_the_order_though_its_credit_type_left_the_catalog(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        first = credits.checkout("ada", "images", 10, key="k")
        credits.catalog = shop('[credit_types.chat]\nname = "Chat"\n')
        again = credits.checkout("ada", "images", 10, key="k")
        assert (again.order.id, again.url, again.replayed) == (first.order.id, first.url, True)
        with pytest.raises(KeyReused):
            credits.checkout("ada", "images", 11, key="k")
        with pytest.raises(UnknownCreditType):
            credits.checkout("ada", "images", 10, key="new")
