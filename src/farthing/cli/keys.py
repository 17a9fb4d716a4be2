"""`farthing keys …`."""

from __future__ import annotations

from typing import Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened

app = typer.Typer(help="API keys: who may call the HTTP API, and what for.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people: what the key is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do: read, spend, grant, sell or admin; repeatable.")],
    as_json: AsJson = False,
) -> None:
    """Make a key and show its secret, this once: only a digest of it is kept."""
    from farthing import keys

    with opened() as credits:
        key_id, secret = keys.create(credits, name, scope)
    if as_json:
        output.document({"id": key_id, "secret": secret})
        return
    output.say(secret)
    output.note(f"This is the secret of {key_id}. It cannot be shown again; keep it where secrets are kept.")


@app.command("list")
def show(as_json: AsJson = False) -> None:
    """Show all keys, revoked ones too; never their secrets."""
    from farthing import keys

    with opened() as credits:
        found = keys.list_keys(credits)
    if as_json:
        output.document({"data": [key.as_dict() for key in found]})
        return
    columns = ["id", "name", "begins with", "scopes", "made", "last used", "revoked"]
    output.table(
        columns,
        [
            (
                key.id,
                key.name,
                key.prefix,
                " ".join(key.as_dict()["scopes"]),
                key.created_at,
                key.last_used_at,
                key.revoked_at,
            )
            for key in found
        ],
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `farthing keys list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """End a key: servers refuse it within seconds. Harmless to say again."""
    from farthing import keys

    with opened() as credits:
        key = keys.revoke(credits, key_id)
    if as_json:
        output.document(key.as_dict())
    else:
        output.say(f"{key.id} ({key.name}) is revoked since {output.words(key.revoked_at)}.")
