"""Markdown pages as programs: their code runs from top to bottom, in one folder, and prints what they say it prints.

```python        runs, in one namespace for each page
```text          right after python, is what it printed
```console run   runs in one shell: lines after "$ " are commands, those below a command are what it printed
```toml          is a whole catalog and becomes the folder's farthing.toml; `toml part` is laid over the last whole one

What else is fenced is only to be read. In what was printed, "…" stands for anything within a line. A command that
shows nothing of what it prints has to succeed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import farthing
from farthing.catalog import parse
from farthing.catalog.file import read

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [*DOCS.rglob("*.md"), ROOT / "README.md"] if path.exists())

_FENCE = re.compile(r"^```(?P<info>.*)\n(?P<body>(?:.*\n)*?)```$", re.MULTILINE)


class Block(NamedTuple):
    """One fenced block: `info` is what stands behind the fence, `printed` the text block that follows at once."""

    line: int
    info: str
    body: str
    printed: str | None


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = list(_FENCE.finditer(text))
    return [
        Block(text.count("\n", 0, one.start("body")), one["info"].strip(), one["body"], _printed(text, one, then))
        for one, then in zip(found, [*found[1:], None], strict=False)
    ]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def alike(said: str, printed: str) -> bool:
    """Whether `printed` is what a page says, line by line; spaces at the end of a line do not count."""
    pattern = "\n".join(re.escape(line.rstrip()).replace("…", ".*") for line in said.strip("\n").splitlines())
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())) is not None


class Folder:
    """Where one page runs: the current folder, its farthing.toml, and the names its Python has made."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._catalog: dict[str, Any] = {}

    def run(self, page: Path, block: Block) -> list[tuple[str, str]]:
        """What the block says is printed, and what was."""
        match block.info.split():
            case ["python"]:
                return [(block.printed or "", self._python(page, block))]
            case ["console", "run"]:
                return _console(block.body)
            case ["toml"]:
                parse(block.body)
                self._catalog = tomllib.loads(block.body, parse_float=Decimal)
                Path("farthing.toml").write_text(block.body, encoding="utf-8")
            case ["toml", "part"]:
                part = tomllib.loads(block.body, parse_float=Decimal)
                read(laid_over(self._catalog, part), name=f"{page.name}:{block.line}", version="")
        return []

    def close(self) -> None:
        for value in list(self.names.values()):
            if isinstance(value, farthing.Credits):
                value.close()

    def _python(self, page: Path, block: Block) -> str:
        code = compile("\n" * block.line + block.body, str(page), "exec", dont_inherit=True)  # errors name the line
        with redirect_stdout(StringIO()) as printed:
            exec(code, self.names)
        return printed.getvalue()


def _console(session: str) -> list[tuple[str, str]]:
    steps = [step.partition("\n") for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]
    ended = "printf '\\n%s\\0' $?"
    done = subprocess.run(
        ["sh", "-c", "\n".join(f"{command}\n{ended}" for command, _, _ in steps)],
        env={
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT / "src"),  # the commands of the checkout that the pages stand in
            "LC_ALL": "C.UTF-8",
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )  # fmt: skip
    printed = [output.rpartition("\n") for output in done.stdout.split("\0")[:-1]]
    for (command, _, said), (output, _, code) in zip(steps, printed, strict=True):
        assert said.strip() or code == "0", f"{command}\n{output}"
    return [(said, output) for (_, _, said), (output, _, _) in zip(steps, printed, strict=True) if said.strip()]


def _printed(text: str, one: re.Match[str], then: re.Match[str] | None) -> str | None:
    if then is None or one["info"].strip() != "python" or then["info"].strip() != "text":
        return None
    return None if text[one.end() : then.start()].strip() else then["body"]


def laid_over(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    both = {**whole, **part}
    for key in whole.keys() & part.keys():
        if isinstance(whole[key], dict) and isinstance(part[key], dict):
            both[key] = laid_over(whole[key], part[key])
    return both
