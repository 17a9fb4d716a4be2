"""Whatever is done to a plan, in any order and at any time: no cycle pays twice, and none less than it promises."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import count as numbers

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import farthing
from farthing.catalog import parse
from farthing.errors import Refused
from farthing.ledger.verifying import verify
from farthing.store.database import Database
from tests.kit import Clock

CATALOG = parse("""
[credit_types.images]
name = "Images"
[credit_types.saved]
name = "Saved"
[credit_types.kept]
name = "Kept"

[plans.small]
every = "1mo"
[plans.small.credits]
images = { amount = 100 }
saved = { amount = 40, renewal = "rollover", cap = 60, expires = "3mo" }
kept = { amount = 7, renewal = "add" }

[plans.large]
every = "1mo"
rank = 10
upgrade = "prorated"
[plans.large.credits]
images = { amount = 1000 }
saved = { amount = 50, renewal = "rollover", cap = 60, expires = "3mo" }
kept = { amount = 7, renewal = "add" }
[plans.large.trial]
length = "10d"
credits = { images = 5 }

[plans.billed]
every = "1y"
drip = "1mo"
driver = "payment"
rank = 20
[plans.billed.credits]
images = { amount = 300 }
kept = { amount = 70, renewal = "add" }

[plans.weekly]
every = "1w"
rank = 5
upgrade = "full"
unused = "expire"
[plans.weekly.credits]
images = { amount = 20 }
saved = { amount = 10, renewal = "rollover", cap = 15, expires = "1w" }
""")
CAPS = {"small": 60, "large": 60, "weekly": 15}
MOST = {
    code: max(plan.allotments[code].amount for plan in CATALOG.plans.values() if code in plan.allotments)
    for code in CATALOG.credit_types
}

plans = st.sampled_from(sorted(CATALOG.plans))
steps = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 70 * 24)),
    st.tuples(st.just("wait"), st.sampled_from([1, 23, 24, 24 * 7, 24 * 28, 24 * 31, 24 * 400])),
    st.tuples(st.just("drip"), st.just(None)),
    st.tuples(st.just("start"), plans),
    st.tuples(st.just("change"), plans),
    st.tuples(st.just("renew"), st.just(None)),
    st.tuples(st.just("cancel"), st.sampled_from([None, "keep", "expire", "take_back"])),
    st.tuples(st.just("use"), st.tuples(st.sampled_from(sorted(CATALOG.credit_types)), st.integers(1, 400))),
    st.tuples(st.just("freeze"), st.booleans()),
)


class Story:
    """One account, moved through time."""

    def __init__(self, url: str, zone: str, account: str) -> None:
        self.clock = Clock()
        self.credits = farthing.open(url, catalog=CATALOG, clock=self.clock)
        self.account = account
        self.credits.open_account(account, time_zone=zone)
        self._keys = (f"k{number}" for number in numbers())

    def do(self, what: str, how) -> None:
        account, key = self.account, next(self._keys)
        verbs = {
            "wait": lambda: self.clock.move(timedelta(hours=how)),
            "drip": self.credits.drip,
            "start": lambda: self.credits.start_plan(account, how, key=key),
            "change": lambda: self.credits.change_plan(account, how, key=key),
            "renew": lambda: self.credits.renew_plan(account, key=key),
            "cancel": lambda: self.credits.cancel_plan(account, key=key, unused=how),
            "use": lambda: self.credits.deduct(account, how[0], how[1], key=key),
            "freeze": lambda: (self.credits.freeze if how else self.credits.unfreeze)(account, key=key),
        }
        with suppress(Refused):
            verbs[what]()

    def rows(self, statement: str) -> list:
        return self.credits.database.read(lambda session: session.execute(statement, (self.account,)))

    def payouts(self) -> Counter:
        """What entries say that each cycle was paid, by subscription, series, cycle and type."""
        paid = Counter()
        for key, amount in self.rows(
            "SELECT key, amount FROM farthing_entries WHERE account = ? AND key LIKE 'farthing:plan:%'"
        ):
            _, _, number, cycle, *rest = key.split(":")
            if cycle == "trial":
                paid[int(number), 0, -1, rest[0]] += amount
            elif cycle != "end" and rest[-1] != "rollover":
                series, place = cycle.split(".")
                paid[int(number), int(series), int(place), rest[0]] += amount
        return paid

    def holds_together(self) -> None:
        rows = self.rows(
            "SELECT number, series, cycle, credit_type, entitled, paid FROM farthing_allotments WHERE account = ?"
        )
        said = {tuple(row[:4]): row[4:] for row in rows}
        paid = self.payouts()
        assert paid == Counter({cycle: amount for cycle, (_, amount) in said.items() if amount})
        for (*_, code), (entitled, amount) in said.items():
            assert 0 <= amount <= entitled <= MOST[code]

    def rolled_over(self) -> int:
        """What stands rolled over of the subscription that runs."""
        lots = self.rows(
            "SELECT sum(l.remaining) FROM farthing_lots l JOIN farthing_entries e ON e.account = l.account "
            "AND e.credit_type = l.credit_type AND e.seq = l.seq WHERE l.account = ? AND l.open "
            "AND e.key LIKE 'farthing:plan:%:rollover'"
        )
        return int(lots[0][0] or 0)


def tell(url: str, zone: str, account: str, steps: list) -> None:
    story = Story(url, zone, account)
    try:
        for what, how in steps:
            story.do(what, how)
            story.holds_together()
            assert story.rolled_over() <= max(CAPS.values())
        story.do("freeze", False)
        story.credits.drip()
        story.holds_together()
        promised(story)
        if story.credits.database.dialect.memory:
            assert verify(story.credits.database).faults == []
    finally:
        story.credits.close()


def promised(story: Story) -> None:
    """The plan that runs by the clock has paid what it promises for the cycle under way."""
    plan = story.credits.subscription(story.account)
    if plan is None or plan.status != "active" or plan.driver != "clock" or plan.period_start is None:
        return
    for code, allotment in CATALOG.plans[plan.plan].allotments.items():
        rows = story.rows(
            "SELECT entitled, paid FROM farthing_allotments a JOIN farthing_subscriptions s ON s.account = a.account "
            f"AND s.number = a.number AND s.series = a.series AND s.handled - 1 = a.cycle WHERE a.account = ? "
            f"AND s.ended_at IS NULL AND a.credit_type = '{code}'"
        )
        [(entitled, paid)] = rows
        assert entitled >= allotment.amount
        if plan.id != "sub_1":  # what was used of one that was taken back is not paid again
            continue
        assert paid == entitled or CATALOG.plans[plan.plan].upgrade == "prorated" or paid >= allotment.amount


zones = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])


@pytest.mark.row("S4", "S7", "S8")
@settings(max_examples=60, deadline=None)
@given(zone=zones, steps=st.lists(steps, max_size=25))
def test_any_story_of_a_plan(zone: str, steps: list):
    tell("sqlite://", zone, "ada", steps)


@pytest.mark.row("S4", "S7", "S8")
def test_any_story_of_a_plan_on_postgresql(postgresql, count):
    with postgresql.migrated() as url:
        accounts = (f"user-{number}" for number in numbers())

        @settings(max_examples=count(8, 150), deadline=None)
        @given(zone=zones, steps=st.lists(steps, max_size=20))
        def stories(zone: str, steps: list) -> None:
            tell(url, zone, next(accounts), steps)

        stories()
        database = Database(url)
        assert verify(database).faults == []
        database.close()


@pytest.mark.row("S7")
@settings(max_examples=40, deadline=None)
@given(first=plans, changes=st.lists(plans, max_size=12))
def test_where_no_time_passes_and_nobody_pays_no_plan_pays_a_second_time(first: str, changes: list[str]):
    story = Story("sqlite://", "UTC", "ada")
    try:
        story.do("start", first)
        for code in changes:
            story.do("change", code)
        by_clock = [plan for plan in CATALOG.plans.values() if plan.driver == "clock"]
        most = sum(plan.allotments["images"].amount + plan.trial_credits.get("images", 0) for plan in by_clock)
        assert story.credits.balance("ada", "images").posted <= most
    finally:
        story.credits.close()


@pytest.mark.row("S8")
@settings(max_examples=40, deadline=None)
@given(
    zone=zones,
    waits=st.lists(st.integers(1, 24 * 100), min_size=1, max_size=12),
    start=st.integers(0, 24 * 365 * 4),
)
def test_every_month_is_paid_once_however_seldom_the_job_runs(zone: str, waits: list[int], start: int):
    story = Story("sqlite://", zone, "ada")
    story.clock.move(timedelta(hours=start)) if start else None
    began = story.clock.now
    story.do("start", "small")
    for hours in waits:
        story.clock.move(timedelta(hours=hours))
        story.credits.drip()
    months = 1 + sum(1 for _ in boundaries(began, zone, story.clock.now))
    assert story.credits.balance("ada", "kept").posted == 7 * months
    story.credits.close()


def boundaries(began, zone: str, now):
    """Each month's day and clock in the zone, or the month's last day: found by trying days, not by arithmetic."""
    from zoneinfo import ZoneInfo

    local = began.astimezone(ZoneInfo(zone))
    year, month = local.year, local.month
    while True:
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        for day in range(local.day, 0, -1):
            with suppress(ValueError):
                there = local.replace(year=year, month=month, day=day)
                break
        if there.timestamp() > now.timestamp():
            return
        yield there
