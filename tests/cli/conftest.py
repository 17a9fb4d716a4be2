"""Where commands are typed: an empty folder, or a shop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli import console
from tests.cli.console import Run
from tests.kit import SHOP


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("FARTHING_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """`run("balance", "ada")`: the command in this process."""
    return console.run


@pytest.fixture
def shop(run: Run, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same in a folder with a catalog, on a migrated database."""
    (folder / "farthing.toml").write_text(SHOP)
    monkeypatch.setenv("FARTHING_DATABASE_URL", database_url)
    return run
