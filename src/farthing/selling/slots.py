"""What becomes of a top-up's slot when its order's money is heard of: in that very transaction, whoever hears it."""

from __future__ import annotations

from datetime import datetime

from farthing.core import events
from farthing.core import topups as rules
from farthing.core.orders import TOP_UP_KEYS, Order
from farthing.core.topups import Mandate
from farthing.ledger.accounts import holders
from farthing.store import outbox
from farthing.store import topups as store
from farthing.store.database import Session


def follow(session: Session, order: Order, now: datetime) -> None:
    """Ends the slot of an order, if it was made for one and its outcome is known; and its mandate follows.

    A slot that ended otherwise ends "paid" after all where the customer paid on the order's own page.
    """
    came = rules.outcome(order) if order.key.startswith(TOP_UP_KEYS) else None
    if came is None:
        return
    key = (order.account, order.credit_type)
    mandate = store.read(session, *key, locked=True)
    slot = store.slot_of(session, order.account, order.id)
    if mandate is None or slot is None or slot.outcome == "paid" or (slot.outcome and came != "paid"):
        return
    store.end_slot(session, slot, came)
    if came == "paid":
        outbox.write(session, [events.topped_up(mandate, order, now)])
    change(session, mandate, rules.ended(mandate, came, now), now)


def pause_for_money_back(session: Session, order: Order, now: datetime) -> None:
    """Money of this order goes back, or a bank wants it: nobody is charged anew for the credits that go with it."""
    mandate = store.read(session, holders(session, order.account)[-1], order.credit_type, locked=True)
    if mandate:
        change(session, mandate, rules.pause(mandate, "money_back", now), now)


def change(session: Session, was: Mandate, mandate: Mandate, now: datetime) -> None:
    """As `keep`, and tells where it is paused by this."""
    outbox.write(session, events.of_mandate(was, mandate, now))
    keep(session, mandate, now)


def keep(session: Session, mandate: Mandate, now: datetime) -> None:
    """Writes how a mandate stands, and when it is looked at next: at once while a slot is open."""
    key = (mandate.account, mandate.credit_type)
    if store.open_slot(session, key):
        store.keep(session, mandate, due_at=now)
        return
    used = store.taken_since(session, key, rules.window_start(mandate, now))
    store.keep(session, mandate, due_at=rules.looked_at(mandate, used, now))
