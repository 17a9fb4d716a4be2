"""Who buys: an account with the plan of its subscription, or with the one that the application names."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from farthing.catalog import Catalog
from farthing.core import checks
from farthing.core.plans import Plan
from farthing.core.subscriptions import plan_at
from farthing.selling.quoting import Buyer, Wish, named_plan
from farthing.store import subscriptions
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.credits import Credits


def buyer_of(credits: Credits, account: str | None, wish: Wish) -> Buyer:
    """The buyer that a price is asked for. Without an account nothing is read.

    Raises:
        InvalidAccount: no account can be called so. UnknownPlan: the plan that is named does not exist.
    """
    named = named_plan(credits.catalog, wish.plan)
    if account is None or wish.plan is not None:
        return Buyer(account and checks.account_id(account), named)
    now = credits.clock()
    return Buyer(account, credits.read(lambda session: own_plan(session, credits.catalog, account, now)))


def own_plan(session: Session, catalog: Catalog, account: str, now: datetime) -> Plan | None:
    """The plan that the account subscribes to and has now: on trial, or paid for."""
    checks.account_id(account)
    sub = subscriptions.running(session, account) if catalog.switches["plans"] else None
    return plan_at(sub, catalog.plans, now) if sub else None
