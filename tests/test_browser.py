"""Tests of pages get a Chromium, or are told how to get one."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests import browser


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one empty folder for programs, which is given, and no browser anywhere."""
    monkeypatch.delenv("FARTHING_TEST_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    return tmp_path


@pytest.mark.parametrize("name", browser.NAMES)
def test_a_browser_on_path_is_found(bare_machine: Path, name: str):
    chromium = program(bare_machine / name)
    assert browser.find() == str(chromium)


def test_the_named_browser_comes_first(bare_machine: Path, monkeypatch: pytest.MonkeyPatch):
    program(bare_machine / "chromium")
    named = program(bare_machine / "mine")
    monkeypatch.setenv("FARTHING_TEST_CHROMIUM", str(named))
    assert browser.find() == str(named)


def test_a_named_browser_that_is_missing_is_an_error(bare_machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_TEST_CHROMIUM", "gone")
    with pytest.raises(browser.NoBrowser, match="FARTHING_TEST_CHROMIUM names gone"):
        browser.find()


def test_no_browser_names_the_remedy(bare_machine: Path):
    with pytest.raises(browser.NoBrowser, match="apt-get install -y chromium"):
        browser.find()


def test_a_page_renders(page: Page):
    page.set_content("<h1>Ada</h1>")
    assert page.get_by_role("heading").inner_text() == "Ada"
