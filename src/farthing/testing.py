"""What the tests of an application need of Farthing: a clock to move, the sandbox's post, and a proof of the books.

Everything here works with any test runner. `import farthing` does not load it.

    clock = Clock()
    credits = farthing.open("sqlite://", catalog="farthing.toml", clock=clock, providers=[sandbox()])
    order = credits.checkout("ada", package="starter", key="cart:1").order
    mail = Post(credits)
    paid = mail.paid(order)
    mail.deliver(paid, paid)
    prove(credits)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from secrets import token_hex
from typing import Any, NamedTuple, TypedDict, Unpack

from farthing.core.calendar import Span, after, span
from farthing.core.payments import Billed, DisputeSaid, PaidInvoice, Pays, RefundSaid, Stands
from farthing.credits import Credits
from farthing.errors import SettingsInvalid
from farthing.ledger.verifying import Report
from farthing.providers import Bill
from farthing.providers.sandbox import AnyKind, CardAsked, Sandbox
from farthing.providers.sandbox_plans import billed_of, subscription_of
from farthing.selling.billing import BillingView
from farthing.selling.orders import OrderView

__all__ = ["START", "Books", "Clock", "Letter", "More", "Post", "arrivals", "bill_of", "books", "prove", "sandbox"]

START = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "a secret for tests, and nothing else"
MAX_FAULTS_SHOWN = 10
_REFUNDS: dict[RefundSaid, AnyKind] = {
    "pending": "refund.pending",
    "succeeded": "refund.succeeded",
    "failed": "refund.failed",
}
_DISPUTES: dict[DisputeSaid, AnyKind] = {
    "inquiry": "dispute.inquiry",
    "opened": "dispute.opened",
    "lost": "dispute.lost",
    "won": "dispute.won",
}


class Clock:
    """A clock that stands still until it is moved; it begins on 1 January 2026. Give it to `farthing.open`."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: str | timedelta) -> datetime:
        """On by a timedelta or a duration such as "30d" or "1mo"."""
        self.now = _moved(self.now, by)
        return self.now

    def to(self, day: str) -> datetime:
        """To an ISO instant in UTC, e.g. "2026-01-31" or "2026-01-31T12:00"."""
        self.now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        return self.now


def sandbox(*, clock: Callable[[], datetime] | None = None, merchant: str = "Test shop") -> Sandbox:
    """The sandbox provider for tests that need no pay page: no address, a secret that everybody knows.

    Args:
        clock: what time it is when a saved card is charged; that of this machine where it is left out.
    """
    told = clock or (lambda: datetime.now(UTC))
    return Sandbox(url="http://sandbox.test", secrets=[SECRET], merchant=merchant, clock=told)


def prove(credits: Credits, account: str | None = None) -> Report:
    """What `verify` saw of the books of one account, or of all, where everything adds up.

    Raises:
        AssertionError: something does not. It says what, and whose.
        NotFound: there is no such account.
    """
    report = credits.verify(account)
    if report.faults:
        shown = [
            f"- {fault.account}, {fault.order or fault.plan or fault.credit_type}: {fault.wrong}"
            for fault in report.faults[:MAX_FAULTS_SHOWN]
        ]
        more = len(report.faults) - len(shown)
        raise AssertionError(
            "\n".join(["The books do not add up.", *shown, *([f"… and {more} more."] if more else [])])
        )
    return report


class Books(NamedTuple):
    """How an account stands, without the names and times that differ from run to run, so that two can be compared.

    `balances` are posted, held and available credits by credit type. `lots` are what is left and what is held of each
    source, with its cost in minor units and currency, sorted. `orders` are status, reason and paid and tax minor units,
    oldest first.
    """

    balances: dict[str, tuple[Decimal, Decimal, Decimal]]
    lots: list[tuple[str, str, Decimal, Decimal, int, str]]
    orders: list[tuple[str, str | None, int, int]]


def books(credits: Credits, account: str) -> Books:
    """How an account stands now, to be compared with another account, or with the same in another database."""
    balances = {one.credit_type: (one.posted, one.held, one.available) for one in credits.balances(account)}
    lots = sorted(
        (lot.credit_type, lot.source, lot.remaining, lot.held, lot.cost_minor, lot.currency or "")
        for credit_type in balances
        for lot in credits.lots(account, credit_type)
    )
    orders = [(one.status, one.reason, one.paid_minor, one.tax_minor) for one in reversed(_orders(credits, account))]
    return Books(balances, lots, orders)


