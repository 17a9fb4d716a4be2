"""One event to one endpoint: signed by Standard Webhooks, to a public address only, within bounded time.

The name is looked up once, every address it has is judged, and the connection goes to one of those: what a name says
a moment later changes nothing. Redirects are not followed, proxies are not used, and no answer's body is read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from farthing.core.events import written
from farthing.errors import InvalidField
from farthing.store.outbox import Event

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 15.0
MAX_URL_CHARACTERS = 2000
AGENT = "Farthing"
# Public by their own numbers, and each leads to an IPv4 address that may be anything.
_LEADS_ELSEWHERE = [ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")]
_GONE = 410


class Sent(NamedTuple):
    """What came of it. `error` None: the endpoint took it. `gone`: it says that it wants nothing more, ever."""

    status: int | None
    error: str | None
    gone: bool = False


class Target(NamedTuple):
    """An address that may be asked: what stands in a URL, taken apart."""

    secure: bool
    host: str
    port: int


def target(url: str, *, local: bool) -> Target:
    """The URL of an endpoint, taken apart.

    Args:
        local: plain http and addresses of this machine and network are allowed too, for development.
    Raises:
        InvalidField: events are never sent to such an address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong(url, "it cannot be read") from None
    if not url.isascii() or any(character <= " " or character in '\\"<>^`{|}\x7f' for character in url):
        raise _wrong(url, "it has characters that no address has")
    if len(url) > MAX_URL_CHARACTERS:
        raise _wrong(url[:60], f"it is longer than {MAX_URL_CHARACTERS} characters")
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise _wrong(url, "it does not begin with https://")
    if parts.username is not None or parts.password is not None:
        raise _wrong(parts.hostname or "", "it has a name or a password in it")
    if parts.fragment or not parts.hostname:
        raise _wrong(url, "it has a # in it" if parts.fragment else "it names no host")
    secure = parts.scheme == "https"
    found = Target(secure, parts.hostname, port or (443 if secure else 80))
    literal = _literal(found.host)
    if literal and not local and not is_public(literal):
        raise _wrong(url, "its address is not public")
    return found


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the address is one of the open internet, and leads to no other one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _LEADS_ELSEWHERE):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def send(
    client: httpx2.AsyncClient, url: str, event: Event, secrets: Sequence[str], *, now: datetime, local: bool
) -> Sent:
    """Sends it once. Whatever goes wrong is an answer, and nothing is raised."""
    import httpx2

    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = target(url, local=local)
            address = await _address(found, local=local)
            body = payload(event)
            said = httpx2.URL(url)
            extensions = {"sni_hostname": found.host} if found.secure else {}
            headers = {"host": said.netloc.decode(), **signed(event, body, secrets, now)}
            asked = client.stream(
                "POST", said.copy_with(host=address), content=body.encode(), headers=headers, extensions=extensions
            )
            async with asked as answer:
                return _understood(answer.status_code)
    except TimeoutError:
        return Sent(None, f"it did not answer within {TIMEOUT_S:g} s")
    except InvalidField as error:
        return Sent(None, error.message)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return Sent(None, f"{type(error).__name__}: {error}".replace("\0", "")[:300])


def payload(event: Event) -> str:
    """The body that is sent: the same with every attempt."""
    said = {"id": event.id, "type": event.kind, "account": event.account, "sequence": event.sequence}
    return f'{written(said | {"occurred_at": event.occurred_at})[:-1]},"data":{event.data}}}'


def signed(event: Event, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks, with one signature for each secret."""
    from standardwebhooks import Webhook

    signatures = [Webhook(secret).sign(event.id, now, body) for secret in secrets]
    return {
        "webhook-id": event.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
        "user-agent": AGENT,
    }


async def _address(found: Target, *, local: bool) -> str:
    """The address to connect to. One that is not public makes all of them suspect.

    Raises:
        InvalidField: the name leads where events are never sent. OSError: nobody knows it.
    """
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers]
    if not local and not all(map(is_public, addresses)):
        raise InvalidField(f"The name {found.host} leads to an address that is not public.", field="url")
    return str(addresses[0])


def _understood(status: int) -> Sent:
    if 200 <= status < 300:
        return Sent(status, None)
    what = "it redirects, which is not followed" if 300 <= status < 400 else "it refused"
    return Sent(status, f"{what} ({status})", gone=status == _GONE)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _wrong(url: str, why: str) -> InvalidField:
    return InvalidField(f"Events cannot be sent to {url!r}: {why}. Nothing was changed.", field="url")
