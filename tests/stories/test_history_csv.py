"""The history as CSV: what a spreadsheet opens, whole and harmless."""

import asyncio
import csv
from decimal import Decimal
from itertools import islice

import pytest

import farthing
from farthing import Credits
from farthing.ledger.exporting import COLUMNS
from tests.kit import Clock, shop


@pytest.mark.row("L13")
def test_a_file_reads_as_written_here(credits: Credits, clock: Clock):
    credits.grant("ada", "chat", "7.25", key='say "hi", all', source="gift", expires="1d", reason="no", actor="kim")
    clock.move("90m")
    credits.deduct("ada", "chat", "0.50", key="d", operation="render", occurred_at=clock.now, metadata={"a": 1})
    assert "".join(credits.export_history("ada", sort="oldest")) == (
        "account,entry,credit_type,seq,kind,amount,posted,held,pending,available,source,operation,key,link,lot,"
        "expires_at,effective_at,recorded_at,occurred_at\r\n"
        'ada,ent_chat_1,chat,1,grant,7.25,7.25,0,0,7.25,gift,,"say ""hi"", all",,lot_chat_1,'
        "2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,2026-01-01T00:00:00Z,\r\n"
        "ada,ent_chat_2,chat,2,deduct,-0.5,6.75,0,0,6.75,,render,d,,,"
        ",2026-01-01T01:30:00Z,2026-01-01T01:30:00Z,2026-01-01T01:30:00Z\r\n"
    )


def test_an_account_without_entries_is_a_header(credits: Credits):
    assert "".join(credits.export_history("nobody")) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.row("L13")
@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", '=HYPERLINK("http://x","y")'])
def test_no_text_of_a_caller_is_run_as_a_formula(credits: Credits, formula: str):
    account = formula.replace("/", "|")
    credits.grant(account, "images", 10, key=f"{formula}g", source="gift")
    credits.deduct(account, "images", 3, key=f"{formula}d", operation=formula)
    newest, _ = csv.DictReader("".join(credits.export_history(account)).splitlines())
    assert (newest["account"], newest["key"], newest["operation"]) == (f"'{account}", f"'{formula}d", f"'{formula}")
    assert newest["amount"] == "-3"


@pytest.mark.row("L13")
def test_an_export_is_one_view_whatever_is_written_while_it_is_read(credits: Credits):
    credits.database.use_wal()  # otherwise a reader of a file keeps writers waiting
    credits.grant("ada", "images", 3000, key="g", source="gift")
    with credits.begin() as tx:
        for number in range(1200):
            tx.deduct("ada", "images", 1, key=f"d{number}")
    blocks = credits.export_history("ada")
    first = list(islice(blocks, 2))
    credits.deduct("ada", "images", 1, key="late")
    rest = list(blocks)
    assert [block.count("\r\n") for block in first + rest] == [1, 500, 500, 201]
    rows = list(csv.DictReader("".join(first + rest).splitlines()))
    assert [int(row["seq"]) for row in rows] == list(range(1201, 0, -1))
    assert sum(Decimal(row["amount"]) for row in rows) == 1800


def test_an_export_that_is_dropped_gives_its_connection_back(credits: Credits):
    for number in range(3):
        credits.grant("ada", "images", 1, key=f"g{number}", source="gift")
        credits.grant("ada", "chat", 1, key=f"c{number}", source="gift")
    for _ in range(100):  # more than there are connections
        blocks = credits.export_history("ada", sort="largest")
        assert next(blocks) and next(blocks)
        blocks.close()
    for _ in range(100):
        next(credits.export_history("ada"))
    credits.grant("ada", "images", 1, key="after", source="gift")


def test_a_database_in_memory_may_be_written_to_while_its_export_is_read(clock: Clock):
    with farthing.open("sqlite://", catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 5, key="g", source="gift")
        blocks = credits.export_history("ada")
        next(blocks)
        credits.deduct("ada", "images", 1, key="d")
        assert "".join(blocks).count("\r\n") == 1


def test_the_same_awaited(database_url: str, clock: Clock):
    async def story() -> tuple[str, str]:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            await credits.grant("ada", "images", 5, key="g", source="gift")
            await credits.deduct("ada", "images", 1, key="d")
            awaited = "".join([block async for block in credits.export_history("ada", kinds=["deduct"])])
            return awaited, "".join(credits.credits.export_history("ada", kinds=["deduct"]))

    awaited, plain = asyncio.run(story())
    assert awaited == plain
    assert awaited.count("\r\n") == 2


def test_awaiting_an_export_may_stop_at_any_block(database_url: str, clock: Clock):
    async def story() -> None:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            await credits.grant("ada", "images", 5, key="g", source="gift")
            for _ in range(100):
                blocks = credits.export_history("ada")
                assert await anext(blocks)
                reading = asyncio.ensure_future(anext(blocks))
                await asyncio.sleep(0)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
                await blocks.aclose()
            await credits.deduct("ada", "images", 1, key="d")

    asyncio.run(story())
