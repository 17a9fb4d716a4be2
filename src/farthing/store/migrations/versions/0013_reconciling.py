"""When providers are asked about orders that wait for money, and what operators decided about money that came."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Whole, Word, table_options

revision = "0013"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "farthing_lookups",
        *_keys("account", "order_id"),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("failures", Whole, nullable=False),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_lookups_due", "farthing_lookups", ["due_at"])
    op.create_index("farthing_orders_id", "farthing_orders", ["id"])
    op.execute(
        "INSERT INTO farthing_lookups (account, order_id, due_at, failures) "
        "SELECT account, id, created_at, 0 FROM farthing_orders WHERE state NOT IN ('fulfilled', 'review')"
    )
    op.create_table(
        "farthing_settlements",
        *_keys("account", "order_id", "payment", "key"),
        sa.Column("said", Word, nullable=False),
        sa.Column("amount_minor", Whole, nullable=False),
        sa.Column("currency", Word, nullable=False),
        sa.Column("settled_at", Instant, nullable=False),
        **table_options(),
    )


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, Word, primary_key=True) for name in names]
