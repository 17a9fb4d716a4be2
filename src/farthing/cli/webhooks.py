"""`farthing webhooks list | show | replay`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.selling.inbox import InboxEvent

app = typer.Typer(help="What payment providers told: see it, and handle again what failed.")
Event = Annotated[str, typer.Argument(metavar="EVENT", help="The event's id, as `farthing webhooks list` shows it.")]
Provider = Annotated[str | None, typer.Option(metavar="NAME", help="Whose event; needed where two have this id.")]
AT_ONCE = 100


@app.command("list")
def listed(
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that wait because handling them failed.")
    ] = False,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this provider.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the latest webhooks, newest first, and what each came to."""
    with opened() as credits:
        found = credits.provider_events(failed=failed, provider=provider, limit=limit)
    if as_json:
        output.document({"data": found})
    elif not found:
        output.say("There is none.")
    else:
        output.table(
            ["event", "provider", "kind", "received", "came to", "attempts", "error", "next try"],
            [
                (
                    one.event, one.provider, one.kind, one.received_at, one.outcome or "", str(one.attempts),
                    one.error, None if one.handled_at else one.due_at,
                )
                for one in found
            ],
        )  # fmt: skip


@app.command()
def show(event: Event, provider: Provider = None, as_json: AsJson = False) -> None:
    """Show one webhook: what it said, what it came to, and when it is tried again."""
    with opened() as credits:
        found, body = credits.provider_event(event, provider=provider)
    if as_json:
        output.document(found._asdict() | {"body": None if body is None else body.decode("utf-8", "replace")})
        return
    _tell(found)
    output.say("Its body was dropped: it is older than 90 days." if body is None else _pretty(body))


@app.command()
def replay(
    event: Annotated[
        str | None, typer.Argument(metavar="EVENT", help="The event's id; left out: every one that failed.")
    ] = None,
    provider: Provider = None,
    as_json: AsJson = False,
) -> None:
    """Handle a webhook again that failed or was about nothing here. One that had its effect stays. 1 where any fail."""
    with opened() as credits:
        if event is not None:
            found, _ = credits.provider_event(event, provider=provider)
            wanted = [found]
        else:
            wanted = credits.provider_events(failed=True, provider=provider, limit=AT_ONCE)
        done = [credits.retry_event(one.provider, one.event) for one in wanted]
    if as_json:
        output.document({"data": done})
    elif not done:
        output.say("None failed.")
    for one in [] if as_json else done:
        _tell(one)
    if any(one.outcome is None for one in done):
        raise typer.Exit(output.REFUSED)


def _pretty(body: bytes) -> str:
    """JSON over several lines; anything else as it came, with escapes for what a terminal could be told by it."""
    text = body.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text, parse_float=str), indent=2)
    except (ValueError, RecursionError):
        return ascii(text)


def _tell(one: InboxEvent) -> None:
    kind = f" ({one.kind})" if one.kind else ""
    output.say(f"{one.event} of {one.provider}{kind}, received {output.words(one.received_at)}: {_stands(one)}")


def _stands(one: InboxEvent) -> str:
    tried = f"tried {one.attempts} times" if one.attempts != 1 else "tried once"
    if one.outcome is not None:
        return f"{one.outcome}, {tried}."
    if one.error is None:
        return f"not handled yet, next try {output.words(one.due_at)}."
    return f"failed, {tried}, next try {output.words(one.due_at)}. {one.error}"
