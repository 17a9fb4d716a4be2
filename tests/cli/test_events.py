"""Events and endpoints from a shell."""

from pathlib import Path

import pytest

import farthing
from farthing.catalog import parse
from tests.cli.console import Run
from tests.kit import SHOP
from tests.receiver import receiving

pytestmark = pytest.mark.row("D6", "D7")

LOW = SHOP.replace('name = "Image credits"\n', 'name = "Image credits"\nlow = 20\n')


@pytest.fixture
def shop(shop: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (folder / "farthing.toml").write_text(LOW)
    monkeypatch.setenv("FARTHING_LOCAL_ENDPOINTS", "true")
    return shop


def cross(url: str) -> None:
    with farthing.open(url, catalog=parse(LOW)) as credits:
        credits.grant("ada", "images", 25, key="g", source="gift")
        credits.deduct("ada", "images", 10, key="d")


def test_endpoints_from_the_first_to_the_last(shop: Run, database_url: str, monkeypatch: pytest.MonkeyPatch):
    assert shop("endpoints", "list").out == shop("events", "list").out == "There is none.\n"
    with receiving() as receiver:
        made = shop("endpoints", "add", receiver.url, "--kind", "credits.balance.low", "--json").answer
        one = made["endpoint"]["id"]
        assert made["secret"].startswith("whsec_")
        cross(database_url)
        assert shop("jobs", "run", "deliver").out == "deliver   1 delivered, 0 failed, 0 given_up\n"
        assert receiver.believes(made["secret"])
    listed = shop("endpoints", "list").out
    assert receiver.url in listed and "works" in listed and made["secret"] not in listed
    said = shop("endpoints", "rotate", one).out
    assert said.startswith(f"{one} ({receiver.url})\nIts secret, which is not shown again: whsec_")
    assert shop("endpoints", "resume", one).out == f"{one} ({receiver.url}): works.\n"
    assert shop("endpoints", "remove", one).out == f"{one} is removed.\n"
    assert shop("endpoints", "remove", one, "--json").error["code"] == "not_found"
    monkeypatch.delenv("FARTHING_LOCAL_ENDPOINTS")
    assert shop("endpoints", "add", receiver.url).code == 2


def test_events_are_listed_shown_and_replayed(shop: Run, database_url: str):
    with receiving() as receiver:
        shop("endpoints", "add", receiver.url)
        receiver.answer = lambda came: 500
        cross(database_url)
        shop("jobs", "run", "deliver")
        [event] = shop("events", "list", "--failed", "--json").answer["data"]
        assert (event["type"], event["data"]["available"]) == ("credits.balance.low", 15)
        assert event["id"] in shop("events", "list", "ada").out
        shown = shop("events", "show", event["id"]).out
        assert '"available": 15' in shown and "failed, tried once, next try" in shown and "it refused (500)." in shown
        receiver.answer = lambda came: 200
        assert shop("events", "replay", event["id"]).out == f"{event['id']} is due again.\n"
        assert "not sent yet." in shop("events", "show", event["id"]).out
        shop("jobs", "run", "deliver")
        assert shop("events", "list", "--failed", "--json").answer == {"data": []}
        [delivery] = shop("events", "show", event["id"], "--json").answer["deliveries"]
        assert (delivery["attempts"], delivery["status"], delivery["error"]) == (1, 200, None)
        assert shop("events", "show", "evt_none", "--json").error["code"] == "not_found"
