"""`farthing events list | show | replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.store.endpoints import Delivery

app = typer.Typer(help="What was told to others: see it, and send it again.")
Id = Annotated[str, typer.Argument(metavar="EVENT", help="Its id, as `farthing events list` shows it.")]


@app.command("list")
def listed(
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Only this one's events.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those of which a delivery failed and has not succeeded since.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the latest events, newest first."""
    with opened() as credits:
        found = credits.events(account, failed=failed, limit=limit)
    if as_json:
        output.document({"data": found})
    elif not found:
        output.say("There is none.")
    else:
        output.table(
            ["event", "type", "account", "number", "occurred"],
            [(one.id, one.type, one.account, str(one.sequence), one.occurred_at) for one in found],
        )


@app.command()
def show(event: Id, as_json: AsJson = False) -> None:
    """Show one event: what it says, and how its delivery to each endpoint went."""
    with opened() as credits:
        found, deliveries = credits.event(event)
    if as_json:
        output.document(found._asdict() | {"deliveries": deliveries})
        return
    output.say(f"{found.id}, {found.type} {found.sequence} of {found.account}, {output.words(found.occurred_at)}")
    output.say(output.written(found.data))
    for one in deliveries:
        output.say(f"{one.endpoint}: {_went(one)}")


@app.command()
def replay(
    event: Id,
    endpoint: Annotated[
        str | None, typer.Option(metavar="ENDPOINT", help="Only to this one; left out, to all that want its kind.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send one event again, with the same id: the job `deliver` does it next."""
    with opened() as credits:
        found = credits.replay_event(event, endpoint=endpoint)
    if as_json:
        output.document(found)
    else:
        output.say(f"{found.id} is due again.")


def _went(one: Delivery) -> str:
    tried = f"tried {one.attempts} times" if one.attempts != 1 else "tried once"
    if one.delivered_at:
        return f"delivered {output.words(one.delivered_at)}, {tried}."
    if one.error is None:
        return "not sent yet."
    then = f"next try {output.words(one.due_at)}" if one.due_at else "given up"
    return f"failed, {tried}, {then}: {one.error}."
