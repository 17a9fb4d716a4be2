"""The connection breaks, the database says no, the books are corrupt: each caller learns what became of its call."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

import farthing
from farthing import call
from farthing.errors import Corrupt, DatabaseBusy, DatabaseUnreachable
from farthing.ledger.verifying import verify
from farthing.store.database import Session
from farthing.store.dialects.pipe import Pipe
from tests.kit import Clock, shop


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
    monkeypatch.setattr("farthing.store.dialects.sqlite.BUSY_TIMEOUT_S", 0.05)
    with sqlite.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="Nothing was changed"):
            credits.grant("ada", "images", 1, key="g", source="gift")
        other.execute("ROLLBACK")
        assert not credits.grant("ada", "images", 1, key="g", source="gift").replayed
        other.close()


def test_a_file_taken_away_is_unreachable(sqlite, clock: Clock):
    with pytest.raises(DatabaseUnreachable, match="unable to open"):
        farthing.open("sqlite:////nowhere/at/all/app.db", catalog=shop())


def test_no_statement_of_a_deduction_can_read_a_whole_index(postgresql, clock: Clock, monkeypatch):
    """Plans made while every table was analyzed empty stay in use for the life of a connection."""
    seen: dict[str, tuple] = {}
    plain, sent = Session.execute, Pipe.send

    def spy(self, sql, params=()):
        if params:
            seen[sql] = params
        return sent(self, sql, params) if isinstance(self, Pipe) else plain(self, sql, params)

    with postgresql.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        with credits.database.writing() as session:
            session.execute("ANALYZE")
        credits.grant("ada", "chat", 1, key="g", source="gift")
        monkeypatch.setattr(Session, "execute", spy)
        monkeypatch.setattr(Pipe, "send", spy)
        credits.deduct("ada", "chat", 2, key="d")
        credits.grant("ada", "chat", 2, key="g2", source="gift")
        credits.post([call.deduct("ada", "chat", 1, key="d2"), call.grant("ada", "chat", 1, key="g3", source="gift")])
        credits.post([call.deduct("ada", "chat", 1, key=f"more:{n}") for n in range(3)], atomic=False)
        monkeypatch.undo()
        with credits.database.writing() as session:
            session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            for sql, params in seen.items():
                plan = "\n".join(row[0] for row in plain(session, f"EXPLAIN {sql}", params))
                for trap in ("Seq Scan on farthing", "Merge Join", "Hash Join"):
                    assert trap not in plan, f"{sql}\n{plan}"
                if "Index" in plan:
                    assert re.search(r"Index Cond: \(+(account|name)", plan), f"{sql}\n{plan}"
    assert len([sql for sql in seen if "unnest" in sql]) >= 8
    assert len([sql for sql in seen if "unnest" not in sql]) >= 8
