"""The OpenAPI description: the file in docs/ is what the code says, and it says enough."""

import json
from pathlib import Path

import pytest

from farthing.http import document
from tests.http.conftest import Api

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.mark.row("D1")
def test_the_committed_description_is_what_the_code_says():
    assert FILE.read_text("utf-8") == document(), "run: python -m farthing.http > docs/openapi.json"


@pytest.mark.row("D1")
def test_the_served_description_is_the_committed_one(api: Api):
    assert api.get("/v1/openapi.json").json() == json.loads(FILE.read_text("utf-8"))


def test_every_operation_says_what_it_does_and_how_it_fails():
    described = json.loads(document())
    assert described["openapi"].startswith("3.1")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            content = operation["responses"]["default"]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, where
            assert not any("HTTPValidationError" in json.dumps(answer) for answer in operation["responses"].values())
    for name, schema in described["components"]["schemas"].items():
        assert schema["description"], name


def test_amounts_are_numbers_in_the_description():
    schemas = json.loads(document())["components"]["schemas"]
    assert schemas["Balance"]["properties"]["available"]["type"] == "number"
    assert {one["type"] for one in schemas["Grant"]["properties"]["amount"]["anyOf"]} == {"number", "string"}
