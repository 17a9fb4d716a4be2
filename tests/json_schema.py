"""A JSON Schema held against a value: as much of draft 7 as ours uses. An unknown word is an error, not a yes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

IGNORED = {"$schema", "title", "description", "default", "examples", "definitions"}
BOUNDS = {
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
    "minItems": lambda value, limit: len(value) >= limit,
    "minProperties": lambda value, limit: len(value) >= limit,
    "enum": lambda value, words: value in words,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
}
KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str, date),  # as editors of TOML take a day and an instant
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, Decimal),
}


def faults(schema: Any, value: Any, whole: dict[str, Any], path: str = "") -> Iterator[str]:
    """What of `value` the schema forbids, each with its path; `whole` is where `$ref` leads."""
    if isinstance(schema, bool):
        if not schema:
            yield f"{path}: it may not be there"
        return
    if "$ref" in schema:
        schema = whole["definitions"][schema["$ref"].removeprefix("#/definitions/")]
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{path}: it is no {schema['type']}"
        return
    if "anyOf" in schema and all([*faults(one, value, whole, path)] for one in schema["anyOf"]):
        yield f"{path}: it is none of what it may be"
    for word, said in schema.items():
        if word in BOUNDS and not BOUNDS[word](value, said):
            yield f"{path}: {word} {said}"
        elif word == "items":
            for n, one in enumerate(value, 1):
                yield from faults(said, one, whole, f"{path}.{n}")
        elif word == "propertyNames":
            for name in value:
                yield from faults(said, name, whole, f"{path}.{name}")
        elif word == "required":
            yield from (f"{path}.{name}: it is missing" for name in said if name not in value)
        elif word not in IGNORED | BOUNDS.keys() | MEMBERS | {"$ref", "type", "anyOf"}:
            raise AssertionError(f"{path}: nobody here knows the word {word!r}")
    if schema.keys() & MEMBERS:
        for name, one in value.items():
            for inner in _members(schema, name):
                yield from faults(inner, one, whole, f"{path}.{name}".lstrip("."))


MEMBERS = {"properties", "patternProperties", "additionalProperties"}


def _members(schema: dict[str, Any], name: str) -> list[Any]:
    """What the member called so is held against."""
    found = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    found += [inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    return found or [schema.get("additionalProperties", True)]


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
