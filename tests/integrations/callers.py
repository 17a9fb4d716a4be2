"""Callers of WSGI and ASGI applications who see what really goes over the wire, and may hang up in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import islice
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What came back before the caller hung up or the server did."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body)


class HungUp(OSError):
    """The caller is gone."""


Ask = Callable[..., Reply]


def over_wsgi(app: Any) -> Ask:
    def ask(path: str, user: str | None = "ada", *, method: str = "POST", parts: int = 99, **headers: str) -> Reply:
        target, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": target, "QUERY_STRING": query, "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": "0",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "wsgi.errors": BytesIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        for name, value in sent(user, headers).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        begun: list[Any] = []
        answer = app(environ, lambda status, headers, *_: begun.extend((status, headers)))
        body = b""
        with suppress(Exception):  # what the server broke on
            for part in islice(answer, parts):
                body += part
        if hasattr(answer, "close"):
            answer.close()
        return Reply(int(begun[0].split()[0]), {name.lower(): value for name, value in begun[1]}, body)

    return ask


def over_asgi(app: Any) -> Ask:
    def ask(path: str, user: str | None = "ada", *, method: str = "POST", parts: int = 99, **headers: str) -> Reply:
        return asyncio.run(_asked(app, path, method, sent(user, headers), parts))

    return ask


async def _asked(app: Any, path: str, method: str, headers: dict[str, str], parts: int) -> Reply:
    target, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": target, "raw_path": target.encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("localhost", 80), "state": {},
    }  # fmt: skip
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])
    got: list[Any] = []
    gone = asyncio.Event()

    async def receive() -> Any:
        if message := next(asked, None):
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if len(got) > parts:
            gone.set()
            raise HungUp
        got.append(message)

    with suppress(Exception):  # what the server broke on, after it answered
        await app(scope, receive, send)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=5)  # a server's loop goes on
    if not got:
        return Reply(500, {}, b"")  # as servers answer for an application that does not
    [start, *bodies] = got
    body = b"".join(one.get("body", b"") for one in bodies)
    return Reply(start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}, body)


def sent(user: str | None, headers: dict[str, str]) -> dict[str, str]:
    named = {"Host": "localhost"} | ({"X-User": user} if user else {})
    return named | {name.replace("_", "-").title(): value for name, value in headers.items()}
