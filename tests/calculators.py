"""Price calculators as applications write them, and some as they should not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from farthing import Money
from farthing.core.plans import Plan

asked: list[tuple[Decimal, str, Plan | None, str | None]] = []
answer: list[Any] = []
NOT_A_FUNCTION = 5


def images(amount: Decimal, *, currency: str, plan: Plan | None, account: str | None) -> Money:
    """Ten cents each, a cent less for every seat of the plan; twice as much for mallory."""
    cents = 10 - (plan.attributes["seats"] if plan else 0)
    return Money(int(amount * cents) * (2 if account == "mallory" else 1), currency)


def told(amount: Decimal, *, currency: str, plan: Plan | None, account: str | None) -> Any:
    """Notes what it was asked, and answers what the test wants: an error is raised."""
    asked.append((amount, currency, plan, account))
    if isinstance(answer[-1], Exception):
        raise answer[-1]
    return answer[-1]


async def later(amount: Decimal, *, currency: str, plan: Plan | None, account: str | None) -> Money:
    return Money(1, currency)


def without_account(amount: Decimal, *, currency: str, plan: Plan | None) -> Money:
    return Money(1, currency)
