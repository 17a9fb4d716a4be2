"""The verbs of events: who listens, where they are sent, what was told and how that went."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from farthing.core import checks
from farthing.errors import InvalidField
from farthing.events import endpoints
from farthing.events.endpoints import NewSecret
from farthing.events.reminding import remind
from farthing.events.subscribing import EventView, Subscribers, view
from farthing.store import endpoints as store
from farthing.store import outbox
from farthing.store.database import Database
from farthing.store.endpoints import Delivery, Endpoint

if TYPE_CHECKING:
    from farthing.credits import Credits

MOST_LISTED = 1000


class Telling:
    """What `Credits` tells others. Endpoints are asked between transactions, so a block of verbs has none of these."""

    local_endpoints = False
    """Whether events may be sent by plain http, and to this machine and its network: for development alone."""
    _subscribers: Subscribers

    @property
    def _telling(self) -> Credits:
        return cast("Credits", self)

    def subscribe(self, kind: str, function: Callable[[EventView], object]) -> Callable[[], None]:
        """Calls `function` with every event of this kind that this process causes, once it is committed.

        In a thread of its own, one event after another, at most once each: an error is logged and reaches nobody, and
        what is not told when the process dies is not told here. Events of `credits.on(connection)` are not: whether
        they last is decided elsewhere. Who needs every event adds an endpoint.

        Args:
            kind: such as "credits.balance.low"; all are in `farthing.core.events.KINDS`.
        Returns:
            Ends the subscription.
        Raises:
            InvalidField: there is no such kind.
        """
        return self._subscribers.add(kind, function)

    def add_endpoint(self, url: str, *, kinds: Iterable[str] = ()) -> NewSecret:
        """An address that is sent events from now on, and the secret that signs them, shown this once.

        Args:
            url: https, of a public host. kinds: only these; left out, all of them.
        Raises:
            InvalidField: events are never sent to such an address, or there is no such kind.
        """
        if isinstance(kinds, str):
            raise InvalidField(f"kinds takes a list: [{kinds!r}]. Nothing was changed.", field="kinds")
        return endpoints.add(self._telling, url, kinds)

    def endpoints(self) -> list[Endpoint]:
        """All endpoints, oldest first, without their secrets."""
        return self._telling.read(store.every)

    def remove_endpoint(self, endpoint: str) -> None:
        """Sends it nothing more, and forgets how its deliveries went.

        Raises:
            NotFound: there is none of this id.
        """
        endpoints.remove(self._telling, endpoint)

    def resume_endpoint(self, endpoint: str) -> Endpoint:
        """Sends to a paused endpoint again, beginning with what waited.

        Raises:
            NotFound: there is none of this id.
        """
        return endpoints.resume(self._telling, endpoint)

    def rotate_endpoint(self, endpoint: str) -> NewSecret:
        """A new secret. What is sent is signed with both until the next rotation, so the receiver can change over.

        Raises:
            NotFound: there is none of this id.
        """
        return endpoints.rotate(self._telling, endpoint)

    def events(self, account: str | None = None, *, failed: bool = False, limit: int = 50) -> list[EventView]:
        """The latest events of 30 days, newest first.

        Args:
            account: only this one's. failed: only those of which a delivery failed and has not succeeded since.
            limit: 1–1000.
        Raises:
            InvalidField: the limit. InvalidAccount: no account can be called so.
        """
        if account is not None:
            checks.account_id(account)
        if not 1 <= limit <= MOST_LISTED:
            raise InvalidField(f"limit must be 1 to {MOST_LISTED}, not {limit!r}.", field="limit")
        read = self._telling.read
        return [view(one) for one in read(lambda s: outbox.newest(s, account=account, failed=failed, limit=limit))]

    def event(self, event: str) -> tuple[EventView, list[Delivery]]:
        """One event, and how its delivery to each endpoint went.

        Raises:
            NotFound: there is none of this id, or it is older than 30 days.
        """
        return endpoints.one(self._telling, event)

    def replay_event(self, event: str, *, endpoint: str | None = None) -> EventView:
        """Sends one event again, with the same id: the job `deliver` does it next.

        Args:
            endpoint: only to this one, whatever it wants; left out, to all that want its kind.
        Raises:
            NotFound: there is no such event or endpoint.
        """
        return endpoints.replay(self._telling, event, endpoint)

    def deliver(self) -> dict[str, int]:
        """Sends what is due to endpoints: the job. Several may run at once. Events older than 30 days are forgotten.

        Returns:
            How many deliveries were `delivered`, `failed` and will be tried again, or were `given_up` after three days.
        Raises:
            SettingsInvalid: what sends them is not installed.
        """
        from farthing.events.delivering import deliver  # what sends is only loaded where something is sent

        return deliver(self._telling)

    def remind(self) -> int:
        """Tells of lots that expire soon, where their credit type says how soon: the job. Returns how many."""
        return remind(self._telling)

    def _listen(self, database: Database) -> None:
        """From here on, what is committed to this database is told in this process."""
        self._subscribers = Subscribers()
        database.hears = self._subscribers.hear
