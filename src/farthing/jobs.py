"""Jobs: what is done for nobody in particular. Each takes due rows only, may run twice or late, and harms nothing.

Nobody runs them behind the application's back: `credits.start_jobs()`, `farthing jobs`, or the server.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from farthing.errors import FarthingError
from farthing.store.database import Database, Session
from farthing.store.sql import dumps

if TYPE_CHECKING:
    from farthing.credits import Credits

log = logging.getLogger("farthing")

EVERY_S = 30.0

Counts = dict[str, int]


class JobRun(NamedTuple):
    """The last run of a job. `error` says why it did not finish; then `counts` is None."""

    name: str
    started_at: datetime
    finished_at: datetime
    counts: Counts | None
    error: str | None


def expire(credits: Credits) -> Counts:
    """Books what came due in wallets that nobody wrote to since."""
    return {"entries": credits.expire()}


def drip(credits: Credits) -> Counts:
    """Pays what is due for subscriptions, and carries them on."""
    return credits.drip()


def webhooks(credits: Credits) -> Counts:
    """Handles stored events that failed, or whose handling was cut off."""
    return credits.handle_events()._asdict()


def reconcile(credits: Credits) -> Counts:
    """Asks providers about orders that wait for money, as far as one is due."""
    return credits.heal_orders()._asdict()


def plans(credits: Credits) -> Counts:
    """Asks providers how the plans stand that they bill, as far as one is due."""
    return credits.heal_plans()._asdict()


def top_up(credits: Credits) -> Counts:
    """Charges saved cards of accounts below what they agreed to, and carries on what was cut off."""
    return credits.top_up_due()


def remind(credits: Credits) -> Counts:
    """Tells of credits that expire soon."""
    return {"lots": credits.remind()}


def deliver(credits: Credits) -> Counts:
    """Sends events to endpoints, as far as they are due."""
    return credits.deliver()


JOBS: dict[str, Callable[[Credits], Counts]] = {
    "drip": drip,
    "expire": expire,
    "plans": plans,
    "reconcile": reconcile,
    "remind": remind,
    "top_up": top_up,
    "webhooks": webhooks,
    "deliver": deliver,
}


class Jobs:
    """A thread that runs all jobs now and then. Several processes may each have one."""

    def __init__(self, credits: Credits, every_s: float) -> None:
        self._credits = credits
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="farthing-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets the job under way end, and then no other begin."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            run_all(self._credits)
            self._stopping.wait(self._every_s)


def run_all(credits: Credits) -> list[JobRun]:
    """Every job once, one after another; one that fails says so in its run and leaves the others alone."""
    return [run_one(credits, name) for name in JOBS]


def last_runs(database: Database) -> list[JobRun]:
    """When each job last ran in this database, and what came of it; jobs that never did are left out."""
    return database.read(_read)


def run_one(credits: Credits, name: str) -> JobRun:
    """One job, once. What it raises is told by its run."""
    started_at = credits.clock()
    try:
        run = JobRun(name, started_at, credits.clock(), JOBS[name](credits), None)
    except Exception as error:
        log.warning("the job %s did not finish: %r", name, error)
        run = JobRun(name, started_at, credits.clock(), None, str(error)[:500])
    run = run._replace(finished_at=credits.clock())
    try:
        credits.database.run(lambda session: _keep(session, run))
    except FarthingError as error:
        log.warning("the run of the job %s could not be noted: %r", name, error)
    return run


def _keep(session: Session, run: JobRun) -> None:
    time_in = session.dialect.time_in
    counts = None if run.counts is None else dumps(run.counts)
    session.execute(
        "INSERT INTO farthing_jobs (name, started_at, finished_at, counts, error) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, finished_at = excluded.finished_at, "
        "counts = excluded.counts, error = excluded.error",
        (run.name, time_in(run.started_at), time_in(run.finished_at), counts, run.error),
    )


def _read(session: Session) -> list[JobRun]:
    load, time_out = session.dialect.json_out, session.dialect.time_out
    rows = session.execute("SELECT name, started_at, finished_at, counts, error FROM farthing_jobs ORDER BY name")
    return [JobRun._make((row[0], time_out(row[1]), time_out(row[2]), load(row[3]), row[4])) for row in rows]
