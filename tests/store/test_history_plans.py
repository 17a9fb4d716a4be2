"""A history is read through the account's own entries: no plan for it, however it came about, reads a whole table."""

from __future__ import annotations

import re
from typing import Any

import pytest

import farthing
from farthing import Credits
from farthing.store.database import Session
from tests.kit import START, Clock, shop

GENERIC = "SET LOCAL plan_cache_mode = force_generic_plan; EXPLAIN"
WISHES: list[dict[str, Any]] = [
    {},
    {"sort": "oldest"},
    {"sort": "largest"},
    {"sort": "smallest", "sources": ["promo"]},
    {"kinds": ["repay"]},
    {"search": "nothing", "sort": "oldest"},
    {"since": START, "until": START.replace(year=2027)},
]


def plans(credits: Credits, monkeypatch: pytest.MonkeyPatch, explain: str) -> list[str]:
    """How the database means to answer what the pages and exports of Ada's history ask, in their own transactions."""
    found: list[str] = []
    execute = Session.execute
    for name, real in (("execute", execute), ("stream", Session.stream)):

        def spy(self, sql, params=(), *, real=real):
            *settings, how = explain.split(";")
            for setting in settings:
                execute(self, setting)
            found.append("\n".join(str(row[-1]) for row in execute(self, f"{how} {sql}", params)))
            return real(self, sql, params)

        monkeypatch.setattr(Session, name, spy)
    for wish in WISHES:
        page = credits.history("ada", **wish, limit=1)
        if page.next_cursor:
            credits.history("ada", **wish, limit=1, cursor=page.next_cursor)
        list(credits.export_history("ada", **wish))
    monkeypatch.undo()
    assert len(found) >= 30
    return found


def require_keyed(found: list[str]) -> None:
    for plan in found:
        assert "Seq Scan" not in plan, plan
        assert re.search(r"Index Cond: \(+account = ", plan), plan


def test_plans_made_on_empty_tables_go_by_key(postgresql, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    with postgresql.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        with credits.database.writing() as session:
            session.execute("ANALYZE")
        credits.grant("ada", "images", 1, key="g", source="gift")
        credits.grant("ada", "chat", 1, key="c", source="gift")
        require_keyed(plans(credits, monkeypatch, GENERIC))


def test_plans_made_when_one_account_was_all_there_was_go_by_key(
    postgresql, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """The first customer's entries were counted, and then everybody came."""
    with postgresql.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        for number in range(5):
            credits.grant("ada", "images", 1, key=f"g{number}", source="gift")
        with credits.database.writing() as session:
            session.execute("ALTER TABLE farthing_entries SET (autovacuum_enabled = false)")
            session.execute("ANALYZE")
            columns = "credit_type, kind, amount, held_change, posted_after, held_after, pending_after, draws, seal"
            columns += ", effective_at, recorded_at"
            session.execute(
                f"INSERT INTO farthing_entries (account, seq, {columns}) SELECT 'u' || n, n, {columns} "
                "FROM farthing_entries, generate_series(1, 5000) n WHERE seq = 1"
            )
        require_keyed(plans(credits, monkeypatch, "EXPLAIN"))


def test_a_file_goes_by_the_primary_key_too(sqlite, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    with sqlite.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        for number in range(3):
            credits.grant("ada", "images", 1, key=f"g{number}", source="gift")
        for plan in plans(credits, monkeypatch, "EXPLAIN QUERY PLAN"):
            assert plan.startswith("SEARCH farthing_entries USING PRIMARY KEY (account=? AND credit_type=?"), plan


@pytest.mark.row("L13")
def test_dates_are_found_by_halves_and_not_entry_by_entry(
    credits: Credits, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    credits.grant("ada", "images", 100, key="g", source="gift")
    with credits.begin() as tx:
        for number in range(100):
            clock.move("1m")
            tx.deduct("ada", "images", 1, key=f"d{number}")
    looks: list[str] = []
    real = Session.execute
    monkeypatch.setattr(Session, "execute", lambda self, *asked: looks.append(asked[0]) or real(self, *asked))
    half = START.replace(hour=1, minute=10)
    found = credits.history("ada", "images", since=half, until=half.replace(minute=12))
    assert [line.seq for line in found.data] == [72, 71]
    assert len(looks) <= 2 + 2 * 7
