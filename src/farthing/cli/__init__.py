"""`farthing …`: everything an operator does, each command with `--json`."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from farthing import errors
from farthing.cli import (
    accounts,
    catalog,
    charging,
    correcting,
    demo,
    doctor,
    endpoints,
    events,
    history,
    holding,
    keys,
    ordering,
    output,
    plans,
    reading,
    reconciling,
    replaying,
    serving,
    setup,
    topups,
    webhooks,
    working,
    writing,
)

CLOSED_PIPE = 141  # as a shell says of a program ended by SIGPIPE
INTERRUPTED = 130
STOPPED = (
    "Interrupted. Nothing is half-written: each change is recorded whole or not at all. "
    "Run the same command with the same key to finish it, or to learn that it was done."
)

NEGATIVE = "amount must be more than zero, and a number that begins with - is not. Nothing was changed."

COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    "Set up": {
        "demo": demo.demo,
        "init": setup.init,
        "migrate": setup.migrate,
        "doctor": doctor.doctor,
        "serve": serving.serve,
        "link": serving.link,
    },
    "Give and use up": {
        "open": writing.open_account,
        "grant": writing.grant,
        "deduct": writing.deduct,
        "charge": charging.charge,
        "estimate": charging.estimate,
        "expire": writing.expire,
        "replay": replaying.replay,
    },
    "Hold": {
        "hold": holding.hold,
        "capture": holding.capture,
        "release": holding.release,
        "extend": holding.extend,
        "holds": holding.holds,
    },
    "Take back and move": {
        "reverse": correcting.reverse,
        "void": correcting.void,
        "clawback": correcting.clawback,
        "transfer": correcting.transfer,
    },
    "Whole accounts": {
        "freeze": accounts.freeze,
        "unfreeze": accounts.unfreeze,
        "merge": accounts.merge,
        "erase": accounts.erase,
    },
    "See and prove": {
        "check": reading.check,
        "balance": reading.balance,
        "explain": reading.explain,
        "history": history.history,
        "lots": reading.lots,
        "verify": reading.verify,
        "reconcile": reconciling.reconcile,
    },
}


class Commands(TyperGroup):
    """The commands, with one way for all of them to end. Nobody but the command itself decides what it does."""

    as_json = False

    def main(self, args: Any = None, *more: Any, **extra: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        self.as_json = "--json" in given
        if not self.as_json:
            return super().main(given, *more, **extra)
        try:
            extra["standalone_mode"] = False
            code = super().main(given, *more, **extra)
        except typer.TyperException as error:
            output.stopped("usage", error.format_message(), as_json=True)
            code = output.MISUSED
        sys.exit(code or 0)

    def invoke(self, ctx: Any) -> Any:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except errors.FarthingError as error:
            raise typer.Exit(output.failed(error, as_json=self.as_json)) from None
        except typer.TyperException as error:
            if not _negative_amount(error):
                raise
            raise typer.Exit(output.failed(errors.InvalidAmount(NEGATIVE), as_json=self.as_json)) from None
        except BrokenPipeError:
            output.hush()
            raise typer.Exit(CLOSED_PIPE) from None
        except KeyboardInterrupt:
            output.stopped("interrupted", STOPPED, as_json=self.as_json)
            raise typer.Exit(INTERRUPTED) from None


def _negative_amount(error: typer.TyperException) -> bool:
    """Whether what was taken for an unknown option is a number, of a command that takes an amount."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    takes_amount = any(parameter.metavar == "AMOUNT" for parameter in getattr(command, "params", ()))
    return takes_amount and bool(re.match(r"-[.0-9]", getattr(error, "option_name", "")))


app = typer.Typer(
    cls=Commands,
    name="farthing",
    help="Prepaid credits: give, buy, use up, see, prove. Settings come from FARTHING_… variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(catalog.app, name="catalog", rich_help_panel="Set up")
app.add_typer(keys.app, name="keys", rich_help_panel="Set up")
app.add_typer(working.app, name="jobs", rich_help_panel="Set up")
app.add_typer(plans.app, name="plan", rich_help_panel="Whole accounts")
app.add_typer(ordering.app, name="orders", rich_help_panel="Payments")
app.add_typer(webhooks.app, name="webhooks", rich_help_panel="Payments")
app.add_typer(endpoints.app, name="endpoints", rich_help_panel="Events")
app.add_typer(events.app, name="events", rich_help_panel="Events")
app.add_typer(topups.app, name="topups", rich_help_panel="Whole accounts")
for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)


def _show_version(asked: bool) -> None:
    if asked:
        from farthing import __version__

        output.say(f"farthing {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """What stands before any command."""


def main() -> None:
    """The console's entry. What the terminal's encoding lacks is written as an escape, not an error."""
    if (here := os.getcwd()) not in sys.path:  # where farthing.toml and the calculators that it names stand
        sys.path.insert(0, here)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="farthing")
