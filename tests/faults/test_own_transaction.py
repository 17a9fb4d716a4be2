"""Where the application's own transaction cannot go on, or is none: told at once, by name, and nothing is changed."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django.db.transaction
import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.string import TextLoader
from sqlalchemy import event, exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import farthing
from farthing import Credits, InsufficientCredits, TransactionLost
from farthing.errors import (
    DatabaseBusy,
    DatabaseUnreachable,
    InvalidField,
    KeyReused,
    NestedWrite,
    NotFound,
    NotMigrated,
    NoTransaction,
    ScaleChanged,
    UnknownConnection,
)
from tests.hosts import atomic, django_alias, django_connection, driver_url, engine
from tests.kit import Clock, proved, shop
from tests.stories.test_own_transaction import begin_for_real, until_waiting


@pytest.fixture(params=["delete", "wal"])
def file(request: pytest.FixtureRequest, sqlite) -> Iterator[str]:
    """An SQLite file, with and without a write-ahead log."""
    with sqlite.migrated() as url:
        with engine(url).connect() as connection:
            assert connection.exec_driver_sql(f"PRAGMA journal_mode = {request.param}").scalar() == request.param
        yield url


@pytest.fixture
def on_file(file: str, clock: Clock) -> Iterator[tuple[str, Credits]]:
    with proved(file, clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        yield file, credits


@pytest.fixture
def on_postgresql(postgresql, clock: Clock) -> Iterator[tuple[str, Credits]]:
    with postgresql.migrated() as url, proved(url, clock) as credits:
        for account in ("ada", "bob"):
            credits.grant(account, "images", 10, key="g", source="gift")
        yield url, credits


def beginning(host: sa.Engine, how: str) -> sa.Engine:
    """An engine whose driver leaves BEGIN to it."""
    event.listen(host, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(host, "begin", lambda connection: connection.exec_driver_sql(how))
    return host


# What an application on SQLite runs into.


@pytest.mark.row("L17")
def test_who_read_before_somebody_else_wrote_has_to_begin_again(on_file: tuple[str, Credits]):
    """The snapshot is old: the database says busy at once, and no time-out helps."""
    url, credits = on_file
    host = beginning(engine(url, connect_args={"timeout": 3600}), "BEGIN")
    with host.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM farthing_entries").all()
        with another_writer(url) as wal:
            with pytest.raises(TransactionLost, match=r"Roll your transaction back.*BEGIN IMMEDIATE") as lost:
                credits.on(connection).deduct("ada", "images", 1, key="render:1")
            assert name_of(lost.value) == ("SQLITE_BUSY_SNAPSHOT" if wal else "SQLITE_BUSY")
        connection.rollback()
        credits.on(connection).deduct("ada", "images", 1, key="render:1")
        connection.commit()
    assert credits.balance("ada", "images").posted == 9


def name_of(error: BaseException) -> str:
    cause = error.__cause__
    assert isinstance(cause, sqlite3.OperationalError)
    return cause.sqlite_errorname


@contextmanager
def another_writer(url: str) -> Iterator[bool]:
    """Somebody else has written: committed where a log lets them, else waiting for the readers to be gone."""
    with engine(url).connect() as other:
        driver: Any = other.connection.driver_connection
        driver.isolation_level = None
        wal = driver.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        driver.execute("BEGIN IMMEDIATE")
        driver.execute("INSERT INTO farthing_meta (name, value) VALUES ('another', 'writer')")
        if wal:
            driver.execute("COMMIT")
        yield wal
        if not wal:
            driver.execute("ROLLBACK")


@pytest.mark.row("L17")
def test_a_verb_before_any_reading_cannot_run_into_that(on_file: tuple[str, Credits]):
    """A deferred BEGIN has read nothing yet. The verb takes the right to write before it reads."""
    url, credits = on_file
    with beginning(engine(url), "BEGIN").begin() as connection:
        tx = credits.on(connection)
        assert tx.check("ada", "images", 1).allowed
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite3.connect(sa.make_url(url).database or "", timeout=0).execute("DELETE FROM farthing_jobs")
        tx.deduct("ada", "images", 1, key="render:1")
    assert credits.balance("ada", "images").posted == 9


@pytest.mark.row("L17")
@pytest.mark.parametrize("begins", ["the driver", "the engine", "a session", "django", "django at once"])
def test_what_is_rolled_back_is_gone_whoever_begins(on_file: tuple[str, Credits], begins: str):
    url, credits = on_file
    if begins.startswith("django"):
        options = {"transaction_mode": "IMMEDIATE"} if begins == "django at once" else {}
        with pytest.raises(ZeroDivisionError), django_connection(credits, url, **options) as app:
            app.tx.deduct("ada", "images", 1, key="render:1")
            raise ZeroDivisionError
    elif begins == "a session":
        with Session(engine(url)) as session:
            credits.on(session).deduct("ada", "images", 1, key="render:1")
    else:
        host = engine(url)
        with (host if begins == "the driver" else beginning(host, "BEGIN")).connect() as connection:
            credits.on(connection).deduct("ada", "images", 1, key="render:1")
    assert credits.balance("ada", "images").posted == 10


@pytest.mark.row("L17")
def test_a_savepoint_that_may_be_all_there_is_is_refused(on_file: tuple[str, Credits]):
    """Python's sqlite3 says BEGIN only before a write: the application's SAVEPOINT stands alone, and commits."""
    url, credits = on_file
    with engine(url).connect() as connection:
        with connection.begin_nested(), pytest.raises(NoTransaction, match="begin_nested"):
            credits.on(connection)
        connection.rollback()
    begin_for_real(host := engine(url))
    with host.connect() as connection:
        with connection.begin_nested():
            credits.on(connection).deduct("ada", "images", 1, key="render:1")
        connection.rollback()
    assert credits.balance("ada", "images").posted == 10


@pytest.mark.row("L17")
def test_a_plain_verb_inside_ones_own_writing_transaction_says_so_at_once(on_file: tuple[str, Credits]):
    url, credits = on_file
    with engine(url).begin() as connection:
        credits.on(connection).deduct("ada", "images", 1, key="render:1")
        with pytest.raises(NestedWrite, match=r"credits\.on\(connection\)"):
            credits.deduct("ada", "images", 1, key="render:2")
        with pytest.raises(NestedWrite), credits.begin():
            pass
    credits.deduct("ada", "images", 1, key="render:2")
    with django_connection(credits, url) as app:
        app.tx.deduct("ada", "images", 1, key="render:3")
        with pytest.raises(NestedWrite):
            credits.deduct("ada", "images", 1, key="render:4")
    credits.deduct("ada", "images", 1, key="render:4")
    assert credits.balance("ada", "images").posted == 6


@pytest.mark.row("L17")
def test_a_plain_verb_of_a_task_inside_its_own_transaction_says_so_at_once(on_file: tuple[str, Credits]):
    url, plain = on_file
    credits = farthing.AsyncCredits(plain)

    async def story() -> None:
        host = create_async_engine(driver_url(url, awaited=True), poolclass=NullPool)
        async with host.begin() as connection:
            await credits.on(connection).deduct("ada", "images", 1, key="render:1")
            with pytest.raises(NestedWrite):
                await credits.deduct("ada", "images", 1, key="render:2")
        await credits.deduct("ada", "images", 1, key="render:2")

    asyncio.run(story())
    assert plain.balance("ada", "images").posted == 8


@pytest.mark.row("L17")
def test_a_plain_verb_goes_its_own_way_where_rows_are_locked_one_by_one(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    with engine(url).connect() as connection:
        credits.on(connection).deduct("ada", "images", 1, key="render:1")
        credits.deduct("bob", "images", 1, key="render:1")
        connection.rollback()
    assert [credits.balance(account, "images").posted for account in ("ada", "bob")] == [10, 9]


@pytest.mark.row("L17")
def test_a_full_disk_may_undo_the_whole_transaction_and_then_says_so(file: str):
    """SQLite rolls back by itself then: what the application would do next would be committed alone."""
    with farthing.open(file, catalog=shop('[credit_types.images]\nname = "Images"\n')) as credits:
        with engine(file).connect() as connection:
            tx = credits.on(connection)
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            with pytest.raises(TransactionLost, match="disk is full"):
                for number in range(10_000):
                    tx.open_account(f"user-{number}")
            connection.rollback()
        with pytest.raises(NotFound):
            credits.account("user-0")


@pytest.mark.row("L17")
def test_rows_are_read_as_tuples_whatever_the_application_reads(on_file: tuple[str, Credits]):
    url, credits = on_file
    with engine(url).connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.row_factory = lambda cursor, row: {"row": row}
        assert credits.on(connection).deduct("ada", "images", 1, key="render:1").available == 9
        assert driver.execute("SELECT 1").fetchone() == {"row": (1,)}


# What an application on PostgreSQL runs into.


@pytest.mark.row("L17")
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_at_a_stricter_level_a_wallet_that_changed_meanwhile_asks_for_all_again(
    on_postgresql: tuple[str, Credits], level: str
):
    url, credits = on_postgresql
    with engine(url, isolation_level=level).connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM farthing_entries").all()
        credits.deduct("ada", "images", 1, key="render:1")
        credits.grant("new", "images", 1, key="g", source="gift")
        with pytest.raises(TransactionLost, match="run all of it again"):
            credits.on(connection).deduct("ada", "images", 1, key="render:2")
        with pytest.raises(TransactionLost, match="run all of it again"):
            credits.on(connection).grant("new", "images", 1, key="g", source="gift")
        connection.rollback()
        assert credits.on(connection).deduct("ada", "images", 1, key="render:1").replayed
        assert credits.on(connection).deduct("ada", "images", 1, key="render:2").available == 8
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == level.lower()
        connection.commit()
    assert credits.balance("ada", "images").posted == 8


@pytest.mark.row("L17")
def test_a_lock_is_waited_for_as_long_as_the_application_says(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    with engine(url).begin() as neighbour, engine(url).begin() as connection:
        credits.on(neighbour).deduct("ada", "images", 1, key="neighbour")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10ms'")
        tx = credits.on(connection)
        tx.deduct("bob", "images", 1, key="render:1")
        with pytest.raises(DatabaseBusy):
            tx.deduct("ada", "images", 2, key="render:2")
        tx.deduct("bob", "images", 4, key="render:3")
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "10ms"
    assert [credits.balance(account, "images").posted for account in ("ada", "bob")] == [9, 5]


@pytest.mark.row("L17")
def test_a_transaction_that_failed_before_is_told_from_one_that_is_refused(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    with engine(url).connect() as connection:
        with pytest.raises(exc.ProgrammingError):
            connection.exec_driver_sql("SELECT nothing_like_that")
        with pytest.raises(TransactionLost, match="failed before"):
            credits.on(connection)


@pytest.mark.row("L17")
def test_a_connection_that_breaks_is_told_by_name(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    with engine(url).connect() as connection, engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        tx = credits.on(connection)
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        admin.exec_driver_sql(f"SELECT pg_terminate_backend({number})")
        with pytest.raises(DatabaseUnreachable):
            tx.deduct("ada", "images", 1, key="render:1")
        connection.invalidate()
    assert credits.balance("ada", "images").posted == 10


class Bang(TimestamptzLoader, TextLoader):
    """A way of reading that only the application understands."""

    def load(self, data: Any) -> Any:
        return "bang"


@pytest.mark.row("L17")
def test_neither_changes_how_the_other_reads_values(on_postgresql: tuple[str, Credits], clock: Clock):
    url, credits = on_postgresql
    with engine(url).connect() as connection:
        driver: Any = connection.connection.driver_connection
        for kind in ("timestamptz", "jsonb", "int8", "text", "bytea"):
            driver.adapters.register_loader(kind, Bang)
        driver.row_factory = dict_row
        driver.cursor_factory = psycopg.ClientCursor
        connection.exec_driver_sql("SET TIME ZONE 'Asia/Tokyo'")
        tx = credits.on(connection)
        tx.grant("ada", "images", 5, key="soon", source="gift", expires="1d", metadata={"size": 7})
        again = tx.grant("ada", "images", 5, key="soon", source="gift", expires="1d", metadata={"size": 7})
        assert (again.replayed, again.recorded_at, again.metadata) == (True, clock.now, {"size": 7})
        assert tx.deduct("ada", "images", 6, key="render:1").draws == [("lot_images_2", 5), ("lot_images_1", 1)]
        assert driver.execute("SELECT now() AS at, 1::int8 AS one").fetchone() == {"at": "bang", "one": "bang"}
        connection.rollback()


# Several verbs, several accounts.


def crossing(url: str, credits: Credits, *, locked: bool, rounds: int) -> list[BaseException]:
    """Two applications that take the same two wallets in opposite orders, at the same time. Returns what they met."""
    both = threading.Barrier(2)
    met: list[BaseException] = []

    def application(order: list[str]) -> None:
        for number in range(rounds):
            with engine(url).connect() as connection:
                both.wait()
                try:
                    tx = credits.on(connection)
                    if locked:
                        tx.lock(order)
                    tx.deduct(order[0], "images", 1, key=f"{order}:{number}")
                    if not locked:
                        both.wait()
                    tx.deduct(order[1], "images", 1, key=f"{order}:{number}")
                    connection.commit()
                except Exception as error:
                    met.append(error)

    two = [threading.Thread(target=application, args=(order,)) for order in (["ada", "bob"], ["bob", "ada"])]
    for one in two:
        one.start()
    for one in two:
        one.join()
    return met


@pytest.mark.row("L17")
def test_opposite_orders_are_a_named_error(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    be_quick_about_deadlocks(url)
    [met] = crossing(url, credits, locked=False, rounds=1)
    assert isinstance(met, TransactionLost)
    assert "tx.lock" in str(met)
    assert [credits.balance(account, "images").posted for account in ("ada", "bob")] == [9, 9]


@pytest.mark.row("L17")
def test_accounts_locked_first_never_stop_each_other(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    be_quick_about_deadlocks(url)
    assert crossing(url, credits, locked=True, rounds=5) == []
    assert [credits.balance(account, "images").posted for account in ("ada", "bob")] == [0, 0]


def be_quick_about_deadlocks(url: str) -> None:
    with engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.exec_driver_sql(f"ALTER DATABASE \"{sa.make_url(url).database}\" SET deadlock_timeout = '10ms'")


@pytest.mark.row("L17")
def test_a_block_of_ours_locks_what_it_is_told_first(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    be_quick_about_deadlocks(url)
    both = threading.Barrier(2)

    def block(order: list[str]) -> None:
        both.wait()
        for number in range(5):
            with credits.begin(lock=order) as tx:
                for account in order:
                    tx.deduct(account, "images", 1, key=f"{order}:{number}")

    other = threading.Thread(target=block, args=(["bob", "ada"],))
    other.start()
    block(["ada", "bob"])
    other.join()
    assert [credits.balance(account, "images").posted for account in ("ada", "bob")] == [0, 0]


@pytest.mark.row("L17")
def test_accounts_are_locked_in_the_order_of_their_bytes(on_postgresql: tuple[str, Credits]):
    """Z comes before a: whoever waits for ada holds Zoe already, in whatever order they were named."""
    url, credits = on_postgresql
    credits.grant("Zoe", "images", 1, key="g", source="gift")
    with engine(url).begin() as neighbour:
        credits.on(neighbour).lock(["ada"])
        with engine(url).connect() as connection:
            waiting = threading.Thread(target=lambda: credits.on(connection).lock(["bob", "ada", "Zoe"]))
            waiting.start()
            until_waiting(url)
            free = neighbour.exec_driver_sql("SELECT account FROM farthing_wallets FOR UPDATE SKIP LOCKED").all()
            assert free == [("ada",), ("bob",)]
            neighbour.rollback()
            waiting.join()


def test_one_account_is_no_list_of_letters(credits: Credits):
    with pytest.raises(InvalidField, match=r"\['ada'\]"), credits.begin(lock="ada"):
        pass


# What is no transaction of the application's.


@pytest.mark.row("L17")
def test_a_connection_that_commits_each_statement_is_refused(credits: Credits, database_url: str):
    with engine(database_url, isolation_level="AUTOCOMMIT").connect() as connection:
        with pytest.raises(NoTransaction, match="isolation level"):
            credits.on(connection).deduct("ada", "images", 1, key="render:1")
        with connection.begin():  # nothing was begun for it
            pass
    with Session(engine(database_url, isolation_level="AUTOCOMMIT")) as session, pytest.raises(NoTransaction):
        credits.on(session)


@pytest.mark.row("L17")
def test_django_outside_of_atomic_is_refused(credits: Credits, database_url: str):
    with django_alias(database_url) as alias:
        connection: Any = django.db.connections[alias]
        with pytest.raises(NoTransaction, match="atomic"):
            credits.on(connection)
        connection.cursor().execute("SELECT 1")
        with pytest.raises(NoTransaction, match="atomic"):
            credits.on(connection)
        with atomic(alias):
            tx = credits.on(connection)
            django.db.transaction.set_rollback(True, using=alias)
            with pytest.raises(django.db.transaction.TransactionManagementError):
                tx.grant("ada", "images", 1, key="g", source="gift")
        with pytest.raises(NoTransaction):
            tx.grant("ada", "images", 1, key="g", source="gift")


@pytest.mark.row("L17")
def test_another_kind_of_database_is_refused(sqlite, postgresql):
    with (
        sqlite.migrated() as file, postgresql.migrated() as server,
        farthing.open(file, catalog=shop()) as on_sqlite, farthing.open(server, catalog=shop()) as on_postgresql,
        engine(file).connect() as to_sqlite, engine(server).connect() as to_postgresql,
    ):  # fmt: skip
        with pytest.raises(UnknownConnection, match=r"to postgresql .* opened on sqlite"):
            on_sqlite.on(to_postgresql)
        with pytest.raises(UnknownConnection, match=r"to sqlite .* opened on postgresql"):
            on_postgresql.on(to_sqlite)


class OtherDriver:
    """A driver's connection that is like the standard library's and is not."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.row("L17")
