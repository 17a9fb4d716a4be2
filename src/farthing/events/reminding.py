"""What is told by the clock: lots that expire soon. Each is told once, by a mark that moves along their expiry."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from farthing.amounts import to_credits
from farthing.core.book import CreditType
from farthing.core.calendar import after, span
from farthing.core.events import Told
from farthing.core.names import lot_id
from farthing.store import outbox
from farthing.store import reminders as store
from farthing.store.reminders import Expiring, Mark

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

BATCH = 500


def remind(credits: Credits) -> int:
    """As `Credits.remind`."""
    now, told = credits.clock(), 0
    for kind in credits.catalog.credit_types.values():
        more = bool(kind.expiring)
        while more:
            many = credits.run(lambda tx, kind=kind: _remind(tx, credits.catalog.time_zone, kind, now))
            told, more = told + many, many == BATCH
    return told


def _remind(tx: Tx, zone: str, kind: CreditType, now: datetime) -> int:
    """Tells of the next lots, and moves the mark behind them; where another worker moves it first, of none."""
    until = after(now, span(kind.expiring or "0s"), zone)
    was = store.read_mark(tx.session, kind.code)
    mark = max(was or Mark(now), Mark(now))
    lots = store.expiring(tx.session, kind.code, mark, until=until, limit=BATCH)
    ahead = Mark(*lots[-1][:3]) if len(lots) == BATCH else max(mark, Mark(until))
    if not store.move_mark(tx.session, kind.code, was, ahead):
        return 0
    outbox.write(tx.session, [_told(kind, lot, now) for lot in lots])
    return len(lots)


def _told(kind: CreditType, lot: Expiring, now: datetime) -> Told:
    data = {
        "credit_type": kind.code, "lot": lot_id(kind.code, lot.number),
        "amount": to_credits(lot.remaining, kind.scale), "expires_at": lot.expires_at,
    }  # fmt: skip
    return Told(lot.account, "credits.lot.expiring", now, data)
