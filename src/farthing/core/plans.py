"""What subscribers get: plans, as the catalog says them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from farthing.core.calendar import Span, span
from farthing.core.words import Words

NOTHING: Mapping[str, Any] = MappingProxyType({})
Driver = Literal["clock", "payment"]
Renewal = Literal["reset", "add", "rollover"]
Upgrade = Literal["difference", "prorated", "full"]
Unused = Literal["keep", "expire", "take_back"]


class Allotment(NamedTuple):
    """What a plan pays of one credit type in each cycle; amounts in smallest units.

    `reset`: the lot ends with its cycle. `add`: it lives for `expires`, None being the credit type's default.
    `rollover`: it ends with its cycle, and what was not used by then moves into a lot that lives for `expires`, as long
    as no more than `cap` stands rolled over.
    """

    credit_type: str
    amount: int
    renewal: Renewal = "reset"
    expires: str | None = None
    cap: int = 0


class Plan(NamedTuple):
    """What a subscriber gets.

    `every` is a period, `drip` a cycle where a period has several. `driver` says what opens a period: the clock, or
    that it is paid. `rank` tells an upgrade from a downgrade; `upgrade` what an upgrade in mid-cycle pays; `unused`
    what becomes of unused credits of a subscription that is cancelled; `frozen` what becomes of cycles that begin while
    the account is frozen. `trial_credits` are paid once, for the `trial`. `attributes` are the seller's own.
    """

    code: str
    name: Words
    every: str
    allotments: dict[str, Allotment]
    description: Words | None = None
    drip: str | None = None
    driver: Driver = "clock"
    rank: int = 0
    trial: str | None = None
    trial_credits: Mapping[str, int] = NOTHING
    upgrade: Upgrade = "difference"
    unused: Unused = "keep"
    frozen: Literal["catch_up", "skip"] = "catch_up"
    prices: Mapping[str, int] = NOTHING
    discount: Decimal = Decimal(0)  # percent off every purchase
    attributes: Mapping[str, Any] = NOTHING

    @property
    def cycle(self) -> Span:
        """How long one cycle is."""
        return span(self.drip or self.every)

    @property
    def cycles(self) -> int:
        """How many cycles a period has."""
        return divided(span(self.every), self.cycle)

    @property
    def grid(self) -> tuple[str, str | None]:
        """What its cycles are counted by."""
        return self.every, self.drip


def divided(period: Span, cycle: Span) -> int:
    """How many cycles make up a period; 0 where they do not fit."""
    long, short = (period.months, cycle.months) if period.months else (period.seconds, cycle.seconds)
    return 0 if not short or long % short else long // short
