"""A provider of the tests whose events say facts just as they are: for stories of what facts do to the books."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

import farthing
from farthing.core.payments import Dispute, DisputeSaid, Fact, Notice, Refund, RefundSaid, SavedCard
from farthing.errors import ProviderUnavailable
from farthing.providers import Bill, Found, ProviderEvent, Started
from farthing.selling.inbox import Received
from farthing.selling.orders import OrderView

KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in (Notice, Refund, Dispute, SavedCard)}


class Herald:
    """Named "herald". `known` is what it answers when asked about something, `asked` every bill it was given.

    It has forms. While it is `silent` it does not answer, though it was asked; `customer` is what it calls who pays.
    """

    name = "herald"
    livemode = False
    forms = True

    def __init__(self) -> None:
        self.known: dict[str, Found] = {}
        self.asked: list[Bill] = []
        self.silent = False
        self.customer: str | None = None

    def require_billable(self, currency: str, total_minor: int) -> None:
        """It takes everything."""

    def start(self, bill: Bill) -> Started:
        self.asked.append(bill)
        if self.silent:
            raise ProviderUnavailable("The herald does not answer.", provider=self.name)
        if bill.form:
            secret = f"form_{bill.order}_secret_{len(bill.order)}"
            return Started(f"form_{bill.order}", None, secret, "pk_test_herald", self.customer)
        return Started(f"page_{bill.order}", f"https://herald.test/{bill.order}", customer=self.customer)

    def look(self, reference: str) -> Found | None:
        return self.known.get(reference)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nobody signs here."""

    def read(self, body: bytes) -> ProviderEvent:
        said = json.loads(body)
        facts = tuple(
            KINDS[kind](**{**fields, "at": datetime.fromtimestamp(fields["at"], UTC)}) for kind, fields in said["facts"]
        )
        return ProviderEvent(
            said["id"], "told", False, tuple(said["references"]), facts, said["look"], said["customer"]
        )


def say(
    credits: farthing.Credits,
    *facts: Fact,
    about: list[str],
    id: str | None = None,
    look: str | None = None,
    customer: str | None = None,
) -> Received:
    """An event with these facts, about what goes by these names. Without an id, what it says is its id."""
    told = [(type(fact).__name__, {**fact._asdict(), "at": fact.at.timestamp()}) for fact in facts]
    said = {"references": about, "facts": told, "look": look, "customer": customer}
    said["id"] = id or sha256(json.dumps(said).encode()).hexdigest()[:20]
    return credits.receive("herald", {}, json.dumps(said).encode())


class Purchase:
    """An order of ada's for a package, and the facts about its one payment, "pay_1" and so on, as they are told."""

    def __init__(
        self, credits: farthing.Credits, *, key: str = "buy", account: str = "ada", package: str = "starter"
    ) -> None:
        self.credits = credits
        self.order: OrderView = credits.checkout(account, package=package, key=key, provider="herald").order
        self.payment = f"pay_{self.order.id}"

    def now(self) -> OrderView:
        """The order as it stands."""
        return self.credits.order(self.order.account, self.order.id)

    def tell(self, *facts: Fact, id: str | None = None) -> str:
        """What facts that name only the payment come to."""
        told = say(self.credits, *facts, about=[self.payment], id=id)
        assert told.outcome, [event.error for event in self.credits.provider_events(failed=True)]
        return told.outcome

    def paid(self, amount_minor: int | None = None, **said: object) -> str | None:
        notice = self.notice(amount_minor, **said)
        return say(self.credits, notice, about=[self.order.id, self.payment]).outcome

    def notice(self, amount_minor: int | None = None, **said: object) -> Notice:
        total = self.order.total_minor if amount_minor is None else amount_minor
        return Notice(self.payment, "paid", self.credits.clock(), total, currency=self.order.currency)._replace(**said)

    def refund(
        self, amount_minor: int, name: str | None = "re_1", said: RefundSaid = "succeeded", currency: str = "USD"
    ) -> Refund:
        return Refund(self.payment, name, said, self.credits.clock(), amount_minor, currency)

    def dispute(self, said: DisputeSaid, amount_minor: int | None = None, name: str = "dp_1") -> Dispute:
        total = self.order.total_minor if amount_minor is None else amount_minor
        return Dispute(self.payment, name, said, self.credits.clock(), total, "USD", "fraudulent")
