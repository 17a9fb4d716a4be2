"""The server itself: real connections on a free port, its health, and what it says when it cannot start."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

import farthing
from farthing import Credits, keys, server, settings
from farthing.http.frame import MAX_BODY_BYTES
from tests.databases import Databases
from tests.http.conftest import CATALOG
from tests.http.test_selling import CATALOG as MARKET
from tests.kit import Clock, shop


@contextmanager
def running(make_app: Callable[[str, int], Any]) -> Iterator[str]:
    """A uvicorn on a free port of this machine; gives its address."""
    with server.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        served = uvicorn.Server(uvicorn.Config(make_app("127.0.0.1", port), log_level="warning"))
        thread = threading.Thread(target=served.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            served.should_exit = True
            thread.join()


@pytest.fixture
def credits(database_url: str, clock: Clock) -> Credits:
    """Closed by the server."""
    return farthing.open(database_url, catalog=shop(CATALOG), clock=clock)


@pytest.fixture
def address(credits: Credits) -> Iterator[str]:
    with running(lambda *_: server.assemble(credits)) as address:
        yield address


@pytest.fixture
def caller(credits: Credits, address: str) -> Iterator[httpx2.Client]:
    secret = keys.create(credits, "the tests", ["admin"])[1]
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:
        yield client


def grant(caller: httpx2.Client, account: str, amount: int) -> None:
    body = {"credit_type": "images", "amount": amount, "source": "gift"}
    assert caller.post(f"/v1/accounts/{account}/grants", json=body, headers={"Idempotency-Key": "g"}).is_success


def spoken(address: str, request: bytes) -> bytes:
    """What the server answers to these very bytes."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


@pytest.mark.row("D1", "L3")
def test_32_callers_at_once_get_the_last_10_credits_and_22_get_402(caller: httpx2.Client, credits: Credits):
    grant(caller, "ada", 10)

    def deduct(number: int) -> int:
        body = {"credit_type": "images", "amount": 1}
        headers = {"Idempotency-Key": f"d{number}"}
        return caller.post("/v1/accounts/ada/deductions", json=body, headers=headers).status_code

    with ThreadPoolExecutor(32) as crowd:
        statuses = list(crowd.map(deduct, range(32)))
    assert (statuses.count(201), statuses.count(402)) == (10, 22)
    assert credits.balance("ada", "images").posted == 0


@pytest.mark.row("D1")
def test_an_id_with_a_percent_sign_is_decoded_once(caller: httpx2.Client, credits: Credits, address: str):
    grant(caller, "a%252Fb", 5)
    grant(caller, "a%25", 6)
    assert credits.balance("a%2Fb", "images").posted == 5
    assert credits.balance("a%", "images").posted == 6
    assert caller.get(f"{address}/v1/accounts/a%2Fbalances").status_code == 404


@pytest.mark.row("D1")
def test_bytes_that_are_no_http_or_no_text_are_refused(caller: httpx2.Client, credits: Credits, address: str):
    head = b"Host: x\r\nConnection: close\r\nAuthorization: %s\r\n" % caller.headers["Authorization"].encode()
    body = b'{"credit_type": "images", "amount": 5, "source": "gift"}'
    tail = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    post = b"POST /v1/accounts/ada/grants HTTP/1.1\r\n" + head
    assert b"422 " in spoken(address, post + b"Idempotency-Key: \xff\xfe\r\n" + tail)[:20]
    assert b"422 " in spoken(address, post + b"Idempotency-Key: farthing:x\r\n" + tail)[:20]
    assert b"404 " in spoken(address, b"GET /v1/accounts/%FF/balances HTTP/1.1\r\n" + head + b"\r\n")[:20]
    for line in (b"GET /v1/accounts/\xff HTTP/1.1\r\n", b"GET  HTTP/1.1\r\n", b"\x00\r\n"):
        assert b"400 " in spoken(address, line + head + b"\r\n")[:20]
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY_BYTES, b" " * MAX_BODY_BYTES)
    chunked = b"Idempotency-Key: k\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"413 " in spoken(address, post + chunked + chunk + b"1\r\n \r\n0\r\n\r\n")[:20]
    assert credits.history("ada").data == []


def test_a_caller_that_hangs_up_leaves_nothing_half_done(caller: httpx2.Client, credits: Credits, address: str):
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/accounts/ada/grants HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 100\r\n"
            b"Content-Type: application/json\r\nAuthorization: %s\r\n\r\n{" % caller.headers["Authorization"].encode()
        )
    assert caller.get("/healthz").json() == {"status": "ok"}
    assert credits.history("ada").data == []


@pytest.mark.row("O1")
def test_a_server_with_its_database_is_alive_and_ready(caller: httpx2.Client):
    assert caller.get("/healthz").json() == {"status": "ok"}
    ready = caller.get("/readyz")
    checks = {"database": {"status": "ok"}, "jobs": {}}
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "checks": checks})
    missing = caller.get("/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


@pytest.mark.row("O1")
def test_a_server_whose_database_has_an_older_schema_is_alive_but_not_ready(caller: httpx2.Client, credits: Credits):
    credits.database.run(lambda session: session.execute("UPDATE farthing_version SET version_num = '0001'"))
    ready = caller.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]["code"]) == (503, "not_migrated")
    assert "farthing migrate" in ready.json()["checks"]["database"]["detail"]
    assert caller.get("/healthz").status_code == 200


