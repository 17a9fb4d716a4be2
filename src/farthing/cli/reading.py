"""`farthing check | balance | explain | lots | verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.amounts import format_money, text, to_credits
from farthing.cli import output
from farthing.cli.arguments import Account, Amount, AnyType, AsJson, CreditType, PastTime, moment, zone_of
from farthing.cli.starting import opened
from farthing.errors import UnknownCurrency
from farthing.views import LotView

if TYPE_CHECKING:
    from farthing.ledger.verifying import Report


def check(account: Account, credit_type: CreditType, amount: Amount, as_json: AsJson = False) -> None:
    """Ask whether a deduction would be allowed now; changes nothing. Ends with 1 where it would be refused."""
    with opened() as credits:
        answer = credits.check(account, credit_type, amount)
    if as_json:
        output.document(answer)
    elif answer.allowed:
        output.say(f"Allowed: {account} has {text(answer.available)} {credit_type} available.")
    else:
        output.say(
            f"Refused: {account} has {text(answer.available)} {credit_type} available and this needs "
            f"{text(answer.required)}, {text(answer.shortfall)} short."
        )
    if not answer.allowed:
        raise typer.Exit(output.REFUSED)


def balance(account: Account, credit_type: AnyType = None, at: PastTime = None, as_json: AsJson = False) -> None:
    """Show what an account has, or had at some time, and what of it expires when. Unknown accounts have zeros."""
    with opened() as credits:
        then = moment("--at", at, lambda: zone_of(credits, account))
        one = credit_type is not None
        found = [credits.balance(account, credit_type, at=then)] if one else credits.balances(account, at=then)
    if as_json:
        output.document({"data": found})
        return
    columns = ["credit type", "available", "posted", "held", "pending", "overdraft", "expires next"]
    output.table(
        columns,
        [
            (one.credit_type, one.available, one.posted, one.held, one.pending, one.overdraft_limit, expiring)
            for one in found
            for expiring in ["".join(f"{text(first.amount)} on {output.words(first.at)}" for first in one.expiring[:1])]
        ],
    )


def explain(account: Account, credit_type: CreditType, at: PastTime = None, as_json: AsJson = False) -> None:
    """Show why a balance is what it is: lots, where they came from, what drew from them and by which rule."""
    with opened() as credits:
        then = moment("--at", at, lambda: zone_of(credits, account))
        told = credits.explain(account, credit_type, at=then)
    if as_json:
        output.document(told)
    else:
        output.say(str(told))


def lots(account: Account, credit_type: CreditType, as_json: AsJson = False) -> None:
    """Show the lots that still have credits, in the order in which they burn."""
    with opened() as credits:
        found = credits.lots(account, credit_type)
    if as_json:
        output.document({"data": found})
        return
    columns = ["lot", "source", "remaining", "held", "of", "effective", "expires", "paid"]
    output.table(
        columns,
        [
            (
                lot.id, lot.source, lot.remaining, lot.held, lot.amount, lot.effective_at, lot.expires_at or "never",
                _paid(lot),
            )
            for lot in found
        ],
    )  # fmt: skip


def verify(
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Only this one; left out: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild every balance and lot from the entries and compare. Ends with 1 where anything is wrong."""
    from farthing.ledger import verifying

    with opened() as credits, output.progress("Verifying", unit="entries", quiet=as_json) as told:
        report = verifying.verify(credits.database, account=account, progress=told)
        types = credits.catalog.credit_types
    posted = {code: to_credits(units, types[code].scale) for code, units in report.posted.items() if code in types}
    if as_json:
        totals = {code: text(amount) for code, amount in posted.items()}  # totals over accounts may pass 15 digits
        output.document(report._asdict() | {"proved": report.proved, "posted": totals})
    else:
        bought = f", {report.orders:,} orders with their payments" if report.orders else ""
        plans = f", {report.plans:,} plans" if report.plans else ""
        output.say(
            f"{report.entries:,} entries of {report.wallets:,} wallets{bought}{plans} were read and added up again."
        )
        output.table(["credit type", "posted in all"], posted.items())
        if report.faults:
            output.table(["account", "credit type", "order", "first thing wrong", "plan"], report.faults)
        output.say("Every balance is proved." if report.proved else _counted(report))
    if not report.proved:
        raise typer.Exit(output.REFUSED)


def _counted(report: Report) -> str:
    orders = sum(fault.order is not None for fault in report.faults)
    plans = sum(fault.plan is not None for fault in report.faults)
    wallets = len(report.faults) - orders - plans
    wrong = {
        "wallets": (wallets, report.wallets), "orders": (orders, report.orders), "plans": (plans, report.plans)
    }  # fmt: skip
    told = [
        f"{some:,} of {every:,} {what} {'is' if some == 1 else 'are'} wrong"
        for what, (some, every) in wrong.items()
        if some
    ]
    return ", ".join(told) + "."


def _paid(lot: LotView) -> str:
    if not lot.cost_minor or lot.currency is None:
        return ""
    try:
        return format_money(lot.cost_minor, lot.currency)
    except UnknownCurrency:
        return f"{lot.cost_minor} minor units of {lot.currency}"
