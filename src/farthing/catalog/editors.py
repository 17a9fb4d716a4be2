"""What an editor needs to know of farthing.toml, to complete it and mark its mistakes: a JSON Schema."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from farthing.catalog.schema import Document

DIALECT = "http://json-schema.org/draft-07/schema#"  # what editors of TOML know; they know no later one
_DEFINITIONS = "definitions"  # their name in that draft
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"


class _Generated(GenerateJsonSchema):
    """TOML has no null: what may be left out is just not required. Tables take no other names than they list."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        told = super().default_schema(schema)
        default = schema.get("default")
        if isinstance(default, Decimal):
            told["default"] = int(default)
        elif default is None or told.get("default") == {}:
            told.pop("default", None)
        return told

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number, _ = super().decimal_schema(schema)["anyOf"]
        return {"anyOf": [number, {"type": "string", "pattern": _NUMBER}]}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        told = super().dict_schema(schema)
        if "patternProperties" in told:
            told["additionalProperties"] = False
        return told

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """farthing.toml as a JSON Schema of draft 7, which editors of TOML read.

    It knows tables, settings and what a value looks like. What one part of a file says of another, such as the credit
    type of a package, only `parse` knows.
    """
    told = Document.model_json_schema(schema_generator=_Generated, ref_template=f"#/{_DEFINITIONS}/{{model}}")
    tables = cast(dict[str, dict[str, Any]], told.pop("$defs"))
    for table in tables.values():
        del table["title"]
    return {"$schema": DIALECT, **told, "title": "farthing.toml", _DEFINITIONS: tables}
