"""Selling: orders, payments, and the inbox of what providers say."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Flag, Instant, Json, Whole, Word, table_options, where

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _orders()
    _payments()
    _references()
    _events()


def _orders() -> None:
    op.create_table(
        "farthing_orders",
        *_keys("account", "id"),
        *_columns(Word, "key"),
        *_columns(sa.LargeBinary, "content"),
        *_columns(Word, "credit_type"),
        *_columns(Whole, "scale", "amount", "bonus"),
        *_columns(Word, "package?", "expires", "description", "currency"),
        *_columns(Whole, "subtotal_minor", "discount_minor", "total_minor"),
        *_columns(Json, "working"),
        *_columns(Word, "provider"),
        *_columns(Flag, "livemode"),
        *_columns(Word, "return_url?", "catalog_version"),
        *_columns(Instant, "created_at", "expires_at"),
        *_columns(Word, "reference?", "url?", "state", "reason?", "paid_by?"),
        *_columns(Whole, "paid_minor", "tax_minor"),
        *_columns(Instant, "fulfilled_at?"),
        sa.CheckConstraint("amount > 0 AND bonus >= 0 AND total_minor >= 0", name="farthing_orders_signs"),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_orders_key", "farthing_orders", ["account", "key"], unique=True)


def _payments() -> None:
    op.create_table(
        "farthing_payments",
        *_keys("account", "order_id", "payment"),
        *_columns(Word, "said"),
        *_columns(Instant, "said_at"),
        *_columns(Whole, "amount_minor", "tax_minor"),
        *_columns(Word, "currency", "reason?"),
        **table_options(),
    )


def _references() -> None:
    op.create_table(
        "farthing_provider_references",
        *_keys("provider", "reference"),
        *_columns(Word, "account", "order_id"),
        **table_options(),
    )


def _events() -> None:
    op.create_table(
        "farthing_provider_events",
        *_keys("provider", "event"),
        *_columns(Word, "kind?"),
        *_columns(Flag, "livemode"),
        *_columns(Instant, "received_at"),
        *_columns(sa.LargeBinary, "body?", "digest"),
        *_columns(Instant, "due_at"),
        *_columns(Whole, "attempts"),
        *_columns(Word, "error?", "outcome?"),
        *_columns(Instant, "handled_at?"),
        **table_options(fillfactor=70),
    )
    _index("received", "received_at")
    _index("due", "due_at", **where("handled_at IS NULL"))
    _index("bodies", "received_at", **where("body IS NOT NULL"))


def _keys(*names: str) -> list[sa.Column]:
    return [sa.Column(name, Word, primary_key=True) for name in names]


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]


def _index(name: str, column: str, **options: Any) -> None:
    op.create_index(f"farthing_provider_events_{name}", "farthing_provider_events", [column], **options)
