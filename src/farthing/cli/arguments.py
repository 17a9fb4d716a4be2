"""What several commands take: their arguments and options."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple
from zoneinfo import ZoneInfo

import typer

from farthing.errors import InvalidField, NotFound
from farthing.texts import instant

if TYPE_CHECKING:
    from farthing.credits import Credits

AsJson = Annotated[
    bool, typer.Option("--json", help="Answer with one JSON document on stdout; an error is JSON on stderr.")
]
_ACCOUNT = typer.Argument(metavar="ACCOUNT", help="Who holds the credits: your own id for them.")
_TYPE = typer.Argument(metavar="TYPE", help="Credit type, by its name in the catalog.")
_AMOUNT = typer.Argument(metavar="AMOUNT", help="Credits, more than zero, such as 5 or 5.25.")
Account = Annotated[str, _ACCOUNT]
CreditType = Annotated[str, _TYPE]
Amount = Annotated[str, _AMOUNT]
MaybeAccount = Annotated[str | None, _ACCOUNT]
MaybeType = Annotated[str | None, _TYPE]
MaybeAmount = Annotated[str | None, _AMOUNT]
AnyType = Annotated[str | None, typer.Argument(metavar="TYPE", help="Only this credit type; left out: all.")]
PartAmount = Annotated[
    str | None, typer.Argument(metavar="AMOUNT", help="Credits, more than zero; left out: all there is.")
]
_KEY = typer.Option(
    "--key",
    metavar="KEY",
    help="Your own name for this one wish, such as an order or job number. Saying it again with the same key "
    "changes nothing more, so a retry is safe. Farthing never makes one up: it could not know a retry from a wish.",
)
Key = Annotated[str, _KEY]
MaybeKey = Annotated[str | None, _KEY]
Reason = Annotated[str | None, typer.Option(help="An operator's words for the books; customers do not see them.")]
Actor = Annotated[str | None, typer.Option(help="Who does this.")]
Metadata = Annotated[str | None, typer.Option(metavar="JSON", help="A JSON object kept with the entry, at most 8 KiB.")]
OccurredAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="When it happened, with a time zone: 2026-01-31T12:00Z. Only kept.")
]
PastTime = Annotated[
    str | None,
    typer.Option("--at", metavar="WHEN", help="As it was then: a date, its beginning, or a time with a zone."),
]

Dimensions = Annotated[
    list[str] | None,
    typer.Option(
        "--dimension", metavar="NAME=VALUE", help="What its prices differ by, such as model=deep; repeat it for each."
    ),
]

Csv = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Instead of one: a row for each of many, with a header, in UTF-8; - is stdin. Options then say what a row "
        "leaves out.",
    ),
]
RowsType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="With --csv: the credit type of rows that name none.")
]
KeyPrefix = Annotated[
    str | None,
    typer.Option(
        help="With --csv, for a file without keys that will never change: a row's key is this and the row's number."
    ),
]
Delimiter = Annotated[
    str | None, typer.Option(metavar="CHARACTER", help="With --csv: what separates the cells, such as ; or tab.")
]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--refused", metavar="CSV", help="With --csv: write every row that was not done here, and why, to correct."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --csv: check every row and change nothing.")]


class Feed(NamedTuple):
    """What the options say of a CSV file; `csv` None: there is none."""

    csv: str | None
    credit_type: str | None
    key_prefix: str | None
    delimiter: str | None
    refused: Path | None
    dry_run: bool


class One(NamedTuple):
    """What stands on the command line of a single grant or deduction."""

    account: str
    credit_type: str
    amount: str
    key: str


def one(feed: Feed, account: str | None, credit_type: str | None, amount: str | None, key: str | None) -> One | None:
    """The single grant or deduction that is asked for; None: those of the file.

    Raises:
        BadParameter: neither is said whole, or something of both.
    """
    if feed.csv is not None:
        if (account, credit_type, amount, key) != (None, None, None, None):
            raise typer.BadParameter("With --csv, the rows say ACCOUNT, TYPE, AMOUNT and key. Leave them out.")
        return None
    if any(feed):
        raise typer.BadParameter("--type, --key-prefix, --delimiter, --refused and --dry-run go with --csv.")
    if account is None or credit_type is None or amount is None or key is None:
        raise typer.BadParameter("Give ACCOUNT, TYPE, AMOUNT and --key; or --csv FILE for many.")
    return One(account, credit_type, amount, key)


def pairs(option: str, said: list[str] | None) -> dict[str, str]:
    """What NAME=VALUE options say, by name.

    Raises:
        InvalidField: one has no name or no "=", or a name is there twice.
    """
    found: dict[str, str] = {}
    for one in said or []:
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise InvalidField(f"{option} is {one!r}, not NAME=VALUE. Nothing was changed.", field=option)
        if name in found:
            raise InvalidField(f"{option} names {name!r} twice. Nothing was changed.", field=option)
        found[name] = value
    return found


def option_of(argument: str) -> str:
    """How the option is written that says this argument."""
    return f"--{argument.replace('_', '-')}"


def moment(option: str, said: str | None, zone: Callable[[], str]) -> datetime | None:
    """As `instant`; a date is its start in `zone`, which is asked for only then."""
    try:
        day = date.fromisoformat(said or "")
    except ValueError:
        return None if said is None else instant(option, said)
    return datetime.combine(day, time.min, ZoneInfo(zone()))


def zone_of(credits: Credits, account: str) -> str:
    """The time zone that an account's days begin in: its own, or the catalog's where there is no such account."""
    try:
        return credits.account(account).time_zone
    except NotFound:
        return credits.catalog.time_zone
