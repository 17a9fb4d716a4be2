"""The schema, as SQLAlchemy metadata: `metadata` may be added to a host's own Alembic.

Every table of account data has the account first in its primary key and in every unique key. Amounts are whole
numbers in the credit type's smallest unit; money is in minor units; times are UTC instants.
"""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Flag, Instant, Json, Whole, Word, table_options, where

metadata = sa.MetaData()

meta = sa.Table(
    "farthing_meta",
    metadata,
    sa.Column("name", Word, primary_key=True),
    sa.Column("value", Word, nullable=False),
    **table_options(),
)

accounts = sa.Table(
    "farthing_accounts",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("time_zone", Word, nullable=False),
    sa.Column("locale", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("frozen_at", Instant),
    sa.Column("merged_into", Word),
    **table_options(),
)

acts = sa.Table(
    "farthing_acts",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("key", Word, primary_key=True),
    sa.Column("verb", Word, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("link", Word),
    sa.Column("reason", Word),
    sa.Column("actor", Word),
    sa.Column("recorded_at", Instant, nullable=False),
    **table_options(),
)

wallets = sa.Table(
    "farthing_wallets",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("seq", Whole, nullable=False),
    sa.Column("posted", Whole, nullable=False),
    sa.Column("held", Whole, nullable=False),
    sa.Column("pending", Whole, nullable=False),
    sa.Column("debt", Whole, nullable=False),
    sa.Column("last_lot", Whole, nullable=False),
    sa.Column("claimed", Whole, nullable=False),
    sa.Column("frozen", Flag, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("next_change_at", Instant),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("held >= 0 AND pending >= 0 AND debt >= 0", name="farthing_wallets_signs"),
    **table_options(fillfactor=70),
)
sa.Index("farthing_wallets_due", wallets.c.next_change_at)

lots = sa.Table(
    "farthing_lots",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("number", Whole, primary_key=True),
    sa.Column("source", Word, nullable=False),
    sa.Column("priority", Whole, nullable=False),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("remaining", Whole, nullable=False),
    sa.Column("held", Whole, nullable=False),
    sa.Column("open", Flag, nullable=False),
    sa.Column("cost_minor", Whole, nullable=False),
    sa.Column("currency", Word),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("seq", Whole, nullable=False),
    sa.CheckConstraint("amount > 0 AND cost_minor >= 0", name="farthing_lots_signs"),
    sa.CheckConstraint("0 <= held AND held <= remaining AND remaining <= amount", name="farthing_lots_bounds"),
    **table_options(fillfactor=70),
)
sa.Index(
    "farthing_lots_burn_order",
    lots.c.account,
    lots.c.credit_type,
    lots.c.priority,
    sa.text("(expires_at IS NULL)"),
    lots.c.expires_at,
    sa.text("(cost_minor > 0)"),
    lots.c.effective_at,
    lots.c.number,
    **where("open"),
)

debts = sa.Table(
    "farthing_debts",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("seq", Whole, primary_key=True),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("remaining", Whole, nullable=False),
    sa.Column("open", Flag, nullable=False),
    sa.CheckConstraint("0 <= remaining AND remaining <= amount", name="farthing_debts_bounds"),
    **table_options(fillfactor=70),
)
sa.Index(
    "farthing_debts_open",
    debts.c.account,
    debts.c.credit_type,
    debts.c.seq,
    **where("open"),
)

holds = sa.Table(
    "farthing_holds",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("seq", Whole, primary_key=True),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("owed", Whole, nullable=False),
    sa.Column("parts", Json, nullable=False),
    sa.Column("held_at", Instant, nullable=False),
    sa.Column("deadline", Instant),
    sa.Column("late", Word, nullable=False),
    sa.Column("ended", Word),
    sa.Column("ended_at", Instant),
    sa.Column("open", Flag, nullable=False),
    sa.CheckConstraint("0 <= owed AND owed <= amount", name="farthing_holds_bounds"),
    **table_options(fillfactor=70),
)
sa.Index("farthing_holds_open", holds.c.account, holds.c.credit_type, holds.c.seq, **where("open"))

claims = sa.Table(
    "farthing_claims",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("seq", Whole, primary_key=True),
    sa.Column("kind", Word, nullable=False),
    sa.Column("lot", Whole, nullable=False),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("rest", Word, nullable=False),
    sa.CheckConstraint("amount >= 0", name="farthing_claims_signs"),
    **table_options(),
)

entries = sa.Table(
    "farthing_entries",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("seq", Whole, primary_key=True),
    sa.Column("kind", Word, nullable=False),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("held_change", Whole, nullable=False),
    sa.Column("posted_after", Whole, nullable=False),
    sa.Column("held_after", Whole, nullable=False),
    sa.Column("pending_after", Whole, nullable=False),
    sa.Column("draws", Json, nullable=False),
    sa.Column("opened", Json),
    sa.Column("source", Word),
    sa.Column("key", Word),
    sa.Column("content", sa.LargeBinary),
    sa.Column("link", Word),
    sa.Column("operation", Word),
    sa.Column("reason", Word),
    sa.Column("actor", Word),
    sa.Column("metadata", Json),
    sa.Column("catalog_version", Word),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("occurred_at", Instant),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    **table_options(),
)
sa.Index("farthing_entries_key", entries.c.account, entries.c.key, unique=True)
sa.Index(
    "farthing_entries_reversals",
    entries.c.account,
    entries.c.credit_type,
    entries.c.seq,
    **where("kind IN ('reverse', 'repay')"),
)

api_keys = sa.Table(
    "farthing_api_keys",
    metadata,
    sa.Column("id", Word, primary_key=True),
    sa.Column("name", Word, nullable=False),
    sa.Column("prefix", Word, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("scopes", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("revoked_at", Instant),
    **table_options(),
)
sa.Index("farthing_api_keys_digest", api_keys.c.digest, unique=True)

orders = sa.Table(
    "farthing_orders",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("id", Word, primary_key=True),
    sa.Column("key", Word, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("credit_type", Word, nullable=False),
    sa.Column("scale", Whole, nullable=False),
    sa.Column("amount", Whole, nullable=False),
    sa.Column("bonus", Whole, nullable=False),
    sa.Column("package", Word),
    sa.Column("expires", Word, nullable=False),
    sa.Column("description", Word, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("subtotal_minor", Whole, nullable=False),
    sa.Column("discount_minor", Whole, nullable=False),
    sa.Column("total_minor", Whole, nullable=False),
    sa.Column("working", Json, nullable=False),
    sa.Column("provider", Word, nullable=False),
    sa.Column("livemode", Flag, nullable=False),
    sa.Column("return_url", Word),
    sa.Column("catalog_version", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("reference", Word),
    sa.Column("url", Word),
    sa.Column("state", Word, nullable=False),
    sa.Column("reason", Word),
    sa.Column("paid_by", Word),
    sa.Column("paid_minor", Whole, nullable=False),
    sa.Column("tax_minor", Whole, nullable=False),
    sa.Column("fulfilled_at", Instant),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("amount > 0 AND bonus >= 0 AND total_minor >= 0", name="farthing_orders_signs"),
    **table_options(fillfactor=70),
)
sa.Index("farthing_orders_key", orders.c.account, orders.c.key, unique=True)

payments = sa.Table(
    "farthing_payments",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("payment", Word, primary_key=True),
    sa.Column("said", Word, nullable=False),
    sa.Column("said_at", Instant, nullable=False),
    sa.Column("amount_minor", Whole, nullable=False),
    sa.Column("tax_minor", Whole, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("reason", Word),
    **table_options(),
)

provider_references = sa.Table(
    "farthing_provider_references",
    metadata,
    sa.Column("provider", Word, primary_key=True),
    sa.Column("reference", Word, primary_key=True),
    sa.Column("account", Word, nullable=False),
    sa.Column("order_id", Word, nullable=False),
    **table_options(),
)

provider_events = sa.Table(
    "farthing_provider_events",
    metadata,
    sa.Column("provider", Word, primary_key=True),
    sa.Column("event", Word, primary_key=True),
    sa.Column("kind", Word),
    sa.Column("livemode", Flag, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("attempts", Whole, nullable=False),
    sa.Column("error", Word),
    sa.Column("outcome", Word),
    sa.Column("handled_at", Instant),
    **table_options(fillfactor=70),
)
sa.Index("farthing_provider_events_received", provider_events.c.received_at)
sa.Index(
    "farthing_provider_events_due",
    provider_events.c.due_at,
    **where("handled_at IS NULL"),
)
sa.Index(
    "farthing_provider_events_bodies",
    provider_events.c.received_at,
    **where("body IS NOT NULL"),
)

spent_tokens = sa.Table(
    "farthing_spent_tokens",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("id", Word, primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
    **table_options(),
)

jobs = sa.Table(
    "farthing_jobs",
    metadata,
    sa.Column("name", Word, primary_key=True),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("counts", Json),
    sa.Column("error", Word),
    **table_options(fillfactor=70),
)
