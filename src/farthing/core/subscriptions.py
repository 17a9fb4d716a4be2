"""A subscription: who has which plan since when, and what comes next for it. Values only; nothing here pays.

It is a row of periods, each a row of cycles, counted from an anchor: what is billed is a period, what is paid out is a
cycle. A monthly plan has one cycle in a period, a yearly one that drips has twelve. A trial stands before the anchor.

    anchor │ cycle 0 │ cycle 1 │ … │ cycle n │ …      cycles below `handled` were paid, or let go
           │ period 0                        │ …      periods below `opened` are open

A period is opened by the clock or by its payment, as the plan says. A change to a plan with other periods begins a new
series: a new anchor, and everything counted from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from farthing.core.calendar import Span, after, span
from farthing.core.plans import Allotment, Driver, Plan, Unused, divided
from farthing.errors import PeriodNotDue

EARLY = timedelta(days=7)  # so far ahead a period may be paid for, or a quarter of it where that is shorter
Status = Literal["trialing", "active", "unpaid", "ended"]


class Subscription(NamedTuple):
    """One account's plan. `ends`: it ends with what is open, and what then becomes of unused credits."""

    account: str
    number: int
    plan: str
    driver: Driver
    zone: str  # of the account when it began: moving elsewhere moves no boundary
    every: str
    drip: str | None
    started_at: datetime
    anchor: datetime
    series: int = 0
    opened: int = 0
    handled: int = 0
    trial_end: datetime | None = None
    next_plan: str | None = None
    ends: Unused | None = None
    ended_at: datetime | None = None
    skips_frozen: bool = False

    @property
    def cycle(self) -> Span:
        return span(self.drip or self.every)

    @property
    def cycles(self) -> int:
        """How many there are in a period."""
        return divided(span(self.every), self.cycle)

    def begins(self, cycle: int) -> datetime:
        """When a cycle begins, by the anchor's own date and clock: a short month shortens only itself."""
        length = self.cycle
        return after(self.anchor, Span(length.months * cycle, length.seconds * cycle), self.zone)

    @property
    def period_end(self) -> datetime:
        """When what is open ends."""
        return self.begins(self.opened * self.cycles)


class Step(NamedTuple):
    """What comes next: a cycle is paid, a period opens, the plan changes, or all is over; and when."""

    kind: Literal["pay", "open", "switch", "end"]
    at: datetime


def coming(sub: Subscription) -> Step | None:
    """The next thing that time alone does to a subscription; None: it waits for somebody, or has ended."""
    if sub.ended_at:
        return None
    if sub.handled < sub.opened * sub.cycles:
        return Step("pay", sub.begins(sub.handled))
    if sub.ends:
        return Step("end", sub.period_end)
    if sub.next_plan:
        return Step("switch", sub.period_end)
    return Step("open", sub.period_end) if sub.driver == "clock" else None


def due(sub: Subscription, now: datetime) -> Step | None:
    """What comes next, if its time has come."""
    step = coming(sub)
    return step if step and step.at <= now else None


def status(sub: Subscription, now: datetime) -> Status:
    """How it stands: "unpaid" is a period that nobody paid for yet."""
    if sub.ended_at:
        return "ended"
    if not sub.opened and sub.trial_end and now < sub.trial_end:
        return "trialing"
    return "active" if sub.driver == "clock" or now < sub.period_end else "unpaid"


def plan_at(sub: Subscription, plans: Mapping[str, Plan], now: datetime) -> Plan | None:
    """The plan on whose terms the account buys at `now`: on trial or paid for, whether or not the job came by since.

    None: it has none by then, or `plans` no longer has it.
    """
    if sub.ended_at or status(sub, now) == "trialing":
        return None if sub.ended_at else plans.get(sub.plan)
    if now < sub.period_end:
        return plans.get(sub.plan)
    if sub.ends:
        return None
    new = plans.get(sub.next_plan) if sub.next_plan else None
    driver = new.driver if new else sub.driver
    return None if driver != "clock" else new or (None if sub.next_plan else plans.get(sub.plan))


def begin(account: str, number: int, plan: Plan, zone: str, now: datetime, *, trial: bool) -> Subscription:
    """A new subscription, with the plan's trial before its first period or without."""
    trial_end = after(now, span(plan.trial), zone) if trial and plan.trial else None
    return Subscription(
        account, number, plan.code, plan.driver, zone, plan.every, plan.drip, now, trial_end or now,
        trial_end=trial_end, skips_frozen=plan.frozen == "skip",
    )  # fmt: skip


def open_next(sub: Subscription) -> Subscription:
    """The next period is open."""
    return sub._replace(opened=sub.opened + 1)


