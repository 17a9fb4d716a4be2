"""The drip job: whatever is due for subscriptions, in batches that several workers may take at once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from farthing.catalog import Catalog
from farthing.plans.paying import Paying
from farthing.store import subscriptions as store

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

BATCH = 100
LEASE = timedelta(minutes=1)
LATER = timedelta(hours=1)  # before a subscription is tried again whose plan is gone, or which failed

Key = tuple[str, int]
Run = Callable[[Callable[["Tx"], Any]], Any]
"""Carries out a function in a transaction, tried again when another one gets in the way."""


def drip(run: Run, catalog: Catalog, now: datetime) -> dict[str, int]:
    """Everything that is due for subscriptions, and how much it was. See `Credits.drip`."""
    counts = Counter[str](cycles=0, lots=0, ended=0, skipped=0, unknown_plan=0, failed=0)
    while catalog.switches["plans"]:
        keys = run(lambda tx: store.take_due(tx.session, now, until=now + LEASE, limit=BATCH))
        if keys is None:
            break
        counts.update(_carried_out(run, keys, now))
    return dict(counts)


def _carried_out(run: Run, keys: Sequence[Key], now: datetime) -> Counter[str]:
    """One batch in one transaction; where that fails, each by itself, so that one at fault holds up nobody else."""
    try:
        return run(lambda tx: _advance(tx, keys, now))
    except Exception as error:
        if len(keys) > 1:
            return sum((_carried_out(run, [key], now) for key in keys), Counter[str]())
        log.warning("the subscription %d of %s could not be carried on: %r", keys[0][1], keys[0][0], error)
        run(lambda tx: store.lease(tx.session, keys[0], until=now + LATER))
        return Counter(failed=1)


def _advance(tx: Tx, keys: Sequence[Key], now: datetime) -> Counter[str]:
    paying = Paying(tx, store.read(tx.session, keys), now)
    paying.advance()
    paying.keep()
    for key in paying.stuck:
        store.lease(tx.session, key, until=now + LATER)
    return paying.counts
