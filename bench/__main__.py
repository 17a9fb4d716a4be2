"""`python -m bench [GOAL …]`: measures the goals that are named, or all, and then writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.goals import GOALS, Stage
from bench.measure import Plan, Skipped
from bench.report import Result, as_json, as_text, write_page


def main() -> None:
    told = _arguments()
    full = Plan(5, 5.0, accounts=10_000, entries=5_000_000, deductions=1_000_000)
    quick = Plan(2, 1.0, accounts=1_000, entries=20_000, deductions=20_000)
    said = {name: value for name in Plan._fields if (value := getattr(told, name)) is not None}
    plan = (quick if told.quick else full)._replace(**said)
    with ExitStack() as cleanup:
        stage = Stage(plan, told.pgledger, cleanup)
        results: list[Result] = []
        for goal in told.goals or GOALS:
            results.append(result := _measured(goal, stage))
            lines = [json.dumps(as_json(result), ensure_ascii=False)] if told.json else as_text(result)
            print(*lines, sep="\n", flush=True)
        if told.page or (plan == full and not told.goals):
            write_page(results, stage)


def _measured(goal: str, stage: Stage) -> Result:
    try:
        return Result(goal, GOALS[goal], GOALS[goal].measure(stage))
    except Skipped as reason:
        return Result(goal, GOALS[goal], None, str(reason))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules[__name__].__doc__)
    parser.add_argument("goals", nargs="*", metavar="GOAL", help=f"{', '.join(GOALS)}; none is all of them")
    parser.add_argument("--json", action="store_true", help="one JSON line for each goal")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md, of these goals alone")
    parser.add_argument("--quick", action="store_true", help="short and small, to see that it runs: no figure counts")
    parser.add_argument("--repetitions", type=int, help="turns of each contender")
    parser.add_argument("--seconds", type=float, help="length of a turn")
    parser.add_argument("--accounts", type=int, help="accounts of a ledger")
    parser.add_argument("--entries", type=int, help="entries that stand there already, for F6")
    parser.add_argument("--deductions", type=int, help="deductions over HTTP, for F10")
    checkout = os.environ.get("FARTHING_BENCH_PGLEDGER")
    parser.add_argument(
        "--pgledger", type=Path, default=checkout and Path(checkout), metavar="PATH",
        help="a checkout of github.com/pgr0ss/pgledger; left out: FARTHING_BENCH_PGLEDGER",
    )  # fmt: skip
    told = parser.parse_args()
    if unknown := set(told.goals) - GOALS.keys():
        parser.error(f"there is no goal {', '.join(sorted(unknown))}; there are {', '.join(GOALS)}")
    return told


if __name__ == "__main__":
    main()
