"""`manage.py farthing_jobs`."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from farthing.integrations.django.configuration import credits
from farthing.jobs import EVERY_S, JobRun, run_all


class Command(BaseCommand):
    """Runs the jobs: pays plans, books what expired, handles webhooks, asks about open orders, tops up."""

    help = "Run Farthing's jobs, now and then until it is stopped. Several may run at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--once, --every."""
        parser.add_argument("--once", action="store_true", help="run each job once and end; fails where one failed")
        parser.add_argument("--every", type=float, default=EVERY_S, help="seconds from one round to the next")

    def handle(self, *_: Any, **options: Any) -> None:
        """Runs them, a line for each."""
        while True:
            runs = run_all(credits())
            for run in runs:
                self._tell(run)
            if options["once"]:
                if any(run.error for run in runs):
                    raise CommandError("A job did not finish.")
                return
            threading.Event().wait(options["every"])

    def _tell(self, run: JobRun) -> None:
        counts = ", ".join(f"{many} {what}" for what, many in (run.counts or {}).items())
        self.stdout.write(f"{run.name:9} {run.error or counts}")
