"""Payment providers: what one must be able to do, and those an application has.

A provider is one file here that passes tests/contract/test_provider.py. It knows nothing of accounts, credits or the
database: it is told what to collect, and it says what its events mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from farthing.core.payments import Asks, Fact, Notice, SavedCard
from farthing.errors import ModeMismatch, SettingsInvalid

__all__ = [
    "Asks",
    "Bill",
    "CardKeeper",
    "Charged",
    "Found",
    "PlanBill",
    "PlanBiller",
    "Provider",
    "ProviderEvent",
    "Started",
    "registry",
]


class Bill(NamedTuple):
    """What a provider is asked to collect: `total_minor` whole minor units of `currency`, for our order `order`.

    `form`: in a form on a page of ours instead of the provider's page. `customer` is the provider's own name for who
    pays, where it gave one before; `save_card`, that the card is kept to be charged again. `reference` is what it
    called the bill's form when it was asked for it before.
    """

    order: str
    description: str
    currency: str
    total_minor: int
    return_url: str | None
    expires_at: datetime
    account: str = ""
    form: bool = False
    customer: str | None = None
    save_card: bool = False
    email: str | None = None
    locale: str | None = None
    metadata: Mapping[str, str] = {}
    asks: Asks = Asks()
    reference: str | None = None


class PlanBill(NamedTuple):
    """What a provider is asked to collect for every period of our plan `plan`: `months`, or else `days`, long.

    `billing` is our id for it, and `description` the plan's name. The first `trial_days` cost nothing. The rest is as
    in `Bill`.
    """

    billing: str
    plan: str
    description: str
    currency: str
    price_minor: int
    months: int
    days: int
    trial_days: int
    return_url: str | None
    expires_at: datetime
    account: str
    customer: str | None = None
    email: str | None = None
    locale: str | None = None
    metadata: Mapping[str, str] = {}
    asks: Asks = Asks()


class Started(NamedTuple):
    """Where the customer pays: the provider's name for it, and its page; or, for a form, what its script needs.

    `client_secret` is never written down: whoever has it can pay, and the same bill answers it again. `customer` is the
    provider's own name for who pays, where it has one by now.
    """

    reference: str
    url: str | None
    client_secret: str | None = None
    publishable_key: str | None = None
    customer: str | None = None


class ProviderEvent(NamedTuple):
    """One signed message of a provider, understood.

    `id` None: the provider numbers no events. `kind` is the provider's own word. `references` are all names by which we
    may know the order: our own id for it, the provider's checkout, its payment, its charge. `facts` are what it says;
    none, and no `look`: nothing we act on. `look`: what to look up at the provider, which is then believed instead,
    because events of this kind do not say enough. `customer` is the provider's own name for who pays.
    """

    id: str | None
    kind: str
    livemode: bool
    references: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    look: str | None = None
    customer: str | None = None


class Found(NamedTuple):
    """What a provider answers about a payment: all names it goes by, every fact as it stands now, and who pays."""

    references: tuple[str, ...]
    facts: tuple[Fact, ...]
    customer: str | None = None


class Charged(NamedTuple):
    """What became of charging a saved card: the provider's name for the payment, and what it says of it.

    A refusal is a notice that "failed" too, its reason "authentication_required" where the bank wants the customer.
    """

    reference: str
    notice: Notice


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

    @property
    def forms(self) -> bool:
        """Whether a bill can be paid in a form on a page of ours: the Payment Element of Stripe.js.

        Such a bill's start answers what that needs, `client_secret` and `publishable_key`.
        """
        ...

    def require_billable(self, currency: str, total_minor: int) -> None:
        """Nothing, where it can collect so much money of this currency.

        Raises:
            NotBillable: it takes no such currency, or not so little or so much of it.
        """
        ...

    def start(self, bill: Bill) -> Started:
        """Asks for a payment. The same bill again answers the same checkout, and nobody is charged twice.

        Raises:
            ProviderUnavailable: it did not answer; the same call may be made again.
        """
        ...

    def look(self, reference: str) -> Found | None:
        """What it knows of a checkout or payment that it named so; None where it knows nothing of it.

        Raises:
            ProviderUnavailable: it did not answer; the same call may be made again.
        """
        ...

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nothing, where the provider signed these very bytes within five minutes of `now`.

        Where its signatures say no time, at any time: then what it sends has no facts of its own, only a `look`.

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


@runtime_checkable
class CardKeeper(Provider, Protocol):
    """A provider that keeps cards to be charged again."""

    def ask_card(
        self, account: str, *, key: str, customer: str | None, return_url: str | None, form: bool = False
    ) -> Started:
        """Where the customer leaves a card and pays nothing. The same account and key again answer the same.

        `Started.customer` is the provider's name for who pays: `customer` where one is given. Later an event carries
        the `SavedCard`, and the same name as `ProviderEvent.customer`.

        Raises:
            ProviderUnavailable: it did not answer; the same call may be made again.
        """
        ...

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        """Charges a saved card while the customer is away. The same bill and attempt again charge nobody twice.

        Raises:
            ProviderUnavailable: it did not answer, so nobody knows whether the card was charged; the same call may be
                made again, and tells.
        """
        ...


@runtime_checkable
class PlanBiller(Provider, Protocol):
    """A provider that bills plans: a subscription there, which it collects for by itself.

    `look` answers how one stands, by its name, as a `Billed`. Events about it carry that, or a `look` for it.
    """

    def start_plan(self, bill: PlanBill) -> Started:
        """Asks for a subscription on the provider's page. The same bill again answers the same page.

        Raises:
            NotBillable: it bills no such periods. ProviderUnavailable: it did not answer; the same call may be made
                again.
        """
        ...

    def portal(self, customer: str, *, return_url: str | None, locale: str | None) -> str:
        """A page of the provider where this customer of it changes cards, sees invoices and ends a plan. Soon over.

        Raises:
            ProviderUnavailable: it did not answer.
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
