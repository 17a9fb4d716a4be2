"""`farthing serve` in a process of its own, and a crowd of connections that deduct over HTTP."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import farthing
from bench.callers import CATALOG, TYPE, name
from bench.ours import Ledger
from bench.postgres import PATIENCE_S, free_port
from farthing import keys
from farthing.catalog import parse

CONNECTIONS = 64


class Server:
    """A server over a ledger, and an API key for it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, key: str, accounts: int) -> None:
        self._process, self._port, self._key, self._accounts = process, port, key, accounts
        self._numbers = count()

    def deduct(self, times: int) -> None:
        """So many deductions, spread over the accounts, by all connections together."""
        asyncio.run(self._deduct(islice(self._numbers, times)))

    def memory_kb(self) -> int:
        """What the process holds in memory."""
        return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(self._process.pid)]))

    async def _deduct(self, numbers: Iterator[int]) -> None:
        await asyncio.gather(*(self._connection(numbers) for _ in range(CONNECTIONS)))

    async def _connection(self, numbers: Iterator[int]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for number in numbers:
            writer.write(self._request(number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 201"), head + body
        writer.close()
        await writer.wait_closed()

    def _request(self, number: int) -> bytes:
        body = f'{{"credit_type":"{TYPE}","amount":1}}'
        path = f"/v1/accounts/{name(1 + number % self._accounts)}/deductions"
        return (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._key}\r\n"
            f"Idempotency-Key: http:{number}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


@contextmanager
def serving(ledger: Ledger, accounts: int) -> Generator[Server]:
    with farthing.open(ledger.url, catalog=parse(CATALOG)) as credits:
        _, key = keys.create(credits, "bench", ["spend"])
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder, "farthing.toml")
        catalog.write_text(CATALOG, encoding="utf-8")
        port = free_port()
        told = {"FARTHING_DATABASE_URL": ledger.url, "FARTHING_CATALOG": str(catalog), "FARTHING_PORT": str(port)}
        command = [sys.executable, "-c", "from farthing.cli import main; main()", "serve"]
        process = subprocess.Popen(command, env=os.environ | told, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            _await_ready(process, port)
            yield Server(process, port, key, accounts)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _await_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/readyz").close()
            return
        except URLError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start") from None
            time.sleep(0.05)
