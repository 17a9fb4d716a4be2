"""How Farthing starts: `open`, `open_async` and `migrate`."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from farthing import catalog as catalogs
from farthing.catalog import Catalog
from farthing.credits import Credits, system_clock
from farthing.errors import SettingsInvalid
from farthing.ledger.shard import Clock
from farthing.providers import Provider, registry
from farthing.store import scales
from farthing.store.database import Database

if TYPE_CHECKING:
    from farthing.awaiting import AsyncCredits
    from farthing.settings import Settings

_NEEDS = {
    "Stripe": ("stripe_secret_key", "stripe_webhook_secret"),
    "Lemon Squeezy": (
        *("lemonsqueezy_api_key", "lemonsqueezy_store_id", "lemonsqueezy_variant_id", "lemonsqueezy_webhook_secret"),
    ),
}


def open(
    url: str,
    *,
    catalog: Catalog | str | Path = "farthing.toml",
    clock: Clock = system_clock,
    providers: Iterable[Provider] = (),
    secret: Sequence[str] = (),
) -> Credits:
    """The credit system on the database at `url`, ready to use.

    Args:
        url: "sqlite:///app.db", "sqlite://" (in memory, for tests and tries; it migrates itself), "postgresql://…".
        catalog: a path to farthing.toml, or what `load_catalog` gave.
        clock: gives the time as an aware UTC datetime; tests move it.
        providers: ways to be paid, for `checkout` and `receive`; each moves real money, or none, as the database does.
        secret: secrets of at least 32 bytes, of which the first signs quotes. Left out: quotes are not signed.
    Raises:
        NotMigrated, CatalogInvalid, SettingsInvalid, DatabaseUnreachable, ScaleChanged: with what to do.
        ModeMismatch: a provider moves real money beside a test database, or none beside a live one.
    """
    from farthing.store import migrations  # Alembic is only needed while starting

    if secret:
        from farthing.tokens import Signer

        Signer(secret)  # what is wrong with it is told now
    checked = catalog if isinstance(catalog, Catalog) else catalogs.load(catalog)
    database = Database(url)
    if database.dialect.memory:
        migrations.migrate(database)
    migrations.require_current(database)
    with database.reading() as session:
        scales.check(session, checked.credit_types.values())
    paid_by = list(providers)
    named = registry(paid_by, mode=migrations.mode(database)) if paid_by else {}
    return Credits(database, checked, clock=clock, providers=named, secrets=secret)


def from_settings(settings: Settings) -> Credits:
    """As `open`, with what the environment says: the database, the catalog, and the providers it is set up for.

    The sandbox stands beside a test database only, and where there is a secret; its pay page is the server's /sandbox.
    """
    from farthing.providers.sandbox import Sandbox
    from farthing.store import migrations

    collecting(settings, livemode=False)  # what is wrong with it is told before anything is opened
    credits = open(settings.database_url, catalog=settings.catalog)
    credits.local_endpoints = settings.local_endpoints
    credits.secrets = tuple(one.get_secret_value() for one in settings.secret)
    mode = migrations.mode(credits.database)
    if mode == "test" and settings.secret:
        # A secret of its own, so that what the sandbox signs is good for nothing else.
        secrets = [_derived(one.get_secret_value(), b"farthing sandbox") for one in settings.secret]
        sandbox = Sandbox(url=f"{settings.public_url}/sandbox", secrets=secrets)
        credits.providers |= registry([sandbox], mode=mode)
    credits.providers |= registry(collecting(settings, livemode=mode == "live"), mode=mode)
    return credits


def open_async(
    url: str,
    *,
    catalog: Catalog | str | Path = "farthing.toml",
    clock: Clock = system_clock,
    providers: Iterable[Provider] = (),
    secret: Sequence[str] = (),
) -> AsyncCredits:
    """As `open`, for code that awaits. Opening itself reads the catalog and the schema's version and does not await."""
    from farthing.awaiting import AsyncCredits

    return AsyncCredits(open(url, catalog=catalog, clock=clock, providers=providers, secret=secret))


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


def collecting(settings: Settings, *, livemode: bool) -> list[Provider]:
    """The providers beside the sandbox that the environment sets up, for a database that takes real money or none.

    Raises:
        SettingsInvalid: one is set up wrongly, or lacks a part, such as its webhook's secret: it would take money and
            never hear of it.
    """
    from farthing.settings import variable

    for called, needs in _NEEDS.items():
        missing = [name for name in needs if not getattr(settings, name)]
        if missing and len(missing) < len(needs):
            raise SettingsInvalid(
                f"{called} is set up in part. Nothing was opened. Set also: {', '.join(map(variable, missing))}."
            )
    found = [_stripe(settings)] if settings.stripe_secret_key else []
    return found + ([_lemonsqueezy(settings, livemode=livemode)] if settings.lemonsqueezy_api_key else [])


def _stripe(settings: Settings) -> Provider:
    from farthing.providers.stripe import Stripe

    key = settings.stripe_secret_key
    return Stripe(
        secret_key=key.get_secret_value() if key else "",
        secrets=[one.get_secret_value() for one in settings.stripe_webhook_secret],
        publishable_key=settings.stripe_publishable_key,
        return_url=f"{settings.public_url}/portal/",
        api_base=settings.stripe_api_base,
    )


def _lemonsqueezy(settings: Settings, *, livemode: bool) -> Provider:
    from farthing.providers.lemonsqueezy import LemonSqueezy

    key = settings.lemonsqueezy_api_key
    return LemonSqueezy(
        api_key=key.get_secret_value() if key else "",
        store=settings.lemonsqueezy_store_id or "",
        variant=settings.lemonsqueezy_variant_id or "",
        plan_variants=settings.lemonsqueezy_plan_variants,
        secrets=[one.get_secret_value() for one in settings.lemonsqueezy_webhook_secret],
        currency=settings.lemonsqueezy_currency,
        livemode=livemode,
    )


def _derived(secret: str, purpose: bytes) -> str:
    return hmac.new(secret.encode(), purpose, sha256).hexdigest()
