"""Holds, claims, frozen and merged accounts, acts that write no entry, seals on orders."""

import sqlalchemy as sa
from alembic import op

from farthing.core.orders import Order, order_seal
from farthing.store.database import Session
from farthing.store.dialects import Flag, Instant, Json, Whole, Word, dialect_of, table_options, where
from farthing.store.sql import dumps

revision = "0006"
down_revision = "0005"

WALLET = ("account", "credit_type")
FROZEN = (
    "account", "id", "key", "content", "credit_type", "scale", "amount", "bonus", "package", "expires", "description",
    "currency", "subtotal_minor", "discount_minor", "total_minor", "working", "provider", "livemode", "return_url",
    "catalog_version", "created_at", "expires_at",
)  # fmt: skip


def upgrade() -> None:
    _accounts()
    _holds()
    _claims()
    op.create_index(
        "farthing_entries_reversals", "farthing_entries", [*WALLET, "seq"], **where("kind IN ('reverse', 'repay')")
    )
    _seal_orders()


def _accounts() -> None:
    op.add_column("farthing_accounts", sa.Column("frozen_at", Instant))
    op.add_column("farthing_accounts", sa.Column("merged_into", Word))
    op.add_column("farthing_wallets", sa.Column("claimed", Whole, nullable=False, server_default="0"))
    op.add_column("farthing_wallets", sa.Column("frozen", Flag, nullable=False, server_default=sa.text("FALSE")))
    op.create_table(
        "farthing_acts",
        *_keys("account", "key"),
        *_columns(Word, "verb"),
        *_columns(sa.LargeBinary, "content"),
        *_columns(Word, "link?", "reason?", "actor?"),
        *_columns(Instant, "recorded_at"),
        **table_options(),
    )
    op.execute(
        "INSERT INTO farthing_acts (account, key, verb, content, link, recorded_at) "
        "SELECT account, key, 'checkout', content, id, created_at FROM farthing_orders"
    )


def _holds() -> None:
    op.create_table(
        "farthing_holds",
        *_keys(*WALLET),
        sa.Column("seq", Whole, primary_key=True),
        *_columns(Whole, "amount", "owed"),
        *_columns(Json, "parts"),
        *_columns(Instant, "held_at", "deadline?"),
        *_columns(Word, "late", "ended?"),
        *_columns(Instant, "ended_at?"),
        *_columns(Flag, "open"),
        sa.CheckConstraint("0 <= owed AND owed <= amount", name="farthing_holds_bounds"),
        **table_options(fillfactor=70),
    )
    op.create_index("farthing_holds_open", "farthing_holds", [*WALLET, "seq"], **where("open"))


def _claims() -> None:
    op.create_table(
        "farthing_claims",
        *_keys(*WALLET),
        sa.Column("seq", Whole, primary_key=True),
        *_columns(Word, "kind"),
        *_columns(Whole, "lot", "amount"),
        *_columns(Word, "rest"),
        sa.CheckConstraint("amount >= 0", name="farthing_claims_signs"),
        **table_options(),
    )


def _seal_orders() -> None:
    op.add_column("farthing_orders", sa.Column("seal", sa.LargeBinary, nullable=False, server_default=sa.text("''")))
    connection = op.get_bind()
    session = Session(connection.connection.cursor(), dialect_of(connection))
    for row in session.execute(f"SELECT {', '.join(FROZEN)} FROM farthing_orders"):
        working = dumps(session.dialect.json_out(row[15]))
        created_at, expires_at = (session.dialect.time_out(at) for at in row[20:22])
        said = (*row[:3], bytes(row[3]), *row[4:15], working, row[16], bool(row[17]), *row[18:20])
        seal = order_seal(Order(*said, created_at, expires_at))
        session.execute("UPDATE farthing_orders SET seal = ? WHERE account = ? AND id = ?", (seal, *row[:2]))


def _keys(*names: str) -> list[sa.Column]:
    return [sa.Column(name, Word, primary_key=True) for name in names]


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]
