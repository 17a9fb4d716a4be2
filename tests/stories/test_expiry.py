"""Expiry counts at its exact instant, whether or not anybody wrote anything since."""

from datetime import timedelta

import pytest

from farthing import Credits
from farthing.errors import InsufficientCredits
from tests.kit import Clock

MOMENT = timedelta(microseconds=1)


@pytest.mark.row("L9")
def test_a_lot_counts_until_its_instant_and_not_at_it(credits: Credits, clock: Clock):
    end = credits.grant("ada", "images", 5, key="g", source="gift", expires="30d").expires_at
    assert end is not None
    clock.now = end - MOMENT
    assert credits.check("ada", "images", 5).allowed
    clock.now = end
    assert credits.balance("ada", "images").available == 0
    assert not credits.check("ada", "images", 1).allowed
    with pytest.raises(InsufficientCredits):
        credits.deduct("ada", "images", 1, key="d")


@pytest.mark.row("L9")
def test_only_what_remains_of_a_lot_expires(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 10, key="g1", source="gift", expires="30d")
    credits.deduct("ada", "images", 7, key="d1")
    clock.move("31d")
    credits.grant("ada", "images", 1, key="g2", source="gift")
    kinds = [(line.kind, line.amount, line.posted) for line in reversed(credits.history("ada").data)]
    assert kinds == [("grant", 10, 10), ("deduct", -7, 3), ("expire", -3, 0), ("grant", 1, 1)]


@pytest.mark.row("L9")
def test_the_entry_of_an_expiry_names_the_instant_at_which_it_counted(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 10, key="g", source="gift", expires="30d")
    clock.move("40d")
    assert credits.expire() == 1
    expiry = credits.history("ada").data[0]
    assert (expiry.effective_at.date().isoformat(), expiry.recorded_at.date().isoformat()) == (
        "2026-01-31",
        "2026-02-10",
    )


@pytest.mark.row("L9")
def test_the_job_books_idle_wallets_once(credits: Credits, clock: Clock):
    for number in range(5):
        credits.grant(f"user{number}", "images", 1, key="g", source="gift", expires="1d")
    credits.grant("ada", "images", 1, key="g", source="gift", effective_at=clock.now + timedelta(days=1))
    clock.move("2d")
    assert credits.expire() == 5
    assert credits.expire() == 0
    assert credits.balance("ada", "images").available == 1


@pytest.mark.row("L9")
def test_what_came_due_in_between_is_booked_in_the_order_of_time(credits: Credits, clock: Clock):
    credits.grant("ada", "chat", 2, key="first", source="gift", expires="10d")
    credits.grant("ada", "chat", 3, key="second", source="gift", expires="5d")
    credits.deduct("ada", "chat", 9, key="into debt")
    credits.grant("ada", "chat", 1, key="third", source="gift", effective_at=clock.now + timedelta(days=7))
    clock.move("20d")
    credits.grant("ada", "chat", 1, key="last", source="gift")
    told = [(line.kind, line.amount, line.available) for line in reversed(credits.history("ada", "chat").data)]
    assert told == [
        ("grant", 2, 2),
        ("grant", 3, 5),
        ("deduct", -9, -4),
        ("grant", 1, -4),
        ("repay", 0, -3),
        ("grant", 1, -2),
        ("repay", 0, -2),
    ]


@pytest.mark.row("L9")
def test_each_of_several_ends_comes_in_its_turn(credits: Credits, clock: Clock):
    for days in (15, 5, 10, 20):
        credits.grant("ada", "images", days, key=f"g{days}", source="gift", expires=f"{days}d")
    clock.move("11d")
    credits.grant("ada", "images", 1, key="g", source="gift")
    lines = credits.history("ada", kinds=["expire"]).data
    assert [(int(line.amount), line.effective_at.day) for line in reversed(lines)] == [(-5, 6), (-10, 11)]
    clock.move("4d")
    assert credits.balance("ada", "images").available == 21


@pytest.mark.row("L11")
def test_a_balance_says_what_expires_when(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 5, key="a", source="gift", expires="10d")
    credits.grant("ada", "images", 7, key="b", source="gift", expires="10d")
    credits.grant("ada", "images", 1, key="c", source="gift", expires="5d")
    credits.grant("ada", "images", 2, key="d", source="gift")
    balance = credits.balance("ada", "images")
    assert [(soon.amount, soon.at.date().isoformat()) for soon in balance.expiring] == [
        (1, "2026-01-06"),
        (12, "2026-01-11"),
    ]
    assert (balance.posted, balance.held, balance.available, balance.pending, balance.overdraft_limit) == (
        15,
        0,
        15,
        0,
        0,
    )


@pytest.mark.row("L11")
def test_what_was_used_of_a_lot_is_not_said_to_expire(credits: Credits):
    credits.grant("ada", "images", 5, key="g", source="gift", expires="10d")
    credits.deduct("ada", "images", 3, key="d")
    assert [soon.amount for soon in credits.balance("ada", "images").expiring] == [2]


def test_a_clock_stepped_back_reorders_nothing(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 5, key="a", source="gift", expires="1d")
    clock.move("2d")
    credits.grant("ada", "images", 1, key="b", source="gift")
    clock.move(timedelta(days=-2))
    assert credits.balance("ada", "images").available == 1
    receipt = credits.deduct("ada", "images", 1, key="c")
    assert (receipt.available, receipt.recorded_at.date().isoformat()) == (0, "2026-01-03")


@pytest.mark.row("L9")
def test_what_begins_at_the_moment_something_else_ends_counts_first(credits: Credits, clock: Clock):
    end = clock.now + timedelta(days=5)
    credits.grant("ada", "images", 3, key="ends", source="gift", expires=end)
    credits.grant("ada", "images", 4, key="begins", source="gift", effective_at=end)
    clock.move("6d")
    assert credits.deduct("ada", "images", 1, key="d").available == 3
    told = [(line.kind, line.posted, line.pending, line.available) for line in reversed(credits.history("ada").data)]
    assert told == [("grant", 3, 0, 3), ("grant", 7, 4, 3), ("expire", 4, 0, 4), ("deduct", 3, 0, 3)]
