"""Accounts frozen, merged and forgotten from a shell."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.console import Ran, Run

pytestmark = pytest.mark.row("D7", "L18")


def at_a_terminal(answer: str, *words: str) -> Ran:
    """The command as a process with a terminal to ask at, where somebody types this answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode() + b"\n")
        done = subprocess.run(
            [sys.executable, "-m", "farthing", *words],
            stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_frozen_account_spends_nothing_until_it_is_unfrozen(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    assert shop("freeze", "ada", "--key", "f", "--reason", "card stolen").out.startswith("ada is frozen since ")
    refused = shop("deduct", "ada", "images", "1", "--key", "d", "--json")
    assert (refused.code, refused.error["code"]) == (1, "account_frozen")
    assert shop("unfreeze", "ada", "--key", "u").out == "ada is not frozen: what it has may be spent.\n"
    assert "this key froze it before" in shop("freeze", "ada", "--key", "f").out
    assert shop("freeze", "ada", "--key", "f2", "--json").answer["frozen_at"]
    assert "this key unfroze it before" in shop("unfreeze", "ada", "--key", "u").out
    assert shop("deduct", "ada", "images", "1", "--key", "d").code == 1
    assert shop("freeze", "nobody", "--key", "f", "--json").error["code"] == "not_found"


def test_a_guest_becomes_a_user(shop: Run):
    shop("grant", "guest", "images", "7", "--key", "g")
    shop("open", "ada")
    merged = shop("merge", "guest", "--into", "ada", "--key", "m", "--json").answer
    assert (merged["account"], merged["merged_into"]) == ("guest", "ada")
    assert {one["credit_type"]: one["available"] for one in merged["balances"]} == {"images": 17, "chat": 0}
    again = shop("merge", "guest", "--into", "ada", "--key", "m").out.splitlines()
    assert again[0] == "guest was merged into ada and is closed. ada has now:"
    assert again[2].split() == ["images", "17"]
    assert shop("merge", "guest", "--into", "guest", "--key", "m2").code == 2


def test_without_a_terminal_nobody_is_forgotten_by_accident(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g", "--reason", "a friend of Zoë's", "--actor", "zoë")
    refused = shop("erase", "ada", "--key", "e", "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert "--yes" in refused.error["message"]
    told = shop("erase", "ada", "--key", "e", "--yes").out
    assert "the reasons, actors and metadata" in told and "What stays: its id, amounts" in told
    [line] = shop("history", "ada", "--json").answer["data"]
    assert (line["reason"], line["actor"], line["amount"]) == (None, None, 10)
    assert shop("erase", "ada", "--key", "e", "--yes", "--json").answer["account"] == "ada"
    assert shop("erase", "nobody", "--key", "e", "--yes").code == 1
    assert shop("verify").code == 0


def test_at_a_terminal_it_says_what_will_be_forgotten_and_asks(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g", "--reason", "a friend of Zoë's")
    declined = at_a_terminal("n", "erase", "ada", "--key", "e")
    assert (declined.code, declined.out) == (1, "")
    assert "this forgets for good: the reasons" in declined.err and declined.err.endswith("Nothing was changed.\n")
    assert shop("history", "ada", "--json").answer["data"][0]["reason"] == "a friend of Zoë's"
    assert at_a_terminal("y", "erase", "ada", "--key", "e", "--json").code == 0
    assert shop("history", "ada", "--json").answer["data"][0]["reason"] is None
