"""`farthing charge | estimate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.amounts import text
from farthing.cli import output, receipts
from farthing.cli.arguments import (
    Account,
    Actor,
    AsJson,
    Dimensions,
    Key,
    Metadata,
    OccurredAt,
    Reason,
    option_of,
    pairs,
)
from farthing.cli.starting import opened
from farthing.core.rates import require_names
from farthing.texts import arguments

if TYPE_CHECKING:
    from farthing.core.rates import EstimateLine
    from farthing.credits import Credits
    from farthing.views import EstimateView

Operation = Annotated[str, typer.Argument(metavar="OPERATION", help="What was done, by its name in the catalog.")]
Measured = Annotated[
    list[str] | None,
    typer.Option("--measure", metavar="NAME=AMOUNT", help="How much of it was used; repeat it for each measure."),
]


def charge(
    account: Account,
    operation: Operation,
    key: Key,
    measure: Measured = None,
    dimension: Dimensions = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    occurred_at: OccurredAt = None,
    as_json: AsJson = False,
) -> None:
    """Use credits up by what was used, as the operation's rate card prices it. Otherwise as deduct."""
    said = {"reason": reason, "actor": actor, "metadata": metadata, "occurred_at": occurred_at}
    given = arguments(said, named=option_of)
    with opened() as credits:
        measures, dimensions = _said(credits, operation, measure, dimension)
        receipt = credits.charge(account, operation, measures, key=key, **given, **dimensions)
    done = f"charged {receipts.moved(receipt)} to {receipt.account} for {operation}"
    receipts.tell(receipt, done, f"{text(receipt.available)} available after it", as_json=as_json)


def estimate(
    operation: Operation, measure: Measured = None, dimension: Dimensions = None, as_json: AsJson = False
) -> None:
    """Show what a charge would cost, line by line; changes nothing, and needs no account."""
    with opened() as credits:
        measures, dimensions = _said(credits, operation, measure, dimension)
        told = credits.estimate(operation, measures, **dimensions)
    if as_json:
        output.document(told)
        return
    output.table(["for", "used", "price", told.credit_type], [_line(told, line) for line in told.lines])
    output.say(f"{operation} costs {text(told.amount)} {told.credit_type}.")


def _said(
    credits: Credits, operation: str, measure: list[str] | None, dimension: list[str] | None
) -> tuple[dict[str, str], dict[str, Any]]:
    """What the options say was used, if the rate card knows these names: other arguments of the verb are none."""
    measures, dimensions = pairs("--measure", measure), pairs("--dimension", dimension)
    require_names(credits.catalog.operation(operation), measures, dimensions)
    return measures, dimensions


def _line(told: EstimateView, line: EstimateLine) -> tuple[Any, ...]:
    price = "" if line.price is None else text(line.price)
    match line.kind:
        case "measure":
            return line.measure, line.used, f"{price} per {line.per}" if line.per != 1 else price, line.total
        case "flat":
            return "each call", None, price, line.total
        case "minimum":
            return "the minimum", None, price, line.total
        case "rounding":
            return f"rounding {told.rounding.replace('_', ' ')}", None, None, line.total
