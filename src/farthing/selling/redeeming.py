"""Promo codes at work: used with an order, given back when no money comes, taken again when it comes after all."""

from __future__ import annotations

from datetime import datetime

from farthing.core.orders import Order
from farthing.core.promos import PromoUse, require_left
from farthing.ledger.accounts import holders
from farthing.store import promos
from farthing.store.database import Session


def require_usable(session: Session, use: PromoUse, account: str | None, now: datetime) -> None:
    """Nothing, where the code may be used once more, by this account or by anyone.

    Raises:
        PromoCodeUsedUp: it was used as often as it may be.
    """
    used, own = promos.used(session, use.code, account, now)
    require_left(use, used=used, used_by_account=own)


def use(session: Session, order: Order, use: PromoUse, now: datetime) -> None:
    """The order uses its code; the code's lock and the account's come before.

    Raises:
        PromoCodeUsedUp: it was used as often as it may be.
    """
    require_usable(session, use, order.account, now)
    promos.add(session, order)


def follow(session: Session, order: Order, now: datetime) -> None:
    """The use of the order's code follows how the order stands; before any wallet is locked.

    Money outranks caps: what was given back is taken again where an order is paid late, though the code be used up.
    """
    if order.promo_code is not None:
        promos.lock(session, order.promo_code, now)
        more = promos.settle(session, order, order.account, now)
        # Read under the lock of its own use: it may be merged just now.
        for holder in holders(session, order.account)[1:]:
            promos.settle(session, order, holder, now)
        promos.count(session, order.promo_code, more)
