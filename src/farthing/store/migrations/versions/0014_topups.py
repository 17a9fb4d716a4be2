"""Auto top-up: what customers agreed to, and the slots that its charges take."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Whole, Word, table_options, where

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "farthing_topups",
        *(sa.Column(name, Word, primary_key=True) for name in ("account", "credit_type")),
        *_columns(Word, "provider"),
        *_columns(Whole, "threshold"),
        *_columns(Word, "package?"),
        *_columns(Whole, "amount?"),
        *_columns(Word, "currency"),
        *_columns(Whole, "at_most_minor", "most"),
        *_columns(Word, "per", "cooldown", "zone", "consent?"),
        *_columns(Instant, "consent_at"),
        *_columns(Word, "actor?"),
        *_columns(Whole, "declines"),
        *_columns(Word, "paused?"),
        *_columns(Instant, "paused_at?", "last_at?", "stopped_at?", "due_at?", "leased_until?"),
        sa.CheckConstraint("threshold > 0 AND at_most_minor > 0 AND most > 0", name="farthing_topups_signs"),
        sa.CheckConstraint("(package IS NULL) <> (amount IS NULL)", name="farthing_topups_bought"),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_topups_due", "farthing_topups", ["due_at"], **where("due_at IS NOT NULL"))
    op.create_table(
        "farthing_topup_slots",
        *(sa.Column(name, Word, primary_key=True) for name in ("account", "credit_type")),
        sa.Column("window_start", Instant, primary_key=True),
        sa.Column("number", Whole, primary_key=True),
        *_columns(Word, "order_id"),
        *_columns(Whole, "attempt"),
        *_columns(Instant, "taken_at"),
        *_columns(Word, "customer?", "card?", "outcome?"),
        sa.CheckConstraint("number > 0 AND attempt > 0", name="farthing_topup_slots_signs"),
        **table_options(fillfactor=70),
    )
    op.create_index(
        "farthing_topup_slots_open",
        "farthing_topup_slots",
        ["account", "credit_type"],
        unique=True,
        **where("outcome IS NULL"),
    )


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]
