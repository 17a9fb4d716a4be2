"""The bench runs, and a ledger that did not do what it said is no figure. How fast it is says only `make bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import farthing
from bench import report
from bench.callers import CATALOG
from bench.fill import fill
from bench.goals import GOALS, Stage
from bench.measure import Inexact, Measured, Plan, Run
from bench.ours import on_sqlite
from bench.report import Result
from farthing.catalog import parse

ROOT = Path(__file__).parents[1]


def test_a_goal_is_one_line_of_json_with_an_exact_count():
    tiny = ["--json", "--repetitions", "1", "--seconds", "0.2", "--accounts", "20"]
    done = subprocess.run([sys.executable, "-m", "bench", "F5", "F9", *tiny], cwd=ROOT, capture_output=True, check=True)
    deductions, imports = map(json.loads, done.stdout.splitlines())
    assert (deductions["id"], imports["id"]) == ("F5", "F9")
    assert deductions["acknowledged"] == deductions["entries"] == deductions["debited"] > 0
    assert deductions["ratio"] > 0 < imports["ratio"]
    assert deductions["spread"][0] <= deductions["ratio"] <= deductions["spread"][1]


def test_what_was_said_and_not_written_is_no_run(tmp_path: Path):
    with on_sqlite(tmp_path / "ours.db", 1) as ledger, pytest.raises(Inexact, match="acknowledged 1, written 0"):
        ledger.proved(Run(1, 1.0))


def test_the_past_that_a_ledger_is_filled_with_is_proved(database_url: str):
    fill(database_url, 3, 12)
    with farthing.open(database_url, catalog=parse(CATALOG)) as credits:
        proof = credits.verify()
        assert (proof.wallets, proof.entries, proof.faults) == (3, 3 * (2 + 4), [])


def test_measuring_again_leaves_what_people_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    measured = Measured({"hot": [5.0, 7.0, 6.0]}, {"hot": [Run(10, 1.0)]})
    with ExitStack() as cleanup:
        report.write_page([Result("F2", GOALS["F2"], measured)], Stage(Plan(3, 5, 10, 0, 0), None, cleanup))
    text = page.read_text("utf-8")
    assert text.startswith("Before.\n") and text.endswith("\nAfter.\n") and "old" not in text
    assert "| hot | 6.00 (5.00–7.00) | ≥ 6 reached |" in text
