"""What a file said, as JSON that says the same when it is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast


def written(value: Any) -> str:
    """A parsed file as JSON. Decimals are numbers, digit for digit; what JSON has no word for (a date) is text."""
    if isinstance(value, Mapping):
        members = cast(Mapping[str, Any], value).items()
        return "{" + ", ".join(f"{json.dumps(name)}: {written(inner)}" for name, inner in members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, cast(list[Any], value))) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    return json.dumps(value if isinstance(value, (bool, int)) else str(value), ensure_ascii=False)


def document(said: str) -> dict[str, Any]:
    """What `written` wrote, as the parsed file it was."""
    return json.loads(said, parse_float=Decimal)
