"""What several commands take: their arguments and options, and words that become times and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

import typer

from farthing.errors import InvalidField

AsJson = Annotated[
    bool, typer.Option("--json", help="Answer with one JSON document on stdout; an error is JSON on stderr.")
]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Who holds the credits: your own id for them.")]
CreditType = Annotated[str, typer.Argument(metavar="TYPE", help="Credit type, by its name in the catalog.")]
AnyType = Annotated[str | None, typer.Argument(metavar="TYPE", help="Only this credit type; left out: all.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Credits, more than zero, such as 5 or 5.25.")]
Key = Annotated[
    str,
    typer.Option(
        metavar="KEY",
        help="Your own name for this one wish, such as an order or job number. Saying it again with the same key "
        "changes nothing more, so a retry is safe. Farthing never makes one up: it could not know a retry from a wish.",
    ),
]
Reason = Annotated[str | None, typer.Option(help="An operator's words for the books; customers do not see them.")]
Actor = Annotated[str | None, typer.Option(help="Who does this.")]
Metadata = Annotated[str | None, typer.Option(metavar="JSON", help="A JSON object kept with the entry, at most 8 KiB.")]
OccurredAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="When it happened, with a time zone: 2026-01-31T12:00Z. Only kept.")
]


def instant(option: str, said: str | None) -> datetime | None:
    """The time that an option says.

    Raises:
        InvalidField: not a time, or one without a zone, which could mean any.
    """
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidField(
            f"{option} is {said!r}, not a time. Nothing was changed. Write it like 2026-01-31T12:00Z.", field=option
        ) from None
    if at.tzinfo is None:
        raise InvalidField(
            f"{option} is {said!r}, which has no time zone. Nothing was changed. Write it like {at:%Y-%m-%dT%H:%M}Z.",
            field=option,
        )
    return at


def moment(option: str, said: str | None, zone: Callable[[], str]) -> datetime | None:
    """As `instant`; a date is its start in `zone`, which is asked for only then."""
    try:
        day = date.fromisoformat(said or "")
    except ValueError:
        return instant(option, said)
    return datetime.combine(day, time.min, ZoneInfo(zone()))


def json_object(said: str | None) -> dict[str, Any] | None:
    """What --metadata says.

    Raises:
        InvalidField: not a JSON object.
    """
    if said is None:
        return None
    try:
        value = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"--metadata is not JSON: {error}. Nothing was changed.", field="metadata") from None
    if not isinstance(value, dict):
        raise InvalidField("--metadata is not a JSON object {…}. Nothing was changed.", field="metadata")
    return cast(dict[str, Any], value)
