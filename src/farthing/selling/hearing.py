"""What providers say of money, and what that does to its order: one way in, for webhooks and for what was looked up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farthing.core import events
from farthing.core.billing import Billing
from farthing.core.orders import OUTCOMES, Order, gone, hear
from farthing.core.payments import Billed, Dispute, Notice, Refund, SavedCard
from farthing.ledger.accounts import holders
from farthing.providers import Provider, ProviderEvent
from farthing.selling import billed, clawbacks, redeeming, slots
from farthing.selling.orders import fulfil
from farthing.store import billings, customers, orders, outbox, references
from farthing.store.customers import Customer
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx


def take_up(tx: Tx, sender: Provider, said: ProviderEvent, now: datetime) -> str | None:
    """What the facts come to; None where no order and no plan of ours goes by these names.

    Raises:
        EventUnreadable: the names belong to different orders, or to another subscription.
    """
    session = tx.session
    found = references.find(session, sender.name, said.references)
    order = orders.read(session, *found, locked=True) if found else None
    billing = billings.read(session, *found, locked=True) if found and order is None else None
    ours = order or billing
    remembered = _remember(session, sender, ours and ours.account, said)
    if billing:
        references.name(session, billing, said.references)
        return _bill(tx, billing, said, now)
    about_money = [fact for fact in said.facts if isinstance(fact, Notice | Refund | Dispute)]
    if order is None:
        return "card_saved" if remembered and _only_cards(said) else None
    if _only_cards(said):
        references.name(session, order, said.references)
        return "card_saved"
    return believe(tx, order, said.references, about_money, now)


def _only_cards(said: ProviderEvent) -> bool:
    return bool(said.facts) and all(isinstance(fact, SavedCard) for fact in said.facts)


def _bill(tx: Tx, billing: Billing, said: ProviderEvent, now: datetime) -> str:
    """What is said of a plan's subscription; its single payments and refunds are only noted."""
    outcomes = [billed.take_up(tx, billing, fact, now) for fact in said.facts if isinstance(fact, Billed)]
    return outcomes[0] if outcomes else "noted"


def believe(
    tx: Tx, order: Order, names: Sequence[str], facts: Sequence[Notice | Refund | Dispute], now: datetime
) -> str:
    """What these facts come to for a locked order that goes by these names too."""
    references.name(tx.session, order, names)
    return _hear(tx, order, facts, now) if facts else "no_change"


def carry_out(tx: Tx, order: Order, now: datetime, *, fulfilled: bool) -> None:
    """Writes how the order stands; its promo code and its credits follow. The order's own lock comes before.

    fulfilled: it is so only now, and gives what it froze.
    """
    orders.set_state(tx.session, order)
    redeeming.follow(tx.session, order, now)
    slots.follow(tx.session, order, now)
    if fulfilled:
        fulfil(tx, order, now)
        outbox.write(tx.session, [events.fulfilled(order, now)])
    if order.state == "fulfilled" and (order.refunds or order.disputes):
        clawbacks.follow(tx, order, now)


def _remember(session: Session, sender: Provider, owner: str | None, said: ProviderEvent) -> bool:
    """Writes down who pays, and with which card from now on; False where nobody knows for whom, or it says neither."""
    card = next((fact for fact in said.facts if isinstance(fact, SavedCard)), None)
    customer = card.customer if card else said.customer
    if customer is None or not said.facts:
        return False
    account = owner or customers.account_of(session, sender.name, customer)
    if account is None:
        return False
    at = max(fact.at for fact in said.facts)
    kept = (card.card, card.label) if card else (None, None)
    customers.remember(session, Customer(holders(session, account)[-1], sender.name, customer, *kept, at))
    return True


def _hear(tx: Tx, order: Order, facts: Sequence[Notice | Refund | Dispute], now: datetime) -> str:
    """What these facts come to: the order's state, and its credits given or taken back as its money says."""
    session, outcomes, fulfilled, before = tx.session, set[str](), False, gone(order)
    for fact in facts:
        heard = hear(order, fact, now)
        order, outcomes = heard.order, outcomes | {heard.outcome}
        fulfilled = fulfilled or heard.outcome == "fulfilled"
        if heard.outcome != "no_change":
            orders.keep(session, order, heard.fact)
    outcome = min(outcomes, key=OUTCOMES.index)
    back = gone(order)
    if sum(back) > sum(before):
        slots.pause_for_money_back(session, order, now)
    if outcome != "no_change":
        carry_out(tx, order, now, fulfilled=fulfilled)
    elif order.state == "fulfilled" and (order.refunds or order.disputes):
        clawbacks.follow(tx, order, now)
    if back.minor > before.minor:
        outbox.write(session, [events.refunded(order, back, now)])
    return outcome
