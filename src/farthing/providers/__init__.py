"""Payment providers: what one must be able to do, and those an application has.

A provider is one file here that passes tests/contract/test_provider.py. It knows nothing of accounts, credits or the
database: it is told what to collect, and it says what its events mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from farthing.core.payments import Notice
from farthing.errors import ModeMismatch, SettingsInvalid


class Bill(NamedTuple):
    """What a provider is asked to collect: `total_minor` whole minor units of `currency`, for our order `order`."""

    order: str
    description: str
    currency: str
    total_minor: int
    return_url: str | None
    expires_at: datetime


class Started(NamedTuple):
    """Where the customer pays: the provider's name for it, and its page."""

    reference: str
    url: str


class ProviderEvent(NamedTuple):
    """One signed message of a provider, understood.

    `id` None: the provider numbers no events. `kind` is the provider's own word. `references` are all names by which we
    may know the order: our own id for it, the provider's checkout, its payment. `notice` None: nothing we act on.
    """

    id: str | None
    kind: str
    livemode: bool
    references: tuple[str, ...]
    notice: Notice | None


class Provider(Protocol):
    """A way to be paid."""

    @property
    def name(self) -> str:
        """As callers and routes say it: lower-case letters."""
        ...

    @property
    def livemode(self) -> bool:
        """Whether it moves real money."""
        ...

    def start(self, bill: Bill) -> Started:
        """Asks for a payment. The same bill again answers the same checkout, and nobody is charged twice.

        Raises:
            ProviderUnavailable: it did not answer; the same call may be made again.
        """
        ...

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nothing, where the provider signed these very bytes within five minutes of `now`.

        Args:
            headers: names in lower case.
        Raises:
            BadSignature: missing, wrong or too old.
        """
        ...

    def read(self, body: bytes) -> ProviderEvent:
        """What a verified body says.

        Raises:
            EventUnreadable: it is not what this provider sends.
        """
        ...


def registry(given: Iterable[Provider], *, mode: str) -> dict[str, Provider]:
    """Providers by name, for a database in `mode` ("test" or "live").

    Raises:
        ModeMismatch: one moves real money beside a test database, or play money beside a live one.
        SettingsInvalid: two have one name.
    """
    found: dict[str, Provider] = {}
    for provider in given:
        if provider.livemode != (mode == "live"):
            kind = "moves real money" if provider.livemode else "moves no real money"
            raise ModeMismatch(
                f"The provider {provider.name!r} {kind} and this database is in {mode} mode. Nothing was changed. "
                "Use a provider of the database's mode, or a database of the provider's."
            )
        if provider.name in found:
            raise SettingsInvalid(f"Two providers are called {provider.name!r}. Leave one out.")
        found[provider.name] = provider
    return found
