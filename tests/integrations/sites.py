"""The same small site in every framework: what its paths do is written once, in `PATHS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from flask import Flask
from flask import Response as FlaskResponse

from farthing import Credits, InsufficientCredits
from farthing.integrations import fastapi as on_fastapi
from farthing.integrations import flask as on_flask
from farthing.integrations.asgi import ChargeMiddleware, price
from farthing.integrations.charging import Charged
from tests import hosts  # configures Django  # noqa: F401
from tests.integrations.callers import Ask, over_asgi, over_wsgi

TOP_UP = "https://shop.example/credits"


class Broken(Exception):
    """A handler that does not do what it should."""


class Path(NamedTuple):
    """What a path costs in images, what it says it used, and how it answers."""

    amount: Any
    used: int | None = None
    status: int = 200
    raises: bool = False
    parts: int = 0  # of a stream; it says it used as many as it gave, where `used` is 1
    breaks_after: int = 99
    on_repeat: str = "run"


def asked_many(many: str) -> int:
    """The amount is the server's to decide: what the caller says is only how much there is to do."""
    return 2 * int(many or 0)


PATHS = {
    "/images": Path(2),
    "/many": Path(None),  # each framework reads its own request
    "/raises": Path(2, raises=True),
    "/fails": Path(2, status=503),
    "/missing": Path(2, status=404),
    "/sketches": Path(5, used=3),
    "/nothing": Path(5, used=0),
    "/too-much": Path(2, used=3),
    "/films": Path(5, parts=5),
    "/no-films": Path(5, used=1, parts=2, status=404),
    "/torn": Path(5, parts=5, breaks_after=2),
    "/metered": Path(5, used=1, parts=5),
    "/metered-torn": Path(5, used=1, parts=5, breaks_after=2),
    "/once": Path(2, on_repeat="refuse"),
}


class Site(NamedTuple):
    """One application over its credits: `ask` is a caller, `ran` says what its handlers did."""

    ask: Ask
    credits: Credits
    ran: list[tuple[str, bool]]


def top_up(refusal: InsufficientCredits) -> str:
    return f"{TOP_UP}?missing={refusal.facts['shortfall']}"


def handle(name: str, charged: Charged, ran: list[tuple[str, bool]]) -> tuple[int, Iterator[bytes] | None]:
    """The work of a path: its status, and the parts of a stream."""
    path = PATHS[name]
    ran.append((name, charged.repeated))
    if path.raises:
        raise Broken(name)
    if path.parts:
        return path.status, parts(path, charged)
    if path.used is not None:
        charged.use(path.used)
    return path.status, None


def parts(path: Path, charged: Charged) -> Iterator[bytes]:
    for number in range(1, path.parts + 1):
        if number > path.breaks_after:
            raise Broken(number)
        if path.used is not None:
            charged.use(number)
        yield b"frame\n"


async def awaited(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@contextmanager
def fastapi(credits: Credits) -> Iterator[Site]:
    app, ran = FastAPI(), list[tuple[str, bool]]()
    on_fastapi.install(app, credits, account=lambda request: request.headers.get("X-User"), top_up_url=top_up)

    def add(name: str, amount: Any) -> None:
        costs = on_fastapi.charge(amount, "images", on_repeat=PATHS[name].on_repeat)

        @app.post(name)
        async def route(charged: Any = Depends(costs)) -> Any:
            status, stream = handle(name, charged, ran)
            return StreamingResponse(awaited(stream), status) if stream else Response("done", status)

    async def many(request: Request) -> int:
        return asked_many(request.query_params.get("many", ""))

    for name, path in PATHS.items():
        add(name, path.amount or many)
    yield Site(over_asgi(app), credits, ran)


@contextmanager
def flask(credits: Credits) -> Iterator[Site]:
    app, ran = Flask(__name__), list[tuple[str, bool]]()
    on_flask.Farthing(app, credits, account=lambda request: request.headers.get("X-User"), top_up_url=top_up)

    def add(name: str, amount: Any) -> None:
        @on_flask.charge(amount, "images", on_repeat=PATHS[name].on_repeat)
        def view() -> FlaskResponse:
            status, stream = handle(name, on_flask.charged(), ran)
            return FlaskResponse(stream if stream else b"done", status)

        app.post(name, endpoint=name)(view)

    for name, path in PATHS.items():
        add(name, path.amount or (lambda request: asked_many(request.args.get("many", ""))))
    yield Site(over_wsgi(app), credits, ran)


@contextmanager
def asgi(credits: Credits) -> Iterator[Site]:
    """No framework at all."""
    ran = list[tuple[str, bool]]()

    def many(scope: Any) -> int:
        return asked_many(scope["query_string"].partition(b"=")[2].decode())

    prices = {name: price(path.amount or many, "images", on_repeat=path.on_repeat) for name, path in PATHS.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/free":
            assert "farthing.charged" not in scope
            status, stream = 200, None
        else:
            status, stream = handle(scope["path"], scope["farthing.charged"], ran)
        length = [] if stream else [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": status, "headers": length})
        if stream:
            for part in stream:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if stream else b"done"})

    whole = ChargeMiddleware(
        app,
        credits,
        price=lambda scope: prices.get(scope["path"]),
        account=lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode() or None,
        top_up_url=top_up,
    )
    yield Site(over_asgi(whole), credits, ran)


@contextmanager
def django_plain(credits: Credits) -> Iterator[Site]:
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse, StreamingHttpResponse

    ran = list[tuple[str, bool]]()

    def view(name: str) -> Any:
        def view(request: Any) -> Any:
            status, stream = handle(name, request.charged, ran)
            return StreamingHttpResponse(stream, status=status) if stream else HttpResponse(b"done", status=status)

        return view

    with django_site(credits, view):
        yield Site(over_wsgi(WSGIHandler()), credits, ran)


@contextmanager
def django_async(credits: Credits) -> Iterator[Site]:
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpResponse, StreamingHttpResponse

    ran = list[tuple[str, bool]]()

    def view(name: str) -> Any:
        async def view(request: Any) -> Any:
            status, stream = handle(name, request.charged, ran)
            if stream:
                return StreamingHttpResponse(awaited(stream), status=status)
            return HttpResponse(b"done", status=status)

        return view

    with django_site(credits, view):
        yield Site(over_asgi(ASGIHandler()), credits, ran)


@contextmanager
def django_site(credits: Credits, view: Callable[[str], Any]) -> Iterator[None]:
    """Django with the paths of this site, and settings that name these credits."""
    from types import ModuleType

    from django.test import override_settings
    from django.urls import path as route

    from farthing.integrations.django import charge

    urls: Any = ModuleType("site_urls")
    urls.urlpatterns = []

    def add(name: str, amount: Any) -> None:
        decorated = charge(amount, "images", on_repeat=PATHS[name].on_repeat)(view(name))
        urls.urlpatterns.append(route(name.removeprefix("/"), decorated))

    for name, path in PATHS.items():
        add(name, path.amount or (lambda request: asked_many(request.GET.get("many", ""))))
    said = {
        "CREDITS": lambda: credits,
        "ACCOUNT": lambda request: request.headers.get("X-User"),
        "TOP_UP_URL": top_up,
    }
    with override_settings(FARTHING=said, ROOT_URLCONF=urls, ALLOWED_HOSTS=["localhost"]):
        yield


SITES = [fastapi, flask, asgi, django_plain, django_async]
