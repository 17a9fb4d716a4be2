"""Credits set aside, then used up or let go, from a shell."""

import pytest

from tests.cli.console import Run

pytestmark = pytest.mark.row("D7", "L6")


def available(shop: Run, account: str = "ada") -> int:
    return int(shop("balance", account, "images", "--json").answer["data"][0]["available"])


def test_a_hold_says_its_name_and_a_part_captured_frees_the_rest(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    held = shop("hold", "ada", "images", "4", "--key", "h", "--expires", "2999-01-01T00:00Z")
    assert held.out == (
        "held 4 images of ada until 2999-01-01 00:00:00Z as hold_images_2; 6 available now (ent_images_2).\n"
    )
    captured = shop("capture", "ada", "hold_images_2", "3", "--operation", "render")
    assert captured.out == "captured 3 images of hold_images_2 from ada; 7 available now (ent_images_3).\n"
    assert shop("capture", "ada", "hold_images_2", "3").out.startswith("Already done on ")
    other = shop("release", "ada", "hold_images_2", "--json")
    assert (other.code, other.error["code"], other.error["ended"]) == (1, "hold_ended", "capture")


def test_a_hold_let_go_took_nothing(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    shop("hold", "ada", "images", "4", "--key", "h")
    released = shop("release", "ada", "hold_images_2", "--reason", "the render failed")
    assert released.out == "released 4 images of hold_images_2 to ada; 10 available now (ent_images_3).\n"
    [line, *_] = shop("history", "ada", "--json").answer["data"]
    assert (line["kind"], line["held_change"], line["reason"]) == ("release", -4, "the render failed")


def test_programs_get_the_hold_and_the_list_of_what_is_open(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    words = ["hold", "ada", "images", "4", "--key", "h", "--on-late", "charge", "--operation", "render", "--json"]
    made = shop(*words).answer
    assert (made["hold"], made["held_change"], made["replayed"]) == ("hold_images_2", 4, False)
    assert shop(*words).answer["replayed"]
    extended = shop("extend", "ada", "hold_images_2", "2999-01-01T00:00Z", "--key", "e", "--json").answer
    [listed] = shop("holds", "ada", "images", "--json").answer["data"]
    assert (listed["id"], listed["amount"], listed["on_late"]) == ("hold_images_2", 4, "charge")
    assert listed["expires_at"] == extended["expires_at"] == "2999-01-01T00:00:00Z"
    assert "is charged" in shop("holds", "ada").out
    assert "lasts until" in shop("extend", "ada", "hold_images_2", "30m", "--key", "e2").out
    assert shop("capture", "ada", "hold_images_2", "--json").answer["amount"] == -4
    assert (shop("holds", "ada", "--json").answer, available(shop)) == ({"data": []}, 6)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["hold", "ada", "images", "4"], "usage"),
        (["hold", "ada", "images", "-4", "--key", "k"], "invalid_amount"),
        (["hold", "ada", "images", "4", "--key", "k", "--on-late", "shrug"], "invalid_field"),
        (["hold", "ada", "images", "4", "--key", "k", "--expires", "never"], "invalid_expiry"),
        (["extend", "ada", "hold_images_2", "soon", "--key", "k"], "invalid_expiry"),
        (["extend", "ada", "hold_images_2", "2999-01-01", "--key", "k"], "invalid_field"),
        (["capture", "ada", "hold_images_2", "-1"], "invalid_amount"),
        (["capture", "ada", "render"], "invalid_field"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_misuse_holds_nothing(shop: Run, words: list[str], code: str):
    ran = shop(*words, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert shop("verify", "--json").answer["wallets"] == 0
