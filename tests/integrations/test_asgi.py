"""Plain ASGI: what is on the wire, and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from farthing import Credits
from farthing.errors import DatabaseUnreachable
from farthing.integrations.asgi import ChargeMiddleware, price
from tests.integrations.callers import Ask, over_asgi

pytestmark = pytest.mark.row("D4")

LENGTH = [(b"content-length", b"4")]


def start(headers: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def last(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body}


def site(books: Credits, app: Any, **said: Any) -> Ask:
    said = {"price": lambda scope: price(2, "images", on_repeat="run"), "account": lambda scope: "ada"} | said
    return over_asgi(ChargeMiddleware(app, books, **said))


def balance(books: Credits) -> tuple[int, int]:
    seen = books.balance("ada", "images")
    return int(seen.posted), int(seen.held)


def test_an_answer_is_not_begun_before_it_is_paid_and_a_stream_ends_paid(books: Credits):
    seen: list[tuple[str, tuple[int, int]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(LENGTH if scope["path"] == "/whole" else []))
        await send(last(b"done"))

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watching(message: Any) -> None:
            seen.append((message["type"].rpartition(".")[2], await asyncio.to_thread(balance, books)))
            await send(message)

        await middleware(scope, receive, watching)

    middleware = ChargeMiddleware(app, books, price=lambda scope: price(2, "images"), account=lambda scope: "ada")
    for path in ("/whole", "/stream"):
        over_asgi(watched)(path)
    assert seen == [("start", (8, 0)), ("body", (8, 0)), ("start", (8, 2)), ("body", (6, 0))]


def test_an_answer_that_cannot_be_paid_for_is_not_given(books: Credits, monkeypatch: pytest.MonkeyPatch):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(LENGTH))
        await send(last(b"done"))

    ask = site(books, app)
    assert ask("/").body == b"done"
    with monkeypatch.context() as broken:
        broken.setattr("farthing.awaiting.AsyncCredits.capture", unreachable)
        reply = ask("/", idempotency_key="k")
    assert (reply.status, reply.said["code"], reply.headers["retry-after"]) == (503, "database_unreachable", "1")
    assert "10.0.0.7" not in str(reply.said)
    assert balance(books) == (8, 2)
    assert ask("/", idempotency_key="k").status == 200  # the retry captures what the first one had set aside
    assert balance(books) == (6, 0)


async def unreachable(*_: Any, **__: Any) -> None:
    raise DatabaseUnreachable("10.0.0.7 does not answer")


def test_a_file_that_the_server_sends_itself_is_a_whole_answer(books: Credits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(LENGTH))
        await send({"type": "http.response.pathsend", "path": "/dev/null"})

    site(books, app)("/")
    assert balance(books) == (8, 0)


def test_an_application_that_stops_in_the_middle_without_a_word_is_cut_off(books: Credits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["farthing.charged"].use(1)
        await send(start([]))
        await send(last(b"half") | {"more_body": True})

    site(books, app)("/")
    assert balance(books) == (9, 0)


def test_a_cancelled_request_is_let_go_of(books: Credits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(60)

    async def cancelled() -> None:
        middleware = ChargeMiddleware(app, books, price=lambda scope: price(2, "images"), account=lambda scope: "ada")
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        task = asyncio.create_task(middleware(scope, None, None))  # pyright: ignore[reportArgumentType]
        while not await asyncio.to_thread(lambda: balance(books)[1]):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        while await asyncio.to_thread(lambda: balance(books)[1]):
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancelled(), 10))
    assert balance(books) == (10, 0)


def test_who_is_cancelled_while_credits_are_set_aside_keeps_none_of_them(books: Credits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it must not run")

    def account(scope: Any) -> str:
        asyncio.get_running_loop().call_soon(tasks[0].cancel)
        return "ada"

    async def cancelled() -> None:
        middleware = ChargeMiddleware(app, books, price=lambda scope: price(2, "images"), account=account)
        scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
        tasks.append(asyncio.create_task(middleware(scope, None, None)))  # pyright: ignore[reportArgumentType]
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=10)  # pyright: ignore

    tasks: list[asyncio.Task[None]] = []
    asyncio.run(cancelled())
    assert balance(books) == (10, 0)
    assert [line.kind for line in books.history("ada").data] == ["release", "hold", "grant"]


def test_what_costs_nothing_and_what_is_no_request_passes(books: Credits):
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        assert "farthing.charged" not in scope
        if scope["type"] == "http":
            await send(start([]))
            await send(last(b"done"))

    async def nothing(scope: Any) -> None:
        return None

    assert site(books, app, price=nothing)("/").body == b"done"
    middleware = ChargeMiddleware(app, books, price=nothing, account=lambda scope: "ada")
    asyncio.run(middleware({"type": "lifespan"}, None, None))  # pyright: ignore[reportArgumentType]
    assert seen == ["http", "lifespan"]


def test_errors_that_are_not_the_callers_are_raised(books: Credits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it must not run")

    def broken(scope: Any) -> str:
        raise LookupError("no session")

    assert site(books, app, account=broken)("/").status == 500
    assert site(books, app, price=lambda scope: price(2, "nothing"))("/").status == 422
    assert balance(books) == (10, 0)
