"""A server of Farthing on a free port, and clients of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn

import farthing
from farthing import Client, Credits, keys
from farthing.http import app
from tests.databases import SqliteFiles


@pytest.fixture
def database_url(sqlite: SqliteFiles) -> Iterator[str]:
    """On SQLite alone: what a server answers is held to the library's on both by the tests of HTTP."""
    with sqlite.migrated() as url:
        yield url


@pytest.fixture
def address(credits: Credits) -> Iterator[str]:
    """Where the shop of tests/kit.py is served, on the test's own database and clock."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(credits), log_level="warning", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.join()
        listening.close()


@pytest.fixture
def api_key(credits: Credits) -> str:
    return keys.create(credits, "the tests", ["admin"])[1]


@pytest.fixture
def client(address: str, api_key: str) -> Iterator[Client]:
    with farthing.connect(address, api_key) as made:
        yield made
