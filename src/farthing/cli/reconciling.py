"""`farthing reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson, moment
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.selling.matching import Mismatch
    from farthing.selling.reconciling import Reconciliation


def reconcile(
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Only its orders; left out: all.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what was made then or later: a date, or a time with a zone."),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask providers about every order, paid ones too; heals lost refunds.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Lay payments, lots and entries beside one another, lost webhooks made up for. Ends with 1 where any differ."""
    with opened() as credits, output.progress("Reconciling", unit="orders", quiet=as_json) as told:
        then = moment("--since", since, lambda: credits.catalog.time_zone)
        report = credits.reconcile(account, since=then, ask=ask, progress=told)
    if as_json:
        totals = [
            {name: str(value) for name, value in total._asdict().items()} for total in report.totals
        ]  # over accounts they may pass 15 digits
        output.document(report._asdict() | {"proved": report.proved, "totals": totals})
    else:
        _tell(report)
    if not report.proved:
        raise typer.Exit(output.REFUSED)


def _tell(report: Reconciliation) -> None:
    healed = report.healed
    if healed.asked:
        output.say(
            f"{healed.asked:,} orders were asked about: {healed.healed:,} stand otherwise now, {healed.unknown:,} are "
            f"unknown to their provider, {healed.failed:,} are asked about again later."
        )
    output.say(f"{report.orders:,} orders with {report.payments:,} payments were laid beside their credits.")
    columns = ("provider", "currency", "paid", "refunded", "disputed", "surplus", "under review", "dismissed")
    if report.totals:
        sums = [
            (*one[:2], *(money(minor, one.currency) if minor else "" for minor in one[2:])) for one in report.totals
        ]
        output.table(columns, sums)
    for one in report.mismatches:
        output.say(f"\n{one.name}: {_about(one)}")
        output.say(f"  {one.detail}")
        output.say(f"  {one.remedy}")
    if report.proved:
        output.say("Every payment has its credits, and all credits sold have their payment.")
    else:
        told = ", ".join(f"{many:,} {name}" for name, many in report.found.items())
        output.say(f"\nThis does not fit together: {told}.")


def _about(one: Mismatch) -> str:
    parts = {"account": one.account, "order": one.order, "payment": one.payment, "event": one.event}
    said = [f"{name} {value}" for name, value in parts.items() if value is not None]
    if one.provider:
        said.append(f"at {one.provider}")
    if one.currency is not None and one.found_minor is not None:
        said.append(money(one.found_minor, one.currency))
    return ", ".join(said)


def money(minor: int, currency: str) -> str:
    """An amount as people read it; of a currency that nobody knows, in its minor units."""
    from farthing.amounts import format_money
    from farthing.errors import UnknownCurrency

    try:
        return format_money(minor, currency)
    except UnknownCurrency:
        return f"{minor} minor units of {currency}"
