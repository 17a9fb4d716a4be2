"""Events for others, the endpoints they are sent to, and how each delivery went."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Flag, Instant, Whole, Word, table_options, where

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "farthing_events",
        sa.Column("account", Word, primary_key=True),
        sa.Column("sequence", Whole, primary_key=True, autoincrement=False),
        *_columns(Word, "id", "kind"),
        *_columns(Instant, "occurred_at"),
        *_columns(Word, "data"),
        *_columns(Flag, "waiting"),
        **table_options(),
    )
    op.create_index("farthing_events_id", "farthing_events", ["id"])
    op.create_index("farthing_events_occurred", "farthing_events", ["occurred_at"])
    op.create_index("farthing_events_waiting", "farthing_events", ["account", "sequence"], **where("waiting"))
    op.create_table(
        "farthing_event_numbers",
        sa.Column("account", Word, primary_key=True),
        *_columns(Whole, "last"),
        **table_options(fillfactor=70),
    )
    op.create_table(
        "farthing_endpoints",
        sa.Column("id", Word, primary_key=True),
        *_columns(Word, "url", "kinds", "secret", "old_secret?"),
        *_columns(Instant, "created_at", "failing_since?", "paused_at?"),
        *_columns(Word, "paused?"),
        **table_options(),
    )
    op.create_table(
        "farthing_deliveries",
        sa.Column("account", Word, primary_key=True),
        sa.Column("sequence", Whole, primary_key=True, autoincrement=False),
        sa.Column("endpoint", Word, primary_key=True),
        *_columns(Instant, "due_at?"),
        *_columns(Whole, "attempts"),
        *_columns(Instant, "first_at?", "last_at?"),
        *_columns(Whole, "status?"),
        *_columns(Word, "error?"),
        *_columns(Instant, "delivered_at?"),
        **table_options(fillfactor=70),
    )
    op.create_index(
        "farthing_deliveries_due", "farthing_deliveries", ["endpoint", "due_at"], **where("due_at IS NOT NULL")
    )
    # Without `open`, which every deduction sets: an index that names it would be written with each of them.
    op.create_index(
        "farthing_lots_expiring",
        "farthing_lots",
        ["credit_type", "expires_at", "account", "number"],
        **where("expires_at IS NOT NULL"),
    )


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]
