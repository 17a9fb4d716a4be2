"""PostgreSQL is stopped and started again under load: callers repeat what was unavailable, and each key counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import farthing
from farthing import keys, server
from tests.databases import OwnPostgres, PostgresDatabases
from tests.faults.told import AGAIN, Told, over_http, prove, through, under_load
from tests.http.test_server import running
from tests.kit import shop


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """A server of these tests' own. A commit it answered is on disk, or stopping it at once would lose that rightly."""
    own = OwnPostgres({"synchronous_commit": "on"})
    yield own
    own.close()


@pytest.mark.long
@pytest.mark.row("L3", "L16")
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_server_that_stops_and_starts_loses_nothing(
    postgres: OwnPostgres, mode: str, count: Callable[[int, int], int]
):
    told, databases = Told(), PostgresDatabases(postgres.url)
    with databases.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        _, api_key = keys.create(credits, "load", ["spend", "grant"])
        with running(lambda *_: server.assemble(farthing.open(url, catalog=shop()))) as address:
            port = int(address.rpartition(":")[2])
            with under_load(told, [through(credits)] * 4 + [over_http(port, api_key) for _ in range(4)]):
                for _ in range(count(1, 10)):
                    told.wait_for_more(acknowledged=200)
                    postgres.stop(mode)
                    told.wait_for_more(refused=20)
                    postgres.start()
                told.wait_for_more(acknowledged=200)
        assert told.unanswered() == []
        assert told.errors().keys() & AGAIN
        prove(url, told)
    databases.close()
