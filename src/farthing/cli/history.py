"""`farthing history`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from farthing.cli import output
from farthing.cli.arguments import Account, AnyType, AsJson, moment, zone_of
from farthing.cli.starting import opened
from farthing.errors import InvalidField
from farthing.views import Page

_WHEN = "A date, which begins in the account's zone, or a time with a zone"


def history(
    account: Account,
    credit_type: AnyType = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind, such as deduct; repeat it for more.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only lots made so, such as gift; repeat it.")] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help=f"Recorded then or later. {_WHEN}.")] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Recorded before then.")] = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Stands in the key, operation or link.")] = None,
    sort: Annotated[str, typer.Option(help="newest, oldest, largest or smallest.")] = "newest",
    limit: Annotated[int | None, typer.Option(help="How many entries, 1 to 500; left out: 50.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Go on where the page before ended: its next_cursor.")] = None,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="Write all of them as CSV; - is stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the entries of an account, or write them to a file."""
    if csv is not None and (limit is not None or cursor is not None):
        raise InvalidField("--csv writes all entries. Leave out --limit and --cursor.", field="csv")
    with opened() as credits:
        asked: dict[str, Any] = {
            "kinds": kind or (), "sources": source or (), "search": search, "sort": sort,
            "since": moment("--since", since, lambda: zone_of(credits, account)),
            "until": moment("--until", until, lambda: zone_of(credits, account)),
        }  # fmt: skip
        if csv is not None:
            with closing(credits.export_history(account, credit_type, **asked)) as blocks:
                _write(csv, blocks, as_json=as_json)
        else:
            limit = 50 if limit is None else limit
            _show(credits.history(account, credit_type, **asked, limit=limit, cursor=cursor), as_json=as_json)


def _show(page: Page, *, as_json: bool) -> None:
    if as_json:
        output.document({**page._asdict(), "data": [line.as_dict() for line in page.data]})
        return
    columns = ["recorded", "entry", "kind", "amount", "held", "available", "source", "operation", "key"]
    output.table(
        columns,
        [
            (
                line.recorded_at, line.id, line.kind, line.amount, line.held_change or None, line.available,
                line.source, line.operation, line.key,
            )
            for line in page.data
        ],
    )  # fmt: skip
    if page.has_more:
        output.note(f"There is more: --cursor {page.next_cursor}")


def _write(name: str, blocks: Iterator[str], *, as_json: bool) -> None:
    if name == "-":
        sys.stdout.writelines(blocks)
        return
    rows = 0
    try:
        with Path(name).open("w", encoding="utf-8", newline="") as file:
            for block in blocks:
                file.write(block)
                rows += block.count("\r\n")  # no cell holds one: the ledger takes no control characters
    except OSError as error:
        raise InvalidField(f"{name} cannot be written: {error.strerror}.", field="csv") from None
    if as_json:
        output.document({"file": name, "entries": rows - 1})
    else:
        output.say(f"Wrote {rows - 1:,} entries to {name}.")
