"""Jobs: when each last ran, and what came of it."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Instant, Json, Word, table_options

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "farthing_jobs",
        sa.Column("name", Word, primary_key=True),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("finished_at", Instant, nullable=False),
        sa.Column("counts", Json),
        sa.Column("error", Word),
        **table_options(fillfactor=70),
    )
