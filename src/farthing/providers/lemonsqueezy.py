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
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

from farthing.amounts import LIMIT, decimals_of, format_money
from farthing.core.payments import Fact, Notice, Refund
from farthing.errors import BadSignature, EventUnreadable, ModeMismatch, NotBillable, SettingsInvalid
from farthing.providers import Bill, Found, ProviderEvent, Started
from farthing.providers.lemonsqueezy_api import API_BASE, TIMEOUT_S, Api, Declined, unavailable

log = logging.getLogger("farthing")

SIGNATURE_HEADER = "x-signature"
MIN_SECRET_BYTES = 16
LOOKED_THROUGH = 100  # the newest checkouts, among which a lost one is found again: one page, the longest there is

_ORDER_EVENTS = ("order_created", "order_refunded")
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F-]{36}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


class LemonSqueezy:
    """The provider "lemonsqueezy". Printing it shows no secret.

    Args:
        api_key: of the mode that `livemode` says; Lemon Squeezy makes one for each.
        store, variant: their numbers; the variant is one product sold once, whose price each checkout overrides.
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
        secrets: Sequence[str],
        currency: str = "USD",
        livemode: bool,
        api_base: str = API_BASE,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", api_key):
            raise SettingsInvalid("The API key of Lemon Squeezy is empty, or holds blanks or letters that no key has.")
        if not (_NUMBER.fullmatch(store) and _NUMBER.fullmatch(variant)):
            raise SettingsInvalid("The store and the variant of Lemon Squeezy are numbers, such as 12345.")
        if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"The webhook of Lemon Squeezy needs a secret of at least {MIN_SECRET_BYTES} bytes.")
        if decimals_of(currency) != 2:
            # It says "cents" of every amount, and nowhere what a cent of a currency without them is.
            raise SettingsInvalid(f"Lemon Squeezy counts in cents, and {currency} has none. Sell in another currency.")
        self.store, self.variant, self.currency, self.livemode = store, variant, currency, livemode
        self._api = Api(api_key, base=api_base, timeout_s=timeout_s, sleep=sleep)
        self._secrets = [secret.encode() for secret in secrets]
        self._store_seen = False

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
        made = self._made_before(bill) or self._made(bill)
        with _answered():
            return Started(f"checkout:{_word(made['id'])}", _address(made["attributes"]["url"]))

    def look(self, reference: str) -> Found | None:
        """How an order stands, by `order:<number>`; of a `checkout:<UUID>`, only whose it is: they do not say who paid.

        None for what is not of our store, variant and mode.
        """
        kind, _, name = reference.partition(":")
        if kind == "order" and _NUMBER.fullmatch(name):
            answer = self._api.read(f"/v1/orders/{name}")
        elif kind == "checkout" and _UUID.fullmatch(name):
            answer = self._api.read(f"/v1/checkouts/{name}")
        else:
            return None
        if answer is None:
            return None
        with _answered():
            data = answer["data"]
            if not self._is_ours(data["attributes"]):
                log.warning("%s of Lemon Squeezy is of another store, product or mode: left alone", reference)
                return None
            if kind == "checkout":
                return Found((reference, *_our_order(_custom(data))), ())
            if data["id"] != name:
                raise ValueError("it is another order")
            return _found(data, self.currency)

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
        kind, attributes = _word(meta["event_name"]), data["attributes"]
        ours = _our_order(meta.get("custom_data"))
        test_mode = attributes.get("test_mode", meta.get("test_mode"))
        if kind not in _ORDER_EVENTS:
            livemode = not test_mode if isinstance(test_mode, bool) else self.livemode
            return ProviderEvent(None, kind, livemode, ours)
        if data["type"] != "orders" or not isinstance(test_mode, bool):
            raise ValueError("it is about no order, or says no mode")
        name = _name(data)
        look = name if self._sold_here(attributes) and test_mode is not self.livemode else None
        references = (*ours, name, _word(attributes["identifier"]))
        return ProviderEvent(None, kind, not test_mode, references, look=look, customer=_customer(attributes))

    def _sold_here(self, attributes: Any) -> bool:
        """Whether a checkout or an order is of our store and variant: what else the store sells is not ours."""
        item = attributes.get("first_order_item") or attributes
        return str(attributes["store_id"]) == self.store and str(item["variant_id"]) == self.variant

    def _is_ours(self, attributes: Any) -> bool:
        return self._sold_here(attributes) and attributes["test_mode"] is (not self.livemode)

    def _made(self, bill: Bill) -> Any:
        try:
            answer = self._api.make("/v1/checkouts", self._asked(bill))
        except Declined as error:
            raise self._unbillable(
                f"Lemon Squeezy takes no payment of {format_money(bill.total_minor, bill.currency)} like this: "
                f"{error}. Nothing was charged.",
                bill.currency,
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
        attributes: dict[str, Any] = {
            "custom_price": bill.total_minor,
            "product_options": options,
            "checkout_options": {"discount": bill.asks.promotion_codes},
            "checkout_data": data,
            "expires_at": _instant(bill.expires_at),
            "test_mode": not self.livemode,
        }
        related = {
            name: {"data": {"type": f"{name}s", "id": number}}
            for name, number in (("store", self.store), ("variant", self.variant))
        }
        return {"data": {"type": "checkouts", "attributes": attributes, "relationships": related}}

    def _require_store(self) -> None:
        """Asks once for the store's currency: in another one, every price would be wrong."""
        if self._store_seen:
            return
        answer = self._api.read(f"/v1/stores/{self.store}")
        if answer is None:
            raise unavailable(f"it has no store {self.store} for this API key")
        with _answered():
            currency = _word(answer["data"]["attributes"]["currency"])
        if currency != self.currency:
            raise self._unbillable(
                f"The store at Lemon Squeezy sells in {currency}, and Farthing was told {self.currency}. Nothing was "
                "charged. Set FARTHING_LEMONSQUEEZY_CURRENCY to the store's currency.",
                self.currency,
            )
        self._store_seen = True

    def _made_before(self, bill: Bill) -> Any:
        """The first checkout that was made for the bill, whose answer may have been lost; None: there is none."""
        query = {
            "filter[store_id]": self.store,
            "filter[variant_id]": self.variant,
            "page[size]": str(LOOKED_THROUGH),
        }
        answer = self._api.read("/v1/checkouts", query)
        with _answered():
            made: list[Any] = [one for one in answer["data"] if self._is_of(one, bill)] if answer else []
        return made[-1] if made else None  # the newest stands first

    def _is_of(self, checkout: Any, bill: Bill) -> bool:
        attributes = checkout["attributes"]
        return (
            _our_order(_custom(checkout)) == (bill.order,)
            and attributes["custom_price"] == bill.total_minor
            and self._is_ours(attributes)
        )

    def _unbillable(self, message: str, currency: str) -> NotBillable:
        return NotBillable(message, provider=self.name, currency=currency)


