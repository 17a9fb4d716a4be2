"""Plans when several ask at once: webhook, job and API, each under a key of its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from farthing import Credits
from farthing.errors import AlreadySubscribed, FarthingError, PeriodNotDue
from tests.kit import Clock, proved
from tests.stories.test_plans import PLANS, at, plan_of

pytestmark = pytest.mark.row("S8")
CALLERS = 8


@pytest.fixture
def credits(database_url: str, clock: Clock):
    clock.to("2026-01-31T10:00")
    with proved(database_url, clock, PLANS) as credits:
        yield credits


def at_once(*calls: Callable[[], object]) -> Counter:
    """What became of calls that all begin together: "done", or the error's class."""
    ready = Barrier(len(calls))

    def told(call: Callable[[], object]) -> object:
        ready.wait()
        try:
            call()
        except FarthingError as error:
            return type(error)
        return "done"

    with ThreadPoolExecutor(len(calls)) as threads:
        return Counter(threads.map(told, calls))


def test_one_of_many_starts(credits: Credits):
    for account in ("ada", "bob", "cleo"):
        starts = [lambda n=n, who=account: credits.start_plan(who, "pro", key=f"s{n}") for n in range(CALLERS)]
        assert at_once(*starts) == {"done": 1, AlreadySubscribed: CALLERS - 1}
        assert credits.balance(account, "images").available == 500


def test_the_same_start_from_everywhere_is_one(credits: Credits):
    assert at_once(*[lambda: credits.start_plan("ada", "pro", key="s")] * CALLERS) == {"done": CALLERS}
    assert credits.balance("ada", "images").available == 500


def test_a_payment_told_by_everybody_at_once_opens_one_period(credits: Credits, clock: Clock):
    credits.start_plan("ada", "paid", key="s", trial=False)
    for round in range(4):
        renewals = [lambda n=n, r=round: credits.renew_plan("ada", key=f"r{r}.{n}") for n in range(CALLERS - 2)]
        ended = at_once(*renewals, credits.drip, credits.drip)
        assert ended == {"done": 3, PeriodNotDue: CALLERS - 3}
        assert credits.balance("ada", "chat").available == round + 1
        clock.now = plan_of(credits, "ada").period_end or clock.now


def test_the_job_and_verbs_on_many_plans_at_once(credits: Credits, clock: Clock):
    names = [f"user-{number}" for number in range(40)]
    for name in names:
        credits.start_plan(name, "free", key="s")
    clock.to("2026-02-28T10:00")

    def change() -> None:
        for name in names[::2]:
            credits.change_plan(name, "pro", key="up")

    def cancel() -> None:
        for name in reversed(names[1::2]):
            credits.cancel_plan(name, key="c", unused="keep")

    def use() -> None:
        for name in names:
            credits.deduct(name, "images", 1, key="d")

    def again() -> None:
        for name in reversed(names):
            credits.drip()
            credits.deduct(name, "images", 1, key="d2")

    credits.drip()
    clock.to("2026-03-31T10:00")
    credits.drip()
    assert at_once(change, cancel, use, again, credits.drip, credits.drip) == {"done": 6}
    assert plan_of(credits, "user-0").plan == "pro"
    for number, name in enumerate(names):
        assert credits.balance(name, "images").available == (100 if number % 2 else 500) - 2
        assert plan_of(credits, name).period_end == at("2026-04-30T10:00")
