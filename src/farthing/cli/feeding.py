"""What `replay` and the CSV files of `grant` and `deduct` have in common: a bar, a report of rows, a summary."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from farthing.cli import output
from farthing.errors import InvalidField

_SHOWN = 5  # rejected rows told on stderr where no report is asked for
UNFINISHED = "Not finished. What is counted here is recorded; the same command goes on from there."


class Rejected(Protocol):
    """A row that was not carried out; `cells` are its line of the report."""

    @property
    def row(self) -> int: ...

    @property
    def line(self) -> int: ...

    @property
    def message(self) -> str: ...

    @property
    def cells(self) -> Sequence[Any]: ...


@contextmanager
def report(
    path: Path | None, source: Path | None, header: Sequence[str], *, delimiter: str = ","
) -> Generator[Callable[[Rejected], None]]:
    """Where rejected rows are told: in a CSV file, or the first few on stderr.

    Raises:
        InvalidField: the file is the very `source` of the rows, or cannot be written.
    """
    if path is None:
        yield _tell_first()
        return
    if source is not None and path.exists() and path.samefile(source):
        raise InvalidField("--refused names the file that is read. Nothing was changed.", field="refused")
    try:
        file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise InvalidField(
            f"{path} cannot be written: {error.strerror}. Nothing was changed.", field="refused"
        ) from None
    with file:
        rows = csv.writer(file, delimiter=delimiter)
        rows.writerow(header)
        yield lambda rejected: rows.writerow([output.words(value) for value in rejected.cells])


@contextmanager
def progress(
    what: str, *, quiet: bool, summary: Callable[[bool, float], None]
) -> Generator[Callable[[int, int], None]]:
    """A bar of bytes; afterwards `summary` is told whether it finished and in how many seconds, whatever happened."""
    finished, started = False, perf_counter()
    try:
        with output.progress(what, unit="bytes", quiet=quiet) as told:
            yield told
        finished = True
    finally:
        summary(finished, perf_counter() - started)


def rate(rows: int, seconds: float) -> int:
    """Rows a second."""
    return round(rows / seconds) if seconds else 0


def speed(rows: int, seconds: float) -> str:
    """How many rows, and how fast, in words."""
    return f"{rows:,} {'row' if rows == 1 else 'rows'} in {seconds:.1f} s, {rate(rows, seconds):,} a second"


def say_counts(tally: object, words: dict[str, str]) -> None:
    """A line for each count that is not zero."""
    for name, what in words.items():
        if counted := getattr(tally, name):
            output.say(f"{counted:>11,} {what}")


def _tell_first() -> Callable[[Rejected], None]:
    left = iter(range(_SHOWN, -1, -1))

    def tell(rejected: Rejected) -> None:
        match next(left, None):
            case None:
                return
            case 0:
                output.note("… and more: --refused FILE lists them all.")
            case _:
                output.note(f"row {rejected.row} (line {rejected.line}): {rejected.message}")

    return tell
