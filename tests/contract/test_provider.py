"""What every payment provider must do: a new one is a rig in RIGS and passes all of this."""

from __future__ import annotations

from collections.abc import Callable, Generator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Protocol, get_args

import pytest
from stripe import WebhookSignature

from farthing.core.payments import Notice, Said
from farthing.errors import BadSignature, EventUnreadable
from farthing.providers import Bill, Found, Provider
from farthing.providers.sandbox import Kind
from tests.lemon_town import lemon_town
from tests.lemon_town import provider as lemonsqueezy
from tests.selling import SECRET, sandbox
from tests.stripe_town import collector as stripe
from tests.stripe_town import stripe_town

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BILL = Bill("ord_1", "110 Image credits", "USD", 990, "https://shop.test/orders/ord_1", NOW + timedelta(days=1))

Webhook = tuple[dict[str, str], bytes]


class Rig(Protocol):
    """A provider, and the webhooks its real counterpart would send."""

    @property
    def provider(self) -> Provider: ...

    @property
    def says(self) -> AbstractSet[Said]:
        """What its events can say of a payment."""
        ...

    @property
    def declined(self) -> str | None:
        """The reason it gives where the card was declined."""
        ...

    @property
    def dated(self) -> bool:
        """Whether its signatures say when they were made."""
        ...

    @property
    def names_checkout(self) -> bool:
        """Whether its events name the checkout, beside our order and the payment."""
        ...

    def close(self) -> None:
        """Ends its counterpart."""
        ...

    def signed(self, said: Said | None, at: datetime, *, secret: str = SECRET) -> Webhook:
        """The webhook that says so of BILL's payment; None is an event that means nothing to us."""
        ...

    def sign(self, body: bytes, at: datetime) -> Webhook:
        """Any body, signed."""
        ...


class SandboxRig:
    says: AbstractSet[Said] = frozenset(get_args(Said))
    declined = "card_declined"
    dated = names_checkout = True

    def __init__(self) -> None:
        self.provider = sandbox()

    def close(self) -> None:
        pass

    def signed(self, said: Said | None, at: datetime, *, secret: str = SECRET) -> Webhook:
        sender = sandbox("http://sandbox.test", secret)
        kinds: dict[Said, Kind] = {
            "paid": "payment.paid",
            "pending": "payment.pending",
            "failed": "payment.failed",
            "cancelled": "checkout.cancelled",
            "expired": "checkout.expired",
        }
        reason = "card_declined" if said == "failed" else None
        body = sender.event(BILL, kinds[said or "pending"], id="evt_1", at=at, reason=reason)
        if said is None:
            body = body.replace(b"payment.pending", b"shop.renamed")
        return sender.sign(body, at), body

    def sign(self, body: bytes, at: datetime) -> Webhook:
        return sandbox().sign(body, at), body


class LemonSqueezyRig:
    says: AbstractSet[Said] = {"pending", "failed", "paid"}
    declined = None
    dated = names_checkout = False

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._town = self._stack.enter_context(lemon_town())
        self.provider = lemonsqueezy(self._town, SECRET)

    def close(self) -> None:
        self._stack.close()

    def signed(self, said: Said | None, at: datetime, *, secret: str = SECRET) -> Webhook:
        self._town.now = at
        number = self._town.sell(990, {"order": BILL.order}, said or "paid")
        event = "order_created" if said else "license_key_created"
        _, body = self._town.webhook(event, number)
        return self._town.sign(body, event, secret=secret), body

    def sign(self, body: bytes, at: datetime) -> Webhook:
        return self._town.sign(body, secret=SECRET), body


class StripeRig:
    says: AbstractSet[Said] = {"pending", "failed", "expired", "paid"}
    declined = "insufficient_funds"
    dated = names_checkout = True

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._town = self._stack.enter_context(stripe_town())
        self.provider = stripe(self._town, secrets=[SECRET])

    def close(self) -> None:
        self._stack.close()

    def signed(self, said: Said | None, at: datetime, *, secret: str = SECRET) -> Webhook:
        page = self.provider.start(BILL).reference
        before = deepcopy(self._town.held)
        does = {"pending": self._town.later, "failed": self._town.decline, "expired": self._town.expire}
        does.get(said or "paid", self._town.pay)(page)
        event = self._town.events[-1] | {"created": int(at.timestamp())}
        self._town.held = before
        if said is None:
            event["type"] = "customer.created"
        headers, body = self._town.letter(event, secret=secret, at=at.timestamp())
        return {name.lower(): value for name, value in headers.items()}, body

    def sign(self, body: bytes, at: datetime) -> Webhook:
        header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(at.timestamp()))  # pyright: ignore
        return {"stripe-signature": header}, body


RIGS: list[Callable[[], Rig]] = [SandboxRig, LemonSqueezyRig, StripeRig]

pytestmark = pytest.mark.row("P13")


@pytest.fixture(params=RIGS, ids=lambda rig: rig.__name__.removesuffix("Rig").lower())
def rig(request: pytest.FixtureRequest) -> Generator[Rig]:
    made = request.param()
    yield made
    made.close()


