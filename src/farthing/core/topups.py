"""Auto top-up: when a customer's saved card is charged while they are away, as they agreed. Values only.

A mandate is what the customer agreed to. Every charge takes a numbered slot of a calendar window before the card is
asked, and keeps it whatever comes of it. A mandate has at most one slot whose outcome is not known.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from farthing.core.calendar import after, span
from farthing.core.orders import TOP_UP_KEYS, Order

Window = Literal["day", "week", "month"]
Pause = Literal[
    "declined", "authentication_required", "price_above_limit", "no_card", "review", "outcome_unknown", "money_back"
]  # fmt: skip
Outcome = Literal["paid", "declined", "authentication_required", "review", "abandoned"]
Standing = Literal[
    "due", "enough", "cooldown", "window_full", "paused", "stopped", "frozen", "switched_off"
]  # fmt: skip

WINDOWS: tuple[Window, ...] = ("day", "week", "month")
MOST_DECLINES = 3
"""So many in a row pause a mandate."""
ASKED_FOR = timedelta(hours=23)
"""So long after a slot was taken the same charge may be asked for again. Providers forget after a day that they were
asked before, and would charge twice."""

_LIFTED_BY_PAYING: tuple[Pause, ...] = ("declined", "authentication_required", "outcome_unknown")


class Mandate(NamedTuple):
    """What a customer agreed to, and how it stands.

    Below `threshold` smallest units a package is bought, or an `amount` in smallest units, for at most `at_most_minor`
    minor units of `currency`, at most `most` times `per` calendar window of `zone`, and never within `cooldown` of the
    charge before. `declines` are those in a row; `last_at` is when the last slot was taken.
    """

    account: str
    credit_type: str
    provider: str
    threshold: int
    package: str | None
    amount: int | None
    currency: str
    at_most_minor: int
    most: int
    per: Window
    cooldown: str
    zone: str
    consent: str | None
    consent_at: datetime
    actor: str | None
    declines: int = 0
    paused: Pause | None = None
    paused_at: datetime | None = None
    last_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def terms(self) -> tuple[object, ...]:
        """What was agreed, without how it stands."""
        return self[:15]


class Slot(NamedTuple):
    """One charge of a mandate: number `number` of the window that began at `window_start`. `outcome` None: not known.

    `card` is what is charged, kept until the outcome is known: the same charge can only be asked for again with it.
    """

    account: str
    credit_type: str
    window_start: datetime
    number: int
    order_id: str
    attempt: int
    taken_at: datetime
    customer: str | None
    card: str | None
    outcome: Outcome | None = None


class Seen(NamedTuple):
    """What else decides: credits available in smallest units, slots taken in the window, what is frozen or off."""

    available: int
    used: int
    frozen: bool = False
    switched_off: bool = False


def window_start(mandate: Mandate, now: datetime) -> datetime:
    """When the calendar window began that `now` is in: midnight of the day, of Monday or of the first of the month."""
    local = now.astimezone(ZoneInfo(mandate.zone)).replace(tzinfo=None)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if mandate.per == "week":
        day -= timedelta(days=day.weekday())
    elif mandate.per == "month":
        day = day.replace(day=1)
    return day.replace(tzinfo=ZoneInfo(mandate.zone)).astimezone(UTC)


def window_end(mandate: Mandate, now: datetime) -> datetime:
    """When the next window begins."""
    longest = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=31)}[mandate.per]
    # Half a day more than the longest window, so that clocks set back or forward in it do not matter.
    return window_start(mandate, window_start(mandate, now) + longest + timedelta(hours=12))


def cool_at(mandate: Mandate) -> datetime | None:
    """When the cooldown after the last charge is over; None: nothing was charged yet."""
    return mandate.last_at and after(mandate.last_at, span(mandate.cooldown), mandate.zone)


def standing(mandate: Mandate, seen: Seen, now: datetime) -> Standing:
    """Whether the card is to be charged now, or why not."""
    if mandate.stopped_at:
        return "stopped"
    if mandate.paused:
        return "paused"
    if seen.frozen:
        return "frozen"
    if seen.switched_off:
        return "switched_off"
    if seen.available >= mandate.threshold:
        return "enough"
    if seen.used >= mandate.most:
        return "window_full"
    cool = cool_at(mandate)
    return "cooldown" if cool and now < cool else "due"


def looked_at(mandate: Mandate, used: int, now: datetime) -> datetime | None:
    """From when on the card may be charged again; None: not before somebody does something."""
    if mandate.stopped_at or mandate.paused:
        return None
    at = max(now, cool_at(mandate) or now)
    return max(at, window_end(mandate, now)) if used >= mandate.most else at


def take(mandate: Mandate, order: str, *, used: int, customer: str, card: str, now: datetime) -> tuple[Mandate, Slot]:
    """The mandate with its next slot taken. `used` slots of the window were taken before."""
    start = window_start(mandate, now)
    slot = Slot(mandate.account, mandate.credit_type, start, used + 1, order, 1, now, customer, card)
    return mandate._replace(last_at=now), slot


def order_key(mandate: Mandate, start: datetime, number: int) -> str:
    """The key of a slot's order."""
    return f"{TOP_UP_KEYS}{mandate.credit_type}:{start:%Y-%m-%dT%H:%M}:{number}"


def outcome(order: Order) -> Outcome | None:
    """What came of charging the card for this order; None while it is not known."""
    if order.state == "open":
        return None
    if order.state == "fulfilled":
        return "paid"
    if order.state == "review":
        return "review"
    return "authentication_required" if order.reason == "authentication_required" else "declined"


def ended(mandate: Mandate, came: Outcome, now: datetime) -> Mandate:
    """The mandate after a slot came to this."""
    if came == "paid":
        lifted = mandate.paused in _LIFTED_BY_PAYING
        mandate = mandate._replace(declines=0)
        return mandate._replace(paused=None, paused_at=None) if lifted else mandate
    if came == "abandoned":
        return mandate
    if mandate.paused == "outcome_unknown":
        mandate = mandate._replace(paused=None, paused_at=None)
    if came in ("authentication_required", "review"):
        return pause(mandate, came, now)
    mandate = mandate._replace(declines=mandate.declines + 1)
    return pause(mandate, "declined", now) if mandate.declines >= MOST_DECLINES else mandate


def pause(mandate: Mandate, why: Pause, now: datetime) -> Mandate:
    """Nothing is charged until somebody resumes it, or pays. The first reason stays."""
    return mandate if mandate.paused else mandate._replace(paused=why, paused_at=now)


def resume(mandate: Mandate) -> Mandate:
    """The mandate as if nothing had been declined."""
    return mandate._replace(declines=0, paused=None, paused_at=None)


def stop(mandate: Mandate, now: datetime) -> Mandate:
    """Nothing is charged any more; a charge that has begun is carried to its end."""
    return mandate if mandate.stopped_at else mandate._replace(stopped_at=now)


def too_old(slot: Slot, now: datetime) -> bool:
    """Whether the slot was taken so long ago that the same charge could not be told from a new one."""
    return now - slot.taken_at >= ASKED_FOR
