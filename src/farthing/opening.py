"""How Farthing starts: `open`, `open_async` and `migrate`."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from farthing import catalog as catalogs
from farthing.awaiting import AsyncCredits
from farthing.catalog import Catalog
from farthing.credits import Credits, system_clock
from farthing.ledger.writer import Clock
from farthing.providers import Provider, registry
from farthing.store import sql
from farthing.store.database import Database

if TYPE_CHECKING:
    from farthing.settings import Settings


def open(
    url: str,
    *,
    catalog: Catalog | str | Path = "farthing.toml",
    clock: Clock = system_clock,
    providers: Iterable[Provider] = (),
) -> Credits:
    """The credit system on the database at `url`, ready to use.

    Args:
        url: "sqlite:///app.db", "sqlite://" (in memory, for tests and tries; it migrates itself), "postgresql://…".
        catalog: a path to farthing.toml, or what `load_catalog` gave.
        clock: gives the time as an aware UTC datetime; tests move it.
        providers: ways to be paid, for `checkout` and `receive`; each moves real money, or none, as the database does.
    Raises:
        NotMigrated, CatalogInvalid, SettingsInvalid, DatabaseUnreachable, ScaleChanged: with what to do.
        ModeMismatch: a provider moves real money beside a test database, or none beside a live one.
    """
    from farthing.store import migrations  # Alembic is only needed while starting

    checked = catalog if isinstance(catalog, Catalog) else catalogs.load(catalog)
    database = Database(url)
    if database.dialect.memory:
        migrations.migrate(database)
    migrations.require_current(database)
    with database.reading() as session:
        sql.check_scales(session, checked.credit_types.values())
    paid_by = list(providers)
    named = registry(paid_by, mode=migrations.mode(database)) if paid_by else {}
    return Credits(database, checked, clock=clock, providers=named)


def from_settings(settings: Settings) -> Credits:
    """As `open`, with what the environment says: the database, the catalog, and the providers it is set up for.

    The sandbox stands beside a test database only, and where there is a secret; its pay page is the server's /sandbox.
    """
    from farthing.providers.sandbox import Sandbox
    from farthing.store import migrations

    credits = open(settings.database_url, catalog=settings.catalog)
    mode = migrations.mode(credits.database)
    if mode == "test" and settings.secret:
        # A secret of its own, so that what the sandbox signs is good for nothing else.
        secrets = [_derived(one.get_secret_value(), b"farthing sandbox") for one in settings.secret]
        sandbox = Sandbox(url=f"{settings.public_url}/sandbox", secrets=secrets)
        credits.providers |= registry([sandbox], mode=mode)
    return credits


def open_async(
    url: str,
    *,
    catalog: Catalog | str | Path = "farthing.toml",
    clock: Clock = system_clock,
    providers: Iterable[Provider] = (),
) -> AsyncCredits:
    """As `open`, for code that awaits. Opening itself reads the catalog and the schema's version and does not await."""
    return AsyncCredits(open(url, catalog=catalog, clock=clock, providers=providers))


def migrate(url: str, *, mode: str = "test") -> str:
    """Makes or updates Farthing's tables in the database at `url`; harmless to run again. Returns the schema version.

    Args:
        mode: "test" or "live"; settled once, by the first run.
    """
    from farthing.store import migrations

    database = Database(url)
    try:
        return migrations.migrate(database, mode=mode)
    finally:
        database.close()


def _derived(secret: str, purpose: bytes) -> str:
    return hmac.new(secret.encode(), purpose, sha256).hexdigest()
