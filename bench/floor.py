"""The floor: the least a ledger can do, one statement for each transaction, driven by pgbench.

A guarded UPDATE of a balance and an INSERT of an entry with a unique key; no lots, no replayed answer, no seals.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from bench.measure import Contender, Inexact, Run, Skipped
from bench.postgres import Postgres

Load = Literal["spread", "hot"]

CLIENT_COUNTS = (4, 8, 16, 32)

TABLES = """
CREATE TABLE floor_balances (account text COLLATE "C" PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE floor_entries (account text COLLATE "C", key text COLLATE "C", amount bigint NOT NULL,
                            created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (account, key));
"""
FILL = "INSERT INTO floor_balances SELECT 'user-' || n, 1000000000000 FROM generate_series(1, %s) n"
TALLY = "SELECT (SELECT count(*) FROM floor_entries), (SELECT sum(1000000000000 - balance) FROM floor_balances)"
SCRIPT = r"""
\set account random(1, {accounts})
\set key random(1, 9223372036854775806)
WITH paid AS (
    UPDATE floor_balances SET balance = balance - 1 WHERE account = 'user-' || :account AND balance >= 1
    RETURNING account
)
INSERT INTO floor_entries (account, key, amount) SELECT account, 'key-' || :key, -1 FROM paid;
"""


class Floor:
    """The floor's tables in a database of their own."""

    def __init__(self, server: Postgres, database: str, accounts: int) -> None:
        self._server = server
        self._database = database
        self._accounts = accounts
        self._entries = 0
        with server.connect(database) as connection:
            connection.execute(TABLES)
            connection.execute(FILL, [accounts])
        server.settle(database)

    def at(self, clients: int, load: Load = "spread") -> Contender:
        """So many clients, on all accounts or on one."""
        script = SCRIPT.format(accounts=self._accounts if load == "spread" else 1)

        def work(seconds: float) -> Run:
            run = pgbench(self._server, self._database, script, clients, seconds)
            self._prove(run)
            return run

        return work

    def at_its_best(self, seconds: float) -> Contender:
        """With whatever count of clients does most on this machine."""
        return max(map(self.at, CLIENT_COUNTS), key=lambda contender: contender(seconds).per_s)

    def _prove(self, run: Run) -> None:
        with self._server.connect(self._database) as connection:
            [(entries, debited)] = connection.execute(TALLY).fetchall()
        if not entries == debited == self._entries + run.operations:
            raise Inexact(f"the floor says {run.operations}, wrote {entries - self._entries}, {debited=}")
        self._entries = entries


@contextmanager
def floor(server: Postgres, accounts: int) -> Generator[Floor]:
    with server.database() as database:
        yield Floor(server, database, accounts)


def pgbench(server: Postgres, database: str, script: str, clients: int, seconds: float) -> Run:
    """One turn of pgbench with prepared statements. It counts in whole seconds.

    Raises:
        Skipped: it is not on this machine.
    """
    if not (server.programs / "pgbench").exists():
        raise Skipped("pgbench is not on this machine")
    duration = max(1, round(seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        threads = min(clients, os.cpu_count() or 1)
        how = ["-n", "-M", "prepared", "-c", str(clients), "-j", str(threads), "-T", str(duration), "-f", file.name]
        done = subprocess.run(
            [server.programs / "pgbench", *how, server.url(database)], capture_output=True, text=True, check=False
        )
    operations = re.search(r"^number of transactions actually processed: (\d+)", done.stdout, re.MULTILINE)
    per_s = re.search(r"^tps = ([\d.]+) \(without", done.stdout, re.MULTILINE)
    if done.returncode or not operations or not per_s:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return Run(int(operations[1]), int(operations[1]) / float(per_s[1]))
