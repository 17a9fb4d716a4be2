"""What each version of the catalog said."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Word, table_options

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "farthing_catalog_versions",
        sa.Column("version", Word, primary_key=True),
        sa.Column("document", Word, nullable=False),
        sa.Column("first_seen_at", Instant, nullable=False),
        **table_options(),
    )
