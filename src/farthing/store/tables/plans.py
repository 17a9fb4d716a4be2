"""Plans: who subscribes to what, what each cycle was paid, and how providers are paid for it."""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Flag, Instant, Json, Whole, Word
from farthing.store.tables.ledger import metadata

subscriptions = sa.Table(
    "farthing_subscriptions",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("number", Whole, primary_key=True),
    sa.Column("plan", Word, nullable=False),
    sa.Column("driver", Word, nullable=False),
    sa.Column("zone", Word, nullable=False),
    sa.Column("every", Word, nullable=False),
    sa.Column("drip", Word),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("anchor", Instant, nullable=False),
    sa.Column("series", Whole, nullable=False),
    sa.Column("opened", Whole, nullable=False),
    sa.Column("handled", Whole, nullable=False),
    sa.Column("trial_end", Instant),
    sa.Column("next_plan", Word),
    sa.Column("ends", Word),
    sa.Column("ended_at", Instant),
    sa.Column("skips_frozen", Flag, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("leased_until", Instant),
)
sa.Index("farthing_subscriptions_running", subscriptions.c.account, unique=True)
sa.Index("farthing_subscriptions_due", subscriptions.c.due_at)

allotments = sa.Table(
    "farthing_allotments",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("number", Whole, primary_key=True),
    sa.Column("series", Whole, primary_key=True),
    sa.Column("cycle", Whole, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("entitled", Whole, nullable=False),
    sa.Column("paid", Whole, nullable=False),
    sa.Column("ends_at", Instant),
    sa.CheckConstraint("0 <= paid AND paid <= entitled", name="farthing_allotments_bounds"),
)

billings = sa.Table(
    "farthing_billings",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("id", Word, primary_key=True),
    sa.Column("plan", Word, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("price_minor", Whole, nullable=False),
    sa.Column("trial_days", Whole, nullable=False),
    sa.Column("provider", Word, nullable=False),
    sa.Column("livemode", Flag, nullable=False),
    sa.Column("return_url", Word),
    sa.Column("paying", Json),
    sa.Column("catalog_version", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("reference", Word),
    sa.Column("url", Word),
    sa.Column("subscription", Word),
    sa.Column("stands", Word, nullable=False),
    sa.Column("cancels", Flag, nullable=False),
    sa.Column("said_at", Instant),
    sa.Column("owner", Word),
    sa.Column("number", Whole),
    sa.Column("due_at", Instant),
    sa.CheckConstraint("price_minor > 0 AND trial_days >= 0", name="farthing_billings_signs"),
)
sa.Index("farthing_billings_due", billings.c.due_at)
sa.Index("farthing_billings_owner", billings.c.owner)

invoices = sa.Table(
    "farthing_invoices",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("billing", Word, primary_key=True),
    sa.Column("invoice", Word, primary_key=True),
    sa.Column("pays", Word, nullable=False),
    sa.Column("paid_at", Instant, nullable=False),
    sa.Column("amount_minor", Whole, nullable=False),
    sa.Column("tax_minor", Whole, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("outcome", Word, nullable=False),
    sa.CheckConstraint("amount_minor >= 0 AND tax_minor >= 0", name="farthing_invoices_signs"),
)
