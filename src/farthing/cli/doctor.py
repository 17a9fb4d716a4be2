"""`farthing doctor`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import require_file
from farthing.errors import FarthingError

if TYPE_CHECKING:
    from farthing.catalog import Catalog
    from farthing.settings import Settings
    from farthing.store.database import Database

CLOCK_WARN_S = 2
CLOCK_FAIL_S = 60
JOBS_WARN_S = 3600


class Finding(NamedTuple):
    """One thing looked at. The remedy is empty where all is well, or where `found` says it."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Look whether all is ready: settings, catalog, database, clock, secret. Ends with 1 where something fails."""
    findings = list(_examine())
    healthy = all(finding.state != "fail" for finding in findings)
    if as_json:
        output.document({"healthy": healthy, "findings": findings})
    else:
        for one in findings:
            output.say(f"{one.state:5} {one.subject:9} {one.found}{f' → {one.remedy}' if one.remedy else ''}")
    if not healthy:
        raise typer.Exit(output.REFUSED)


def _examine() -> Iterator[Finding]:
    from farthing import settings

    yield Finding("python", "ok", platform.python_version())
    try:
        found = settings.load()
    except FarthingError as error:
        yield Finding("settings", "fail", error.message)
        return
    yield Finding("settings", "ok", f"database {found.database_shown}, catalog {found.catalog}")
    yield _secret(found)
    yield _providers(found)
    catalog = yield from _catalog(found)
    yield from _database(found, catalog)


def _secret(settings: Settings) -> Finding:
    from farthing.settings import SECRET_FILE

    if not settings.secret:
        remedy = "`farthing init` makes one, or set FARTHING_SECRET"
        return Finding("secret", "warn", "there is none: links, sessions and tokens refuse, the ledger works", remedy)
    file = Path(SECRET_FILE)
    if file.exists() and file.stat().st_mode & 0o077:
        return Finding("secret", "warn", f"others on this machine can read {file}", f"chmod 600 {file}")
    return Finding("secret", "ok", f"{len(settings.secret)} of them, the first signs")


def _providers(settings: Settings) -> Finding:
    from farthing.opening import collecting

    try:
        found = collecting(settings, livemode=False)
    except FarthingError as error:
        return Finding("providers", "fail", error.message)
    return Finding("providers", "ok", ", ".join(one.name for one in found) or "none but the sandbox")


def _catalog(settings: Settings) -> Generator[Finding, None, Catalog | None]:
    from farthing import catalog

    try:
        loaded = catalog.load(settings.catalog)
    except FarthingError as error:
        yield Finding("catalog", "fail", error.message)
        return None
    yield Finding("catalog", "ok", f"version {loaded.version}: {', '.join(loaded.credit_types)}")
    for warning in loaded.warnings:
        yield Finding("catalog", "warn", warning, f"correct {settings.catalog}, or leave it if it is meant")
    return loaded


def _database(settings: Settings, catalog: Catalog | None) -> Iterator[Finding]:
    from farthing.store.database import Database

    try:
        require_file(settings)
    except FarthingError as error:
        yield Finding("database", "fail", error.message)
        return
    database = Database(settings.database_url)
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("database", lambda: _version(database)),
        ("journal", lambda: _journal(database)),
        ("clock", lambda: _clock(database)),
        ("schema", lambda: _schema(database)),
        ("writing", lambda: _writing(database)),
        ("scales", lambda: _scales(database, catalog)),
        ("jobs", lambda: _jobs(database)),
    ]
    try:
        for subject, look in looks:
            try:
                yield look()
            except FarthingError as error:
                yield Finding(subject, "fail", error.message)
                return
    finally:
        database.close()


def _version(database: Database) -> Finding:
    about = database.about()
    if about.supported:
        return Finding("database", "ok", about.version)
    return Finding("database", "fail", about.version, f"install {about.oldest} or later")


def _journal(database: Database) -> Finding:
    mode = database.about().journal_mode
    if mode in (None, "wal", "memory"):
        return Finding("journal", "ok", mode or "the server's own")
    return Finding("journal", "warn", f"{mode}: readers and the writer wait for each other", "`farthing init` sets wal")


def _clock(database: Database) -> Finding:
    apart_s = abs((database.about().clock - datetime.now(UTC)).total_seconds())
    found = f"{apart_s:.1f} s apart from the database's"
    remedy = "set both clocks by a time server: credits expire by this machine's"
    if apart_s > CLOCK_WARN_S:
        return Finding("clock", "fail" if apart_s > CLOCK_FAIL_S else "warn", found, remedy)
    return Finding("clock", "ok", found)


def _schema(database: Database) -> Finding:
    from farthing.store import migrations

    migrations.require_current(database)
    return Finding("schema", "ok", f"version {migrations.version(database)}, {migrations.mode(database)} mode")


def _writing(database: Database) -> Finding:
    # It changes nothing, and yet a read-only file or a standby server refuses it.
    database.run(lambda session: session.execute("UPDATE farthing_meta SET value = value WHERE name = ''"))
    return Finding("writing", "ok", "the database takes changes")


def _scales(database: Database, catalog: Catalog | None) -> Finding:
    from farthing.store import scales

    if catalog is None:
        return Finding("scales", "warn", "not compared: there is no catalog to compare with")
    with database.reading() as session:
        scales.check(session, catalog.credit_types.values())
    return Finding("scales", "ok", "the ledger counts as the catalog does")


def _jobs(database: Database) -> Finding:
    from farthing.jobs import JOBS, last_runs

    runs = last_runs(database)
    failed = [f"{run.name}: {run.error}" for run in runs if run.error]
    if failed:
        return Finding("jobs", "warn", "; ".join(failed), "`farthing jobs --once` shows it again")
    if len(runs) < len(JOBS):
        remedy = "`farthing serve` and `farthing jobs` run them; so does credits.start_jobs()"
        return Finding("jobs", "warn", "not all of them ever ran: idle accounts keep what expired on the books", remedy)
    oldest = min(run.finished_at for run in runs)
    late_s = (datetime.now(UTC) - oldest).total_seconds()
    found = f"last run {late_s:.0f} s ago"
    return Finding("jobs", "ok" if late_s < JOBS_WARN_S else "warn", found)
