"""docs/features.md says what is proven, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rows import FEATURES, Markers, Row, mistakes, read_features


def test_done_rows_have_tests_and_markers_name_rows(request: pytest.FixtureRequest):
    if is_whole(request.session):
        markers = Markers()
        markers.pytest_collection_finish(request.session)
        assert mistakes(read_features(), markers.tests) == []
        return
    run = subprocess.run(
        [sys.executable, "-m", "tests.rows"], cwd=FEATURES.parents[1], capture_output=True, text=True, check=False
    )
    wrong = run.stderr if run.returncode else ""
    assert wrong == ""


def is_whole(session: pytest.Session) -> bool:
    """Whether this run has collected every file, so that nothing needs to be collected a second time."""
    here = Path(__file__).parent
    off = {here / "providers" / "test_live_stripe.py"}  # without its marker none of it is run
    return {item.path for item in session.items} >= set(here.rglob("test_*.py")) - off


def test_every_line_of_the_tables_is_read_and_ids_are_unique():
    ids = [row.id for row in read_features()]
    lines = [line for line in FEATURES.read_text(encoding="utf-8").splitlines() if line[:3].startswith("| ")]
    headings = sum(line.startswith("| id ") for line in lines)
    assert len(ids) == len(lines) - headings == len(set(ids))


def test_mistakes_are_named():
    rows = [Row("L1", "several credit types", "done"), Row("L2", "grant", "planned"), Row("L3", "deduct", "almost")]
    assert mistakes(rows, {"L9": ["test_x"]}) == [
        "L3 has the state 'almost', not one of ['begun', 'done', 'planned']",
        "L1 is done, but no test carries its marker",
        "L9 is no row, but marks test_x",
    ]
