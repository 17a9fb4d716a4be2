"""The portal as its customers meet it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.databases import SqliteFiles
from tests.kit import Clock
from tests.portal.customer import Customer
from tests.portal.site import Site, site


@pytest.fixture
def at(database_url: str, clock: Clock) -> Iterator[Site]:
    """The shop of tests/portal/site.py with its portal, on SQLite and on PostgreSQL."""
    with site(database_url, clock) as opened:
        yield opened


@pytest.fixture
def at_any(sqlite: SqliteFiles, clock: Clock) -> Iterator[Site]:
    """The same on SQLite alone, for what no database has a part in."""
    with sqlite.migrated() as url, site(url, clock) as opened:
        yield opened


@pytest.fixture
def ada(at: Site) -> Iterator[Customer]:
    """Ada, signed in, in Berlin, with the gift of ten images."""
    at.credits.open_account("ada")
    with Customer(at, "ada") as customer:
        yield customer
