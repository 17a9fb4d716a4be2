"""Which request each verb of the library makes. What a verb takes is said by the library's own, and nowhere again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, wraps
from inspect import Signature, signature
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast
from urllib.parse import quote as quoted

from farthing.amounts import Money, exact
from farthing.client.answers import ServedReceipt, decode
from farthing.core import checks
from farthing.errors import InvalidKey
from farthing.ledger.commands import DEFAULT, life
from farthing.views import Receipt

P = ParamSpec("P")
T = TypeVar("T")
Answer = Callable[[Any, bool], T]
"""Reads what a server answered; True: it was a replay."""

_UNITS = {
    "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1),
    "": timedelta(microseconds=1),
}  # fmt: skip
_AMOUNTS = ("amount", "threshold")
_USAGE = ("operation", "measures", "dimensions")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request: where, what it says in its query or its body, its key, and how its answer is read."""

    method: str
    path: str
    answer: Answer[T]
    key: str | None
    said: Mapping[str, Any]
    may_lack: bool = False  # nothing there is None, and no error
    only_reads: bool = False


def route(
    like: Callable[Concatenate[Any, P], Any],
    asked: str,
    answer: Answer[T],
    *,
    may_lack: bool = False,
    only_reads: bool = False,
    usage: bool = False,
    **renamed: str,
) -> Callable[P, Call[T]]:
    """Makes the request of a verb out of its arguments: what the path does not name stands in the query or the body.

    Args:
        like: the library's verb, e.g. `Verbs.grant`.
        asked: method and path, e.g. "POST accounts/{account}/grants".
        may_lack: that nothing is there is no error, and answers None.
        only_reads: it writes nothing, though it is no GET.
        usage: what was used takes the place of an amount.
        renamed: what HTTP calls a parameter otherwise.
    """
    method, _, path = asked.partition(" ")

    @wraps(like)
    def made(*args: P.args, **kwargs: P.kwargs) -> Call[T]:
        given = arguments(like, args, kwargs)
        key = carried(given.pop("key")) if "key" in given else None
        parts = {name: given.pop(name) for name in list(given) if f"{{{name}}}" in path}
        said = {renamed.get(name, name): value for name, value in given.items()}
        said = by_usage(said) if usage else said
        where = "/v1/" + path.format_map(_quoted(parts))
        return Call(method, where, answer, key, said, may_lack, only_reads or method == "GET")

    return cast(Any, made)


def arguments(like: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a verb is called with, by the names of its parameters and as JSON takes it, without what is left out.

    Raises:
        TypeError: it is not called so. Invalid: an argument is wrong as written.
    """
    bound = _signature(like).bind(None, *args, **kwargs)
    given = {name: _written(name, value) for name, value in list(bound.arguments.items())[1:]}
    return {name: value for name, value in given.items() if value is not None}


def by_usage(said: dict[str, Any]) -> dict[str, Any]:
    """What was used stands in a part of its own where it takes the place of an amount."""
    usage = {name: said[name] for name in _USAGE if name in said}
    return {name: value for name, value in said.items() if name not in _USAGE} | {"usage": usage}


def receipt(said: Any, replayed: bool) -> Receipt:
    """The entry that stands for a write."""
    return ServedReceipt(said, replayed=replayed)


def one(kind: type[T]) -> Answer[T]:
    """A view of this kind."""
    return lambda said, _: decode(kind, said)


def listed(kind: type[T]) -> Answer[list[T]]:
    """Views of this kind, in a list."""
    return lambda said, _: decode(list[kind], said["data"])


def carried(key: str) -> str:
    """The key, as a header can carry it.

    Raises:
        InvalidKey: it is no key, or HTTP would change it on the way.
    """
    if checks.caller_key(key) != key.strip() or not key.isprintable():
        raise InvalidKey(
            f"HTTP cannot carry the key {key!r}: it begins or ends with a blank, or has a character that does not "
            "print. Nothing was changed. Use another key."
        )
    return key


@cache
def _signature(like: Callable[..., Any]) -> Signature:
    """Of a verb; the dimensions of a rate card are its arguments by any other name."""
    return signature(like)


def _written(name: str, value: Any) -> Any:
    if name in _AMOUNTS and value is not None:
        return format(exact(value, name=name), "f")
    if name == "measures" and value is not None:
        return {measure: format(exact(used, name=measure), "f") for measure, used in value.items()}
    if name == "expires":
        life(value)
        if isinstance(value, timedelta):
            return next(f"{value // unit}{letter}" for letter, unit in _UNITS.items() if not value % unit)
        return None if value is DEFAULT else _plain(value)
    if name == "account":
        return checks.account_id(cast(str, value))
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return dict(cast(Mapping[str, Any], value))
    return value if value is None or isinstance(value, str | int) else list(value)


def _quoted(parts: Mapping[str, Any]) -> dict[str, str]:
    return {name: quoted(str(value), safe="") for name, value in parts.items()}
