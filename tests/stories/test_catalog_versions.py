"""What each version of the catalog said can be read for as long as entries and orders name it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

import farthing
from farthing import Credits
from farthing.catalog import as_kept, kept, parse
from farthing.cli import setup
from farthing.errors import NotFound
from farthing.store.database import Database
from tests.kit import SHOP, Clock, proved, shop
from tests.selling import STORE, selling
from tests.test_catalog import SELLING
from tests.test_telling import SHOP as WHOLE


def versions(credits: Credits) -> list[str]:
    return [one.version for one in credits.catalog_versions()]


@pytest.mark.row("C1")
def test_what_entries_and_orders_name_can_be_read(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        first = credits.checkout("ada", package="starter", key="buy:1").order.catalog_version
        started = clock.now
    clock.move("1d")
    with selling(database_url, clock, STORE.replace("9.90", "11.00")) as credits:
        second = credits.grant("ada", "images", 5, key="g", source="promo").catalog_version
        assert versions(credits) == [second, first]
        old = credits.catalog_version(first)
        assert (old.version, old.first_seen_at) == (first, started)
        assert as_kept(old.version, old.document) == parse(STORE)
        with pytest.raises(NotFound):
            credits.catalog_version("nothing")


@pytest.mark.row("C1")
def test_looking_keeps_nothing_and_each_way_to_write_keeps_it_once(database_url: str, clock: Clock):
    with proved(database_url, clock) as credits:
        credits.balance("ada", "images")
        credits.catalog_versions()
        assert versions(credits) == []
    doors = [
        lambda credits: credits.grant("ada", "images", 1, key="a", source="gift"),
        lambda credits: credits.open_account("bob"),
        lambda credits: credits.run(lambda tx: tx.grant("ada", "images", 1, key="b", source="gift")),
    ]
    for n, write in enumerate(doors, 1):
        with proved(database_url, clock, SHOP.replace("amount = 10", f"amount = {n}")) as credits:
            write(credits)
            write(credits)
            assert versions(credits).count(credits.catalog.version) == 1
            assert len(versions(credits)) == n
    with proved(database_url, clock) as credits, credits.begin() as tx:
        tx.grant("ada", "images", 1, key="c", source="gift")
    with proved(database_url, clock) as credits:
        assert credits.catalog.version in versions(credits)


@pytest.mark.row("C1")
def test_inside_the_application_s_transaction_too(database_url: str, clock: Clock):
    with proved(database_url, clock) as credits:
        engine = sa.create_engine(credits.database.url)
        with engine.connect() as connection:
            credits.on(connection).grant("ada", "images", 1, key="a", source="gift")
            connection.rollback()
        with engine.begin() as connection:
            hosted = credits.on(connection)
            hosted.grant("ada", "images", 1, key="b", source="gift")
            hosted.grant("ada", "images", 1, key="c", source="gift")
        with engine.begin() as connection:
            credits.on(connection).grant("ada", "images", 1, key="d", source="gift")
        engine.dispose()
        assert versions(credits) == [credits.catalog.version]


def test_no_application_s_transaction_holds_up_others_that_keep_the_same_version(postgresql, clock: Clock):
    with postgresql.migrated() as url:
        with proved(url, clock) as credits:
            credits.grant("ada", "images", 1, key="a", source="gift")
        changed = SHOP.replace("amount = 10", "amount = 20")
        with proved(url, clock, changed) as ours, proved(url, clock, changed) as theirs:
            engine = sa.create_engine(ours.database.url)
            with engine.begin() as connection:
                ours.on(connection).grant("ada", "images", 1, key="b", source="gift")
                theirs.grant("bob", "images", 1, key="a", source="gift")
                assert theirs.catalog.version in versions(theirs)
            engine.dispose()


def test_many_processes_that_begin_at_once_keep_it_once(database_url: str, tmp_path: Path):
    (tmp_path / "farthing.toml").write_text(SHOP)
    script = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
import farthing
with farthing.open({database_url!r}, catalog="farthing.toml") as credits, ThreadPoolExecutor(4) as threads:
    sys.stdin.read(1)
    list(threads.map(lambda n: credits.grant(f"{{sys.argv[1]}}-{{n}}", "images", 1, key="g", source="gift"), range(8)))
"""
    command = [sys.executable, "-c", script]
    running = [subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, cwd=tmp_path) for n in range(3)]
    for process in running:
        process.communicate(b"x", timeout=60)
    assert [process.returncode for process in running] == [0, 0, 0]
    with farthing.open(database_url, catalog=shop()) as credits:
        assert versions(credits) == [credits.catalog.version]


def test_what_cannot_be_kept_stops_no_verb(database_url: str, clock: Clock, caplog: pytest.LogCaptureFixture):
    database = Database(database_url)
    with database.writing() as session:
        session.execute("ALTER TABLE farthing_catalog_versions RENAME COLUMN document TO no_document")
    database.close()
    with caplog.at_level(logging.WARNING, "farthing"), proved(database_url, clock) as credits:
        credits.grant("ada", "images", 1, key="a", source="gift")
        credits.grant("ada", "images", 1, key="b", source="gift")
        assert credits.balance("ada", "images").posted == 2
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"what the catalog {shop().version} says could not be kept"
    ]


@pytest.mark.parametrize("text", [SHOP, STORE, SELLING, WHOLE, setup.DEMO_CATALOG.read_text("utf-8")])
def test_a_catalog_read_again_is_the_same(text: str):
    catalog = parse(text)
    assert as_kept(catalog.version, catalog.document) == catalog


toml = st.recursive(
    st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), toml, max_size=4))
def test_what_is_kept_says_the_same_digit_for_digit(said: dict):
    again = kept.document(kept.written(said))
    assert again == said
    assert json.loads(kept.written(said)) is not None
    assert kept.written(again) == kept.written(said)
