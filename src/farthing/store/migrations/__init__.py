"""The schema's history, as Alembic revisions inside the package, and the way to apply it."""

from __future__ import annotations

import threading

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from farthing.errors import FarthingError, ModeMismatch, NotMigrated
from farthing.store.database import Database

VERSION_TABLE = "farthing_version"
MODES = ("test", "live")

_one_at_a_time = threading.Lock()  # Alembic keeps its context in module globals


def migrate(database: Database, *, mode: str = "test") -> str:
    """Brings the schema to this version's; runs again without harm. Returns the schema's version.

    Args:
        mode: "test" or "live"; settled by the first migration and never changed after.
    Raises:
        ModeMismatch: the database was made for the other mode.
    """
    with _one_at_a_time:
        database.change_schema(lambda connection: _upgrade(connection, mode))
    return _head()


def require_current(database: Database) -> None:
    """Nothing, where the schema is this version's.

    Raises:
        NotMigrated: run `farthing migrate`; or this Farthing is older than the database.
    """
    found = version(database)
    if found == _head():
        return
    if found is None:
        raise NotMigrated("The database has no Farthing tables yet. Nothing was changed. Run `farthing migrate`.")
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    todo = "Run `farthing migrate`." if found in known else "This Farthing is older than the database: upgrade it."
    raise NotMigrated(f"The database's schema is version {found}, this Farthing wants {_head()}. {todo}")


def version(database: Database) -> str | None:
    """The schema version the database has; None before the first migration."""
    with database.schema_view() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


def mode(database: Database) -> str:
    """ "test" or "live", as the first migration settled it."""
    with database.reading() as session:
        rows = session.execute("SELECT value FROM farthing_meta WHERE name = 'mode'")
    if not rows:
        raise FarthingError("The database does not say its mode.")
    return rows[0][0]


def _upgrade(connection: sa.Connection, mode: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    settled = connection.exec_driver_sql("SELECT value FROM farthing_meta WHERE name = 'mode'").scalar()
    if settled is None:
        connection.execute(sa.text("INSERT INTO farthing_meta VALUES ('mode', :mode)"), {"mode": mode})
    elif settled != mode:
        raise ModeMismatch(f"This database is in {settled} mode and stays so. Nothing was changed.")


def _head() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "farthing:store/migrations")
    return config
