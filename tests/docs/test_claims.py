"""What the reference pages list is what there is: settings, errors, tables, columns, decisions, words."""

from __future__ import annotations

import inspect
import re
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from pydantic_core import PydanticUndefined
from sqlalchemy import make_url

import farthing
from farthing import errors
from farthing.catalog import schema
from farthing.catalog.schema import Document, Section
from farthing.errors import FarthingError
from farthing.store.tables import entries, metadata
from tests.docs.pages import DOCS, PAGES, blocks, name, prose
from tests.kit import shop

TABLES = set(metadata.tables) | {"farthing_version"}


def page(stem: str) -> str:
    return (DOCS / f"{stem}.md").read_text("utf-8")


def chapters(text: str) -> dict[str, str]:
    """What stands under each heading, up to the next one."""
    parts = re.split(r"^#+ (.+)\n", prose(text), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, line by line."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def coded(cells: list[str]) -> str | None:
    """The `code` that a row begins with."""
    match = re.fullmatch(r"`([^`]+)`", cells[0])
    return match[1] if match else None


SECTIONS = [
    value
    for value in vars(schema).values()
    if inspect.isclass(value) and issubclass(value, Section) and value is not Section
]


def heading(section: type[Section]) -> str:
    """Where a section is documented: its docstring begins with the table's name."""
    if section is Document:
        return "The top of the file"
    match = re.match(r"`[^`]+`", section.__doc__ or "")
    assert match, f"{section.__name__} does not say how its table is called"
    return match[0]


def toml(value: Any) -> str:
    if isinstance(value, bool | int | Decimal):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_setting_of_the_catalog_is_documented_with_its_default(section: type[Section]):
    told = {row[0].strip("`"): row[2] for row in rows(chapters(page("catalog"))[heading(section)]) if coded(row)}
    headings = {f"`[{one.strip('`[]').split('.')[0]}" for one in map(heading, SECTIONS) if one.startswith("`[")}
    expected: dict[str, str] = {}
    for field, about in section.model_fields.items():
        if section is Document and f"`[{field}" in headings:
            continue
        default = about.default
        if default is PydanticUndefined:
            expected[about.alias or field] = "required"
        else:
            expected[about.alias or field] = "…" if default is None else f"`{toml(default)}`"
    assert told == expected


def test_every_error_is_listed_with_what_it_means():
    told = [row[:3] for row in rows(chapters(page("operate"))["Errors"]) if coded(row)]
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, FarthingError)]
    assert told == [
        [f"`{kind.code}`", f"`{kind.__name__}`", (kind.__doc__ or "").splitlines()[0].rstrip(".")] for kind in kinds
    ]
    assert [row[0] for row in rows(chapters(page("operate"))["Errors"]) if not row[-1]] == []


def test_every_table_and_every_column_of_an_entry_is_explained():
    assert {coded(row) for row in rows(chapters(page("model"))["Tables"]) if coded(row)} == TABLES
    told = [coded(row) for row in rows(chapters(page("model"))["Entries"]) if coded(row)]
    assert told == list(entries.c.keys())


@pytest.mark.row("L12")
def test_with_the_privileges_of_the_page_the_application_can_write_and_not_rewrite(postgresql):
    [statements] = [block.body for block in blocks(page("operate")) if block.info == "sql"]
    assert {table for table in TABLES if not re.search(rf"\b{table}\b", statements)} == set()
    with postgresql.migrated() as url:
        app = f"app_{make_url(url).database}"
        plain = make_url(url).set(drivername="postgresql")
        with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {app} LOGIN PASSWORD 'secret'".encode())
            try:
                owner.execute(statements.replace("TO app;", f"TO {app};").encode())
                owner.execute("ALTER TABLE farthing_entries DISABLE TRIGGER ALL")
                work_as(plain.set(username=app, password="secret").render_as_string(hide_password=False))
            finally:
                owner.execute(f"DROP OWNED BY {app}".encode())
                owner.execute(f"DROP ROLE {app}".encode())


def work_as(url: str) -> None:
    with farthing.open(url, catalog=shop()) as credits:
        credits.open_account("ada")
        credits.deduct("ada", "images", 3, key="d", reason="a name")
        assert credits.expire() == 0
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE farthing_entries SET reason = NULL")
        for statement in (
            "UPDATE farthing_entries SET amount = 0",
            "DELETE FROM farthing_entries",
            "TRUNCATE farthing_entries",
            "ALTER TABLE farthing_entries DISABLE TRIGGER ALL",
            "DROP TABLE farthing_entries",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_decisions_are_numbered_listed_and_complete():
    found = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in found] == list(range(1, len(found) + 1))
    listed = re.findall(r"\]\((\d{4}-[^)]+)\)", (DOCS / "decisions" / "README.md").read_text("utf-8"))
    assert listed == [path.name for path in found]
    for path in found:
        assert list(chapters(path.read_text("utf-8")))[1:] == ["What", "Why", "What was given up"], path.name


def glossary() -> dict[str, str]:
    return {entry: text for entry, text in chapters(page("glossary")).items() if "\n" in text}


def test_the_glossary_is_in_order_and_says_each_word_once():
    words = [word.lower() for word in list(glossary())[1:]]
    assert words == sorted(set(words))


def test_pages_use_one_word_for_one_thing():
    """What the glossary calls `Not:` is a second word for something, and stands on no other page."""
    lines = re.findall(r"^Not: (.+)\.$", page("glossary"), re.MULTILINE)
    banned = [word for line in lines for word in line.split(", ")]
    assert banned != []
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, banned))})s?\b", re.IGNORECASE)
    pages = [one for one in PAGES if one.name != "glossary.md"]
    assert {name(one): found for one in pages if (found := pattern.findall(prose(one.read_text("utf-8"))))} == {}
