"""Promo codes: how often each was used, by whom, and what it did to an order."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Whole, Word, table_options, where

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("farthing_orders", sa.Column("promo_code", Word))
    op.add_column("farthing_orders", sa.Column("promo_bonus", Whole, nullable=False, server_default="0"))
    op.create_table(
        "farthing_promo_codes",
        sa.Column("code", Word, primary_key=True),
        sa.Column("used", Whole, nullable=False),
        sa.CheckConstraint("used >= 0", name="farthing_promo_codes_signs"),
        **table_options(fillfactor=70),
    )
    op.create_table(
        "farthing_promo_uses",
        *(sa.Column(name, Word, primary_key=True) for name in ("account", "code", "order_id")),
        sa.Column("used_at", Instant, nullable=False),
        *(sa.Column(name, Instant) for name in ("lapses_at", "given_back_at")),
        **table_options(fillfactor=70),
    )
    op.create_index(
        "farthing_promo_uses_lapsing",
        "farthing_promo_uses",
        ["code", "lapses_at"],
        **where("lapses_at IS NOT NULL"),
    )
