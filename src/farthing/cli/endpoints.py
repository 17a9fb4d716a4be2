"""`farthing endpoints add | list | remove | resume | rotate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.events.endpoints import NewSecret
    from farthing.store.endpoints import Endpoint

app = typer.Typer(help="Where events are sent: add addresses, see how they do, change their secrets.")
Id = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, as `farthing endpoints list` shows it.")]
WHY = {"failing": "it took nothing for three days", "gone": "it says that it is gone"}


@app.command()
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https, of a public host.")],
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Only events of this kind; repeatable. Left out: all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send events there from now on, and show the secret that signs them, this once."""
    with opened() as credits:
        made = credits.add_endpoint(url, kinds=kind or ())
    _show_secret(made, as_json=as_json)


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """Show all endpoints and how they do, never their secrets."""
    with opened() as credits:
        found = credits.endpoints()
    if as_json:
        output.document({"data": found})
    elif not found:
        output.say("There is none.")
    else:
        output.table(
            ["endpoint", "url", "kinds", "since", "stands"],
            [(one.id, one.url, " ".join(one.kinds) or "all", one.created_at, _stands(one)) for one in found],
        )


@app.command()
def remove(endpoint: Id, as_json: AsJson = False) -> None:
    """Send nothing there any more, and forget how its deliveries went."""
    with opened() as credits:
        credits.remove_endpoint(endpoint)
    if as_json:
        output.document({"removed": endpoint})
    else:
        output.say(f"{endpoint} is removed.")


@app.command()
def resume(endpoint: Id, as_json: AsJson = False) -> None:
    """Send to a paused endpoint again, beginning with what waited."""
    with opened() as credits:
        found = credits.resume_endpoint(endpoint)
    if as_json:
        output.document(found)
    else:
        output.say(f"{found.id} ({found.url}): {_stands(found)}.")


@app.command()
def rotate(endpoint: Id, as_json: AsJson = False) -> None:
    """Give it a new secret and show that, this once. The old one signs beside it until the next rotation."""
    with opened() as credits:
        made = credits.rotate_endpoint(endpoint)
    _show_secret(made, as_json=as_json)


def _show_secret(made: NewSecret, *, as_json: bool) -> None:
    if as_json:
        output.document({"endpoint": made.endpoint, "secret": made.secret})
        return
    output.say(f"{made.endpoint.id} ({made.endpoint.url})")
    output.say(f"Its secret, which is not shown again: {made.secret}")


def _stands(one: Endpoint) -> str:
    if one.paused:
        return f"paused since {output.words(one.paused_at)}: {WHY.get(one.paused, one.paused)}"
    return f"failing since {output.words(one.failing_since)}" if one.failing_since else "works"
