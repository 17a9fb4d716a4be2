"""Charges and estimates by a rate card, from a shell."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.console import Run
from tests.kit import SHOP

pytestmark = pytest.mark.row("C9", "D7")

CARDS = """
[operations.talk]
credit_type = "chat"
dimensions = ["model"]
rounding = "half_up"
minimum = "0.10"

[[operations.talk.rates]]
when = { model = ["swift", "deep"] }
measures = { input_tokens = "1.50 per 1000", output_tokens = "6 per 1000" }
flat = "0.01"

[operations.draw]
credit_type = "images"

[[operations.draw.rates]]
measures = { images = 1 }
"""
TALK = ["talk", "--measure", "input_tokens=374", "--measure", "output_tokens=44", "--dimension", "model=deep"]


@pytest.fixture
def cards(shop: Run, folder: Path) -> Run:
    (folder / "farthing.toml").write_text(SHOP + CARDS)
    shop("grant", "ada", "chat", "10", "--key", "g")
    return shop


def test_a_charge_says_what_it_cost_and_the_same_key_again_charges_nothing(cards: Run):
    first = cards("charge", "ada", *TALK, "--key", "c", "--reason", "a test")
    assert first.out == "charged 0.84 chat to ada for talk; 9.16 available after it (ent_chat_2).\n"
    assert cards("charge", "ada", *TALK, "--key", "c").out.startswith("Already done on ")
    told = cards("charge", "ada", *TALK, "--key", "c", "--json").answer
    assert (told["operation"], told["amount"], told["replayed"]) == ("talk", Decimal("-0.84"), True)
    assert told["reason"] == "a test"


def test_an_estimate_shows_its_working_to_people_and_programs(cards: Run):
    told = cards("estimate", *TALK)
    assert [line.split() for line in told.out.splitlines()] == [
        ["for", "used", "price", "chat"],
        ["input_tokens", "374", "1.50", "per", "1000", "0.561"],
        ["output_tokens", "44", "6", "per", "1000", "0.264"],
        ["each", "call", "0.01", "0.01"],
        ["rounding", "half", "up", "0.005"],
        ["talk", "costs", "0.84", "chat."],
    ]
    answer = cards("estimate", *TALK, "--json").answer
    assert (answer["amount"], answer["credit_type"], answer["dimensions"]) == (
        Decimal("0.84"),
        "chat",
        {"model": "deep"},
    )
    assert [line["total"] for line in answer["lines"]] == [Decimal(n) for n in ("0.561", "0.264", "0.01", "0.005")]
    least = cards(
        "estimate", "talk", "--measure", "input_tokens=0", "--measure", "output_tokens=0", "--dimension", "model=swift"
    )
    assert [line.split() for line in least.out.splitlines()[-2:]] == [
        ["the", "minimum", "0.1", "0.09"],
        ["talk", "costs", "0.1", "chat."],
    ]
    assert cards("verify", "--json").answer["entries"] == 1


def test_catalog_check_shows_what_is_charged(cards: Run):
    assert "2 chat" not in cards("catalog", "check").out
    assert "model swift or deep  6 chat per 1000 output_tokens" in cards("catalog", "check").out
    assert cards("catalog", "check", "--json").answer["charges"][-1] == {
        "operation": "draw", "when": "any", "price": "1 images per 1 images", "terms": "rounded up",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["talk"], 2, "usage"),
        (["talk", "--key", "k"], 2, "invalid_field"),
        (["walk", "--key", "k"], 2, "unknown_operation"),
        ([*TALK[:-1], "model=turbo", "--key", "k"], 1, "no_rate"),
        ([*TALK, "--dimension", "model=swift", "--key", "k"], 2, "invalid_field"),
        ([*TALK, "--dimension", "operation=x", "--key", "k"], 2, "invalid_field"),
        ([*TALK, "--dimension", "key=x", "--key", "k"], 2, "invalid_field"),
        (["draw", "--measure", "images", "--key", "k"], 2, "invalid_field"),
        (["draw", "--measure", "=1", "--key", "k"], 2, "invalid_field"),
        (["draw", "--measure", "images=-1", "--key", "k"], 2, "invalid_amount"),
        (["draw", "--measure", "images=many", "--key", "k"], 2, "invalid_amount"),
        (["draw", "--measure", "images=0", "--key", "k"], 1, "nothing_to_charge"),
        (["draw", "--measure", "images=1", "--key", "k"], 1, "insufficient_credits"),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else None,
)
def test_misuse_and_refusals_charge_nothing(cards: Run, words: list[str], status: int, code: str):
    ran = cards("charge", "ada", *words, "--json")
    assert (ran.code, ran.error["code"]) == (status, code)
    assert cards("verify", "--json").answer["entries"] == 1


def test_replay_charges_each_row_by_the_card(cards: Run, folder: Path):
    (folder / "usage.csv").write_text(
        "who,engine,in,out\nada,swift,1000,0\nada,turbo,1,1\nada,deep,x,1\nada,deep,0,1000\n"
    )
    words = ["replay", "usage.csv", "--charge", "talk", "--account", "who", "--dimension-column", "model=engine"]
    words += ["--measure", "input_tokens=in", "--measure", "output_tokens=out", "--json"]
    counts = ("rows", "deducted", "replayed", "refused", "unreadable", "credits")
    first = cards(*words)
    assert (first.code, [first.answer[name] for name in counts]) == (1, [4, 2, 0, 1, 1, "7.52"])
    assert "no rate for model 'turbo'" in first.err and "input_tokens 'x' is not a number" in first.err
    assert [cards(*words).answer[name] for name in counts] == [4, 0, 2, 1, 1, "0"]
    assert cards("balance", "ada", "chat", "--json").answer["data"][0]["available"] == Decimal("2.48")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--charge", "draw", "--credit-type", "images", "--amount", "n"], "leave out --credit-type"),
        (["--charge", "draw", "--operation", "x"], "leave out --credit-type"),
        (["--measure", "images=n"], "Give --credit-type and --amount"),
        (["--credit-type", "images"], "Give --credit-type and --amount"),
        (["--charge", "draw", "--measure", "pictures=n"], "draw has no measure 'pictures'; there is images"),
        (["--charge", "draw", "--measure", "images=n", "--dimension", "key=x"], "draw has no dimension 'key'"),
        (["--charge", "draw", "--measure", "images=m"], "the column 'm' is not in its header"),
        (["--charge", "talk", "--measure", "input_tokens=n"], "talk needs the dimension 'model'"),
        (["--charge", "walk", "--measure", "images=n"], "no operation 'walk'; it has talk, draw"),
        (
            ["--charge", "talk", "--dimension", "model=deep", "--dimension-column", "model=n"],
            "The dimension 'model' has a value and a column",
        ),
    ],
)
def test_a_replay_by_a_card_that_cannot_begin_leaves_everything_as_it_was(
    cards: Run, folder: Path, words: list[str], said: str
):
    (folder / "usage.csv").write_text("who,n\nada,1\n")
    ran = cards("replay", "usage.csv", "--account", "who", *words, "--json")
    assert ran.code == 2 and said in ran.error["message"]
    assert cards("verify", "--json").answer["entries"] == 1
