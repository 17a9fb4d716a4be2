"""`farthing jobs`."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened


def jobs(
    once: Annotated[bool, typer.Option("--once", help="Run each job once and end; 1 where one failed.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds from one round to the next.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Run the jobs: book what expired in idle accounts, handle webhooks that failed. `serve` runs them too."""
    from farthing.jobs import run_all

    with opened() as credits:
        while True:
            runs = run_all(credits)
            if as_json:
                output.document({"data": [run._asdict() for run in runs]})
            else:
                for run in runs:
                    counts = ", ".join(f"{many} {what}" for what, many in (run.counts or {}).items())
                    output.say(f"{run.name:9} {run.error or counts}")
            if once:
                raise typer.Exit(output.REFUSED if any(run.error for run in runs) else 0)
            threading.Event().wait(every)
