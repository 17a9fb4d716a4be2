"""Events: what others are told of, when a balance crosses a threshold, and when a failed delivery is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from farthing.amounts import text, to_credits
from farthing.core.book import Book, Draft
from farthing.core.names import entry_id, lot_id

if TYPE_CHECKING:
    from farthing.core.orders import Gone, Order
    from farthing.core.subscriptions import Subscription
    from farthing.core.topups import Mandate

KINDS = (
    *("credits.balance.low", "credits.balance.depleted", "credits.balance.recovered"),
    *("credits.lot.expiring", "credits.lot.expired"),
    *("order.fulfilled", "order.refunded", "top_up.charged", "top_up.paused"),
    *("plan.started", "plan.renewed", "plan.changed", "plan.ended"),
)
TRIED_FOR = timedelta(days=3)
"""So long a delivery is tried again, and so long an endpoint may fail without a success before it is paused."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)


class Told(NamedTuple):
    """Something that happened to an account, before it has a number."""

    account: str
    kind: str
    occurred_at: datetime
    data: Mapping[str, Any]


def of_drafts(before: Mapping[tuple[str, str], Book], drafts: Iterable[Draft]) -> list[Told]:
    """What a batch of decisions does that their credit types want told.

    Args:
        before: each wallet's book as it was read under the lock. drafts: in the order decided.
    """
    last = {wallet: book if book.seal else None for wallet, book in before.items()}
    told: list[Told] = []
    for draft in drafts:
        wallet = (draft.book.account, draft.book.credit_type.code)
        if draft.book.credit_type.low and (was := last[wallet]):
            told += _crossings(was, draft.book)
        if draft.book.credit_type.expiring:
            told += _expired(draft)
        last[wallet] = draft.book
    return told


def _crossings(was: Book, book: Book) -> Iterator[Told]:
    low = book.credit_type.low or 0
    if book.available < low <= was.available:
        yield _balance("credits.balance.low", book)
    if book.available <= 0 < was.available:
        yield _balance("credits.balance.depleted", book)
    if was.available < low <= book.available:
        yield _balance("credits.balance.recovered", book)


def _balance(kind: str, book: Book) -> Told:
    scale = book.credit_type.scale
    return Told(
        book.account, kind, book.recorded_at,
        {
            "credit_type": book.credit_type.code, "available": to_credits(book.available, scale),
            "low": to_credits(book.credit_type.low or 0, scale),
            "entry": entry_id(book.credit_type.code, book.seq),
        },
    )  # fmt: skip


def _expired(draft: Draft) -> Iterator[Told]:
    for line in draft.entries:
        if line.kind == "expire":
            scale = draft.book.credit_type.scale
            yield Told(
                line.account, "credits.lot.expired", line.recorded_at,
                {
                    "credit_type": line.credit_type, "lot": lot_id(line.credit_type, line.draws[0].lot),
                    "amount": to_credits(-line.amount, scale), "expires_at": line.effective_at,
                    "entry": entry_id(line.credit_type, line.seq),
                },
            )  # fmt: skip


def fulfilled(order: Order, now: datetime) -> Told:
    """An order was paid, and its credits were given."""
    amount, bonus = to_credits(order.amount, order.scale), to_credits(order.bonus + order.promo_bonus, order.scale)
    data = {"amount": amount, "bonus": bonus, "paid_minor": order.paid_minor}
    return Told(order.account, "order.fulfilled", now, _order(order) | data)


def refunded(order: Order, back: Gone, now: datetime) -> Told:
    """More of an order's money went back, by a refund or a lost dispute."""
    data = {"paid_minor": order.paid_minor, "refunded_minor": back.minor, "disputed_minor": back.disputed_minor}
    return Told(order.account, "order.refunded", now, _order(order) | data)


def _order(order: Order) -> dict[str, Any]:
    return {
        "order": order.id, "credit_type": order.credit_type, "package": order.package, "provider": order.provider,
        "currency": order.currency,
    }  # fmt: skip


def topped_up(mandate: Mandate, order: Order, now: datetime) -> Told:
    """A saved card was charged, and the credits were given."""
    data = {"credit_type": mandate.credit_type, "order": order.id}
    return Told(
        mandate.account, "top_up.charged", now,
        data | {"paid_minor": order.paid_minor, "currency": order.currency},
    )  # fmt: skip


def of_mandate(was: Mandate, mandate: Mandate, now: datetime) -> list[Told]:
    """That an auto top-up is paused from now on, where it was not before."""
    if not mandate.paused or was.paused:
        return []
    return [Told(mandate.account, "top_up.paused", now, {"credit_type": mandate.credit_type, "why": mandate.paused})]


def of_plan(was: Subscription | None, sub: Subscription, now: datetime) -> list[Told]:
    """What happened to a subscription between two of its states; `was` None: it has just begun."""
    kinds = ["plan.started"] if was is None else []
    if was and was.plan != sub.plan:
        kinds.append("plan.changed")
    elif was and was.series == sub.series and sub.opened > was.opened >= 1:
        kinds.append("plan.renewed")
    if sub.ended_at and not (was and was.ended_at):
        kinds.append("plan.ended")
    data = {"plan": sub.plan, "subscription": f"sub_{sub.number}", "period_end": sub.period_end}
    return [Told(sub.account, kind, now, data) for kind in kinds]


def again(attempts: int, first_at: datetime, now: datetime, *, chance: float) -> datetime | None:
    """When a delivery that failed `attempts` times is tried next: each wait four times the last; None: no more.

    Args:
        first_at: when it was first tried. chance: 0 to 1, spreads the wait from three to five quarters.
    """
    if now - first_at >= TRIED_FOR:
        return None
    wait = min(FIRST_WAIT * 4 ** min(attempts - 1, 10), LONGEST_WAIT)
    return now + wait * (0.75 + chance / 2)


def written(value: Any) -> str:
    """`value` as JSON: a Decimal in plain digits, an instant as RFC 3339 with Z."""
    if isinstance(value, Mapping):
        members = cast(Mapping[str, Any], value).items()
        return "{" + ",".join(f"{written(name)}:{written(inner)}" for name, inner in members) + "}"
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat().removesuffix("+00:00")}Z"'
    return json.dumps(value, ensure_ascii=False)
