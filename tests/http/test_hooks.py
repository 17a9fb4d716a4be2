"""Webhooks over HTTP: answered as soon as they are stored, and handled after that."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn

import farthing
from farthing import http
from farthing.providers import Found
from tests.herald import Herald, Purchase
from tests.kit import Clock, shop
from tests.selling import STORE, available

pytestmark = pytest.mark.row("P6", "D1")


class SlowHerald(Herald):
    """A herald that answers only once it is `allowed` to; it says so when it is `asked_for` something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for, self.allowed = threading.Event(), threading.Event()

    def look(self, reference: str) -> Found | None:
        self.asked_for.set()
        assert self.allowed.wait(30)
        return super().look(reference)


@contextmanager
def served(credits: farthing.Credits) -> Generator[str]:
    """The API on a free port of this machine. When the block is left, what was under way has ended."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(http.app(credits), log_level="warning", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        serving.join()
        listening.close()


def event(bought: Purchase, *, id: str, look: str | None = None) -> bytes:
    notice = bought.notice()
    facts = [] if look else [("Notice", {**notice._asdict(), "at": notice.at.timestamp()})]
    said = {"id": id, "references": [bought.order.id], "facts": facts, "look": look, "customer": None}
    return json.dumps(said).encode()


def post(address: str, body: bytes) -> Any:
    answer = httpx2.post(f"{address}/v1/webhooks/herald", content=body, trust_env=False, timeout=20)
    return answer.status_code, answer.json()


def test_no_provider_waits_for_what_is_looked_up(database_url: str, clock: Clock):
    herald = SlowHerald()
    with farthing.open(database_url, catalog=shop(STORE), clock=clock, providers=[herald]) as credits:
        bought = Purchase(credits)
        herald.known["it"] = Found((bought.payment,), (bought.notice(),))
        with served(credits) as address:
            assert post(address, event(bought, id="evt_1", look="it")) == (200, {"received": True, "duplicate": False})
            assert herald.asked_for.wait(30)
            assert post(address, event(bought, id="evt_1", look="it")) == (200, {"received": True, "duplicate": True})
            assert bought.now().status == "open"
            herald.allowed.set()
        assert (bought.now().status, available(credits)) == ("fulfilled", 110)


def test_no_provider_waits_for_a_wallet_that_somebody_holds(postgresql: Any, clock: Clock):
    """On SQLite whoever writes is alone, and storing the event waits too."""
    with (
        postgresql.migrated() as url,
        farthing.open(url, catalog=shop(STORE), clock=clock, providers=[Herald()]) as credits,
    ):
        credits.grant("ada", "images", 1, key="g", source="gift")
        bought = Purchase(credits)
        with served(credits) as address, credits.begin(lock=["ada"]):
            assert post(address, event(bought, id="evt_1"))[0] == 200
            outcomes = "SELECT outcome FROM farthing_provider_events"
            assert credits.database.read(lambda session: session.execute(outcomes)) == [(None,)]
        assert (bought.now().status, available(credits)) == ("fulfilled", 111)


def test_what_fails_after_the_answer_waits_for_the_job(database_url: str, clock: Clock):
    herald = Herald()
    with farthing.open(database_url, catalog=shop(STORE), clock=clock, providers=[herald]) as credits:
        bought = Purchase(credits)
        with served(credits) as address:
            assert post(address, event(bought, id="evt_1", look="it"))[0] == 200
        [failed] = credits.provider_events(failed=True)
        assert (failed.attempts, failed.outcome) == (1, None)
        herald.known["it"] = Found((bought.payment,), (bought.notice(),))
        clock.move("1m")
        assert (credits.handle_events().handled, bought.now().status) == (1, "fulfilled")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_a_mebibyte_is_refused_before_it_is_read(database_url: str, clock: Clock, declared: bool):
    sent = 0

    async def endless() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b"x" * 2**16, "more_body": True}

    answered: list[Any] = []

    async def answer(message: Any) -> None:
        answered.append(message)

    with farthing.open(database_url, catalog=shop(STORE), clock=clock, providers=[Herald()]) as credits:
        length = [(b"content-length", b"%d" % 2**30)] if declared else []
        scope = {
            "type": "http", "method": "POST", "path": "/v1/webhooks/herald", "raw_path": b"/v1/webhooks/herald",
            "query_string": b"", "headers": [(b"host", b"farthing.test"), *length], "http_version": "1.1",
            "scheme": "http", "server": ("farthing.test", 80), "client": ("127.0.0.1", 1), "root_path": "",
        }  # fmt: skip
        asyncio.run(http.app(credits)(scope, endless, answer))
        assert (answered[0]["status"], json.loads(answered[1]["body"])["code"]) == (413, "body_too_large")
        assert sent == (0 if declared else 2**20 // 2**16 + 1)
        assert credits.provider_events() == []
