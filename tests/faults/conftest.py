"""What tests of faults may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from farthing.store.database import Database
from tests.databases import SqliteFiles


@contextmanager
def file(sqlite: SqliteFiles, journal_mode: str) -> Iterator[str]:
    with sqlite.migrated() as url:
        if journal_mode == "wal":
            database = Database(url)
            assert database.use_wal() == "wal"
            database.close()
        yield url


@pytest.fixture(params=["delete", "wal"])
def file_url(request: pytest.FixtureRequest, sqlite: SqliteFiles) -> Iterator[str]:
    """A migrated SQLite file of this test's own, in each of its journal modes."""
    with file(sqlite, request.param) as url:
        yield url


@pytest.fixture(params=["delete", "wal", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """As `database_url`, and SQLite in each of its journal modes."""
    if request.param == "postgresql":
        with request.getfixturevalue("postgresql").migrated() as url:
            yield url
    else:
        with file(request.getfixturevalue("sqlite"), request.param) as url:
            yield url
