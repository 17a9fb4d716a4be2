"""What every payment provider must do: a new one is a rig in RIGS and passes all of this."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from farthing.core.payments import Said
from farthing.errors import BadSignature, EventUnreadable
from farthing.providers import Bill, Provider
from farthing.providers.sandbox import Kind
from tests.selling import SECRET, sandbox

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BILL = Bill("ord_1", "110 Image credits", "USD", 990, "https://shop.test/orders/ord_1", NOW + timedelta(days=1))

Webhook = tuple[dict[str, str], bytes]


class Rig(Protocol):
    """A provider, and the webhooks its real counterpart would send."""

    @property
    def provider(self) -> Provider: ...

    def signed(self, said: Said | None, at: datetime, *, secret: str = SECRET) -> Webhook:
        """The webhook that says so of BILL's payment; None is an event that means nothing to us."""
        ...

    def sign(self, body: bytes, at: datetime) -> Webhook:
        """Any body, signed."""
        ...


class SandboxRig:
    def __init__(self) -> None:
        self.provider = sandbox()

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


RIGS: list[Callable[[], Rig]] = [SandboxRig]

pytestmark = pytest.mark.row("P13")


@pytest.fixture(params=RIGS, ids=lambda rig: rig.__name__.removesuffix("Rig").lower())
def rig(request: pytest.FixtureRequest) -> Rig:
    return request.param()


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
    assert first.url.startswith(("http://", "https://"))


@pytest.mark.parametrize("age_s", [0, 299, -299])
def test_what_it_signed_in_the_last_five_minutes_is_accepted(rig: Rig, age_s: int):
    headers, body = rig.signed("paid", NOW - timedelta(seconds=age_s))
    rig.provider.verify(headers, body, NOW)


@pytest.mark.row("P6")
@pytest.mark.parametrize("age", [timedelta(minutes=5, seconds=1), timedelta(days=1), timedelta(minutes=-6)])
def test_yesterdays_signature_is_refused(rig: Rig, age: timedelta):
    headers, body = rig.signed("paid", NOW - age)
    with pytest.raises(BadSignature):
        rig.provider.verify(headers, body, NOW)


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


@pytest.mark.parametrize("said", ["pending", "failed", "cancelled", "expired", "paid"])
def test_its_events_say_what_became_of_the_payment(rig: Rig, said: Said):
    event = rig.provider.read(rig.signed(said, NOW)[1])
    assert event.notice is not None
    assert (said, NOW) == (event.notice.said, event.notice.at)
    assert rig.provider.livemode == event.livemode
    assert event.notice.reason == ("card_declined" if said == "failed" else None)


def test_a_paid_event_says_what_was_paid(rig: Rig):
    notice = rig.provider.read(rig.signed("paid", NOW)[1]).notice
    assert notice is not None
    assert (notice.amount_minor, notice.tax_minor, notice.currency) == (990, 0, "USD")


def test_every_event_names_our_order_and_its_payment(rig: Rig):
    started = rig.provider.start(BILL)
    for said in ("pending", "paid"):
        event = rig.provider.read(rig.signed(said, NOW)[1])
        assert event.notice is not None
        assert {BILL.order, started.reference, event.notice.payment} <= set(event.references)


@pytest.mark.row("P6")
def test_an_event_that_means_nothing_to_us_is_no_mistake(rig: Rig):
    event = rig.provider.read(rig.signed(None, NOW)[1])
    assert event.notice is None
    assert event.kind


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'"id"', b"\xff", b"[" * 100_000, b'{"id":1}', b"NaN"],
    ids=["empty", "null", "list", "object", "string", "not utf-8", "deep", "number", "nan"],
)
def test_a_body_it_would_not_send_is_unreadable_and_says_so(rig: Rig, body: bytes):
    with pytest.raises(EventUnreadable):
        rig.provider.read(body)
