"""The ledger: who has what, every entry about it, and the jobs that keep it."""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Flag, Instant, Json, Whole, Word

metadata = sa.MetaData()

meta = sa.Table(
    "farthing_meta",
    metadata,
    sa.Column("name", Word, primary_key=True),
    sa.Column("value", Word, nullable=False),
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
)
sa.Index("farthing_lots_expiring", lots.c.credit_type, lots.c.expires_at, lots.c.account, lots.c.number)

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
)
sa.Index(
    "farthing_debts_open",
    debts.c.account,
    debts.c.credit_type,
    debts.c.seq,
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
)
sa.Index("farthing_holds_open", holds.c.account, holds.c.credit_type, holds.c.seq)

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
)
sa.Index("farthing_entries_key", entries.c.account, entries.c.key, unique=True)
sa.Index(
    "farthing_entries_reversals",
    entries.c.account,
    entries.c.credit_type,
    entries.c.seq,
)

jobs = sa.Table(
    "farthing_jobs",
    metadata,
    sa.Column("name", Word, primary_key=True),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("counts", Json),
    sa.Column("error", Word),
)
