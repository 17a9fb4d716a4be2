"""Which tests prove which row of docs/features.md: `make rows`."""

import re
import sys
from collections import defaultdict
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

FEATURES = Path(__file__).parents[1] / "docs" / "features.md"
ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \| (\w+) \|$", re.MULTILINE)
STATES = {"done", "begun", "planned"}


class Row(NamedTuple):
    """One line of docs/features.md."""

    id: str
    text: str
    state: str


class Markers:
    """A pytest plugin that notes the tests of each row instead of running them."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            test = item.nodeid.partition("[")[0]
            for marker in item.iter_markers("row"):
                for row in marker.args:
                    if test not in self.tests[row]:
                        self.tests[row].append(test)


def read_features() -> list[Row]:
    return [Row(*line) for line in ROW.findall(FEATURES.read_text(encoding="utf-8"))]


def mistakes(rows: list[Row], tests: dict[str, list[str]]) -> list[str]:
    """What docs/features.md and the markers say differently, a sentence for each."""
    known = {row.id for row in rows}
    return [
        *(
            f"{row.id} has the state {row.state!r}, not one of {sorted(STATES)}"
            for row in rows
            if row.state not in STATES
        ),
        *(
            f"{row.id} is {row.state}, but no test carries its marker"
            for row in rows
            if row.state in ("done", "begun") and not tests.get(row.id)
        ),
        *(f"{row} is no row, but marks {test}" for row in sorted(tests.keys() - known) for test in tests[row]),
    ]


def main() -> None:
    """Prints every row with its tests; ends with 1 when a marker or a state is wrong."""
    markers = Markers()
    with redirect_stdout(StringIO()) as said:
        outcome = pytest.main(["--collect-only", "-qq"], plugins=[markers])
    if outcome not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(said.getvalue())
    rows = read_features()
    for row in rows:
        print(f"{row.id:4}{row.state:9}{row.text}")
        for test in markers.tests.get(row.id, []):
            print(f"      {test}")
    if found := mistakes(rows, markers.tests):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
