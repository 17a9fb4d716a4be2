"""Plans that are paid at a provider: how each stands there, and the invoices that were paid."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Flag, Instant, Json, Whole, Word, table_options, where

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "farthing_billings",
        *(sa.Column(name, Word, primary_key=True) for name in ("account", "id")),
        *_columns(Word, "plan", "currency"),
        *_columns(Whole, "price_minor", "trial_days"),
        *_columns(Word, "provider"),
        *_columns(Flag, "livemode"),
        *_columns(Word, "return_url?"),
        *_columns(Json, "paying?"),
        *_columns(Word, "catalog_version"),
        *_columns(Instant, "created_at", "expires_at"),
        *_columns(Word, "reference?", "url?", "subscription?", "stands"),
        *_columns(Flag, "cancels"),
        *_columns(Instant, "said_at?"),
        *_columns(Word, "owner?"),
        *_columns(Whole, "number?"),
        *_columns(Instant, "due_at?"),
        sa.CheckConstraint("price_minor > 0 AND trial_days >= 0", name="farthing_billings_signs"),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_billings_due", "farthing_billings", ["due_at"], **where("due_at IS NOT NULL"))
    op.create_index("farthing_billings_owner", "farthing_billings", ["owner"], **where("owner IS NOT NULL"))
    op.create_table(
        "farthing_invoices",
        *(sa.Column(name, Word, primary_key=True) for name in ("account", "billing", "invoice")),
        *_columns(Word, "pays"),
        *_columns(Instant, "paid_at"),
        *_columns(Whole, "amount_minor", "tax_minor"),
        *_columns(Word, "currency", "outcome"),
        sa.CheckConstraint("amount_minor >= 0 AND tax_minor >= 0", name="farthing_invoices_signs"),
        **table_options(),
    )


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]
