"""`farthing demo`: the whole way of a credit, from gift and purchase to the last one used, on real parts."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe
from shutil import copy
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.setup import DEMO_CATALOG
from farthing.errors import Corrupt, FarthingError

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.settings import Settings

CALLERS = 64
START_TIMEOUT_S = 30
PATIENCE_S = 10
ENDED = 143  # as a shell says of a program ended by SIGTERM
_VISIT = re.compile(r'name="visit" value="([0-9a-f]+)"')


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the proof instead of serving.")] = False,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any that is free.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Show the whole way of a credit on a throw-away database: gift, purchase, use by many at once, proof."""
    from farthing import server
    from farthing.settings import Settings

    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="farthing-demo-") as folder:
        listening = server.listen("127.0.0.1", 0 if once else port)
        catalog = Path(copy(DEMO_CATALOG, folder))
        settings = Settings(
            database_url=f"sqlite:///{folder}/demo.db", catalog=catalog, secret=token_urlsafe(32),  # pyright: ignore
            base_url=None, host="127.0.0.1", port=listening.getsockname()[1],
        )  # fmt: skip
        with _serving(settings, listening) as credits:
            shown = _tell(credits, settings)
            if not once:
                shown["links"] = _links(credits, settings)
            if as_json:
                output.document(shown)
            else:
                _say(shown)
            if not shown["proved"]:
                raise Corrupt("The demo's books do not add up. This is a bug in Farthing: please report it.")
            if not once:
                threading.Event().wait()


def _end(*_: object) -> None:
    sys.exit(ENDED)  # so that the throw-away folder goes too


@contextmanager
def _serving(settings: Settings, listening: Any) -> Generator[Credits]:
    """The real server in a thread of this process, over a database made for it."""
    import uvicorn

    from farthing import server
    from farthing.store import migrations
    from farthing.store.database import Database

    database = Database(settings.database_url)
    migrations.migrate(database)
    database.use_wal()
    database.close()
    app = server.app(settings)
    running = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + START_TIMEOUT_S
    while not running.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield app.state.credits
    finally:
        running.should_exit = True
        thread.join()


def _tell(credits: Credits, settings: Settings) -> dict[str, Any]:
    from farthing.ledger.verifying import verify

    for account in ("ada", "bob"):
        credits.open_account(account)
    gift = credits.balance("ada", "images").available
    order = _buy(credits, settings)
    used = _use_up(credits)
    report = verify(credits.database)
    return {
        "gift": gift,
        "order": {name: order[name] for name in ("id", "status", "amount", "bonus", "paid_minor", "currency")},
        "callers": CALLERS,
        "used": used["won"],
        "refused": used["insufficient_credits"],
        "left": credits.balance("ada", "images").available,
        "wallets": report.wallets,
        "entries": report.entries,
        "proved": report.proved,
    }


def _buy(credits: Credits, settings: Settings) -> dict[str, Any]:
    """A package bought as a customer does: checkout over HTTP, the provider's pay page, its signed webhook."""
    import httpx2

    from farthing import keys

    _, secret = keys.create(credits, "demo", ["read", "sell"])
    with httpx2.Client(base_url=settings.public_url, trust_env=False, follow_redirects=False) as client:
        headers = {"Authorization": f"Bearer {secret}"}
        asked = {"package": "starter", "provider": "sandbox"}
        placed = client.post(
            "/v1/accounts/ada/checkouts", json=asked, headers=headers | {"Idempotency-Key": "demo:starter"}
        )
        placed.raise_for_status()
        pay_page = placed.json()["url"]
        visit = _VISIT.search(client.get(pay_page).raise_for_status().text)
        paid = client.post(pay_page, data={"action": "pay", "visit": visit[1] if visit else ""})
        if paid.is_error:
            raise FarthingError(f"The sandbox's pay page answered {paid.status_code}.")
        return _settled(client, f"/v1/accounts/ada/orders/{placed.json()['order']['id']}", headers)


def _settled(client: Any, order: str, headers: dict[str, str]) -> dict[str, Any]:
    """The order once its webhook is handled, which the server does after it has answered."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = client.get(order, headers=headers).raise_for_status().json()
        if found["status"] == "fulfilled" or time.monotonic() > until:
            return found
        time.sleep(0.02)


def _use_up(credits: Credits) -> Counter[str]:
    """Callers who all deduct at once, one credit at a time, until each is refused."""

    def call(caller: int) -> Counter[str]:
        told: Counter[str] = Counter()
        while not told["insufficient_credits"]:
            try:
                credits.deduct("ada", "images", 1, key=f"demo:{caller}:{told['won']}", operation="render")
                told["won"] += 1
            except FarthingError as error:
                told[error.code] += 1
        return told

    with ThreadPoolExecutor(CALLERS) as threads:
        return sum(threads.map(call, range(CALLERS)), Counter[str]())


def _say(shown: dict[str, Any]) -> None:
    order = shown["order"]
    rows = [
        ("sign-up gift", shown["gift"], "Ada opened her account"),
        ("bought", order["amount"] + order["bonus"], f"order {order['id']} is {order['status']}"),
        ("used", -shown["used"], f"by {CALLERS} callers at once, one credit each time"),
        ("refused", None, f"{shown['refused']} callers, once nothing was left"),
        ("left", shown["left"], ""),
    ]
    output.table(("what happened", "credits", ""), rows)
    verdict = "Proved" if shown["proved"] else "NOT PROVED"
    output.say(f"{verdict}: {shown['entries']} entries rebuild every balance of {shown['wallets']} wallets.")
    for name, link in shown.get("links", {}).items():
        output.say(f"{name + ':':15} {link}")
    if "links" in shown:
        output.say("Ctrl-C ends it; the database goes with it.")


def _links(credits: Credits, settings: Settings) -> dict[str, str]:
    from datetime import timedelta

    from farthing import keys, portal

    _, secret = keys.create(credits, "demo visitor", ["admin"])
    secrets = [one.get_secret_value() for one in settings.secret]
    where = f"{settings.public_url}/portal"
    enter = {
        f"Portal as {account}": portal.link(account, secrets, base_url=where, life=timedelta(hours=12), reusable=True)
        for account in ("ada", "bob")
    }
    balances = f"{settings.public_url}/v1/accounts/ada/balances"
    return enter | {
        "API": f"{settings.public_url}/v1/openapi.json",
        "Try": f"curl -H 'Authorization: Bearer {secret}' {balances}",
    }
