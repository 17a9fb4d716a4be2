"""How the sandbox's events come to the shop: by HTTP, once, twice, late or never."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import httpx2
from starlette.background import BackgroundTask

log = logging.getLogger("farthing")

DELIVERY_TIMEOUT_S = 10


class Delivery(NamedTuple):
    """How events come to the shop: to which address, and how many seconds after the customer when they come late."""

    url: str
    late_s: float

    async def send(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]], how: str) -> str | None:
        """Posts an event now, as often as `how` says; what went wrong, in words, or None."""
        for _ in range({"once": 1, "twice": 2}.get(how, 0)):
            if problem := await _post(self.url, body, sign(body)):
                return problem
        return None

    def rest(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]], how: str) -> BackgroundTask | None:
        """What is left to send when the customer was answered."""
        return BackgroundTask(self._send_late, body, sign) if how == "late" else None

    async def _send_late(self, body: bytes, sign: Callable[[bytes], Mapping[str, str]]) -> None:
        await asyncio.sleep(self.late_s)
        if problem := await _post(self.url, body, sign(body)):
            log.warning("the sandbox's late webhook was lost: %s", problem)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> str | None:
    """Posts an event; what went wrong, in words, or None."""
    try:
        async with httpx2.AsyncClient(timeout=DELIVERY_TIMEOUT_S, trust_env=False) as client:
            answer = await client.post(url, content=body, headers=dict(headers))
    except httpx2.HTTPError as error:
        return f"The webhook at {url} does not answer ({type(error).__name__})."
    return None if answer.is_success else f"The webhook at {url} answered {answer.status_code}."
