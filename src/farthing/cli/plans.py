"""`farthing plan start | renew | change | cancel | show | billings | portal`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from farthing.amounts import Money
from farthing.cli import output
from farthing.cli.arguments import Account, Actor, AsJson, Key, Reason
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.core.plans import Unused
    from farthing.selling.billing import BillingView
    from farthing.views import SubscriptionView

app = typer.Typer(help="What accounts subscribe to: start, renew, change and cancel it, and see how it stands.")
Plan = Annotated[str, typer.Argument(metavar="PLAN", help="The plan, by its code in the catalog.")]
ENDS = {
    "keep": "what is unused then keeps its own end",
    "expire": "what is unused then is gone",
    "take_back": "what was unused was taken back",
}


@app.command()
def start(
    account: Account,
    plan: Plan,
    key: Key,
    no_trial: Annotated[bool, typer.Option("--no-trial", help="Begin with a period at once.")] = False,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe an account to a plan."""
    with opened() as credits:
        told = credits.start_plan(account, plan, key=key, trial=not no_trial, reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def renew(account: Account, key: Key, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Open the next period of an account's plan, because it was paid for."""
    with opened() as credits:
        told = credits.renew_plan(account, key=key, reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def change(
    account: Account, plan: Plan, key: Key, reason: Reason = None, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Change an account's plan: upwards at once or when that is paid for, downwards when its period ends."""
    with opened() as credits:
        told = credits.change_plan(account, plan, key=key, reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def cancel(
    account: Account,
    key: Key,
    unused: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What becomes of unused credits: keep, expire (with the period) or take_back (now, and the plan ends "
            "now). Left out: what the plan says.",
        ),
    ] = None,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End an account's plan with what is open of it."""
    with opened() as credits:
        told = credits.cancel_plan(account, key=key, unused=cast("Unused", unused), reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def show(account: Account, as_json: AsJson = False) -> None:
    """Show an account's plan, or the last one it had."""
    with opened() as credits:
        told = credits.subscription(account)
    if told is not None:
        _tell(told, as_json=as_json)
    elif as_json:
        output.document(None)
    else:
        output.say(f"{account} never had a plan.")


@app.command()
def billings(account: Account, as_json: AsJson = False) -> None:
    """List the plans that an account bought at providers, how they stand there, and what was paid."""
    with opened() as credits:
        found = credits.plan_billings(account)
    if as_json:
        output.document({"data": [one.as_dict() for one in found]})
        return
    for one in found:
        price = Money(one.price_minor, one.currency)
        output.say(f"{one.id}: {one.plan} at {one.provider}, {price} a period: {one.status}{_paying(one)}")
        for paid in one.invoices:
            said = f"{Money(paid.amount_minor, paid.currency)} on {output.words(paid.paid_at)}: {paid.outcome}"
            output.say(f"  {paid.invoice}  {said}")
    if not found:
        output.say(f"{account} bought no plan at a provider.")


@app.command()
def portal(account: Account, as_json: AsJson = False) -> None:
    """Show the address at the provider where this customer changes cards and ends the plan. It is soon over."""
    with opened() as credits:
        url = credits.plan_portal(account)
    if as_json:
        output.document({"url": url})
    else:
        output.say(url)


def _paying(billing: BillingView) -> str:
    return ", ends with what is paid" if billing.cancels and billing.status != "ended" else ""


def _tell(plan: SubscriptionView, *, as_json: bool) -> None:
    if as_json:
        output.document(plan)
        return
    output.say(f"{plan.account} has the plan {plan.plan} ({plan.id}): {_stands(plan)}.")
    if plan.ended_at is None and plan.ends:
        output.say(f"It ends with that: {ENDS[plan.ends]}.")
    if plan.next_plan:
        output.say(f"Then it changes to {plan.next_plan}.")


def _stands(plan: SubscriptionView) -> str:
    if plan.ended_at:
        return f"ended {output.words(plan.ended_at)}"
    if plan.status == "trialing":
        return f"on trial until {output.words(plan.trial_end)}"
    if plan.status == "unpaid":
        return "waits until its next period is paid for"
    return f"active until {output.words(plan.period_end)}"
