"""What a verb's arguments say when they come as text, from options of a command line or cells of a CSV file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

from farthing.amounts import Money, minor_units
from farthing.errors import InvalidField


def arguments(said: Mapping[str, str | None], *, named: Callable[[str], str] = str) -> dict[str, Any]:
    """Keyword arguments of `grant` or `deduct`; what was left out (None) stays out.

    Args:
        named: how the caller writes an argument's name, for errors.
    Raises:
        Invalid: a text is not what it should be.
    """
    given = {name: text for name, text in said.items() if text is not None}
    cost, currency = given.pop("cost", None), given.pop("currency", None)
    made: dict[str, Any] = {name: _READERS.get(name, _as_it_is)(named(name), text) for name, text in given.items()}
    if (cost is None) != (currency is None):
        raise InvalidField(f"{named('cost')} and {named('currency')} go together. Nothing was changed.", field="cost")
    if cost is not None and currency is not None:
        made["cost"] = Money(minor_units(cost, currency, name=named("cost")), currency)
    return made


def instant(name: str, said: str) -> datetime:
    """The time that `said` is.

    Raises:
        InvalidField: not a time, or one without a zone, which could mean any.
    """
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidField(
            f"{name} is {said!r}, not a time. Nothing was changed. Write it like 2026-01-31T12:00Z.", field=name
        ) from None
    if at.tzinfo is None:
        raise InvalidField(
            f"{name} is {said!r}, which has no time zone. Nothing was changed. Write it like {at:%Y-%m-%dT%H:%M}Z.",
            field=name,
        )
    return at


def json_object(name: str, said: str) -> dict[str, Any]:
    """The JSON object that `said` is.

    Raises:
        InvalidField: anything else.
    """
    try:
        value = json.loads(said)
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"{name} is not JSON: {error}. Nothing was changed.", field=name) from None
    if not isinstance(value, dict):
        raise InvalidField(f"{name} is not a JSON object {{…}}. Nothing was changed.", field=name)
    return cast(dict[str, Any], value)


def _expires(name: str, said: str) -> datetime | str:
    return instant(name, said) if re.match(r"\d{4}-", said) else said


def _whole(name: str, said: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", said):
        raise InvalidField(f"{name} is {said[:40]!r}, not a whole number. Nothing was changed.", field=name)
    return int(said)


def _as_it_is(name: str, said: str) -> str:
    return said


_READERS: dict[str, Callable[[str, str], Any]] = {
    "expires": _expires,
    "effective_at": instant,
    "priority": _whole,
    "metadata": json_object,
    "occurred_at": instant,
}
