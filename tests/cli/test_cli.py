"""`farthing …`: what an operator types, what is answered, and how it ends."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from typer.main import get_command

import farthing
from farthing.amounts import to_credits
from farthing.catalog import parse
from farthing.cli import app, output
from tests.cli.console import Ran, Run, process
from tests.kit import SHOP, Clock

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
SECRET = "a-secret-for-tests-" + "s" * 32


@pytest.mark.row("D7", "L2", "L3", "L11")
def test_a_day_at_the_counter(shop: Run):
    opened = shop("open", "ada", "--time-zone", "Europe/Berlin", "--json")
    assert (opened.code, opened.answer["account"], opened.answer["time_zone"]) == (0, "ada", "Europe/Berlin")
    assert shop("grant", "ada", "images", "20", "--key", "order-1", "--source", "purchase").out.startswith(
        "granted 20 images to ada; 30 available"
    )
    assert shop("deduct", "ada", "images", "12", "--key", "job-1", "--operation", "render").code == 0
    assert shop("check", "ada", "images", "18", "--json").answer == {
        "allowed": True, "required": 18, "available": 18, "shortfall": 0,
    }  # fmt: skip
    [images, chat] = shop("balance", "ada", "--json").answer["data"]
    assert (images["available"], chat["available"]) == (18, 0)
    lines = shop("history", "ada", "images", "--json").answer["data"]
    assert [(line["kind"], line["amount"], line["key"]) for line in lines] == [
        ("deduct", -12, "job-1"),
        ("grant", 20, "order-1"),
        ("grant", 10, "farthing:gift:images"),
    ]
    [lot] = shop("lots", "ada", "images", "--json").answer["data"]
    assert (lot["id"], lot["remaining"]) == ("lot_images_2", 18)
    proof = shop("verify", "--json").answer
    assert (proof["proved"], proof["entries"], proof["posted"]) == (True, 3, {"images": "18"})


def test_the_same_in_words(shop: Run):
    shop("grant", "ada", "images", "5", "--key", "g", "--expires", "30d")
    assert shop("balance", "ada", "images").out.splitlines()[0].split()[:4] == ["credit", "type", "available", "posted"]
    assert "deduct" not in shop("history", "ada").out
    assert "lot_images_1" in shop("lots", "ada", "images").out
    assert shop("check", "ada", "images", "5").out == "Allowed: ada has 5 images available.\n"
    assert shop("expire").out == "Nothing was due.\n"
    assert shop("verify").out.endswith("Every balance is proved.\n")


@pytest.mark.row("L16")
def test_saying_it_again_with_the_same_key_changes_nothing(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    first = shop("deduct", "ada", "images", "3", "--key", "job", "--json").answer
    again = shop("deduct", "ada", "images", "3", "--key", "job", "--json").answer
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first | {"replayed": True} == again
    assert "Already done" in shop("deduct", "ada", "images", "3", "--key", "job").out
    other = shop("deduct", "ada", "images", "4", "--key", "job", "--json")
    assert (other.code, other.error["code"], other.error["key"]) == (1, "key_reused", "job")
    assert shop("balance", "ada", "images", "--json").answer["data"][0]["posted"] == 7


@pytest.mark.row("L3")
def test_a_refusal_ends_with_1_and_its_facts(shop: Run):
    shop("grant", "ada", "chat", "2.50", "--key", "g")
    said = shop("deduct", "ada", "chat", "8.25", "--key", "job")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "ada has 2.5 chat available and this needs 8.25: 0.75 short. Nothing was changed. "
        "Grant or buy credits, or ask for less.\n"
    )
    told = shop("deduct", "ada", "chat", "8.25", "--key", "job", "--json")
    assert (told.code, told.out) == (1, "")
    assert told.error["required"] == Decimal("8.25")
    assert told.error["shortfall"] == Decimal("0.75")
    assert shop("check", "ada", "chat", "8.25").code == 1
    assert shop("check", "ada", "chat", "8.25", "--json").answer["shortfall"] == Decimal("0.75")


def test_every_option_of_a_grant_reaches_the_ledger(shop: Run):
    words = [
        "grant",
        "ada",
        "images",
        "100",
        "--key",
        "order-7",
        "--source",
        "purchase",
        "--expires",
        "2099-01-31T12:00Z",
    ]
    words += ["--effective-at", "2098-01-01T00:00+01:00", "--priority", "7", "--cost", "9.90", "--currency", "USD"]
    words += ["--reason", "paid by bank", "--actor", "zoë", "--metadata", '{"invoice": "2098/7"}']
    line = shop(*words, "--occurred-at", "2025-12-24T18:00Z", "--json").answer
    [lot] = shop("lots", "ada", "images", "--json").answer["data"]
    assert (line["source"], line["reason"], line["actor"], line["metadata"]) == (
        *("purchase", "paid by bank", "zoë"),
        {"invoice": "2098/7"},
    )
    assert (line["occurred_at"], line["effective_at"], line["expires_at"]) == (
        *("2025-12-24T18:00:00Z", "2097-12-31T23:00:00Z", "2099-01-31T12:00:00Z"),
    )
    assert (lot["priority"], lot["cost_minor"], lot["currency"]) == (7, 990, "USD")
    assert "USD 9.90" in shop("lots", "ada", "images").out
    assert shop("balance", "ada", "images", "--json").answer["data"][0]["pending"] == 100


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["deduct", "ada", "images", "3"], "usage"),
        (["deduct", "ada", "images", "3", "--key", "k", "--oprtion", "x"], "usage"),
        (["nonsense"], "usage"),
        (["migrate", "--mode", "life"], "invalid_field"),
        (["init", "--mode", "life"], "invalid_field"),
        (["deduct", "ada", "pictures", "3", "--key", "k"], "unknown_credit_type"),
        (["deduct", "ada", "images", "0.5", "--key", "k"], "invalid_amount"),
        (["deduct", "ada", "images", "three", "--key", "k"], "invalid_amount"),
        (["deduct", "--key", "k", "--", "ada", "images", "-3"], "invalid_amount"),
        (["deduct", "ada", "images", "-3", "--key", "k"], "invalid_amount"),
        (["grant", "ada", "images", "-.5", "--key", "k"], "invalid_amount"),
        (["check", "ada", "images", "-5.25"], "invalid_amount"),
        (["deduct", "ada", "images", "-x", "--key", "k"], "usage"),
        (["balance", "ada", "-5"], "usage"),
        (["deduct", "a/b", "images", "3", "--key", "k"], "invalid_account"),
        (["deduct", "ada", "images", "3", "--key", ""], "invalid_key"),
        (["deduct", "ada", "images", "3", "--key", "farthing:x"], "invalid_key"),
        (["deduct", "ada", "images", "3", "--key", "k", "--metadata", "[1]"], "invalid_field"),
        (["deduct", "ada", "images", "3", "--key", "k", "--metadata", "{"], "invalid_field"),
        (["deduct", "ada", "images", "3", "--key", "k", "--occurred-at", "2026-01-01"], "invalid_field"),
        (["deduct", "ada", "images", "3", "--key", "k", "--occurred-at", "noon"], "invalid_field"),
        (["grant", "ada", "images", "3", "--key", "k", "--source", "magic"], "invalid_field"),
        (["grant", "ada", "images", "3", "--key", "k", "--expires", "soon"], "invalid_expiry"),
        (["grant", "ada", "images", "3", "--key", "k", "--expires", "2020-01-01T00:00Z"], "invalid_expiry"),
        (["grant", "ada", "images", "3", "--key", "k", "--cost", "9.90"], "invalid_field"),
        (["grant", "ada", "images", "3", "--key", "k", "--cost", "9.901", "--currency", "USD"], "invalid_amount"),
        (["grant", "ada", "images", "3", "--key", "k", "--cost", "9.90", "--currency", "usd"], "unknown_currency"),
        (["history", "ada", "--limit", "501"], "invalid_field"),
        (["history", "ada", "--cursor", "nonsense"], "invalid_field"),
        (["history", "ada", "--kind", "gift"], "invalid_field"),
        (["history", "ada", "--source", "deduct"], "invalid_field"),
        (["history", "ada", "--sort", "best"], "invalid_field"),
        (["history", "ada", "--search", ""], "invalid_field"),
        (["history", "ada", "--since", "yesterday"], "invalid_field"),
        (["history", "ada", "--until", "2026-01-01T12:00"], "invalid_field"),
        (["history", "ada", "--csv", "-", "--limit", "5"], "invalid_field"),
        (["history", "ada", "--csv", "ada.csv", "--cursor", "e30"], "invalid_field"),
        (["history", "ada", "--csv", "no/such/folder.csv"], "invalid_field"),
        (["open", "ada", "--time-zone", "Mars/Olympus"], "invalid_field"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_misuse_ends_with_2_and_changes_nothing(shop: Run, words: list[str], code: str):
    at = words.index("--") if "--" in words else len(words)
    ran = shop(*words[:at], "--json", *words[at:])
    assert (ran.code, ran.out, ran.error["code"]) == (2, "", code)
    assert ran.error["message"]
    assert shop("verify", "--json").answer["wallets"] == 0


def test_history_goes_on_where_the_page_before_ended(shop: Run):
    shop("grant", "ada", "images", "9", "--key", "g")
    for job in range(3):
        shop("deduct", "ada", "images", "1", "--key", f"job-{job}")
    first = shop("history", "ada", "--limit", "3", "--json").answer
    assert first["has_more"]
    rest = shop("history", "ada", "--limit", "3", "--cursor", first["next_cursor"], "--json").answer
    assert [line["seq"] for line in first["data"] + rest["data"]] == [4, 3, 2, 1]
    assert shop("history", "ada", "--limit", "3").err == f"There is more: --cursor {first['next_cursor']}\n"


@pytest.mark.row("L13")
def test_history_shows_what_is_asked_for(shop: Run):
    shop("grant", "ada", "images", "9", "--key", "order-1", "--source", "purchase")
    shop("grant", "ada", "images", "2", "--key", "hello", "--source", "gift")
    shop("deduct", "ada", "images", "4", "--key", "job-1", "--operation", "render")

    def keys(*asked: str) -> list[str]:
        return [line["key"] for line in shop("history", "ada", *asked, "--json").answer["data"]]

    assert keys("--kind", "grant", "--sort", "oldest") == ["order-1", "hello"]
    assert keys("--kind", "grant", "--kind", "deduct", "--sort", "smallest") == ["hello", "job-1", "order-1"]
    assert keys("--source", "gift", "--source", "purchase", "--sort", "largest") == ["order-1", "hello"]
    assert keys("--search", "REND") == ["job-1"]
    assert keys("--until", "2026-01-01") == []
    assert len(keys("--since", "2026-01-01", "--until", "9000-01-01T00:00Z")) == 3


@pytest.mark.row("L13")
def test_a_date_begins_where_the_account_lives(shop: Run, database_url: str, clock: Clock):
    shop("open", "ada", "--time-zone", "Asia/Tokyo")
    with farthing.open(database_url, catalog=parse(SHOP), clock=clock) as credits:
        for hour in (14, 15, 16):  # 23:00 on 1 January to 01:00 on the 2nd in Tokyo
            clock.to(f"2027-01-01T{hour}:00")
            credits.grant("ada", "chat", 1, key=str(hour), source="gift")
            credits.grant("bob", "chat", 1, key=str(hour), source="gift")

    def keys(account: str, *asked: str) -> list[str]:
        return [line["key"] for line in shop("history", account, "chat", *asked, "--json").answer["data"]]

    assert keys("ada", "--since", "2027-01-02") == ["16", "15"]
    assert keys("ada", "--since", "2027-01-01", "--until", "2027-01-02") == ["14"]
    assert keys("bob", "--until", "2027-01-02") == ["16", "15", "14"]
    assert keys("nobody", "--since", "2027-01-01") == []


@pytest.mark.row("L13")
def test_history_goes_into_a_file_or_a_pipe(shop: Run, folder: Path):
    shop("grant", "ada", "images", "9", "--key", "=order", "--source", "purchase")
    shop("deduct", "ada", "images", "4", "--key", "job-1", "--operation", "rendér")
    assert shop("history", "ada", "--csv", "ada.csv").out == "Wrote 2 entries to ada.csv.\n"
    written = (folder / "ada.csv").read_bytes().decode()
    assert [line.split(",")[1] for line in written.split("\r\n")[:3]] == ["entry", "ent_images_2", "ent_images_1"]
    assert "'=order" in written and "rendér" in written
    assert shop("history", "ada", "--csv", "-").out.replace("\r\n", "\n") == written.replace("\r\n", "\n")
    told = shop("history", "ada", "--kind", "deduct", "--csv", "used.csv", "--json").answer
    assert told == {"file": "used.csv", "entries": 1}


@pytest.mark.row("L14")
def test_a_balance_is_looked_back_on_and_explained(shop: Run, database_url: str, clock: Clock):
    shop("open", "ada", "--time-zone", "Asia/Tokyo")
    with farthing.open(database_url, catalog=parse(SHOP), clock=clock) as credits:
        clock.to("2026-01-01T14:00")  # 23:00 in Tokyo
        credits.grant("ada", "chat", 5, key="g", source="gift", expires="3650d")
        clock.move("2h")
        credits.deduct("ada", "chat", 2, key="d", operation="chat")

    def posted(*asked: str) -> list[int]:
        return [one["posted"] for one in shop("balance", "ada", *asked, "--json").answer["data"]]

    assert posted("chat", "--at", "2026-01-02") == [5]
    assert posted("chat", "--at", "2026-01-01T13:59Z") == [0]
    assert posted("chat", "--at", "2026-01-01T16:00Z") == [3]
    assert 5 in posted("--at", "2026-01-02")
    told = shop("explain", "ada", "chat", "--json").answer
    assert (told["balance"]["posted"], told["debts"], told["holds"]) == (3, [], [])
    [lot] = told["lots"]
    assert (lot["origin"]["entry"], lot["remaining"]) == ("ent_chat_1", 3)
    assert [(step["entry"], step["amount"], step["why"]) for step in lot["taken"]] == [
        ("ent_chat_2", 2, "the only one")
    ]
    said = shop("explain", "ada", "chat", "--at", "2026-01-02").out
    assert said.splitlines()[0] == "ada, chat, 2026-01-01 15:00:00Z: 5 available (5 posted, 0 held, 0 pending)"
    assert (shop("explain", "ada", "chat", "--at", "8000-01-01").code, shop("balance", "ada", "--at", "soon").code) == (
        2,
        2,
    )


@pytest.mark.row("L14")
def test_verify_ends_with_1_when_a_balance_was_changed_behind_its_back(shop: Run, database_url: str):
    shop("grant", "ada", "images", "5", "--key", "g")
    shop("grant", "bob", "images", "5", "--key", "g")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE farthing_wallets SET posted = 500 WHERE account = 'ada'"))
    engine.dispose()
    told = shop("verify", "--json")
    assert (told.code, told.answer["proved"]) == (1, False)
    [fault] = told.answer["faults"]
    assert (fault["account"], fault["credit_type"], fault["order"]) == ("ada", "images", None)
    said = shop("verify")
    assert (said.code, said.out.splitlines()[-1]) == (1, "1 of 2 wallets is wrong.")
    assert shop("verify", "bob").code == 0


@pytest.mark.row("O1")
def test_init_makes_what_is_missing_and_the_second_time_nothing(
    run: Run, folder: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FARTHING_DATABASE_URL", empty_database_url)
    first = run("init", "--json").answer["steps"]
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"farthing.toml", "farthing.secret"} <= made.keys()
    assert stat.S_IMODE((folder / "farthing.secret").stat().st_mode) == 0o600
    assert len((folder / "farthing.secret").read_text().strip()) >= 43
    again = run("init", "--json").answer["steps"]
    assert {step["subject"] for step in first if step["made"]} >= {"catalog", "secret", "database"}
    assert not any(step["made"] for step in again)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made
    assert run("open", "ada").code == 0
    assert run("deduct", "ada", "images", "3", "--key", "first-render").code == 0
    assert run("doctor").code == 0
    assert run("catalog", "check", "--json").answer["warnings"] == []
    assert "USD 9.90" in run("catalog", "check").out


def test_init_says_which_journal_an_embedded_database_has_and_what_is_next(run: Run, folder: Path):
    said = run("init")
    assert said.code == 0
    assert "wal mode" in said.out
    assert "farthing open ada" in said.out
    assert (folder / "farthing.db").exists()


def test_init_keeps_a_catalog_and_tells_its_mistakes_before_it_makes_a_database(run: Run, folder: Path):
    (folder / "farthing.toml").write_text("[credit_types.images]\nnaem = 1\n")
    ran = run("init", "--json")
    assert (ran.code, ran.error["code"]) == (3, "catalog_invalid")
    assert [path.name for path in folder.iterdir()] == ["farthing.toml"]


def test_init_hides_the_secret_from_git(run: Run, folder: Path):
    (folder / ".git").mkdir()
    (folder / ".gitignore").write_text("*.log")
    run("init")
    run("init")
    assert (folder / ".gitignore").read_text() == "*.log\nfarthing.secret\n"


def test_init_writes_no_secret_where_the_environment_has_one(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_SECRET", SECRET)
    said = run("init")
    assert not (folder / "farthing.secret").exists()
    assert SECRET not in said.out + said.err


def test_init_in_a_folder_that_cannot_be_written_says_so(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_CATALOG", str(folder / "missing" / "farthing.toml"))
    ran = run("init")
    assert (ran.code, list(folder.iterdir())) == (3, [])
    assert "farthing.toml cannot be written: No such file or directory" in ran.err


@pytest.mark.row("O1")
def test_the_mode_is_settled_by_the_first_migration(run: Run, empty_database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_DATABASE_URL", empty_database_url)
    first = run("migrate", "--mode", "live", "--json").answer
    assert (first["before"], first["mode"]) == (None, "live")
    again = run("migrate", "--json").answer
    assert (again["before"], again["after"], again["mode"]) == (first["after"], first["after"], "live")
    other = run("migrate", "--mode", "test", "--json")
    assert (other.code, other.error["code"]) == (3, "mode_mismatch")
    assert "current already" in run("migrate").out


@pytest.mark.row("O1")
def test_several_who_migrate_at_once_all_end_well(folder: Path, empty_database_url: str):
    words = [sys.executable, "-m", "farthing", "migrate", "--json"]
    environment = os.environ | {"FARTHING_DATABASE_URL": empty_database_url}
    together = [
        subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [(one.communicate(timeout=60), one.returncode) for one in together]
    assert [(err, code) for (_, err), code in told] == [("", 0)] * 4
    assert len({json.loads(out)["after"] for (out, _), _ in told}) == 1


def states(ran: Ran) -> dict[str, str]:
    """What doctor says of each subject; the worst where it says several things."""
    found: dict[str, str] = {}
    for one in ran.answer["findings"]:
        worst = max(found.get(one["subject"], "ok"), one["state"], key=["ok", "warn", "fail"].index)
        found[one["subject"]] = worst
    return found


@pytest.mark.row("O1")
def test_doctor_finds_all_well(shop: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_SECRET", SECRET)
    ran = shop("doctor", "--json")
    assert (ran.code, ran.answer["healthy"]) == (0, True)
    assert "fail" not in states(ran).values()
    assert {"python", "settings", "secret", "catalog", "database", "clock", "schema", "writing", "scales"} <= set(
        states(ran)
    )
    assert SECRET not in ran.out


def test_doctor_tells_every_trouble_with_its_remedy(shop: Run, folder: Path):
    shop("grant", "ada", "chat", "1", "--key", "g")
    (folder / "farthing.toml").write_text(SHOP.replace("scale = 2", "scale = 3"))
    ran = shop("doctor", "--json")
    assert (ran.code, ran.answer["healthy"]) == (1, False)
    assert (states(ran)["secret"], states(ran)["scales"]) == ("warn", "fail")
    said = shop("doctor")
    assert "Set it back to 2" in said.out
    assert "→ `farthing init` makes one" in said.out


@pytest.mark.row("P2")
def test_doctor_says_which_providers_are_set_up_and_what_they_lack(shop: Run, monkeypatch: pytest.MonkeyPatch):
    def providers() -> tuple[str, str]:
        [one] = [one for one in shop("doctor", "--json").answer["findings"] if one["subject"] == "providers"]
        return one["state"], one["found"]

    assert providers() == ("ok", "none but the sandbox")
    monkeypatch.setenv("FARTHING_STRIPE_SECRET_KEY", "sk_test_secret_of_ours")
    state, found = providers()
    assert (state, "FARTHING_STRIPE_WEBHOOK_SECRET" in found, "secret_of_ours" in found) == ("fail", True, False)
    monkeypatch.setenv("FARTHING_STRIPE_WEBHOOK_SECRET", "whsec_1")
    assert providers() == ("ok", "stripe")


def test_doctor_warns_of_a_secret_that_others_can_read(shop: Run, folder: Path):
    (folder / "farthing.secret").write_text(SECRET)
    (folder / "farthing.secret").chmod(0o644)
    assert states(shop("doctor", "--json"))["secret"] == "warn"


def test_doctor_on_nothing_says_where_to_begin(run: Run, folder: Path):
    ran = run("doctor", "--json")
    assert (ran.code, states(ran)["catalog"], states(ran)["database"]) == (1, "fail", "fail")
    assert list(folder.iterdir()) == []


def test_a_database_without_tables_is_told_by_everything(
    run: Run, folder: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    (folder / "farthing.toml").write_text(SHOP)
    monkeypatch.setenv("FARTHING_DATABASE_URL", empty_database_url)
    for words in (["balance", "ada"], ["deduct", "ada", "images", "1", "--key", "k"], ["verify"], ["keys", "list"]):
        ran = run(*words, "--json")
        assert (ran.code, ran.out, ran.error["code"]) == (3, "", "not_migrated")
    assert run("doctor").code == 1


def test_catalog_check_tells_every_mistake_by_its_path(run: Run, folder: Path):
    (folder / "other.toml").write_text('[credit_types.images]\nscale = 20\n[gifts.chat]\namount = "x"\n')
    ran = run("catalog", "check", "other.toml", "--json")
    assert (ran.code, ran.error["code"]) == (1, "catalog_invalid")
    paths = " ".join(ran.error["problems"])
    assert all(path in paths for path in ("credit_types.images.name", "credit_types.images.scale", "gifts.chat.amount"))
    assert run("catalog", "check").code == 1  # there is no farthing.toml here


def test_a_key_is_made_shown_once_listed_and_revoked(shop: Run):
    made = shop("keys", "create", "render farm", "--scope", "spend", "--scope", "read", "--json").answer
    [listed] = shop("keys", "list", "--json").answer["data"]
    assert (listed["id"], listed["name"], listed["scopes"]) == (made["id"], "render farm", ["read", "spend"])
    assert made["secret"] not in shop("keys", "list", "--json").out + shop("keys", "list").out
    assert shop("keys", "revoke", made["id"], "--json").answer["revoked_at"]
    assert shop("keys", "revoke", "key_unknown").code == 1
    assert shop("keys", "create", "x", "--scope", "everything").code == 2
    in_words = shop("keys", "create", "laptop", "--scope", "read")
    assert in_words.out.startswith("frt_test_")
    assert len(in_words.out.split()) == 1  # so that a script can catch it


@pytest.mark.row("D7")
def test_replay_reports_refused_rows_and_the_second_time_changes_nothing(shop: Run, folder: Path):
    (folder / "usage.csv").write_text("who,in,out\nada,1,2\nada,50,50\nada,x,1\nada,0,0\n")
    shop("grant", "ada", "images", "10", "--key", "g")
    words = ["replay", "usage.csv", "--credit-type", "images", "--account", "who"]
    words += ["--amount", "in", "--amount", "out:2", "--refused", "refused.csv"]
    first = shop(*words, "--json")
    assert first.code == 1
    counts = ("rows", "deducted", "replayed", "refused", "unreadable", "empty", "credits", "finished")
    assert [first.answer[name] for name in counts] == [4, 1, 0, 1, 1, 1, "5", True]
    report = (folder / "refused.csv").read_text().splitlines()
    assert report[0] == "row,line,account,code,required,available,message"
    assert sorted(line.rpartition(",")[0].split(",")[:4] for line in report[1:]) == [
        ["2", "3", "ada", "insufficient_credits"],
        ["3", "4", "", "invalid_amount"],
    ]
    again = shop(*words, "--json").answer
    assert [again[name] for name in counts] == [4, 0, 1, 1, 1, 1, "0", True]
    assert shop("balance", "ada", "images", "--json").answer["data"][0]["posted"] == 5
    said = shop(*words[:-2])
    assert "1 recorded before, nothing changed" in said.out
    assert "row 2 (line 3): ada has 5 images" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--amount", "tokens"], "either --account or --accounts"),
        (["--amount", "tokens", "--account", "who", "--accounts", "3"], "either --account or --accounts"),
        (["--amount", "tokens:-1", "--account", "who"], "weight of tokens"),
        (["--amount", "nothing", "--account", "who"], "'nothing' is not in its header"),
        (["--amount", "tokens", "--account", "who", "--refused", "usage.csv"], "the file that is read"),
        (["--amount", "tokens", "--account", "who", "--refused", "no/such/folder.csv"], "cannot be written"),
    ],
)
def test_a_replay_that_cannot_begin_leaves_everything_as_it_was(shop: Run, folder: Path, words: list[str], said: str):
    (folder / "usage.csv").write_text("who,tokens\nada,1\n")
    ran = shop("replay", "usage.csv", "--credit-type", "images", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert (folder / "usage.csv").read_text() == "who,tokens\nada,1\n"


@given(units=st.integers(-(10**15) + 1, 10**15 - 1), scale=st.integers(0, 9))
def test_amounts_come_out_of_json_as_they_went_in(units: int, scale: int):
    amount = to_credits(units, scale)
    written = output.written({"amount": amount})
    assert Decimal(json.loads(written, parse_float=Decimal)["amount"]) == amount
    assert Decimal(repr(json.loads(written)["amount"])) == amount  # through a reader that only has doubles, too


def test_an_unexpected_error_keeps_its_traceback(shop: Run, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a mistake of our own")

    monkeypatch.setattr("farthing.opening.from_settings", broken)
    with pytest.raises(ZeroDivisionError):
        shop("balance", "ada")


def test_a_link_opens_the_portal_of_its_account(run: Run, monkeypatch: pytest.MonkeyPatch):
    assert run("link", "ada").code == 3
    monkeypatch.setenv("FARTHING_SECRET", "a-secret-of-thirty-two-characters-and-more")
    monkeypatch.setenv("FARTHING_BASE_URL", "https://credits.example.com")
    told = json.loads(run("link", "ada", "--minutes", "5", "--json").out)
    assert told["account"] == "ada"
    assert told["url"].startswith("https://credits.example.com/portal/enter?link=")
    assert run("link", "a/b").code == 2


def test_init_that_cannot_make_the_database_writes_nothing(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_DATABASE_URL", "sqlite:///nofolder/a.db")
    done = run("init")
    assert (done.code, list(folder.iterdir())) == (3, [])
    assert "There is no folder nofolder" in done.err


def test_a_time_without_a_zone_says_how_to_write_it(shop: Run):
    done = shop("grant", "ada", "images", "5", "--key", "k", "--expires", "2027-01-01")
    assert done.code == 2
    assert "Write it like 2027-01-01T00:00Z" in done.err


def test_credits_for_later_are_said_to_be_pending(shop: Run):
    done = shop(
        "grant", "ada", "images", "5", "--key", "k", "--effective-at", "2999-01-01T00:00Z", "--expires", "never"
    )
    assert "0 available after it, 5 pending until" in done.out


def test_what_an_open_account_keeps_is_said(shop: Run):
    shop("open", "bob", "--locale", "en")
    assert "--locale zh changed nothing" in shop("open", "bob", "--locale", "zh").err


def test_help_and_version(run: Run):
    assert run("--version").out == f"farthing {farthing.__version__}\n"
    assert "Usage: farthing" in process("--help").out
    assert run("deduct", "--help").code == 0


def test_a_process_without_a_catalog_says_how_to_get_one(folder: Path, sqlite: Any):
    with sqlite.migrated() as url:
        ran = process("balance", "ada", FARTHING_DATABASE_URL=url)
    assert (ran.code, ran.out) == (3, "")
    assert "There is no farthing.toml" in ran.err
    assert "`farthing init` writes one" in ran.err


def test_a_process_with_wrong_settings_names_them_all(folder: Path):
    ran = process("balance", "ada", FARTHING_PORT="many", FARTHING_SECRET="short", DATABASE_URL="nonsense")
    assert ran.code == 3
    assert [line.split(":")[0].strip() for line in ran.err.splitlines()[1:]] == [
        *("DATABASE_URL", "FARTHING_SECRET", "FARTHING_PORT"),
    ]


def test_a_process_whose_database_does_not_answer_says_so_without_its_password(folder: Path):
    (folder / "farthing.toml").write_text(SHOP)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"postgresql://ada:hunter2@127.0.0.1:{taken.getsockname()[1]}/shop"
        ran = process("deduct", "ada", "images", "1", "--key", "k", "--json", FARTHING_DATABASE_URL=url)
        doctor = process("doctor", "--json", FARTHING_DATABASE_URL=url)
    assert (ran.code, ran.out, ran.error["code"]) == (3, "", "database_unreachable")
    assert "Nothing was changed" in ran.error["message"]
    assert (doctor.code, states(doctor)["database"]) == (1, "fail")
    assert "hunter2" not in ran.err + doctor.out + doctor.err


def test_a_process_on_a_read_only_file_says_so(folder: Path, sqlite: Any):
    (folder / "farthing.toml").write_text(SHOP)
    with sqlite.migrated() as url:
        read_only = f"sqlite:///file:{url.removeprefix('sqlite:///')}?mode=ro&uri=true"
        ran = process("grant", "ada", "images", "1", "--key", "k", "--json", FARTHING_DATABASE_URL=read_only)
        doctor = process("doctor", "--json", FARTHING_DATABASE_URL=read_only)
        assert process("balance", "ada", FARTHING_DATABASE_URL=read_only).code == 0
    assert (ran.code, ran.error["code"]) == (3, "database_unreachable")
    assert "read-only" in ran.error["message"]
    assert (doctor.code, states(doctor)["writing"]) == (1, "fail")


def test_a_closed_pipe_is_quiet(shop: Run):
    shop("grant", "ada", "images", "5", "--key", "g")
    for words in (["history", "ada"], ["history", "ada", "--json"], ["--help"]):
        with subprocess.Popen(
            [sys.executable, "-m", "farthing", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None and running.stderr is not None
            running.stdout.close()
            assert running.stderr.read() == b""
            assert running.wait() in (141, 1)


def test_what_a_narrow_encoding_lacks_is_written_as_an_escape(shop: Run):
    shop("grant", "zoë", "images", "5", "--key", "g")
    ran = process("lots", "zoë", "images", PYTHONIOENCODING="ascii")
    assert ran.code == 0
    ran = process("check", "zoë", "images", "9", PYTHONIOENCODING="ascii")
    assert ran.out.startswith("Refused: zo\\xeb has 5")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_serve_on_a_taken_port_says_so(shop: Run, taken_port: int):
    ran = shop("serve", "--port", str(taken_port))
    assert ran.code == 3
    assert "Address already in use" in ran.err
    assert "--port" in ran.err


def test_serve_answers_and_ends_at_a_signal(shop: Run):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    words = [sys.executable, "-m", "farthing", "serve", "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().endswith(f"at http://127.0.0.1:{port} (Ctrl-C ends it)\n")
        with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        running.send_signal(signal.SIGINT)
        assert running.stderr.read().endswith("Stopped; requests that were under way have been answered.\n")
    assert running.returncode == 0


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by what one types."""
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from commands(inner, f"{path} {name}")
        if not hasattr(inner, "commands") or inner.invoke_without_command:
            yield f"{path} {name}", inner


def test_every_command_argument_and_option_is_documented():
    sections = {part.split("`")[1]: part for part in DOCS.read_text("utf-8").split("\n### ")[1:]}
    missing = [
        f"{path} {word}"
        for path, command in commands(get_command(app), "farthing")
        for parameter in command.params
        for word in ([parameter.metavar] if parameter.param_type_name == "argument" else parameter.opts)
        if word not in ("--help", "-h") and f"`{word}" not in sections.get(path, "")
    ]
    assert missing == []
    assert sections.keys() - {path for path, _ in commands(get_command(app), "farthing")} == set()


def test_every_setting_is_documented():
    from farthing.settings import FROM_FILES, Settings, variable

    documented = DOCS.read_text("utf-8")
    names = [variable(name) for name in Settings.model_fields] + [variable(f"{name}_file") for name in FROM_FILES]
    assert [name for name in names if f"`{name}`" not in documented] == []
