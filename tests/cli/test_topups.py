"""Auto top-up from a shell."""

from pathlib import Path

import pytest

import farthing
from farthing.catalog import parse
from farthing.testing import Post, sandbox
from tests.cli.console import Run
from tests.selling import STORE

pytestmark = pytest.mark.row("D7", "P8")

TERMS = ["--threshold", "20", "--package", "starter", "--at-most", "1200", "--most", "3", "--consent", "below-20"]
AGREED = "ada agreed that below 20 images sandbox charges USD 12.00 at most for starter:"


@pytest.fixture
def shop(shop: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (folder / "farthing.toml").write_text(STORE)
    monkeypatch.setenv("FARTHING_SECRET", "a-secret-for-tests-" + "s" * 32)
    return shop


def leave_card(url: str) -> None:
    with farthing.open(url, catalog=parse(STORE), providers=[sandbox()]) as credits:
        page = credits.ask_card("ada", key="card")
        mail = Post(credits)
        payer = mail.sandbox.look(page.reference)
        assert payer and payer.customer
        mail.deliver(mail.card(payer.customer, reference=page.reference))


def test_a_top_up_from_its_consent_to_its_end(shop: Run, database_url: str):
    assert shop("topups", "list", "ada").out == "ada agreed to no auto top-up.\n"
    assert shop("topups", "show", "ada", "images", "--json").error["code"] == "no_top_up"
    assert shop("topups", "set", "ada", "images", "--key", "a", *TERMS, "--json").error["code"] == "no_saved_card"
    leave_card(database_url)
    said = shop("topups", "set", "ada", "images", "--key", "a", *TERMS).out
    assert said == f"{AGREED} active, 0 of 3 charges in this month.\n"
    assert shop("topups", "run", "ada").code == 2
    done = shop("topups", "run", "ada", "images", "--json").answer
    assert (done["outcome"], done["order"]["paid_minor"]) == ("paid", 990)
    assert shop("topups", "run", "ada", "images").out == "ada, images: enough.\n"
    assert shop("topups", "run", "--json").answer["paid"] == 0
    assert shop("topups", "run").out.startswith("0 paid, 0 declined")
    [one] = shop("topups", "list", "ada", "--json").answer["data"]
    assert (one["used"], one["last_order"], one["last_outcome"]) == (1, done["order"]["id"], "paid")
    assert shop("topups", "resume", "ada", "images", "--key", "r", "--json").answer["status"] == "active"
    assert shop("topups", "stop", "ada", "images", "--key", "s").out.splitlines() == [
        f"{AGREED} stopped, 1 of 3 charges in this month.",
        f"Its last order is {done['order']['id']}: paid.",
    ]


def test_what_is_paused_says_why_and_what_to_do(shop: Run, database_url: str, folder: Path):
    leave_card(database_url)
    shop("topups", "set", "ada", "images", "--key", "a", *TERMS)
    (folder / "farthing.toml").write_text(STORE.replace('"9.90"', '"12.01"'))
    assert shop("topups", "run", "ada", "images").out == "ada, images: paused.\n"
    assert shop("topups", "show", "ada", "images").out.endswith("Z: the price is above what was agreed on.\n")
