"""Reconciliation, webhooks and orders from a shell."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import farthing
from farthing.providers import Found
from tests.cli.console import Run
from tests.herald import Herald, Purchase, say
from tests.kit import Clock
from tests.kit import shop as catalog
from tests.selling import STORE

pytestmark = pytest.mark.row("P9", "P6", "D7")


@pytest.fixture
def shop(shop: Run, folder: Path) -> Run:
    (folder / "farthing.toml").write_text(STORE)
    return shop


@pytest.fixture
def herald(monkeypatch: pytest.MonkeyPatch) -> Herald:
    """A provider that the commands are set up with too."""
    herald, real = Herald(), farthing.opening.from_settings

    def with_herald(settings: farthing.settings.Settings) -> farthing.Credits:
        credits = real(settings)
        credits.providers["herald"] = herald
        return credits

    monkeypatch.setattr(farthing.opening, "from_settings", with_herald)
    return herald


@pytest.fixture
def credits(shop: Run, herald: Herald, database_url: str) -> Generator[farthing.Credits]:
    clock = Clock(datetime.now(UTC))
    with farthing.open(database_url, catalog=catalog(STORE), clock=clock, providers=[herald]) as credits:
        yield credits


def test_what_fits_together_ends_well(credits: farthing.Credits, shop: Run):
    Purchase(credits).paid()
    ran = shop("reconcile")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("1 orders with 1 payments were laid beside their credits.\n")
    assert ran.out.endswith("Every payment has its credits, and all credits sold have their payment.\n")
    assert "USD 9.90" in ran.out
    answer = shop("reconcile", "--account", "ada", "--json").answer
    assert (answer["proved"], answer["orders"], answer["totals"][0]["paid_minor"]) == (True, 1, "990")
    assert shop("reconcile", "--since", "2100-01-01", "--json").answer["orders"] == 0
    assert shop("reconcile", "--account", "bob", "--json").error["code"] == "not_found"
    assert shop("reconcile", "--since", "noon", "--json").error["code"] == "invalid_field"


def test_what_does_not_fit_is_named_with_its_remedy_until_an_operator_decides(credits: farthing.Credits, shop: Run):
    short, twice = Purchase(credits, key="s"), Purchase(credits, key="t")
    short.paid(980)
    twice.paid()
    say(credits, twice.notice(payment="pay_2"), about=[twice.order.id, "pay_2"])
    ran = shop("reconcile")
    assert ran.code == 1
    assert (
        f"amount_mismatch: account ada, order {short.order.id}, payment {short.payment}, at herald, USD 9.80" in ran.out
    )
    assert ran.out.endswith("This does not fit together: 1 amount_mismatch, 1 surplus_payment.\n")
    assert shop("reconcile", "--json").answer["found"] == {"amount_mismatch": 1, "surplus_payment": 1}
    told = shop("orders", "accept", "ada", short.order.id, short.payment, "--key", "k1", "--reason", "r").out
    assert f"{short.order.id} of ada is fulfilled" in told
    answer = shop("orders", "dismiss", "ada", twice.order.id, "pay_2", "--key", "k2", "--json").answer
    assert sorted(one["standing"] for one in answer["payments"]) == ["dismissed", "paid"]
    again = shop("orders", "accept", "ada", twice.order.id, "pay_2", "--key", "k3", "--json")
    assert (again.code, again.error["code"], again.error["standing"]) == (1, "payment_settled", "dismissed")
    assert shop("reconcile").code == 0


def test_lost_webhooks_are_made_up_for(credits: farthing.Credits, herald: Herald, shop: Run):
    bought = Purchase(credits)
    herald.known[bought.order.reference or ""] = Found((bought.payment,), (bought.notice(),))
    ran = shop("reconcile", "--ask")
    assert ran.out.startswith("1 orders were asked about: 1 stand otherwise now, 0 are unknown to their provider, 0 ")
    assert (ran.code, shop("orders", "show", "ada", bought.order.id, "--json").answer["status"]) == (0, "fulfilled")


def test_orders_are_listed_and_shown(credits: farthing.Credits, shop: Run):
    first, second = Purchase(credits, key="1"), Purchase(credits, key="2")
    first.paid()
    first.tell(first.refund(99))
    first.tell(first.dispute("opened", 100))
    lines = shop("orders", "list", "ada").out.splitlines()
    assert [line.split()[0] for line in lines] == ["order", second.order.id, first.order.id]
    ran = shop("orders", "list", "ada", "--limit", "1")
    assert ran.err == f"There are more: --cursor {second.order.id}\n"
    rest = shop("orders", "list", "ada", "--cursor", second.order.id, "--json").answer
    assert [one["id"] for one in rest["data"]] == [first.order.id]
    shown = shop("orders", "show", "ada", first.order.id).out
    assert shown.startswith(f"{first.order.id} of ada is fulfilled: 110 Image credits, USD 9.90 by herald.\n")
    assert "refund succeeded" in shown
    assert "dispute opened" in shown
    assert shop("orders", "show", "ada", "none", "--json").error["code"] == "not_found"


def test_webhooks_are_listed_shown_and_replayed(credits: farthing.Credits, herald: Herald, shop: Run):
    assert shop("webhooks", "list").out == "There is none.\n"
    assert shop("webhooks", "replay").out == "None failed.\n"
    bought = Purchase(credits)
    say(credits, about=["other"], id="evt_other")
    say(credits, about=[bought.order.id], id="evt_1", look="it")
    say(credits, about=[bought.order.id], id="evt_2", look="it")
    assert [one["event"] for one in shop("webhooks", "list", "--failed", "--json").answer["data"]] == ["evt_1", "evt_2"]
    assert shop("webhooks", "list", "--provider", "stripe", "--json").answer == {"data": []}
    listed = shop("webhooks", "list", "--failed").out
    assert "event_unreadable" in listed
    shown = shop("webhooks", "show", "evt_1")
    assert "evt_1 of herald (told)" in shown.out
    assert "failed, tried once, next try" in shown.out
    assert '  "look": "it"' in shown.out
    assert (
        json.loads(shop("webhooks", "show", "evt_1", "--provider", "herald", "--json").answer["body"])["id"] == "evt_1"
    )
    assert shop("webhooks", "show", "evt_9", "--json").error["code"] == "not_found"
    failed = shop("webhooks", "replay", "evt_1")
    assert (failed.code, "tried 2 times" in failed.out) == (1, True)
    herald.known["it"] = Found((bought.payment,), (bought.notice(),))
    assert "evt_1 of herald (told)" in shop("webhooks", "replay", "evt_1").out
    ran = shop("webhooks", "replay", "--json")
    assert (ran.code, [(one["event"], one["outcome"]) for one in ran.answer["data"]]) == (0, [("evt_2", "no_change")])
    assert credits.balance("ada", "images").posted == 110


def test_an_event_of_two_providers_wants_to_know_whose(credits: farthing.Credits, shop: Run):
    other = Herald()
    other.name = "other"
    credits.providers["other"] = other
    body = json.dumps({"id": "evt", "references": [], "facts": [], "look": None, "customer": None}).encode()
    for provider in ("herald", "other"):
        credits.receive(provider, {}, body)
    assert shop("webhooks", "show", "evt", "--json").error["code"] == "invalid_field"
    assert shop("webhooks", "show", "evt", "--provider", "other", "--json").answer["provider"] == "other"
    assert shop("webhooks", "show", "evt", "--provider", "other").out.startswith("evt of other (told)")


def test_what_a_provider_wrote_cannot_move_the_terminal(credits: farthing.Credits, shop: Run):
    say(credits, about=["\x1b[2J"], id="evt")
    assert "\x1b" not in shop("webhooks", "show", "evt").out
