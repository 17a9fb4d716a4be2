"""What verbs and readings answer: amounts as Decimal credits, times as UTC instants."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from farthing.amounts import to_credits, to_major
from farthing.core.book import Entry, Hold, Lot, Until
from farthing.core.names import entry_id, hold_id, lot_id
from farthing.core.pricing import Quote
from farthing.core.rates import Estimate, EstimateLine
from farthing.core.subscriptions import Subscription, coming, status


class Drawn(NamedTuple):
    """Credits that an entry took out of one lot."""

    lot: str
    amount: Decimal


class Line:
    """One entry of the ledger, in credits."""

    __slots__ = ("_entry", "_scale")

    def __init__(self, entry: Entry, scale: int) -> None:
        self._entry = entry
        self._scale = scale

    @property
    def id(self) -> str:
        """The entry's name: `ent_` credit type `_` number in its wallet."""
        return entry_id(self._entry.credit_type, self._entry.seq)

    @property
    def account(self) -> str:
        return self._entry.account

    @property
    def credit_type(self) -> str:
        return self._entry.credit_type

    @property
    def seq(self) -> int:
        """Number in the wallet, from 1, without gaps."""
        return self._entry.seq

    @property
    def kind(self) -> str:
        """What happened: grant, deduct, expire, repay, …"""
        return self._entry.kind

    @property
    def amount(self) -> Decimal:
        """Change of posted credits: positive for a grant, negative for a deduction."""
        return to_credits(self._entry.amount, self._scale)

    @property
    def held_change(self) -> Decimal:
        """Change of held credits: positive for a hold, negative for its end."""
        return to_credits(self._entry.held_change, self._scale)

    @property
    def posted(self) -> Decimal:
        """The wallet's posted credits after this entry."""
        return to_credits(self._entry.posted_after, self._scale)

    @property
    def held(self) -> Decimal:
        """The wallet's held credits after this entry."""
        return to_credits(self._entry.held_after, self._scale)

    @property
    def pending(self) -> Decimal:
        """The wallet's credits that were not effective yet after this entry."""
        return to_credits(self._entry.pending_after, self._scale)

    @property
    def available(self) -> Decimal:
        """What could be spent after this entry, without overdraft: posted − held − pending."""
        entry = self._entry
        return to_credits(entry.posted_after - entry.held_after - entry.pending_after, self._scale)

    @property
    def draws(self) -> list[Drawn]:
        """Which lots gave how much, in burn order."""
        return [Drawn(lot_id(self.credit_type, d.lot), to_credits(d.amount, self._scale)) for d in self._entry.draws]

    @property
    def lot(self) -> str | None:
        """The lot this entry made, on a grant or what a transfer brought."""
        opened = self._entry.opened
        return lot_id(self.credit_type, opened.number) if isinstance(opened, Lot) else None

    @property
    def expires_at(self) -> datetime | None:
        """When the lot this entry made expires, or the hold it made or extended lapses; None is never, or neither."""
        opened = self._entry.opened
        if isinstance(opened, Lot):
            return opened.expires_at
        return opened.deadline if isinstance(opened, Until) else None

    @property
    def source(self) -> str | None:
        """Why the credits exist: gift, plan, purchase, …"""
        return self._entry.source

    @property
    def key(self) -> str | None:
        return self._entry.key

    @property
    def link(self) -> str | None:
        """What it belongs to: on a bought lot's grant the order."""
        return self._entry.link

    @property
    def operation(self) -> str | None:
        """What the credits were used for."""
        return self._entry.operation

    @property
    def reason(self) -> str | None:
        """An operator's words; not for customers."""
        return self._entry.reason

    @property
    def actor(self) -> str | None:
        """Who did it."""
        return self._entry.actor

    @property
    def metadata(self) -> dict[str, Any] | None:
        return None if self._entry.metadata is None else json.loads(self._entry.metadata)

    @property
    def catalog_version(self) -> str | None:
        return self._entry.catalog_version

    @property
    def effective_at(self) -> datetime:
        """When it counts."""
        return self._entry.effective_at

    @property
    def recorded_at(self) -> datetime:
        """When it was written."""
        return self._entry.recorded_at

    @property
    def occurred_at(self) -> datetime | None:
        """When the caller says it happened."""
        return self._entry.occurred_at

    def as_dict(self) -> dict[str, Any]:
        """Every property by name; amounts stay Decimal, times stay datetime."""
        shown = {name: getattr(self, name) for name in LINE}
        return shown | {"draws": [drawn._asdict() for drawn in self.draws]}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self._entry == other._entry

    def __hash__(self) -> int:
        return hash((self.account, self.id))

    def __repr__(self) -> str:
        return f"<{self.id} {self.account} {self.kind} {self.amount:+f} available {self.available:f}>"


