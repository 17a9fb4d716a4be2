"""How commands come to their database: from the settings, with clear words where something is missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from farthing.errors import NotMigrated

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.settings import Settings


@contextmanager
def opened() -> Generator[Credits]:
    """The credit system that the settings name, closed afterwards.

    Raises:
        NotReady, Unavailable: with what to do.
    """
    from farthing import opening, settings

    found = settings.load()
    require_file(found)
    with opening.from_settings(found) as credits:
        yield credits


def require_file(settings: Settings) -> None:
    """Nothing, where the database's file exists or it is a server: connecting would make an empty file.

    Raises:
        NotMigrated: there is none yet.
    """
    file = settings.database_file
    if file is not None and not file.exists():
        raise NotMigrated(
            f"There is no database at {settings.database_shown} yet. Nothing was changed. Run `farthing init`, "
            "or set FARTHING_DATABASE_URL to the one you mean."
        )
