"""Everything a page shows happens as it says, and every link leads somewhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, Folder, alike, blocks, name, prose
from tests.hosts import django_alias
from tests.store.test_golden import HEADS, PAGE

RUN = {"python", "console run", "toml", "toml part"}
READ = {"", "text", "console", "sh", "sql", "http", "json", "html", "js", "jsx", "ini"}
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
LINK = re.compile(r"\[(?P<label>[^\]]*)\]\((?P<to>[^)\s]+)\)")
SHOWN = re.compile(r"<!-- shown: (?P<path>\S+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)(?:::(?P<test>test_\w+))?`")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A fresh folder to stand in, without settings of this machine's."""
    monkeypatch.chdir(tmp_path)
    for variable in [*os.environ]:
        if variable.startswith(("FARTHING_", "DATABASE_URL")):
            monkeypatch.delenv(variable)
    folder = Folder()
    with django_alias("sqlite:///app.db", "default"):
        yield folder
    folder.close()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_does_what_it_says(page: Path, folder: Folder):
    for block in blocks(page.read_text("utf-8")):
        assert block.info in RUN | READ, f"{name(page)}:{block.line}: nobody knows what to do with {block.info!r}"
        for said, printed in folder.run(page, block):
            assert alike(said, printed), f"{name(page)}:{block.line} says\n{said}\nand prints\n{printed}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_an_example_prints_its_committed_output(example: Path, folder: Folder):
    with redirect_stdout(StringIO()) as printed:
        runpy.run_path(str(example), run_name="__main__")
    assert printed.getvalue() == example.with_suffix(".out").read_text("utf-8")


def test_the_worked_page_is_the_golden_one(folder: Folder):
    with redirect_stdout(StringIO()):
        rows = runpy.run_path(str(DOCS / "examples" / "ledger_page.py"))["rows"]
    heads = [head for head in HEADS if head != "catalog_version"]
    golden = [dict(zip(HEADS, row, strict=True)) for row in PAGE]
    assert [[row[head] for head in heads] for row in rows] == [[row[head] for head in heads] for row in golden]


def shown() -> list[tuple[Path, re.Match[str]]]:
    return [(page, one) for page in PAGES for one in SHOWN.finditer(page.read_text("utf-8"))]


def test_what_pages_show_of_examples_is_their_output():
    assert shown() != []
    for page, one in shown():
        out = (page.parent / one["path"]).read_text("utf-8")
        assert one["text"].strip() == out.strip(), f"{name(page)} shows another {one['path']}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path):
    broken = [one["to"] for one in LINK.finditer(prose(page.read_text("utf-8"))) if not leads(page, one["to"])]
    assert broken == []


def leads(page: Path, to: str) -> bool:
    """Whether a link of `page` has its target, for targets in this repository."""
    if re.match(r"(https?|mailto):", to):
        return True
    path, _, anchor = to.partition("#")
    target = page.parent / path if path else page
    if not target.exists() or not target.resolve().is_relative_to(ROOT):
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """The names GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tests_that_a_page_names_exist(page: Path):
    named = [(one["path"], one["test"]) for one in TEST.finditer(prose(page.read_text("utf-8")))]
    missing = [(path, test) for path, test in named if not (ROOT / path).exists()]
    missing += [(path, test) for path, test in named if test and test not in named_in(ROOT / path)]
    assert missing == []


def named_in(path: Path) -> set[str]:
    """The names of all functions in a file."""
    if not path.exists():
        return set()
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("7 left\n", "7 left\n", True),
        ("7 left", "8 left\n", False),
        ("open since … (UTC)", "open since 2026-01-01 (UTC)", True),
        ("a\n…\nb", "a\n\nb", True),
        ("a … b", "a\nb", False),
        ("", "surprise\n", False),
        ("a  b", "a b", False),
    ],
)
def test_output_is_compared_line_by_line(said: str, printed: str, same: bool):
    assert alike(said, printed) is same


def test_text_belongs_to_the_code_right_before_it():
    page = "```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\npass\n```\nsome words\n```text\nnot output\n```\n"
    assert [(block.line, block.info, block.printed) for block in blocks(page)] == [
        (1, "python", "1\n"),
        (5, "text", None),
        (9, "python", None),
        (13, "text", None),
    ]
