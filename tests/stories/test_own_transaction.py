"""`on(connection)`: the verbs inside the application's own transaction, which stays the application's."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from farthing import Credits, Hosted, InsufficientCredits, Tx
from farthing.awaiting import AsyncTx
from farthing.errors import KeyReused
from tests.hosts import HOSTS, Open, engine, renders
from tests.kit import Clock, proved

Begin = Callable[[], AbstractContextManager[Open]]


class Undo(Exception):
    """The application changes its mind."""


@pytest.fixture
def credits(database_url: str, clock: Clock) -> Iterator[Credits]:
    with engine(database_url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE renders (name TEXT PRIMARY KEY)")
    with proved(database_url, clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        yield credits


@pytest.fixture(params=HOSTS, ids=lambda host: host.__name__)
def begin(request: pytest.FixtureRequest, credits: Credits, database_url: str) -> Begin:
    """`with begin() as app:` is a transaction of the application's that commits at the end of the block."""
    return lambda: request.param(credits, database_url)


@pytest.mark.row("L17")
def test_the_applications_commit_commits_both(begin: Begin, credits: Credits, database_url: str):
    with begin() as app:
        app.render("sunset")
        assert app.tx.deduct("ada", "images", 3, key="render:1").available == 7
        assert app.tx.grant("bob", "images", 3, key="thanks", source="promo").available == 3
        assert (credits.balance("ada", "images").posted, credits.history("bob").data) == (10, [])  # not yet
    assert renders(database_url) == ["sunset"]
    assert (credits.balance("ada", "images").posted, credits.balance("bob", "images").posted) == (7, 3)


@pytest.mark.row("L17")
def test_its_rollback_takes_everything_along(begin: Begin, credits: Credits, database_url: str):
    with pytest.raises(Undo), begin() as app:
        app.tx.deduct("ada", "images", 3, key="render:1")
        app.render("sunset")
        app.tx.grant("bob", "chat", "1.50", key="thanks", source="promo")
        app.tx.open_account("eve")
        raise Undo
    assert renders(database_url) == []
    assert [line.key for line in credits.history("ada").data] == ["g"]
    assert credits.history("bob").data == credits.history("eve").data == []
    assert not credits.deduct("ada", "images", 3, key="render:1").replayed


@pytest.mark.row("L17")
def test_a_rollback_takes_along_what_was_all_the_transaction_did(begin: Begin, credits: Credits):
    """Nothing had begun the driver's transaction before our SAVEPOINT: releasing an outermost one would commit."""
    with pytest.raises(Undo), begin() as app:
        app.tx.deduct("ada", "images", 3, key="render:1")
        raise Undo
    assert credits.balance("ada", "images").posted == 10


@pytest.mark.row("L17")
def test_a_refusal_leaves_the_transaction_alive_and_nothing_of_itself(
    begin: Begin, credits: Credits, database_url: str
):
    with begin() as app:
        app.render("sunset")
        app.tx.deduct("ada", "images", 8, key="render:1")
        with pytest.raises(InsufficientCredits) as refusal:
            app.tx.deduct("ada", "images", 3, key="render:2")
        with pytest.raises(KeyReused):
            app.tx.deduct("ada", "images", 1, key="g")
        with pytest.raises(TypeError):
            app.tx.deduct("ada", "images", 0.1, key="render:3")
        app.render("dawn")
        app.tx.deduct("ada", "images", 2, key="render:4")
    assert (refusal.value.available, refusal.value.shortfall) == (2, 1)
    assert renders(database_url) == ["dawn", "sunset"]
    assert [line.key for line in credits.history("ada").data] == ["render:4", "render:1", "g"]


@pytest.mark.row("L17")
def test_a_retry_in_the_same_or_the_next_transaction_answers_the_first_receipt(begin: Begin, credits: Credits):
    with begin() as app:
        first = app.tx.deduct("ada", "images", 3, key="render:1")
        again = app.tx.deduct("ada", "images", 3, key="render:1")
    with begin() as app:
        later = app.tx.deduct("ada", "images", 3, key="render:1")
    assert (first.replayed, again.replayed, later.replayed) == (False, True, True)
    assert first.seq == again.seq == later.seq
    assert credits.balance("ada", "images").posted == 7


