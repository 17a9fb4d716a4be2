"""Processes that work when told to: one line of JSON in, one out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import IO, Any

from bench.measure import Run


class Workers:
    """So many processes of one command as are asked for at once; they start when first needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._processes: list[subprocess.Popen[str]] = []

    def work(self, processes: int, **order: Any) -> Run:
        """The same order to so many of them at once, and what they did together."""
        while len(self._processes) < processes:
            self._processes.append(self._start())
        at_work = self._processes[:processes]
        for process in at_work:
            print(json.dumps(order), file=_pipe(process.stdin), flush=True)
        answers = [Run(**json.loads(_line(process))) for process in at_work]
        longest = {name: max(getattr(run, name) for run in answers) for name in ("seconds", "p50_ms", "p99_ms")}
        return Run(sum(run.operations for run in answers), **longest)

    def close(self) -> None:
        for process in self._processes:
            _pipe(process.stdin).close()
            process.wait()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert _line(process) == "ready\n"
        return process


def _line(process: subprocess.Popen[str]) -> str:
    line = _pipe(process.stdout).readline()
    if not line:
        raise RuntimeError(f"{process.args} ended by itself; what it said is above")
    return line


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
