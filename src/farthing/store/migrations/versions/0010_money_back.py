"""Money that goes back and what it takes of an order's credits; who pays at which provider; events without an order."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Whole, Word, table_options, where

revision = "0010"
down_revision = "0009"

_PAYMENT = ("account", "order_id", "payment")


def upgrade() -> None:
    op.add_column("farthing_payments", sa.Column("discount_minor", Whole, nullable=False, server_default="0"))
    op.create_table("farthing_refunds", *_keys(*_PAYMENT, "refund"), *_said(), **table_options(fillfactor=70))
    op.create_table(
        "farthing_disputes",
        *_keys(*_PAYMENT, "dispute"),
        *_said(),
        sa.Column("reason", Word),
        **table_options(fillfactor=70),
    )
    op.create_table(
        "farthing_clawbacks",
        *_keys("account", "order_id", "part"),
        sa.Column("gone", Whole, nullable=False),
        sa.Column("disputed", Whole, nullable=False),
        sa.Column("hold", Whole),
        sa.Column("turns", Whole, nullable=False),
        sa.Column("refunds", Word, nullable=False),
        sa.Column("disputes", Word, nullable=False),
        sa.CheckConstraint("gone >= 0 AND disputed >= 0", name="farthing_clawbacks_signs"),
        **table_options(fillfactor=70),
    )
    op.create_table("farthing_event_references", *_keys("provider", "event", "reference"), **table_options())
    op.create_index("farthing_event_references_named", "farthing_event_references", ["provider", "reference"])
    op.create_table(
        "farthing_customers",
        *_keys("account", "provider"),
        sa.Column("customer", Word, nullable=False),
        sa.Column("card", Word),
        sa.Column("card_label", Word),
        sa.Column("said_at", Instant, nullable=False),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_customers_named", "farthing_customers", ["provider", "customer"])
    op.drop_index("farthing_entries_reversals", "farthing_entries")
    op.create_index(
        "farthing_entries_reversals",
        "farthing_entries",
        ["account", "credit_type", "seq"],
        **where("kind IN ('reverse', 'repay', 'clawback')"),
    )


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, Word, primary_key=True) for name in names]


def _said() -> list[sa.Column[object]]:
    return [
        sa.Column("said", Word, nullable=False),
        sa.Column("said_at", Instant, nullable=False),
        sa.Column("amount_minor", Whole, nullable=False),
        sa.Column("currency", Word, nullable=False),
    ]
