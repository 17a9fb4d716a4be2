"""`farthing freeze | unfreeze | merge | erase`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import Account, Actor, AsJson, Key, Reason
from farthing.cli.starting import opened

FORGOTTEN = (
    "the reasons, actors and metadata of all its entries and acts, the return addresses of its orders, its language, "
    "the bodies of stored webhooks about its orders"
)
KEPT = "its id, amounts, times, keys, operations and orders, so that the books still prove; and backups"


def freeze(account: Account, key: Key, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let nothing of an account be spent, held, transferred or bought, until it is unfrozen."""
    with opened() as credits:
        stands = credits.freeze(account, key=key, reason=reason, actor=actor)
    if as_json:
        output.document(stands)
    elif stands.frozen_at:
        since = output.words(stands.frozen_at)
        output.say(f"{account} is frozen since {since}: nothing may be spent, held, transferred or bought.")
    else:
        output.say(f"{account} is not frozen: this key froze it before, and it was unfrozen since. Nothing changed.")


def unfreeze(account: Account, key: Key, reason: Reason = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let an account spend again."""
    with opened() as credits:
        stands = credits.unfreeze(account, key=key, reason=reason, actor=actor)
    if as_json:
        output.document(stands)
    elif stands.frozen_at:
        output.say(f"{account} is frozen: this key unfroze it before, and it was frozen again since. Nothing changed.")
    else:
        output.say(f"{account} is not frozen: what it has may be spent.")


def merge(
    guest: Annotated[str, typer.Argument(metavar="GUEST", help="The account that ends, for good.")],
    into: Annotated[str, typer.Option(metavar="USER", help="The account that gets everything the guest has.")],
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Move everything a guest has to the user it turned out to be, and close the guest for good."""
    with opened() as credits:
        closed = credits.merge(guest, into=into, key=key, reason=reason, actor=actor)
        balances = credits.balances(into)
    if as_json:
        output.document(closed._asdict() | {"balances": balances})
        return
    output.say(f"{guest} was merged into {into} and is closed. {into} has now:")
    output.table(["credit type", "available"], [(balance.credit_type, balance.available) for balance in balances])


def erase(
    account: Account,
    key: Key,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; required where there is no terminal.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget what people wrote about an account and who they were. Amounts stay. It cannot be undone."""
    if not yes and not sys.stdin.isatty():
        raise typer.BadParameter("There is no terminal to ask at. Nothing was changed. Say --yes to go ahead.")
    with opened() as credits:
        credits.account(account)
        if not yes:
            output.note(f"Of {account} this forgets for good: {FORGOTTEN}.\nWhat stays: {KEPT}.")
            if not output.agreed("Forget it?"):
                output.stopped("declined", "Nothing was changed.", as_json=as_json)
                raise typer.Exit(output.REFUSED)
        stands = credits.erase(account, key=key)
    if as_json:
        output.document(stands)
    else:
        output.say(f"Of {account} is forgotten: {FORGOTTEN}. What stays: {KEPT}.")