def test_another_driver_is_refused_and_told_which_work(sqlite):
    with sqlite.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        path = sa.make_url(url).database or ""
        host = engine(url, creator=lambda: OtherDriver(sqlite3.connect(path)))
        with host.connect() as connection, pytest.raises(UnknownConnection, match=r"works through .* aiosqlite"):
            credits.on(connection)


@pytest.mark.row("L17")
def test_what_is_no_connection_or_of_the_other_colour_is_refused(credits: Credits, database_url: str):
    host = create_async_engine(driver_url(database_url, awaited=True), poolclass=NullPool)
    with pytest.raises(UnknownConnection, match="str"):
        credits.on("sqlite:///app.db")
    with pytest.raises(UnknownConnection, match="open_async"):
        credits.on(host.connect())
    with engine(database_url).connect() as connection, pytest.raises(UnknownConnection, match="AsyncSession"):
        farthing.AsyncCredits(credits).on(connection)


@pytest.mark.row("L17")
def test_a_database_without_our_tables_is_told_by_name_and_the_transaction_lives(databases, clock: Clock):
    with databases.migrated() as ours, databases.empty() as theirs, proved(ours, clock) as credits:
        with engine(theirs).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE renders (name TEXT PRIMARY KEY)")
            with pytest.raises(NotMigrated):
                credits.on(connection).deduct("ada", "images", 1, key="render:1")
            connection.exec_driver_sql("INSERT INTO renders VALUES ('sunset')")
        with engine(theirs).connect() as connection:
            assert connection.exec_driver_sql("SELECT name FROM renders").all() == [("sunset",)]


