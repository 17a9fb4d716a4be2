"""`farthing serve | link`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import require_file
from farthing.errors import NotReady, SettingsInvalid


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; left out: FARTHING_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; left out: FARTHING_PORT.")] = None,
) -> None:
    """Serve the HTTP API and the pages until SIGINT or SIGTERM; requests under way end first."""
    from farthing import settings

    given: dict[str, Any] = {"host": host, "port": port}
    found = settings.load(**{name: value for name, value in given.items() if value is not None})
    require_file(found)
    try:
        from farthing import server
    except ModuleNotFoundError as error:
        raise NotReady(
            f'The server needs {error.name}, which is not installed: pip install "farthing[server]".'
        ) from None
    listening = server.listen(found.host, found.port)
    output.note(f"Farthing serves {found.database_shown} at {found.public_url} (Ctrl-C ends it)")
    try:
        server.serve(found, listening)
    except KeyboardInterrupt:
        output.note("Stopped; requests that were under way have been answered.")


def link(
    account: Annotated[str, typer.Argument(help="Whose portal it opens.", metavar="ACCOUNT")],
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long it works.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Make an address that signs ACCOUNT in to the portal, once. Whoever has it gets in: give it to nobody else."""
    from datetime import timedelta

    from farthing import portal, settings

    found = settings.load()
    if not found.secret:
        raise SettingsInvalid(
            "There is no secret to sign a link with. `farthing init` makes one, or set FARTHING_SECRET."
        )
    secrets = [one.get_secret_value() for one in found.secret]
    url = portal.link(account, secrets, base_url=f"{found.public_url}/portal", life=timedelta(minutes=minutes))
    if as_json:
        output.document({"account": account, "url": url})
    else:
        output.say(url)
