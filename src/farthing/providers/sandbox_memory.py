"""What the sandbox remembers, so that it can be asked: every fact it told of a payment, as it stands."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Any

from farthing.core.payments import Billed, Dispute, Fact, Notice, Refund, SavedCard
from farthing.providers import Found

MOST = 10_000
_REFUND_RANK = {"pending": 0, "succeeded": 1, "failed": 2}
_DISPUTE_RANK = {"inquiry": 0, "opened": 1, "lost": 2, "won": 3}


class Memory:
    """Of the last `most` checkouts that were spoken of; older ones are forgotten, and all of them with the process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._numbers: dict[str, int] = {}
        self._next = 0
        self._lock = Lock()

    def keep(self, references: Iterable[str], facts: Iterable[Fact] = (), customer: str | None = None) -> None:
        """What goes by one of these names goes by all of them, and these facts are about it."""
        names = list(references)
        with self._lock:
            kept = self._joined(names)
            kept.names.update(dict.fromkeys(names))
            kept.customer = customer or kept.customer
            for fact in facts:
                kept.hear(fact)
            while len(self._kept) > self._most:
                _, oldest = self._kept.popitem(last=False)
                for name in oldest.names:
                    del self._numbers[name]

    def found(self, reference: str) -> Found | None:
        """All that is known of what goes by this name; None: nothing does, or no longer."""
        with self._lock:
            number = self._numbers.get(reference)
            if number is None:
                return None
            kept = self._kept[number]
            return Found(tuple(kept.names), tuple(kept.facts.values()), kept.customer)

    def plans_of(self, customer: str) -> list[Found]:
        """Every subscription of a customer, the one told of last at the end."""
        with self._lock:
            kept = [one for one in self._kept.values() if one.customer == customer]
            return [
                Found(tuple(one.names), tuple(one.facts.values()), one.customer)
                for one in kept
                if any(isinstance(fact, Billed) for fact in one.facts.values())
            ]

    def _joined(self, names: list[str]) -> _Kept:
        """The one that goes by these names from now on: a refund may be told of before the order of its payment is."""
        known = sorted({self._numbers[name] for name in names if name in self._numbers})
        kept = _Kept()
        for number in known:
            kept.take(self._kept.pop(number))
        self._next += 1
        self._kept[self._next] = kept
        self._numbers |= dict.fromkeys([*kept.names, *names], self._next)
        return kept


class _Kept:
    """The names of one checkout, and the last word on its payments, refunds, disputes and cards."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.facts: dict[tuple[Any, ...], Fact] = {}
        self.customer: str | None = None

    def take(self, other: _Kept) -> None:
        self.names |= other.names
        self.customer = self.customer or other.customer
        for fact in other.facts.values():
            self.hear(fact)

    def hear(self, fact: Fact) -> None:
        about = _about(fact)
        known = self.facts.get(about)
        if known is None or _weight(fact) >= _weight(known):
            self.facts[about] = fact


def _about(fact: Fact) -> tuple[Any, ...]:
    match fact:
        case Notice():
            return ("payment", fact.payment)
        case Refund():
            return ("refund", fact.payment, fact.refund)
        case Dispute():
            return ("dispute", fact.payment, fact.dispute)
        case SavedCard():
            return ("card",)
        case Billed():
            return ("plan", fact.subscription)


def _weight(fact: Fact) -> tuple[Any, ...]:
    """What is over does not begin again, whenever it is told."""
    match fact:
        case Notice():
            return fact.said == "paid", fact.at
        case Refund(refund=None):
            return fact.amount_minor, fact.at
        case Refund():
            return _REFUND_RANK[fact.said], fact.at
        case Dispute():
            return _DISPUTE_RANK[fact.said], fact.at
        case SavedCard() | Billed():
            return (fact.at,)
