"""`farthing jobs` and `farthing jobs run`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened
from farthing.errors import InvalidField

if TYPE_CHECKING:
    from farthing.jobs import JobRun

app = typer.Typer(invoke_without_command=True)


@app.callback()
def jobs(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Run each job once and end; 1 where one failed.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds from one round to the next.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Run the jobs: pay plans, book what expired, ask about orders, top up, send events, … `serve` does so too."""
    from farthing.jobs import run_all
    from farthing.reloading import reloading
    from farthing.settings import load

    if context.invoked_subcommand:
        return
    with opened() as credits, reloading(credits, load().catalog):
        while True:
            runs = run_all(credits)
            _tell(runs, as_json=as_json)
            if once:
                raise typer.Exit(output.REFUSED if any(run.error for run in runs) else 0)
            threading.Event().wait(every)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job, such as expire or deliver.")],
    as_json: AsJson = False,
) -> None:
    """Run one job once; 1 where it failed."""
    from farthing.jobs import JOBS, run_one

    if name not in JOBS:
        raise InvalidField(f"There is no job {name!r}; there is {', '.join(JOBS)}. Nothing was done.", field="name")
    with opened() as credits:
        done = run_one(credits, name)
    _tell([done], as_json=as_json)
    if done.error:
        raise typer.Exit(output.REFUSED)


def _tell(runs: list[JobRun], *, as_json: bool) -> None:
    if as_json:
        output.document({"data": [run._asdict() for run in runs]})
        return
    for run in runs:
        counts = ", ".join(f"{many} {what}" for what, many in (run.counts or {}).items())
        output.say(f"{run.name:9} {run.error or counts}")
