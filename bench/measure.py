"""Contenders take turns, and only their ratio within one run counts: a machine's noise meets all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Plan(NamedTuple):
    """How often, how long, on how much."""

    repetitions: int
    seconds: float
    accounts: int
    entries: int  # that stand there already, for F6
    deductions: int  # for F10


class Run(NamedTuple):
    """What one contender did in one turn. Where it is ours, the last three are equal or there is no Run."""

    operations: int
    seconds: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    acknowledged: int = 0
    entries: int = 0
    debited: int = 0

    @property
    def per_s(self) -> float:
        return self.operations / self.seconds


Contender = Callable[[float], Run]
"""Works for so many seconds."""

Runs = dict[str, list[Run]]


class Measured(NamedTuple):
    """The ratios of each part of a goal, one for each repetition, and the runs they come from."""

    ratios: dict[str, list[float]]
    runs: Runs


class Skipped(Exception):
    """This machine lacks what a goal needs; the message says what."""


class Inexact(Exception):
    """Acknowledged, written and debited differ: whatever the speed was, it is void."""


def take_turns(plan: Plan, contenders: Mapping[str, Contender]) -> Runs:
    """Every contender once in each repetition; every second time the other way round."""
    runs: Runs = {name: [] for name in contenders}
    for repetition in range(plan.repetitions):
        for name in list(contenders)[:: -1 if repetition % 2 else 1]:
            runs[name].append(contenders[name](plan.seconds))
    return runs


def faster(ours: Sequence[Run], theirs: Sequence[Run]) -> list[float]:
    """How many times as much ours did in the same time, repetition by repetition."""
    return [one.per_s / other.per_s for one, other in zip(ours, theirs, strict=True)]


def middle(runs: Sequence[Run]) -> Run:
    """The run with the median speed."""
    return sorted(runs, key=lambda run: run.per_s)[len(runs) // 2]


def median(ratios: Sequence[float]) -> float:
    return statistics.median(ratios)
