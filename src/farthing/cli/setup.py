"""`farthing init | migrate`."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.errors import InvalidField, NotReady

if TYPE_CHECKING:
    from farthing.settings import Settings
    from farthing.store.database import Database

DEMO_CATALOG = Path(__file__).with_name("farthing.toml")
NEXT = """
Next:
  farthing open ada                                  an account, with its sign-up gift
  farthing deduct ada images 3 --key first-render    use some of it up
  farthing balance ada                               see what is left
  farthing doctor                                    ask whether all is well
  farthing serve                                     the HTTP API, the portal and the jobs
  farthing link ada                                  Ada's way in to the portal
Say what you sell in {catalog}; `farthing catalog check` finds its mistakes."""

Mode = Annotated[
    str | None,
    typer.Option(
        metavar="test|live",
        help="What the database is for, settled for good by the first run: test where nothing is said.",
    ),
]


class Step(NamedTuple):
    """Something that `init` saw to."""

    subject: str
    made: bool
    found: str


def init(mode: Mode = None, as_json: AsJson = False) -> None:
    """Write farthing.toml and farthing.secret where there are none, and make the database. Overwrites nothing."""
    from farthing import catalog, settings

    _require_mode(mode)
    found = settings.load()
    _require_reach(found)
    steps = [_write_catalog(found.catalog)]
    catalog.load(found.catalog)
    steps += _write_secret(found)
    steps += _make_database(found, mode)
    if as_json:
        output.document({"steps": steps})
        return
    for step in steps:
        output.say(f"{'made' if step.made else 'kept':5} {step.subject:9} {step.found}")
    output.say(NEXT.format(catalog=found.catalog))


def migrate(mode: Mode = None, as_json: AsJson = False) -> None:
    """Make or update Farthing's tables, all or nothing. Harmless to run again; safe when two do it at once."""
    from farthing import settings
    from farthing.store import migrations
    from farthing.store.database import Database

    _require_mode(mode)
    database = Database(settings.load().database_url)
    try:
        before = migrations.version(database)
        after = migrations.migrate(database, mode=_settled(database, mode))
        settled = migrations.mode(database)
    finally:
        database.close()
    if as_json:
        output.document({"before": before, "after": after, "mode": settled})
    else:
        change = "was current already" if before == after else f"is current now, it was {before or 'without tables'}"
        output.say(f"Schema {after} in {settled} mode {change}.")


def _write_catalog(path: Path) -> Step:
    return Step("catalog", _write_new(path, DEMO_CATALOG.read_text("utf-8"), 0o644), str(path))


def _write_secret(settings: Settings) -> list[Step]:
    from farthing.settings import SECRET_FILE

    if settings.secret:
        return [Step("secret", False, SECRET_FILE if Path(SECRET_FILE).exists() else "FARTHING_SECRET")]
    _write_new(Path(SECRET_FILE), f"{token_urlsafe(48)}\n", 0o600)
    steps = [Step("secret", True, f"{SECRET_FILE}, which only you can read; it signs links, sessions and quotes")]
    if any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        steps += [Step("git", True, f".gitignore has {SECRET_FILE} now")] * _ignore(SECRET_FILE)
    return steps


def _ignore(name: str) -> bool:
    path = Path(".gitignore")
    before = path.read_text("utf-8") if path.exists() else ""
    if name in before.split():
        return False
    ended = before if not before or before.endswith("\n") else f"{before}\n"
    path.write_text(f"{ended}{name}\n", "utf-8")
    return True


def _make_database(settings: Settings, mode: str | None) -> list[Step]:
    from farthing.store import migrations
    from farthing.store.database import Database

    database = Database(settings.database_url)
    try:
        before = migrations.version(database)
        after = migrations.migrate(database, mode=_settled(database, mode))
        journal_before = database.about().journal_mode
        journal = database.use_wal()
        settled = migrations.mode(database)
    finally:
        database.close()
    steps = [Step("database", before != after, f"{settings.database_shown}, schema {after}, {settled} mode")]
    if journal:
        steps.append(
            Step("journal", journal != journal_before, f"{journal} mode, in which readers do not wait for the writer")
        )
    return steps


def _require_reach(settings: Settings) -> None:
    """Nothing, where the database can be made: asked before anything is written.

    Raises:
        NotReady: there is no folder for the file. DatabaseUnreachable: the server does not answer.
    """
    from farthing.store import migrations
    from farthing.store.database import Database

    file = settings.database_file
    if file is None:
        database = Database(settings.database_url)
        try:
            migrations.version(database)
        finally:
            database.close()
    elif not file.parent.is_dir():
        raise NotReady(f"There is no folder {file.parent} for the database. Nothing was changed. Make it first.")


def _require_mode(mode: str | None) -> None:
    if mode not in (None, "test", "live"):
        raise InvalidField(f"mode must be test or live, not {mode!r}. Nothing was changed.", field="mode")


def _settled(database: Database, asked: str | None) -> str:
    from farthing.store import migrations

    if asked is not None:
        return asked
    return "test" if migrations.version(database) is None else migrations.mode(database)


def _write_new(path: Path, text: str, permissions: int) -> bool:
    """Whether the file was written: one that exists is left alone."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise NotReady(
            f"{path} cannot be written: {error.strerror}. Run `farthing init` in a folder that you may write to."
        ) from None
    return True
