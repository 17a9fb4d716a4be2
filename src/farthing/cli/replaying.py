"""`farthing replay`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.amounts import exact, text
from farthing.cli import feeding, output
from farthing.cli.arguments import AsJson, Dimensions, pairs
from farthing.cli.starting import opened
from farthing.errors import InvalidAmount, InvalidField

if TYPE_CHECKING:
    from farthing.replay import Charge, Measure, Replay

COUNTS = {
    "deducted": "deducted",
    "replayed": "recorded before, nothing changed",
    "refused": "refused",
    "unreadable": "unreadable",
    "empty": "with nothing to pay",
    "zoneless": "times without a zone, taken as UTC",
}


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header, UTF-8.")],
    credit_type: Annotated[str | None, typer.Option(metavar="TYPE", help="Credit type to deduct.")] = None,
    amount: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[:WEIGHT]", help="Column of credits; repeat it to add columns, each by its weight."
        ),
    ] = None,
    charge: Annotated[
        str | None, typer.Option(metavar="OPERATION", help="Or charge each row by this operation's rate card.")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="With --charge: the column of a measure; repeat it for each."),
    ] = None,
    dimension: Dimensions = None,
    dimension_column: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COLUMN", help="Or the column that says it, row by row.")
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the account.")] = None,
    accounts: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Or deal the rows out to N accounts in turn, by row number.")
    ] = None,
    account_prefix: Annotated[str, typer.Option(help="Names these accounts: PREFIX1 to PREFIXN.")] = "account-",
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of when it happened, ISO 8601; without a zone it is UTC."),
    ] = None,
    operation: Annotated[str | None, typer.Option(help="What the credits were used for.")] = None,
    key_prefix: Annotated[
        str | None,
        typer.Option(
            help="A row's key is this and the row's number. Left out: from a digest of the file, so that the same file "
            "again changes nothing. Give your own for a file that grows.",
            show_default=False,
        ),
    ] = None,
    parallel: Annotated[int, typer.Option(min=1, max=100_000, help="Rows in flight at once.")] = 1024,
    refused: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Write every row that was not deducted here, and why.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deduct usage from a CSV file, a row at a time, many at once. Run it again to resume, or to change nothing.

    Ends with 1 where a row was refused or could not be read.
    """
    from farthing.replay import Rejected, Replay, Usage

    if (account is None) == (accounts is None):
        raise InvalidField("Give either --account or --accounts. Nothing was changed.", field="account")
    priced = _charge(charge, measure, dimension, dimension_column, deducts=(credit_type, amount, operation))
    measures = tuple(_measure(said) for said in amount or ())
    usage = Usage(credit_type, measures, account, accounts or 0, account_prefix, time, operation, priced)
    with opened() as credits:
        run = Replay(credits, file, usage, key_prefix=key_prefix, parallel=parallel)
        summary = partial(_summary, run, file, as_json)
        with (
            feeding.report(refused, file, Rejected._fields) as reject,
            feeding.progress("Replaying", quiet=as_json, summary=summary) as told,
        ):
            run.run(reject=reject, progress=told)
    if run.tally.refused or run.tally.unreadable:
        raise typer.Exit(output.REFUSED)


def _charge(
    operation: str | None,
    measure: list[str] | None,
    dimension: list[str] | None,
    dimension_column: list[str] | None,
    *,
    deducts: tuple[str | None, list[str] | None, str | None],
) -> Charge | None:
    """What `--charge` and its options say, unless the rows are deducted as they are."""
    from farthing.replay import Charge

    credit_type, amount, _ = deducts
    if operation is None:
        if not (credit_type and amount) or measure or dimension or dimension_column:
            raise typer.BadParameter("Give --credit-type and --amount; or --charge with its --measure and --dimension.")
        return None
    if any(deducts):
        raise typer.BadParameter("With --charge, leave out --credit-type, --amount and --operation.")
    return Charge(
        operation, pairs("--measure", measure), pairs("--dimension", dimension),
        pairs("--dimension-column", dimension_column),
    )  # fmt: skip


def _measure(said: str) -> Measure:
    """ "Tokens" or "Tokens:3"; what stands behind the last colon is a weight only if it is a number."""
    from farthing.replay import Measure

    column, colon, weight = said.rpartition(":")
    if not colon:
        return Measure(said)
    try:
        number = exact(weight, name="the weight")
    except InvalidAmount:
        return Measure(said)
    if number <= 0:
        raise InvalidAmount(f"The weight of {column} must be more than zero, not {text(number)}. Nothing was changed.")
    return Measure(column, number)


def _summary(run: Replay, file: Path, as_json: bool, finished: bool, seconds: float) -> None:
    tally = run.tally
    if as_json:
        counts = {name: getattr(tally, name) for name in COUNTS}
        output.document(
            {
                "file": str(file), "finished": finished, "rows": tally.rows, **counts, "credits": text(run.credits),
                "key_prefix": run.key_prefix, "seconds": round(seconds, 3),
                "rows_per_second": feeding.rate(tally.rows, seconds),
            }
        )  # fmt: skip
        return
    output.say(f"{feeding.speed(tally.rows, seconds)}; keys {run.key_prefix}1 and on.")
    feeding.say_counts(tally, COUNTS)
    output.say(f"{text(run.credits)} {run.credit_type} were deducted.")
    if not finished:
        output.say(feeding.UNFINISHED)
