"""What a server answers, as the library's own types: JSON to views, problems to errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from farthing import errors
from farthing.errors import FarthingError
from farthing.views import LINE, Drawn, Line, Page, Receipt

T = TypeVar("T")
_PROBLEM = ("type", "title", "status", "detail", "code", "request_id", "errors")


class ServedLine(Line):
    """One entry of the ledger, as a server told it."""

    __slots__ = ("_said",)

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = _line(said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self.as_dict() == other.as_dict()

    __hash__ = Line.__hash__


class ServedReceipt(Receipt):
    """The entry that stands for a write, as a server told it."""

    __slots__ = ("_said",)

    def __init__(self, said: Mapping[str, Any], *, replayed: bool) -> None:
        self._said = _line(said)
        self.replayed = replayed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Receipt) and Line.as_dict(self) == Line.as_dict(other)

    __hash__ = Line.__hash__


def _told(name: str) -> property:
    return property(lambda line: line._said[name], doc=getattr(Line, name).__doc__)


for _name in LINE:
    setattr(ServedLine, _name, _told(_name))
    setattr(ServedReceipt, _name, _told(_name))


def read(body: bytes) -> Any:
    """JSON without any float in it."""
    return json.loads(body, parse_float=Decimal)


def decode(kind: Any, said: Any) -> Any:
    """What `said` is as `kind`: a view, a list or a dict of them, a Decimal, an instant, or just what it is."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if said is None else decode(next(one for one in args if one is not NoneType), said)
    if origin is list:
        return [decode(args[0], one) for one in said]
    if origin is dict:
        return {name: decode(args[1], one) for name, one in said.items()}
    if kind is Decimal:
        return Decimal(said)
    if kind is datetime:
        return datetime.fromisoformat(said)
    if hasattr(kind, "_fields"):
        hints = _hints(kind)
        return kind(**{name: decode(hints[name], said[name]) for name in kind._fields if name in said})
    return said


def page(said: Any) -> Page:
    """Part of a history."""
    return Page([ServedLine(one) for one in said["data"]], said["has_more"], said["next_cursor"])


def problem(status: int, said: Any) -> FarthingError | None:
    """The error that a server answered; None where it is none of Farthing's."""
    if not isinstance(said, dict) or not isinstance(code := cast(dict[str, Any], said).get("code"), str):
        return None
    told = cast(dict[str, Any], said)
    kind = _kinds().get(code)
    if code == "invalid_request":  # what the library would have refused as an argument
        mistakes = cast("list[dict[str, Any]]", told.get("errors") or [{}])
        field = str(mistakes[0].get("path", "")).partition(".")[2]
        return errors.InvalidField(str(told.get("detail")), field=field)
    if kind is None:  # only HTTP has it: a key that is unknown, a scope that is missing
        return FarthingError(str(told.get("detail")), code=code, status=status)
    hints = _hints(kind)
    facts = {name: decode(hints.get(name), value) for name, value in told.items() if name not in _PROBLEM}
    return kind(str(told.get("detail")), **facts)


def _line(said: Mapping[str, Any]) -> dict[str, Any]:
    hints = _line_hints()
    return {name: decode(hints[name], said[name]) for name in LINE}


@cache
def _line_hints() -> dict[str, Any]:
    known = {"Drawn": Drawn, "datetime": datetime, "Decimal": Decimal, "Any": Any}
    return {name: get_type_hints(getattr(Line, name).fget, known)["return"] for name in LINE}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _kinds() -> dict[str, type[FarthingError]]:
    every = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, FarthingError)]
    return {one.code: one for one in every}