@pytest.mark.row("L17")
def test_a_type_counted_otherwise_in_the_applications_database_is_refused_there(databases, clock: Clock):
    """What was once seen of our own database says nothing about another."""
    other = shop('[credit_types.images]\nname = "Images"\nscale = 2\n')
    with databases.migrated() as ours, databases.migrated() as theirs:
        with farthing.open(theirs, catalog=other) as there:
            there.grant("ada", "images", 1, key="g", source="gift")
        with proved(ours, clock) as credits:
            credits.grant("ada", "images", 1, key="g", source="gift")
            credits.deduct("ada", "images", 1, key="d")
            with engine(theirs).connect() as connection, pytest.raises(ScaleChanged):
                credits.on(connection).deduct("ada", "images", 1, key="d")


# Blocks that are awaited.


@pytest.mark.row("L17")
def test_an_awaited_block_is_all_or_nothing(database_url: str, clock: Clock):
    async def story() -> None:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            async with credits.begin(lock=["ada", "bob"]) as tx:
                await tx.grant("ada", "images", 5, key="g", source="gift")
                with pytest.raises(InsufficientCredits):
                    await tx.deduct("ada", "images", 6, key="d")
                with pytest.raises(NestedWrite):
                    await credits.deduct("ada", "images", 1, key="d")
                with pytest.raises(NestedWrite):
                    async with credits.begin():
                        pass
                await tx.deduct("ada", "images", 1, key="d")
            with pytest.raises(ZeroDivisionError):
                async with credits.begin() as tx:
                    await tx.deduct("ada", "images", 1, key="lost")
                    raise ZeroDivisionError
            assert (await credits.balance("ada", "images")).posted == 4

    asyncio.run(story())


