"""FastAPI: the example, what is mounted in it, and what an application may put around it."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.testclient import TestClient

from examples import fastapi_app
from farthing import Credits, keys
from farthing.errors import SettingsInvalid
from farthing.integrations.fastapi import Charged, charge, install
from tests.integrations.callers import over_asgi

pytestmark = pytest.mark.row("D4")


@pytest.fixture
def client(books: Credits) -> TestClient:
    """Ada, without the application's lifespan, which would close the books."""
    return TestClient(fastapi_app.create_app(books), headers={"X-User": "ada"}, follow_redirects=False)


def left(books: Credits) -> int:
    balance = books.balance("ada", "images")
    assert balance.held == 0
    return int(balance.posted)


def test_the_example_charges(client: TestClient, books: Credits):
    assert client.post("/images").json() == {"image": "sunset"}
    assert left(books) == 8
    assert client.post("/sketches").json() == {"image": "sketch"}
    assert left(books) == 5
    refused = client.post("/images/3")
    assert (refused.status_code, refused.json()["top_up_url"]) == (402, "http://127.0.0.1:8000/buy")
    assert client.post("/films").text.count("frame") == 5
    assert left(books) == 0


def test_the_example_serves_the_portal_and_the_api(client: TestClient, books: Credits):
    assert client.get("/farthing/v1/accounts/ada/balances").json()["code"] == "api_key_missing"
    secret = keys.create(books, "the tests", ("admin",))[1]
    asked = client.get("/farthing/v1/accounts/ada/balances", headers={"Authorization": f"Bearer {secret}"})
    assert asked.json()["data"][0]["posted"] == 10
    link = client.get("/buy").headers["location"]
    assert link.startswith("http://127.0.0.1:8000/credits/enter?link=")
    entered = client.get(link.removeprefix("http://127.0.0.1:8000"))
    assert entered.status_code == 200 and "html" in entered.headers["content-type"]


def test_the_example_runs_the_jobs_and_closes_what_it_opened(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fastapi_app, "URL", f"sqlite:///{tmp_path}/app.db")
    with TestClient(fastapi_app.create_app(), headers={"X-User": "bob"}) as client:
        assert [client.post("/images").status_code for _ in range(6)] == [200] * 5 + [402]


def test_a_handler_that_does_not_await_and_one_that_raises_an_answer(books: Credits):
    app = FastAPI()
    install(app, books, account=lambda request: "ada")

    @app.post("/plain")
    def plain(charged: Annotated[Charged, Depends(charge(5, "images"))]) -> str:
        charged.use(1)
        return "done"

    @app.post("/gone", dependencies=[Depends(charge(2, "images"))])
    def gone() -> None:
        raise HTTPException(410, "gone")

    ask = over_asgi(app)
    assert (ask("/plain").status, left(books)) == (200, 9)
    assert (ask("/gone").status, left(books)) == (410, 9)


def test_two_charges_of_one_request_are_two(books: Credits):
    app = FastAPI(dependencies=[Depends(charge(1, "images", on_repeat="run"))])
    install(app, books, account=lambda request: "ada")

    @app.post("/both", dependencies=[Depends(charge(1, "images", on_repeat="run"))])
    def both() -> str:
        return "done"

    ask = over_asgi(app)
    assert [ask("/both", idempotency_key="k").status for _ in range(2)] == [200, 200]
    assert left(books) == 8


def test_other_middleware_may_stand_between(books: Credits):
    app = FastAPI()

    async def passing(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    install(app, books, account=lambda request: "ada")
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    app.include_router(fastapi_app.routes)
    ask = over_asgi(app)
    assert (ask("/films").body.count(b"frame"), left(books)) == (5, 5)
    ask("/films", parts=2)
    assert left(books) in (1, 2, 3)  # what stands between may have read ahead


def test_refusals_of_ones_own_verbs_are_answered_too(books: Credits):
    app = FastAPI()
    install(app, books, account=lambda request: "ada")

    @app.post("/own")
    def own() -> None:
        books.deduct("ada", "images", 11, key="own")

    reply = over_asgi(app)("/own")
    assert (reply.status, reply.said["shortfall"], "top_up_url" in reply.said) == (402, 1, False)


def test_who_forgot_to_install_is_told(books: Credits, caplog: pytest.LogCaptureFixture):
    app = FastAPI()
    app.include_router(fastapi_app.routes)
    with caplog.at_level(logging.CRITICAL), pytest.raises(SettingsInvalid, match="install"):
        TestClient(app).post("/images")


def test_the_portals_link_is_for_nobody_else(client: TestClient):
    assert client.get("/buy").headers["location"] != client.get("/buy", headers={"X-User": "bob"}).headers["location"]
