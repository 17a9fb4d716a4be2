"""The clock is stepped back an hour under use: what was booked stays booked, and the order of entries holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

import farthing
from farthing import Credits, InsufficientCredits
from farthing.errors import InvalidExpiry
from tests.faults.told import Told, prove, through, under_load
from tests.kit import Clock, shop

HOUR = timedelta(hours=1)


@pytest.mark.row("L9", "L10")
def test_what_expired_and_what_matured_stay_so(credits: Credits, clock: Clock):
    clock.to("2026-01-01T12:00")
    credits.grant("ada", "images", 10, key="ends", source="gift", expires="1h")
    credits.grant("ada", "images", 5, key="stays", source="gift")
    credits.grant("ada", "images", 2, key="begins", source="gift", effective_at=clock.now + HOUR)
    clock.to("2026-01-01T13:00")
    noon = clock.now - HOUR
    credits.deduct("ada", "images", 1, key="d1")
    clock.move(-HOUR)
    balance = credits.balance("ada", "images")
    assert (balance.posted, balance.available, balance.pending) == (6, 6, 0)
    assert [lot.remaining for lot in credits.lots("ada", "images")] == [4, 2]
    assert not credits.check("ada", "images", 7).allowed
    with pytest.raises(InsufficientCredits):
        credits.deduct("ada", "images", 7, key="d2")
    with pytest.raises(InvalidExpiry):  # half past twelve is over for this wallet
        credits.grant("ada", "images", 1, key="late", source="gift", expires=noon + HOUR / 2)
    assert credits.expire() == 0
    given = credits.grant("ada", "images", 3, key="new", source="gift", expires="30m")
    assert given.recorded_at == noon + HOUR
    assert credits.lots("ada", "images")[0].expires_at == noon + HOUR * 1.5
    assert credits.deduct("ada", "images", 9, key="d3").available == 0


@pytest.mark.row("L9")
def test_a_wallet_booked_by_the_job_does_not_go_back_either(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 10, key="g", source="gift", expires="1h")
    clock.move(HOUR)
    assert credits.expire() == 1
    clock.move(-HOUR)
    assert credits.balance("ada", "images").posted == 0
    with pytest.raises(InsufficientCredits):
        credits.deduct("ada", "images", 1, key="d")


@pytest.mark.row("L9")
def test_what_the_job_saw_begin_has_begun(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 10, key="g", source="gift", effective_at=clock.now + HOUR)
    clock.move(HOUR)
    assert credits.expire() == 0, "no entry is written when credits begin to count"
    clock.move(-HOUR)
    assert credits.balance("ada", "images").available == 10
    assert credits.deduct("ada", "images", 1, key="d").recorded_at == clock.now + HOUR


@pytest.mark.row("L18")
def test_what_a_wallet_that_is_ahead_gives_counts_at_once_in_one_that_is_behind(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 5, key="g", source="gift")
    clock.move(timedelta(hours=-1))
    credits.grant("bob", "images", 1, key="g", source="gift")
    credits.transfer("ada", "bob", "images", 2, key="t")
    assert (credits.balance("bob", "images").available, credits.balance("bob", "images").pending) == (3, 0)


@pytest.mark.row("L12", "L16")
def test_processes_whose_clocks_step_under_load_keep_one_order(database_url: str, count: Callable[[int, int], int]):
    """Two clocks that never agree, each stepped on and an hour back while eight callers use them."""
    told, clocks = Told(), (Clock(), Clock())
    with (
        farthing.open(database_url, catalog=shop(), clock=clocks[0]) as one,
        farthing.open(database_url, catalog=shop(), clock=clocks[1]) as other,
    ):
        with under_load(told, [through(one), through(other)] * 4):
            for step in range(count(4, 40)):
                for by in (1.5 * HOUR, -HOUR):
                    clocks[step % 2].move(by)
                    told.wait_for_more(acknowledged=30)
        seen: set[datetime] = set()
        for account in ("user0", "user1", "user2"):
            times = [line.recorded_at for line in reversed(one.history(account, limit=500).data)]
            assert times == sorted(times)
            seen.update(times)
        assert len(seen) > 1, "no clock was stepped under load"
        assert told.errors().keys() <= {"insufficient_credits"}
        assert told.unanswered() == []
    prove(database_url, told)
