"""What was agreed on binds, whatever happens: never more charges than agreed in a window, never two at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core import topups as rules
from farthing.core.topups import Mandate, Outcome, Pause, Seen, Slot, Window

pytestmark = pytest.mark.row("P8")

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ZONES = ["UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia", "Africa/Cairo", "America/Santiago"]


def mandate(most: int = 2, per: Window = "month", cooldown: str = "1h", zone: str = "UTC") -> Mandate:
    return Mandate(
        "ada", "images", "sandbox", 20, "starter", None, "USD", 1200, most, per, cooldown, zone, "yes", NOON, "ada"
    )


def window_of(at: datetime, per: Window, zone: str) -> tuple[int, ...]:
    """Which day, week or month of the calendar it is there: as a calendar says it, not as the rules work it out."""
    local = at.astimezone(ZoneInfo(zone))
    month = (local.year, local.month)
    return {"day": (*month, local.day), "week": local.isocalendar()[:2], "month": month}[per]


STEPS = st.tuples(
    st.integers(1, 40 * 3600),  # seconds that go by
    st.integers(0, 40),  # available
    st.sampled_from(["paid", "declined", "declined", "authentication_required", None]),
    st.sampled_from(["", "", "", "resume"]),
)


@given(
    st.integers(1, 4), st.sampled_from(rules.WINDOWS), st.sampled_from(["1s", "1h", "2d"]), st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    st.lists(STEPS, max_size=60),
)  # fmt: skip
def test_never_more_than_agreed_in_a_window_never_two_at_once_and_never_within_the_cooldown(
    most: int,
    per: Window,
    cooldown: str,
    zone: str,
    now: datetime,
    steps: list[tuple[int, int, Outcome | None, str]],
):
    agreed, taken, open_ = mandate(most, per, cooldown, zone), list[Slot](), list[Slot]()
    for seconds, available, came, somebody in steps:
        now += timedelta(seconds=seconds)
        if open_ and came:
            open_.pop()
            agreed = rules.ended(agreed, came, now)
        if somebody:
            agreed = rules.resume(agreed)
        used = sum(slot.taken_at >= rules.window_start(agreed, now) for slot in taken)
        if not open_ and rules.standing(agreed, Seen(available, used), now) == "due":
            assert available < agreed.threshold and not agreed.paused
            agreed, slot = rules.take(agreed, f"ord_{len(taken)}", used=used, customer="cus", card="card", now=now)
            taken.append(slot)
            open_.append(slot)
    assert len({(slot.window_start, slot.number) for slot in taken}) == len(taken)
    for slot in taken:
        same = [one for one in taken if window_of(one.taken_at, per, zone) == window_of(slot.taken_at, per, zone)]
        assert len(same) <= most and slot.number <= most
    shortest = {"1s": timedelta(seconds=1), "1h": timedelta(hours=1), "2d": timedelta(days=2)}[cooldown]
    assert all(later.taken_at - before.taken_at >= shortest for before, later in pairwise(taken))


@given(
    st.sampled_from(rules.WINDOWS), st.sampled_from(ZONES),
    st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)  # fmt: skip
def test_a_window_is_a_day_a_week_or_a_month_of_the_calendar_there(per: Window, zone: str, now: datetime):
    agreed = mandate(per=per, zone=zone)
    start, end, moment = rules.window_start(agreed, now), rules.window_end(agreed, now), timedelta(microseconds=1)
    assert start <= now < end
    assert window_of(start, per, zone) == window_of(now, per, zone) == window_of(end - moment, per, zone)
    assert window_of(start - moment, per, zone) != window_of(now, per, zone) != window_of(end, per, zone)


def test_three_declines_in_a_row_pause_and_a_bank_that_wants_the_customer_at_once():
    agreed = mandate()
    for declines in (1, 2):
        agreed = rules.ended(agreed, "declined", NOON)
        assert (agreed.declines, agreed.paused) == (declines, None)
    assert rules.ended(rules.ended(agreed, "paid", NOON), "declined", NOON).declines == 1
    assert rules.ended(agreed, "declined", NOON).paused == "declined"
    assert rules.ended(mandate(), "authentication_required", NOON).paused == "authentication_required"
    assert rules.ended(mandate(), "review", NOON).paused == "review"


@pytest.mark.parametrize(
    ("why", "lifted"),
    [("declined", True), ("authentication_required", True), ("outcome_unknown", True), ("price_above_limit", False),
     ("no_card", False), ("review", False)],
)  # fmt: skip
def test_paying_lifts_a_pause_that_was_for_want_of_money_and_no_other(why: Pause, lifted: bool):
    paused = rules.pause(mandate(), why, NOON)
    assert (rules.ended(paused, "paid", NOON).paused is None) == lifted
    assert rules.resume(paused).paused is None


def test_a_charge_is_asked_for_again_for_less_than_a_day():
    _, slot = rules.take(mandate(), "ord_1", used=0, customer="cus", card="card", now=NOON)
    assert not rules.too_old(slot, NOON + timedelta(hours=22, minutes=59))
    assert rules.too_old(slot, NOON + timedelta(hours=23))
