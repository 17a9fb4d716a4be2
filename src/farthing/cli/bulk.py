"""`farthing grant --csv` and `farthing deduct --csv`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import typer

from farthing.amounts import text
from farthing.cli import feeding, output
from farthing.cli.arguments import Feed
from farthing.cli.starting import opened
from farthing.errors import InvalidField

if TYPE_CHECKING:
    from farthing.bulk import Bulk

STDIN = "-"
DOING = {"grant": "Granting", "deduct": "Deducting"}
DONE = {"grant": "granted", "deduct": "deducted"}


def carry_out(verb: Literal["grant", "deduct"], feed: Feed, said: Mapping[str, str | None], as_json: bool) -> None:
    """Every row of the file; ends with 1 where one was refused or could not be read."""
    from farthing.bulk import Bulk
    from farthing.sheet import Sheet

    name, delimiter = feed.csv or "", _delimiter(feed.delimiter)
    path = None if name == STDIN else Path(name)
    with opened() as credits, _open(path, feed) as file:
        size_bytes = path.stat().st_size if path else 0
        sheet = Sheet(file, name=name, size_bytes=size_bytes, delimiter=delimiter)
        run = Bulk(credits, verb, sheet, said={**said, "credit_type": feed.credit_type}, key_prefix=feed.key_prefix)
        summary = partial(_summary, run, verb, feed, as_json)
        with feeding.report(feed.refused, path, run.report_header, delimiter=delimiter) as reject:
            what = "Checking" if feed.dry_run else DOING[verb]
            with feeding.progress(what, quiet=as_json or not size_bytes, summary=summary) as told:
                (run.check if feed.dry_run else run.run)(reject=reject, progress=told)
    if run.tally.refused or run.tally.unreadable:
        raise typer.Exit(output.REFUSED)


def _delimiter(said: str | None) -> str:
    found = {None: ",", "tab": "\t", "\\t": "\t"}.get(said, said) or ""
    if len(found) != 1 or found in '"\r\n':
        raise InvalidField(
            f"--delimiter is {said!r}, not one character or tab. Nothing was changed.", field="delimiter"
        )
    return found


def _open(path: Path | None, feed: Feed) -> AbstractContextManager[BinaryIO]:
    if feed.key_prefix is not None and not (path and path.is_file()):
        raise InvalidField(
            "Rows out of a pipe need a column of keys: nobody could tell whether they are the same the next time. "
            "Nothing was changed.",
            field="key_prefix",
        )
    try:
        return path.open("rb") if path else nullcontext(sys.stdin.buffer)
    except OSError as error:
        raise InvalidField(f"{path} cannot be read: {error.strerror}. Nothing was changed.", field="file") from None


def _summary(
    run: Bulk, verb: Literal["grant", "deduct"], feed: Feed, as_json: bool, finished: bool, seconds: float
) -> None:
    tally = run.tally
    if as_json:
        credits = {code: text(amount) for code, amount in run.credits.items()}
        output.document(
            {
                "file": feed.csv, "finished": finished, "dry_run": feed.dry_run, **vars(tally), "credits": credits,
                "seconds": round(seconds, 3), "rows_per_second": feeding.rate(tally.rows, seconds),
            }
        )  # fmt: skip
        return
    output.say(f"{feeding.speed(tally.rows, seconds)}.")
    words = {"done": DONE[verb], "replayed": "already there, nothing changed", "refused": "refused"}
    feeding.say_counts(tally, {**words, "unreadable": "unreadable"})
    for code, amount in run.credits.items():
        output.say(f"{text(amount)} {code} were {DONE[verb]}.")
    if feed.dry_run:
        output.say("Checked only: nothing was changed.")
    elif not finished:
        output.say(feeding.UNFINISHED)
