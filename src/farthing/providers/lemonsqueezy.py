"""Lemon Squeezy: its checkout page, its signed webhooks, and its orders as they stand.

A webhook only says which order to look at: it has neither an id nor a time, so an old one may come again at any time.
What was paid is read from the order itself, which belongs to our store, our variant and our mode, or means nothing.
Names that we keep: `checkout:<UUID>`, `order:<number>` (an order of theirs is a payment of ours).
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Any

from farthing.amounts import decimals_of, format_money
from farthing.errors import BadSignature, EventUnreadable, ModeMismatch, NotBillable, SettingsInvalid
from farthing.providers import Bill, Found, PlanBill, ProviderEvent, Started
from farthing.providers import lemonsqueezy_facts as facts
from farthing.providers import lemonsqueezy_plans as plans
from farthing.providers.lemonsqueezy_api import API_BASE, TIMEOUT_S, Api, Declined, unavailable

log = logging.getLogger("farthing")

SIGNATURE_HEADER = "x-signature"
MIN_SECRET_BYTES = 16
LOOKED_THROUGH = 100  # the newest checkouts, among which a lost one is found again: one page, the longest there is

_ORDER_EVENTS = ("order_created", "order_refunded")
_UUID = re.compile(r"[0-9a-fA-F-]{36}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


class LemonSqueezy:
    """The provider "lemonsqueezy". Printing it shows no secret.

    Args:
        api_key: of the mode that `livemode` says; Lemon Squeezy makes one for each.
        store, variant: their numbers; the variant is one product sold once, whose price each checkout overrides.
        plan_variants: by the code of our plan, the number of the variant that is a subscription with its period.
        secrets: the signing secrets of the webhook, each at least 16 bytes long; all are accepted, so that they can be
            changed.
        currency: the store's, which all prices are in; one with two decimals.
        livemode: whether the store takes real money; False is its test mode.
        api_base: another address of the API, for tests.
        timeout_s: seconds that each request may take to connect, to be sent and to be answered.
        sleep: waits so many seconds before a request is made again.
    Raises:
        SettingsInvalid: one of them cannot be right.
    """

    name = "lemonsqueezy"
    forms = False

    def __init__(
        self,
        *,
        api_key: str,
        store: str,
        variant: str,
        plan_variants: Mapping[str, str] = MappingProxyType({}),
        secrets: Sequence[str],
        currency: str = "USD",
        livemode: bool,
        api_base: str = API_BASE,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", api_key):
            raise SettingsInvalid("The API key of Lemon Squeezy is empty, or holds blanks or letters that no key has.")
        if not all(facts.NUMBER.fullmatch(one) for one in (store, variant, *plan_variants.values())):
            raise SettingsInvalid("The store and the variants of Lemon Squeezy are numbers, such as 12345.")
        if variant in plan_variants.values() or len(set(plan_variants.values())) < len(plan_variants):
            raise SettingsInvalid("Each plan, and what is sold once, needs a variant of its own at Lemon Squeezy.")
        if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"The webhook of Lemon Squeezy needs a secret of at least {MIN_SECRET_BYTES} bytes.")
        if decimals_of(currency) != 2:
            # It says "cents" of every amount, and nowhere what a cent of a currency without them is.
            raise SettingsInvalid(f"Lemon Squeezy counts in cents, and {currency} has none. Sell in another currency.")
        self.store, self.variant, self.currency, self.livemode = store, variant, currency, livemode
        self._api = Api(api_key, base=api_base, timeout_s=timeout_s, sleep=sleep)
        self._secrets = [secret.encode() for secret in secrets]
        self._store_seen = False
        self._plan_of = {number: plan for plan, number in plan_variants.items()}
        self._variant_of = dict(plan_variants)

    def __repr__(self) -> str:
        mode = "live" if self.livemode else "test"
        return f"LemonSqueezy(store={self.store!r}, variant={self.variant!r}, currency={self.currency!r}, {mode})"

    def require_billable(self, currency: str, total_minor: int) -> None:
        """Nothing, where `currency` is the store's."""
        if currency != self.currency:
            raise self._unbillable(
                f"The store at Lemon Squeezy sells in {self.currency} only, and {format_money(total_minor, currency)} "
                f"was asked for. Nothing was charged. Price this in {self.currency}, or use another provider.",
                currency,
            )

    def start(self, bill: Bill) -> Started:
        """The bill's checkout: the one made for it before, where it is among the newest hundred, or a new one.

        Lemon Squeezy knows no idempotency keys. Two calls at the same time may make two checkouts of one order; the
        order keeps one address, and money paid twice is surplus and gives nothing.

        Raises:
            ProviderUnavailable, NotBillable. ModeMismatch: the API key is of the other mode.
        """
        self.require_billable(bill.currency, bill.total_minor)
        self._require_store()
        asked = self._asked(bill)
        made = self._made_before(self.variant, asked) or self._made(
            self.variant, asked, bill.currency, bill.total_minor
        )
        with _answered():
            return Started(f"checkout:{facts.word(made['id'])}", facts.address(made["attributes"]["url"]))

    def start_plan(self, bill: PlanBill) -> Started:
        """The checkout of a plan, whose variant says how long a period and a trial are.

        Raises:
            NotBillable: no variant is named for the plan, or Lemon Squeezy takes no such price. ProviderUnavailable.
        """
        self.require_billable(bill.currency, bill.price_minor)
        variant = self._variant_of.get(bill.plan)
        if variant is None:
            raise self._unbillable(
                f"No variant of Lemon Squeezy is named for the plan {bill.plan}. Nothing was charged. Name it in "
                "FARTHING_LEMONSQUEEZY_PLAN_VARIANTS, or use another provider.",
                bill.currency,
            )
        self._require_store()
        asked = plans.checkout(bill, int(variant), test_mode=not self.livemode)
        made = self._made_before(variant, asked) or self._made(variant, asked, bill.currency, bill.price_minor)
        with _answered():
            return Started(f"checkout:{facts.word(made['id'])}", facts.address(made["attributes"]["url"]))

    def portal(self, customer: str, *, return_url: str | None, locale: str | None) -> str:
        """The customer portal of the store, signed for this customer for a day. It leads nowhere back."""
        answer = self._api.read(f"/v1/customers/{customer}") if facts.NUMBER.fullmatch(customer) else None
        if answer is None:
            raise unavailable(f"it knows no customer {customer}")
        with _answered():
            return facts.address(answer["data"]["attributes"]["urls"]["customer_portal"])

    def look(self, reference: str) -> Found | None:
        """How an order or a subscription stands, by `order:<number>` or `subscription:<number>`.

        Of a `checkout:<UUID>`, only whose it is: they do not say who paid.

        None for what is not of our store, variant and mode.
        """
        kind, _, name = reference.partition(":")
        if kind == "subscription" and facts.NUMBER.fullmatch(name):
            return self._look_subscription(reference, name)
        if kind == "order" and facts.NUMBER.fullmatch(name):
            answer = self._api.read(f"/v1/orders/{name}")
        elif kind == "checkout" and _UUID.fullmatch(name):
            answer = self._api.read(f"/v1/checkouts/{name}")
        else:
            return None
        if answer is None:
            return None
        with _answered():
            data = answer["data"]
            if not self._is_ours(data["attributes"], plans=kind == "checkout"):
                log.warning("%s of Lemon Squeezy is of another store, product or mode: left alone", reference)
                return None
            if kind == "checkout":
                return Found((reference, *facts.ours(facts.custom(data))), ())
            if data["id"] != name:
                raise ValueError("it is another order")
            return facts.found(data, self.currency)

    def _look_subscription(self, reference: str, name: str) -> Found | None:
        asked_at = datetime.now(UTC)
        answer = self._api.read(f"/v1/subscriptions/{name}")
        if answer is None:
            return None
        with _answered():
            attributes = answer["data"]["attributes"]
            if not self._is_plan(attributes) or attributes["test_mode"] is self.livemode:
                log.warning("%s of Lemon Squeezy is of another store, product or mode: left alone", reference)
                return None
            plan = self._plan_of[str(attributes["variant_id"])]
            billed = plans.billed(reference, attributes, list(self._invoices(name)), plan, self.currency, asked_at)
            return Found((reference, f"order:{attributes['order_id']}"), (billed,), facts.customer(attributes))

    def _invoices(self, subscription: str) -> Iterator[Any]:
        """Every invoice of a subscription."""
        for number in count(1):
            query = {
                "filter[subscription_id]": subscription,
                "page[size]": str(LOOKED_THROUGH),
                "page[number]": str(number),
            }
            answer = self._api.read("/v1/subscription-invoices", query)
            found: list[Any] = answer["data"] if answer else []
            yield from found
            if len(found) < LOOKED_THROUGH:
                return

    def _is_plan(self, attributes: Any) -> bool:
        """Whether a subscription, or the checkout of one, is of our store and one of our plans."""
        return str(attributes["store_id"]) == self.store and str(attributes["variant_id"]) in self._plan_of

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nothing, where one of the secrets signed these bytes. When, nobody can tell: they say no time."""
        given = headers.get(SIGNATURE_HEADER, "")
        if not _SIGNATURE.fullmatch(given):
            raise _unsigned("it has no signature of theirs")
        right = [hmac.new(secret, body, sha256).hexdigest() for secret in self._secrets]
        if not any(hmac.compare_digest(given, one) for one in right):
            raise _unsigned("its signature is wrong")

    def read(self, body: bytes) -> ProviderEvent:
        """Which order of theirs a verified webhook is about, to be looked at; other kinds of events mean nothing."""
        try:
            return self._event(json.loads(body))
        except _UNREADABLE as error:
            raise EventUnreadable(f"This is no webhook of Lemon Squeezy ({error!r}). Nothing was changed.") from error

    def _event(self, told: Any) -> ProviderEvent:
        meta, data = told["meta"], told["data"]
        kind, attributes = facts.word(meta["event_name"]), data["attributes"]
        ours = facts.ours(meta.get("custom_data"))
        test_mode = attributes.get("test_mode", meta.get("test_mode"))
        livemode = not test_mode if isinstance(test_mode, bool) else self.livemode
        if kind.startswith("subscription_"):
            return self._subscribed(ProviderEvent(None, kind, livemode, ours), data)
        if kind not in _ORDER_EVENTS:
            return ProviderEvent(None, kind, livemode, ours)
        if data["type"] != "orders" or not isinstance(test_mode, bool):
            raise ValueError("it is about no order, or says no mode")
        name = facts.order_name(data)
        look = name if self._sold_here(attributes) and test_mode is not self.livemode else None
        references = (*ours, name, facts.word(attributes["identifier"]))
        return ProviderEvent(None, kind, not test_mode, references, look=look, customer=facts.customer(attributes))

    def _subscribed(self, event: ProviderEvent, data: Any) -> ProviderEvent:
        """An event about a subscription or an invoice of one, if that is of a plan that was bought here."""
        attributes = data["attributes"]
        if data["type"] == "subscriptions" and self._is_plan(attributes):
            look = f"subscription:{facts.word(data['id'])}"
        elif data["type"] == "subscription-invoices" and event.references and str(attributes["store_id"]) == self.store:
            look = f"subscription:{attributes['subscription_id']}"
        else:
            return event
        return event._replace(
            references=(*event.references, look), look=look if event.livemode is self.livemode else None,
            customer=facts.customer(attributes),
        )  # fmt: skip

    def _sold_here(self, attributes: Any) -> bool:
        """Whether a checkout or an order is of our store and variant: what else the store sells is not ours."""
        item = attributes.get("first_order_item") or attributes
        return str(attributes["store_id"]) == self.store and str(item["variant_id"]) == self.variant

    def _is_ours(self, attributes: Any, *, plans: bool) -> bool:
        sold = self._sold_here(attributes) or (plans and self._is_plan(attributes))
        return sold and attributes["test_mode"] is (not self.livemode)

    def _made(self, variant: str, asked: dict[str, Any], currency: str, minor: int) -> Any:
        related = {
            name: {"data": {"type": f"{name}s", "id": number}}
            for name, number in (("store", self.store), ("variant", variant))
        }
        body = {"data": {"type": "checkouts", "attributes": asked, "relationships": related}}
        try:
            answer = self._api.make("/v1/checkouts", body)
        except Declined as error:
            raise self._unbillable(
                f"Lemon Squeezy takes no payment of {format_money(minor, currency)} like this: {error}. Nothing was "
                "charged.",
                currency,
            ) from error
        with _answered():
            if answer["data"]["attributes"]["test_mode"] is self.livemode:
                answered, told = ("test", "live") if self.livemode else ("live", "test")
                raise ModeMismatch(
                    f"The API key of Lemon Squeezy is for {answered} mode, and Farthing was told {told} mode. Nothing "
                    f"was charged. Use a key that was made in {told} mode."
                )
            return answer["data"]

    def _asked(self, bill: Bill) -> dict[str, Any]:
        options: dict[str, Any] = {
            "name": bill.description,
            "description": f"Order {bill.order}",
            "enabled_variants": [int(self.variant)],  # or the page offers all others at our price
        }
        if bill.return_url is not None:
            options["redirect_url"] = bill.return_url
        data: dict[str, Any] = {"custom": {**bill.metadata, "order": bill.order}}
        if bill.email is not None:
            data["email"] = bill.email
        return {
            "custom_price": bill.total_minor,
            "product_options": options,
            "checkout_options": {"discount": bill.asks.promotion_codes},
            "checkout_data": data,
            "expires_at": facts.instant(bill.expires_at),
            "test_mode": not self.livemode,
        }

    def _require_store(self) -> None:
        """Asks once for the store's currency: in another one, every price would be wrong."""
        if self._store_seen:
            return
        answer = self._api.read(f"/v1/stores/{self.store}")
        if answer is None:
            raise unavailable(f"it has no store {self.store} for this API key")
        with _answered():
            currency = facts.word(answer["data"]["attributes"]["currency"])
        if currency != self.currency:
            raise self._unbillable(
                f"The store at Lemon Squeezy sells in {currency}, and Farthing was told {self.currency}. Nothing was "
                "charged. Set FARTHING_LEMONSQUEEZY_CURRENCY to the store's currency.",
                self.currency,
            )
        self._store_seen = True

    def _made_before(self, variant: str, asked: Mapping[str, Any]) -> Any:
        """The first checkout that was made for the same, whose answer may have been lost; None: there is none."""
        query = {"filter[store_id]": self.store, "filter[variant_id]": variant, "page[size]": str(LOOKED_THROUGH)}
        answer = self._api.read("/v1/checkouts", query)
        with _answered():
            made: list[Any] = [one for one in answer["data"] if self._is_same(one, variant, asked)] if answer else []
        return made[-1] if made else None  # the newest stands first

    def _is_same(self, checkout: Any, variant: str, asked: Mapping[str, Any]) -> bool:
        attributes, wanted = checkout["attributes"], facts.ours(asked["checkout_data"]["custom"])
        return (
            facts.ours(facts.custom(checkout)) == wanted
            and attributes["custom_price"] == asked["custom_price"]
            and (str(attributes["store_id"]), str(attributes["variant_id"])) == (self.store, variant)
            and attributes["test_mode"] is (not self.livemode)
        )

    def _unbillable(self, message: str, currency: str) -> NotBillable:
        return NotBillable(message, provider=self.name, currency=currency)


@contextmanager
def _answered() -> Generator[None]:
    """Turns an answer that is not what the API documents into ProviderUnavailable."""
    try:
        yield
    except _UNREADABLE as error:
        raise unavailable(f"it answered what we do not understand ({str(error)[:100]})") from error


def _unsigned(why: str) -> BadSignature:
    return BadSignature(f"This webhook is not from Lemon Squeezy: {why}. Nothing was stored.")
