"""Exact JSON: amounts are plain numbers in both directions and no float touches them; times are RFC 3339 in UTC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Strict, WithJsonSchema
from starlette.responses import JSONResponse

from farthing.amounts import text
from farthing.errors import InvalidAmount

_LONGEST_NUMBER = 40
_DEEPEST = 32
_DIGITS = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Unreadable(ValueError):
    """A body that is not JSON, or not JSON that can be read exactly."""


def read(body: bytes) -> Any:
    """What `body` says; numbers with decimals are Decimal.

    Raises:
        Unreadable: not JSON in UTF-8 (RFC 8259), a name twice in one object, NaN or Infinity, a number longer than
            any amount, or nested too deeply.
    """
    try:
        said = json.loads(
            body.decode(), parse_float=_decimal, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        raise Unreadable(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    if _deeper_than(said, _DEEPEST):
        raise Unreadable(f"it is nested more than {_DEEPEST} deep")
    return said


def write(value: Any) -> str:
    """`value` as JSON: a Decimal in plain digits, an instant as RFC 3339 with Z."""
    if isinstance(value, Mapping):
        members = cast(Mapping[str, Any], value).items()
        return "{" + ",".join(f"{_quoted(name)}:{write(inner)}" for name, inner in members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(write, cast(list[Any], value))) + "]"
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat().removesuffix("+00:00")}Z"'
    return _quoted(value)


class Exact(JSONResponse):
    """A response whose content is written by `write`."""

    def render(self, content: Any) -> bytes:
        # Half a surrogate pair is no UTF-8; escaped, it is JSON all the same.
        return write(content).encode("utf-8", "backslashreplace")


class Body(BaseModel):
    """What a caller may send; a field that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _amount(said: Any) -> Any:
    if isinstance(said, str) and _DIGITS.fullmatch(said):
        return Decimal(said)
    if isinstance(said, bool) or not isinstance(said, (int, Decimal)):
        raise InvalidAmount("An amount must be a JSON number, or its digits in a string. Nothing was changed.")
    return Decimal(said)


def _instant(said: Any) -> Any:
    if isinstance(said, str) and _INSTANT.fullmatch(said):
        try:
            return datetime.fromisoformat(said.upper())
        except ValueError:
            pass
    raise ValueError("write an instant with its offset, such as 2027-01-31T12:00:00Z")


def _life(said: Any) -> Any:
    if said is None:
        raise ValueError('null could mean either: leave it out for the default, or write "never"')
    return _instant(said) if isinstance(said, str) and _INSTANT.fullmatch(said) else said


def _plain(said: dict[str, Any]) -> dict[str, Any]:
    return {name: _kept(inner) for name, inner in said.items()}


def _kept(value: Any) -> Any:
    """Decimals of free JSON as the floats they will be read as, where that loses nothing."""
    if isinstance(value, dict):
        return _plain(cast(dict[str, Any], value))
    if isinstance(value, list):
        return [_kept(inner) for inner in cast(list[Any], value)]
    if not isinstance(value, Decimal):
        return value
    near = float(value)
    if Decimal(repr(near)) != value:
        raise ValueError(f"the number {value} would not be kept exactly; write it as a string")
    return near


_NUMBER = {"type": "number", "description": "Credits: a plain number of at most 15 significant digits."}
_ASKED = _NUMBER | {"exclusiveMinimum": 0, "examples": [5, 0.25]}
_TIME = {"type": "string", "format": "date-time"}

Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema({"anyOf": [_ASKED, {"type": "string", "pattern": r"^[0-9]{1,30}(\.[0-9]{1,30})?$"}]}),
]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_TIME | {"examples": ["2027-01-31T12:00:00Z"]})]
Expires = Annotated[
    datetime | str | None,
    BeforeValidator(_life),
    WithJsonSchema(
        {
            "type": "string",
            "description": 'A duration such as "30d", "12h" or "1mo", an instant, or "never". '
            "Left out: the credit type's default.",
            "examples": ["30d", "never", "2027-01-31T12:00:00Z"],
        }
    ),
]
Metadata = Annotated[dict[str, Any], AfterValidator(_plain)]
Whole = Annotated[int, Strict()]

Number = Annotated[Decimal, WithJsonSchema(_NUMBER)]
Time = Annotated[datetime, WithJsonSchema(_TIME)]


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(_short(digits))
    except InvalidOperation:
        raise Unreadable("it has a number whose exponent is beyond all bounds") from None


def _whole(digits: str) -> int:
    return int(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > _LONGEST_NUMBER:
        raise Unreadable(f"it has a number of {len(digits)} characters, the most is {_LONGEST_NUMBER}")
    return digits


def _no_number(name: str) -> Any:
    raise Unreadable(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("it has the same name twice in one object")
    return found


def _deeper_than(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(cast(dict[str, Any], value).values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper_than(inner, levels - 1) for inner in cast(list[Any], value))
