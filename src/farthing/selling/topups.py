"""Auto top-up, carried out: a slot and its order are committed, then the card is charged, then the answer is heard.

Whoever is stopped in between leaves an open slot behind, and whoever comes next carries that on first: the same order,
the same attempt, the same card. So nobody is charged twice, however many cross the threshold at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from farthing.amounts import to_credits
from farthing.core import checks
from farthing.core import events as told
from farthing.core import topups as rules
from farthing.core.orders import Order, Paying
from farthing.core.payments import Notice, SavedCard
from farthing.core.topups import Mandate, Seen, Slot
from farthing.errors import Corrupt, FarthingError, InvalidField, NotBillable, NoTopUp, ProviderUnavailable
from farthing.ledger import reading
from farthing.providers import CardKeeper
from farthing.selling import hearing, slots
from farthing.selling.buyers import buyer_of
from farthing.selling.checkout import bill_of, draft_order, place, provider_named
from farthing.selling.orders import OrderView, view
from farthing.selling.promises import Offer
from farthing.selling.quoting import Wish, quote
from farthing.store import acts, customers, orders, outbox, sql
from farthing.store import inbox as events
from farthing.store import topups as store
from farthing.store.database import Session
from farthing.store.topups import Key

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

BATCH = 100
LEASE = timedelta(minutes=2)
AGAIN = timedelta(minutes=1)  # before a provider that did not answer, or has not decided, is asked again
LATER = timedelta(hours=1)  # before a mandate is tried again that could not be priced
TOLD = ("paid", "declined", "authentication_required", "review", "paused", "unknown", "failed")


class ToppedUp(NamedTuple):
    """What came of a top-up. `order` is the one that was charged for.

    `outcome` is paid, declined, authentication_required (its order has a page for the customer), review (other money
    came than was asked for) or unknown (the provider did not say yet). Where nothing was charged it says why not:
    enough, cooldown, window_full, paused, stopped, frozen, switched_off, or charging (somebody else does it).
    """

    outcome: str
    order: OrderView | None


def keeper(credits: Credits, name: str) -> CardKeeper:
    """The provider called `name`, which keeps cards.

    Raises:
        UnknownProvider: none is set up under this name. InvalidField: it keeps no cards.
    """
    found = provider_named(credits, name)
    if not isinstance(found, CardKeeper):
        raise InvalidField(f"{found.name} keeps no cards. Nothing was changed. Name another one.", field="provider")
    return found


def offered(credits: Credits, mandate: Mandate) -> Offer:
    """What is bought, at today's price for this account.

    Raises:
        what `quote` raises: it is not sold like that now.
    """
    kind = credits.catalog.credit_type(mandate.credit_type)
    wish = Wish(package=mandate.package, currency=mandate.currency)
    if mandate.amount is not None:
        wish = wish._replace(credit_type=kind.code, amount=to_credits(mandate.amount, kind.scale))
    quoted = quote(credits.catalog, wish, buyer_of(credits, mandate.account, wish), credits.clock())
    if quoted.credit_type != kind.code:
        raise InvalidField(
            f"The package {mandate.package!r} has {quoted.credit_type}, not {kind.code}. Nothing was changed.",
            field="package",
        )
    return Offer(quoted, kind)


def top_up(credits: Credits, key: Key) -> ToppedUp:
    """As `Credits.top_up`."""
    mandate, slot = credits.read(lambda session: (store.read(session, *key), store.open_slot(session, key)))
    if mandate is None:
        raise no_top_up(key)
    if slot is not None:
        return _carried_on(credits, slot, ours=False)
    stands = credits.read(lambda session: _standing(credits, session, mandate))
    if stands != "due":
        return ToppedUp(stands, None)
    asked, offer = keeper(credits, mandate.provider), offered(credits, mandate)
    asked.require_billable(offer.quote.currency, offer.quote.total_minor)
    draft = draft_order((mandate.account, ""), b"", offer, asked, None, credits.clock())
    taken = credits.run(lambda tx: _take(credits, tx, mandate, draft))
    if taken is None:  # it was agreed on anew meanwhile
        return top_up(credits, key)
    if isinstance(taken, str):
        return ToppedUp(taken, None)
    slot, ours = taken
    return _carried_on(credits, slot, ours=ours)


def top_up_due(credits: Credits) -> dict[str, int]:
    """As `Credits.top_up_due`."""
    now, counts, past = credits.clock(), Counter[str](dict.fromkeys(TOLD, 0)), ("", "")
    while keys := credits.read(lambda session, past=past: store.due(session, now, past=past, limit=BATCH)):
        for key in keys:
            outcome = _tried(credits, key, now)
            counts[outcome] += outcome in TOLD
        past = keys[-1]
    return {outcome: counts[outcome] for outcome in TOLD}


def no_top_up(key: Key) -> NoTopUp:
    """The refusal where an account has no mandate for a credit type."""
    return NoTopUp(
        f"{key[0]} has agreed to no auto top-up of {key[1]}. Nothing was changed. Agree on one with set_top_up.",
        account=key[0],
        credit_type=key[1],
    )


def _tried(credits: Credits, key: Key, now: datetime) -> str:
    """What came of one mandate; one that fails says so in the log and holds up no other."""
    try:
        return top_up(credits, key).outcome
    except Exception as error:
        log.warning("the auto top-up of %s for %s failed: %r", key[1], key[0], error)
        credits.run(lambda tx: store.postpone(tx.session, key, due_at=now + LATER))
        return "failed"


def _standing(credits: Credits, session: Session, mandate: Mandate) -> str:
    now, catalog = credits.clock(), credits.catalog
    account = sql.read_accounts(session, [mandate.account]).get(mandate.account)
    kind = catalog.credit_type(mandate.credit_type)
    [book] = reading.books(session, mandate.account, [kind], now)
    used = store.taken_since(session, mandate[:2], rules.window_start(mandate, now))
    is_on = catalog.is_on("selling") and catalog.is_on(f"providers.{mandate.provider}")
    frozen = account is not None and account.frozen_at is not None
    seen = Seen(book.available, used, frozen=frozen, switched_off=not is_on)
    return rules.standing(mandate, seen, now)


def _take(credits: Credits, tx: Tx, quoted: Mandate, draft: Order) -> tuple[Slot, bool] | str | None:
    """A slot with its order, and whether it is ours to charge; or why there is none.

    None: what was priced is not what is agreed on any more.
    """
    session, now, key = tx.session, draft.created_at, quoted[:2]
    mandate = store.read(session, *key, locked=True)
    if mandate is None or mandate.terms != quoted.terms:
        return None
    if slot := store.open_slot(session, key):
        return slot, False
    acts.lock_account(session, mandate.account)
    stands = _standing(credits, session, mandate)
    if stands != "due":
        slots.keep(session, mandate, now)
        return stands
    payer = customers.read(session, mandate.account, mandate.provider)
    if payer is None or payer.card is None or draft.total_minor > mandate.at_most_minor:
        why = "price_above_limit" if payer and payer.card else "no_card"
        slots.change(session, mandate, rules.pause(mandate, why, now), now)
        return "paused"
    used = store.taken_since(session, key, rules.window_start(mandate, now))
    mandate, slot = rules.take(mandate, draft.id, used=used, customer=payer.customer, card=payer.card, now=now)
    order_key = rules.order_key(mandate, slot.window_start, slot.number)
    content = checks.fingerprint("top_up", mandate.credit_type, 0, order=draft.id)
    paying = Paying(save_card=True, customer=payer.customer)
    order, _ = place(tx, draft._replace(key=order_key, content=content, paying=paying), None)
    store.add_slot(session, slot)
    store.keep(session, mandate, due_at=now)
    store.lease(session, key, now=now, until=now + LEASE)
    slots.follow(session, order, now)
    return slot, True


def _carried_on(credits: Credits, slot: Slot, *, ours: bool) -> ToppedUp:
    """What came of charging the card for a slot, asked outside any transaction."""
    key, now = slot[:2], credits.clock()
    order = _order(credits, slot)
    if not credits.catalog.is_on(f"providers.{order.provider}"):
        return ToppedUp("switched_off", view(order, now))
    asked = keeper(credits, order.provider)
    if not ours and not credits.run(lambda tx: _leased(tx, slot, now)):
        return ToppedUp("charging", view(order, now))
    order = _order(credits, slot)
    if rules.outcome(order) is None and not order.payments and rules.too_old(slot, now):
        credits.run(lambda tx: _give_up(tx, slot, now))
        return ToppedUp("unknown", view(order, now))
    try:
        references, facts = _asked(asked, order, slot, now)
    except ProviderUnavailable as error:
        log.warning("it is not known whether the card was charged for the order %s: %s", order.id, error)
        credits.run(lambda tx: store.postpone(tx.session, key, due_at=now + AGAIN))
        return ToppedUp("unknown", view(order, now))
    came = credits.run(lambda tx: _heard(tx, slot, references, facts, credits.clock()))
    return ToppedUp(came or "unknown", view(_order(credits, slot), credits.clock()))


def _leased(tx: Tx, slot: Slot, now: datetime) -> bool:
    """Whether the slot is still open, and from now on ours to carry on."""
    key = slot[:2]
    store.read(tx.session, *key, locked=True)
    return store.open_slot(tx.session, key) == slot and store.lease(tx.session, key, now=now, until=now + LEASE)


def _asked(asked: CardKeeper, order: Order, slot: Slot, now: datetime) -> tuple[Sequence[str], list[Notice]]:
    """The names of the order's payment and what is said of it: the card is charged, unless that is under way."""
    if rules.outcome(order) is not None:
        return (), []
    if order.payments:
        found = asked.look(order.payments[0].payment)
        told = found.facts if found else ()
        return (found.references if found else ()), [fact for fact in told if isinstance(fact, Notice)]
    bill = bill_of(order)._replace(save_card=False, customer=slot.customer)
    card = SavedCard(slot.customer or "", slot.card or "", slot.taken_at)
    try:
        charged = asked.charge(bill, card, attempt=slot.attempt)
    except NotBillable as error:
        return (), [Notice(f"refused_{order.id}", "failed", now, currency=order.currency, reason=error.code)]
    return (charged.reference,), [charged.notice]


