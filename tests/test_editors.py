"""The JSON Schema of farthing.toml: what an editor says of a file is what Farthing says, as far as a schema can."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from farthing.catalog import parse
from farthing.catalog.editors import json_schema
from farthing.cli import setup
from farthing.errors import CatalogInvalid
from tests.docs.pages import DOCS, PAGES, blocks, laid_over, name
from tests.json_schema import faults
from tests.selling import STORE
from tests.test_catalog import SELLING

SCHEMA = json_schema()
COMMITTED = DOCS / "farthing.schema.json"


def told(text: str | dict[str, Any]) -> list[str]:
    """What the schema has against a file."""
    document = tomllib.loads(text, parse_float=Decimal) if isinstance(text, str) else text
    return list(faults(SCHEMA, document, SCHEMA))


@pytest.mark.row("C1")
def test_the_committed_schema_is_that_of_the_settings():
    assert json.loads(COMMITTED.read_text("utf-8")) == SCHEMA, (
        "run: farthing catalog schema > docs/farthing.schema.json"
    )


@pytest.mark.row("C1")
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_the_pages_show_is_right_by_the_schema(page: Path):
    whole: dict[str, Any] = {}
    for block in blocks(page.read_text("utf-8")):
        if block.info not in ("toml", "toml part"):
            continue
        document = tomllib.loads(block.body, parse_float=Decimal)
        whole = document if block.info == "toml" else whole
        assert told(laid_over(whole, document)) == [], f"{name(page)}:{block.line}"


@pytest.mark.row("C1")
def test_so_are_the_catalog_that_init_writes_and_those_of_examples(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(DOCS / "examples")  # where the calculator of one of them is
    texts = [setup.DEMO_CATALOG.read_text("utf-8"), SELLING, STORE]
    texts += [one.read_text("utf-8") for one in (DOCS / "examples").glob("*.toml")]
    for text in texts:
        parse(text)
        assert told(text) == []


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("bonus = 10", "bonsu = 10"),
        ("bonus = 10", "bonus = -1"),
        ("bonus = 10", 'bonus = "ten"'),
        ("bonus = 10", "bonus = true"),
        ("credits = 100", "credits = 0"),
        ("credits = 100", ""),
        ("popular = true", 'popular = "yes"'),
        ("sort = 20", "sort = 1.5"),
        ('"graduated"', '"graduate"'),
        ('expires = "365d"', 'expires = "soon"'),
        ('expires = "365d"', 'expires = "07d"'),
        ('plans = ["pro", "team"]', 'plans = "pro"'),
        ('plans = ["pro", "team"]', 'plans = ["Pro"]'),
        ('name = "Images"', ""),
        ('name = "Images"', "name = 7"),
        ('name = {en = "Starter"', 'name = {Klingon = "Starter"'),
        ('name = {en = "Starter"', 'name = {en = ""'),
        ("scale = 2", "scale = 12"),
        ("price = {USD = 39.90, JPY = 5900}", "price = {}"),
        ("price = {USD = 39.90, JPY = 5900}", "price = 39.90"),
        ("USD = 39.90", "usd = 39.90"),
        ("USD = 39.90", "USD = 0"),
        ("from = 110", ""),
        ("unit = 0.08", "unit = 0"),
        ("to = 100", "till = 100"),
        ("[packages.starter]", "[packages.Starter]"),
        ("[packages.starter]", "[pakages.starter]"),
        ("[packages.starter]", "[switches]\nselling = 1\n[packages.starter]"),
        ("[packages.starter]", "[plans.pro]\n[packages.starter]"),
        ("[packages.starter]", '[plans.pro]\nevery = "never"\n[packages.starter]'),
        ("[packages.starter]", '[plans.pro]\nevery = "1y"\ndiscount = 101\n[packages.starter]'),
        ("[credit_types.images]", 'locale = "de"\n[credit_types.images]'),
        ("[credit_types.images]", 'currency = "EURO"\n[credit_types.images]'),
        ("[credit_types.images]", "time_zone = 1\n[credit_types.images]"),
    ],
)
def test_what_farthing_refuses_for_its_form_an_editor_marks_too(was: str, now: str):
    assert was in SELLING
    wrong = SELLING.replace(was, now, 1)
    with pytest.raises(CatalogInvalid):
        parse(wrong)
    assert told(wrong) != []


@pytest.mark.row("C1")
@pytest.mark.parametrize("number", ["5", "5.25", '"5.25"', '" 5 "', '"+5"', '".5"', '"5."', '"5e1"', "5e1", "1_0"])
def test_however_a_number_may_be_written_an_editor_lets_it_pass(number: str):
    text = SELLING.replace('credits = "5.25"', f"credits = {number}")
    parse(text)
    assert told(text) == []


def test_every_setting_has_words_for_its_completion():
    tables = {"farthing.toml": SCHEMA, **SCHEMA["definitions"]}
    silent = [
        f"{table}.{setting}"
        for table, about in tables.items()
        for setting, said in about["properties"].items()
        if "description" not in said | next((SCHEMA["definitions"][ref.split("/")[-1]] for ref in refs(said)), {})
    ]
    assert silent == []


def refs(said: dict[str, Any]) -> list[str]:
    """The tables a setting leads to."""
    inner = [said, *said.get("patternProperties", {}).values(), said.get("additionalProperties"), said.get("items")]
    inner += [one.get("items") for one in inner if isinstance(one, dict)]
    return [one["$ref"] for one in inner if isinstance(one, dict) and "$ref" in one]
