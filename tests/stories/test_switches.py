"""What is switched off is off through every door: the engine refuses, so no page has to remember it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import farthing
from farthing.errors import ProviderUnavailable, SwitchedOff
from farthing.providers import Bill, Started
from tests.kit import SHOP, Clock, proved, shop
from tests.selling import STORE, available, sandbox, selling, tell

PRO = SHOP + '[plans.pro]\nevery = "1mo"\n[plans.pro.credits.images]\namount = 20\n'


def off(switch: str) -> str:
    table, _, name = f"switches.{switch}".rpartition(".")
    return f"\n[{table}]\n{name} = false\n"


@pytest.mark.row("C1")
def test_selling_off_refuses_quotes_and_checkouts(database_url: str, clock: Clock):
    with selling(database_url, clock, STORE + off("selling")) as credits:
        for buy in (
            lambda: credits.quote(package="starter"),
            lambda: credits.quote("images", 5),
            lambda: credits.checkout("ada", package="starter", key="buy:1"),
            lambda: credits.checkout("ada", "images", 5, key="buy:2"),
        ):
            with pytest.raises(SwitchedOff, match=r"Selling is .* set selling = true under \[switches\]") as refused:
                buy()
            assert refused.value.switch == "selling"
        assert credits.orders("ada").data == []


@pytest.mark.row("C1")
def test_gifts_off_pays_none_through_any_door_and_on_again_pays_what_was_missed(database_url: str, clock: Clock):
    with proved(database_url, clock, SHOP + off("gifts")) as credits:
        credits.open_account("ada")
        with credits.begin() as tx:
            tx.open_account("bob")
        engine = sa.create_engine(credits.database.url)
        with engine.begin() as connection:
            credits.on(connection).open_account("cleo")
        engine.dispose()
        assert [credits.balance(one, "images").posted for one in ("ada", "bob", "cleo")] == [0, 0, 0]
    with proved(database_url, clock) as credits:
        for one in ("ada", "bob", "ada"):
            credits.open_account(one)
        assert [credits.balance(one, "images").posted for one in ("ada", "bob", "cleo")] == [10, 10, 0]


@pytest.mark.row("C1")
def test_plans_off_begins_and_pays_nothing_and_lets_go(database_url: str, clock: Clock):
    with proved(database_url, clock, PRO) as credits:
        credits.start_plan("ada", "pro", key="p:1")
    with proved(database_url, clock, PRO + off("plans")) as credits:
        clock.move("1mo")
        for verb in (
            lambda tx: tx.start_plan("bob", "pro", key="p:2"),
            lambda tx: tx.change_plan("ada", "pro", key="p:3"),
            lambda tx: tx.renew_plan("ada", key="p:4"),
        ):
            for door in (lambda verb: verb(credits), credits.run):
                with pytest.raises(SwitchedOff, match=r"set plans = true under \[switches\]"):
                    door(verb)
        assert credits.drip()["cycles"] == 0
        assert credits.balance("ada", "images").available == 0
    with proved(database_url, clock, PRO) as credits:
        assert credits.drip()["cycles"] == 1
        assert credits.balance("ada", "images").available == 20
    with proved(database_url, clock, PRO + off("plans")) as credits:
        assert credits.cancel_plan("ada", key="p:5").ends == "keep"


@pytest.mark.row("C1")
def test_a_provider_off_gets_no_order_and_its_payments_still_count(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        first = credits.checkout("ada", package="starter", key="buy:1")
    with selling(database_url, clock, STORE + off("providers.sandbox")) as credits:
        assert credits.quote(package="starter").total_minor == 990
        with pytest.raises(SwitchedOff, match=r"set sandbox = true under \[switches\.providers\]") as refused:
            credits.checkout("ada", package="starter", key="buy:2")
        assert refused.value.switch == "providers.sandbox"
        assert credits.checkout("ada", package="starter", key="buy:1").url == first.url
        assert len(credits.orders("ada").data) == 1
        tell(credits, first.order, "payment.paid", id="evt_1")
        assert available(credits) == 110


@pytest.mark.row("C1")
def test_one_provider_off_leaves_the_others(database_url: str, clock: Clock):
    with selling(database_url, clock, STORE + off("providers.stripe")) as credits:
        assert credits.checkout("ada", package="starter", key="buy:1").url


class Slow:
    """A provider that does not answer, and counts how often it is asked."""

    name = "slow"
    livemode = False
    asked = 0

    def require_billable(self, currency: str, total_minor: int) -> None:
        """It takes everything."""

    def start(self, bill: Bill) -> Started:
        self.asked += 1
        raise ProviderUnavailable("It does not answer.", provider=self.name)


@pytest.mark.row("C1")
def test_a_provider_that_is_switched_off_meanwhile_is_not_asked_again(database_url: str, clock: Clock):
    slow = Slow()
    with selling(database_url, clock, providers=[sandbox(), slow]) as credits:  # pyright: ignore
        with pytest.raises(ProviderUnavailable):
            credits.checkout("ada", package="starter", key="buy:1", provider="slow")
        credits.catalog = shop(STORE + off("providers.slow"))
        with pytest.raises(SwitchedOff):
            credits.checkout("ada", package="starter", key="buy:1", provider="slow")
        assert slow.asked == 1
        assert [one.status for one in credits.orders("ada").data] == ["open"]


def test_every_switch_can_be_asked_for(credits: farthing.Credits):
    for switch in credits.catalog.switches:
        credits.catalog.require_on(switch)
    credits.catalog.require_on("providers.anybody")
    with pytest.raises(KeyError):
        credits.catalog.require_on("sellling")
