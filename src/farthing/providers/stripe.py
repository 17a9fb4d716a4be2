"""Stripe: its hosted page, its form on a page of ours, saved cards, and its signed events.

Every write carries an idempotency key made of the order, so that asking again charges nobody twice: Stripe answers what
it did. The API's version is pinned here and not by the account.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, cast

from farthing.amounts import format_money
from farthing.core.payments import Fact, Notice, SavedCard
from farthing.errors import (
    BadSignature,
    EventUnreadable,
    InvalidField,
    NotBillable,
    ProviderUnavailable,
    SettingsInvalid,
)
from farthing.providers import Bill, Charged, Found, PlanBill, ProviderEvent, Started
from farthing.providers import stripe_facts as facts
from farthing.providers import stripe_pages as pages
from farthing.providers import stripe_plans as plans
from farthing.providers.stripe_api import TIMEOUT_S, Api, Declined, Refused, understood
from farthing.providers.stripe_money import least, most, to_stripe

SIGNATURE_HEADER = "stripe-signature"
TOLERANCE_S = 300
LONGEST_ORDER = timedelta(days=2)  # an order is open for a day, and clocks differ
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, OSError, RecursionError)


class Stripe:
    """The provider "stripe". Printing it shows no secret.

    Args:
        secret_key: "sk_…" or a restricted "rk_…"; its prefix says whether it moves real money.
        secrets: the signing secrets of the webhook endpoint, "whsec_…"; all are accepted, so that they can be changed.
        publishable_key: "pk_…", which a payment form on a page of ours needs.
        return_url: where customers come back to, where a checkout says nothing.
        payment_methods: the kinds to offer, such as "card"; none are those that the dashboard switches on.
        api_base: another address of the API, for counterparts of tests.
        timeout_s: seconds that a request may take to connect, and to be answered.
    Raises:
        SettingsInvalid: one of them cannot be right.
    """

    name = "stripe"

    def __init__(
        self,
        *,
        secret_key: str,
        secrets: Sequence[str],
        publishable_key: str | None = None,
        return_url: str | None = None,
        payment_methods: Sequence[str] = (),
        api_base: str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        kind, _, rest = secret_key.partition("_")
        mode = rest.partition("_")[0]
        if kind not in ("sk", "rk") or mode not in ("test", "live"):
            raise SettingsInvalid(
                'A secret key of Stripe begins with "sk_test_", "sk_live_", "rk_test_" or "rk_live_".'
            )
        if not secrets or not all(secret.strip() for secret in secrets):
            raise SettingsInvalid('Stripe needs the signing secret of its webhook endpoint: "whsec_…".')
        if publishable_key is not None and not publishable_key.startswith(f"pk_{mode}_"):
            raise SettingsInvalid(f'The publishable key of Stripe begins with "pk_{mode}_", as the secret key says.')
        self.livemode = mode == "live"
        self.publishable_key = publishable_key
        self._secrets, self._return_url, self._methods = tuple(secrets), return_url, list(payment_methods)
        self._api = Api(secret_key, base=api_base, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"Stripe({'live' if self.livemode else 'test'})"

    @property
    def forms(self) -> bool:
        """Whether it can be paid in a form of ours: with a publishable key."""
        return self.publishable_key is not None

    def require_billable(self, currency: str, total_minor: int) -> None:
        """Nothing, where Stripe charges so much of this currency."""
        self._amount(currency, total_minor)

    def start(self, bill: Bill) -> Started:
        """The bill's page at Stripe, or what a form of ours needs; the same bill again answers the same.

        Raises:
            NotBillable: Stripe takes no such payment. ProviderUnavailable. InvalidField: nowhere to come back to.
        """
        amount = self._amount(bill.currency, bill.total_minor)
        return self._form(bill, amount) if bill.form else self._page(bill, amount)

    def ask_card(
        self, account: str, *, key: str, customer: str | None, return_url: str | None, form: bool = False
    ) -> Started:
        """Where a customer leaves a card to be charged later, without paying now; the same key again answers the same.

        `customer` is Stripe's name for who pays, where there is one; the answer has it.
        """
        payer, key, ours = customer or self._customer(account), f"card-{_short(account, key)}", {facts.WAY: "card"}
        if form:
            self._require_publishable()
            asked = {"customer": payer, "usage": "off_session", "metadata": ours, **self._offered()}
            made = self._kept(self._api.v1.setup_intents.create, asked, key)
            with understood():
                return Started(made["id"], None, made["client_secret"], self.publishable_key, payer)
        back = self._back(return_url)
        where = {"success_url": back, "cancel_url": back}
        asked = {
            "mode": "setup", "customer": payer, "payment_method_types": ["card"], "metadata": ours,
            "setup_intent_data": {"metadata": ours}, **where,
        }  # fmt: skip
        made = self._kept(self._api.v1.checkout.sessions.create, asked, key)
        with understood():
            return Started(made["id"], made["url"], customer=payer)

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        """Charges a saved card; the same order and attempt again tells what became of it.

        Raises:
            NotBillable: Stripe takes no such payment. ProviderUnavailable: nobody knows; ask again.
        """
        if known := self._charged_before(bill, card, attempt):
            with understood():
                return known
        intent = self._intent(bill, self._amount(bill.currency, bill.total_minor), "charge")
        intent["metadata"][facts.ATTEMPT] = str(attempt)
        asked = {
            **intent,
            "customer": card.customer, "payment_method": card.card, "off_session": True, "confirm": True,
            **self._offered(redirects="never"),  # nobody is there to be led anywhere
        }  # fmt: skip
        try:
            made = self._api.made(self._api.v1.payment_intents.create, asked, f"{bill.order}-charge-{attempt}")
        except Declined as declined:
            with understood():
                return _declined(declined, bill, attempt)
        except Refused as refused:
            if refused.missing:  # the card or its customer was removed at Stripe
                payment = f"{bill.order}:{attempt}"
                return Charged(payment, Notice(payment, "failed", bill.expires_at, reason="card_gone"))
            raise self._unbillable(bill.currency, bill.total_minor, f"it says: {refused}") from refused
        with understood():
            return _charged(made)

    def start_plan(self, bill: PlanBill) -> Started:
        """The page at Stripe where a plan is bought; the same bill again answers the same.

        Raises:
            NotBillable: Stripe bills no such periods. ProviderUnavailable. InvalidField: nowhere to come back to.
        """
        amount, recurring = self._amount(bill.currency, bill.price_minor), plans.recurring(bill)
        if recurring is None:
            raise self._unbillable(bill.currency, bill.price_minor, "a period is three years at most")
        asked = pages.plan(bill, amount, recurring, self._back(bill.return_url), self._methods)
        create, key = self._api.v1.checkout.sessions.create, f"{bill.billing}-plan-{_short(repr(asked))}"
        made = self._made(create, asked, key, bill.currency, bill.price_minor)
        with understood():
            return Started(made["id"], made["url"], customer=facts.named(made.get("customer")))

    def portal(self, customer: str, *, return_url: str | None, locale: str | None) -> str:
        """A page of Stripe's billing portal for this customer: cards, invoices, and ending or changing a plan."""
        asked = {"customer": customer, "return_url": self._back(return_url), "locale": pages.locale(locale)}
        made = self._kept(self._api.v1.billing_portal.sessions.create, asked, None)
        with understood():
            return str(made["url"])

    def look(self, reference: str) -> Found | None:
        """How a payment or a plan stands, by the name of its session, intent, charge or subscription."""
        looks: dict[str, Callable[[str], Found | None]] = {
            "cs": self._look_session, "pi": self._look_intent, "ch": self._look_charge, "py": self._look_charge,
            "seti": self._look_setup, "sub": self._look_subscription,
        }  # fmt: skip
        look = looks.get(reference.partition("_")[0])
        with understood():
            return look(reference) if look else None

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nothing, where one of the secrets signed these bytes within five minutes of `now`."""
        import stripe

        header = headers.get(SIGNATURE_HEADER, "")
        for secret in self._secrets:
            try:
                cast(Any, stripe.WebhookSignature).verify_header(body, header, secret)
            except (stripe.SignatureVerificationError, ValueError, TypeError):
                continue
            [said_at, *_] = [part[2:] for part in header.split(",") if part.startswith("t=")]
            if abs(now.timestamp() - int(said_at)) > TOLERANCE_S:
                raise _unsigned("its signature is not of the last five minutes")
            return
        raise _unsigned("its signature is missing or wrong")

    def read(self, body: bytes) -> ProviderEvent:
        """What a verified event says."""
        try:
            return facts.event(json.loads(body))
        except _UNREADABLE as error:
            raise EventUnreadable(f"This is not an event of Stripe ({error!r:.200}). Nothing was changed.") from error

    def _charged_before(self, bill: Bill, card: SavedCard, attempt: int) -> Charged | None:
        """What became of this attempt, if it was made. Stripe forgets idempotency keys after a day, payments never."""
        wanted = {facts.ORDER: bill.order, facts.ATTEMPT: str(attempt)}
        since = int((bill.expires_at - LONGEST_ORDER).timestamp())  # not before its order was made
        asked = {"customer": card.customer, "created": {"gte": since}}
        for intent in self._api.each(self._api.v1.payment_intents.list, asked):
            if wanted.items() <= (intent.get("metadata") or {}).items():
                return _charged(intent)
        return None

    def _page(self, bill: Bill, amount: int) -> Started:
        back = self._back(bill.return_url)
        asked = pages.payment(bill, self._intent(bill, amount, "page"), back, self._methods)
        create, key = self._api.v1.checkout.sessions.create, f"{bill.order}-page-{_short(repr(asked))}"
        made = self._made(create, asked, key, bill.currency, bill.total_minor)
        with understood():
            return Started(made["id"], made["url"], customer=facts.named(made.get("customer")))

    def _form(self, bill: Bill, amount: int) -> Started:
        self._require_publishable()
        known = bill.reference and self._api.read(self._api.v1.payment_intents.retrieve, bill.reference)
        if known:  # and not one more, though settings may have changed since
            with understood():
                return Started(known["id"], None, known["client_secret"], self.publishable_key, bill.customer)
        customer = bill.customer or (self._customer(bill.account) if bill.save_card else None)
        asked = self._intent(bill, amount, "form") | self._offered()
        if customer:
            asked["customer"] = customer
        if bill.save_card:
            asked["setup_future_usage"] = "off_session"
        create, key = self._api.v1.payment_intents.create, f"{bill.order}-form-{_short(repr(asked))}"
        made = self._made(create, asked, key, bill.currency, bill.total_minor)
        with understood():
            return Started(made["id"], None, made["client_secret"], self.publishable_key, customer)

    def _intent(self, bill: Bill, amount: int, way: str) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "amount": amount,
            "currency": bill.currency.lower(),
            "metadata": {**bill.metadata, facts.ORDER: bill.order, facts.WAY: way},
        }
        more = {"description": bill.description, "receipt_email": bill.email}
        return asked | {name: said for name, said in more.items() if said}

    def _offered(self, redirects: str = "always") -> dict[str, Any]:
        if self._methods:
            return {"payment_method_types": self._methods}
        return {"automatic_payment_methods": {"enabled": True, "allow_redirects": redirects}}

    def _customer(self, account: str) -> str:
        """A customer for an account that has none; asked again, the same."""
        asked = {"metadata": {"farthing_account": account}}
        made = self._kept(self._api.v1.customers.create, asked, f"customer-{_short(account)}")
        with understood():
            return facts.name(made["id"])

    def _look_session(self, reference: str) -> Found | None:
        expand = ["payment_intent.payment_method", "payment_intent.latest_charge"]
        session = self._api.read(self._api.v1.checkout.sessions.retrieve, reference, expand)
        if session is None:
            return None
        if session["mode"] == "subscription":
            bought = facts.named(session.get("subscription"))
            return self._look_subscription(bought) if bought else None
        if session["mode"] == "setup":
            setup = facts.named(session["setup_intent"])
            found = self._look_setup(setup) if setup else None
            return found and found._replace(references=(reference, *found.references))
        return self._found(session, session["payment_intent"])

    def _look_intent(self, reference: str) -> Found | None:
        expand = ["payment_method", "latest_charge"]
        intent = self._api.read(self._api.v1.payment_intents.retrieve, reference, expand)
        if intent is None or not facts.on_page(intent):
            return intent and self._found(None, intent)
        session = next(self._api.each(self._api.v1.checkout.sessions.list, {"payment_intent": reference}), None)
        return session and self._found(session, intent)

    def _look_charge(self, reference: str) -> Found | None:
        charge = self._api.read(self._api.v1.charges.retrieve, reference)
        intent = charge and facts.named(charge.get("payment_intent"))
        return self._look_intent(intent) if intent else None

    def _look_setup(self, reference: str) -> Found | None:
        intent = self._api.read(self._api.v1.setup_intents.retrieve, reference, ["payment_method"])
        if intent is None:
            return None
        card = facts.saved_card(intent, facts.instant(intent["created"]))
        return Found(facts.references(intent), (card,) if card else (), facts.named(intent.get("customer")))

    def _look_subscription(self, reference: str) -> Found | None:
        asked_at = datetime.now(UTC)
        subscription = self._api.read(self._api.v1.subscriptions.retrieve, reference)
        if subscription is None:
            return None
        wanted = {"subscription": reference, "status": "paid", "expand": ["data.payments"]}
        invoices = list(self._api.each(self._api.v1.invoices.list, wanted))
        names = plans.references(subscription, invoices)
        return Found(
            names, (plans.billed(subscription, invoices, asked_at),), facts.named(subscription.get("customer"))
        )

    def _found(self, session: Any, intent: Any) -> Found:
        """Everything about one payment: what its session says, or its PaymentIntent, and what went back of it."""
        about = session or intent
        names = dict.fromkeys(facts.references(about) + (facts.references(intent) if intent else ()))
        notice = _session_stands(session, intent) if session else _intent_stands(intent)
        told: list[Fact] = [notice] if notice else []
        if intent and (card := facts.saved_card(intent, facts.instant(intent["created"]))):
            told.append(card)
        if intent and notice and notice.said == "paid":
            of = {"payment_intent": intent["id"]}
            refunds = self._api.each(self._api.v1.refunds.list, of)
            told.extend(facts.refund(one, facts.instant(one["created"])) for one in refunds)
            charge: Any = intent.get("latest_charge") or {}
            if charge.get("disputed"):
                disputes = self._api.each(self._api.v1.disputes.list, of)
                told.extend(facts.dispute(one, facts.instant(one["created"])) for one in disputes)
        return Found(tuple(names), tuple(told), facts.named(about.get("customer")))

    def _made(
        self, create: Callable[..., Any], asked: Mapping[str, Any], key: str, currency: str, minor: int
    ) -> Any:  # fmt: skip
        try:
            return self._api.made(create, asked, key)
        except Refused as refused:
            raise self._unbillable(currency, minor, f"it says: {refused}") from refused

    def _kept(self, create: Callable[..., Any], asked: Mapping[str, Any], key: str | None) -> Any:
        """What was made to keep a card, or who pays."""
        try:
            return self._api.made(create, asked, key)
        except Refused as refused:
            raise ProviderUnavailable(
                f"Stripe does not keep this: {refused}. Nothing was charged.", provider=self.name
            ) from refused

    def _amount(self, currency: str, total_minor: int) -> int:
        amount = to_stripe(total_minor, currency)
        if amount is None:
            raise self._unbillable(currency, total_minor, "it cannot count so exactly in this currency")
        if total_minor < least(currency):
            raise self._unbillable(currency, total_minor, f"the least is {format_money(least(currency), currency)}")
        if amount > most(currency):
            raise self._unbillable(currency, total_minor, "it is too much at once")
        return amount

    def _unbillable(self, currency: str, total_minor: int, why: str) -> NotBillable:
        return NotBillable(
            f"Stripe does not collect {format_money(total_minor, currency)}: {why.rstrip('.')}. Nothing was charged. "
            "Buy more or less at once, or use another provider.",
            provider=self.name,
            currency=currency,
        )

    def _back(self, return_url: str | None) -> str:
        back = return_url or self._return_url
        if back is None:
            raise InvalidField(
                "Stripe's page needs an address to send customers back to. Nothing was charged. Give a return_url.",
                field="return_url",
            )
        return back

    def _require_publishable(self) -> None:
        if self.publishable_key is None:
            raise SettingsInvalid(
                "A form of Stripe needs its publishable key. Nothing was charged. Set FARTHING_STRIPE_PUBLISHABLE_KEY."
            )


def _session_stands(session: Any, intent: Any) -> Notice | None:
    """What a session says now; None while nobody tried to pay."""
    at = facts.instant(session["created"])
    if session["status"] == "expired":
        return facts.session_notice(session, "expired", facts.instant(session["expires_at"]))
    if session["status"] != "complete":
        return None
    if session["payment_status"] != "unpaid":
        return facts.session_notice(session, "paid", at)
    failed = intent and intent["status"] == "requires_payment_method"
    return facts.session_notice(session, "failed" if failed else "pending", at)


def _intent_stands(intent: Any) -> Notice | None:
    """What a PaymentIntent says now; None while nobody tried to pay."""
    at = facts.instant(intent["created"])
    match intent["status"]:
        case "succeeded":
            return facts.intent_notice(intent, "paid", at)
        case "processing":
            return facts.intent_notice(intent, "pending", at)
        case "canceled":
            return facts.intent_notice(intent, "cancelled", at)
        case _:
            return facts.intent_notice(intent, "failed", at) if intent.get("last_payment_error") else None


def _charged(intent: Any) -> Charged:
    """What a PaymentIntent that was confirmed while nobody was there came to."""
    at = facts.instant(intent["created"])
    if intent["status"] in ("succeeded", "processing"):
        said = "paid" if intent["status"] == "succeeded" else "pending"
        return Charged(intent["id"], facts.intent_notice(intent, said, at))
    reason = facts.declined(intent) if intent.get("last_payment_error") else "authentication_required"
    return Charged(intent["id"], Notice(intent["id"], "failed", at, reason=reason))


def _declined(declined: Declined, bill: Bill, attempt: int) -> Charged:
    """A card that was declined is an answer, and no error."""
    payment = facts.named(declined.intent) or f"{bill.order}:{attempt}"
    at = facts.instant(declined.intent["created"]) if declined.intent else bill.expires_at
    return Charged(payment, Notice(payment, "failed", at, reason=facts.name(declined.reason)))


def _short(*words: str) -> str:
    """These words as part of an idempotency key, which Stripe keeps short."""
    return blake2b("\0".join(words).encode(), digest_size=16).hexdigest()


def _unsigned(why: str) -> BadSignature:
    return BadSignature(f"This webhook is not from Stripe: {why}. Nothing was stored.")
