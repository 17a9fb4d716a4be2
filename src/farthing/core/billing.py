"""How a plan is paid at a provider: a subscription there, and the invoices of it that were paid. Values only.

The provider says when it collects, and the plan engine what a period gives: an invoice that was paid opens a period.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from farthing.core.orders import Paying
from farthing.core.payments import PaidInvoice, Stands

BILLING_KEYS = "billing:"
SOON = timedelta(hours=6)  # an invoice that comes so early for its period waits for it
SOONEST, LATEST = timedelta(minutes=10), timedelta(days=1)
ASKED_FOR = timedelta(days=7)  # so late may somebody still pay on a page that was left open

Outcome = Literal["opened", "changed", "noted", "review"]
Status = Literal["open", "expired", "trialing", "active", "past_due", "paused", "ended"]


class Billing(NamedTuple):
    """A plan that an account buys at a provider.

    `plan` is the one that is paid there now; `price_minor`, `trial_days` and `paying` are what the checkout froze.
    `reference` and `url` are the provider's checkout, `subscription` its subscription, once there is one. `stands` and
    `cancels` are what it said at `said_at`; `owner` and `number` name the subscription that this pays, the
    account's own or of who it was merged into; `due_at`, when the provider is asked next.
    """

    account: str
    id: str
    plan: str
    currency: str
    price_minor: int
    trial_days: int
    provider: str
    livemode: bool
    return_url: str | None
    paying: Paying
    catalog_version: str
    created_at: datetime
    expires_at: datetime
    reference: str | None = None
    url: str | None = None
    subscription: str | None = None
    stands: Stands = "open"
    cancels: bool = False
    said_at: datetime | None = None
    owner: str | None = None
    number: int | None = None
    due_at: datetime | None = None


class Invoice(NamedTuple):
    """An invoice that was paid, and what it came to: a period "opened", a change of plan was paid for ("changed").

    "noted": nothing followed, nor should. "review": it pays for a period, and none could be opened.
    """

    paid: PaidInvoice
    outcome: Outcome


def is_payable(billing: Billing, now: datetime) -> bool:
    """Whether it still waits for somebody to pay on the provider's page."""
    return billing.stands == "open" and billing.subscription is None and now < billing.expires_at


def status(billing: Billing, now: datetime) -> Status:
    """How it stands; one that nobody paid within its time has "expired"."""
    waits = billing.stands == "open" and billing.subscription is None
    return "expired" if waits and now >= billing.expires_at else billing.stands


def asked_next(billing: Billing, now: datetime) -> datetime | None:
    """When its provider is asked about it after now, should no webhook come: as long again as it is old, at most a day.

    None: not any more. It has ended there, or nobody began to pay it in a week.
    """
    age = now - billing.created_at
    if billing.stands == "ended" or (billing.subscription is None and age > ASKED_FOR):
        return None
    return now + min(max(age, SOONEST), LATEST)