def told(rig: Rig, webhook: Webhook) -> Found:
    """What an event comes to: what it says itself, or what is found where it says to look."""
    event = rig.provider.read(webhook[1])
    if event.look is None:
        return Found(event.references, event.facts)
    found = rig.provider.look(event.look)
    assert found
    return Found((*event.references, *found.references), found.facts)


def test_it_has_a_name_that_a_route_can_hold(rig: Rig):
    name = rig.provider.name
    assert name.isascii()
    assert name.isalpha()
    assert name == name.lower()


def test_the_same_bill_starts_the_same_checkout(rig: Rig):
    first, again = rig.provider.start(BILL), rig.provider.start(BILL)
    other = rig.provider.start(BILL._replace(order="ord_2"))
    assert first == again
    assert first.reference != other.reference
    assert first.url
    assert first.url.startswith(("http://", "https://"))


def test_a_form_has_the_same_secret_each_time_and_no_page(rig: Rig):
    bill = BILL._replace(form=True)
    if rig.provider.forms:
        first, again = rig.provider.start(bill), rig.provider.start(bill)
        assert first == again
        assert first.url is None
        assert first.client_secret
        assert first.publishable_key
    else:
        assert rig.provider.forms is False


@pytest.mark.parametrize("age_s", [0, 299, -299])
def test_what_it_signed_in_the_last_five_minutes_is_accepted(rig: Rig, age_s: int):
    headers, body = rig.signed("paid", NOW - timedelta(seconds=age_s))
    rig.provider.verify(headers, body, NOW)


@pytest.mark.row("P6")
@pytest.mark.parametrize("age", [timedelta(minutes=5, seconds=1), timedelta(days=1), timedelta(minutes=-6)])
def test_yesterdays_signature_is_refused(rig: Rig, age: timedelta):
    headers, body = rig.signed("paid", NOW - age)
    if rig.dated:
        with pytest.raises(BadSignature):
            rig.provider.verify(headers, body, NOW)
        return
    # A signature without a date is good for ever: so nothing may be believed of what it signs but where to look.
    rig.provider.verify(headers, body, NOW)
    event = rig.provider.read(body)
    assert (event.facts, event.look is None) == ((), False)


@pytest.mark.row("P6")
def test_a_body_that_was_changed_is_refused(rig: Rig):
    headers, body = rig.signed("paid", NOW)
    for changed in (body + b" ", body.replace(b"990", b"991"), b""):
        with pytest.raises(BadSignature):
            rig.provider.verify(headers, changed, NOW)


@pytest.mark.row("P6")
def test_a_signature_by_somebody_else_or_none_at_all_is_refused(rig: Rig):
    headers, body = rig.signed("paid", NOW, secret="the secret of somebody else")
    with pytest.raises(BadSignature):
        rig.provider.verify(headers, body, NOW)
    for wrong in ("", "t=", "t=1,v1=", "v1=ab", f"t={'9' * 40},v1=ab", "t=1,v1=²", "\ud800", "t=1," * 10_000):
        with pytest.raises(BadSignature):
            rig.provider.verify(dict.fromkeys(headers, wrong), body, NOW)
    with pytest.raises(BadSignature):
        rig.provider.verify({}, body, NOW)


def noticed(found: Found) -> Notice:
    [notice] = [fact for fact in found.facts if isinstance(fact, Notice)]
    return notice


def test_its_events_say_what_became_of_the_payment(rig: Rig):
    assert {"paid", "failed"} <= rig.says
    for said in rig.says:
        webhook = rig.signed(said, NOW)
        notice = noticed(told(rig, webhook))
        assert (said, NOW) == (notice.said, notice.at)
        assert rig.provider.livemode == rig.provider.read(webhook[1]).livemode
        assert notice.reason == (rig.declined if said == "failed" else None)


def test_a_paid_event_says_what_was_paid(rig: Rig):
    notice = noticed(told(rig, rig.signed("paid", NOW)))
    assert (notice.amount_minor, notice.tax_minor, notice.currency) == (990, 0, "USD")


def test_every_event_names_our_order_and_its_payment(rig: Rig):
    started = rig.provider.start(BILL)
    for said in ("pending", "paid"):
        webhook = rig.signed(said, NOW)
        named = {BILL.order, noticed(told(rig, webhook)).payment}
        named |= {started.reference} if rig.names_checkout else set()
        assert named <= set(rig.provider.read(webhook[1]).references)


@pytest.mark.row("P6")
def test_an_event_that_means_nothing_to_us_is_no_mistake(rig: Rig):
    event = rig.provider.read(rig.signed(None, NOW)[1])
    assert (event.facts, event.look) == ((), None)
    assert event.kind


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'"id"', b"\xff", b"[" * 100_000, b'{"id":1}', b"NaN"],
    ids=["empty", "null", "list", "object", "string", "not utf-8", "deep", "number", "nan"],
)
def test_a_body_it_would_not_send_is_unreadable_and_says_so(rig: Rig, body: bytes):
    with pytest.raises(EventUnreadable):
        rig.provider.read(body)
