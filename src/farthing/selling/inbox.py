"""The inbox of webhooks: verified, stored, acknowledged, and only then handled; what fails is tried again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from farthing.core import checks
from farthing.errors import BadSignature, BodyTooLarge, EventUnreadable, FarthingError, InvalidField, NotFound
from farthing.providers import Provider, ProviderEvent
from farthing.selling.checkout import provider_named
from farthing.selling.hearing import take_up
from farthing.store import inbox as store
from farthing.store import references
from farthing.store.inbox import InboxEvent

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

MAX_BODY_BYTES = 2**20
LEASE = timedelta(minutes=1)
BODIES_KEPT = timedelta(days=90)
WOKEN_FOR = timedelta(days=1)  # as long after it came an event is woken that missed what it waits for by a hair
MAX_ERROR_CHARACTERS = 500
_counting = Lock()


class Received(NamedTuple):
    """What became of a webhook. `duplicate`: it was stored before. `outcome` None: stored, and to be tried again."""

    event: str
    duplicate: bool
    outcome: str | None


class Stored(NamedTuple):
    """A webhook that is stored. `duplicate`: it was before. `waits`: it is the caller's to handle, for a minute."""

    provider: str
    event: str
    duplicate: bool
    waits: bool


class Handled(NamedTuple):
    """How many stored events the job handled, and how many will be tried again."""

    handled: int
    failed: int


def receive(credits: Credits, provider: str, headers: Mapping[str, str], body: bytes) -> Received:
    """As `Credits.receive`."""
    stored = store_event(credits, provider, headers, body)
    if stored.waits:
        handle(credits, stored)
    return Received(stored.event, stored.duplicate, _read(credits, stored.provider, stored.event).outcome)


def store_event(credits: Credits, provider: str, headers: Mapping[str, str], body: bytes) -> Stored:
    """As `Credits.store_event`."""
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
    return Stored(sender.name, event, not new, new or _leased(credits, sender.name, event))


def handle(credits: Credits, stored: Stored) -> None:
    """Handles an event that `store_event` said waits for it."""
    _handle_all(credits, [(stored.provider, stored.event)])


def hear(credits: Credits, sender: Provider, said: ProviderEvent) -> str:
    """What a provider answered when asked about an order of ours, heard just as a webhook would be: what it came to."""

    def work(tx: Tx) -> tuple[str | None, list[str]]:
        now = credits.clock()
        outcome = take_up(tx, sender, said, now)
        return outcome, store.wake(tx.session, sender.name, said.references, due_at=now + LEASE)

    outcome, woken = credits.run(work)
    _handle_all(credits, [(sender.name, event) for event in woken])
    return outcome or "unmatched"


def handle_events(credits: Credits, *, limit: int) -> Handled:
    """As `Credits.handle_events`."""
    now = credits.clock()
    credits.run(lambda tx: store.wake_missed(tx.session, since=now - WOKEN_FOR, due_at=now))
    due = credits.run(lambda tx: store.due(tx.session, now, limit=limit))
    handled = _handle_all(credits, [event for event in due if _leased(credits, *event)])
    credits.run(lambda tx: store.drop_bodies(tx.session, before=now - BODIES_KEPT))
    return handled


def newest(credits: Credits, *, failed: bool, provider: str | None, limit: int) -> list[InboxEvent]:
    """As `Credits.provider_events`."""
    checks.text("provider", provider)
    return credits.run(lambda tx: store.newest(tx.session, failed=failed, provider=provider, limit=limit))


def one(credits: Credits, event: str, provider: str | None) -> tuple[InboxEvent, bytes | None]:
    """As `Credits.provider_event`."""
    checks.text("event", event)
    checks.text("provider", provider)
    found = credits.read(lambda session: store.find(session, event, provider=provider))
    if not found:
        raise NotFound(f"The inbox has no event {event!r}{f' of {provider!r}' if provider else ''}.")
    if len(found) > 1:
        names = ", ".join(stored.provider for stored, _ in found)
        raise InvalidField(f"{names} each have an event {event!r}. Say which provider you mean.", field="provider")
    return found[0]


def retry(credits: Credits, provider: str, event: str) -> InboxEvent:
    """As `Credits.retry_event`."""
    checks.text("provider", provider)
    checks.text("event", event)
    until = credits.clock() + LEASE
    if credits.run(lambda tx: store.reopen(tx.session, provider, event, until=until)):
        _handle_all(credits, [(provider, event)])
    return _read(credits, provider, event)


def forget(credits: Credits, account: str) -> None:
    """Drops the bodies of handled webhooks about an account's orders; what they came to stays.

    It reads every stored body, since only their providers know whom they are about.
    """
    named = credits.database.read(lambda session: references.of_account(session, account))
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


def _handle_all(credits: Credits, events: list[tuple[str, str]]) -> Handled:
    """Handles stored events, and those that waited for what these brought: all of them leased to us."""
    handled = failed = 0
    waiting = deque(events)
    while waiting:
        woken = _handle(credits, *waiting.popleft())
        if woken is None:
            failed += 1
        else:
            handled += 1
            waiting += woken
    return Handled(handled, failed)


def _handle(credits: Credits, provider: str, event: str) -> list[tuple[str, str]] | None:
    """Handles a stored event in one transaction with its outcome, and answers which others it woke.

    None: it failed. That is noted, and it is tried again later.
    """
    try:
        sender = provider_named(credits, provider)
        body = credits.run(lambda tx: store.body(tx.session, provider, event))
        if body is None:
            return []
        said = _looked_up(sender, sender.read(body))
        return credits.run(lambda tx: _handled(credits, tx, sender, event, said))
    except Exception as error:
        log.warning("the event %s of %s was not handled: %r", event, provider, error)
        _note_failure(credits, provider, event, error)
        return None


def _looked_up(sender: Provider, said: ProviderEvent) -> ProviderEvent:
    """What is believed of an event: what it says, or what its provider says when asked. Outside any transaction."""
    if said.look is None or said.livemode != sender.livemode:
        return said
    found = sender.look(said.look)
    if found is None:
        raise EventUnreadable(f"{sender.name} sent {said.kind} about {said.look}, and knows nothing of it when asked.")
    references = tuple(dict.fromkeys((*said.references, *found.references)))
    return said._replace(references=references, facts=found.facts, customer=found.customer or said.customer)


def _handled(
    credits: Credits, tx: Tx, sender: Provider, event: str, said: ProviderEvent
) -> list[tuple[str, str]]:  # fmt: skip
    now = credits.clock()
    if store.take(tx.session, sender.name, event, now) is None:
        return []
    if said.livemode != sender.livemode:
        outcome, woken = "other_mode", list[str]()
    elif not said.facts:
        outcome, woken = "unknown", []
    else:
        outcome, woken = _outcome(tx, sender, event, said, now)
    store.settle(tx.session, sender.name, event, outcome)
    return [(sender.name, one) for one in woken]


def _outcome(tx: Tx, sender: Provider, event: str, said: ProviderEvent, now: datetime) -> tuple[str, list[str]]:
    """What the facts come to, and the events that waited for the names they bring."""
    outcome = take_up(tx, sender, said, now)
    if outcome is None:
        store.wait_for(tx.session, sender.name, event, said.references)
        return "unmatched", []
    return outcome, store.wake(tx.session, sender.name, said.references, due_at=now + LEASE)


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
