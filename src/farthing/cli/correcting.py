"""`farthing reverse | void | clawback | transfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output, receipts
from farthing.cli.arguments import (
    Account,
    Actor,
    Amount,
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

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.views import Receipt

LotId = Annotated[str, typer.Argument(metavar="LOT", help="The lot, such as lot_images_3; `farthing lots` shows them.")]


def reverse(
    account: Account,
    entry: Annotated[
        str,
        typer.Argument(metavar="ENTRY", help="The deduction or capture, such as ent_images_5, as history shows it."),
    ],
    key: Key,
    amount: PartAmount = None,
    expired: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help='Credits whose lot expired meanwhile: "restore", "grace" or "forfeit"; left out: the type\'s own.',
        ),
    ] = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    occurred_at: OccurredAt = None,
    as_json: AsJson = False,
) -> None:
    """Give a deduction or capture back to the lots it drew, all that is left of it or AMOUNT."""
    said = {"expired": expired, "reason": reason, "actor": actor, "metadata": metadata, "occurred_at": occurred_at}
    given = arguments(said, named=option_of)
    with opened() as credits:
        receipt = credits.reverse(account, entry, amount, key=key, **given)
        figures = receipts.available(credits, receipt)
    receipts.tell(receipt, f"gave {receipts.moved(receipt)} of {entry} back to {account}", figures, as_json=as_json)


def void(
    account: Account,
    lot: LotId,
    key: Key,
    amount: PartAmount = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """End what is unused of a lot, all of it or AMOUNT. What a hold keeps goes when the hold lets go of it."""
    given = arguments({"reason": reason, "actor": actor, "metadata": metadata}, named=option_of)
    with opened() as credits:
        receipt = credits.void(account, lot, amount, key=key, **given)
        figures = receipts.available(credits, receipt)
        waits = _held(credits, receipt, lot)
    receipts.tell(receipt, f"voided {receipts.moved(receipt)} of {lot} of {account}", figures + waits, as_json=as_json)


def clawback(
    account: Account,
    lot: LotId,
    amount: Amount,
    key: Key,
    rest: Annotated[
        str,
        typer.Option(metavar="FATE", help='What of it was used up: "debt", to be repaid, or "write_off", forgiven.'),
    ],
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Take back credits that came as this lot, used up or not, because the money for them went back."""
    given = arguments({"reason": reason, "actor": actor, "metadata": metadata}, named=option_of)
    with opened() as credits:
        receipt = credits.clawback(account, lot, amount, key=key, rest=rest, **given)
        figures = receipts.available(credits, receipt)
        waits = _held(credits, receipt, lot)
    done = f"took {receipts.moved(receipt)} of {lot} back from {account}"
    receipts.tell(receipt, done, figures + waits, as_json=as_json)


def transfer(
    account: Account,
    to: Annotated[str, typer.Argument(metavar="TO", help="The account that gets them; it has to exist.")],
    credit_type: CreditType,
    amount: Amount,
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Move available credits to another account; they keep their expiry, priority and cost."""
    given = arguments({"reason": reason, "actor": actor, "metadata": metadata}, named=option_of)
    with opened() as credits:
        receipt = credits.transfer(account, to, credit_type, amount, key=key, **given)
        figures = receipts.available(credits, receipt)
    receipts.tell(receipt, f"moved {receipts.moved(receipt)} from {account} to {to}", figures, as_json=as_json)


def _held(credits: Credits, receipt: Receipt, lot: str) -> str:
    """What holds keep of a lot that was taken back; nothing where they keep none of it."""
    held = [one.held for one in credits.lots(receipt.account, receipt.credit_type) if one.id == lot and one.held]
    return "".join(f"; holds keep {output.words(amount)} of the lot until they end" for amount in held)
