"""Takes out one lock, check, constraint or ordering at a time and sees that a test notices: `make mutants`."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.databases import start_postgres
from tests.mutations import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "farthing"
PATIENCE_S = 120  # a mutant without a lock may wait for ever, which is noticed too
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class Fate(NamedTuple):
    """What became of a mutant: "killed", "survived", or "broken" where no test came to run."""

    mutant: str
    end: str
    noticed_by: str | None
    seconds: float


class Workshop:
    """A copy of the sources that may be spoiled, and a way to run tests on it."""

    def __init__(self, folder: Path, postgres_url: str) -> None:
        self.sources = folder / "src" / "farthing"
        shutil.copytree(SOURCES, self.sources, ignore=shutil.ignore_patterns("__pycache__"))
        self._environment = os.environ | {
            "PYTHONPATH": str(folder / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
            "FARTHING_TEST_POSTGRES_URL": postgres_url,
        }

    def run(self, tests: Sequence[str]) -> tuple[int, str]:
        """The exit code of pytest and what it said; code 1 where its patience ended."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", *tests]
        with subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                said, _ = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return 1, "ERROR (waited for ever)"
        return process.returncode, said

    @contextmanager
    def spoiled(self, mutant: Mutant) -> Iterator[None]:
        """The copy with this mutant in it."""
        path = self.sources / mutant.file
        honest = path.read_text(encoding="utf-8")
        path.write_text(honest.replace(mutant.text, mutant.becomes), encoding="utf-8")
        yield
        path.write_text(honest, encoding="utf-8")


def mistakes(mutants: Sequence[Mutant] = MUTANTS) -> list[str]:
    """Mutants that no longer fit the sources or name tests that do not exist, a sentence for each."""
    found: list[str] = []
    for mutant in mutants:
        path = SOURCES / mutant.file
        times = path.read_text(encoding="utf-8").count(mutant.text) if path.exists() else 0
        if times != 1:
            found.append(f"{mutant.name}: {mutant.text!r} is {times} times in {mutant.file}, not once")
        found += [f"{mutant.name}: there is no test {test}" for test in mutant.tests if not _exists(test)]
    return found


def fate(workshop: Workshop, mutant: Mutant) -> Fate:
    """Runs the tests that have to notice."""
    began = time.monotonic()
    with workshop.spoiled(mutant):
        code, said = workshop.run(mutant.tests)
    noticed = FAILED.search(said)
    end = "survived" if code == 0 else "killed" if code == 1 and noticed else "broken"
    return Fate(mutant.name, end, noticed and noticed[1], round(time.monotonic() - began, 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what became of each mutant; 1 where one lives, or does not fit the sources any more."""
    options = _options(arguments)
    chosen = [mutant for mutant in MUTANTS if not options.names or mutant.name in options.names]
    wrong = mistakes(chosen) + [f"there is no mutant {name}" for name in set(options.names) - {m.name for m in chosen}]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    with ExitStack() as at_exit:
        folder = Path(at_exit.enter_context(tempfile.TemporaryDirectory(prefix="farthing-mutants-")))
        workshop = Workshop(folder, start_postgres(lambda stop: _later(at_exit, stop)))
        code, said = workshop.run(sorted({test for mutant in chosen for test in mutant.tests}))
        if code:
            print(f"The tests fail without any mutant, so they prove nothing.\n{said}", file=sys.stderr)
            return 1
        fates = [_told(fate(workshop, mutant), place, len(chosen), options) for place, mutant in enumerate(chosen, 1)]
    alive = [one.mutant for one in fates if one.end != "killed"]
    if not options.json:
        print(f"{len(fates) - len(alive)} of {len(fates)} mutants killed" + "".join(f"\n  alive: {n}" for n in alive))
    return 1 if alive else 0


def _later(at_exit: ExitStack, stop: Callable[[], None]) -> None:
    at_exit.callback(stop)


def _told(fate: Fate, place: int, of: int, options: argparse.Namespace) -> Fate:
    if options.json:
        print(json.dumps(fate._asdict()), flush=True)
    else:
        noticed = (fate.noticed_by or "").rpartition("/")[2]
        print(f"{place:3}/{of} {fate.end:8} {fate.seconds:5.1f} s  {fate.mutant:40} {noticed}", flush=True)
    return fate


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these; all of them where none is named")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each mutant")
    return parser.parse_args(arguments)


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    if not file.exists():
        return False
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(one, ast.FunctionDef) and one.name == name.partition("[")[0] for one in body)


if __name__ == "__main__":
    sys.exit(main())
