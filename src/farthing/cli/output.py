"""What a command prints: answers on stdout as text or as one JSON document, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from farthing.amounts import text
from farthing.errors import FarthingError, Invalid, NotReady, Unavailable

REFUSED, MISUSED, NOT_READY = 1, 2, 3
_WIDE = 10_000  # nobody folds lines for a pipe


def say(line: str) -> None:
    """A line of the answer."""
    print(line)


def note(line: str) -> None:
    """A line beside the answer, for people."""
    print(line, file=sys.stderr)


def agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes. Asked on stderr: stdout is the answer's."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def document(value: Any) -> None:
    """The answer as one line of JSON: amounts are exact numbers, times are RFC 3339 in UTC."""
    say(written(value))


def failed(error: FarthingError, *, as_json: bool) -> int:
    """Tells why on stderr; returns the exit code."""
    if as_json:
        note(written({"code": error.code, "message": error.message, **error.facts}))
    else:
        note(error.message)
    if isinstance(error, Invalid):
        return MISUSED
    return NOT_READY if isinstance(error, (NotReady, Unavailable)) else REFUSED


def stopped(code: str, message: str, *, as_json: bool) -> None:
    """Tells on stderr what is no error of Farthing's own: misuse, an interruption."""
    note(written({"code": code, "message": message}) if as_json else message)


def hush() -> None:
    """Whoever read the answer has gone: nothing more is written, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under their headings; amounts to the right. A pipe gets them unfolded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    filled = [list(row) for row in rows]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading, *values in zip(columns, *filled, strict=True):
        amounts = all(isinstance(value, (int, Decimal)) or value is None for value in values) and values
        shown.add_column(heading, justify="right" if amounts else "left", overflow="fold")
    for row in filled:
        shown.add_row(*(Text(words(value)) for value in row))
    terminal = Console(highlight=False)
    if not terminal.is_terminal:
        terminal.width = _WIDE
    with terminal.capture() as drawn:
        terminal.print(shown)
    for line in drawn.get().splitlines():
        say(line.rstrip())


@contextmanager
def progress(what: str, *, unit: str, quiet: bool) -> Generator[Callable[[int, int], None]]:
    """A function to tell how much is done, and of how much: a bar on stderr where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress as bars
    from rich.console import Console

    with bars.Progress(
        bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TaskProgressColumn(),
        bars.TextColumn("{task.completed:,} of {task.total:,} " + unit), bars.TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=0)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def words(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return text(value)
    return value.strftime("%Y-%m-%d %H:%M:%SZ") if isinstance(value, datetime) else str(value)


def written(value: Any) -> str:
    """`value` as JSON; no float touches an amount."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        members = cast(Mapping[str, Any], value).items()
        return "{" + ", ".join(f"{written(name)}: {written(inner)}" for name, inner in members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, cast(list[Any], value))) + "]"
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat().removesuffix("+00:00")}Z"'
    return json.dumps(value if value is None or isinstance(value, (int, float)) else str(value), ensure_ascii=False)
