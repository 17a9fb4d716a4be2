"""A site of each framework over ten images of Ada's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from farthing import Credits
from tests.integrations.sites import SITES, Site
from tests.kit import Clock, proved


@pytest.fixture
def books(sqlite, clock: Clock) -> Iterator[Credits]:
    """The shop on SQLite, where Ada has ten images."""
    with sqlite.migrated() as url, proved(url, clock) as credits:
        credits.open_account("ada")  # her gift
        yield credits


@pytest.fixture(params=SITES, ids=lambda site: site.__name__)
def site_on_both(request: pytest.FixtureRequest, credits: Credits) -> Iterator[Site]:
    """As `site`, on SQLite and on PostgreSQL."""
    credits.open_account("ada")
    with request.param(credits) as site:
        yield site


@pytest.fixture(params=SITES, ids=lambda site: site.__name__)
def site(request: pytest.FixtureRequest, books: Credits) -> Iterator[Site]:
    with request.param(books) as site:
        yield site
