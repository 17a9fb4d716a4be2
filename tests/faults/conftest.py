"""What tests of faults may ask for besides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import farthing
from tests.databases import SqliteFiles
from tests.kit import shop


@pytest.fixture(params=["delete", "wal"])
def file_url(request: pytest.FixtureRequest, sqlite: SqliteFiles) -> Iterator[str]:
    """An SQLite file of this test's own, in each of its journal modes."""
    with sqlite.migrated() as url:
        if request.param == "wal":
            with farthing.open(url, catalog=shop()) as credits:
                assert credits.database.use_wal() == "wal"
        yield url
