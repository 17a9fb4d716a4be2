"""A served process takes up a changed catalog when it is told to: SIGHUP."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from farthing.credits import Credits

log = logging.getLogger("farthing")


@contextmanager
def reloading(credits: Credits, path: Path) -> Generator[None]:
    """While the block runs, SIGHUP reloads the catalog at `path`; a broken one is told in the log and left alone.

    Nothing happens where a system has no such signal, and outside of the main thread, which alone may listen for it.
    """
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    turn = threading.Lock()  # signals that come together are read for one after the other, so that the last file counts

    def told(*_: object) -> None:
        threading.Thread(target=_reload, args=(credits, path, turn), name="farthing-reload", daemon=True).start()

    before = signal.signal(hangup, told)
    try:
        yield
    finally:
        signal.signal(hangup, before)


def _reload(credits: Credits, path: Path, turn: threading.Lock) -> None:
    with turn:
        was = credits.catalog.version
        try:
            now = credits.reload(path).version
        except Exception as error:
            log.error("%s was not taken up; version %s of the catalog goes on. %s", path, was, error)
        else:
            log.warning("%s was read again: version %s of the catalog, after %s", path, now, was)
