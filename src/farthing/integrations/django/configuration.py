"""The setting FARTHING, and the credits it names: opened when they are first used, one for each process."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections
from django.http import HttpRequest
from django.utils.module_loading import import_string

from farthing import opening
from farthing.credits import Credits
from farthing.errors import SettingsInvalid
from farthing.integrations.charging import Charging

_once = threading.Lock()


class Said(NamedTuple):
    """What FARTHING says, with what it stands for in the place of dotted paths."""

    database: str
    catalog: Any
    credits: Any
    account: Any
    top_up_url: Any


class Opened(NamedTuple):
    """What FARTHING came to, and whether it was this module that opened it."""

    charging: Charging
    opened_here: bool


_opened: list[Opened] = []


def credits() -> Credits:
    """The credits of this process, as FARTHING says: `credits().on(connection).deduct(…)` inside `atomic()`.

    Raises:
        SettingsInvalid: FARTHING is wrong. NotMigrated, CatalogInvalid, DatabaseUnreachable: as `farthing.open`.
    """
    return charging().credits


def charging() -> Charging:
    """The credits, and whom to charge. Raises what `credits` raises."""
    with _once:
        if not _opened:
            found = said()
            opened = found.credits() if found.credits else opening.open(database_url(), catalog=found.catalog)
            one = Charging(opened, account=found.account, top_up_url=found.top_up_url)
            _opened.append(Opened(one, not found.credits))
        return _opened[0].charging


def said() -> Said:
    """What FARTHING says.

    Raises:
        SettingsInvalid: a key that there is not, a path that leads nowhere, a database that DATABASES has not.
    """
    given = dict(cast(dict[str, Any], getattr(settings, "FARTHING", {})))
    found = Said(
        given.pop("DATABASE", "default"), given.pop("CATALOG", "farthing.toml"), _named(given.pop("CREDITS", None)),
        _named(given.pop("ACCOUNT", signed_in)), given.pop("TOP_UP_URL", None),
    )  # fmt: skip
    if given:
        keys = ", ".join(field.upper() for field in Said._fields)
        raise SettingsInvalid(f"FARTHING has no {', '.join(map(repr, given))}; it has {keys}.")
    if not found.credits and found.database not in list(connections):
        raise SettingsInvalid(f"FARTHING says the database {found.database!r}, which DATABASES does not have.")
    return found


def database_url() -> str:
    """Where Farthing's tables are, as the connection that FARTHING names says it now: in tests, that of the test."""
    connection: Any = connections[said().database]
    place = connection.settings_dict
    host = str(place["HOST"] or "")
    folder = host.startswith("/")
    url = sa.URL.create(
        connection.vendor,
        username=place["USER"] or None,
        password=place["PASSWORD"] or None,
        host=None if folder else host or None,
        port=int(place["PORT"]) if place["PORT"] else None,
        database=str(place["NAME"]),
        query={"host": host} if folder else {},
    )
    return url.render_as_string(hide_password=False)


def signed_in(request: HttpRequest) -> str | None:
    """The primary key of the user who is signed in, as text."""
    user: Any = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None


def forget() -> None:
    """The next use opens the credits as FARTHING says then. What this module opened is closed."""
    with _once:
        for ours in _opened:
            if ours.opened_here:
                ours.charging.credits.close()
        _opened.clear()


def _named(said: Any) -> Any:
    if not isinstance(said, str):
        return said
    try:
        return import_string(said)
    except ImportError as error:
        raise SettingsInvalid(f"FARTHING says {said!r}, which cannot be imported: {error}.") from None


def _changed(*, setting: str, **_: Any) -> None:
    if setting in ("FARTHING", "DATABASES"):
        forget()


setting_changed.connect(_changed, dispatch_uid="farthing")
