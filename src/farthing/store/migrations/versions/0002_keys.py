"""API keys: the digest of each, never the key."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Word, table_options

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "farthing_api_keys",
        sa.Column("id", Word, primary_key=True),
        sa.Column("name", Word, nullable=False),
        sa.Column("prefix", Word, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scopes", Word, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("last_used_at", Instant),
        sa.Column("revoked_at", Instant),
        **table_options(),
    )
    op.create_index("farthing_api_keys_digest", "farthing_api_keys", ["digest"], unique=True)
