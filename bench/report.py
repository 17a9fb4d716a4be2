"""What was measured, as lines of JSON, as text, and as the measured part of docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import farthing
from bench.goals import Goal, Stage
from bench.measure import Measured, median, middle

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"
FLUSHES = 200


class Result(NamedTuple):
    """A goal with what was measured for it, or why it was not."""

    id: str
    goal: Goal
    measured: Measured | None
    skipped: str = ""


def as_json(result: Result) -> dict[str, Any]:
    """One flat object: of several parts the ratio is that of the part farthest from its reach, and `parts` has all."""
    about = {"id": result.id, "what": result.goal.what}
    if result.measured is None:
        return about | {"skipped": result.skipped}
    parts = {part: _part(result, part) for part in result.measured.ratios}
    ours = [run for runs in result.measured.runs.values() for run in runs if run.acknowledged]
    sums = {name: sum(getattr(run, name) for run in ours) for name in ("acknowledged", "entries", "debited")}
    return about | parts[_farthest(result)] | sums | {"parts": parts}


def as_text(result: Result) -> Iterator[str]:
    """A few lines for people."""
    yield f"{result.id}  {result.goal.what}"
    if result.measured is None:
        yield f"    skipped: {result.skipped}"
        return
    for part in result.measured.ratios:
        yield f"    {part}: {_ratio(result, part)}  {_reach(result, part)}"
    for name, run in _asides(result.measured).items():
        yield f"      {name}: {run}"


def write_page(results: list[Result], stage: Stage) -> None:
    """Puts what was measured into the page, between its two marks; what people wrote around them stays."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    measured = "\n".join([BEGIN, *_facts(stage), *_goals(results), *_crowds(results), *_speeds(results), END])
    PAGE.write_text(before + measured + after, encoding="utf-8")


def _part(result: Result, part: str) -> dict[str, Any]:
    assert result.measured
    ratios = result.measured.ratios[part]
    reach = result.goal.reaches.get(part)
    return {
        "ratio": round(median(ratios), 3),
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        "reach": reach and reach.first,
        "reached": reach and result.goal.reached(part, median(ratios)),
    }


def _farthest(result: Result) -> str:
    assert result.measured
    ratios = {part: median(of) for part, of in result.measured.ratios.items()}

    def share(part: str) -> float:
        reach = result.goal.reaches.get(part)
        share = ratios[part] / reach.first if reach else ratios[part]
        return -share if result.goal.at_most else share

    return min(ratios, key=share)


def _ratio(result: Result, part: str) -> str:
    assert result.measured
    ratios = result.measured.ratios[part]
    return f"{_short(median(ratios))} ({_short(min(ratios))}–{_short(max(ratios))})"


def _short(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _reach(result: Result, part: str) -> str:
    reach = result.goal.reaches.get(part)
    if reach is None or result.measured is None:
        return ""
    reached = result.goal.reached(part, median(result.measured.ratios[part]))
    return f"{'≤' if result.goal.at_most else '≥'} {reach.first:g} {'reached' if reached else 'not reached'}"


def _asides(measured: Measured) -> dict[str, str]:
    """Each contender's median run, in absolute figures."""
    told: dict[str, str] = {}
    for name, runs in measured.runs.items():
        run = middle(runs)
        told[name] = f"{run.per_s:,.0f}/s" if run.per_s >= 1000 else f"{run.per_s:,.1f}/s"
        if run.p50_ms:
            told[name] += f", p50 {run.p50_ms:.2f} ms, p99 {run.p99_ms:.2f} ms"
    return told


def _facts(stage: Stage) -> Iterator[str]:
    plan = stage.plan
    postgres = f"PostgreSQL {stage.server.version}" if stage.has_postgres else "no PostgreSQL"
    yield f"Farthing {farthing.__version__}, {datetime.now(UTC):%Y-%m-%d}: {plan.repetitions} repetitions of"
    yield f"{plan.seconds:g} s each, taking turns, on {os.cpu_count()} × {_processor()} shared by database and"
    yield f"callers; {platform.system()} {platform.release()}, Python {platform.python_version()}, {postgres}, SQLite"
    yield f"{sqlite3.sqlite_version}. Flushing 8 kB to this disk takes {_flush_us(stage.folder):.0f} µs."
    yield f"Busy with other things when it began: load average {stage.load:.1f}."
    yield f"{plan.accounts:,} accounts; for F6 {10 * plan.accounts:,} with {plan.entries:,} entries, for F10"
    yield f"{plan.deductions:,} deductions."


def _goals(results: list[Result]) -> Iterator[str]:
    yield "\n| | goal | part | ratio (lowest–highest) | first reach | then |\n|---|---|---|---|---|---|"
    for result in results:
        if result.measured is None:
            yield f"| {result.id} | {result.goal.what} | | skipped: {result.skipped} | | |"
            continue
        for part, reach in result.goal.reaches.items():
            then = f"{reach.then:g}" if reach.then else ""
            cells = (result.id, result.goal.what, part, _ratio(result, part), _reach(result, part), then)
            yield f"| {' | '.join(cells)} |"


def _crowds(results: list[Result]) -> Iterator[str]:
    for result in results:
        if result.measured and not result.goal.reaches:
            yield f"\n{result.id}: {result.goal.what}\n\n| | ratio (lowest–highest) |\n|---|---|"
            for part in result.measured.ratios:
                yield f"| {part} | {_ratio(result, part)} |"


def _speeds(results: list[Result]) -> Iterator[str]:
    yield "\nThe median turns in absolute figures, which say as much about this machine as about the programs:\n"
    yield "| | contender | median turn |\n|---|---|---|"
    for result in results:
        if result.measured:
            for name, told in _asides(result.measured).items():
                yield f"| {result.id} | {name} | {told} |"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _flush_us(folder: Path) -> float:
    took: list[float] = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(FLUSHES):
            began = time.perf_counter()
            file.write(bytes(8192))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6
