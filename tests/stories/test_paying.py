"""What buyer and seller say at checkout reaches the provider, the same however often it is asked, and nobody else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

import farthing
from farthing.core.orders import Paying
from farthing.core.payments import Notice, SavedCard
from farthing.errors import InvalidField, KeyReused, NotFound, ProviderUnavailable, SwitchedOff, UnknownProvider
from farthing.providers import Asks, Bill, Charged, Started
from farthing.selling.checkout import Checkout
from farthing.store import customers
from farthing.store import orders as order_rows
from tests.herald import Herald, Purchase, say
from tests.kit import START, Clock, shop
from tests.selling import STORE, available, selling

TAXED = f"{STORE}\n[providers.herald]\ntax = true\ntax_ids = true\ninvoice = true\n"
SAID: dict[str, Any] = {"email": "ada@example.com", "locale": "zh-CN", "metadata": {"team": "blue", "campaign": "may"}}


class Keeper(Herald):
    """A herald that keeps cards; every one of them is declined."""

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        return Charged(f"pay_{bill.order}", Notice(f"pay_{bill.order}", "failed", START, reason="card_declined"))

    def ask_card(
        self, account: str, *, key: str, customer: str | None, return_url: str | None, form: bool = False
    ) -> Started:
        return Started(f"card_{key}", "https://herald.test/card", customer=customer or f"cus_{account}")


@contextmanager
def store(url: str, clock: Clock, text: str = STORE) -> Generator[tuple[farthing.Credits, Keeper]]:
    herald = Keeper()
    with selling(url, clock, text, providers=[herald]) as credits:
        yield credits, herald


def buy(credits: farthing.Credits, *, key: str = "buy", account: str = "ada", **said: Any) -> Checkout:
    return credits.checkout(account, package="starter", key=key, provider="herald", **said)


@pytest.mark.row("P10")
def test_what_buyer_and_seller_say_reaches_the_provider(database_url: str, clock: Clock):
    with store(database_url, clock, TAXED) as (credits, herald):
        order = buy(credits, **SAID, save_card=True, return_url="https://shop.test/{order}").order
        assert herald.asked == [
            Bill(
                order.id, "110 Image credits", "USD", 990, f"https://shop.test/{order.id}", START + timedelta(days=1),
                "ada", False, None, True, "ada@example.com", "zh-CN", {"campaign": "may", "team": "blue"},
                Asks(tax=True, tax_ids=True, invoice=True),
            )
        ]  # fmt: skip
        shown = credits.order("ada", order.id)
        assert (shown.email, shown.locale, shown.save_card, shown.form) == ("ada@example.com", "zh-CN", True, False)
        assert shown.metadata == SAID["metadata"]
        assert credits.verify().faults == []


@pytest.mark.row("P10")
def test_what_the_provider_adds_is_recorded_and_the_credits_cost_what_was_paid_for_them(
    database_url: str, clock: Clock
):
    with store(database_url, clock, TAXED) as (credits, _):
        bought = Purchase(credits)
        bought.paid(1059, tax_minor=169, discount_minor=100)
        order = bought.now()
        assert (
            order.status, order.paid_minor, order.tax_minor, order.payments[0].discount_minor,
        ) == ("fulfilled", 1059, 169, 100)  # fmt: skip
        assert max(lot.cost_minor for lot in credits.lots("ada", "images")) == 890


@pytest.mark.row("P10", "P11")
@pytest.mark.parametrize(
    ("field", "said"),
    [
        *(("email", said) for said in ("ada", "@x.test", "a b@x.test", "a@b@c", "a@x..test", "a@x.test\n", "", 7)),
        ("email", f"{'a' * 250}@x.test"),
        *(("locale", said) for said in ("", "english please", "e", "zh_", 7)),
        ("metadata", {str(number): "x" for number in range(21)}),
        ("metadata", {"k" * 41: "x"}),
        ("metadata", {"k": "x" * 501}),
        *(("metadata", said) for said in ({"k": 7}, {7: "x"}, {"": "x"}, {"k": "\0"}, {"farthing": "x"}, "k")),
    ],
)  # fmt: skip
def test_what_cannot_be_passed_on_is_refused_at_the_door(database_url: str, clock: Clock, field: str, said: Any):
    with store(database_url, clock) as (credits, herald):
        with pytest.raises(InvalidField, match="Nothing was changed") as refused:
            buy(credits, **{field: said})
        assert (refused.value.field, herald.asked, credits.orders("ada").data) == (field, [], [])


@pytest.mark.row("P10")
def test_the_most_that_can_be_passed_on_can(database_url: str, clock: Clock):
    most = {"metadata": {f"{number:02}" + "é" * 19: "x" * 500 for number in range(20)}, "email": f"{'a' * 247}@x.test"}
    with store(database_url, clock) as (credits, _):
        order = buy(credits, **most).order
        assert (order.metadata, order.email) == (most["metadata"], most["email"])


@pytest.mark.row("P10")
def test_a_refusal_does_not_repeat_the_address(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, _), pytest.raises(InvalidField) as refused:
        buy(credits, email="ada at home@example.com")
    assert "home" not in str(refused.value)


@pytest.mark.row("P1", "P3")
def test_a_form_has_its_secret_from_the_provider_each_time_and_it_is_written_down_nowhere(
    database_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    with store(database_url, clock) as (credits, herald):
        first = buy(credits, form=True, **SAID)
        again = buy(credits, form=True, **SAID)
        resumed = credits.resume_checkout("ada", first.order.id)
        secret = first.client_secret or ""
        assert (first.url, first.order.url, first.publishable_key) == (None, None, "pk_test_herald")
        assert secret.startswith("form_ord_")
        assert [secret, secret] == [again.client_secret, resumed.client_secret]
        assert (first.replayed, again.replayed, resumed.replayed) == (False, True, True)
        asked = herald.asked[0]
        assert [asked, *[asked._replace(reference=first.order.reference)] * 2] == herald.asked and asked.form
        with credits.database.reading() as session:
            stored = repr(session.execute("SELECT * FROM farthing_orders"))
        assert first.order.id in stored
        for kept in (stored, caplog.text, repr(first), repr(credits.order("ada", first.order.id))):
            assert secret not in kept


@pytest.mark.row("P1", "P3")
def test_a_form_that_is_paid_or_out_of_time_has_no_secret_any_more(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, herald):
        bought = buy(credits, form=True)
        order = bought.order.id
        paid = Notice("pi_1", "paid", clock.now, 990, currency="USD")
        assert say(credits, paid, about=[f"form_{order}"]).outcome == "fulfilled"
        late = buy(credits, form=True, key="late").order.id
        asked = len(herald.asked)
        clock.move("1d")
        for ended in (order, late):
            resumed = credits.resume_checkout("ada", ended)
            assert (resumed.client_secret, resumed.publishable_key, resumed.url) == (None, None, None)
        assert (len(herald.asked), available(credits)) == (asked, 110)


@pytest.mark.row("P1", "P3")
def test_two_checkouts_at_once_with_one_key_and_a_form_are_one_order_and_one_bill(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, herald), ThreadPoolExecutor(2) as threads:
        for number in range(10):
            key, start = f"buy:{number}", threading.Barrier(2)

            def both(key: str = key, start: threading.Barrier = start) -> Checkout:
                start.wait()
                return buy(credits, key=key, form=True, **SAID)

            one, other = (answer.result() for answer in [threads.submit(both) for _ in range(2)])
            assert (one.order.id, one.client_secret) == (other.order.id, other.client_secret)
            assert {one.replayed, other.replayed} == {True, False}
            bills = [bill._replace(reference=None) for bill in herald.asked if bill.order == one.order.id]
            assert [bills[0]] * 2 == bills
        assert len(credits.orders("ada").data) == 10


@pytest.mark.row("P1", "P10")
def test_a_retry_asks_with_the_very_same_bill_whatever_changed_meanwhile(database_url: str, clock: Clock):
    with store(database_url, clock, TAXED) as (credits, herald):
        herald.silent = True
        with pytest.raises(ProviderUnavailable):
            buy(credits, form=True, **SAID)
        with credits.database.writing() as session:  # another order told meanwhile who pays
            customers.remember(session, customers.Customer("ada", "herald", "cus_late", None, None, clock.now))
        credits.catalog = shop(STORE)
        herald.silent = False
        again = buy(credits, form=True, email="someone@else.test", locale="en", metadata={"other": "words"})
        assert again.replayed and again.client_secret
        assert [herald.asked[0]] * 2 == herald.asked
        assert (again.order.email, again.order.locale) == ("ada@example.com", "zh-CN")


@pytest.mark.row("P1", "L16")
@pytest.mark.parametrize("other", [{"form": True}, {"save_card": True}], ids=["form", "card"])
def test_another_way_to_pay_is_another_checkout(database_url: str, clock: Clock, other: dict[str, Any]):
    with store(database_url, clock) as (credits, _):
        buy(credits)
        with pytest.raises(KeyReused):
            buy(credits, **other)


@pytest.mark.row("P3", "P11")
@pytest.mark.parametrize("asked", [{"form": True}, {"save_card": True}], ids=["form", "card"])
def test_a_provider_is_not_asked_for_what_it_cannot(database_url: str, clock: Clock, asked: dict[str, Any]):
    [field] = asked
    provider = Herald()
    provider.forms = False
    with selling(database_url, clock, providers=[provider]) as credits:
        with pytest.raises(InvalidField, match=f"Leave {field} out") as refused:
            buy(credits, **asked)
        assert (refused.value.field, provider.asked, credits.orders("ada").data) == (field, [], [])


@pytest.mark.row("P1", "P10")
def test_who_pays_is_remembered_for_the_next_order_and_frozen_with_it(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, herald):
        herald.customer = "cus_ada"
        buy(credits, form=True)
        herald.silent = True
        with pytest.raises(ProviderUnavailable):
            buy(credits, key="second")
        say(credits, SavedCard("cus_new", "pm_1", clock.now), about=[credits.orders("ada").data[0].id])
        herald.silent = False
        buy(credits, key="second")
        buy(credits, key="third")
        buy(credits, key="of bob", account="bob")
        assert [bill.customer for bill in herald.asked] == [None, "cus_ada", "cus_ada", "cus_new", None]


@pytest.mark.row("P1")
def test_erasing_an_account_blanks_what_its_checkouts_said(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, _):
        order = buy(credits, form=True, **SAID, return_url="https://shop.test/{order}").order
        Purchase(credits, key="paid").paid()
        credits.erase("ada", key="erase")
        shown = credits.order("ada", order.id)
        assert (shown.email, shown.locale, shown.metadata, shown.return_url) == (None, None, {}, None)
        with credits.database.reading() as session:
            kept = order_rows.read(session, "ada", order.id)
        assert kept is not None
        assert kept.paying == Paying()
        assert credits.verify().faults == []


@pytest.mark.row("P3")
def test_a_form_begun_can_be_paid_while_its_provider_is_switched_off_and_none_can_be_begun(
    database_url: str, clock: Clock
):
    with store(database_url, clock) as (credits, herald):
        begun = buy(credits, form=True)
        herald.silent = True
        with pytest.raises(ProviderUnavailable):
            buy(credits, key="second", form=True)
        herald.silent = False
        credits.catalog = shop(f"{STORE}\n[switches.providers]\nherald = false")
        assert credits.resume_checkout("ada", begun.order.id).client_secret == begun.client_secret
        with pytest.raises(SwitchedOff):
            buy(credits, key="second", form=True)


@pytest.mark.row("P11")
def test_only_an_order_of_ones_own_is_resumed(database_url: str, clock: Clock):
    with store(database_url, clock) as (credits, _):
        order = buy(credits, form=True).order.id
        for account, wanted in (("bob", order), ("ada", "ord_0")):
            with pytest.raises(NotFound):
                credits.resume_checkout(account, wanted)
        credits.providers.clear()
        with pytest.raises(UnknownProvider):
            credits.resume_checkout("ada", order)


async def _buy(url: str, clock: Clock) -> tuple[str | None, str | None]:
    async with farthing.open_async(url, catalog=shop(STORE), clock=clock, providers=[Herald()]) as credits:
        made = await credits.checkout(
            "ada", package="starter", key="buy:1", provider="herald", form=True, email="a@x.y"
        )
        return made.client_secret, (await credits.resume_checkout("ada", made.order.id)).client_secret


def test_forms_can_be_awaited(database_url: str, clock: Clock):
    import asyncio

    first, again = asyncio.run(_buy(database_url, clock))
    assert first and first == again