@pytest.mark.row("L17")
def test_readings_see_what_the_transaction_did(begin: Begin, credits: Credits):
    with begin() as app:
        app.tx.grant("bob", "chat", "2.50", key="g", source="gift")
        app.tx.deduct("ada", "images", 3, key="render:1")
        assert app.tx.balance("ada", "images").available == 7
        assert app.tx.balance("bob", "chat").available == Decimal("2.50")
        assert app.tx.check("ada", "images", 8) == (False, 8, 7, 1)
        assert app.tx.check("ada", "images", 7).allowed
        assert credits.balance("ada", "images").available == 10


@pytest.mark.row("L17")
def test_one_deduction_of_a_transaction_wants_the_lots_of_another(begin: Begin, credits: Credits, clock: Clock):
    """Lots, times and metadata come back out of the application's connection as they went in."""
    with begin() as app:
        app.tx.grant("ada", "images", 5, key="soon", source="gift", expires="1d", metadata={"from": ["a", "friend"]})
        app.tx.open_account("ada", time_zone="Asia/Tokyo")
        receipt = app.tx.deduct("ada", "images", 6, key="render:1", metadata={"size": 7}, occurred_at=clock.now)
        again = app.tx.deduct("ada", "images", 6, key="render:1", metadata={"size": 7}, occurred_at=clock.now)
    assert receipt.draws == again.draws == [("lot_images_2", 5), ("lot_images_3", 1)]  # then the gift
    assert (again.metadata, again.occurred_at, again.recorded_at) == ({"size": 7}, clock.now, clock.now)
    assert again.recorded_at.utcoffset().total_seconds() == 0


@pytest.mark.row("L17")
def test_nothing_sleeps_and_nothing_leaves_the_database(begin: Begin, monkeypatch: pytest.MonkeyPatch):
    def never(seconds: float) -> None:
        raise AssertionError(f"somebody slept {seconds} s inside the application's transaction")

    monkeypatch.setattr(time, "sleep", never)
    with begin() as app:
        app.tx.grant("bob", "images", 1, key="g", source="gift")
        with pytest.raises(InsufficientCredits):
            app.tx.deduct("bob", "images", 2, key="d")
        for verb in ("checkout", "quote", "receive", "handle_events"):  # what may speak to a provider
            assert not hasattr(Hosted, verb) and not hasattr(AsyncTx, verb)


@pytest.mark.row("L17")
def test_the_connection_keeps_its_settings_and_stays_open(credits: Credits, database_url: str):
    with engine(database_url).connect() as connection:
        before = settings(connection)
        credits.on(connection).deduct("ada", "images", 3, key="render:1")
        with pytest.raises(InsufficientCredits):
            credits.on(connection).deduct("ada", "images", 30, key="render:2")
        assert settings(connection) == before
        assert connection.in_transaction() and not connection.closed
        connection.commit()
        assert settings(connection) == before
    assert credits.balance("ada", "images").posted == 7


def settings(connection: sa.Connection) -> dict[str, Any]:
    """Everything that is set on a connection: isolation, time-outs, time zone, planner, row factories."""
    driver = connection.connection.driver_connection
    assert driver is not None
    if connection.dialect.name == "sqlite":
        pragmas = ("journal_mode", "busy_timeout", "foreign_keys", "synchronous", "read_uncommitted")
        said = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas}
        return said | {name: getattr(driver, name) for name in ("isolation_level", "row_factory", "text_factory")}
    rows = connection.exec_driver_sql("SELECT name, setting FROM pg_settings")
    return {row.name: row.setting for row in rows} | {
        name: getattr(driver, name) for name in ("autocommit", "isolation_level", "read_only", "row_factory")
    }


