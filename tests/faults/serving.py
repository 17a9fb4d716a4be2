"""A served process of its own, ready to be asked, and to be killed."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.told import PATIENCE_S
from tests.kit import SHOP

SERVE = [sys.executable, "-m", "farthing", "serve"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(url: str, folder: Path, port: int, command: list[str] = SERVE) -> Iterator[subprocess.Popen[bytes]]:
    """A server of the shop that is ready for requests; ended at the end, if it still lives."""
    catalog = folder / "farthing.toml"
    catalog.write_text(SHOP)
    environment = os.environ | {
        "FARTHING_DATABASE_URL": url,
        "FARTHING_CATALOG": str(catalog),
        "FARTHING_PORT": str(port),
        "FARTHING_SECRET": "fault-test-secret-" * 3,
    }
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE_S
        while not ready(port):
            assert server.poll() is None, "the server ended by itself"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        yield server
    finally:
        server.terminate()
        server.wait()


def ready(port: int) -> bool:
    with suppress(OSError):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False
