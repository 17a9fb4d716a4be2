"""A key stands for one wish for ever: again is a replay, otherwise is an error."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farthing import Credits
from farthing.errors import InsufficientCredits, InvalidKey, KeyReused
from tests.kit import Clock


@pytest.mark.row("L16")
def test_the_same_call_again_answers_the_first_receipt(credits: Credits, clock: Clock):
    first = credits.grant("ada", "images", 10, key="g", source="gift", metadata={"b": 1, "a": [1.5, None]})
    clock.move("1d")
    again = credits.grant("ada", "images", "10.0", key="g", source="gift", metadata={"other": "words"}, reason="x")
    assert (first.replayed, again.replayed) == (False, True)
    assert again == first
    assert credits.balance("ada", "images").posted == 10


@pytest.mark.row("L16")
def test_a_replay_is_answered_even_where_it_would_be_refused_now(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    credits.deduct("ada", "images", 10, key="d")
    assert credits.deduct("ada", "images", 10, key="d").replayed


@pytest.mark.row("L16")
@pytest.mark.parametrize(
    "change",
    [{"amount": 6}, {"credit_type": "chat"}, {"operation": "resize"}, {"verb": "grant"}],
    ids=["amount", "type", "operation", "verb"],
)
def test_the_same_key_for_something_else_is_an_error(credits: Credits, change: dict):
    credits.grant("ada", "images", 10, key="g", source="gift")
    credits.grant("ada", "chat", 10, key="g2", source="gift")
    credits.deduct("ada", "images", 5, key="k", operation="render")
    call = {"account": "ada", "credit_type": "images", "amount": 5, "key": "k", "operation": "render"} | change
    with pytest.raises(KeyReused, match="Nothing was changed") as refusal:
        if call.pop("verb", "") == "grant":
            call.pop("operation")
            credits.grant(**call, source="gift")
        else:
            credits.deduct(**call)
    assert refusal.value.key == "k"
    assert credits.balance("ada", "images").posted == 5


@pytest.mark.row("L16")
def test_a_refused_attempt_uses_up_no_key(credits: Credits):
    credits.open_account("ada")
    with pytest.raises(InsufficientCredits):
        credits.deduct("ada", "images", 11, key="k")
    credits.grant("ada", "images", 1, key="g", source="gift")
    assert not credits.deduct("ada", "images", 11, key="k").replayed


@pytest.mark.row("L16")
def test_keys_belong_to_the_account_and_are_compared_as_bytes(credits: Credits):
    for account, key in [("ada", "k"), ("bob", "k"), ("ada", "K"), ("ada", "k "), ("ada", "é"), ("ada", "e\u0301")]:
        assert not credits.grant(account, "images", 1, key=key, source="gift").replayed
    assert credits.balance("ada", "images").posted == 5


@pytest.mark.row("L16")
@pytest.mark.parametrize("key", ["", "x" * 201, "é" * 101, "farthing:gift:images", "a\nb", "\x00", "\ud800", None, 7])
def test_an_unusable_key_is_refused(credits: Credits, key: object):
    with pytest.raises(InvalidKey, match="Nothing was changed"):
        credits.grant("ada", "images", 1, key=key, source="gift")  # pyright: ignore


@pytest.mark.row("L16")
def test_of_many_who_race_with_one_key_one_writes_and_all_get_its_receipt(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    start = threading.Barrier(16)

    def deduct(_: int):
        start.wait()
        return credits.deduct("ada", "images", 1, key="once")

    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(deduct, range(16)))
    assert sum(not receipt.replayed for receipt in receipts) == 1
    assert {receipt.id for receipt in receipts} == {"ent_images_2"}
    assert credits.balance("ada", "images").available == 9


def test_one_key_for_two_types_at_once_lets_one_of_them_win(credits: Credits):
    start = threading.Barrier(2)

    def grant(kind: str):
        start.wait()
        try:
            return credits.grant("new", kind, 1, key="same", source="gift").credit_type
        except KeyReused:
            return None

    with ThreadPoolExecutor(2) as threads:
        winners = [kind for kind in threads.map(grant, ["images", "chat"]) if kind]
    assert len(winners) == 1
