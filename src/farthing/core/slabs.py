"""Whether a price rule prices every amount it sells, exactly once, and whether more ever costs less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from farthing.amounts import format_money, text, to_credits
from farthing.core.book import CreditType
from farthing.core.pricing import PriceRule, Slab, bounds, to_minor, total_of


def limit_faults(rule: PriceRule, kind: CreditType) -> Iterator[str]:
    """What is wrong with the minimum, the maximum and the step, a sentence for each mistake."""
    for name, limit in (("min", rule.minimum), ("max", rule.maximum)):
        if limit is not None and limit % rule.step:
            yield f"{name} {_shown(kind, limit)} is not a multiple of the step, {_shown(kind, rule.step)}"


def faults(rule: PriceRule, kind: CreditType, currency: str) -> Iterator[str]:
    """What is wrong with the slabs of one currency, a sentence for each mistake."""
    slabs = rule.slabs[currency]
    unclear = [
        f"{_shown(kind, at)} is not a multiple of the step, {_shown(kind, rule.step)}"
        for slab in slabs
        for at in (slab.start, slab.end)
        if at is not None and at % rule.step
    ] + [
        f"the slab from {_shown(kind, slab.start)} ends before it begins, at {_shown(kind, slab.end)}"
        for slab in slabs
        if slab.end is not None and slab.end < slab.start
    ]
    if unclear:
        yield from unclear
        return
    for slab, following in pairwise(slabs):
        yield from _seam(rule, kind, slab, following)
    yield from _ends(rule, kind, slabs)


def doubts(rule: PriceRule, kind: CreditType, currency: str) -> Iterator[str]:
    """What is allowed and hardly meant: one step more that costs less, a least amount that costs nothing."""
    slabs = rule.slabs[currency]
    minimum, maximum = bounds(rule, slabs)

    def cost(amount: int) -> int:
        return to_minor(total_of(rule, slabs, kind.scale, amount), currency)

    if not cost(minimum):
        yield f"{_shown(kind, minimum)} {kind.code} cost {format_money(0, currency)} and are refused; raise `min`"
    for slab, following in pairwise(slabs):
        if slab.end is None or slab.end < minimum or (maximum is not None and following.start > maximum):
            continue
        less, more = cost(slab.end), cost(following.start)
        if more < less:
            yield (
                f"{_shown(kind, slab.end)} {kind.code} cost {format_money(less, currency)}, "
                f"but {_shown(kind, following.start)} cost only {format_money(more, currency)}"
            )


def _ends(rule: PriceRule, kind: CreditType, slabs: Sequence[Slab]) -> Iterator[str]:
    first, last = slabs[0].start, slabs[-1].end
    minimum, maximum = bounds(rule, slabs)
    if maximum is not None and minimum > maximum:
        yield f"nothing can be sold: the least is {_shown(kind, minimum)} and the most {_shown(kind, maximum)}"
        return
    if minimum < first:
        yield f"{_unpriced(kind, minimum, first - rule.step)}, which `min` allows"
    if last is not None and maximum is not None and maximum > last:
        yield f"{_unpriced(kind, last + rule.step, maximum)}, which `max` allows"


def _seam(rule: PriceRule, kind: CreditType, slab: Slab, following: Slab) -> Iterator[str]:
    if slab.end is None:
        yield (
            f"the slab from {_shown(kind, slab.start)} has no `to`, but the slab from {_shown(kind, following.start)} "
            "comes after it; only the last may leave it out"
        )
    elif following.start <= slab.end:
        end = slab.end if following.end is None else min(slab.end, following.end)
        yield f"two slabs price {_range(kind, following.start, end)}"
    elif following.start > slab.end + rule.step:
        start = _shown(kind, slab.end + rule.step)
        yield (
            f"{_unpriced(kind, slab.end + rule.step, following.start - rule.step)}; start the slab from "
            f"{_shown(kind, following.start)} at {start}, or say in `step` that only larger steps are sold"
        )


def _unpriced(kind: CreditType, start: int, end: int) -> str:
    return f"no slab prices {_range(kind, start, end)}"


def _range(kind: CreditType, start: int, end: int) -> str:
    return _shown(kind, start) if start == end else f"{_shown(kind, start)} to {_shown(kind, end)}"


def _shown(kind: CreditType, units: int) -> str:
    return text(to_credits(units, kind.scale))