@pytest.mark.row("L17")
def test_no_statement_of_ours_ends_or_begins_a_transaction(sqlite, clock: Clock):
    """On SQLite every statement can be listened to: with the transaction begun, we say SAVEPOINT and no more."""
    with sqlite.migrated() as url, proved(url, clock) as credits, engine(url).connect() as connection:
        connection.exec_driver_sql("BEGIN")
        said: list[str] = []
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(said.append)
        tx = credits.on(connection)
        tx.grant("ada", "images", 3, key="g", source="gift")
        with pytest.raises(InsufficientCredits):
            tx.deduct("ada", "images", 30, key="render:1")
        driver.set_trace_callback(None)
        connection.commit()
    words = [statement.split()[0] for statement in said]
    around = [statement for statement in said if statement.split()[0] not in ("SELECT", "INSERT", "UPDATE", "--")]
    assert set(words) <= {"SELECT", "INSERT", "UPDATE", "SAVEPOINT", "ROLLBACK", "RELEASE", "--"}
    assert around == [
        "SAVEPOINT farthing", "RELEASE SAVEPOINT farthing",
        "SAVEPOINT farthing", "ROLLBACK TO SAVEPOINT farthing", "RELEASE SAVEPOINT farthing",
    ]  # fmt: skip


@pytest.mark.row("L17")
def test_all_is_one_transaction_of_the_databases(postgresql, clock: Clock):
    with postgresql.migrated() as url, proved(url, clock) as credits, engine(url).connect() as connection:
        number = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar()
        tx = credits.on(connection)
        tx.grant("ada", "images", 3, key="g", source="gift")
        with pytest.raises(InsufficientCredits):
            tx.deduct("ada", "images", 30, key="render:1")
        assert connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar() == number
        connection.commit()


@pytest.mark.row("L17")
def test_a_savepoint_of_the_applications_undoes_what_was_done_inside_it(credits: Credits, database_url: str):
    host = engine(database_url)
    if host.dialect.name == "sqlite":
        begin_for_real(host)
    with host.begin() as connection:
        tx = credits.on(connection)
        tx.deduct("ada", "images", 1, key="render:1")
        with pytest.raises(Undo), connection.begin_nested():
            tx.deduct("ada", "images", 2, key="render:2")
            raise Undo
        with connection.begin_nested():
            tx.deduct("ada", "images", 4, key="render:3")
    assert credits.balance("ada", "images").posted == 5


def begin_for_real(host: sa.Engine) -> None:
    """As docs/embed.md says: the driver's own BEGIN is off, the engine says it."""

    @event.listens_for(host, "connect")
    def leave_begin_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(host, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def test_an_object_may_be_used_from_one_transaction_to_the_next(credits: Credits, database_url: str):
    with engine(database_url).connect() as connection:
        tx = credits.on(connection)
        tx.deduct("ada", "images", 1, key="render:1")
        connection.commit()
        tx.deduct("ada", "images", 2, key="render:2")
        connection.rollback()
        tx.deduct("ada", "images", 4, key="render:3")
        connection.commit()
    assert credits.balance("ada", "images").posted == 5


@pytest.mark.row("L17")
def test_a_racing_duplicate_waits_and_gets_the_receipt(postgresql, clock: Clock):
    """Decision 6, between two applications: also where neither the account nor the wallet was there before."""
    with postgresql.migrated() as url, proved(url, clock) as credits:
        told: list[Any] = []

        def second() -> None:
            with engine(url).begin() as connection:
                told.append(credits.on(connection).grant("new", "images", 5, key="g", source="gift"))

        with engine(url).begin() as connection:
            first = credits.on(connection).grant("new", "images", 5, key="g", source="gift")
            other = threading.Thread(target=second)
            other.start()
            until_waiting(url)
        other.join()
        assert [receipt.replayed for receipt in (first, *told)] == [False, True]
        assert credits.balance("new", "images").posted == 5


def until_waiting(url: str) -> None:
    """Until somebody waits for another's lock."""
    with engine(url, isolation_level="AUTOCOMMIT").connect() as watcher:
        while not watcher.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).scalar():
            pass


def test_every_verb_of_a_transaction_is_there_in_both_colours():
    def verbs(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}

    assert verbs(AsyncTx) == verbs(Hosted) == verbs(Tx)
    assert all(getattr(Hosted, verb) is not getattr(Tx, verb) for verb in verbs(Tx))
