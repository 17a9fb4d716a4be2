"""What was wrong is put right from a shell: given back, taken back, moved."""

import pytest

from tests.cli.console import Run


def posted(shop: Run, account: str) -> int:
    return int(shop("balance", account, "images", "--json").answer["data"][0]["posted"])


@pytest.mark.row("D7", "L7")
def test_a_deduction_is_given_back_in_parts_and_never_more_than_it_took(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    shop("deduct", "ada", "images", "6", "--key", "d")
    part = shop("reverse", "ada", "ent_images_2", "2", "--key", "r", "--reason", "two were blank")
    assert part.out == "gave 2 images of ent_images_2 back to ada; 6 available now (ent_images_3).\n"
    rest = shop(
        "reverse", "ada", "ent_images_2", "--key", "r2", "--expired", "grace", "--actor", "zoë", "--json"
    ).answer
    assert (rest["amount"], rest["actor"], rest["link"]) == (4, "zoë", "ent_images_2")
    more = shop("reverse", "ada", "ent_images_2", "1", "--key", "r3", "--json")
    assert (more.code, more.error["code"], more.error["left"]) == (1, "not_enough_left", 0)


@pytest.mark.row("D7", "L8")
def test_a_void_says_what_holds_still_keep(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    shop("hold", "ada", "images", "3", "--key", "h")
    voided = shop("void", "ada", "lot_images_1", "--key", "v", "--reason", "granted by mistake")
    assert voided.out == (
        "voided 7 images of lot_images_1 of ada; 0 available now; holds keep 3 of the lot until they end "
        "(ent_images_3).\n"
    )
    assert shop("release", "ada", "hold_images_2").out.endswith("; 0 available now (ent_images_4).\n")
    assert posted(shop, "ada") == 0


@pytest.mark.row("D7", "L8")
@pytest.mark.parametrize(("rest", "left"), [("debt", -6), ("write_off", 0)])
def test_a_clawback_takes_back_what_was_used_up_too_or_forgives_it(shop: Run, rest: str, left: int):
    shop("grant", "ada", "images", "10", "--key", "g", "--source", "purchase")
    shop("deduct", "ada", "images", "6", "--key", "d")
    words = ["clawback", "ada", "lot_images_1", "10", "--key", "c", "--rest", rest]
    assert f"of lot_images_1 back from ada; {left} available now" in shop(*words).out
    assert shop(*words, "--json").answer["replayed"]
    assert posted(shop, "ada") == left


@pytest.mark.row("D7", "L18")
def test_credits_move_to_an_account_that_exists(shop: Run):
    shop("grant", "ada", "images", "10", "--key", "g")
    stranger = shop("transfer", "ada", "bob", "images", "3", "--key", "t", "--json")
    assert (stranger.code, stranger.error["code"]) == (1, "not_found")
    shop("open", "bob")
    assert shop("transfer", "ada", "bob", "images", "3", "--key", "t").out == (
        "moved 3 images from ada to bob; 7 available now (ent_images_2).\n"
    )
    assert (posted(shop, "ada"), posted(shop, "bob")) == (7, 13)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["reverse", "ada", "ent_images_2"], "usage"),
        (["reverse", "ada", "ent_images_2", "-2", "--key", "k"], "invalid_amount"),
        (["reverse", "ada", "ent_images_2", "--key", "k", "--expired", "perhaps"], "invalid_field"),
        (["void", "ada", "ent_images_2", "--key", "k"], "invalid_field"),
        (["clawback", "ada", "lot_images_1", "3", "--key", "k"], "usage"),
        (["clawback", "ada", "lot_images_1", "3", "--key", "k", "--rest", "shrug"], "invalid_field"),
        (["transfer", "ada", "ada", "images", "3", "--key", "k"], "invalid_account"),
        (["transfer", "ada", "bob", "images", "-3", "--key", "k"], "invalid_amount"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_misuse_takes_nothing_back(shop: Run, words: list[str], code: str):
    ran = shop(*words, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
