"""What the sandbox's webhooks say: a small language of its own, written here and read here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, cast, get_args

from farthing.amounts import LIMIT
from farthing.core.payments import (
    Billed,
    Dispute,
    DisputeSaid,
    Fact,
    Notice,
    PaidInvoice,
    Pays,
    Refund,
    RefundSaid,
    Said,
    SavedCard,
    Stands,
)
from farthing.errors import EventUnreadable
from farthing.providers import ProviderEvent

Kind = Literal["payment.paid", "payment.pending", "payment.failed", "checkout.cancelled", "checkout.expired"]
RefundKind = Literal["refund.pending", "refund.succeeded", "refund.failed", "payment.refunded"]
DisputeKind = Literal["dispute.inquiry", "dispute.opened", "dispute.lost", "dispute.won"]
# The last one is there to mean nothing to us.
AnyKind = Literal[Kind, RefundKind, DisputeKind, "shop.renamed"]
CARD_SAVED = "card.saved"
PLAN_CHANGED = "plan.changed"

MOST_LABEL_CHARACTERS = 100
_NAMES = ("order", "billing", "checkout", "payment", "subscription")
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)


class Card(NamedTuple):
    """A card of the sandbox: its label, the reason why charging it is refused, and what it is good for."""

    label: str
    refused: str | None
    hint: str


# What a card does is its name, so nobody has to remember it.
CARDS = {
    "card_ok": Card("Visa •••• 4242", None, "is charged whenever it is asked to"),
    "card_declined": Card("Visa •••• 0002", "card_declined", "is declined when it is charged later"),
    "card_authenticate": Card("Visa •••• 3184", "authentication_required", "wants its owner to be there"),
    "card_unreachable": Card("Visa •••• 0119", None, "is charged, but the answer is lost once"),
}


def saved_card(customer: str, card: str, at: datetime) -> SavedCard:
    """A card that the customer left; any name is a card, and one that is not in `CARDS` is refused when charged."""
    return SavedCard(customer, card, at, CARDS[card].label if card in CARDS else None)


def write(kind: str, data: Mapping[str, Any], *, id: str, at: datetime, livemode: bool) -> bytes:
    """The body of an event; `data` as `read` takes it, where None says nothing."""
    said = {name: value for name, value in data.items() if value is not None}
    told = {"id": id, "type": kind, "created_at": at.isoformat(), "livemode": livemode, "data": said}
    return json.dumps(told, separators=(",", ":")).encode()


def read(body: bytes) -> ProviderEvent:
    """What a body says.

    Raises:
        EventUnreadable: it is not one of these events.
    """
    try:
        return _event(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise EventUnreadable(f"This is not an event of the sandbox ({error!r}). Nothing was changed.") from error


def _event(told: Any) -> ProviderEvent:
    event_id, kind, livemode = _word(told["id"]), _word(told["type"]), told["livemode"] is True
    facts_of = _READERS.get(kind)
    if facts_of is None:
        return ProviderEvent(event_id, kind, livemode, ())
    at = datetime.fromisoformat(told["created_at"])
    if at.tzinfo is None:
        raise EventUnreadable("The event's time has no zone. Nothing was changed.")
    data = told["data"]
    facts = facts_of(kind.partition(".")[2], data, at.astimezone(UTC))
    references = tuple(_word(data[name]) for name in _NAMES if name in data)
    return ProviderEvent(event_id, kind, livemode, references, facts, customer=_said(data, "customer"))


def _payment(said: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    _word(data["order"])
    notice = Notice(
        _word(data["payment"]), cast(Said, said), at, _minor(data["amount_minor"]), _minor(data.get("tax_minor", 0)),
        _word(data["currency"]), _said(data, "reason"), _minor(data.get("discount_minor", 0)),
    )  # fmt: skip
    return (notice, *_card(said, data, at)) if "card" in data else (notice,)


def _refund(said: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    kind = cast(RefundSaid, said)
    return (Refund(_word(data["payment"]), _word(data["refund"]), kind, at, *_money(data)),)


def _refunded(_: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    return (Refund(_word(data["payment"]), None, "succeeded", at, *_money(data)),)


def _dispute(said: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    kind, reason = cast(DisputeSaid, said), _said(data, "reason")
    return (Dispute(_word(data["payment"]), _word(data["dispute"]), kind, at, *_money(data), reason),)


def _card(_: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    label = data.get("label")
    if label is not None and not (isinstance(label, str) and len(label) <= MOST_LABEL_CHARACTERS):
        raise ValueError(f"{label!r} is no label")
    return (SavedCard(_word(data["customer"]), _word(data["card"]), at, label),)


def plan_data(billed: Billed) -> dict[str, Any]:
    """What an event says of a subscription."""
    invoices = [[one.invoice, one.pays, one.at.isoformat(), *one[3:]] for one in billed.invoices]
    said = {"subscription": billed.subscription, "stands": billed.stands, "plan": billed.plan}
    return said | {"cancels": billed.cancels, "invoices": invoices}


def _plan(_: str, data: Any, at: datetime) -> tuple[Fact, ...]:
    if data["stands"] not in get_args(Stands) or not isinstance(data["cancels"], bool):
        raise ValueError(f"a subscription does not stand {data['stands']!r}")
    invoices = tuple(map(_invoice, data["invoices"]))
    plan = _said(data, "plan")
    return (Billed(_word(data["subscription"]), cast(Stands, data["stands"]), at, plan, data["cancels"], invoices),)


def _invoice(said: Any) -> PaidInvoice:
    name, pays, at, amount, tax, currency = said
    if pays not in get_args(Pays):
        raise ValueError(f"an invoice does not pay {pays!r}")
    paid_at = datetime.fromisoformat(at).astimezone(UTC)
    return PaidInvoice(_word(name), cast(Pays, pays), paid_at, _minor(amount), _minor(tax), _word(currency))


_READERS: dict[str, Callable[[str, Any, datetime], tuple[Fact, ...]]] = {
    **dict.fromkeys(get_args(Kind), _payment),
    **dict.fromkeys(get_args(RefundKind), _refund),
    **dict.fromkeys(get_args(DisputeKind), _dispute),
    "payment.refunded": _refunded,
    CARD_SAVED: _card,
    PLAN_CHANGED: _plan,
}


def _money(data: Any) -> tuple[int, str]:
    return _minor(data["amount_minor"]), _word(data["currency"])


def _said(data: Any, name: str) -> str | None:
    return None if data.get(name) is None else _word(data[name])


def _word(said: Any) -> str:
    if not isinstance(said, str) or not _NAME.fullmatch(said):
        raise ValueError(f"{said!r} is no name")
    return said


def _minor(said: Any) -> int:
    if type(said) is not int or not 0 <= said < LIMIT:
        raise ValueError(f"{said!r} is no amount of money")
    return said
