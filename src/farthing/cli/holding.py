"""`farthing hold | capture | release | extend | holds`."""

from __future__ import annotations

from typing import Annotated

import typer

from farthing.cli import output, receipts
from farthing.cli.arguments import (
    Account,
    Actor,
    Amount,
    AnyType,
    AsJson,
    CreditType,
    Key,
    Metadata,
    OccurredAt,
    PartAmount,
    Reason,
    option_of,
)
from farthing.cli.starting import opened
from farthing.texts import arguments

HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="The hold, such as hold_images_7.")]
Operation = Annotated[str | None, typer.Option(help="What the credits are used for, such as render.")]


def hold(
    account: Account,
    credit_type: CreditType,
    amount: Amount,
    key: Key,
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="A duration from now on (15m, 2h) or a time; left out: the type's own."),
    ] = None,
    on_late: Annotated[
        str, typer.Option(metavar="HOW", help='"refuse" a capture after that, or "charge" it like a deduction.')
    ] = "refuse",
    operation: Operation = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    occurred_at: OccurredAt = None,
    as_json: AsJson = False,
) -> None:
    """Set credits aside until they are captured or released, or the hold lapses."""
    said = {
        "expires": expires, "on_late": on_late, "operation": operation, "reason": reason, "actor": actor,
        "metadata": metadata, "occurred_at": occurred_at,
    }  # fmt: skip
    given = arguments(said, named=option_of)
    with opened() as credits:
        held = credits.hold(account, credit_type, amount, key=key, **given)
        figures = receipts.available(credits, held.receipt)
    until = output.words(held.receipt.expires_at)
    done = f"held {receipts.moved(held.receipt)} of {account} until {until} as {held.id}"
    receipts.tell(held.receipt, done, figures, as_json=as_json, also={"hold": held.id})


def capture(
    account: Account,
    hold: HoldId,
    amount: PartAmount = None,
    operation: Operation = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Use up what a hold kept, all of it or AMOUNT, and end it. It needs no key: a hold ends once."""
    said = {"operation": operation, "reason": reason, "actor": actor, "metadata": metadata}
    given = arguments(said, named=option_of)
    with opened() as credits:
        receipt = credits.capture(account, hold, amount, **given)
        figures = receipts.available(credits, receipt)
    receipts.tell(receipt, f"captured {receipts.moved(receipt)} of {hold} from {account}", figures, as_json=as_json)


def release(
    account: Account,
    hold: HoldId,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """End a hold and let its credits be available again. It needs no key: a hold ends once."""
    given = arguments({"reason": reason, "actor": actor, "metadata": metadata}, named=option_of)
    with opened() as credits:
        receipt = credits.release(account, hold, **given)
        figures = receipts.available(credits, receipt)
    receipts.tell(receipt, f"released {receipts.moved(receipt)} of {hold} to {account}", figures, as_json=as_json)


def extend(
    account: Account,
    hold: HoldId,
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="From now on, such as 30m or 2h; or a time.")],
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Give a hold another deadline, later or sooner."""
    deadline = arguments({"expires": duration}, named=lambda _: "DURATION")["expires"]
    given = arguments({"reason": reason, "actor": actor, "metadata": metadata}, named=option_of)
    with opened() as credits:
        receipt = credits.extend(account, hold, deadline, key=key, **given)
        figures = receipts.available(credits, receipt)
    done = f"{hold} of {account} lasts until {output.words(receipt.expires_at)}"
    receipts.tell(receipt, done, figures, as_json=as_json)


def holds(account: Account, credit_type: AnyType = None, as_json: AsJson = False) -> None:
    """Show the holds that are open, oldest first."""
    with opened() as credits:
        found = credits.holds(account, credit_type)
    if as_json:
        output.document({"data": found})
        return
    columns = ["hold", "credit type", "amount", "held", "lapses", "a late capture"]
    rows = [(one.id, one.credit_type, one.amount, one.held_at, one.expires_at, _late(one.on_late)) for one in found]
    output.table(columns, rows)


def _late(on_late: str) -> str:
    return {"refuse": "is refused", "charge": "is charged"}.get(on_late, on_late)
