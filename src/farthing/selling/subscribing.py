"""The verbs of plans that a provider bills: buying one, how it stands there, and the way to the provider's portal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from farthing.core import checks
from farthing.core.orders import Paying
from farthing.selling import billing
from farthing.selling.billing import BillingView, HealedPlans, PlanCheckout
from farthing.store import billings

if TYPE_CHECKING:
    from farthing.credits import Credits


class Subscribing:
    """The part of `Selling` that lets providers bill plans. Providers are asked between transactions."""

    @property
    def _credits(self) -> Credits:
        return cast("Credits", self)

    def buy_plan(
        self,
        account: str,
        plan: str,
        *,
        key: str,
        provider: str = "sandbox",
        currency: str | None = None,
        return_url: str | None = None,
        email: str | None = None,
        locale: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> PlanCheckout:
        """A plan at today's price, and the provider's page where it is bought; the provider bills it from then on.

        The plan begins with its trial, or with the first period that is paid. Whoever has another plan changes to this
        one when it is paid.

        Args:
            plan: the code of a plan that is opened by its payment.
            key: idempotency key, unique in the account for ever: the same call again answers the same page.
            provider: the name of one that bills plans. currency: ISO 4217 code. Left out: the catalog's.
            return_url: where the customer is sent back to; the billing's id takes the place of "{billing}".
            email, locale, metadata: passed on to the provider, as for `checkout`.
        Raises:
            UnknownPlan, NoPrice: the catalog has no such plan, or no price of it in this currency.
            NotBillable: the clock opens the plan, or the provider bills no such periods.
            AlreadySubscribed: the account pays for a plan, or has one above this.
            UnknownProvider: none has this name. InvalidField: it bills no plans, or one of these cannot be passed on.
            SwitchedOff: plans are, or the provider is. AccountFrozen, AccountMerged. KeyReused.
            ProviderUnavailable: it did not answer; make the same call again.
        """
        paying = Paying(email=email, locale=locale, metadata=metadata or {})
        return billing.buy(
            self._credits, account, plan, provider=provider, key=key, currency=currency, return_url=return_url,
            paying=paying,
        )  # fmt: skip

    def plan_billing(self, account: str, billing_id: str) -> BillingView:
        """How one plan of the account is paid at its provider, with every invoice that was paid.

        Raises:
            NotFound: the account has no such billing.
        """
        return self._credits.read(lambda session: billing.read(session, account, billing_id, self._credits.clock()))

    def plan_billings(self, account: str) -> list[BillingView]:
        """All plans that the account bought at providers, newest first."""
        checks.account_id(account)
        return self._credits.read(
            lambda session: [
                billing.view(session, one, self._credits.clock()) for one in billings.newest(session, account)
            ]
        )

    def plan_portal(self, account: str, *, return_url: str | None = None) -> str:
        """The address of a page at the provider where the customer changes cards, sees invoices and ends the plan.

        It is for this customer alone and soon over: make it when they click.

        Args:
            return_url: where that page leads back to. Left out: where buying the plan did.
        Raises:
            NotSubscribed: the account never paid a plan through a provider. ProviderUnavailable: it did not answer.
        """
        return billing.portal(self._credits, account, return_url=return_url)

    def heal_plans(self, *, limit: int = 200) -> HealedPlans:
        """Asks providers how plans stand that nothing was heard of for a while: the job for lost webhooks.

        One that is open is asked about as an order is, one that runs every day. Several workers may run at once.
        """
        return billing.heal(self._credits, limit=limit)
