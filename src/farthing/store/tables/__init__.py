"""The schema, as SQLAlchemy metadata: columns, keys, checks and indexes.

What only one database has (fill factors, strict tables, which rows a partial index holds) stands in the migrations
alone: SQLAlchemy would load both of its dialects for it, with every import of Farthing.

Every table of account data has the account first in its primary key and in every unique key. Amounts are whole
numbers in the credit type's smallest unit; money is in minor units; times are UTC instants.
"""

from farthing.store.tables.doors import api_keys, catalog_versions, spent_tokens
from farthing.store.tables.events import deliveries, endpoints, event_numbers, events
from farthing.store.tables.ledger import (
    accounts,
    acts,
    claims,
    debts,
    entries,
    holds,
    jobs,
    lots,
    meta,
    metadata,
    wallets,
)
from farthing.store.tables.plans import allotments, billings, invoices, subscriptions
from farthing.store.tables.selling import (
    clawbacks,
    customers,
    disputes,
    event_references,
    lookups,
    orders,
    payments,
    promo_codes,
    promo_uses,
    provider_events,
    provider_references,
    refunds,
    settlements,
    topup_slots,
    topups,
)

__all__ = [
    "accounts",
    "acts",
    "allotments",
    "api_keys",
    "billings",
    "catalog_versions",
    "claims",
    "clawbacks",
    "customers",
    "debts",
    "deliveries",
    "disputes",
    "endpoints",
    "entries",
    "event_numbers",
    "event_references",
    "events",
    "holds",
    "invoices",
    "jobs",
    "lookups",
    "lots",
    "meta",
    "metadata",
    "orders",
    "payments",
    "promo_codes",
    "promo_uses",
    "provider_events",
    "provider_references",
    "refunds",
    "settlements",
    "spent_tokens",
    "subscriptions",
    "topup_slots",
    "topups",
    "wallets",
]
