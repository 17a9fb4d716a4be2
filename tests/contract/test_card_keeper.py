"""What a provider must do that keeps cards: a new one is a rig in RIGS and passes all of this."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

import pytest

from farthing.core.payments import SavedCard
from farthing.errors import ProviderUnavailable
from farthing.providers import Bill, CardKeeper, Found, Started
from farthing.testing import Clock, sandbox
from tests.stripe_town import collector as stripe
from tests.stripe_town import stripe_town

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BILL = Bill("ord_1", "110 Image credits", "USD", 990, None, NOW + timedelta(days=1), account="ada")
HOME = "https://shop.test/cards"

Temper = Literal["ok", "declined", "authenticate", "unreachable"]


class Rig(Protocol):
    """A provider, the cards that its counterpart knows, and the customer who leaves one."""

    @property
    def provider(self) -> CardKeeper: ...

    def card(self, temper: Temper) -> SavedCard:
        """A card that is charged, refused, wants its owner, or is charged while the answer is lost."""
        ...

    def leave(self, started: Started, *, return_url: str | None) -> bytes:
        """The event that comes when the customer left a good card where `started` says."""
        ...

    def close(self) -> None:
        """Ends its counterpart."""
        ...


class SandboxRig:
    def __init__(self) -> None:
        self.provider = sandbox(clock=Clock(NOW))

    def close(self) -> None:
        pass

    def card(self, temper: Temper) -> SavedCard:
        return SavedCard("cus_1", f"card_{temper}", NOW)

    def leave(self, started: Started, *, return_url: str | None) -> bytes:
        asked = self.provider.card_asked((started.url or "").rpartition("/")[2])
        assert asked is not None
        assert (started.reference, started.customer, return_url) == asked
        return self.provider.card_event(asked, "card_ok", id="evt_1", at=NOW)


class StripeRig:
    def __init__(self) -> None:
        self._stack = ExitStack()
        self._town = self._stack.enter_context(stripe_town())
        self.provider = stripe(self._town)
        self._cards: dict[Temper, str] = {}

    def close(self) -> None:
        self._stack.close()

    def card(self, temper: Temper) -> SavedCard:
        names = {"declined": "pm_card_chargeDeclined", "authenticate": "pm_card_authenticationRequired"}
        if temper not in self._cards:
            self._cards[temper] = self._town.leave_card(names.get(temper, "pm_card_visa"), "cus_1")
            self._town.bad_days = ["lost"] * 3 if temper == "unreachable" else []  # the SDK asks three times
        return SavedCard("cus_1", self._cards[temper], NOW)

    def leave(self, started: Started, *, return_url: str | None) -> bytes:
        assert self._town.held[started.reference]["success_url"] == return_url
        self._town.pay(started.reference)
        [event] = [one for one in self._town.events if one["type"] == "checkout.session.completed"]
        return self._town.letter(event)[1]


RIGS: list[Callable[[], Rig]] = [SandboxRig, StripeRig]

pytestmark = pytest.mark.row("P13")


@pytest.fixture(params=RIGS, ids=lambda rig: rig.__name__.removesuffix("Rig").lower())
def rig(request: pytest.FixtureRequest) -> Generator[Rig]:
    made = request.param()
    yield made
    made.close()


def told(rig: Rig, body: bytes) -> Found:
    """What an event says itself, or what is found where it says to look."""
    event = rig.provider.read(body)
    if event.look is None:
        return Found(event.references, event.facts, event.customer)
    found = rig.provider.look(event.look)
    assert found
    return found._replace(references=(*event.references, *found.references))


def test_it_says_that_it_keeps_cards(rig: Rig):
    assert isinstance(rig.provider, CardKeeper)


def test_a_good_card_pays_the_bill(rig: Rig):
    reference, notice = rig.provider.charge(BILL, rig.card("ok"), attempt=1)
    assert (reference, "paid", 990, "USD") == (notice.payment, notice.said, notice.amount_minor, notice.currency)


def test_the_same_attempt_is_the_same_charge_and_the_next_one_another(rig: Rig):
    first = rig.provider.charge(BILL, rig.card("ok"), attempt=1)
    assert first == rig.provider.charge(BILL, rig.card("ok"), attempt=1)
    others = [
        rig.provider.charge(BILL, rig.card("ok"), attempt=2),
        rig.provider.charge(BILL._replace(order="ord_2"), rig.card("ok"), attempt=1),
    ]
    assert len({first.reference, *(other.reference for other in others)}) == 3


@pytest.mark.parametrize(("temper", "reason"), [("declined", "decline"), ("authenticate", "authentication_required")])
def test_a_refusal_is_an_answer_and_says_why(rig: Rig, temper: Temper, reason: str):
    notice = rig.provider.charge(BILL, rig.card(temper), attempt=1).notice
    assert (notice.said, notice.amount_minor) == ("failed", 0)
    assert notice.reason
    assert reason in notice.reason


def test_after_a_lost_answer_the_same_call_tells_that_the_card_was_charged(rig: Rig):
    with pytest.raises(ProviderUnavailable):
        rig.provider.charge(BILL, rig.card("unreachable"), attempt=1)
    reference, notice = rig.provider.charge(BILL, rig.card("unreachable"), attempt=1)
    assert (notice.said, notice.amount_minor) == ("paid", 990)
    found = rig.provider.look(reference)
    assert found
    assert notice in found.facts
    assert {BILL.order, reference} <= set(found.references)


def test_a_card_is_left_without_paying_and_an_event_says_which(rig: Rig):
    started = rig.provider.ask_card("ada", key="card:1", customer=None, return_url=HOME)
    assert started.customer
    assert started.url
    event = told(rig, rig.leave(started, return_url=HOME))
    [card] = event.facts
    assert isinstance(card, SavedCard)
    assert started.customer == event.customer == card.customer
    assert started.reference in event.references
    assert card.label
    assert rig.provider.charge(BILL, card, attempt=1).notice.said == "paid"


def test_the_same_wish_for_a_card_is_answered_the_same(rig: Rig):
    asked = [
        rig.provider.ask_card("ada", key="card:1", customer="cus_ada", return_url=HOME),
        rig.provider.ask_card("ada", key="card:1", customer="cus_ada", return_url=HOME),
        rig.provider.ask_card("ada", key="card:2", customer="cus_ada", return_url=HOME),
        rig.provider.ask_card("bob", key="card:1", customer="cus_bob", return_url=HOME),
    ]
    assert asked[0] == asked[1]
    assert len({started.reference for started in asked}) == 3
    assert [started.customer for started in asked] == ["cus_ada"] * 3 + ["cus_bob"]
