"""A real server, killed with SIGKILL under load: no acknowledged deduction is lost, none counts twice."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import farthing
from farthing import keys
from farthing.ledger.verifying import verify
from tests.kit import SHOP, shop

ACCOUNTS = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(url: str, catalog: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`farthing serve` in a process of its own, ready; killed at the end if it still lives."""
    environment = os.environ | {
        "FARTHING_DATABASE_URL": url,
        "FARTHING_CATALOG": str(catalog),
        "FARTHING_PORT": str(port),
        "FARTHING_SECRET": "kill-test-secret-" * 3,
    }
    command = [sys.executable, "-c", "from farthing.cli import main; main()", "serve"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while True:
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    break
            assert server.poll() is None, "the server ended by itself"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        yield server
    finally:
        server.kill()
        server.wait()


def load(port: int, api_key: str, name: str, acknowledged: list[tuple[str, str]], enough: threading.Event) -> None:
    """Deducts until the server is gone; every key that was answered is noted, and every 20th answer is told."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    number = 0
    with suppress(OSError, http.client.HTTPException):
        while True:
            number += 1
            account, key = f"user{number % ACCOUNTS}", f"{name}:{number}"
            headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key, "Content-Type": "application/json"}
            body = json.dumps({"credit_type": "images", "amount": 1})
            connection.request("POST", f"/v1/accounts/{account}/deductions", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 201), answer.status
            acknowledged.append((account, key))
            if len(acknowledged) % 20 == 0:
                enough.set()


@pytest.mark.long
@pytest.mark.row("L3", "L16")
def test_a_server_killed_under_load_loses_no_acknowledged_deduction(
    database_url: str, tmp_path: Path, count: Callable[[int, int], int]
):
    catalog = tmp_path / "farthing.toml"
    catalog.write_text(SHOP)
    acknowledged: list[tuple[str, str]] = []
    kills = count(10, 50)
    with farthing.open(database_url, catalog=shop()) as credits:
        for number in range(ACCOUNTS):
            credits.grant(f"user{number}", "images", 100_000, key="g", source="gift")
        _, api_key = keys.create(credits, "load", ["spend"])
    for kill in range(kills):
        port = free_port()
        enough = threading.Event()
        with serving(database_url, catalog, port) as server:
            clients = [
                threading.Thread(target=load, args=(port, api_key, f"{kill}:{n}", acknowledged, enough))
                for n in range(8)
            ]
            for client in clients:
                client.start()
            assert enough.wait(30)
            server.send_signal(signal.SIGKILL)
            for client in clients:
                client.join()
    with farthing.open(database_url, catalog=shop()) as credits:
        with credits.database.reading() as session:
            recorded = session.execute("SELECT account, key FROM farthing_entries WHERE kind = 'deduct'")
        assert len(recorded) == len(set(recorded))
        assert set(acknowledged) <= set(recorded)
        posted = sum(credits.balance(f"user{number}", "images").posted for number in range(ACCOUNTS))
        assert posted == ACCOUNTS * 100_000 - len(recorded)
        assert verify(credits.database).faults == []
    assert len(acknowledged) >= kills * 20
