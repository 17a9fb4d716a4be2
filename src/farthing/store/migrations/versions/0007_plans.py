"""Subscriptions, and what was paid for each of their cycles."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Flag, Instant, Whole, Word, table_options, where

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "farthing_subscriptions",
        sa.Column("account", Word, primary_key=True),
        sa.Column("number", Whole, primary_key=True),
        *_columns(Word, "plan", "driver", "zone", "every", "drip?"),
        *_columns(Instant, "started_at", "anchor"),
        *_columns(Whole, "series", "opened", "handled"),
        *_columns(Instant, "trial_end?"),
        *_columns(Word, "next_plan?", "ends?"),
        *_columns(Instant, "ended_at?"),
        *_columns(Flag, "skips_frozen"),
        *_columns(Instant, "due_at?", "leased_until?"),
        **table_options(fillfactor=70),
    )
    op.create_index(
        "farthing_subscriptions_running",
        "farthing_subscriptions",
        ["account"],
        unique=True,
        **where("ended_at IS NULL"),
    )
    op.create_index("farthing_subscriptions_due", "farthing_subscriptions", ["due_at"], **where("due_at IS NOT NULL"))
    op.create_table(
        "farthing_allotments",
        sa.Column("account", Word, primary_key=True),
        *(sa.Column(name, Whole, primary_key=True) for name in ("number", "series", "cycle")),
        sa.Column("credit_type", Word, primary_key=True),
        *_columns(Whole, "entitled", "paid"),
        *_columns(Instant, "ends_at?"),
        sa.CheckConstraint("0 <= paid AND paid <= entitled", name="farthing_allotments_bounds"),
        **table_options(fillfactor=70),
    )


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]
