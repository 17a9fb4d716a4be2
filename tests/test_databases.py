"""The databases that the other tests are given are what they say."""

from collections.abc import Callable

from sqlalchemy import create_engine, inspect, text

from tests.databases import Databases


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_a_migrated_database_has_the_tables_and_nothing_of_its_neighbour(databases: Databases):
    with databases.migrated() as first, databases.migrated() as second:
        engine = create_engine(first)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE only_here (id int)"))
        engine.dispose()
        assert tables(first) - tables(second) == {"only_here"}
        assert "farthing_entries" in tables(second)


def test_an_empty_database_is_empty(empty_database_url: str):
    assert tables(empty_database_url) == set()


def test_the_order_of_text_on_postgresql_is_told(postgresql: Databases, record_property: Callable[[str, object], None]):
    with postgresql.empty() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            version = connection.scalar(text("SHOW server_version"))
            in_order = list(connection.scalars(text("SELECT * FROM (VALUES ('a'), ('B')) AS words ORDER BY 1")))
        engine.dispose()
    sorting = "by language" if in_order == ["a", "B"] else "as bytes, no other locale is to be had"
    record_property("figure", f"PostgreSQL {version} sorts text {sorting}")