def _heard(tx: Tx, slot: Slot, references: Sequence[str], facts: Sequence[Notice], now: datetime) -> str | None:
    """What the slot comes to after these facts, in one transaction with the order's credits; None: not known yet."""
    session, key = tx.session, slot[:2]
    order = orders.read(session, slot.account, slot.order_id, locked=True)
    if order is None:
        raise _lost(slot)
    if facts:
        hearing.believe(tx, order, references, facts, now)
        events.wake(session, order.provider, references, due_at=now)
    else:
        slots.follow(session, order, now)
    stands = store.slot_of(session, slot.account, slot.order_id)
    if stands and stands.outcome is None:
        store.postpone(session, key, due_at=now + AGAIN)
    return stands and stands.outcome


def _give_up(tx: Tx, slot: Slot, now: datetime) -> None:
    """Nobody asks any more: the slot stays open until its provider tells, or somebody who looked there resumes."""
    mandate = store.read(tx.session, *slot[:2], locked=True)
    if mandate and store.open_slot(tx.session, slot[:2]) == slot:
        paused = rules.pause(mandate, "outcome_unknown", now)
        outbox.write(tx.session, told.of_mandate(mandate, paused, now))
        store.keep(tx.session, paused, due_at=None)
        log.error("it was never learnt whether the card was charged for %s of %s", slot.order_id, slot.account)


def _order(credits: Credits, slot: Slot) -> Order:
    order = credits.read(lambda session: orders.read(session, slot.account, slot.order_id))
    if order is None:
        raise _lost(slot)
    return order


def _lost(slot: Slot) -> FarthingError:
    return Corrupt(f"The order {slot.order_id} of {slot.account}, which a top-up was to pay, is not there.")
