"""`farthing …` as somebody types it: in this process, or as one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from typer.testing import CliRunner

from farthing.cli import app


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The JSON document on stdout; decimals stay exact."""
        return json.loads(self.out, parse_float=Decimal)

    @property
    def error(self) -> Any:
        """The JSON document on stderr."""
        return json.loads(self.err, parse_float=Decimal)


Run = Callable[..., Ran]


def run(*words: str) -> Ran:
    """The command in this process."""
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def process(*words: str, **environment: str) -> Ran:
    """The command as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "farthing", *words],
        env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)
