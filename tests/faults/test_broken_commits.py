"""The connection breaks, the database says no, the books are corrupt: each caller learns what became of its call."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import event

import farthing
from farthing import Credits
from farthing.errors import Corrupt, DatabaseBusy, DatabaseUnreachable, OutcomeUnknown
from farthing.ledger.verifying import verify
from farthing.store.database import Session
from tests.kit import Clock, proved, shop


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch, credits: Credits):
    """`breaking(times)`: the next commits are made, but their answers never arrive."""
    left = {"times": 0}
    real = type(credits.database)._connection

    class Cut:
        def __init__(self, connection) -> None:
            self._connection = connection

        def __getattr__(self, name: str):
            return getattr(self._connection, name)

        def commit(self) -> None:
            self._connection.commit()
            if left["times"]:
                left["times"] -= 1
                raise psycopg.OperationalError("server closed the connection unexpectedly")

    def connection(self, engine, begin):
        from contextlib import contextmanager

        @contextmanager
        def cut():
            with real(self, engine, begin) as one:
                yield Cut(one)

        return cut()

    monkeypatch.setattr(type(credits.database), "_connection", connection)
    if credits.database.dialect.name == "sqlite":
        monkeypatch.setattr(credits.database.dialect, "trouble", lambda error: "lost")
    return lambda times: left.update(times=times)


@pytest.mark.row("L16")
def test_a_connection_cut_between_commit_and_answer_costs_nothing(credits: Credits, breaking):
    credits.grant("ada", "images", 10, key="g", source="gift")
    breaking(1)
    assert credits.deduct("ada", "images", 3, key="d").available == 7
    assert credits.balance("ada", "images").posted == 7


@pytest.mark.row("L16")
def test_where_the_outcome_stays_unknown_the_same_key_finds_out(credits: Credits, breaking):
    credits.grant("ada", "images", 10, key="g", source="gift")
    breaking(100)
    with pytest.raises(OutcomeUnknown, match="same key"):
        credits.deduct("ada", "images", 3, key="d")
    breaking(0)
    assert credits.deduct("ada", "images", 3, key="d").replayed
    assert credits.balance("ada", "images").posted == 7


def test_one_corrupt_wallet_stops_only_its_own_callers(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        for name in ("ada", "bob", "eve"):
            credits.grant(name, "images", 100, key="g", source="gift")
        with credits.database.writing() as session:
            session.execute("UPDATE farthing_wallets SET posted = posted + 5 WHERE account = 'eve'")

        def deduct(number: int) -> str:
            try:
                return credits.deduct(["ada", "bob", "eve"][number % 3], "images", 1, key=f"d{number}").account
            except Corrupt as error:
                return error.code

        with ThreadPoolExecutor(12) as threads:
            told = list(threads.map(deduct, range(60)))
        assert {name: told.count(name) for name in set(told)} == {"ada": 20, "bob": 20, "corrupt": 20}
        assert [fault.account for fault in verify(credits.database).faults] == ["eve"]


def test_a_locked_file_is_busy_and_nothing_was_changed(sqlite, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("farthing.store.dialects.BUSY_TIMEOUT_S", 0.05)
    with sqlite.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="Nothing was changed"):
            credits.grant("ada", "images", 1, key="g", source="gift")
        other.execute("ROLLBACK")
        assert not credits.grant("ada", "images", 1, key="g", source="gift").replayed
        other.close()


def test_a_full_disk_refuses_by_name_and_loses_nothing(sqlite, clock: Clock):
    limit = {"pages": 0}

    def fill(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit['pages'] or 100_000}")

    with sqlite.migrated() as url, proved(url, clock) as credits:
        event.listen(credits.database._writes, "connect", fill)
        credits.grant("ada", "images", 5, key="g", source="gift")
        with credits.database.writing() as session:
            [[limit["pages"]]] = session.execute("PRAGMA page_count")
            session.execute(f"PRAGMA max_page_count = {limit['pages']}")
        big = {"words": "x" * 8000}
        with pytest.raises(DatabaseUnreachable, match=r"is full\. Nothing was changed"):
            for number in range(100):
                credits.grant("ada", "images", 1, key=f"k{number}", source="gift", metadata=big)
        written = len(credits.history("ada", limit=500).data)
        assert credits.balance("ada", "images").posted == 5 + written - 1
        limit["pages"] = 0
        assert not credits.grant("ada", "images", 1, key=f"k{written - 1}", source="gift", metadata=big).replayed


def test_a_file_taken_away_is_unreachable(sqlite, clock: Clock):
    with pytest.raises(DatabaseUnreachable, match="unable to open"):
        farthing.open("sqlite:////nowhere/at/all/app.db", catalog=shop())


def test_no_statement_of_a_deduction_can_read_a_whole_index(postgresql, clock: Clock, monkeypatch):
    """Plans made while every table was analyzed empty stay in use for the life of a connection."""
    seen: list[tuple[str, tuple]] = []
    plain = Session.execute

    def spy(self, sql, params=()):
        seen.append((sql, params))
        return plain(self, sql, params)

    with postgresql.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        with credits.database.writing() as session:
            session.execute("ANALYZE")
        credits.grant("ada", "chat", 1, key="g", source="gift")
        monkeypatch.setattr(Session, "execute", spy)
        credits.deduct("ada", "chat", 2, key="d")
        credits.grant("ada", "chat", 2, key="g2", source="gift")
        monkeypatch.undo()
        with credits.database.writing() as session:
            session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            for sql, params in seen:
                plan = "\n".join(row[0] for row in plain(session, f"EXPLAIN {sql}", params))
                for trap in ("Seq Scan on farthing", "Merge Join", "Hash Join"):
                    assert trap not in plan, f"{sql}\n{plan}"
                if "Index" in plan:
                    assert re.search(r"Index Cond: \(+(account|name)", plan), f"{sql}\n{plan}"
    assert len(seen) >= 10
