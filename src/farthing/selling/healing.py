"""Orders that wait for money are asked for at their provider, and what it answers is heard as a webhook would be."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from farthing.core.orders import Order, refunded_of, status
from farthing.core.payments import Dispute, Fact, Notice, Refund
from farthing.errors import Unavailable
from farthing.providers import Found, Provider, ProviderEvent
from farthing.selling import inbox
from farthing.store import lookups, orders
from farthing.store.lookups import SOONEST, Lookup

if TYPE_CHECKING:
    from farthing.credits import Credits

log = logging.getLogger("farthing")

AT_ONCE = 20
LEASE = timedelta(minutes=5)
LATEST = timedelta(days=1)
ASKED_FOR = timedelta(days=30)  # so late may money still come for an order that nobody seems to pay
STRIKES = 3  # failures in a row after which a provider is let alone until the next run


class Healed(NamedTuple):
    """What asking about orders came to.

    `asked` orders; `healed` of them stand otherwise now; of `unknown` ones their provider knows nothing; `failed` are
    asked about again later, because their provider did not answer or what it said could not be taken up.
    """

    asked: int
    healed: int
    unknown: int
    failed: int


class Answer(NamedTuple):
    """What a provider said of an order, all its names taken together. `outcome` is what hearing it came to."""

    facts: tuple[Fact, ...]
    outcome: str


class Asking:
    """Asks providers about orders, outside any transaction; a provider that fails again and again is let alone."""

    def __init__(self, credits: Credits) -> None:
        self._credits = credits
        self._strikes = Counter[str]()
        self.counts = Counter[str]()

    def is_silent(self, provider: str) -> bool:
        """Whether it is not set up here, or failed too often in a row just now."""
        return provider not in self._credits.providers or self._strikes[provider] >= STRIKES

    def about(self, order: Order) -> Answer | None:
        """What the order's provider knows of it, already heard; None: it knows nothing of it.

        Raises:
            Exception: whatever went wrong. It is counted.
        """
        sender = self._credits.providers[order.provider]
        self.counts["asked"] += 1
        outcome = "no_change"
        try:
            found = _found(sender, order)
            if found is not None:
                names = tuple(dict.fromkeys((order.id, *found.references)))
                said = ProviderEvent(None, "looked_up", sender.livemode, names, found.facts, customer=found.customer)
                outcome = inbox.hear(self._credits, sender, said)
        except Exception as error:
            log.warning("asking %s about the order %s came to nothing: %r", order.provider, order.id, error)
            self.counts["failed"] += 1
            self._strikes[order.provider] += isinstance(error, Unavailable)
            raise
        self._strikes[order.provider] = 0
        if found is None:
            self.counts["unknown"] += 1
            return None
        self.counts["healed"] += outcome not in ("no_change", "card_saved")
        return Answer(found.facts, outcome)

    def healed(self) -> Healed:
        """What it all came to."""
        return Healed._make(self.counts[name] for name in Healed._fields)


def heal(credits: Credits, *, account: str | None = None, limit: int) -> Healed:
    """As `Credits.heal_orders`."""
    asking, left = Asking(credits), limit
    while left > 0:
        now, most = credits.clock(), min(AT_ONCE, left)
        due = credits.run(
            lambda tx, now=now, most=most: lookups.take_due(
                tx.session, now, account=account, until=now + LEASE, limit=most
            )
        )
        for one in due:
            _heal(credits, asking, one)
        left -= len(due)
        if len(due) < most:
            break
    return asking.healed()


def _heal(credits: Credits, asking: Asking, due: Lookup) -> None:
    """Asks about one order, and settles when it is asked about next."""
    order = credits.database.read(lambda session: orders.read(session, due.account, due.order))
    failures = 0
    if order is not None and asked_next(order, credits.clock()) and order.reference is not None:
        if asking.is_silent(order.provider):
            later = credits.clock() + timedelta(minutes=1)
            credits.run(lambda tx: lookups.put_off(tx.session, [due], due_at=later))
            return
        try:
            asking.about(order)
        except Exception:  # told and counted where it was raised
            failures = due.failures + 1
    after = credits.database.read(lambda session: orders.read(session, due.account, due.order))
    now = credits.clock()
    due_at = after and asked_next(after, now)
    if due_at and failures:
        due_at = now + timedelta(minutes=min(2 ** min(failures - 1, 6), 60))
    credits.run(lambda tx: lookups.keep(tx.session, due.account, due.order, due_at=due_at or None, failures=failures))


def asked_next(order: Order, now: datetime) -> datetime | None:
    """When the order is asked about after now: as long again as it is old, at least ten minutes, at most a day.

    None: not any more. It is paid or under review, or it is a month old and nobody began to pay it.
    """
    stands, age = status(order, now), now - order.created_at
    if stands in ("fulfilled", "review") or (stands != "processing" and age > ASKED_FOR):
        return None
    return now + min(max(age, SOONEST), LATEST)


def _found(sender: Provider, order: Order) -> Found | None:
    """What the provider knows of the checkout, and of payments that this leaves out."""
    names: dict[str, None] = {}
    facts: dict[Fact, None] = {}
    customer, knows = None, False
    for reference in (order.reference, *(one.payment for one in order.payments)):
        if reference is None or reference in names:
            continue
        if found := sender.look(reference):
            knows, customer = True, customer or found.customer
            names |= dict.fromkeys(found.references)
            facts |= dict.fromkeys(found.facts)
    return Found(tuple(names), tuple(facts), customer) if knows else None


class Difference(NamedTuple):
    """What a provider says of one payment, refund or dispute beside what is kept here. Money is whole minor units."""

    payment: str
    what: str
    currency: str
    ours_minor: int
    theirs_minor: int


def differences(order: Order, facts: tuple[Fact, ...]) -> list[Difference]:
    """Where what was just heard of an order does not stand here: what is kept is stronger, and was never taken back."""
    said = order._replace(refunds=tuple(fact for fact in facts if isinstance(fact, Refund)))
    summed = {fact.payment for fact in (*order.refunds, *said.refunds) if fact.refund is None}
    others = [fact for fact in facts if isinstance(fact, Notice | Dispute)]
    ours = {_about(fact): fact for fact in (*order.payments, *_refunds(order, summed), *order.disputes)}
    theirs = {_about(fact): fact for fact in (*others, *_refunds(said, summed))}
    told: list[Difference] = []
    for about in sorted({*ours, *theirs}):
        one, other = ours.get(about), theirs.get(about)
        if _stands(one) != _stands(other):
            any_one = one or other
            assert any_one is not None
            what = f"{about[0]} {about[2] or 'in all'}: here {_word(one)}, at the provider {_word(other)}"
            told.append(Difference(any_one.payment, what, any_one.currency, _minor(one), _minor(other)))
    return told


def _refunds(order: Order, summed: set[str]) -> list[Refund]:
    """The refunds that have names; and of payments that are `summed`, what all refunds come to.

    A provider whose events tell a sum beside its parts may tell only one of both when it is asked
    (tests/stories/test_reconciling.py).
    """
    in_all = [
        Refund(one.payment, None, "succeeded", one.at, refunded_of(order, one), one.currency)
        for one in order.payments
        if one.payment in summed
    ]
    return [*in_all, *(one for one in order.refunds if one.refund is not None)]


def _about(fact: Notice | Refund | Dispute) -> tuple[str, str, str]:
    match fact:
        case Notice():
            return "payment", fact.payment, fact.payment
        case Refund():
            return "refund", fact.payment, fact.refund or ""
        case Dispute():
            return "dispute", fact.payment, fact.dispute


def _stands(fact: Notice | Refund | Dispute | None) -> tuple[object, ...] | None:
    """What must be the same on both sides; of a payment that brought no money, nothing must."""
    if fact is None or (isinstance(fact, Notice) and fact.said != "paid"):
        return None
    return fact.said, fact.amount_minor, fact.currency


def _word(fact: Notice | Refund | Dispute | None) -> str:
    return fact.said if fact else "unknown"


def _minor(fact: Notice | Refund | Dispute | None) -> int:
    return fact.amount_minor if fact and _stands(fact) else 0
