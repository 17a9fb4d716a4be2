"""`verify` of orders: what each froze, what its payments make of it, and the lots that were given for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import NamedTuple

from farthing.core.audit import Wrong
from farthing.core.book import Entry, Lot
from farthing.core.orders import (
    PARTS,
    SETTLING,
    Order,
    Share,
    as_paid,
    lapses_at,
    order_key,
    order_seal,
    paid_currency,
    settled_content,
    shares,
    uses_promo,
)
from farthing.errors import Corrupt
from farthing.ledger.accounts import holders
from farthing.ledger.taken import granted_again, taken
from farthing.store import acts, clawbacks, promos, sql
from farthing.store import orders as store
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import orders

_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, OverflowError)
_PLACES = {name: place for place, name in enumerate(orders.c.keys())}
_FROM_PAYMENTS = ("state", "reason", "paid_by", "paid_minor", "tax_minor", "fulfilled_at")
_NAMED = "SELECT account, order_id FROM farthing_provider_references WHERE provider = ? AND reference = ?"
# Every order was written together with the act that keeps its key.
_MISSING = (
    "SELECT account, link FROM farthing_acts a WHERE verb = 'checkout' AND NOT EXISTS "
    "(SELECT 1 FROM farthing_orders o WHERE o.account = a.account AND o.id = a.link)"
)
_UNSETTLED = (
    "SELECT account, link FROM farthing_acts a WHERE verb IN ('accept_payment', 'dismiss_payment') AND NOT EXISTS "
    "(SELECT 1 FROM farthing_settlements s WHERE s.account = a.account AND s.order_id = a.link AND s.key = a.key)"
)


class Fault(NamedTuple):
    """The first thing wrong in one wallet, in one order, or in one subscription."""

    account: str
    credit_type: str | None  # None: of a subscription, or of an order whose row is missing
    order: str | None
    wrong: str
    plan: str | None = None  # the subscription; without order or plan it is in the wallet


def faults(session: Session, account: str | None) -> Generator[Fault | None]:
    """For every order of an account, or of all, the first thing wrong in it, or None."""
    with closing(store.rows_of_all(session, account)) as rows:
        for row, told in rows:
            wrong = first_wrong("order", lambda row=row, told=told: _compare(session, row, told))
            yield Fault(row[0], row[_PLACES["credit_type"]], row[1], wrong) if wrong else None


def missing(session: Session, account: str | None) -> Generator[Fault]:
    """Orders that were made, and whose row is gone; and operators' decisions about their payments."""
    where, params = ("AND account = ?", (account,)) if account is not None else ("", ())
    with closing(session.stream(f"{_UNSETTLED} {where}", params)) as rows:
        for owner, order in rows:
            yield Fault(owner, None, order, "order: an operator decided about a payment, and that row is missing")
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


def _compare(session: Session, row: Row, told: store.Told) -> None:
    order = store.from_row(session, row, told)
    _same("its seal", bytes(row[_PLACES["seal"]]).hex(), order_seal(order).hex(), "what it froze makes it")
    rebuilt = as_paid(order)
    for name in _FROM_PAYMENTS:
        _same(name, getattr(order, name), getattr(rebuilt, name), "its payments make it")
    if (order.reference is None) != (order.url is None):
        raise Wrong("order: it has a page to pay it and no name for it there, or a name and no page")
    if order.reference is not None:
        named = session.execute(_NAMED, (order.provider, order.reference))
        _same("reference", [tuple(one) for one in named], [row[:2]], f"{order.reference} should name")
    if order.promo_code is not None:
        _compare_use(session, order)
    given = _given(session, order)
    wanted = _wanted(order)
    for part in PARTS:
        _same(f"what was given for its {part} part", given.get(part), wanted.get(part), "it says")
    _compare_settled(session, order)
    _compare_back(session, order)


def _compare_settled(session: Session, order: Order) -> None:
    """Every decision of an operator beside the act that keeps its key."""
    known = acts.read_keys(session, [(order.account, one.key) for one in order.settled])
    for one in order.settled:
        act, wanted = known.get((order.account, one.key)), settled_content(order.id, one)
        if act is None or (act.verb, act.content) != (SETTLING[one.said], wanted):
            raise Wrong(f"order: its payment {one.payment} was {one.said}, but no act says so")


def _compare_back(session: Session, order: Order) -> None:
    """What was taken back and set aside of its credits, beside what its money makes it."""
    rows = clawbacks.read(session, order)
    if order.state == "fulfilled" and (order.refunds or order.disputes):
        units = zip(PARTS, (order.amount, order.bonus, order.promo_bonus), strict=True)
        _same("the parts that follow its money", sorted(rows), sorted(part for part, given in units if given), "it has")
    elif rows:
        raise Wrong("order: credits were taken back, and none of its money went back")
    policies = {row.policy for row in rows.values()}
    if len(policies) > 1:
        raise Wrong("order: its parts follow its money by different policies")
    wanted = shares(order, policies.pop()) if policies else {}
    for part, row in rows.items():
        share = wanted.get(part, Share(0, 0))
        _same(f"what was taken back of its {part} part", (row.gone, row.disputed), tuple(share), "its money makes it")
        accounts = holders(session, order.account)
        lost = sum(piece.units for piece in taken(session, accounts, order.id, part))
        lost -= sum(granted_again(session, account, order.id, part) for account in accounts)
        if lost > row.gone or (lost < row.gone and row.policy.refunds == "debt"):
            _same(f"what entries took back of its {part} part", lost, row.gone, "its row says")


def _compare_use(session: Session, order: Order) -> None:
    """A use that lapsed with its order may have been written down as given back, or not yet."""
    found, lapses = promos.stands(session, order), lapses_at(order)
    if lapses is None or found != (False, None):
        wanted = (uses_promo(order), lapses)
        _same("the use of its promo code", found, wanted, "how it stands makes it")


def _wanted(order: Order) -> Mapping[str, tuple[object, ...]]:
    if order.state != "fulfilled":
        return {}
    terms = (paid_currency(order), order.credit_type, order.id, order.catalog_version, order.fulfilled_at)
    paid = (order.amount, "purchase", order.paid_minor - order.tax_minor, *terms)
    on_top = {"bonus": order.bonus, "promo": order.promo_bonus}
    return {"paid": paid} | {part: (units, part, 0, *terms) for part, units in on_top.items() if units}


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
