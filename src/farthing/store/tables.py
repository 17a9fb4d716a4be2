"""The schema, as SQLAlchemy metadata: columns, keys, checks and indexes.

What only one database has (fill factors, strict tables, which rows a partial index holds) stands in the migrations
alone: SQLAlchemy would load both of its dialects for it, with every import of Farthing.

Every table of account data has the account first in its primary key and in every unique key. Amounts are whole
numbers in the credit type's smallest unit; money is in minor units; times are UTC instants.
"""

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
    sa.Column("promo_code", Word),
    sa.Column("promo_bonus", Whole, nullable=False),
    sa.Column("paying", Json),
    sa.CheckConstraint("amount > 0 AND bonus >= 0 AND total_minor >= 0", name="farthing_orders_signs"),
)
sa.Index("farthing_orders_key", orders.c.account, orders.c.key, unique=True)
sa.Index("farthing_orders_id", orders.c.id)

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
    sa.Column("discount_minor", Whole, nullable=False),
)

refunds = sa.Table(
    "farthing_refunds",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("payment", Word, primary_key=True),
    sa.Column("refund", Word, primary_key=True),
    sa.Column("said", Word, nullable=False),
    sa.Column("said_at", Instant, nullable=False),
    sa.Column("amount_minor", Whole, nullable=False),
    sa.Column("currency", Word, nullable=False),
)

disputes = sa.Table(
    "farthing_disputes",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("payment", Word, primary_key=True),
    sa.Column("dispute", Word, primary_key=True),
    sa.Column("said", Word, nullable=False),
    sa.Column("said_at", Instant, nullable=False),
    sa.Column("amount_minor", Whole, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("reason", Word),
)

clawbacks = sa.Table(
    "farthing_clawbacks",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("part", Word, primary_key=True),
    sa.Column("gone", Whole, nullable=False),
    sa.Column("disputed", Whole, nullable=False),
    sa.Column("hold", Whole),
    sa.Column("turns", Whole, nullable=False),
    sa.Column("refunds", Word, nullable=False),
    sa.Column("disputes", Word, nullable=False),
    sa.CheckConstraint("gone >= 0 AND disputed >= 0", name="farthing_clawbacks_signs"),
)

settlements = sa.Table(
    "farthing_settlements",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("payment", Word, primary_key=True),
    sa.Column("key", Word, primary_key=True),
    sa.Column("said", Word, nullable=False),
    sa.Column("amount_minor", Whole, nullable=False),
    sa.Column("currency", Word, nullable=False),
    sa.Column("settled_at", Instant, nullable=False),
)

lookups = sa.Table(
    "farthing_lookups",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("failures", Whole, nullable=False),
)
sa.Index("farthing_lookups_due", lookups.c.due_at)

provider_references = sa.Table(
    "farthing_provider_references",
    metadata,
    sa.Column("provider", Word, primary_key=True),
    sa.Column("reference", Word, primary_key=True),
    sa.Column("account", Word, nullable=False),
    sa.Column("order_id", Word, nullable=False),
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
)

event_references = sa.Table(
    "farthing_event_references",
    metadata,
    sa.Column("provider", Word, primary_key=True),
    sa.Column("event", Word, primary_key=True),
    sa.Column("reference", Word, primary_key=True),
)
sa.Index("farthing_event_references_named", event_references.c.provider, event_references.c.reference)

customers = sa.Table(
    "farthing_customers",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("provider", Word, primary_key=True),
    sa.Column("customer", Word, nullable=False),
    sa.Column("card", Word),
    sa.Column("card_label", Word),
    sa.Column("said_at", Instant, nullable=False),
)
sa.Index("farthing_customers_named", customers.c.provider, customers.c.customer)

sa.Index("farthing_provider_events_received", provider_events.c.received_at)
sa.Index("farthing_provider_events_due", provider_events.c.due_at)
sa.Index("farthing_provider_events_bodies", provider_events.c.received_at)

spent_tokens = sa.Table(
    "farthing_spent_tokens",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("id", Word, primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
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

topups = sa.Table(
    "farthing_topups",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("provider", Word, nullable=False),
    sa.Column("threshold", Whole, nullable=False),
    sa.Column("package", Word),
    sa.Column("amount", Whole),
    sa.Column("currency", Word, nullable=False),
    sa.Column("at_most_minor", Whole, nullable=False),
    sa.Column("most", Whole, nullable=False),
    sa.Column("per", Word, nullable=False),
    sa.Column("cooldown", Word, nullable=False),
    sa.Column("zone", Word, nullable=False),
    sa.Column("consent", Word),
    sa.Column("consent_at", Instant, nullable=False),
    sa.Column("actor", Word),
    sa.Column("declines", Whole, nullable=False),
    sa.Column("paused", Word),
    sa.Column("paused_at", Instant),
    sa.Column("last_at", Instant),
    sa.Column("stopped_at", Instant),
    sa.Column("due_at", Instant),
    sa.Column("leased_until", Instant),
    sa.CheckConstraint("threshold > 0 AND at_most_minor > 0 AND most > 0", name="farthing_topups_signs"),
    sa.CheckConstraint("(package IS NULL) <> (amount IS NULL)", name="farthing_topups_bought"),
)
sa.Index("farthing_topups_due", topups.c.due_at)

topup_slots = sa.Table(
    "farthing_topup_slots",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("credit_type", Word, primary_key=True),
    sa.Column("window_start", Instant, primary_key=True),
    sa.Column("number", Whole, primary_key=True),
    sa.Column("order_id", Word, nullable=False),
    sa.Column("attempt", Whole, nullable=False),
    sa.Column("taken_at", Instant, nullable=False),
    sa.Column("customer", Word),
    sa.Column("card", Word),
    sa.Column("outcome", Word),
    sa.CheckConstraint("number > 0 AND attempt > 0", name="farthing_topup_slots_signs"),
)
sa.Index("farthing_topup_slots_open", topup_slots.c.account, topup_slots.c.credit_type, unique=True)

catalog_versions = sa.Table(
    "farthing_catalog_versions",
    metadata,
    sa.Column("version", Word, primary_key=True),
    sa.Column("document", Word, nullable=False),
    sa.Column("first_seen_at", Instant, nullable=False),
)

promo_codes = sa.Table(
    "farthing_promo_codes",
    metadata,
    sa.Column("code", Word, primary_key=True),
    sa.Column("used", Whole, nullable=False),
    sa.CheckConstraint("used >= 0", name="farthing_promo_codes_signs"),
)

promo_uses = sa.Table(
    "farthing_promo_uses",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("code", Word, primary_key=True),
    sa.Column("order_id", Word, primary_key=True),
    sa.Column("used_at", Instant, nullable=False),
    sa.Column("lapses_at", Instant),
    sa.Column("given_back_at", Instant),
)
sa.Index("farthing_promo_uses_lapsing", promo_uses.c.code, promo_uses.c.lapses_at)
