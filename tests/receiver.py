"""Where events arrive in tests: a server of this machine that notes what it is sent and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from standardwebhooks import Webhook


class Arrived(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """`arrived` in the order of arrival; `answer` says the status for each, and may wait before it does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.arrived: list[Arrived] = []
        self.answer: Callable[[Arrived], int] = lambda arrived: 204

    @property
    def kinds(self) -> list[str]:
        return [one.said["type"] for one in self.arrived]

    def believes(self, secret: str) -> bool:
        """Whether the library of Standard Webhooks accepts everything that came, with this secret."""
        judge = Webhook(secret)
        for one in self.arrived:
            judge.verify(one.body, one.headers)
        return bool(self.arrived)


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            one = Arrived(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            here.arrived.append(one)
            status = here.answer(one)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{here.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = Receiver(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield here
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