@pytest.mark.row("O1")
def test_a_server_whose_database_is_gone_is_alive_but_not_ready(databases: Databases, clock: Clock):
    with databases.migrated() as url:
        credits = farthing.open(url, catalog=shop(CATALOG), clock=clock)
        secret = keys.create(credits, "the tests", ["admin"])[1]
        whole = server.assemble(credits)
    credits.database.close()
    with running(lambda *_: whole) as address, httpx2.Client(base_url=address) as caller:
        ready = caller.get("/readyz")
        wrong = ready.json()["checks"]["database"]
        assert (ready.status_code, wrong["code"] in ("database_unreachable", "not_migrated")) == (503, True)
        asked = caller.get("/v1/accounts/ada", headers={"Authorization": f"Bearer {secret}"})
        assert (asked.status_code, asked.headers["retry-after"]) == (503, "1")
        assert "farthing_test" not in ready.text + asked.text
        assert caller.get("/healthz").status_code == 200


@pytest.fixture
def market(tmp_path: Path, database_url: str) -> Callable[..., settings.Settings]:
    """Settings of a server that sells."""
    catalog = tmp_path / "farthing.toml"
    catalog.write_text(MARKET, "utf-8")

    def load(**given: Any) -> settings.Settings:
        return settings.load(database_url=database_url, catalog=catalog, **given)

    return load


@pytest.mark.row("D1", "P5")
def test_a_purchase_goes_through_the_sandboxs_own_page_over_real_http(market: Callable[..., settings.Settings]):
    made: list[Any] = []

    def whole(host: str, port: int) -> Any:
        made.append(server.app(market(host=host, port=port, secret="s" * 32)))
        return made[0]

    with running(whole) as address:
        secret = keys.create(made[0].state.credits, "shop", ["sell", "read"])[1]
        with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {secret}"}) as caller:
            body, key = {"package": "starter"}, {"Idempotency-Key": "buy"}
            bought = caller.post("/v1/accounts/ada/checkouts", json=body, headers=key).json()
            assert bought["url"].startswith(f"{address}/sandbox/pay/")
            page = httpx2.get(bought["url"])
            visit = re.search(r'name="visit" value="([0-9a-f]+)"', page.text)
            assert visit
            httpx2.post(bought["url"], data={"action": "pay", "visit": visit[1]})
            order = handled(caller, f"/v1/accounts/ada/orders/{bought['order']['id']}")
            assert (order["status"], order["paid_minor"]) == ("fulfilled", 990)
            assert caller.get("/v1/accounts/ada/balances/images").json()["available"] == 110
            large = httpx2.post(bought["url"], content=b"x" * (MAX_BODY_BYTES + 1))
            assert large.status_code == 413


def handled(caller: httpx2.Client, order: str) -> Any:
    """The order once its webhook is handled: the server does that after it has answered."""
    deadline = time.monotonic() + 30
    while (found := caller.get(order).json())["status"] == "open" and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_without_a_secret_there_is_no_sandbox(
    market: Callable[..., settings.Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    whole = server.app(market())
    assert whole.state.credits.providers == {}
    assert [getattr(route, "path", None) for route in whole.routes] == ["/healthz", "/readyz", ""]
    whole.state.credits.close()


def test_beside_a_live_database_there_is_no_sandbox(databases: Databases, tmp_path: Path):
    catalog = tmp_path / "farthing.toml"
    catalog.write_text(MARKET, "utf-8")
    with databases.empty() as url:
        farthing.migrate(url, mode="live")
        whole = server.app(settings.load(database_url=url, catalog=catalog, secret="s" * 32))
        assert whole.state.credits.providers == {}
        whole.state.credits.close()


def refused_start(folder: Path, **environment: str) -> str:
    """What `farthing serve` says when it cannot start."""
    ended = subprocess.run(
        [sys.executable, "-m", "farthing", "serve"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "FARTHING_PORT": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode not in (0, None)
    assert "Traceback" not in ended.stderr
    assert "\n\n" not in ended.stderr.strip()
    return ended.stderr


@pytest.mark.row("O1")
def test_a_server_that_cannot_start_says_why_and_what_to_do(tmp_path: Path, database_url: str, empty_database_url: str):
    (tmp_path / "farthing.toml").write_text(CATALOG, "utf-8")
    (tmp_path / "broken.toml").write_text("[credit_types.images]\nname = 5\n", "utf-8")
    with server.listen("127.0.0.1", 0) as taken, server.listen("127.0.0.1", 0) as other:
        port, free = str(taken.getsockname()[1]), other.getsockname()[1]
        other.close()
        good = {"FARTHING_DATABASE_URL": database_url, "FARTHING_PORT": str(free)}
        assert f"127.0.0.1:{port}" in refused_start(tmp_path, **good | {"FARTHING_PORT": port})
    unmigrated = refused_start(tmp_path, **good | {"FARTHING_DATABASE_URL": empty_database_url})
    assert "farthing migrate" in unmigrated or "farthing init" in unmigrated
    assert "credit_types.images.name" in refused_start(tmp_path, **good | {"FARTHING_CATALOG": "broken.toml"})
    assert "none.toml" in refused_start(tmp_path, **good | {"FARTHING_CATALOG": "none.toml"})
    nowhere = "postgresql://someone:hush@127.0.0.1:1/nothing"
    unreachable = refused_start(tmp_path, **good | {"FARTHING_DATABASE_URL": nowhere})
    assert "127.0.0.1:1" in unreachable
    assert "hush" not in unreachable
