"""What Lemon Squeezy's orders say, as facts. Everything here is plain data as JSON has it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast

from farthing.amounts import LIMIT
from farthing.core.payments import Fact, Notice, Refund
from farthing.providers import Found

_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)


def found(data: Any, currency: str) -> Found:
    """An order of theirs as it stands, in money of `currency` where it says that."""
    name, attributes = order_name(data), data["attributes"]
    suffix, said_in = counted_in(attributes, currency)
    total, tax, discount = (minor(attributes[f"{one}{suffix}"]) for one in ("total", "tax", "discount_total"))
    facts: list[Fact] = [_notice(name, attributes, total, tax, discount, said_in)]
    refunded = _refunded(attributes, suffix, total)
    if refunded:
        at = moment(attributes.get("refunded_at") or attributes["updated_at"])
        facts.append(Refund(name, None, "succeeded", at, refunded, said_in))
    return Found((name, word(attributes["identifier"])), tuple(facts), customer(attributes))


def counted_in(attributes: Any, currency: str) -> tuple[str, str]:
    """The end of the names of amounts that count for a store of `currency`, and the currency that they are in.

    Where the customer paid in another one than a store that sells in USD, all amounts are said in USD as well.
    """
    charged_in = word(attributes["currency"])
    return ("_usd", currency) if currency == "USD" != charged_in else ("", charged_in)


def _notice(name: str, attributes: Any, total: int, tax: int, discount: int, currency: str) -> Notice:
    status = attributes["status"]
    match status:
        case "paid" | "refunded" | "partial_refund":
            at = moment(attributes["created_at"])
            return Notice(name, "paid", at, total, tax, currency, discount_minor=discount)
        case "pending":
            return Notice(name, "pending", moment(attributes["updated_at"]), currency=currency)
        case "failed" | "fraudulent":
            reason = "fraudulent" if status == "fraudulent" else None
            return Notice(name, "failed", moment(attributes["updated_at"]), currency=currency, reason=reason)
        case _:
            raise ValueError(f"an order has the status {status!r}")


def _refunded(attributes: Any, suffix: str, total: int) -> int:
    """All that was given back of an order until now, tax and all."""
    said = attributes.get(f"refunded_amount{suffix}")
    if said is None:  # orders of an older shape say only whether
        if attributes["status"] == "partial_refund":
            raise ValueError("an order was refunded in part, and does not say how much")
        return total if attributes["refunded"] is True else 0
    return minor(said)


def custom(checkout: Any) -> Any:
    """What we wrote into a checkout."""
    return checkout["attributes"]["checkout_data"]["custom"]


def ours(said: Any) -> tuple[str, ...]:
    """The id of our order or billing, where custom data names one.

    A customer can write it: it says which one, never how much.
    """
    table = cast(dict[str, Any], said) if isinstance(said, dict) else {}
    known = table.get("order") or table.get("billing")
    return (known,) if isinstance(known, str) and _WORD.fullmatch(known) else ()


def order_name(order: Any) -> str:
    """What we call an order of theirs."""
    if order["type"] != "orders" or not NUMBER.fullmatch(order["id"]):
        raise ValueError("it is no order")
    return f"order:{order['id']}"


def customer(attributes: Any) -> str | None:
    """Who pays."""
    said = attributes.get("customer_id")
    return str(said) if type(said) is int else None


def word(said: Any) -> str:
    """A name or a word of theirs."""
    if not isinstance(said, str) or not _WORD.fullmatch(said):
        raise ValueError(f"{said!r} is no name")
    return said


def address(said: Any) -> str:
    """A page of theirs."""
    if not isinstance(said, str) or not said.startswith(("https://", "http://")):
        raise ValueError("a checkout has no address")
    return said


def minor(said: Any) -> int:
    """An amount of money."""
    if type(said) is not int or not 0 <= said < LIMIT:
        raise ValueError(f"{said!r} is no amount of money")
    return said


def moment(said: Any) -> datetime:
    """A time of theirs."""
    at = datetime.fromisoformat(said)
    if at.tzinfo is None:
        raise ValueError(f"{said!r} has no zone")
    return at.astimezone(UTC)


def instant(at: datetime) -> str:
    """A time as they want it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
