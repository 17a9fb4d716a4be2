"""What is sold: orders, what providers say of their money, top-ups and promo codes."""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Flag, Instant, Json, Whole, Word
from farthing.store.tables.ledger import metadata

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