def renew(sub: Subscription, now: datetime) -> Subscription:
    """The next period is paid for: it is open, from the end of the last one on.

    Where some went by unpaid, it is the one that runs now; who cancelled, and pays all the same, goes on.

    Raises:
        PeriodNotDue: it would begin too far ahead, or time alone opens it.
    """
    if not sub.opened and not sub.trial_end and not sub.series:
        sub = sub._replace(anchor=now)
    start, early = sub.period_end, _early(sub)
    if start - now > early:
        raise _not_due(sub, start - early)
    period = sub.opened
    while sub.begins((period + 1) * sub.cycles) <= now:
        period += 1
    return sub._replace(opened=period + 1, handled=max(sub.handled, period * sub.cycles), ends=None)


def change(sub: Subscription, old: Plan, new: Plan, now: datetime) -> Subscription:
    """The same subscription on its way to another plan: upwards at once, downwards when what is open ends.

    A new series that must be paid for begins when it is, and not before; one that the clock pays begins at once only
    upwards, or changing to and fro would pay out each time. Changing to the plan it has takes back a change or an end
    that was to come.
    """
    sub = sub._replace(next_plan=None, ends=None)
    if new.code == sub.plan:
        return sub
    if (
        sub.opened
        and now < sub.period_end
        and (new.rank < old.rank or (not _goes_on(sub, new, now) and (new.driver == "payment" or new.rank == old.rank)))
    ):
        return sub._replace(next_plan=new.code)
    return switch(sub, new, now)


def paid_for(sub: Subscription, old: Plan, new: Plan, now: datetime) -> Subscription:
    """The subscription when a payment comes that may be the one its change to `new` waits for."""
    waits = new.driver == "payment" and new.rank >= old.rank and now < sub.period_end
    return switch(sub, new, now) if waits else sub


def switch(sub: Subscription, new: Plan, at: datetime) -> Subscription:
    """The subscription on another plan from `at` on: in a new series where periods differ, or its policy says so.

    Time that nobody paid for is no part of the new plan: it begins at `at`, too.
    """
    changed = sub._replace(
        plan=new.code, driver=new.driver, every=new.every, drip=new.drip, next_plan=None,
        skips_frozen=new.frozen == "skip",
    )  # fmt: skip
    if not sub.opened:
        return changed._replace(anchor=max(at, sub.anchor))
    if _goes_on(sub, new, at):
        return changed
    return changed._replace(series=sub.series + 1, anchor=at, opened=0, handled=0)


def _goes_on(sub: Subscription, new: Plan, at: datetime) -> bool:
    """Whether the new plan goes on in the series there is. A period that the clock opened was paid for by nobody."""
    if new.grid != (sub.every, sub.drip):
        return False
    within = at < sub.period_end and new.upgrade != "full" and (sub.driver, new.driver) != ("clock", "payment")
    return within or at == sub.period_end


def cancel(sub: Subscription, unused: Unused, now: datetime) -> Subscription:
    """The subscription on its way to its end: at once where credits are taken back or nothing is open, else later."""
    over = unused == "take_back" or (now >= sub.period_end)
    return sub._replace(ends=unused, next_plan=None, ended_at=now if over else None)


def owed(
    allotment: Allotment, plan: Plan, entitled: int, used: int, *, start: datetime, end: datetime, now: datetime
) -> int:
    """What an upgrade in the cycle from `start` to `end` pays beyond the most that was held in it: `entitled`.

    `used` was had of it before the subscription began, and is not paid again. Prorated: for the time that is left of
    it, rounded down.
    """
    more = max(0, allotment.amount - max(entitled, used))
    if plan.upgrade != "prorated":
        return more
    microsecond = timedelta(microseconds=1)
    return more * ((end - now) // microsecond) // ((end - start) // microsecond)


def rolled(allotment: Allotment, unused: int, standing: int) -> int:
    """What of `unused` credits moves on, where `standing` ones moved on before and are still there."""
    return min(unused, max(0, allotment.cap - standing)) if allotment.renewal == "rollover" else 0


def _early(sub: Subscription) -> timedelta:
    """How far ahead its next period can be paid for: a trial's at any time, one that follows a change not at all."""
    if sub.driver == "clock" or sub.next_plan:
        return timedelta()
    if not sub.opened:
        return timedelta.max
    first = (sub.opened - 1) * sub.cycles
    return min(EARLY, (sub.period_end - sub.begins(first)) / 4)


def _not_due(sub: Subscription, opens_at: datetime) -> PeriodNotDue:
    return PeriodNotDue(
        f"The next period of {sub.account}'s plan {sub.plan} can be opened from {opens_at.isoformat()} on: "
        "what is open lasts longer. Nothing was changed.",
        account=sub.account,
        plan=sub.plan,
        opens_at=opens_at,
    )
