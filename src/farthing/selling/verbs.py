"""The verbs of selling: quotes, checkouts and orders, and the webhooks that tell what became of their money."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from farthing.amounts import Amount
from farthing.catalog import Catalog
from farthing.core.orders import Paying
from farthing.errors import SettingsInvalid
from farthing.selling import inbox, orders, quoting, redeeming
from farthing.selling.buyers import buyer_of
from farthing.selling.checkout import Checkout, checkout, resume
from farthing.selling.healing import Healed, heal
from farthing.selling.inbox import Handled, InboxEvent, Received, Stored
from farthing.selling.orders import OrderPage, OrderView
from farthing.selling.promises import Offer, Promise, sign
from farthing.selling.quoting import Wish
from farthing.selling.reconciling import Reconciliation, reconcile
from farthing.selling.settling import Decided, decide
from farthing.selling.subscribing import Subscribing
from farthing.selling.topping_up import ToppingUp
from farthing.views import QuoteView, quote_view

if TYPE_CHECKING:
    from farthing.tokens import Signer


class Selling(ToppingUp, Subscribing):
    """What `Credits` sells. Providers are asked between transactions, so a block of verbs has none of these."""

    catalog: Catalog

    @cached_property
    def signer(self) -> Signer | None:
        """Signs quotes and reads signed ones; None where there is no secret.

        Raises:
            SettingsInvalid: a secret is too short, or what signs is not installed.
        """
        if not self._credits.secrets:
            return None
        try:
            from farthing.tokens import Signer  # what signs comes with the server's extra
        except ImportError as error:
            raise SettingsInvalid(f"Signing quotes needs `pip install farthing[server]`: {error}.") from None
        return Signer(self._credits.secrets)

    def quote(
        self,
        credit_type: str | None = None,
        amount: Amount | None = None,
        *,
        package: str | None = None,
        currency: str | None = None,
        plan: str | None = None,
        account: str | None = None,
        promo_code: str | None = None,
    ) -> QuoteView:
        """What `amount` credits, or one package, cost now, with the working. For anyone: no account is needed.

        Where `farthing.open` was given a secret, its `token` makes `checkout` honour it for half an hour.

        Args:
            credit_type, amount: any amount, in credits, with at most the type's decimals; or else
            package: the code of a package, which names its own credits.
            currency: ISO 4217 code, e.g. "EUR". Left out: the catalog's.
            plan: what the buyer subscribes to: its discount comes off, and some packages are for subscribers. Left
                out: what the account subscribes to here, if it does.
            account: who buys. Left out: anyone.
            promo_code: takes something off, or adds to it; in whatever case. A quote does not use it up.
        Raises:
            SwitchedOff: the catalog sells nothing now.
            AmountOutOfRange: below the minimum, above the maximum, or off the step.
            NoPrice: the catalog has no price for this in this currency.
            PackageUnavailable, PlanRequired: the package is not sold, or not to subscribers of this plan.
            TotalTooSmall: the total rounds to nothing.
            UnknownPlan: the catalog has plans, and none of this code.
            PromoCodeUnavailable, PromoCodeNotForThis, PromoCodeUsedUp: the promo code does not count for this, now.
            CalculatorFailed: the application's own price calculator raised, or answered no price.
            Invalid: an argument is wrong as written.
        """
        wish, now = Wish(package, credit_type, amount, currency, plan, promo_code), self._credits.clock()
        answer = quoting.quote(self.catalog, wish, buyer_of(self._credits, account, wish), now)
        if use := answer.promo:
            self._credits.read(lambda session: redeeming.require_usable(session, use, account, now))
        kind, signer = self.catalog.credit_type(answer.credit_type), self._credits.signer
        promise = Promise(Offer(answer, kind), account, own=account is not None and plan is None)
        return quote_view(answer, kind.scale, signed=sign(signer, promise, now) if signer else None)

    def checkout(
        self,
        account: str,
        credit_type: str | None = None,
        amount: Amount | None = None,
        *,
        key: str,
        package: str | None = None,
        currency: str | None = None,
        plan: str | None = None,
        promo_code: str | None = None,
        quote: str | None = None,
        provider: str = "sandbox",
        return_url: str | None = None,
        form: bool = False,
        email: str | None = None,
        locale: str | None = None,
        metadata: Mapping[str, str] | None = None,
        save_card: bool = False,
    ) -> Checkout:
        """An order at today's price, frozen, and the page where it is paid. The credits come when the money does.

        Args:
            credit_type, amount, package, currency, promo_code: what to buy, as for `quote`. The order uses the promo
                code, and gives it back when it is cancelled, expires or fails.
            plan: what the buyer subscribes to, on the application's word: never pass on what a customer says. Left out:
                what the account subscribes to here, if it does.
            quote: the `token` of a quote, instead of all of these, honoured until it expires whatever the catalog says
                meanwhile. One made for an account is good for that account only.
            key: idempotency key, in one namespace with those of `grant` and `deduct`: the same call again answers the
                same order, and asks the provider again where it did not answer.
            provider: the name of one that `farthing.open` was given.
            return_url: where the provider sends the customer back to; the order's id takes the place of "{order}".
            form: the customer pays in the provider's form on a page of yours, which needs the answer's `client_secret`
                and `publishable_key`, and not on the provider's page.
            email, locale, metadata: passed on to the provider: where its receipt goes, the language of its page (e.g.
                "zh"), and at most 20 short texts by name. A retry changes none of them: what the first call said holds.
            save_card: the provider keeps the card, to be charged again. The customer must have agreed to that.
        Raises:
            as `quote`, and KeyReused: the key stands for something else. UnknownProvider: none has this name.
            InvalidField: one of these cannot be passed on; the provider has no form, or keeps no cards.
            SwitchedOff: the provider is switched off.
            QuoteInvalid, QuoteExpired: the signed quote is not honoured.
            ProviderUnavailable: it did not answer; the order stands, make the same call again.
        """
        wish = Wish(package, credit_type, amount, currency, plan, promo_code, quote)
        paying = Paying(form, save_card, email, locale, metadata or {})
        return checkout(self._credits, account, wish, provider=provider, key=key, return_url=return_url, paying=paying)

    def resume_checkout(self, account: str, order: str) -> Checkout:
        """An order of the account, and where it is paid if it still is to be: its provider is asked again.

        Raises:
            NotFound: the account has no such order. UnknownProvider: its provider is not set up any more.
            SwitchedOff: its provider is, and was not asked yet. ProviderUnavailable: it did not answer; ask again.
        """
        return resume(self._credits, account, order)

    def order(self, account: str, order: str) -> OrderView:
        """One order as it truly stands now.

        Raises:
            NotFound: the account has no such order.
        """
        return self._credits.read(lambda session: orders.read(session, account, order, self._credits.clock()))

    def orders(self, account: str, *, limit: int = 50, cursor: str | None = None) -> OrderPage:
        """The account's orders, newest first. limit: 1–500. cursor: `next_cursor` of the page before."""
        return self._credits.read(
            lambda session: orders.page(session, account, self._credits.clock(), limit=limit, cursor=cursor)
        )

    def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> Received:
        """Takes a webhook in: verifies it, stores it, handles it. Answer 200 whenever this returns.

        What cannot be handled yet is stored and returned all the same: `handle_events` tries it again.

        Args:
            headers: as they came. body: the raw bytes, before anything parsed them.
        Raises:
            BadSignature: not signed by the provider within five minutes (answer 400). BodyTooLarge: over a mebibyte.
            UnknownProvider: none has this name. In each case nothing was stored.
        """
        return inbox.receive(self._credits, provider, headers, body)

    def store_event(self, provider: str, headers: Mapping[str, str], body: bytes) -> Stored:
        """The first half of `receive`: verifies a webhook and stores it. Answer 200, and then call `handle_event`.

        So the provider is answered before anything is looked up or waited for. If the second half never comes,
        `handle_events` makes up for it after a minute.

        Raises:
            as `receive`.
        """
        return inbox.store_event(self._credits, provider, headers, body)

    def handle_event(self, stored: Stored) -> None:
        """The second half of `receive`, where `stored.waits`. What fails is noted, and tried again by the job."""
        if stored.waits:
            inbox.handle(self._credits, stored)

    def handle_events(self, *, limit: int = 100) -> Handled:
        """Handles stored events that wait for it: the job for what failed or was cut off. Several may run at once."""
        return inbox.handle_events(self._credits, limit=limit)

    def provider_events(
        self, *, failed: bool = False, provider: str | None = None, limit: int = 100
    ) -> list[InboxEvent]:  # fmt: skip
        """The latest webhooks, newest first.

        Args:
            failed: only those that wait because handling them failed. provider: only those of this one.
        """
        return inbox.newest(self._credits, failed=failed, provider=provider, limit=limit)

    def provider_event(self, event: str, *, provider: str | None = None) -> tuple[InboxEvent, bytes | None]:
        """One webhook and its body, as it came; None where that was dropped, 90 days after it was handled.

        Args:
            provider: whose it is; needed only where two providers have one of this id.
        Raises:
            NotFound: the inbox has no such event. InvalidField: two providers have one.
        """
        return inbox.one(self._credits, event, provider)

    def retry_event(self, provider: str, event: str) -> InboxEvent:
        """Handles a stored event now, if it failed or was none of ours when it came; one that had its effect stays.

        Raises:
            NotFound: the inbox has no such event.
        """
        return inbox.retry(self._credits, provider, event)

    def heal_orders(self, *, limit: int = 200) -> Healed:
        """Asks providers about orders that still wait for money, as far as one is due: the job for lost webhooks.

        What they answer is heard as a webhook would be, once. An order is asked about ten minutes after it was made,
        then when it is twice as old, and so on, at most daily, for a month; as long as a payment is under way, for as
        long as that takes. Several workers may run at once.

        Args:
            limit: how many orders at most.
        """
        return heal(self._credits, limit=limit)

    def reconcile(
        self,
        account: str | None = None,
        *,
        since: datetime | None = None,
        ask: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Reconciliation:
        """Payments, lots and entries laid beside one another, in one view of the database and in bounded memory.

        Before that, orders that wait for money are asked about as by `heal_orders`.

        Args:
            account: only this one's orders. Left out: all, and the webhooks that had no effect.
            since: only orders made, and webhooks received, then or later.
            ask: asks about every order, paid ones too, so that lost refunds and disputes are made up for; and tells
                where the provider still says something else than what is kept here.
            progress: called now and then with the orders done and the orders there are.
        Returns:
            Reconciliation: `proved`, totals of money, and every mismatch with what to do about it.
        Raises:
            NotFound: there is no such account. InvalidField: `since` has no time zone.
        """
        return reconcile(self._credits, account=account, since=since, ask=ask, progress=progress, limit=200)

    def accept_payment(
        self,
        account: str,
        order: str,
        payment: str,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
    ) -> OrderView:
        """Takes money that is not what the order asks for as good: the order is fulfilled on its frozen terms.

        The credits cost what came, in its currency. It holds for this very amount; what the provider says otherwise
        later counts anew.

        Args:
            payment: its `reference`, of a payment whose `standing` is "review".
            key: idempotency key, unique in the account for ever. reason: an operator's words. actor: who does it.
        Raises:
            NotFound: the account has no such order, or that no such payment. KeyReused: the key stands for something
            else. PaymentSettled: the payment waits for nobody's decision, or came for an order that is paid.
        """
        return decide(self._credits, Decided(account, order, payment, "accepted", key, reason, actor))

    def dismiss_payment(
        self,
        account: str,
        order: str,
        payment: str,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
    ) -> OrderView:
        """Does away with money under review or surplus: it was given back at the provider, or written off.

        An order that had no other money has failed. No money is moved by this.

        Args:
            as for `accept_payment`; the `standing` may be "surplus" too.
        Raises:
            as `accept_payment`.
        """
        return decide(self._credits, Decided(account, order, payment, "dismissed", key, reason, actor))
