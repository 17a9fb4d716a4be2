"""A wire to PostgreSQL that can be cut where it hurts most: between a COMMIT and its answer."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import make_url

COMMIT = b"COMMIT\0"  # ends the query, and the word of the answer that it was carried out
NEVER_AGAIN = 10**6

Lost = Literal["the question", "the answer"]


class Wire(socketserver.ThreadingTCPServer):
    """Passes bytes between callers and a server; `url` leads through it."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self._server = make_url(url)
        through = self._server.set(host="127.0.0.1", port=self.server_address[1])
        self.url = through.difference_update_query(["host", "port"]).render_as_string(hide_password=False)
        self._left = 0
        self._then_down = False
        self._guard = threading.Lock()
        self.lost: Lost = "the answer"
        self.down = False

    def cut(self, times: int, *, lost: Lost, then_down: bool = False) -> None:
        """The next COMMITs, or only their answers, are lost, and the connection with them."""
        with self._guard:
            self._left, self.lost, self._then_down = times, lost, then_down

    def mend(self) -> None:
        """From now on everything arrives."""
        with self._guard:
            self._left, self.down = 0, False

    def cuts_now(self) -> bool:
        with self._guard:
            self._left -= 1
            self.down = self.down or (self._then_down and self._left >= 0)
            return self._left >= 0

    def to_server(self) -> socket.socket:
        folder = self._server.query.get("host")
        if folder:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(f"{folder}/.s.PGSQL.{self._server.query.get('port', 5432)}")
            return connection
        return socket.create_connection((self._server.host, self._server.port or 5432))


class Passing(socketserver.BaseRequestHandler):
    """One connection. It ends when either side hangs up, or when it is cut."""

    server: Wire

    def handle(self) -> None:
        if self.server.down:
            return
        with self.server.to_server() as server:
            sides = {self.request: server, server: self.request}
            while True:
                for side in select.select(list(sides), [], [])[0]:
                    said = side.recv(65536)
                    if side is self.request and COMMIT in said and self.server.cuts_now():
                        if self.server.lost == "the answer":
                            carried_out(server, said)
                        return
                    if not said:
                        return
                    sides[side].sendall(said)


def carried_out(server: socket.socket, said: bytes) -> None:
    """Sends a COMMIT, and waits until it was made."""
    server.sendall(said)
    heard = b""
    while COMMIT not in heard and (part := server.recv(65536)):
        heard += part


@contextmanager
def wire_to(url: str) -> Generator[Wire]:
    with Wire(url) as wire:
        thread = threading.Thread(target=wire.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            thread.join()
