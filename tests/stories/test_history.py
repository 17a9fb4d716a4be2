"""The ledger read back, newest first, page by page."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

import farthing
from farthing import Credits
from farthing.errors import InvalidAccount, InvalidField, UnknownCreditType
from tests.kit import START, Clock, shop


@pytest.fixture
def busy(credits: Credits, clock: Clock) -> Credits:
    """Ada was given 10 images at 0:00 and 2.5 chat at 1:00, and used 3 images at 2:00 and 7 at 3:00."""
    credits.grant("ada", "images", 10, key="Welcome_1", source="gift", reason="nice person", metadata={"note": "vip"})
    clock.move("1h")
    credits.grant("ada", "chat", "2.5", key="order:7", source="purchase")
    clock.move("1h")
    credits.deduct("ada", "images", 3, key="d1", operation="Render 100%", actor="kim")
    clock.move("1h")
    credits.deduct("ada", "images", 7, key="d2", operation="upscale")
    return credits


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def ids(credits: Credits, **wish: Any) -> list[str]:
    return [line.id for line in credits.history("ada", **wish).data]


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
    with pytest.raises(InvalidField, match="cursor"):
        credits.history("ada", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_1_to_500_entries(credits: Credits, limit: int):
    with pytest.raises(InvalidField, match="limit"):
        credits.history("ada", limit=limit)


@pytest.mark.row("L13")
@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({}, ["ent_images_3", "ent_images_2", "ent_chat_1", "ent_images_1"]),
        ({"credit_type": "chat"}, ["ent_chat_1"]),
        ({"kinds": ["deduct"]}, ["ent_images_3", "ent_images_2"]),
        ({"kinds": "deduct"}, ["ent_images_3", "ent_images_2"]),
        ({"kinds": ["expire", "repay"]}, []),
        ({"sources": ["purchase", "gift"]}, ["ent_chat_1", "ent_images_1"]),
        ({"sources": ["gift"], "kinds": ["deduct"]}, []),
        ({"since": hour(1), "until": hour(3)}, ["ent_images_2", "ent_chat_1"]),
        ({"since": hour(3)}, ["ent_images_3"]),
        ({"until": hour(0)}, []),
        ({"since": hour(2), "until": hour(1)}, []),
        ({"search": "RENDER"}, ["ent_images_2"]),
        ({"search": "ORDER:"}, ["ent_chat_1"]),
        ({"search": "%"}, ["ent_images_2"]),
        ({"search": "_"}, ["ent_images_1"]),
        ({"search": "!"}, []),
        ({"sort": "oldest"}, ["ent_images_1", "ent_chat_1", "ent_images_2", "ent_images_3"]),
        ({"sort": "largest"}, ["ent_images_1", "ent_images_3", "ent_images_2", "ent_chat_1"]),
        ({"sort": "smallest"}, ["ent_chat_1", "ent_images_2", "ent_images_3", "ent_images_1"]),
    ],
    ids=str,
)
def test_a_history_is_what_was_asked_for(busy: Credits, wish: dict[str, Any], found: list[str]):
    assert ids(busy, **wish) == found


@pytest.mark.parametrize("hidden", ["nice", "kim", "vip", "note"])
def test_a_search_tells_nothing_of_what_customers_are_not_shown(busy: Credits, hidden: str):
    assert ids(busy, search=hidden) == []


def test_by_size_what_a_hold_sets_aside_counts(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 5, key="g", source="gift")
        with credits.database.writing() as session:
            for seq, kind, amount, held in ((2, "hold", 0, 4), (3, "capture", -2, -4), (4, "release", 0, -1)):
                session.execute(
                    "INSERT INTO farthing_entries (account, credit_type, seq, kind, amount, held_change, posted_after, "
                    "held_after, pending_after, draws, effective_at, recorded_at, seal) SELECT account, credit_type, "
                    f"{seq}, '{kind}', {amount}, {held}, 0, 0, 0, draws, effective_at, recorded_at, seal "
                    "FROM farthing_entries WHERE seq = 1"
                )
        first = credits.history("ada", sort="largest", limit=2)
        rest = credits.history("ada", sort="largest", cursor=first.next_cursor)
        assert [line.kind for line in first.data + rest.data] == ["grant", "hold", "capture", "release"]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"kinds": ["gift"]}, "kinds has 'gift'; there are grant, deduct, hold"),
        ({"sources": ["magic"]}, "sources has 'magic'; there are gift, plan, purchase"),
        ({"sort": "best"}, "sort is 'best', and must be one of newest, oldest, largest, smallest"),
        ({"since": datetime(2026, 1, 1)}, "since must be a datetime with a time zone"),
        ({"until": "2026"}, "until must be a datetime"),
        ({"search": ""}, "search must be a text of 1 to 200 bytes"),
        ({"search": "é" * 101}, "search must be a text"),
        ({"search": "a\0b"}, "search must be a text"),
        ({"search": "\ud800"}, "search must be a text"),
        ({"search": 7}, "search must be a text"),
    ],
    ids=str,
)
def test_a_wish_that_makes_no_sense_is_refused_with_what_would(credits: Credits, wish: dict[str, Any], told: str):
    for ask in (credits.history, credits.export_history):
        with pytest.raises(InvalidField, match=told):
            ask("ada", **wish)


def test_an_account_or_type_that_cannot_be_is_refused_before_anything_is_read(credits: Credits):
    for ask in (credits.history, credits.export_history):
        with pytest.raises(InvalidAccount):
            ask("a/b")
        with pytest.raises(UnknownCreditType):
            ask("ada", "gold")


@pytest.mark.row("L13")
@pytest.mark.parametrize(
    "other",
    [
        {"sort": "oldest"},
        {"credit_type": "images"},
        {"kinds": ["deduct", "repay"]},
        {"sources": ["gift"]},
        {"since": hour(0)},
        {"until": hour(9)},
        {"search": "d"},
    ],
    ids=str,
)
def test_a_cursor_goes_on_with_what_it_was_given_for_and_nothing_else(busy: Credits, other: dict[str, Any]):
    asked: dict[str, Any] = {"kinds": ["deduct", "grant"]}
    cursor = busy.history("ada", **asked, limit=1).next_cursor
    assert len(ids(busy, kinds=["grant", "deduct", "grant"], cursor=cursor, limit=9)) == 3
    with pytest.raises(InvalidField, match="another sort"):
        busy.history("ada", **(asked | other), cursor=cursor)
    with pytest.raises(InvalidField, match="another account"):
        busy.history("bob", **asked, cursor=cursor)


@pytest.mark.parametrize(
    "left",
    [
        {"images": [1]},
        {"images": [1, 2, 3]},
        {"images": [1, -2, None, None]},
        {"images": [1, 2, 3, None]},
        {"images": [1, 2.5, None, None]},
        {"images": [True, 2, None, None]},
        {"images": [1, 2**63, None, None]},
        {"images": "1234"},
        {"images": None},
        ["images"],
        None,
    ],
    ids=str,
)
def test_a_cursor_that_somebody_changed_is_refused_or_shows_their_own_entries(busy: Credits, left: Any):
    def cursor(left: Any) -> str:
        given = busy.history("ada", limit=1).next_cursor or ""
        digest, _ = json.loads(base64.urlsafe_b64decode(given + "=="))
        return base64.urlsafe_b64encode(json.dumps([digest, left]).encode()).decode()

    with pytest.raises(InvalidField, match="not one that Farthing gave"):
        busy.history("ada", cursor=cursor(left))
    assert ids(busy, cursor=cursor({"images": [1, 2, None, None], "gold": [1, 9, None, None]})) == [
        "ent_images_2", "ent_images_1",
    ]  # fmt: skip