def _found(data: Any, currency: str) -> Found:
    """An order of theirs as it stands, in money of `currency` where it says that."""
    name, attributes = _name(data), data["attributes"]
    charged_in = _word(attributes["currency"])
    # Where the customer paid in another currency than a store that sells in USD, it says all amounts in USD as well.
    suffix = "_usd" if currency == "USD" != charged_in else ""
    total, tax, discount = (_minor(attributes[f"{one}{suffix}"]) for one in ("total", "tax", "discount_total"))
    said_in = currency if suffix else charged_in
    facts: list[Fact] = [_notice(name, attributes, total, tax, discount, said_in)]
    refunded = _refunded(attributes, suffix, total)
    if refunded:
        at = _time(attributes.get("refunded_at") or attributes["updated_at"])
        facts.append(Refund(name, None, "succeeded", at, refunded, said_in))
    return Found((name, _word(attributes["identifier"])), tuple(facts), _customer(attributes))


def _notice(name: str, attributes: Any, total: int, tax: int, discount: int, currency: str) -> Notice:
    status = attributes["status"]
    match status:
        case "paid" | "refunded" | "partial_refund":
            at = _time(attributes["created_at"])
            return Notice(name, "paid", at, total, tax, currency, discount_minor=discount)
        case "pending":
            return Notice(name, "pending", _time(attributes["updated_at"]), currency=currency)
        case "failed" | "fraudulent":
            reason = "fraudulent" if status == "fraudulent" else None
            return Notice(name, "failed", _time(attributes["updated_at"]), currency=currency, reason=reason)
        case _:
            raise ValueError(f"an order has the status {status!r}")


def _refunded(attributes: Any, suffix: str, total: int) -> int:
    """All that was given back of an order until now, tax and all."""
    said = attributes.get(f"refunded_amount{suffix}")
    if said is None:  # orders of an older shape say only whether
        if attributes["status"] == "partial_refund":
            raise ValueError("an order was refunded in part, and does not say how much")
        return total if attributes["refunded"] is True else 0
    return _minor(said)


@contextmanager
def _answered() -> Generator[None]:
    """Turns an answer that is not what the API documents into ProviderUnavailable."""
    try:
        yield
    except _UNREADABLE as error:
        raise unavailable(f"it answered what we do not understand ({str(error)[:100]})") from error


def _custom(checkout: Any) -> Any:
    return checkout["attributes"]["checkout_data"]["custom"]


def _our_order(custom: Any) -> tuple[str, ...]:
    """Our order's id, where custom data names one. A customer can write it: it says which order, never how much."""
    said = cast(dict[str, Any], custom).get("order") if isinstance(custom, dict) else None
    return (said,) if isinstance(said, str) and _WORD.fullmatch(said) else ()


def _name(order: Any) -> str:
    if order["type"] != "orders" or not _NUMBER.fullmatch(order["id"]):
        raise ValueError("it is no order")
    return f"order:{order['id']}"


def _customer(attributes: Any) -> str | None:
    said = attributes.get("customer_id")
    return str(said) if type(said) is int else None


def _word(said: Any) -> str:
    if not isinstance(said, str) or not _WORD.fullmatch(said):
        raise ValueError(f"{said!r} is no name")
    return said


def _address(said: Any) -> str:
    if not isinstance(said, str) or not said.startswith(("https://", "http://")):
        raise ValueError("a checkout has no address")
    return said


def _minor(said: Any) -> int:
    if type(said) is not int or not 0 <= said < LIMIT:
        raise ValueError(f"{said!r} is no amount of money")
    return said


def _time(said: Any) -> datetime:
    at = datetime.fromisoformat(said)
    if at.tzinfo is None:
        raise ValueError(f"{said!r} has no zone")
    return at.astimezone(UTC)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unsigned(why: str) -> BadSignature:
    return BadSignature(f"This webhook is not from Lemon Squeezy: {why}. Nothing was stored.")
