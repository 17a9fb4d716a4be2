"""What a provider must do that bills plans: a new one is a rig in RIGS and passes all of this."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from farthing.core.payments import Billed, PaidInvoice
from farthing.errors import ProviderUnavailable
from farthing.providers import Found, PlanBill, PlanBiller, ProviderEvent, Started
from farthing.providers.sandbox_plans import ACTIONS, after, subscription_of
from farthing.testing import Clock, sandbox
from tests.lemon_town import lemon_town
from tests.lemon_town import provider as lemon_squeezy
from tests.stripe_town import collector as stripe
from tests.stripe_town import stripe_town

pytestmark = pytest.mark.row("P12", "P13")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOME = "https://shop.test/plans"
BILL = PlanBill("bil_1", "pro", "Pro", "USD", 900, 1, 0, 0, HOME, NOW + timedelta(days=1), "ada")
TRIAL = BILL._replace(billing="bil_2", trial_days=14)


class Rig(Protocol):
    """A provider, and what its counterpart does there. Each answers the event that tells of it."""

    @property
    def provider(self) -> PlanBiller: ...

    def buy(self, started: Started, bill: PlanBill) -> bytes: ...

    def renew(self) -> bytes: ...

    def cancel(self) -> bytes: ...

    def close(self) -> None: ...


class SandboxRig:
    def __init__(self) -> None:
        self.provider, self.clock = sandbox(clock=Clock(NOW)), Clock(NOW)
        self._name = ""

    def close(self) -> None:
        pass

    def buy(self, started: Started, bill: PlanBill) -> bytes:
        asked = self.provider.plan_asked((started.url or "").rpartition("/")[2])
        assert asked and (asked.billing, asked.price_minor, asked.return_url) == (bill.billing, 900, HOME)
        self._name = subscription_of(bill.billing, bill.price_minor)
        paid = PaidInvoice(f"inv_{bill.billing}_1", "period", NOW, bill.price_minor, 0, "USD")
        told = Billed(self._name, "active", NOW, bill.plan, False, (paid,))
        if bill.trial_days:
            told = told._replace(stands="trialing", invoices=(paid._replace(pays="other", amount_minor=0),))
        return self._tell(bill.billing, told)

    def renew(self) -> bytes:
        return self._press("next")

    def cancel(self) -> bytes:
        return self._press("end")

    def _press(self, action: str) -> bytes:
        known = self.provider.look(self._name)
        assert known
        self.clock.move("1d")
        return self._tell(known.references[0], after(known, ACTIONS[action], self.clock()))

    def _tell(self, billing: str, billed: Billed) -> bytes:
        body = self.provider.plan_event(billing, "cus_1", billed, id=f"evt_{billed.at.timestamp()}")
        self.provider.remember(body)
        return body


class StripeRig:
    def __init__(self) -> None:
        self._stack = ExitStack()
        self._town = self._stack.enter_context(stripe_town())
        self.provider = stripe(self._town)
        self._name = ""

    def close(self) -> None:
        self._stack.close()

    def buy(self, started: Started, bill: PlanBill) -> bytes:
        self._name = self._town.subscribe(started.reference)
        return self._town.letters()[-1][1]

    def renew(self) -> bytes:
        self._town.held[self._name].update(status="active", trial_end=None)
        self._town.bill(self._name, "subscription_cycle")
        return self._town.letters()[-1][1]

    def cancel(self) -> bytes:
        self._town.alter(self._name, cancel_at_period_end=True)
        return self._town.letters()[-1][1]


class LemonRig:
    def __init__(self) -> None:
        self._stack = ExitStack()
        self._town = self._stack.enter_context(lemon_town())
        self._town.now = NOW
        self.provider = lemon_squeezy(self._town)
        self._name = ""

    def close(self) -> None:
        self._stack.close()

    def buy(self, started: Started, bill: PlanBill) -> bytes:
        self._name = self._town.subscribe(started.url or "")
        return self._town.webhook("subscription_created", self._name)[1]

    def renew(self) -> bytes:
        self._town.now += timedelta(days=30)
        self._town.alter(self._name, status="active")
        return self._town.webhook("subscription_payment_success", self._town.bill(self._name, "renewal", 900))[1]

    def cancel(self) -> bytes:
        self._town.alter(self._name, status="cancelled", cancelled=True)
        return self._town.webhook("subscription_cancelled", self._name)[1]


RIGS: dict[str, Callable[[], Rig]] = {"lemonsqueezy": LemonRig, "sandbox": SandboxRig, "stripe": StripeRig}


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Generator[Rig]:
    made = RIGS[request.param]()
    yield made
    made.close()


def believed(provider: PlanBiller, said: ProviderEvent) -> Found:
    """What is believed of an event."""
    found = provider.look(said.look) if said.look else Found((), said.facts)
    assert found
    return Found((*said.references, *found.references), found.facts, found.customer or said.customer)


def billed(provider: PlanBiller, body: bytes) -> Billed:
    [fact] = [fact for fact in believed(provider, provider.read(body)).facts if isinstance(fact, Billed)]
    return fact


def test_it_bills_plans(rig: Rig):
    assert isinstance(rig.provider, PlanBiller)


def test_the_same_bill_has_the_same_page(rig: Rig):
    first, again = rig.provider.start_plan(BILL), rig.provider.start_plan(BILL)
    assert (first.reference, first.url) == (again.reference, again.url)
    assert rig.provider.start_plan(TRIAL).url != first.url


def test_bought_and_renewed_each_invoice_pays_a_period(rig: Rig):
    body = rig.buy(rig.provider.start_plan(BILL), BILL)
    found = believed(rig.provider, rig.provider.read(body))
    assert BILL.billing in found.references and found.customer
    one = billed(rig.provider, body)
    assert (one.stands, one.plan, one.cancels) == ("active", "pro", False)
    assert [(paid.pays, paid.amount_minor, paid.currency) for paid in one.invoices] == [("period", 900, "USD")]
    two = billed(rig.provider, rig.renew())
    assert (two.subscription, len(two.invoices)) == (one.subscription, 2)
    assert set(one.invoices) < set(two.invoices) and two.at >= one.at
    assert two.invoices[-1].pays == "period" and {paid.amount_minor for paid in two.invoices} == {900}


def test_a_trial_pays_no_period(rig: Rig):
    one = billed(rig.provider, rig.buy(rig.provider.start_plan(TRIAL), TRIAL))
    assert (one.stands, [(paid.pays, paid.amount_minor) for paid in one.invoices]) == ("trialing", [("other", 0)])


def test_cancelled_it_ends_with_what_is_paid(rig: Rig):
    rig.buy(rig.provider.start_plan(BILL), BILL)
    assert billed(rig.provider, rig.cancel()).cancels


def test_asked_it_tells_how_it_stands(rig: Rig):
    started = rig.provider.start_plan(BILL)
    one = billed(rig.provider, rig.buy(started, BILL))
    assert rig.provider.look(started.reference)  # some say there who pays, some only whose it is
    found = rig.provider.look(one.subscription)
    assert found and [fact.invoices for fact in found.facts if isinstance(fact, Billed)] == [one.invoices]


def test_the_portal_is_an_address(rig: Rig):
    found = believed(rig.provider, rig.provider.read(rig.buy(rig.provider.start_plan(BILL), BILL)))
    where = rig.provider.portal(found.customer or "", return_url=HOME, locale="de")
    assert where.startswith("http")


def test_who_does_not_answer_is_unavailable():
    silent = stripe_silent()
    with pytest.raises(ProviderUnavailable):
        silent.start_plan(BILL)


def stripe_silent() -> PlanBiller:
    with stripe_town() as gone:
        return stripe(gone, timeout_s=0.5)