LINE = [name for name, value in vars(Line).items() if isinstance(value, property)]


class Receipt(Line):
    """The entry that stands for a write, and whether an earlier call with the same key had already made it."""

    __slots__ = ("replayed",)

    def __init__(self, entry: Entry, scale: int, *, replayed: bool) -> None:
        super().__init__(entry, scale)
        self.replayed = replayed

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"replayed": self.replayed}


class Expiring(NamedTuple):
    """Credits that stop counting at an instant."""

    amount: Decimal
    at: datetime


class Balance(NamedTuple):
    """What an account has of one credit type, in credits."""

    account: str
    credit_type: str
    posted: Decimal
    held: Decimal
    available: Decimal
    pending: Decimal
    overdraft_limit: Decimal
    expiring: list[Expiring]


class Check(NamedTuple):
    """What a deduction would be told, with no effect."""

    allowed: bool
    required: Decimal
    available: Decimal
    shortfall: Decimal


class LotView(NamedTuple):
    """Credits that arrived together."""

    id: str
    credit_type: str
    source: str
    priority: int
    amount: Decimal
    remaining: Decimal
    held: Decimal
    effective_at: datetime
    expires_at: datetime | None
    cost_minor: int
    currency: str | None


class HoldView(NamedTuple):
    """Credits set aside. It lapses at `expires_at`; `on_late` says what a capture after that does."""

    id: str
    credit_type: str
    amount: Decimal
    held_at: datetime
    expires_at: datetime | None
    on_late: str


class SubscriptionView(NamedTuple):
    """An account's plan. `status` is trialing, active, unpaid (nobody paid for the period that runs) or ended.

    `period_start` and `period_end` are those of the last period that is open, `next_at` is when something next comes by
    itself: a cycle, a period, a change to `next_plan`, or the end. `ends`: what then becomes of unused credits.
    """

    id: str
    account: str
    plan: str
    status: str
    driver: str
    started_at: datetime
    trial_end: datetime | None
    period_start: datetime | None
    period_end: datetime | None
    next_at: datetime | None
    next_plan: str | None
    ends: str | None
    ended_at: datetime | None

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had done what this answers to. Two that say the same are equal."""
        return False


class Page(NamedTuple):
    """Part of a longer list; `next_cursor` asks for the rest."""

    data: list[Line]
    has_more: bool
    next_cursor: str | None


class QuoteLineView(NamedTuple):
    """One line of a quote's working, as `core.pricing.QuoteLine`; `start`, `end` and `amount` in credits."""

    kind: str
    start: Decimal | None
    end: Decimal | None
    amount: Decimal | None
    unit: Decimal | None
    total: Decimal


class NextSlabView(NamedTuple):
    """The least amount, in credits, that reaches the next slab: the price of one, of all, and what all of them save.

    `more_minor` is what they cost more than what is quoted; below zero, they cost so much less.
    """

    amount: Decimal
    unit: Decimal
    total_minor: int
    saved_minor: int
    more_minor: int


