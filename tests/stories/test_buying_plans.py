"""Plans that a provider bills: what its subscriptions do to the plan engine, whatever is told, twice, late or never."""

from __future__ import annotations

import random
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import farthing
from farthing.core.payments import Refund
from farthing.errors import (
    AlreadySubscribed,
    BilledByProvider,
    FarthingError,
    InvalidField,
    KeyReused,
    NoPrice,
    NotBillable,
    NotFound,
    NotSubscribed,
    PeriodNotDue,
    ProviderUnavailable,
    SwitchedOff,
)
from farthing.providers import Found
from farthing.testing import prove
from farthing.views import SubscriptionView
from tests.biller import Biller, Bought
from tests.herald import Herald, say
from tests.kit import Clock
from tests.selling import selling

pytestmark = pytest.mark.row("P12")

CATALOG = """
currency = "USD"

[credit_types.images]
name = "Image credits"

[plans.free]
every = "1mo"
[plans.free.credits.images]
amount = 10

[plans.paid]
every = "1mo"
driver = "payment"
rank = 10
price = { USD = "9.00" }
[plans.paid.credits.images]
amount = 300

[plans.more]
every = "1mo"
driver = "payment"
rank = 20
unused = "take_back"
price = { USD = "29.00" }
[plans.more.credits.images]
amount = 1000

[plans.year]
every = "1y"
drip = "1mo"
driver = "payment"
rank = 20
price = { USD = "90.00" }
[plans.year.credits.images]
amount = 400

[plans.tried]
every = "1mo"
driver = "payment"
rank = 10
price = { USD = "9.00" }
[plans.tried.credits.images]
amount = 300
[plans.tried.trial]
length = "14d"
credits = { images = 20 }

[plans.hourly]
every = "36h"
driver = "payment"
price = { USD = "9.00" }
[plans.hourly.credits.images]
amount = 1
"""


@pytest.fixture
def biller() -> Biller:
    made = Biller()
    made.customer = "cus_ada"
    return made


@contextmanager
def shop(url: str, clock: Clock, biller: Herald, text: str = CATALOG) -> Generator[farthing.Credits]:
    clock.to("2026-01-10T10:00")
    with selling(url, clock, text, providers=[biller]) as credits:
        yield credits
        prove(credits)


def have(credits: farthing.Credits, account: str = "ada") -> int:
    return int(credits.balance(account, "images").available)


def plan_of(credits: farthing.Credits, account: str = "ada") -> SubscriptionView:
    plan = credits.subscription(account)
    assert plan
    return plan


