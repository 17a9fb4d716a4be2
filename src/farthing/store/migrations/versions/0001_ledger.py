"""The ledger: accounts, wallets, lots, debts, entries."""

import sqlalchemy as sa
from alembic import op

from farthing.store.dialects import Flag, Instant, Json, Whole, Word, dialect_of, table_options, where

revision = "0001"
down_revision = None

BURN_ORDER = (
    "account", "credit_type", "priority", "(expires_at IS NULL)", "expires_at", "(cost_minor > 0)", "effective_at",
    "number",
)  # fmt: skip
WALLET = ("account", "credit_type")


def upgrade() -> None:
    _table("meta", sa.Column("name", Word, primary_key=True), sa.Column("value", Word, nullable=False))
    _table(
        "accounts",
        sa.Column("account", Word, primary_key=True),
        *_columns(Word, "time_zone", "locale"),
        *_columns(Instant, "created_at"),
    )
    _wallets()
    _lots()
    _debts()
    _entries()


def _wallets() -> None:
    _table(
        "wallets",
        *_keys(*WALLET),
        *_columns(Whole, "seq", "posted", "held", "pending", "debt", "last_lot"),
        *_columns(Instant, "recorded_at", "next_change_at?"),
        *_columns(sa.LargeBinary, "seal"),
        sa.CheckConstraint("held >= 0 AND pending >= 0 AND debt >= 0", name="farthing_wallets_signs"),
        fillfactor=70,
    )
    op.create_index("farthing_wallets_due", "farthing_wallets", ["next_change_at"])


def _lots() -> None:
    _table(
        "lots",
        *_keys(*WALLET),
        sa.Column("number", Whole, primary_key=True),
        *_columns(Word, "source"),
        *_columns(Whole, "priority", "amount", "remaining", "held"),
        *_columns(Flag, "open"),
        *_columns(Whole, "cost_minor"),
        *_columns(Word, "currency?"),
        *_columns(Instant, "effective_at", "expires_at?"),
        *_columns(Whole, "seq"),
        sa.CheckConstraint("amount > 0 AND cost_minor >= 0", name="farthing_lots_signs"),
        sa.CheckConstraint("0 <= held AND held <= remaining AND remaining <= amount", name="farthing_lots_bounds"),
        fillfactor=70,
    )
    _open_index("farthing_lots_burn_order", "farthing_lots", BURN_ORDER)


def _debts() -> None:
    _table(
        "debts",
        *_keys(*WALLET),
        sa.Column("seq", Whole, primary_key=True),
        *_columns(Whole, "amount", "remaining"),
        *_columns(Flag, "open"),
        sa.CheckConstraint("0 <= remaining AND remaining <= amount", name="farthing_debts_bounds"),
        fillfactor=70,
    )
    _open_index("farthing_debts_open", "farthing_debts", (*WALLET, "seq"))


def _entries() -> None:
    table = _table(
        "entries",
        *_keys(*WALLET),
        sa.Column("seq", Whole, primary_key=True),
        *_columns(Word, "kind"),
        *_columns(Whole, "amount", "held_change", "posted_after", "held_after", "pending_after"),
        *_columns(Json, "draws", "opened?"),
        *_columns(Word, "source?", "key?"),
        *_columns(sa.LargeBinary, "content?"),
        *_columns(Word, "link?", "operation?", "reason?", "actor?"),
        *_columns(Json, "metadata?"),
        *_columns(Word, "catalog_version?"),
        *_columns(Instant, "effective_at", "recorded_at", "occurred_at?"),
        *_columns(sa.LargeBinary, "seal"),
    )
    op.create_index("farthing_entries_key", "farthing_entries", ["account", "key"], unique=True)
    for statement in dialect_of(op.get_bind()).append_only(table, frozenset({"reason", "actor", "metadata"})):
        op.execute(statement)


def _table(name: str, *parts: sa.Column | sa.CheckConstraint, fillfactor: int | None = None) -> sa.Table:
    return op.create_table(f"farthing_{name}", *parts, **table_options(fillfactor=fillfactor))


def _keys(*names: str) -> list[sa.Column]:
    return [sa.Column(name, Word, primary_key=True) for name in names]


def _columns(kind: sa.types.TypeEngine | type, *names: str) -> list[sa.Column]:
    return [sa.Column(name.rstrip("?"), kind, nullable=name.endswith("?")) for name in names]


def _open_index(name: str, table: str, columns: tuple[str, ...]) -> None:
    parts = [sa.text(column) if column.startswith("(") else column for column in columns]
    op.create_index(name, table, parts, **where("open"))
