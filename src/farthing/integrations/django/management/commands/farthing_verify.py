"""`manage.py farthing_verify`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from farthing.errors import FarthingError
from farthing.integrations.django.configuration import credits


class Command(BaseCommand):
    """Rebuilds every balance from the entries and compares."""

    help = "Rebuild every balance and lot from the entries and compare. Fails where anything is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """ACCOUNT."""
        parser.add_argument("account", nargs="?", help="only this one; left out: all")

    def handle(self, *_: Any, **options: Any) -> None:
        """Verifies, and says how much."""
        try:
            report = credits().verify(options["account"])
        except FarthingError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{report.entries:,} entries of {report.wallets:,} wallets were read and added up again.")
        if not report.proved:
            raise CommandError("\n".join(str(fault) for fault in report.faults))
        self.stdout.write("Every balance is proved.")
