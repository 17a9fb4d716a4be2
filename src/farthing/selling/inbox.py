"""The inbox of webhooks: verified, stored, acknowledged, and only then handled; what fails is tried again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from farthing.core import checks
from farthing.core.payments import hear
from farthing.errors import BadSignature, BodyTooLarge, FarthingError, NotFound
from farthing.providers import Provider, ProviderEvent
from farthing.selling.checkout import provider_named
from farthing.selling.orders import fulfil
from farthing.store import inbox as store
from farthing.store import orders
from farthing.store.inbox import InboxEvent

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

MAX_BODY_BYTES = 2**20
LEASE = timedelta(minutes=1)
BODIES_KEPT = timedelta(days=90)
MAX_ERROR_CHARACTERS = 500
_counting = Lock()


class Received(NamedTuple):
    """What became of a webhook. `duplicate`: it was stored before. `outcome` None: stored, and to be tried again."""

    event: str
    duplicate: bool
    outcome: str | None


class Handled(NamedTuple):
    """How many stored events the job handled, and how many will be tried again."""

    handled: int
    failed: int


def receive(credits: Credits, provider: str, headers: Mapping[str, str], body: bytes) -> Received:
    """As `Credits.receive`."""
    sender = provider_named(credits, provider)
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body takes {len(body)} bytes, the most is {MAX_BODY_BYTES}. Nothing was stored.")
    now, digest = credits.clock(), sha256(body).digest()
    try:
        sender.verify({name.lower(): value for name, value in headers.items()}, body, now)
    except BadSignature:
        with _counting:
            credits.bad_signatures[sender.name] += 1
        raise
    event, kind, livemode = _named(sender, body, digest)

    def keep(tx: Tx) -> bool:
        return store.add(
            tx.session, sender.name, event, kind=kind, livemode=livemode, body=body, digest=digest, now=now, lease=LEASE
        )

    new = credits.run(keep)
    if new or _leased(credits, sender.name, event):
        _handle(credits, sender.name, event)
    stored = _read(credits, sender.name, event)
    return Received(event, not new, stored.outcome)


def handle_events(credits: Credits, *, limit: int) -> Handled:
    """As `Credits.handle_events`."""
    now = credits.clock()
    due = credits.run(lambda tx: store.due(tx.session, now, limit=limit))
    outcomes = [_handle(credits, *event) for event in due if _leased(credits, *event)]
    credits.run(lambda tx: store.drop_bodies(tx.session, before=now - BODIES_KEPT))
    handled = sum(outcomes)
    return Handled(handled, len(outcomes) - handled)


def newest(credits: Credits, *, failed: bool, limit: int) -> list[InboxEvent]:
    """As `Credits.provider_events`."""
    return credits.run(lambda tx: store.newest(tx.session, failed=failed, limit=limit))


def retry(credits: Credits, provider: str, event: str) -> InboxEvent:
    """As `Credits.retry_event`."""
    checks.text("provider", provider)
    checks.text("event", event)
    until = credits.clock() + LEASE
    if credits.run(lambda tx: store.reopen(tx.session, provider, event, until=until)):
        _handle(credits, provider, event)
    return _read(credits, provider, event)


def forget(credits: Credits, account: str) -> None:
    """Drops the bodies of handled webhooks about an account's orders; what they came to stays.

    It reads every stored body, since only their providers know whom they are about.
    """
    named = credits.database.read(lambda session: orders.references_of(session, account))
    if not named:
        return
    with credits.database.reading() as session:
        bodies = store.handled_bodies(session)
        about = [(sender, event) for sender, event, body in bodies if _is_about(credits, sender, body, named)]
    for provider, event in about:
        credits.run(lambda tx, provider=provider, event=event: store.drop_body(tx.session, provider, event))


def _is_about(credits: Credits, provider: str, body: bytes, named: set[tuple[str, str]]) -> bool:
    try:
        said = provider_named(credits, provider).read(body)
    except Exception as error:  # unreadable, or its provider is gone: it goes after 90 days with all the others
        log.warning("a stored event of %s could not be read: %r", provider, error)
        return False
    return any((provider, reference) in named for reference in said.references)


def _handle(credits: Credits, provider: str, event: str) -> bool:
    """Handles a stored event in one transaction with its outcome; a failure is noted, and it is tried again later."""
    try:
        credits.run(lambda tx: _handled(credits, tx, provider, event))
    except Exception as error:
        log.warning("the event %s of %s was not handled: %r", event, provider, error)
        _note_failure(credits, provider, event, error)
        return False
    return True


def _handled(credits: Credits, tx: Tx, provider: str, event: str) -> None:
    now = credits.clock()
    body = store.take(tx.session, provider, event, now)
    if body is None:
        return
    sender = provider_named(credits, provider)
    said = sender.read(body)
    store.settle(tx.session, provider, event, _outcome(credits, tx, sender, said))


def _outcome(credits: Credits, tx: Tx, sender: Provider, said: ProviderEvent) -> str:
    if said.notice is None:
        return "unknown"
    if said.livemode != sender.livemode:
        return "other_mode"
    order = orders.lock_named(tx.session, sender.name, said.references)
    if order is None:
        return "unmatched"
    now = credits.clock()
    heard = hear(order, said.notice, now)
    orders.name(tx.session, order, said.references)
    if heard.outcome != "no_change":
        orders.keep_payment(tx.session, order, heard.payment)
        orders.set_state(tx.session, heard.order)
    if heard.outcome == "fulfilled":
        fulfil(tx, heard.order, now)
    return heard.outcome


def _note_failure(credits: Credits, provider: str, event: str, error: Exception) -> None:
    code = error.code if isinstance(error, FarthingError) else type(error).__name__
    said = f"{code}: {error}".replace("\0", "")[:MAX_ERROR_CHARACTERS]
    try:
        credits.run(lambda tx: store.fail(tx.session, provider, event, error=said, now=credits.clock()))
    except FarthingError as unnoted:  # its lease ends, and the job takes it
        log.warning("the failure of the event %s of %s could not be noted: %r", event, provider, unnoted)


def _leased(credits: Credits, provider: str, event: str) -> bool:
    now = credits.clock()
    return credits.run(lambda tx: store.lease(tx.session, provider, event, now=now, until=now + LEASE))


def _read(credits: Credits, provider: str, event: str) -> InboxEvent:
    found = credits.run(lambda tx: store.read(tx.session, provider, event))
    if found is None:
        raise NotFound(f"The inbox has no event {event!r} of {provider!r}.")
    return found


def _named(sender: Provider, body: bytes, digest: bytes) -> tuple[str, str | None, bool]:
    """The event's id, kind and mode; an event without an id, or one we cannot read, goes by its digest."""
    unnumbered = f"sha256:{digest.hex()}"
    try:
        said = sender.read(body)
    except Exception as error:
        log.warning("an event of %s is stored unread: %r", sender.name, error)
        return unnumbered, None, sender.livemode
    return said.id or unnumbered, said.kind, said.livemode
