"""What `explain` answers: values, and the same as text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

from farthing.amounts import text
from farthing.views import Balance


class Origin(NamedTuple):
    """The entry that made a lot.

    `link` is what `of` says, where it says anything: an order, a transfer, a reversal; of a plan, and of what rolled
    over in one, the subscription.
    """

    entry: str
    kind: str
    at: datetime
    key: str | None
    of: str | None
    link: str | None
    payment: str | None  # of an order, as its provider calls it


class Step(NamedTuple):
    """What an entry took out of a lot or paid of a debt; below zero, what it gave back.

    `why` is the reason that this lot gave it. Where that is a rule of the burn order, `before` is the next lot, which
    stood behind it by this rule. `entry` None: it is due, and is written by the wallet's next write.
    """

    entry: str | None
    kind: str
    amount: Decimal
    at: datetime
    operation: str | None
    why: str
    before: str | None


class Kept(NamedTuple):
    """What a hold keeps in a lot, and why in this one, as in `Step`."""

    hold: str
    amount: Decimal
    why: str
    before: str | None


class LotStory(NamedTuple):
    """An open lot: `remaining` is `amount` less all of `taken`, `held` the sum of `kept`. `pending`: not yet usable."""

    id: str
    source: str
    amount: Decimal
    remaining: Decimal
    held: Decimal
    pending: bool
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    cost_minor: int
    currency: str | None
    origin: Origin
    taken: list[Step]
    kept: list[Kept]


class DebtStory(NamedTuple):
    """What is owed for an entry: `remaining` is `amount` less all of `paid`."""

    entry: str | None
    kind: str
    at: datetime
    operation: str | None
    amount: Decimal
    remaining: Decimal
    paid: list[Step]


class HoldStory(NamedTuple):
    """An open hold: `amount` is what lots keep for it and what is `owed`, which no lot had."""

    id: str
    amount: Decimal
    owed: Decimal
    held_at: datetime
    expires_at: datetime | None
    operation: str | None


class Explanation(NamedTuple):
    """Why a balance is what it is at an instant. Its leaves add up: posted is what remains in all lots less all debts,
    held the sum of the holds, pending what remains in pending lots."""

    account: str
    credit_type: str
    at: datetime
    balance: Balance
    lots: list[LotStory]  # in burn order
    debts: list[DebtStory]  # oldest first
    holds: list[HoldStory]  # oldest first

    def as_dict(self) -> dict[str, Any]:
        """Every field by name, all the way down; amounts stay Decimal, times stay datetime."""
        return _plain(self)

    def __str__(self) -> str:
        has = self.balance
        figures = f"{text(has.posted)} posted, {text(has.held)} held, {text(has.pending)} pending"
        first = f"{self.account}, {self.credit_type}, {_time(self.at)}: {text(has.available)} available ({figures})"
        stories = [*map(_lot_lines, self.lots), *map(_debt_lines, self.debts), *map(_hold_lines, self.holds)]
        return "\n".join([first, *(line for story in stories for line in ("", *story))])


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _plain(getattr(value, name)) for name in value._fields}
    return [_plain(inner) for inner in cast(list[Any], value)] if isinstance(value, list) else value


def _lot_lines(lot: LotStory) -> list[str]:
    held = f", {text(lot.held)} held" if lot.held else ""
    begins = f"; begins to count {_time(lot.effective_at)}" if lot.pending else ""
    ends = f"; expires {_time(lot.expires_at)}" if lot.expires_at else "; never expires"
    came = lot.origin
    origin = f"{came.entry} {came.kind}, {_time(came.at)}" + (f", {came.of} {came.link}" if came.of else "")
    return [
        f"{lot.id}: {text(lot.remaining)} of {text(lot.amount)} left{held} ({lot.source}){begins}{ends}",
        f"  from {origin}" + (f", payment {came.payment}" if came.payment else ""),
        *map(_step_line, lot.taken),
        *(f"  {text(kept.amount)} kept by {kept.hold}: {_because(kept)}" for kept in lot.kept),
    ]


def _debt_lines(debt: DebtStory) -> list[str]:
    what = " ".join(filter(None, [debt.entry or "due", debt.kind, debt.operation]))
    owed = f"{text(debt.remaining)} of {text(debt.amount)} still owed for {what}, {_time(debt.at)}"
    return [owed, *map(_step_line, debt.paid)]


def _hold_lines(hold: HoldStory) -> list[str]:
    lapses = f"lapses {_time(hold.expires_at)}" if hold.expires_at else "never lapses"
    owed = f", {text(hold.owed)} of them on overdraft" if hold.owed else ""
    what = f" for {hold.operation}" if hold.operation else ""
    return [f"{hold.id}: {text(hold.amount)} held{owed}{what} since {_time(hold.held_at)}; {lapses}"]


def _step_line(step: Step) -> str:
    sign = "" if step.amount > 0 else "+"
    what = " ".join(filter(None, [step.entry or "due", step.kind, step.operation]))
    return f"  {sign}{text(-step.amount)} {what}, {_time(step.at)}: {_because(step)}"


def _because(step: Step | Kept) -> str:
    return f"{step.why}, before {step.before}" if step.before else step.why


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%SZ")
