"""Subscriptions of the sandbox: what their buttons do, and what they are called."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farthing.core.payments import Billed, PaidInvoice, Stands
from farthing.providers import Found


class Action(NamedTuple):
    """A button of the portal: how the subscription stands then, whether an invoice was paid, and whether it ends."""

    label: str
    hint: str
    stands: Stands = "active"
    pays: bool = False
    cancels: bool = False


ACTIONS = {
    "next": Action("Pay the next period", "A period went by, and the card is charged.", pays=True),
    "decline": Action("Decline the next period", "A period went by, and the bank refuses the card.", "past_due"),
    "end": Action("Cancel", "It ends with what is paid.", cancels=True),
    "resume": Action("Do not cancel", "It goes on."),
    "stop": Action("End it now", "It is over at once.", "ended"),
}


def after(known: Found, action: Action, now: datetime) -> Billed:
    """How a subscription stands once a button was pressed."""
    billed = billed_of(known)
    invoices = billed.invoices
    if action.pays:
        price = int(billed.subscription.rpartition("_")[2])
        name = f"{invoices[0].invoice.rpartition('_')[0]}_{len(invoices) + 1}"
        invoices = (*invoices, PaidInvoice(name, "period", now, price, 0, invoices[0].currency))
    return billed._replace(stands=action.stands, at=now, cancels=action.cancels, invoices=invoices)


def subscription_of(billing: str, price_minor: int) -> str:
    """The sandbox's name for the subscription of a billing, which says what a period costs."""
    return f"sub_{billing}_{price_minor}"


def billed_of(known: Found) -> Billed:
    """What is known of its subscription."""
    [billed] = [fact for fact in known.facts if isinstance(fact, Billed)]
    return billed
