"""The portal: pages on which customers see their credits, buy more, and follow what happened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from farthing.awaiting import AsyncCredits
from farthing.credits import Credits, system_clock
from farthing.errors import FarthingError, SettingsInvalid
from farthing.portal import buying, customer
from farthing.portal.frame import Frame, Static
from farthing.portal.visit import Portal
from farthing.tokens import Signer

__all__ = ["LINK_LIFE", "app", "link"]

LINK_LIFE = timedelta(minutes=15)


def app(credits: AsyncCredits | Credits, *, secret: Sequence[str], base_url: str | None = None) -> Starlette:
    """The portal as an ASGI application, to be mounted under any prefix: `app.mount("/credits", …)`.

    It does not close the credits it was given.

    Args:
        secret: secrets of at least 32 bytes; the first signs sessions and forms, all are accepted.
        base_url: the portal's address as people reach it, prefix and all, for payment providers to send them back to,
            e.g. "https://example.com/credits". Left out: what each request says.
    Raises:
        SettingsInvalid: there is no secret, it is too short or not in a list; `base_url` is no address of a site.
    """
    address = None if base_url is None else _address(base_url)
    portal = Portal(credits.credits if isinstance(credits, AsyncCredits) else credits, secret, address)
    routes = [
        Route("/", portal.page(customer.overview), name="overview"),
        Route("/history", portal.page(customer.history), name="history"),
        Route("/buy", portal.page(buying.buy), name="buy"),
        Route("/buy", portal.page(buying.place), name="place", methods=["POST"]),
        Route("/pay/{order}", portal.page(buying.pay), name="pay"),
        Route("/orders", portal.page(buying.orders), name="orders"),
        Route("/orders/{order}", portal.page(buying.order), name="order"),
        Route("/enter", portal.open_page(customer.enter), name="enter"),
        Route("/enter", portal.open_page(customer.spend), name="spend", methods=["POST"]),
        Route("/leave", portal.page(customer.leave), name="leave", methods=["POST"]),
        Route("/left", portal.open_page(customer.left), name="left"),
        Mount("/static", Static(portal), name="static"),
    ]
    portal.add(routes)
    return Starlette(
        routes=routes,
        middleware=[Middleware(Frame, portal=portal)],
        exception_handlers={HTTPException: portal.stopped, FarthingError: portal.refused},
    )


def link(
    account: str,
    secret: Sequence[str],
    *,
    base_url: str,
    now: datetime | None = None,
    life: timedelta = LINK_LIFE,
    reusable: bool = False,
) -> str:
    """An address that signs `account` in to the portal, once, within `life`. Give it to nobody else.

    Args:
        secret: the portal's; the first signs. base_url: the portal's address, e.g. "https://example.com/credits".
        reusable: it works until it expires, however often: for demos.
    Raises:
        SettingsInvalid: there is no secret, it is too short or not in a list; `base_url` is no address of a site.
        InvalidAccount: no account can be called so.
    """
    address = _address(base_url)
    text, _ = Signer(secret).issue("farthing.link", account, now=now or system_clock(), life=life, reusable=reusable)
    return f"{address}/enter?{urlencode({'link': text})}"


def _address(base_url: str) -> str:
    """The address of a site, without a slash at its end."""
    try:
        parts = urlsplit(base_url)
        reachable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        reachable = False
    if not reachable or re.search(r"[\s?#\\]", base_url):
        raise SettingsInvalid(
            "base_url is not the http or https address of a site. Nothing was started. "
            'Give the address that people reach the portal at, such as "https://example.com/credits".'
        )
    return base_url.rstrip("/")