class QuoteView(NamedTuple):
    """What credits cost, with the working. Amounts are credits; money is whole minor units of `currency` where the name
    ends so, else an exact Decimal in major units.

    `bonus` credits come on top of `amount`, and `promo_bonus` by the promo code. `unit_price` is what one of them all
    costs, exact or to 12 decimals. `lines` add up to the total; the last may be what rounding did. `plan` is what it
    was priced for. `expires` is how long the credits last from fulfilment on: a duration or "never". `token` is the
    quote signed, for a checkout to honour until `honoured_until`.
    """

    credit_type: str
    amount: Decimal
    bonus: Decimal
    currency: str
    subtotal_minor: int
    discount_minor: int
    total_minor: int
    unit_price: Decimal
    lines: list[QuoteLineView]
    package: str | None
    expires: str
    catalog_version: str
    next_slab: NextSlabView | None
    plan: str | None = None
    promo_code: str | None = None
    promo_bonus: Decimal = Decimal(0)
    token: str | None = None
    honoured_until: datetime | None = None

    @property
    def total(self) -> Decimal:
        """The total in major units, with all decimals of the currency."""
        return to_major(self.total_minor, self.currency)


class EstimateView(NamedTuple):
    """What a call of an operation costs, in credits, with the working.

    `lines` add up to the amount: each measure and the flat fee exactly, then what rounding and the minimum did.
    """

    operation: str
    credit_type: str
    dimensions: dict[str, str]
    amount: Decimal
    lines: list[EstimateLine]
    rounding: str
    catalog_version: str


def hold_view(credit_type: str, hold: Hold, scale: int) -> HoldView:
    """A hold in credits."""
    amount = to_credits(hold.amount, scale)
    return HoldView(hold_id(credit_type, hold.seq), credit_type, amount, hold.held_at, hold.deadline, hold.late)


def lot_view(credit_type: str, lot: Lot, scale: int) -> LotView:
    """A lot in credits."""
    amount, remaining, held = (to_credits(units, scale) for units in lot[3:6])
    return LotView(
        lot_id(credit_type, lot.number), credit_type, lot.source, lot.priority, amount, remaining, held,
        lot.effective_at, lot.expires_at, lot.cost_minor, lot.currency,
    )  # fmt: skip


def quote_view(quote: Quote, scale: int, signed: tuple[str, datetime] | None = None) -> QuoteView:
    """A quote in credits; `signed`: its token, and when that expires."""

    def credits(units: int | None) -> Decimal | None:
        return None if units is None else to_credits(units, scale)

    lines = [
        QuoteLineView(line.kind, credits(line.start), credits(line.end), credits(line.amount), line.unit, line.total)
        for line in quote.lines
    ]
    following = quote.next_slab
    return QuoteView(
        quote.credit_type, to_credits(quote.amount, scale), to_credits(quote.bonus, scale), quote.currency,
        quote.subtotal_minor, quote.discount_minor, quote.total_minor, quote.unit_price, lines, quote.package,
        quote.expires, quote.catalog_version,
        following and NextSlabView(to_credits(following.amount, scale), *following[1:]), quote.plan,
        quote.promo and quote.promo.code, to_credits(quote.promo.bonus if quote.promo else 0, scale),
        *(signed or (None, None)),
    )  # fmt: skip


def estimate_view(estimate: Estimate, scale: int, catalog_version: str) -> EstimateView:
    """An estimate in credits."""
    return EstimateView(
        estimate.operation, estimate.credit_type, estimate.dimensions, to_credits(estimate.amount, scale),
        list(estimate.lines), estimate.rounding, catalog_version,
    )  # fmt: skip


def subscription_view(sub: Subscription, now: datetime) -> SubscriptionView:
    """A subscription as it stands at `now`."""
    step, first = coming(sub), (sub.opened - 1) * sub.cycles
    return SubscriptionView(
        f"sub_{sub.number}", sub.account, sub.plan, status(sub, now), sub.driver, sub.started_at, sub.trial_end,
        sub.begins(first) if sub.opened else None, sub.period_end if sub.opened else None, step and step.at,
        sub.next_plan, sub.ends, sub.ended_at,
    )  # fmt: skip
