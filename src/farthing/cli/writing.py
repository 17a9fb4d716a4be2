"""`farthing open | grant | deduct | expire`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.amounts import text
from farthing.cli import bulk, output, receipts
from farthing.cli.arguments import (
    Account,
    Actor,
    AsJson,
    Csv,
    Delimiter,
    DryRun,
    Feed,
    KeyPrefix,
    MaybeAccount,
    MaybeAmount,
    MaybeKey,
    MaybeType,
    Metadata,
    OccurredAt,
    Reason,
    Rejects,
    RowsType,
    one,
    option_of,
)
from farthing.cli.starting import opened
from farthing.texts import arguments

if TYPE_CHECKING:
    from farthing.views import Receipt

SOURCES = "gift, plan, purchase, bonus, promo or adjustment"


def open_account(
    account: Account,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone in which its months and days are counted.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language tag, such as en or zh.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an account and pay its sign-up gifts; one that exists is left as it is and gets only gifts it never had."""
    with opened() as credits:
        made = credits.open_account(account, time_zone=time_zone, locale=locale)
        balances = credits.balances(account)
    if as_json:
        output.document(made._asdict() | {"balances": balances})
        return
    for option, asked, kept in (("--time-zone", time_zone, made.time_zone), ("--locale", locale, made.locale)):
        if asked not in (None, kept):
            output.note(f"{option} {asked} changed nothing: an account that exists keeps its {kept}.")
    output.say(f"{made.account} is open since {output.words(made.created_at)} ({made.time_zone}, {made.locale}).")
    output.table(["credit type", "available"], [(balance.credit_type, balance.available) for balance in balances])


def grant(
    account: MaybeAccount = None,
    credit_type: MaybeType = None,
    amount: MaybeAmount = None,
    key: MaybeKey = None,
    source: Annotated[str, typer.Option(help=f"Why the credits exist: {SOURCES}.")] = "adjustment",
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help='"never", a duration (30d, 12h, 1mo) or a time; left out: the type\'s own.'),
    ] = None,
    effective_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When they begin to count; until then they are pending.")
    ] = None,
    priority: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Lots with a smaller one burn first.", show_default="100")
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(metavar="MONEY", help="Money paid for them, in major units: 9.90 is nine dollars ninety."),
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Its ISO 4217 code, such as USD.")] = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    occurred_at: OccurredAt = None,
    csv: Csv = None,
    rows_type: RowsType = None,
    key_prefix: KeyPrefix = None,
    delimiter: Delimiter = None,
    refused: Rejects = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give credits: a new lot. An account that does not exist yet is made. With --csv, a lot for each row."""
    said = {
        "source": source, "expires": expires, "effective_at": effective_at, "priority": priority, "cost": cost,
        "currency": currency, "reason": reason, "actor": actor, "metadata": metadata, "occurred_at": occurred_at,
    }  # fmt: skip
    feed = Feed(csv, rows_type, key_prefix, delimiter, refused, dry_run)
    single = one(feed, account, credit_type, amount, key)
    if single is None:
        bulk.carry_out("grant", feed, said, as_json)
        return
    given = arguments(said, named=option_of)
    with opened() as credits:
        receipt = credits.grant(*single[:3], key=single.key, **given)
    done = f"granted {receipts.moved(receipt)} to {receipt.account}"
    receipts.tell(receipt, done, _available(receipt), as_json=as_json)


def deduct(
    account: MaybeAccount = None,
    credit_type: MaybeType = None,
    amount: MaybeAmount = None,
    key: MaybeKey = None,
    operation: Annotated[str | None, typer.Option(help="What the credits were used for, such as render.")] = None,
    reason: Reason = None,
    actor: Actor = None,
    metadata: Metadata = None,
    occurred_at: OccurredAt = None,
    csv: Csv = None,
    rows_type: RowsType = None,
    key_prefix: KeyPrefix = None,
    delimiter: Delimiter = None,
    refused: Rejects = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Use credits up, all or nothing, from the account's lots in burn order. With --csv, a deduction for each row."""
    said = {
        "operation": operation, "reason": reason, "actor": actor, "metadata": metadata, "occurred_at": occurred_at,
    }  # fmt: skip
    feed = Feed(csv, rows_type, key_prefix, delimiter, refused, dry_run)
    single = one(feed, account, credit_type, amount, key)
    if single is None:
        bulk.carry_out("deduct", feed, said, as_json)
        return
    given = arguments(said, named=option_of)
    with opened() as credits:
        receipt = credits.deduct(*single[:3], key=single.key, **given)
    done = f"deducted {receipts.moved(receipt)} from {receipt.account}"
    receipts.tell(receipt, done, _available(receipt), as_json=as_json)


def expire(as_json: AsJson = False) -> None:
    """Write down what came due in accounts that nobody used since. Balances are right without it."""
    with opened() as credits:
        written = credits.expire()
    if as_json:
        output.document({"entries": written})
    else:
        output.say(f"{written} entries written." if written else "Nothing was due.")


def _available(receipt: Receipt) -> str:
    later = receipt.kind == "grant" and receipt.effective_at > receipt.recorded_at
    pending = f", {text(receipt.amount)} pending until {output.words(receipt.effective_at)}" if later else ""
    return f"{text(receipt.available)} available after it{pending}"
