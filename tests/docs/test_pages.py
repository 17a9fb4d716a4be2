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
from tests.store.test_golden import HEADS, PAGE

KNOWN = {"", "python", "text", "toml", "toml part", "sh", "sh run", "sql", "http", "json", "html", "jsx", "ini"}
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
LINK = re.compile(r"\[(?P<label>[^\]]*)\]\((?P<to>[^)\s]+)\)")
SHOWN = re.compile(r"<!-- shown: (?P<path>\S+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
TEST = re.compile(r"`(?P<test>test_\w+)`")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A fresh folder to stand in, without settings of this machine's."""
    monkeypatch.chdir(tmp_path)
    for variable in [*os.environ]:
        if variable.startswith(("FARTHING_", "DATABASE_URL")):
            monkeypatch.delenv(variable)
    folder = Folder()
    yield folder
    folder.close()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_does_what_it_says(page: Path, folder: Folder):
    for block in blocks(page.read_text("utf-8")):
        assert block.info in KNOWN, f"{name(page)}:{block.line}: nobody knows what to do with {block.info!r}"
        printed = folder.run(page, block)
        if block.printed is not None or (printed and block.info == "python"):
            assert printed is not None
            said = block.printed or ""
            assert alike(said, printed), f"{name(page)}:{block.line} says\n{said}\nand prints\n{printed}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_an_example_prints_its_committed_output(example: Path, folder: Folder):
    with redirect_stdout(StringIO()) as printed:
        runpy.run_path(str(example), run_name="__main__")
    out = example.with_suffix(".out")
    if os.environ.get("FARTHING_WRITE_DOCS") == "1":
        out.write_text(printed.getvalue(), encoding="utf-8")
    assert printed.getvalue() == out.read_text("utf-8")


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
    text = prose(page.read_text("utf-8"))
    missing = [one["test"] for one in TEST.finditer(text) if one["test"] not in every_test()]
    for one in LINK.finditer(text):
        test = TEST.fullmatch(one["label"])
        if test and test["test"] not in named_in(page.parent / one["to"]):
            missing.append(f"{test['test']} in {one['to']}")
    assert missing == []


def every_test() -> set[str]:
    return set().union(*(named_in(path) for path in (ROOT / "tests").rglob("test_*.py")))


def named_in(path: Path) -> set[str]:
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
