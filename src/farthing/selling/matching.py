"""Payments beside lots beside entries: what does not fit together, by a name of its own, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from farthing.core.book import Entry, Lot
from farthing.core.names import entry_id
from farthing.core.orders import (
    PARTS,
    MoneyBack,
    Order,
    Share,
    as_paid,
    order_key,
    refunded_of,
    shares,
    standing,
    status,
)
from farthing.core.payments import Notice
from farthing.ledger.accounts import holders
from farthing.store import billings, clawbacks, sql
from farthing.store import matching as store
from farthing.store.database import Session
from farthing.store.matching import LotRow

OVERDUE = timedelta(days=14)  # the slowest bank transfers take so long
REMEDIES = {
    "paid_without_credits": "Run `farthing verify` for the account, find who wrote past Farthing; then grant by hand.",
    "credits_without_payment": "Run `farthing verify` for the account; if no money came, take the credits back.",
    "lot_differs": "Stop writing to the account and run `farthing verify` for it.",
    "amount_mismatch": "Accept the payment, or give it back at the provider and dismiss it.",
    "currency_mismatch": "Accept the payment, or give it back at the provider and dismiss it.",
    "surplus_payment": "Give it back at the provider, or dismiss it.",
    "refund_not_followed": "Replay the event of the refund or dispute; if it stays, run `farthing verify`.",
    "overdue_pending": "Ask the provider what became of it: `farthing reconcile --ask`, or its dashboard.",
    "event_failing": "Read its error with `farthing webhooks show`, mend the cause, replay it.",
    "event_unmatched": "Find in the provider's dashboard whose it is; what is not of this database may stay.",
    "invoice_without_period": "See what the customer paid for, then renew_plan when its period is due, or refund it.",
    "provider_silent": "See that the provider is set up and answers, then run it again.",
    "unknown_at_provider": "Check that the keys are those of the account at the provider that the order was made with.",
    "differs_at_provider": "Compare with the provider's dashboard; what is kept here is the strongest it ever said.",
}
"""What each mismatch is called, and what to do about it."""


class Mismatch(NamedTuple):
    """Something about one order, payment or event that does not fit together.

    `expected_minor` and `found_minor` are whole minor units of `currency`, where it is about money; `detail` says in
    words what was seen, `remedy` what to do.
    """

    name: str
    account: str | None
    order: str | None
    payment: str | None
    event: str | None
    provider: str | None
    currency: str | None
    expected_minor: int | None
    found_minor: int | None
    detail: str
    remedy: str


def mismatch(name: str, detail: str, order: Order | None = None, payment: Notice | None = None) -> Mismatch:
    """About an order and one of its payments; the money is what the order asks for and what came."""
    account, order_id, provider = (order.account, order.id, order.provider) if order else (None, None, None)
    money = (payment.currency, order and order.total_minor, payment.amount_minor) if payment else (None, None, None)
    named = payment.payment if payment else None
    return Mismatch(name, account, order_id, named, None, provider, *money, detail, REMEDIES[name])


class Given(NamedTuple):
    """What was given for one part of an order: the entry, and the row of the lot it made."""

    entry: Entry
    lot: LotRow | None


def of_orders(session: Session, orders: Sequence[Order], now: datetime) -> Iterator[Mismatch]:
    """What does not fit together in these orders."""
    given = _given(session, orders)
    for order in orders:
        yield from _credits(order, given)
        yield from _money(order, now)
        yield from _followed(session, order)


def of_the_rest(session: Session, account: str | None, since: datetime | None) -> Iterator[Mismatch]:
    """Credits of orders that there are none of; and of all accounts, events that had no effect."""
    for owner, order, key in store.without_order(session, account):
        made = mismatch("credits_without_payment", f"the entry {key} is for an order that there is none of")
        yield made._replace(account=owner, order=order)
    for billing, invoice in billings.in_review(session, account):
        found = mismatch(
            "invoice_without_period", f"{invoice} of the plan {billing.plan} was paid and opened no period"
        )
        yield found._replace(account=billing.account, order=billing.id, provider=billing.provider)
    if account is not None:
        return
    for one in store.waiting(session, since=since):
        name = "event_unmatched" if one.error is None else "event_failing"
        detail = one.error or f"{one.kind}: no order goes by the names in it"
        yield mismatch(name, detail)._replace(provider=one.provider, event=one.event)


def _given(session: Session, orders: Sequence[Order]) -> dict[tuple[str, str], Given]:
    """By order and part, what was granted for it: to its account, or to whom that one was merged into by then."""
    owners = {account: holders(session, account) for account in {order.account for order in orders}}
    keys = {
        (account, order_key(order.id, part)): (order.id, part)
        for order in orders
        for account in owners[order.account]
        for part in PARTS
    }
    lines = sql.read_keys(session, list(keys))
    made = {
        pair: (line.account, line.credit_type, line.opened.number)
        for pair, line in lines.items()
        if isinstance(line.opened, Lot)
    }
    lots = store.read_lots(session, list(made.values()))
    return {keys[pair]: Given(line, lots.get(made[pair]) if pair in made else None) for pair, line in lines.items()}


def _credits(order: Order, given: dict[tuple[str, str], Given]) -> Iterator[Mismatch]:
    """The order's money beside its entries, and those beside their lots."""
    made = as_paid(order)
    bought = next((one for one in order.payments if one.payment == made.paid_by), None)
    units = zip(PARTS, (order.amount, order.bonus, order.promo_bonus), strict=True)
    for part, amount in units:
        found = given.get((order.id, part))
        wanted = amount if made.state == "fulfilled" else 0
        if wanted and found is None:
            yield mismatch("paid_without_credits", f"nothing was given for its {part} part", order, bought)
        elif found and not wanted:
            detail = f"{_name(found.entry)} gave credits for its {part} part, and no money came that buys them"
            yield mismatch("credits_without_payment", detail, order)._replace(
                currency=order.currency, expected_minor=order.total_minor, found_minor=0
            )
        if found and _lot_differs(found):
            yield mismatch(
                "lot_differs", f"the lot of {_name(found.entry)} is not as that entry made it", order, bought
            )


