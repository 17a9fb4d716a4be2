"""Chromium for the tests of pages: found, or installed by `python -m tests.browser`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# The sandbox needs kernel features that containers and root lack; the rest keeps it quiet and off the network.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)
REMEDY = (
    "No Chromium was found and none could be installed. Install one (Debian: apt-get install -y chromium; elsewhere:"
    " .venv/bin/playwright install chromium) or name one in FARTHING_TEST_CHROMIUM."
)


class NoBrowser(Exception):
    """There is no Chromium to test pages with; the text says what to do."""


def find() -> str:
    """The path of a Chromium: the one that is named, one on PATH, or Playwright's own.

    Raises:
        NoBrowser: there is none, or the one in FARTHING_TEST_CHROMIUM is no program.
    """
    named = os.environ.get("FARTHING_TEST_CHROMIUM")
    if named:
        if path := shutil.which(named):
            return path
        raise NoBrowser(f"FARTHING_TEST_CHROMIUM names {named}, which is not a program that can be run.")
    for name in NAMES:
        if path := shutil.which(name):
            return path
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    if Path(path).exists():
        return path
    raise NoBrowser(REMEDY)


def install() -> None:
    """Installs Chromium by apt where we are root and have it, else by Playwright; whether it worked, `find` tells."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        updated = subprocess.run(["apt-get", "update", "-qq"], check=False)
        if updated.returncode == 0:
            apt = subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False)
            if apt.returncode == 0:
                return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    try:
        find()
    except NoBrowser as missing:
        if os.environ.get("FARTHING_TEST_CHROMIUM"):
            sys.exit(str(missing))
        print("Installing Chromium for the tests of pages ...", flush=True)
        install()
        try:
            find()
        except NoBrowser as still_missing:
            sys.exit(str(still_missing))


if __name__ == "__main__":
    main()
