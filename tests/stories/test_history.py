"""The ledger read back, newest first, page by page."""

import pytest

from farthing import Credits
from farthing.errors import InvalidField
from tests.kit import Clock


@pytest.mark.row("L12")
def test_entries_are_numbered_and_carry_the_totals_after_them(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    credits.deduct("ada", "images", 3, key="d", operation="render", reason="by hand", actor="kim", metadata={"job": 1})
    newest = credits.history("ada").data[0]
    assert (newest.id, newest.seq, newest.kind, newest.amount, newest.posted, newest.held) == (
        "ent_images_2", 2, "deduct", -3, 7, 0,
    )  # fmt: skip
    assert (newest.key, newest.operation, newest.reason, newest.actor, newest.metadata) == (
        "d", "render", "by hand", "kim", {"job": 1},
    )  # fmt: skip


def test_pages_stay_in_place_while_new_entries_arrive(credits: Credits, clock: Clock):
    for number in range(7):
        clock.move("1m")
        credits.grant("ada", "images" if number % 2 else "chat", number + 1, key=str(number), source="gift")
    first = credits.history("ada", limit=3)
    credits.grant("ada", "images", 99, key="late", source="gift")
    second = credits.history("ada", limit=3, cursor=first.next_cursor)
    third = credits.history("ada", limit=3, cursor=second.next_cursor)
    assert [[line.amount for line in page.data] for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert (first.has_more, third.has_more, third.next_cursor) == (True, False, None)


def test_new_entries_of_a_type_that_was_on_no_page_yet_stay_above_the_first(credits: Credits, clock: Clock):
    for number in range(4):
        clock.move("1m")
        credits.grant("ada", "images" if number == 0 else "chat", number + 1, key=str(number), source="gift")
    first = credits.history("ada", limit=2)
    credits.grant("ada", "images", 99, key="late", source="gift")
    second = credits.history("ada", limit=2, cursor=first.next_cursor)
    assert [[line.amount for line in page.data] for page in (first, second)] == [[4, 3], [2, 1]]


@pytest.mark.parametrize("cursor", ["x", "bm9wZQ", "eyJpbWFnZXMiOiAiMSJ9", "é", "W10"])
def test_a_cursor_that_is_none_of_ours_is_refused(credits: Credits, cursor: str):
    if cursor == "e30":  # an empty page before the first: harmless
        assert credits.history("ada", cursor=cursor).data == []
        return
    with pytest.raises(InvalidField, match="cursor"):
        credits.history("ada", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_1_to_500_entries(credits: Credits, limit: int):
    with pytest.raises(InvalidField, match="limit"):
        credits.history("ada", limit=limit)
