"""`verify` of orders: what each froze, what its payments make of it, and the lots that were given for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import NamedTuple

from farthing.core.audit import Wrong
from farthing.core.book import Entry, Lot
from farthing.core.payments import Notice, Order, as_paid, order_key, order_seal
from farthing.errors import Corrupt
from farthing.ledger.accounts import holders
from farthing.store import orders as store
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import orders

PARTS = ("paid", "bonus")
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, OverflowError)
_PLACES = {name: place for place, name in enumerate(orders.c.keys())}
_FROM_PAYMENTS = ("state", "reason", "paid_by", "paid_minor", "tax_minor", "fulfilled_at")
_NAMED = "SELECT account, order_id FROM farthing_provider_references WHERE provider = ? AND reference = ?"
# Every order was written together with the act that keeps its key.
_MISSING = (
    "SELECT account, link FROM farthing_acts a WHERE verb = 'checkout' AND NOT EXISTS "
    "(SELECT 1 FROM farthing_orders o WHERE o.account = a.account AND o.id = a.link)"
)


class Fault(NamedTuple):
    """The first thing wrong in one wallet, or in one order."""

    account: str
    credit_type: str | None  # None: of an order whose row is missing
    order: str | None  # None: it is in the wallet
    wrong: str


def faults(session: Session, account: str | None) -> Generator[Fault | None]:
    """For every order of an account, or of all, the first thing wrong in it, or None."""
    with closing(store.rows_of_all(session, account)) as rows:
        for row, payments in rows:
            wrong = first_wrong("order", lambda row=row, payments=payments: _compare(session, row, payments))
            yield Fault(row[0], row[_PLACES["credit_type"]], row[1], wrong) if wrong else None


def missing(session: Session, account: str | None) -> Generator[Fault]:
    """Orders that were made, and whose row is gone."""
    where, params = ("AND account = ?", (account,)) if account is not None else ("", ())
    with closing(session.stream(f"{_MISSING} {where}", params)) as rows:
        for owner, order in rows:
            yield Fault(owner, None, order, "order: its row is missing")


def first_wrong(what: str, look: Callable[[], None]) -> str | None:
    """What `look` finds wrong in `what`, or why that cannot be read; None: nothing."""
    try:
        look()
    except (Wrong, Corrupt) as wrong:
        return str(wrong)
    except _UNREADABLE as error:
        return f"{what}: it cannot be read ({error})"
    return None


def _compare(session: Session, row: Row, payments: tuple[Notice, ...]) -> None:
    order = store.from_row(session, row, payments)
    _same("its seal", bytes(row[_PLACES["seal"]]).hex(), order_seal(order).hex(), "what it froze makes it")
    rebuilt = as_paid(order)
    for name in _FROM_PAYMENTS:
        _same(name, getattr(order, name), getattr(rebuilt, name), "its payments make it")
    if (order.reference is None) != (order.url is None):
        raise Wrong("order: it has a page to pay it and no name for it there, or a name and no page")
    if order.reference is not None:
        named = session.execute(_NAMED, (order.provider, order.reference))
        _same("reference", [tuple(one) for one in named], [row[:2]], f"{order.reference} should name")
    given = _given(session, order)
    wanted = _wanted(order)
    for part in PARTS:
        _same(f"what was given for its {part} part", given.get(part), wanted.get(part), "it says")


def _wanted(order: Order) -> Mapping[str, tuple[object, ...]]:
    if order.state != "fulfilled":
        return {}
    terms = (order.currency, order.credit_type, order.id, order.catalog_version, order.fulfilled_at)
    paid = (order.amount, "purchase", order.paid_minor - order.tax_minor, *terms)
    return {"paid": paid} | ({"bonus": (order.bonus, "bonus", 0, *terms)} if order.bonus else {})


def _given(session: Session, order: Order) -> dict[str, tuple[object, ...]]:
    """What was granted for an order, by part: to its account, or to whom that one was merged into by then."""
    keys = {order_key(order.id, part): part for part in PARTS}
    found = sql.read_keys(session, [(account, key) for account in holders(session, order.account) for key in keys])
    return {keys[key]: _terms(line, order) for (_, key), line in found.items()}


def _terms(line: Entry, order: Order) -> tuple[object, ...]:
    lot = line.opened
    fulfilled_at = line.occurred_at or order.fulfilled_at  # the first grants for orders did not say when
    made = (lot.amount, lot.source, lot.cost_minor, lot.currency) if isinstance(lot, Lot) else (None,) * 4
    return (*made, line.credit_type, line.link, line.catalog_version, fulfilled_at)


def _same(what: str, stored: object, rebuilt: object, why: str) -> None:
    if stored != rebuilt:
        raise Wrong(f"order: {what} is {stored}, but {why} {rebuilt}")
