"""The schema: made by migrations, equal to the metadata, checked when Farthing starts."""

import json
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import farthing
from farthing.errors import DatabaseUnreachable, KeyReused, ModeMismatch, NotMigrated, ScaleChanged, SettingsInvalid
from farthing.store import migrations
from farthing.store.database import Database
from farthing.store.tables import metadata, orders
from tests.kit import SHOP, Clock, proved, shop
from tests.selling import selling


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_migrations_make_what_the_metadata_says(database_url: str):
    database = Database(database_url)
    with database.schema_view() as connection:
        options = {"version_table": migrations.VERSION_TABLE, "compare_type": False}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    database.close()


def test_all_text_is_compared_as_bytes(postgresql):
    """In the order of a language "a" stands before "B", in the order of bytes behind it: two orders, and a deadlock."""
    with postgresql.migrated() as url:
        database = Database(url)
        rows = database.read(
            lambda session: session.execute(
                "SELECT table_name, column_name, collation_name FROM information_schema.columns "
                "WHERE table_name LIKE 'farthing\\_%' AND data_type = 'text'"
            )
        )
        database.close()
    assert rows
    assert [row for row in rows if row[2] != "C"] == []


def test_migrating_again_changes_nothing(empty_database_url: str):
    assert farthing.migrate(empty_database_url) == farthing.migrate(empty_database_url)


def test_several_processes_and_threads_may_migrate_at_once(empty_database_url: str):
    script = f"""
import farthing
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as threads:
    print(*set(threads.map(farthing.migrate, [{empty_database_url!r}] * 2)))
"""
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate()[0] for process in running}
    assert answers == {farthing.migrate(empty_database_url) + "\n"}


def test_a_database_without_tables_is_refused_at_the_start(empty_database_url: str):
    with pytest.raises(NotMigrated, match="farthing migrate"):
        farthing.open(empty_database_url, catalog=shop())


def test_a_database_from_the_future_is_refused(database_url: str):
    database = Database(database_url)
    with database.writing() as session:
        session.execute("UPDATE farthing_version SET version_num = '9999'")
    database.close()
    with pytest.raises(NotMigrated, match="older than the database"):
        farthing.open(database_url, catalog=shop())


def test_a_mode_is_settled_once(empty_database_url: str):
    farthing.migrate(empty_database_url, mode="live")
    with pytest.raises(ModeMismatch, match="live"):
        farthing.migrate(empty_database_url, mode="test")
    database = Database(empty_database_url)
    assert migrations.mode(database) == "live"
    database.close()


@pytest.mark.row("L1")
def test_the_scale_of_a_type_is_fixed_by_its_first_entry(database_url: str, clock: Clock):
    finer = SHOP.replace("scale = 2", "scale = 3")
    farthing.open(database_url, catalog=shop(finer)).close()
    with proved(database_url, clock) as credits:
        credits.grant("ada", "chat", 1, key="g", source="gift")
    with pytest.raises(ScaleChanged, match=r"credit_types\.chat\.scale is 3 .* scale 2"):
        farthing.open(database_url, catalog=shop(finer))


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "", "sqlite", "sqlite://app.db"])
def test_a_url_nobody_understands_is_refused(url: str):
    with pytest.raises(SettingsInvalid):
        farthing.open(url, catalog=shop())


def test_a_database_that_does_not_answer_is_named_without_its_password():
    with pytest.raises(DatabaseUnreachable) as error:
        farthing.open("postgresql://ada:secret@127.0.0.1:9/none", catalog=shop())
    assert "127.0.0.1:9" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "app.db").write_text("this is a letter to my aunt, it is not a database" * 100)
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        farthing.open(f"sqlite:///{tmp_path}/app.db", catalog=shop())


def test_a_read_only_file_can_be_read_and_says_why_it_cannot_be_written(sqlite, clock: Clock):
    with sqlite.migrated() as url:
        with farthing.open(url, catalog=shop(), clock=clock) as credits:
            credits.grant("ada", "images", 1, key="g", source="gift")
        path = url.removeprefix("sqlite:///")
        with farthing.open(f"sqlite:///file:{path}?mode=ro&uri=true", catalog=shop(), clock=clock) as credits:
            assert credits.balance("ada", "images").posted == 1
            with pytest.raises(DatabaseUnreachable, match="read-only"):
                credits.deduct("ada", "images", 1, key="d")


def test_the_files_mode_is_left_as_it_was(sqlite):
    with sqlite.migrated() as url:
        path = url.removeprefix("sqlite:///")
        with farthing.open(url, catalog=shop()) as credits:
            credits.grant("ada", "images", 1, key="g", source="gift")
        assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_orders_from_before_they_were_sealed_are_sealed_and_keep_their_keys(databases, clock: Clock):
    columns = [name for name in orders.c.keys() if name not in ("seal", "promo_code", "promo_bonus", "paying")]
    with databases.migrated() as url, selling(url, clock) as credits:
        made = credits.checkout("ada", package="starter", key="cart:1").order
        with credits.database.reading() as session:
            [row] = session.execute(f"SELECT {', '.join(columns)} FROM farthing_orders")
            named = session.execute("SELECT provider, reference, account, order_id FROM farthing_provider_references")
    with databases.empty() as url:
        database = Database(url)
        database.change_schema(lambda connection: upgrade(connection, "0005"))
        with database.writing() as session:
            kept = [json.dumps(part) if isinstance(part, dict) else part for part in row]
            places = ", ".join("?" * len(columns))
            session.execute(f"INSERT INTO farthing_orders ({', '.join(columns)}) VALUES ({places})", kept)
            for one in named:
                session.execute("INSERT INTO farthing_provider_references VALUES (?, ?, ?, ?)", one)
        database.close()
        farthing.migrate(url)
        with selling(url, clock) as credits:
            report = credits.verify()
            assert (report.orders, report.faults) == (1, [])
            with pytest.raises(KeyReused):
                credits.grant("ada", "images", 1, key="cart:1", source="gift")
            assert credits.order("ada", made.id) == made


def upgrade(connection: sa.Connection, revision: str) -> None:
    config = migrations._config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
