"""Events for others: what happened, where it is told, and how each telling went."""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Flag, Instant, Whole, Word
from farthing.store.tables.ledger import metadata

events = sa.Table(
    "farthing_events",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("sequence", Whole, primary_key=True),
    sa.Column("id", Word, nullable=False),
    sa.Column("kind", Word, nullable=False),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("data", Word, nullable=False),
    sa.Column("waiting", Flag, nullable=False),
)
sa.Index("farthing_events_id", events.c.id)
sa.Index("farthing_events_occurred", events.c.occurred_at)
sa.Index("farthing_events_waiting", events.c.account, events.c.sequence)

event_numbers = sa.Table(
    "farthing_event_numbers",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("last", Whole, nullable=False),
)

endpoints = sa.Table(
    "farthing_endpoints",
    metadata,
    sa.Column("id", Word, primary_key=True),
    sa.Column("url", Word, nullable=False),
    sa.Column("kinds", Word, nullable=False),
    sa.Column("secret", Word, nullable=False),
    sa.Column("old_secret", Word),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("failing_since", Instant),
    sa.Column("paused_at", Instant),
    sa.Column("paused", Word),
)

deliveries = sa.Table(
    "farthing_deliveries",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("sequence", Whole, primary_key=True),
    sa.Column("endpoint", Word, primary_key=True),
    sa.Column("due_at", Instant),
    sa.Column("attempts", Whole, nullable=False),
    sa.Column("first_at", Instant),
    sa.Column("last_at", Instant),
    sa.Column("status", Whole),
    sa.Column("error", Word),
    sa.Column("delivered_at", Instant),
)
sa.Index("farthing_deliveries_due", deliveries.c.endpoint, deliveries.c.due_at)