def test_a_plan_begins_when_it_is_paid_and_every_invoice_opens_one_period(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        assert (bought.billing.status, bought.billing.price_minor) == ("open", 900)
        assert (have(credits), credits.subscription("ada")) == (0, None)
        bought.pay()
        assert bought.tell() == "plan_paid"
        assert bought.tell("evt_again") == "no_change"
        assert (have(credits), plan_of(credits).status) == (300, "active")
        assert (bought.now().status, bought.now().plan_id, bought.now().url) == ("active", "sub_1", None)
        credits.deduct("ada", "images", 250, key="d")
        clock.to("2026-02-10T10:00")
        credits.drip()
        assert (have(credits), plan_of(credits).status) == (0, "unpaid")
        bought.pay()
        assert (bought.tell(), have(credits)) == ("plan_paid", 300)
        assert [one.outcome for one in bought.now().invoices] == ["opened", "opened"]


def test_in_any_order_told_twice_or_lost_and_made_up_for_it_ends_the_same(database_url, clock, biller):
    dice = random.Random(12)
    with shop(database_url, clock, biller) as credits:
        stories: list[list[Found]] = []
        accounts = [f"ada{number}" for number in range(12)]
        for account in accounts:
            bought = Bought(credits, biller, account=account, key=account)
            told = [bought.known()]
            clock.now = clock.now.replace(minute=1)
            bought.pay()
            told.append(bought.known())
            clock.now = clock.now.replace(minute=2)
            bought.cancels = True
            told.append(bought.known())
            clock.now = clock.now.replace(minute=3)
            bought.cancels = False
            told.append(bought.known())
            clock.now = clock.now.replace(minute=4)
            bought.plan = "more"
            told.append(bought.known())
            arriving = [*told, *dice.sample(told, 2)]
            dice.shuffle(arriving)
            for number, found in enumerate([*arriving, told[-1]]):
                bought.tell(f"{account}:{number}", found=found)
            stories.append(told)
            clock.now = clock.now.replace(minute=0)
        ends = {(have(credits, one), plan_of(credits, one).plan, plan_of(credits, one).ends) for one in accounts}
        assert ends == {(1000, "more", None)}
        assert len(stories) == 12


def test_the_webhook_the_job_and_the_application_open_one_period_between_them(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        clock.to("2026-02-10T10:00")
        bought.pay()

        def renew(number: int) -> None:
            with suppress(PeriodNotDue):
                credits.renew_plan("ada", key=f"own:{number}")

        with ThreadPoolExecutor(6) as pool:
            for number in range(4):
                pool.submit(bought.tell, f"evt:{number}")
                pool.submit(renew, number)
                pool.submit(credits.heal_plans)
                pool.submit(credits.drip)
        assert have(credits) == 300
        assert len(credits.history("ada", "images").data) == 3  # two periods, one expiry


def test_an_invoice_whose_period_is_open_already_waits_for_somebody_to_look(database_url, clock, biller):
    clock.to("2026-01-10T10:00")
    with selling(database_url, clock, CATALOG, providers=[biller]) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        clock.to("2026-02-10T10:00")
        credits.renew_plan("ada", key="own")
        bought.pay()
        assert (bought.tell(), have(credits)) == ("review", 300)
        found = credits.reconcile()
        [one] = found.mismatches
        assert (found.proved, one.name, one.account, one.order) == (
            False, "invoice_without_period", "ada", bought.billing.id,
        )  # fmt: skip


def test_who_does_not_pay_gets_nothing_new_and_loses_nothing(database_url, clock, biller):
    text = CATALOG.replace("amount = 300", 'amount = 300\nrenewal = "add"', 1)
    with shop(database_url, clock, biller, text) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        clock.to("2026-02-10T10:00")
        bought.stands = "past_due"
        assert (bought.tell(), have(credits), plan_of(credits).status) == ("noted", 300, "unpaid")
        bought.plan = "more"
        assert (bought.tell("dearer"), have(credits)) == ("noted", 300)
        clock.to("2026-02-15T10:00")
        bought.plan, bought.stands = "paid", "active"
        bought.pay()
        assert (bought.tell(), have(credits), plan_of(credits).status) == ("plan_paid", 600, "active")


def test_ending_there_ends_here_with_what_was_paid(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        bought.cancels = True
        assert bought.tell() == "plan_changed"
        assert (plan_of(credits).ends, have(credits), bought.now().cancels) == ("keep", 300, True)
        bought.cancels = False
        assert (bought.tell("thought better"), plan_of(credits).ends) == ("plan_changed", None)
        bought.stands = "ended"
        assert (bought.tell(), plan_of(credits).ends, bought.now().status) == ("plan_changed", "keep", "ended")
        clock.to("2026-02-10T10:00")
        credits.drip()
        assert (plan_of(credits).status, have(credits)) == ("ended", 0)


def test_what_is_taken_back_at_the_end_stays_until_then(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller, plan="more")
        bought.pay()
        bought.tell()
        bought.cancels = True
        bought.tell()
        assert (plan_of(credits).ends, have(credits)) == ("expire", 1000)
        clock.to("2026-01-20T10:00")
        bought.cancels, bought.stands = False, "ended"
        bought.tell()
        assert have(credits) == 1000  # its end was settled before, and it was paid


def test_other_plans_of_the_providers_portal_are_followed(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        credits.deduct("ada", "images", 300, key="d")
        bought.plan = "more"
        bought.pay("change", 2000)
        assert (bought.tell(), have(credits), plan_of(credits).plan) == ("plan_changed", 700, "more")
        bought.plan = "year"
        bought.pay("change", 9000)
        assert bought.tell("yearly") == "plan_changed"
        assert (have(credits), plan_of(credits).plan, plan_of(credits).period_end) == (
            1100, "year", clock.now.replace(year=2027),
        )  # fmt: skip


def test_a_smaller_plan_begins_with_its_period_even_if_the_provider_is_hours_ahead(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller, plan="more")
        bought.pay()
        bought.tell()
        clock.to("2026-02-10T08:00")
        bought.plan = "paid"
        bought.pay()
        assert bought.tell("early") is None
        assert (have(credits), [one.error is not None for one in credits.provider_events(failed=True)]) == (
            1000,
            [True],
        )
        clock.to("2026-02-10T11:00")
        assert credits.handle_events().handled == 1
        assert (have(credits), plan_of(credits).plan) == (300, "paid")


def test_a_trial_comes_first_and_its_invoice_of_nothing_opens_no_period(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller, plan="tried")
        assert (biller.plans[0].trial_days, biller.plans[0].months) == (14, 1)
        bought.stands = "trialing"
        bought.pay("other", 0)
        assert bought.tell() == "noted"
        assert (have(credits), plan_of(credits).status, bought.now().status) == (20, "trialing", "trialing")
        clock.to("2026-01-24T10:30")
        bought.stands = "active"
        bought.pay()
        assert (bought.tell(), have(credits), plan_of(credits).status) == ("plan_paid", 300, "active")
        bought.stands = "ended"
        bought.tell()
        clock.to("2026-03-01T10:00")
        credits.drip()
        again = Bought(credits, biller, plan="tried", key="again")
        assert again.billing.trial_days == 0


def test_from_a_free_plan_to_one_that_is_paid(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        credits.start_plan("ada", "free", key="s")
        bought = Bought(credits, biller)
        assert (plan_of(credits).plan, have(credits)) == ("free", 10)
        bought.stands = "open"
        bought.tell()
        assert (plan_of(credits).plan, plan_of(credits).next_plan) == ("free", None)
        bought.stands = "active"
        bought.pay()
        bought.tell()
        assert (plan_of(credits).plan, have(credits)) == ("paid", 310)


def test_what_a_provider_bills_is_not_ended_or_changed_behind_its_back(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        for refused in (
            lambda: credits.cancel_plan("ada", key="c"),
            lambda: credits.change_plan("ada", "more", key="x"),
        ):
            with pytest.raises(BilledByProvider, match="Nothing was changed") as told:
                refused()
            assert (told.value.account, told.value.provider) == ("ada", "herald")
        bought.stands = "ended"
        bought.tell()
        assert credits.cancel_plan("ada", key="c").ends == "keep"


def test_two_pages_that_were_both_paid_open_one_plan_and_the_other_is_looked_at(database_url, clock, biller):
    clock.to("2026-01-10T10:00")
    with selling(database_url, clock, CATALOG, providers=[biller]) as credits:
        one, other = Bought(credits, biller, key="1"), Bought(credits, biller, key="2")
        for bought, outcome in ((one, "plan_paid"), (other, "review")):
            bought.pay()
            assert bought.tell() == outcome
        assert (have(credits), other.now().plan_id, other.now().status) == (300, None, "active")
        assert credits.reconcile().found == {"invoice_without_period": 1}
        one.stands = "ended"
        one.tell()
        clock.to("2026-02-10T10:00")
        credits.drip()
        other.pay()
        assert (other.tell(), have(credits), other.now().plan_id) == ("plan_paid", 300, "sub_2")


def test_a_lost_webhook_is_made_up_for(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        bought = Bought(credits, biller)
        assert credits.heal_plans().asked == 0
        bought.pay()
        biller.known[f"page_{bought.billing.id}"] = bought.known()
        clock.move("10m")
        assert credits.heal_plans() == (1, 1, 0)
        assert have(credits) == 300
        assert credits.heal_plans().asked == 0
        clock.to("2026-02-10T10:30")
        bought.pay()
        biller.known[bought.subscription] = bought.known()
        assert credits.heal_plans() == (1, 1, 0)
        assert have(credits) == 300
        biller.known.clear()
        clock.move("2d")
        assert credits.heal_plans() == (1, 0, 0)


def test_an_event_that_comes_before_its_plan_waits_for_it(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        biller.known["sub_early"] = Found(("sub_early",), ())
        assert say(credits, about=["sub_early"], look="sub_early").outcome == "unknown"
        bought = Bought(credits, biller)
        bought.pay()
        bought.tell()
        refund = Refund("pi_1", "re_1", "succeeded", clock(), 900, "USD")
        assert say(credits, refund, about=["pi_1", bought.subscription]).outcome == "noted"
        assert have(credits) == 300


def test_asking_again_answers_the_same_page_and_a_key_stands_for_one_thing(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        biller.silent = True
        with pytest.raises(ProviderUnavailable):
            credits.buy_plan("ada", "paid", key="k", provider="herald", return_url="https://x.test/{billing}")
        biller.silent = False
        first, again = (
            credits.buy_plan("ada", "paid", key="k", provider="herald", return_url="https://x.test/{billing}")
            for _ in range(2)
        )
        assert (first.url, again.replayed, again.billing.id) == (again.url, True, first.billing.id)
        assert biller.plans[0] == biller.plans[1] and len(biller.plans) == 2
        assert biller.plans[0].return_url == f"https://x.test/{first.billing.id}"
        with pytest.raises(KeyReused):
            credits.buy_plan("ada", "more", key="k", provider="herald")
        with pytest.raises(KeyReused):
            credits.grant("ada", "images", 1, key="k", source="gift")
        clock.move("25h")
        late = credits.buy_plan("ada", "paid", key="k", provider="herald", return_url="https://x.test/{billing}")
        assert (late.url, late.billing.status) == (None, "expired")
        assert [one.id for one in credits.plan_billings("ada")] == [first.billing.id]


def test_what_cannot_be_bought_says_why(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        wrong: list[tuple[str, dict[str, Any], type[FarthingError]]] = [
            ("free", {}, NotBillable), ("hourly", {}, NotBillable), ("paid", {"currency": "EUR"}, NoPrice),
            ("paid", {"email": "no"}, InvalidField), ("paid", {"return_url": "ftp://x"}, InvalidField),
        ]  # fmt: skip
        for plan, how, error in wrong:
            with pytest.raises(error):
                credits.buy_plan("ada", plan, key="k", provider="herald", **how)
        credits.start_plan("ada", "more", key="s")
        with pytest.raises(AlreadySubscribed, match="above"):
            credits.buy_plan("ada", "paid", key="k", provider="herald")
        with pytest.raises(NotFound):
            credits.plan_billing("ada", "bil_none")
        with pytest.raises(NotSubscribed):
            credits.plan_portal("ada")
    with shop(database_url, clock, Herald()) as credits, pytest.raises(InvalidField, match="does not bill plans"):
        credits.buy_plan("bob", "paid", key="k", provider="herald")
    off = CATALOG + "[switches]\nplans = false\n"
    with shop(database_url, clock, biller, off) as credits, pytest.raises(SwitchedOff):
        credits.buy_plan("bob", "paid", key="k", provider="herald")


def test_the_portal_of_the_provider_is_for_who_pays_there(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        biller.customer = None
        bought = Bought(credits, biller)
        bought.pay()
        with pytest.raises(NotSubscribed):
            credits.plan_portal("ada")
        bought.tell()
        assert credits.plan_portal("ada", return_url="https://x.test") == (
            "https://herald.test/portal/cus_ada?https://x.test&None"
        )


def test_a_frozen_account_has_what_it_paid_for_when_it_is_let_go(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        credits.open_account("ada")
        bought = Bought(credits, biller)
        credits.freeze("ada", key="f")
        bought.pay()
        bought.tell()
        credits.unfreeze("ada", key="u")
        credits.drip()
        assert have(credits) == 300


def test_a_guest_who_became_somebody_meanwhile_pays_for_them(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        credits.open_account("guest")
        credits.open_account("ada")
        bought = Bought(credits, biller, account="guest")
        credits.merge("guest", into="ada", key="m")
        bought.pay()
        assert (bought.tell(), have(credits), plan_of(credits).plan) == ("plan_paid", 300, "paid")
        with pytest.raises(BilledByProvider):
            credits.cancel_plan("ada", key="c")
        assert "cus_ada" in credits.plan_portal("ada")
        bought.stands = "ended"
        bought.tell()
        assert plan_of(credits).ends == "keep"


def test_what_was_written_about_who_bought_goes_with_the_account(database_url, clock, biller):
    with shop(database_url, clock, biller) as credits:
        credits.open_account("ada")
        bought = credits.buy_plan(
            "ada", "paid", key="k", provider="herald", email="ada@example.com", return_url="https://x.test/ada"
        ).billing
        credits.erase("ada", key="e")
        rows = credits.read(lambda session: session.execute("SELECT return_url, paying FROM farthing_billings"))
        assert [tuple(row) for row in rows] == [(None, None)]
        assert credits.plan_billing("ada", bought.id).plan == "paid"
