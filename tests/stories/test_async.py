"""The same verbs, awaited."""

import asyncio

import pytest

import farthing
from farthing.ledger.verifying import verify
from tests.kit import Clock, shop


def test_a_thousand_awaited_deductions_and_exactly_as_many_as_there_are_credits(database_url: str, clock: Clock):
    async def story() -> tuple[int, int]:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            await credits.open_account("ada")
            await credits.grant("ada", "images", 590, key="g", source="purchase")
            told = await asyncio.gather(
                *(credits.deduct("ada", "images", 1, key=f"d{number}") for number in range(1000)),
                return_exceptions=True,
            )
            refused = [answer for answer in told if isinstance(answer, farthing.InsufficientCredits)]
            won = [answer for answer in told if isinstance(answer, farthing.Receipt)]
            assert (await credits.balance("ada", "images")).available == 0
            assert not (await credits.check("ada", "images", 1)).allowed
            assert len((await credits.history("ada", limit=500)).data) == 500
            assert await credits.lots("ada", "images") == []
            assert await credits.expire() == 0
            return len(won), len(refused)

    assert asyncio.run(story()) == (600, 400)
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        report = verify(credits.database)
        assert (report.proved, report.entries) == (True, 602)


def test_a_caller_who_stops_waiting_takes_nothing_back(database_url: str, clock: Clock):
    async def story() -> None:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            await credits.grant("ada", "images", 5, key="g", source="gift")
            waiting = asyncio.ensure_future(credits.deduct("ada", "images", 1, key="d"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert (await credits.deduct("ada", "images", 1, key="d")).replayed
            assert (await credits.balance("ada", "images")).available == 4

    asyncio.run(story())


def test_wrong_arguments_are_refused_before_anything_is_awaited(database_url: str, clock: Clock):
    async def story() -> None:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            with pytest.raises(TypeError):
                await credits.deduct("ada", "images", 0.5, key="d")  # pyright: ignore

    asyncio.run(story())