def _name(entry: Entry) -> str:
    return entry_id(entry.credit_type, entry.seq)


def _lot_differs(given: Given) -> bool:
    lot = given.entry.opened
    return not isinstance(lot, Lot) or given.lot != (lot.source, lot.amount, lot.cost_minor, lot.currency)


def _money(order: Order, now: datetime) -> Iterator[Mismatch]:
    """Money that bought nothing, and money that should have come by now."""
    for payment in order.payments:
        stands = standing(order, payment)
        back = refunded_of(order, payment) if stands in ("review", "surplus") else 0
        if stands in ("review", "surplus") and back < payment.amount_minor:
            names = {"surplus": "surplus_payment", "review": "amount_mismatch"}
            other = stands == "review" and payment.currency != order.currency
            name = "currency_mismatch" if other else names[stands]
            detail = f"the order asks for {order.total_minor} {order.currency} minor units, {back} went back of it"
            yield mismatch(name, detail, order, payment)
        elif stands == "pending" and status(order, now) == "processing" and now - payment.at > OVERDUE:
            yield mismatch("overdue_pending", f"it is under way since {payment.at.isoformat()}", order, payment)


def _followed(session: Session, order: Order) -> Iterator[Mismatch]:
    """What was taken back of its credits, beside what its money makes it."""
    if as_paid(order).state != "fulfilled" or not (order.refunds or order.disputes):
        return
    rows = clawbacks.read(session, order)
    policy = next((row.policy for row in rows.values()), MoneyBack())
    wanted = shares(order, policy)
    for part in PARTS:
        share, row = wanted.get(part, Share(0, 0)), rows.get(part)
        if ((row.gone, row.disputed) if row else (0, 0)) != share:
            detail = f"of its {part} part {share.gone} units should be taken and {share.disputed} set aside, not "
            done = f"{row.gone} and {row.disputed}" if row else "none"
            yield mismatch("refund_not_followed", detail + done, order)
