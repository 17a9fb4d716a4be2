"""`farthing topups list | show | set | stop | resume | run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from farthing.amounts import Money, text
from farthing.cli import output
from farthing.cli.arguments import Account, Actor, AsJson, CreditType, Key, MaybeAccount, MaybeType, Reason
from farthing.cli.starting import opened
from farthing.errors import NoTopUp

if TYPE_CHECKING:
    from farthing.core.topups import Window
    from farthing.selling.topping_up import TopUpView

app = typer.Typer(help="Auto top-up: what accounts agreed to have charged, how it stands, and charging what is due.")
WHY = {
    "declined": "the card was declined three times in a row",
    "authentication_required": "the bank wants the customer: let them pay its last order on the order's own page",
    "money_back": "money was refunded or is in dispute",
    "price_above_limit": "the price is above what was agreed on",
    "no_card": "there is no card to charge",
    "review": "other money came than was asked for",
    "outcome_unknown": "it was never learnt what came of the last charge: look at the provider",
}


@app.command("list")
def every(account: Account, as_json: AsJson = False) -> None:
    """List what an account agreed to have topped up, also what was stopped."""
    with opened() as credits:
        found = credits.top_ups(account)
    if as_json:
        output.document({"data": [one._asdict() for one in found]})
        return
    for one in found:
        _tell(one, as_json=False)
    if not found:
        output.say(f"{account} agreed to no auto top-up.")


@app.command()
def show(account: Account, credit_type: CreditType, as_json: AsJson = False) -> None:
    """Show how an account's auto top-up of one credit type stands."""
    with opened() as credits:
        found = [one for one in credits.top_ups(account) if one.credit_type == credit_type]
    if not found:
        raise NoTopUp(
            f"{account} has agreed to no auto top-up of {credit_type}.", account=account, credit_type=credit_type
        )
    _tell(found[0], as_json=as_json)


@app.command("set")
def agree(
    account: Account,
    credit_type: CreditType,
    key: Key,
    threshold: Annotated[str, typer.Option(metavar="CREDITS", help="Below so many available it is topped up.")],
    at_most: Annotated[
        int, typer.Option("--at-most", metavar="MINOR", help="The most one charge may cost, in minor units (cents).")
    ],
    consent: Annotated[str, typer.Option(metavar="TEXT", help="What the customer agreed to, in the words they saw.")],
    package: Annotated[str | None, typer.Option(metavar="CODE", help="The package that is bought.")] = None,
    amount: Annotated[str | None, typer.Option(metavar="CREDITS", help="Instead: so many credits.")] = None,
    currency: Annotated[str | None, typer.Option(metavar="CODE", help="Left out: the catalog's.")] = None,
    provider: Annotated[str, typer.Option(metavar="NAME", help="Whose card is charged.")] = "sandbox",
    most: Annotated[int, typer.Option(metavar="COUNT", help="So many charges at most in each window.")] = 1,
    window: Annotated[str, typer.Option(metavar="WINDOW", help="day, week or month, of the calendar.")] = "month",
    cooldown: Annotated[str, typer.Option(metavar="DURATION", help="The least time from charge to charge.")] = "1h",
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Agree on an auto top-up, because the customer said so."""
    with opened() as credits:
        told = credits.set_top_up(
            account, credit_type, key=key, threshold=threshold, at_most_minor=at_most, consent=consent,
            package=package, amount=amount, currency=currency, provider=provider, most=most,
            window=cast("Window", window), cooldown=cooldown, actor=actor,
        )  # fmt: skip
    _tell(told, as_json=as_json)


@app.command()
def stop(
    account: Account,
    credit_type: CreditType,
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """End an auto top-up; a charge that has begun is carried to its end."""
    with opened() as credits:
        told = credits.stop_top_up(account, credit_type, key=key, reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def resume(
    account: Account,
    credit_type: CreditType,
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Let an auto top-up go on that is paused."""
    with opened() as credits:
        told = credits.resume_top_up(account, credit_type, key=key, reason=reason, actor=actor)
    _tell(told, as_json=as_json)


@app.command()
def run(account: MaybeAccount = None, credit_type: MaybeType = None, as_json: AsJson = False) -> None:
    """Charge what is due now: of one account and credit type, or of all."""
    if (account is None) != (credit_type is None):
        raise typer.BadParameter("Give ACCOUNT and TYPE; or neither for all that is due.")
    with opened() as credits:
        if account is None or credit_type is None:
            counts = credits.top_up_due()
            if as_json:
                output.document(counts)
            else:
                output.say(", ".join(f"{many} {what}" for what, many in counts.items()))
            return
        done = credits.top_up(account, credit_type)
    if as_json:
        output.document({"outcome": done.outcome, "order": done.order and done.order.as_dict()})
    else:
        output.say(f"{account}, {credit_type}: {done.outcome}{f' ({done.order.id})' if done.order else ''}.")


def _tell(one: TopUpView, *, as_json: bool) -> None:
    if as_json:
        output.document(one)
        return
    bought = one.package or f"{output.words(one.amount)} {one.credit_type}"
    output.say(
        f"{one.account} agreed that below {text(one.threshold)} {one.credit_type} {one.provider} charges "
        f"{Money(one.at_most_minor, one.currency)} at most for {bought}: {one.status}, "
        f"{one.used} of {one.most} charges in this {one.window}."
    )
    if one.status == "paused" and one.paused:
        output.say(f"It is paused since {output.words(one.paused_at)}: {WHY[one.paused]}.")
    if one.last_order:
        output.say(f"Its last order is {one.last_order}: {one.last_outcome or 'not known yet'}.")