def arrivals(count: int) -> Iterator[tuple[int, ...]]:
    """Every way in which `count` events can arrive: in each order, and each of those again with one of them twice.

    An event that is lost and sent again comes later than it would have, so these are among them. Numbers begin with 0;
    3 events can arrive in 42 ways, 4 in 264, 5 in 1,920.
    """
    yield from permutations(range(count))
    for twice in range(count):
        yield from sorted(set(permutations([*range(count), twice])))


class More(TypedDict, total=False):
    """What an event can say otherwise than it should: another payment, currency or mode; with tax, a discount, a card.

    `card` is one of `farthing.providers.sandbox_events.CARDS`, which the customer left with the payment.
    """

    payment: str
    currency: str
    livemode: bool
    tax_minor: int
    discount_minor: int
    card: str


class Letter(NamedTuple):
    """An event that the sandbox wrote. `name` is what it calls the payment, refund, dispute or card it speaks of."""

    id: str
    kind: str
    name: str
    body: bytes


class Post:
    """What the sandbox has to say of orders, and a courier who delivers it as badly as you like.

    What is written here is true from then on: `look` of the sandbox tells it, though the event may never be delivered.

    Args:
        credits: which has the sandbox among its providers. What is written and signed is of the time of its clock.
        to: takes headers and body where the events shall go, e.g. to your own webhook by your test client; left out,
            to `credits.receive`.
    Raises:
        SettingsInvalid: it has no sandbox.
    """

    def __init__(self, credits: Credits, *, to: Callable[[dict[str, str], bytes], Any] | None = None) -> None:
        provider = credits.providers.get(Sandbox.name)
        if not isinstance(provider, Sandbox):
            raise SettingsInvalid(
                "These credits have no sandbox, so nobody writes. Nothing was changed. "
                "Open them with providers=[farthing.testing.sandbox()]."
            )
        self.sandbox = provider
        self._clock = credits.clock
        self._to: Callable[[dict[str, str], bytes], Any] = to or (
            lambda headers, body: credits.receive(Sandbox.name, headers, body)
        )
        self._waiting: dict[str, Letter] = {}
        self._refunds = 0

    @property
    def waiting(self) -> list[Letter]:
        """What was written and never delivered, in the order it was written."""
        return list(self._waiting.values())

    def say(
        self,
        order: OrderView,
        kind: AnyKind,
        *,
        minor: int | None = None,
        name: str | None = None,
        reason: str | None = None,
        at: datetime | None = None,
        **more: Unpack[More],
    ) -> Letter:
        """Writes any event about an order, of now or of `at`. The verbs below are short for this one.

        Args:
            kind: e.g. "payment.pending", "checkout.expired", or "shop.renamed", which means nothing.
            minor: how much money, in whole minor units; by default all of it.
            name: what the sandbox calls a refund or a dispute.
            reason: a code, such as "card_declined".
        """
        event_id, bill = f"evt_{token_hex(12)}", bill_of(order)
        body = self.sandbox.event(
            bill, kind, id=event_id, at=at or self._clock(), name=name, amount_minor=minor, reason=reason, **more
        )
        return self._write(Letter(event_id, kind, name or more.get("payment") or f"pay_{order.id}", body))

    def paid(self, order: OrderView, *, minor: int | None = None, **more: Unpack[More]) -> Letter:
        """The money came: all that the order asks for, or `minor`."""
        return self.say(order, "payment.paid", minor=minor, **more)

    def refund(
        self,
        order: OrderView,
        *,
        minor: int | None = None,
        said: RefundSaid = "succeeded",
        name: str | None = None,
        **more: Unpack[More],
    ) -> Letter:
        """`minor`, or all of it, goes back. Each call is another refund, unless it `name`s an earlier one."""
        self._refunds += 1
        return self.say(order, _REFUNDS[said], minor=minor, name=name or f"re_{order.id}_{self._refunds}", **more)

    def refunded(self, order: OrderView, *, minor: int | None = None, **more: Unpack[More]) -> Letter:
        """All refunds of the payment until now come to `minor`, as some providers say it."""
        return self.say(order, "payment.refunded", minor=minor, **more)

    def dispute(
        self,
        order: OrderView,
        said: DisputeSaid = "opened",
        *,
        minor: int | None = None,
        name: str | None = None,
        reason: str = "fraudulent",
        **more: Unpack[More],
    ) -> Letter:
        """The customer's bank wants `minor` back, or all of it. Calls speak of one dispute, unless `name` differs."""
        return self.say(order, _DISPUTES[said], minor=minor, name=name or f"dp_{order.id}", reason=reason, **more)

    def card(self, customer: str, card: str = "card_ok", *, reference: str = "setup_by_hand") -> Letter:
        """The customer left a card. `customer` and `reference` are what `Sandbox.ask_card` answered."""
        event_id = f"evt_{token_hex(12)}"
        asked = CardAsked(reference, customer, None)
        body = self.sandbox.card_event(asked, card, id=event_id, at=self._clock())
        return self._write(Letter(event_id, "card.saved", card, body))

    def plan(
        self,
        billing: BillingView,
        stands: Stands = "active",
        *,
        pays: Pays | None = "period",
        minor: int | None = None,
        plan: str | None = None,
        cancels: bool = False,
    ) -> Letter:
        """The subscription of a plan that was bought stands so, and one more invoice of it was paid.

        Args:
            billing: as `buy_plan` and `plan_billing` answer it.
            pays: what that invoice pays, "period", "change" or "other"; None: no invoice was paid.
            minor: how much, in whole minor units; by default the price. plan: another one is paid for from now on.
            cancels: it ends with what is paid.
        """
        subscription = subscription_of(billing.id, billing.price_minor)
        known, now = self.sandbox.look(subscription), self._clock()
        before = billed_of(known) if known else None
        invoices = before.invoices if before else ()
        if pays:
            amount = billing.price_minor if minor is None else minor
            name = f"inv_{billing.id}_{len(invoices) + 1}"
            invoices = (*invoices, PaidInvoice(name, pays, now, amount, 0, billing.currency))
        paid_for = plan or (before.plan if before else billing.plan)
        billed = Billed(subscription, stands, now, paid_for, cancels, invoices)
        asked = self.sandbox.look(billing.id)
        event_id, customer = f"evt_{token_hex(12)}", (asked and asked.customer) or f"cus_{billing.account}"
        body = self.sandbox.plan_event(billing.id, customer, billed, id=event_id)
        return self._write(Letter(event_id, "plan.changed", subscription, body))

    def deliver(self, *letters: Letter, age: str | timedelta = timedelta(0), secret: str | None = None) -> list[Any]:
        """What became of these letters, delivered one after another; without any, of all that wait.

        One that is named twice comes twice, one that is left out stays, for a later call.

        Args:
            age: how old the signature is; "1d" is yesterday's.
            secret: signs, instead of the sandbox's first one: another one of its own, or one that is not.
        Raises:
            What the receiver raises, such as BadSignature. That letter and those after it are still waiting.
        """
        outcomes: list[Any] = []
        for letter in letters or self.waiting:
            now = self._clock()
            headers = self.sandbox.sign(letter.body, now - (_moved(now, age) - now), secret=secret)
            outcomes.append(self._to(headers, letter.body))
            self._waiting.pop(letter.id, None)
        return outcomes

    def _write(self, letter: Letter) -> Letter:
        self.sandbox.remember(letter.body)
        self._waiting[letter.id] = letter
        return letter


def bill_of(order: OrderView) -> Bill:
    """What the provider was asked to collect for an order."""
    return Bill(
        order.id, order.description, order.currency, order.total_minor, order.return_url, order.expires_at,
        order.account,
    )  # fmt: skip


def _moved(now: datetime, by: str | timedelta) -> datetime:
    length = by if isinstance(by, timedelta) else span(by)
    return after(now, length) if isinstance(length, Span) else now + length


def _orders(credits: Credits, account: str) -> list[OrderView]:
    """All of them, newest first."""
    page = credits.orders(account, limit=500)
    found = page.data
    while page.next_cursor:
        page = credits.orders(account, limit=500, cursor=page.next_cursor)
        found += page.data
    return found
