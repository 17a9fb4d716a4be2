"""A streamed answer whose charge is settled when it ends, for frameworks that hand out iterators."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from typing import Any

from farthing.integrations.charging import Delivery


class Delivering(Iterator[Any]):
    """The parts of an answer. Read to its end it was delivered; closed or broken before, it was cut off."""

    def __init__(self, parts: Iterable[Any], settle: Callable[[Delivery], None]) -> None:
        self._parts = iter(parts)
        self._settle = settle

    def __next__(self) -> Any:
        try:
            return next(self._parts)
        except StopIteration:
            self._settle(Delivery.WHOLE)
            raise
        except BaseException:
            self._settle(Delivery.CUT)
            raise

    def close(self) -> None:
        """What the server calls when it is done with the answer, whole or not."""
        try:
            if callable(close := getattr(self._parts, "close", None)):
                close()
        finally:
            self._settle(Delivery.CUT)


class AsyncDelivering:
    """As `Delivering`, for parts that are awaited. Let go of unread, it is cut off as soon as its loop notices."""

    def __init__(
        self,
        parts: AsyncIterable[Any],
        settle: Callable[[Delivery], Awaitable[None]],
        settle_closed: Callable[[Delivery], None],
    ) -> None:
        self._parts = parts
        self._settle = settle
        self._settle_closed = settle_closed

    async def __aiter__(self) -> AsyncGenerator[Any]:
        try:
            async for part in self._parts:
                yield part
        except BaseException:
            await self._settle(Delivery.CUT)
            raise
        await self._settle(Delivery.WHOLE)

    def close(self) -> None:
        """What the server calls, from code that does not await."""
        self._settle_closed(Delivery.CUT)
