"""Endpoints: made, seen, resumed, given another secret and removed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from secrets import token_bytes
from typing import TYPE_CHECKING, NamedTuple

from uuid_utils import uuid7

from farthing.core import checks
from farthing.errors import NotFound
from farthing.events.subscribing import EventView, known, view
from farthing.store import endpoints as store
from farthing.store import outbox
from farthing.store.endpoints import Delivery, Endpoint

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

SECRET_BYTES = 32


class NewSecret(NamedTuple):
    """An endpoint and the secret that signs what it is sent, `whsec_…` as in Standard Webhooks: shown this once."""

    endpoint: Endpoint
    secret: str


def add(credits: Credits, url: str, kinds: Iterable[str]) -> NewSecret:
    """As `Credits.add_endpoint`."""
    from farthing.events.sending import target

    target(checks.text("url", url, most=2000) or "", local=credits.local_endpoints)
    wanted = tuple(dict.fromkeys(known(kind) for kind in kinds))
    made = Endpoint(f"ep_{uuid7().hex}", url, wanted, credits.clock(), None, None, None)
    secret = _secret()
    credits.run(lambda tx: store.add(tx.session, made, secret))
    return NewSecret(made, secret)


def rotate(credits: Credits, endpoint: str) -> NewSecret:
    """As `Credits.rotate_endpoint`."""
    secret = _secret()
    return NewSecret(credits.run(lambda tx: _done(tx, endpoint, store.rotate(tx.session, endpoint, secret))), secret)


def resume(credits: Credits, endpoint: str) -> Endpoint:
    """As `Credits.resume_endpoint`."""
    return credits.run(lambda tx: _done(tx, endpoint, store.resume(tx.session, endpoint, tx.clock())))


def remove(credits: Credits, endpoint: str) -> None:
    """As `Credits.remove_endpoint`."""
    if not credits.run(lambda tx: store.remove(tx.session, endpoint)):
        raise _unknown(endpoint)


def replay(credits: Credits, event: str, endpoint: str | None) -> EventView:
    """As `Credits.replay_event`."""

    def work(tx: Tx) -> outbox.Event:
        found = outbox.find(tx.session, event)
        if found is None:
            raise _unknown_event(event)
        if endpoint is None:
            wanting = [one for one in store.every(tx.session) if one.wants(found.kind)]
        else:
            wanting = [_done(tx, endpoint, True)]
        store.renew(tx.session, found, wanting, tx.clock())
        return found

    return view(credits.run(work))


def one(credits: Credits, event: str) -> tuple[EventView, list[Delivery]]:
    """As `Credits.event`."""

    def work(session: outbox.Session) -> tuple[EventView, list[Delivery]]:
        found = outbox.find(session, event)
        if found is None:
            raise _unknown_event(event)
        return view(found), store.of_event(session, found[:2])

    return credits.read(work)


def _done(tx: Tx, endpoint: str, there: bool) -> Endpoint:
    found = store.read(tx.session, endpoint) if there else None
    if found is None:
        raise _unknown(endpoint)
    return found


def _secret() -> str:
    return f"whsec_{b64encode(token_bytes(SECRET_BYTES)).decode()}"


def _unknown(endpoint: str) -> NotFound:
    return NotFound(f"There is no endpoint {endpoint!r}. Nothing was changed. `farthing endpoints list` shows them.")


def _unknown_event(event: str) -> NotFound:
    return NotFound(f"There is no event {event!r}; events are kept for 30 days. Nothing was changed.")
