"""What opens the doors: keys of the API, sign-in links; and the catalogs that were in force."""

from __future__ import annotations

import sqlalchemy as sa

from farthing.store.dialects import Instant, Word
from farthing.store.tables.ledger import metadata

api_keys = sa.Table(
    "farthing_api_keys",
    metadata,
    sa.Column("id", Word, primary_key=True),
    sa.Column("name", Word, nullable=False),
    sa.Column("prefix", Word, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("scopes", Word, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_used_at", Instant),
    sa.Column("revoked_at", Instant),
)
sa.Index("farthing_api_keys_digest", api_keys.c.digest, unique=True)

spent_tokens = sa.Table(
    "farthing_spent_tokens",
    metadata,
    sa.Column("account", Word, primary_key=True),
    sa.Column("id", Word, primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
)

catalog_versions = sa.Table(
    "farthing_catalog_versions",
    metadata,
    sa.Column("version", Word, primary_key=True),
    sa.Column("document", Word, nullable=False),
    sa.Column("first_seen_at", Instant, nullable=False),
)
