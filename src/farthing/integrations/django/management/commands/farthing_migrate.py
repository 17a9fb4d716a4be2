"""`manage.py farthing_migrate`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from farthing import opening
from farthing.errors import FarthingError
from farthing.integrations.django.configuration import database_url


class Command(BaseCommand):
    """Makes or updates Farthing's tables in the database that FARTHING names."""

    help = "Make or update Farthing's tables, all or nothing. Harmless to run again."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--mode."""
        parser.add_argument("--mode", choices=["test", "live"], help="settled once, by the first run; left out: test")

    def handle(self, *_: Any, **options: Any) -> None:
        """Migrates and says to which version."""
        try:
            version = opening.migrate(database_url(), mode=options["mode"] or "test")
        except FarthingError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"Farthing's schema is {version}.")
