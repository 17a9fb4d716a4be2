"""The portal: links that were used and sessions that were ended."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Word, table_options

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "farthing_spent_tokens",
        sa.Column("account", Word, primary_key=True),
        sa.Column("id", Word, primary_key=True),
        sa.Column("expires_at", Instant, nullable=False),
        **table_options(),
    )
