"""`verify` of plans: what each cycle of a subscription is said to have been paid, and what its entries say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from datetime import datetime

from farthing.core.audit import Wrong
from farthing.core.subscriptions import Subscription, coming
from farthing.ledger.ordered import Fault, first_wrong
from farthing.plans.paying import PLAN_KEYS, ROLLED, link
from farthing.store import sql
from farthing.store import subscriptions as store
from farthing.store.database import Session

TRIAL = -1

Cycle = tuple[int, int, str]  # series, cycle, credit type


def faults(session: Session, account: str | None) -> Generator[Fault | None]:
    """For every subscription of an account, or of all, the first thing wrong in it, or None."""
    for sub, due_at in store.all_with_due(session, account):
        wrong = first_wrong("plan", lambda sub=sub, due_at=due_at: _compare(session, sub, due_at))
        yield Fault(sub.account, None, None, wrong, link(sub)) if wrong else None


def _compare(session: Session, sub: Subscription, due_at: object) -> None:
    step = coming(sub)
    if due_at != (step and step.at):
        raise Wrong(f"plan: something is due at {due_at}, but by its cycles it is {step and step.at}")
    said = {(row.series, row.cycle, row.credit_type): row for row in store.paid_of(session, sub)}
    given = _given(session, sub)
    for cycle in sorted(said.keys() | given.keys()):
        series, number, code = cycle
        row, name = said.get(cycle), f"cycle {series}.{number} of {code}"
        if (row.paid if row else 0) != given[cycle]:
            raise Wrong(f"plan: {name} was paid {row.paid if row else 0}, but its entries say {given[cycle]}")
        if row and row.ends_at != (ends_at := _ends_at(sub, series, number, row.ends_at)):
            raise Wrong(f"plan: {name} is over at {row.ends_at}, but by its subscription at {ends_at}")
        if series > sub.series or (series == sub.series and number >= sub.handled):
            raise Wrong(f"plan: {name} has a row, but cycles are handled only up to {sub.series}.{sub.handled}")


def _ends_at(sub: Subscription, series: int, number: int, said: datetime | None) -> datetime | None:
    """When a cycle is over. Of a series that a change of plan ended, only its rows know."""
    if number == TRIAL:
        return sub.trial_end
    return sub.begins(number + 1) if series == sub.series else said


def _given(session: Session, sub: Subscription) -> Counter[Cycle]:
    """What entries say that each cycle was paid; what rolled over was paid before."""
    given = Counter[Cycle]()
    prefix = f"{PLAN_KEYS}{sub.number}:"
    for line in sql.read_keys_under(session, sub.account, prefix):
        cycle, *rest = str(line.key).removeprefix(prefix).split(":")
        if cycle == "trial":
            given[0, TRIAL, rest[0]] += line.amount
        elif cycle != "end" and rest[-1] != ROLLED:
            series, number = map(int, cycle.split("."))
            given[series, number, rest[0]] += line.amount
    return given
