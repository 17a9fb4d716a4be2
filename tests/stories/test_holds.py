"""Credits set aside for work that is not finished."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

import farthing
from farthing import Credits
from farthing.errors import (
    CaptureTooLarge,
    HoldEnded,
    HoldTooLong,
    InsufficientCredits,
    InvalidExpiry,
    InvalidField,
    KeyReused,
    NotFound,
)  # fmt: skip
from tests.kit import Clock, proved, shop

RENDERS = """
[credit_types.images]
name = "Images"
max_hold = "2h"

[credit_types.chat]
name = "Chat"
scale = 2
overdraft = 5
capture_more = true
hold = "1m"
"""

pytestmark = pytest.mark.row("L6")


@pytest.fixture
def renders(database_url: str, clock: Clock):
    with proved(database_url, clock, RENDERS) as credits:
        yield credits


def left(credits: Credits, credit_type: str = "images") -> tuple[int, int, int]:
    """Posted, held and available credits of ada."""
    balance = credits.balance("ada", credit_type)
    assert balance.available == balance.posted - balance.held - balance.pending
    return int(balance.posted), int(balance.held), int(balance.available)


def test_what_is_held_is_not_available_and_what_is_captured_is_used_up(renders: Credits):
    renders.grant("ada", "images", 10, key="g", source="gift")
    hold = renders.hold("ada", "images", 4, key="render:1", operation="render")
    assert left(renders) == (10, 4, 6)
    with pytest.raises(InsufficientCredits):
        renders.deduct("ada", "images", 7, key="d")
    receipt = hold.capture()
    assert (receipt.kind, receipt.amount, receipt.held_change, receipt.link) == ("capture", -4, -4, hold.id)
    assert left(renders) == (6, 0, 6)


def test_a_part_captured_frees_the_rest_at_once(renders: Credits):
    renders.grant("ada", "images", 10, key="g", source="gift")
    assert renders.hold("ada", "images", 8, key="h").capture(3).amount == -3
    assert left(renders) == (7, 0, 7)


def test_a_released_hold_took_nothing(renders: Credits):
    renders.grant("ada", "images", 10, key="g", source="gift")
    receipt = renders.hold("ada", "images", 8, key="h").release()
    assert (receipt.amount, receipt.held_change, left(renders)) == (0, -8, (10, 0, 10))


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release", "capture other"])
def test_a_hold_ends_once_and_the_same_end_again_is_a_replay(renders: Credits, first: str, second: str):
    renders.grant("ada", "images", 10, key="g", source="gift")
    hold = renders.hold("ada", "images", 8, key="h")
    ends = {"capture": hold.capture, "release": hold.release, "capture other": lambda: hold.capture(5)}
    once = ends[first]()
    if first == second:
        assert ends[second]() == once
        assert ends[second]().replayed
    else:
        with pytest.raises(HoldEnded) as refused:
            ends[second]()
        assert (refused.value.hold, refused.value.ended) == (hold.id, first)
    assert left(renders) == ((2, 0, 2) if first == "capture" else (10, 0, 10))


def test_it_lapses_at_its_deadline_without_any_job_and_ends_no_other_way(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift")
    hold = renders.hold("ada", "images", 8, key="h", expires="30m")
    [shown] = renders.holds("ada")
    assert (shown.id, shown.amount, shown.expires_at) == (hold.id, 8, hold.receipt.expires_at)
    clock.move("29m")
    assert left(renders) == (10, 8, 2)
    deadline = clock.move("1m")
    assert left(renders) == (10, 0, 10)
    assert renders.holds("ada") == []
    for end in (hold.capture, hold.release, lambda: hold.extend("5m", key="more")):
        with pytest.raises(HoldEnded) as refused:
            end()
        assert (refused.value.ended, refused.value.ended_at) == ("lapse", deadline)
    clock.move("1h")
    renders.deduct("ada", "images", 10, key="d")
    lapse = next(line for line in renders.history("ada").data if line.kind == "lapse")
    assert (lapse.effective_at, lapse.recorded_at, lapse.link) == (deadline, clock.now, hold.id)


def test_the_job_books_the_lapse_of_a_wallet_that_nobody_touches(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift")
    renders.hold("ada", "images", 8, key="h")
    clock.move("15m")
    assert (renders.expire(), renders.expire()) == (1, 0)
    assert [line.kind for line in renders.history("ada").data] == ["lapse", "hold", "grant"]


def test_a_hold_that_may_be_charged_late_is_charged_like_a_deduction(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift")
    first = renders.hold("ada", "images", 6, key="h1", on_late="charge")
    second = renders.hold("ada", "images", 4, key="h2", on_late="charge")
    clock.move("1h")
    renders.deduct("ada", "images", 5, key="d")
    with pytest.raises(InsufficientCredits):
        first.capture()
    receipt = second.capture()
    assert (receipt.kind, receipt.amount, receipt.held_change) == ("capture", -4, 0)
    assert second.capture().replayed
    with pytest.raises(HoldEnded):
        second.release()
    assert left(renders) == (1, 0, 1)


def test_more_than_was_held_is_captured_where_the_type_allows_it_and_the_wallet_has_it(renders: Credits):
    renders.grant("ada", "images", 10, key="g1", source="gift")
    renders.grant("ada", "chat", 10, key="g2", source="gift")
    strict, easy = renders.hold("ada", "images", 4, key="h1"), renders.hold("ada", "chat", 4, key="h2")
    with pytest.raises(CaptureTooLarge) as refused:
        strict.capture(5)
    assert refused.value.held == 4
    with pytest.raises(InsufficientCredits) as short:
        easy.capture("15.01")
    assert short.value.shortfall == Decimal("0.01")
    easy.capture(15)
    assert left(renders, "chat") == (-5, 0, -5)


@pytest.mark.row("L10")
def test_a_hold_may_use_the_overdraft_and_a_grant_in_between_pays_for_it(renders: Credits):
    renders.grant("ada", "chat", 2, key="g1", source="gift")
    hold = renders.hold("ada", "chat", 6, key="h")
    assert left(renders, "chat") == (2, 6, -4)
    with pytest.raises(InsufficientCredits):
        renders.deduct("ada", "chat", "1.01", key="d")
    renders.grant("ada", "chat", 3, key="g2", source="gift")
    assert left(renders, "chat") == (5, 6, -1)
    assert hold.capture().draws == [("lot_chat_1", 2), ("lot_chat_2", 3)]
    assert left(renders, "chat") == (-1, 0, -1)
    renders.grant("ada", "chat", 1, key="g3", source="gift")
    assert [line.kind for line in renders.history("ada", limit=2).data] == ["repay", "grant"]


def test_a_lot_that_expires_while_held_stays_good_for_its_hold_and_only_for_it(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift", expires="10m")
    hold = renders.hold("ada", "images", 6, key="h", expires="1h")
    clock.move("20m")
    assert left(renders) == (6, 6, 0)
    assert hold.capture(4).draws == [("lot_images_1", 4)]
    assert left(renders) == (0, 0, 0)
    expired = renders.history("ada", limit=1).data[0]
    assert (expired.kind, expired.amount, expired.effective_at) == ("expire", -2, clock.now)


def test_what_a_release_frees_of_an_expired_lot_expires_at_once(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift", expires="10m")
    hold = renders.hold("ada", "images", 6, key="h", expires="1h")
    clock.move("20m")
    hold.release()
    assert left(renders) == (0, 0, 0)


def test_an_extended_hold_lapses_later_and_never_later_than_the_type_allows(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift")
    hold = renders.hold("ada", "images", 6, key="h")
    clock.move("10m")
    assert hold.extend("110m", key="e").expires_at == clock.now.replace(hour=2, minute=0)
    assert hold.extend("110m", key="e").replayed
    with pytest.raises(HoldTooLong) as refused:
        hold.extend("111m", key="e2")
    assert refused.value.latest == clock.now.replace(hour=2, minute=0)
    with pytest.raises(HoldTooLong):
        renders.hold("ada", "images", 1, key="h2", expires="121m")
    clock.move("109m")
    assert left(renders) == (10, 6, 4)
    clock.move("1m")
    assert left(renders) == (10, 0, 10)


def test_a_block_captures_on_success_and_releases_on_an_error(renders: Credits):
    renders.grant("ada", "images", 10, key="g", source="gift")
    with renders.hold("ada", "images", 3, key="h1"):
        pass
    assert left(renders) == (7, 0, 7)
    with pytest.raises(ZeroDivisionError), renders.hold("ada", "images", 3, key="h2"):
        raise ZeroDivisionError
    assert left(renders) == (7, 0, 7)
    with renders.hold("ada", "images", 3, key="h3") as hold:
        hold.capture(1)
    assert left(renders) == (6, 0, 6)


def test_the_error_of_the_block_is_told_even_if_the_hold_lapsed_meanwhile(renders: Credits, clock: Clock):
    renders.grant("ada", "images", 10, key="g", source="gift")
    with pytest.raises(ZeroDivisionError) as told, renders.hold("ada", "images", 3, key="h"):
        clock.move("1h")
        raise ZeroDivisionError
    assert "lapsed" in told.value.__notes__[0]
    with pytest.raises(HoldEnded), renders.hold("ada", "images", 3, key="h4"):
        clock.move("1h")


def test_the_same_awaited(database_url: str, clock: Clock):
    async def story() -> list[int]:
        async with farthing.open_async(database_url, catalog=shop(RENDERS), clock=clock) as credits:
            await credits.grant("ada", "images", 10, key="g", source="gift")
            async with credits.hold("ada", "images", 3, key="h1"):
                pass
            with pytest.raises(ZeroDivisionError):
                async with credits.hold("ada", "images", 3, key="h2"):
                    raise ZeroDivisionError
            hold = await credits.hold("ada", "images", 3, key="h3")
            assert (hold.id, hold.replayed) == ("hold_images_6", False)
            await hold.extend("20m", key="e")
            await hold.capture(2)
            with pytest.raises(HoldEnded):
                await hold.release()

            async def slow() -> None:
                async with credits.hold("ada", "images", 3, key="h4"):
                    held.set()
                    await asyncio.Event().wait()

            held = asyncio.Event()
            task = asyncio.create_task(slow())
            await held.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            balance = await credits.balance("ada", "images")
            return [int(balance.posted), int(balance.held)]

    assert asyncio.run(story()) == [5, 0]


def test_keys_and_names_are_checked(renders: Credits):
    renders.grant("ada", "images", 10, key="g", source="gift")
    hold = renders.hold("ada", "images", 3, key="h", reason="first")
    again = renders.hold("ada", "images", "3.0", key="h", reason="second")
    assert (again.id, again.replayed) == (hold.id, True)
    with pytest.raises(KeyReused):
        renders.hold("ada", "images", 3, key="h", expires="16m")
    with pytest.raises(KeyReused):
        renders.deduct("ada", "images", 3, key="h")
    with pytest.raises(NotFound):
        renders.capture("ada", "hold_images_1")
    with pytest.raises(NotFound):
        renders.release("bob", hold.id)
    for wrong in ("lot_images_1", "hold_images_0", "hold_images_x", "hold_9", "", 7):
        with pytest.raises(InvalidField):
            renders.capture("ada", wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidField, match="refuse, charge"):
        renders.hold("ada", "images", 3, key="h9", on_late="wait")
    for never in (farthing.NEVER, renders.clock()):
        with pytest.raises(InvalidExpiry):
            renders.hold("ada", "images", 3, key="h9", expires=never)


def test_of_many_who_end_a_hold_at_once_one_does(renders: Credits):
    renders.grant("ada", "images", 50, key="g", source="gift")

    def end(number: int) -> str:
        try:
            if number % 3 == 0:
                return "release" + str(renders.release("ada", hold.id).replayed)
            return f"capture {number % 3}" + str(renders.capture("ada", hold.id, number % 3).replayed)
        except HoldEnded as refused:
            return refused.ended

    for turn in range(4):
        hold = renders.hold("ada", "images", 5, key=f"h{turn}")
        with ThreadPoolExecutor(9) as threads:
            told = list(threads.map(end, range(18)))
        assert sum(one.endswith("False") for one in told) == 1
        assert left(renders)[1] == 0
