"""The disk under an SQLite file is full: callers are told by name, nothing is half there, and room mends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import event

import farthing
from farthing import Credits
from farthing.errors import DatabaseBusy, DatabaseUnreachable
from tests.faults.crowd import hear, start
from tests.faults.told import Told, prove, through, under_load
from tests.kit import shop

ROOM_PAGES = 100_000


@pytest.fixture
def credits_on_a_disk(file_url: str) -> Iterator[tuple[Credits, Callable[[int], None]]]:
    """Credits, and `allow(pages)`: how many more pages there is room for."""
    room = {"pages": ROOM_PAGES}

    def limit(connection, _record) -> None:
        connection.execute(f"PRAGMA max_page_count = {room['pages']}")

    with farthing.open(file_url, catalog=shop()) as credits:
        event.listen(credits.database._writes, "connect", limit)

        def allow(pages: int) -> None:
            with credits.database.writing() as session:
                [[now]] = session.execute("PRAGMA page_count")
                room["pages"] = now + pages
                session.execute(f"PRAGMA max_page_count = {room['pages']}")

        yield credits, allow


@pytest.mark.row("L16")
def test_a_full_disk_refuses_by_name_and_loses_nothing(
    file_url: str, credits_on_a_disk: tuple[Credits, Callable[[int], None]]
):
    credits, allow = credits_on_a_disk
    told = Told()
    with under_load(told, [through(credits)] * 8):
        told.wait_for_more(acknowledged=20)
        allow(2)
        told.wait_for_more(refused=50)
        with pytest.raises(DatabaseUnreachable, match=r"is full\. Nothing was changed"):
            credits.grant("ada", "images", 1, key="g", source="gift", metadata={"words": "x" * 8000})
        allow(ROOM_PAGES)
        told.wait_for_more(acknowledged=50)
    assert told.errors().keys() == {"database_unreachable"}
    assert told.unanswered() == []
    prove(file_url, told)


@pytest.mark.row("L16")
def test_a_file_that_cannot_grow_fails_while_committing_and_loses_nothing(file_url: str):
    """The system itself refuses the write, in the middle of a transaction or of its COMMIT."""
    told = Told()
    assert hear(told, start(do="cramped", url=file_url, threads=8, room_bytes=6000)) == 0
    assert told.errors().total() >= 20
    assert told.unanswered() == []
    prove(file_url, told)


def test_a_block_that_goes_on_after_its_transaction_was_undone_writes_nothing_at_all(
    credits_on_a_disk: tuple[Credits, Callable[[int], None]],
):
    """SQLite may undo the whole of it where the disk is full; what came after would be a transaction of its own."""
    credits, _ = credits_on_a_disk
    before = credits.balance("ada", "images").posted
    for goes_on in (True, False):
        with pytest.raises(DatabaseBusy, match="undid all of it"), credits.begin() as tx:
            tx.grant("ada", "images", 1, key="first", source="gift")
            tx.session._cursor.execute("ROLLBACK")
            if goes_on:
                tx.grant("ada", "images", 1, key="after", source="gift")
    assert credits.balance("ada", "images").posted == before


def test_no_verb_is_half_done_for_a_block_that_swallows_its_error(
    credits_on_a_disk: tuple[Credits, Callable[[int], None]],
):
    credits, _ = credits_on_a_disk
    before = credits.balance("ada", "images").posted
    with pytest.raises(DatabaseBusy, match="undid all of it"), credits.begin() as tx:
        tx.grant("ada", "images", 1, key="first", source="gift")
        tx.session.execute("PRAGMA max_page_count = 2")
        with suppress(sqlite3.OperationalError):
            for number in range(50):
                tx.grant("ada", "images", 1, key=f"g{number}", source="gift", metadata={"words": "x" * 8000})
    assert credits.balance("ada", "images").posted == before
    assert credits.verify().proved
