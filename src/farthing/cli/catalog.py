"""`farthing catalog …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.errors import CatalogInvalid

app = typer.Typer(help="The catalog: what exists and what it costs.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Left out: the one the settings name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a catalog and tell every mistake with its path. Ends with 1 where there is one; warnings are no mistakes."""
    from farthing import catalog, settings

    path = file or settings.load().catalog
    try:
        loaded = catalog.load(path)
    except CatalogInvalid as error:
        output.failed(error, as_json=as_json)
        raise typer.Exit(output.REFUSED) from None
    sells = [dict(zip(("what", "credits", "price"), line, strict=True)) for line in catalog.describe(loaded)]
    if as_json:
        output.document({"version": loaded.version, "warnings": loaded.warnings, "sells": sells})
        return
    for warning in loaded.warnings:
        output.note(f"warning: {warning}")
    if sells:
        output.table(["sells", "credits", "price"], [tuple(line.values()) for line in sells])
    output.say(f"{path} is right. Version {loaded.version}.")


@app.callback()
def root() -> None:
    """What stands before `check`."""
