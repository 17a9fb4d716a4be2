"""What one batch decides is what its commands would come to one after another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import farthing
from farthing import Credits, call
from farthing.core import burn
from farthing.core.book import Book, Draft, Stamp
from farthing.core.calendar import span
from farthing.ledger.beat import Command, Outcome, decide
from farthing.ledger.commands import NewLot, give
from farthing.store import sql
from tests.kit import Clock, shop

accounts = count()

commands = st.lists(
    st.tuples(st.just("grant"), st.integers(1, 9), st.sampled_from([50, 100, 200]), st.sampled_from(["1h", "2h", "5d"]))
    | st.tuples(st.just("deduct"), st.integers(1, 90)),
    min_size=1,
    max_size=12,
)


def command(credits: Credits, account: str, number: int, step: tuple) -> Command:
    kind = credits.catalog.credit_type("chat")
    key = f"k{number}"
    stamp = Stamp(credits.clock(), key, b"content")
    if step[0] == "grant":
        return give(credits.catalog, account, kind, NewLot(step[1], "gift", span(step[3]), None, step[2]), stamp)

    def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
        return burn.deduct(book, step[1], stamp)

    return Command(account, kind, key, stamp, rule)


def told(credits: Credits, account: str) -> list[tuple]:
    lines = credits.history(account, "chat", limit=500).data
    return [(line.seq, line.kind, line.amount, line.available, line.draws, line.lot) for line in lines]


@pytest.mark.row("L3", "L5")
@given(st.lists(commands, min_size=1, max_size=3), st.booleans())
@example(batches=[[("grant", 1, 200, "5d"), ("deduct", 75)]], many=True)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_together_or_one_by_one_is_the_same(credits: Credits, clock: Clock, batches: list[list[tuple]], many: bool):
    together, alone = f"user{next(accounts)}", f"user{next(accounts)}"
    for account in (together, alone):
        first = [command(credits, account, 1000 + n, ("grant", 1, 100, "1d")) for n in range(90 if many else 1)]
        credits.database.run(lambda session, first=first: decide(session, first, clock.now, wait=True))
    number = count()
    for batch in batches:
        clock.move(timedelta(minutes=50))
        numbered = [(next(number), step) for step in batch]
        asked = [command(credits, together, *one) for one in numbered]
        answers = credits.database.run(lambda session, asked=asked: decide(session, asked, clock.now, wait=True))
        for one, answer in zip(numbered, answers, strict=True):
            asked = [command(credits, alone, *one)]
            [other] = credits.database.run(lambda session, asked=asked: decide(session, asked, clock.now, wait=True))
            assert isinstance(answer, Outcome) == isinstance(other, Outcome)
    assert told(credits, together) == told(credits, alone)
    assert credits.verify(together).proved


def test_a_wallet_made_between_two_looks_is_waited_for(credits: Credits, monkeypatch: pytest.MonkeyPatch):
    credits.grant("ada", "chat", 5, key="g", source="gift")
    monkeypatch.setattr(sql, "look", lambda session, asked, keys, *, wait: sql.Look({}, {}, [], {}))
    asked = [command(credits, "ada", 1, ("deduct", 200))]
    [answer] = credits.database.run(lambda session, asked=asked: decide(session, asked, credits.clock(), wait=True))
    assert isinstance(answer, Outcome)
    assert answer.entry.seq == 2


def test_wallets_are_locked_in_byte_order_whoever_names_them_how(postgresql, caplog: pytest.LogCaptureFixture):
    """Two who lock the same wallets in different orders wait for each other for ever: a deadlock, and a retry."""
    caplog.set_level("INFO", logger="farthing")
    names = ["a", "B", "c", "\u00e9", "Z", "_"]
    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        for name in names:
            credits.grant(name, "chat", 5000, key="g", source="gift")

        def take(thread: int) -> None:
            for turn in range(60):
                order = names if thread % 2 else names[::-1]
                asked = [command(credits, name, thread * 1000 + turn, ("deduct", 1)) for name in order]
                credits.database.run(lambda session, asked=asked: decide(session, asked, credits.clock(), wait=True))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(take, range(4)))
        assert {credits.balance(name, "chat").available for name in names} == {Decimal("4997.60")}
    assert "tried again" not in caplog.text


def test_a_grant_into_many_open_lots_reads_only_the_first_of_them(credits: Credits, clock: Clock):
    """Where it stands among those that were not read does not matter until they are."""
    credits.post([call.grant("ada", "images", 1, key=f"g{n}", source="gift", expires="9d") for n in range(80)])
    sooner = [call.grant("ada", "images", 1, key=f"s{n}", source="promo", expires="1d") for n in range(3)]
    later = [call.grant("ada", "images", 1, key=f"l{n}", source="promo") for n in range(3)]
    receipts = credits.post([*later, *sooner, call.deduct("ada", "images", 4, key="d1")])
    assert [drawn.lot for drawn in receipts[-1].draws] == [
        "lot_images_84",
        "lot_images_85",
        "lot_images_86",
        "lot_images_1",
    ]
    [last] = credits.post([call.deduct("ada", "images", 81, key="d2")])
    assert [drawn.lot for drawn in last.draws][-2:] == ["lot_images_81", "lot_images_82"]
    assert credits.lots("ada", "images")[0].id == "lot_images_83"
