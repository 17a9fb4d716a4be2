"""What became of an order's credits when its money went back, as its page says it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from farthing.credits import Credits
from farthing.errors import UnknownCreditType
from farthing.selling.orders import OrderView
from farthing.views import Line

TAKES = ("clawback", "reverse")
MOST_LINES = 500


class Returned(NamedTuple):
    """Credits that were taken back for good, what is set aside until a bank has decided, and whether some are owed."""

    taken: Decimal
    aside: Decimal
    owed: bool


def returned(credits: Credits, order: OrderView) -> Returned | None:
    """What became of the order's credits; None where no money went back, or its credit type is no more."""
    if not order.refunded_minor and not order.disputed_minor:
        return None
    try:
        lines = _about(credits, order, order.id, (*TAKES, "hold"))
        # What a hold kept is taken when that ends, by entries that cite the first one.
        late = [one for line in lines if line.kind == "clawback" for one in _citing(credits, order, line)]
        kept = {line.seq for line in lines if line.kind == "hold"}
        holds = credits.holds(order.account, order.credit_type)
        balance = credits.balance(order.account, order.credit_type)
    except UnknownCreditType:
        return None
    taken = -sum((line.amount for line in (*lines, *late) if line.kind in TAKES), Decimal(0))
    aside = sum((hold.amount for hold in holds if int(hold.id.rpartition("_")[2]) in kept), Decimal(0))
    return Returned(taken, aside, balance.posted < 0)


def _citing(credits: Credits, order: OrderView, line: Line) -> list[Line]:
    return [one for one in _about(credits, order, line.id, TAKES) if one.link == line.id and not _named(one, order)]


def _named(line: Line, order: OrderView) -> bool:
    return order.id in (line.key or "")


def _about(credits: Credits, order: OrderView, name: str, kinds: tuple[str, ...]) -> list[Line]:
    return credits.history(order.account, order.credit_type, kinds=kinds, search=name, limit=MOST_LINES).data
