"""What `gunicorn --preload` imports once, before it forks: an application whose parent wrote and read already.

It holds connections and a writer's thread that no worker inherits alive. Each answer says which process made it.
"""

from __future__ import annotations

import os
from typing import Any

from farthing import server, settings

whole = server.app(settings.load())
whole.state.credits.grant("parent", "images", 5, key="before the fork", source="gift")
whole.state.credits.balance("parent", "images")


async def app(scope: Any, receive: Any, send: Any) -> None:
    async def sign(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-process", str(os.getpid()).encode())]
        await send(message)

    await whole(scope, receive, sign)
