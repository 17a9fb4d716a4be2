"""A provider of the tests that bills plans: subscriptions that stand just as a story says, and are looked up."""

from __future__ import annotations

from datetime import datetime

import farthing
from farthing.core.payments import Billed, PaidInvoice, Pays, Stands
from farthing.errors import ProviderUnavailable
from farthing.providers import Found, PlanBill, Started
from farthing.selling.billing import BillingView
from tests.herald import Herald, say


class Biller(Herald):
    """Named "herald". `plans` is every bill it was given; while it is `silent` it does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[PlanBill] = []

    def start_plan(self, bill: PlanBill) -> Started:
        self.plans.append(bill)
        if self.silent:
            raise ProviderUnavailable("The herald does not answer.", provider=self.name)
        return Started(f"page_{bill.billing}", f"https://herald.test/{bill.billing}", customer=self.customer)

    def portal(self, customer: str, *, return_url: str | None, locale: str | None) -> str:
        return f"https://herald.test/portal/{customer}?{return_url}&{locale}"


class Bought:
    """A plan that ada buys there, and its subscription as the provider has it."""

    def __init__(
        self, credits: farthing.Credits, biller: Biller, *, plan: str = "paid", key: str = "buy", account: str = "ada"
    ) -> None:
        self.credits, self.biller = credits, biller
        self.billing: BillingView = credits.buy_plan(account, plan, key=key, provider="herald").billing
        self.subscription = f"sub_{self.billing.id}"
        self.plan: str | None = plan
        self.stands: Stands = "active"
        self.cancels = False
        self.invoices: list[PaidInvoice] = []

    def now(self) -> BillingView:
        return self.credits.plan_billing(self.billing.account, self.billing.id)

    def pay(self, pays: Pays = "period", amount_minor: int = 900, at: datetime | None = None) -> None:
        """One more invoice was paid there; nobody hears of it yet."""
        paid_at = at or self.credits.clock()
        name = f"in_{len(self.invoices) + 1}_{self.billing.id}"
        self.invoices.append(PaidInvoice(name, pays, paid_at, amount_minor, 0, "USD"))

    def known(self) -> Found:
        """How it stands there now."""
        fact = Billed(
            self.subscription, self.stands, self.credits.clock(), self.plan, self.cancels, tuple(self.invoices)
        )
        return Found((self.billing.id, self.subscription), (fact,), "cus_ada")

    def tell(self, id: str | None = None, *, found: Found | None = None) -> str | None:
        """An event about it arrives, and it is looked up: what that came to."""
        self.biller.known[self.subscription] = self.biller.known[f"page_{self.billing.id}"] = found or self.known()
        name = f"{id or (self.credits.clock().timestamp(), len(self.invoices), self.stands, self.cancels)}"
        name = f"evt_{self.billing.id}_{name}"
        return say(self.credits, about=[self.subscription, self.billing.id], id=name, look=self.subscription).outcome
