"""Other ledgers on the same server. Neither is part of this repository.

pgledger is read from a checkout that whoever runs this names. nostro is installed from PyPI into an environment of its
own, build/bench.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.floor import Load, pgbench
from bench.measure import Contender, Inexact, Run, Skipped
from bench.postgres import Postgres
from bench.workers import Workers

PGLEDGER = (
    "vendor/scoville-pgsql-ulid/ulid-to-uuid.sql",
    "vendor/scoville-pgsql-ulid/uuid-to-ulid.sql",
    "pgledger.sql",
)
PGLEDGER_FILL = """
CREATE TABLE bench_accounts (number int PRIMARY KEY, payer text NOT NULL, taker text NOT NULL);
INSERT INTO bench_accounts SELECT n, (pgledger_create_account('payer ' || n, 'CREDITS', false)).id,
                                     (pgledger_create_account('taker ' || n, 'CREDITS')).id
FROM generate_series(1, {accounts}) n;
SELECT count(*) FROM bench_accounts, LATERAL pgledger_create_transfer(taker, payer, 1000000000);
"""
PGLEDGER_SCRIPT = r"""
\set payer random(1, {payers})
\set taker random(1, {accounts})
SELECT id FROM pgledger_create_transfer((SELECT payer FROM bench_accounts WHERE number = :payer),
                                        (SELECT taker FROM bench_accounts WHERE number = :taker), 1);
"""

NOSTRO = "hf-nostro[postgres]"
NOSTRO_FOLDER = Path(__file__).parents[1] / "build" / "bench" / "nostro"
NOSTRO_SCALE = "0"


class Pgledger:
    """pgledger's own SQL in a database of its own; an account pays one of many others, so only payers may be hot."""

    def __init__(self, server: Postgres, database: str, checkout: Path, accounts: int) -> None:
        self._server, self._database, self._accounts = server, database, accounts
        with server.connect(database) as connection:
            for path in PGLEDGER:
                connection.execute((checkout / path).read_bytes())
            connection.execute(PGLEDGER_FILL.format(accounts=accounts).encode())
        server.settle(database)
        self._transfers = self._count()

    def at(self, clients: int, load: Load) -> Contender:
        payers = self._accounts if load == "spread" else 1
        script = PGLEDGER_SCRIPT.format(payers=payers, accounts=self._accounts)

        def work(seconds: float) -> Run:
            run = pgbench(self._server, self._database, script, clients, seconds)
            before, self._transfers = self._transfers, self._count()
            if self._transfers - before != run.operations:
                raise Inexact(f"pgledger says {run.operations}, wrote {self._transfers - before}")
            return run

        return work

    def _count(self) -> int:
        with self._server.connect(self._database) as connection:
            return connection.execute("SELECT count(*) FROM pgledger_transfers").fetchall()[0][0]


@contextmanager
def pgledger(server: Postgres, checkout: Path | None, accounts: int) -> Generator[Pgledger]:
    if checkout is None or not all((checkout / path).exists() for path in PGLEDGER):
        raise Skipped("there is no pgledger: name a checkout of github.com/pgr0ss/pgledger with --pgledger")
    with server.database() as database:
        yield Pgledger(server, database, checkout, accounts)


@contextmanager
def nostro(server: Postgres, accounts: int) -> Generator[Workers]:
    """A process that drives nostro: its `load` is "spread" or "hot"."""
    python = _nostro_python()
    with server.database() as database:
        dsn = server.url(database)
        migrate = [python, "-m", "nostro", "migrate", "--dsn", dsn, "--scale", NOSTRO_SCALE]
        subprocess.run(migrate, check=True, stdout=subprocess.DEVNULL)
        driver = Path(__file__).with_name("nostro_callers.py")
        workers = Workers([python, str(driver), dsn, NOSTRO_SCALE, str(accounts)])
        try:
            yield workers
        finally:
            workers.close()


def _nostro_python() -> str:
    python = NOSTRO_FOLDER / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (NOSTRO_FOLDER / "installed").exists():
        venv.create(NOSTRO_FOLDER, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NOSTRO]
        if subprocess.run(install, check=False, stdout=sys.stderr).returncode:
            raise Skipped(f"{NOSTRO} could not be installed; pip's reason is above")
        (NOSTRO_FOLDER / "installed").touch()
    return str(python)