@pytest.mark.row("L17")
def test_an_awaited_block_that_nobody_waits_for_any_more_leaves_nothing_and_holds_nothing(
    database_url: str, clock: Clock
):
    async def story() -> None:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            begun = asyncio.Event()

            async def block() -> None:
                async with credits.begin() as tx:
                    await tx.grant("ada", "images", 5, key="g", source="gift")
                    begun.set()
                    await asyncio.Event().wait()

            waiting = asyncio.create_task(block())
            await begun.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not (await credits.grant("ada", "images", 5, key="g", source="gift")).replayed

    asyncio.run(story())


@pytest.mark.row("L17")
def test_a_task_that_is_cancelled_while_it_waits_leaves_its_transaction_alive(on_postgresql: tuple[str, Credits]):
    url, plain = on_postgresql
    credits = farthing.AsyncCredits(plain)

    async def story() -> None:
        host = create_async_engine(driver_url(url, awaited=True), poolclass=NullPool)
        async with host.connect() as neighbour, host.connect() as connection:
            await credits.on(neighbour).deduct("ada", "images", 1, key="neighbour")
            await credits.on(connection).deduct("bob", "images", 1, key="render:1")
            waiting = asyncio.create_task(credits.on(connection).deduct("ada", "images", 1, key="render:2"))
            await asyncio.to_thread(until_waiting, url)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await credits.on(connection).deduct("bob", "images", 2, key="render:3")
            await connection.commit()

    asyncio.run(story())
    assert [plain.balance(account, "images").posted for account in ("ada", "bob")] == [10, 7]


@pytest.mark.row("L17")
def test_at_a_stricter_level_a_key_that_an_act_took_meanwhile_is_not_taken_twice(on_postgresql: tuple[str, Credits]):
    url, credits = on_postgresql
    with engine(url, isolation_level="REPEATABLE READ").connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM farthing_entries").all()
        credits.freeze("ada", key="one")
        credits.unfreeze("ada", key="two")
        with pytest.raises(TransactionLost, match="run all of it again"):
            credits.on(connection).deduct("ada", "images", 1, key="one")
        connection.rollback()
        with pytest.raises(KeyReused):
            credits.on(connection).deduct("ada", "images", 1, key="one")
