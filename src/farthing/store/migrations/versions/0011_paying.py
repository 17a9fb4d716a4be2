"""How an order is to be paid: what its provider is told beside the money."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Json

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("farthing_orders", sa.Column("paying", Json))
