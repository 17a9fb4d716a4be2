"""The money path against localstripe: a counterpart of Stripe that no one here wrote, in a process of its own.

It plays customers, cards by their test numbers, PaymentIntents, refunds, and webhooks that it signs and delivers to our
server. It knows no Checkout Sessions, disputes or idempotency keys, and refuses descriptions and
`automatic_payment_methods`, so the bills here have none and the form offers cards.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

import farthing
from farthing.core.payments import Notice, Refund, SavedCard
from farthing.providers import Bill, Charged, Started
from farthing.providers.stripe import Stripe
from farthing.server import assemble
from farthing.testing import Clock
from tests.selling import STORE, available, selling

pytestmark = pytest.mark.row("P3", "P8")

SECRET = "whsec_of_localstripe"
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def api() -> Generator[str]:
    """localstripe on a free port, with nothing in it. It listens on every interface, as it always does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("localstripe")
    process = subprocess.Popen(
        [program, "--port", str(port), "--from-scratch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


class Undescribed(Stripe):
    """Bills without the description, and charges without the look at earlier ones, that localstripe does not know."""

    def _charged_before(self, bill: Bill, card: SavedCard, attempt: int) -> Charged | None:
        return None

    def start(self, bill: Bill) -> Started:
        return super().start(bill._replace(description=""))


@pytest.fixture
def stripe(api: str) -> Stripe:
    return Undescribed(
        secret_key="sk_test_12345", secrets=[SECRET], publishable_key="pk_test_12345", payment_methods=["card"],
        api_base=api,
    )  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    """It signs by the real time."""
    return Clock(datetime.now(UTC))


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/customers", headers={"authorization": "Bearer sk_test_12345"}).status_code == 200
    except httpx2.TransportError:
        return False


def until(done: Callable[[], Any]) -> Any:
    """What `done` answers as soon as it is something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := done()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


@contextmanager
def served(credits: farthing.Credits, api: str) -> Iterator[None]:
    """Our server, to which localstripe delivers its webhooks."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/v1/webhooks/stripe"
    server = uvicorn.Server(uvicorn.Config(assemble(credits, []), log_level="warning", lifespan="off"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    answer = httpx2.post(
        f"{api}/_config/webhooks/farthing", json={"url": address, "secret": SECRET},
        headers={"authorization": "Bearer sk_test_12345"},
    )  # fmt: skip
    assert answer.status_code == 200
    try:
        yield
    finally:
        server.should_exit = True
        serving.join()
        listening.close()


def left(stripe: Stripe, number: str) -> SavedCard:
    """A customer's card, left with Stripe."""
    customer = stripe.ask_card("ada", key=number, customer=None, return_url=None, form=True).customer or ""
    v1: Any = stripe._api.v1  # pyright: ignore[reportPrivateUsage]
    card = {"number": number, "exp_month": 12, "exp_year": 2031, "cvc": "123"}
    method = v1.payment_methods.create({"type": "card", "card": card})
    v1.payment_methods.attach(method.id, {"customer": customer})
    return SavedCard(customer, method.id, datetime.now(UTC))


def bill(order: str) -> Bill:
    return Bill(order, "", "USD", 990, None, datetime.now(UTC) + timedelta(days=1), account="ada")


def test_a_good_card_is_charged_and_its_refund_is_found(stripe: Stripe):
    charged = stripe.charge(bill("ord_good"), left(stripe, "4242424242424242"), attempt=1)
    assert charged.notice == Notice(charged.reference, "paid", charged.notice.at, 990, 0, "USD")
    v1: Any = stripe._api.v1  # pyright: ignore[reportPrivateUsage]
    v1.refunds.create({"payment_intent": charged.reference, "amount": 330})
    found = stripe.look(charged.reference)
    assert found
    assert {"ord_good", charged.reference} <= set(found.references)
    [refund] = [fact for fact in found.facts if isinstance(fact, Refund)]
    assert (refund.payment, refund.amount_minor, refund.said) == (charged.reference, 330, "succeeded")


@pytest.mark.parametrize(
    ("number", "reason"),
    [("4000000000000341", "card_declined"), ("4000002500003155", "authentication_required")],
)
def test_what_the_bank_says_is_an_answer(stripe: Stripe, number: str, reason: str):
    notice = stripe.charge(bill(f"ord_{number}"), left(stripe, number), attempt=1).notice
    assert (notice.said, notice.reason) == ("failed", reason)


def test_a_form_has_what_its_script_needs_and_nothing_is_paid_yet(stripe: Stripe):
    started = stripe.start(bill("ord_form")._replace(form=True))
    assert started.client_secret and started.client_secret.startswith(started.reference)
    found = stripe.look(started.reference)
    assert found and found.facts == ()


def test_money_that_the_bank_let_through_at_last_comes_by_its_own_webhook(
    database_url: str, clock: Clock, stripe: Stripe, api: str
):
    """Charged while the customer was away, which the bank refused; the customer agreed later; credits come once."""
    with selling(database_url, clock, STORE, providers=[stripe]) as credits, served(credits, api):
        order = credits.checkout("ada", package="starter", key="buy:1", provider="stripe", form=True).order.id
        charged = stripe.charge(bill(order), left(stripe, "4000002500003155"), attempt=1)
        assert (charged.notice.reason, available(credits)) == ("authentication_required", 0)
        secret = stripe._api.v1.payment_intents.retrieve(charged.reference).client_secret  # pyright: ignore
        answer = httpx2.post(
            f"{api}/v1/payment_intents/{charged.reference}/_authenticate?success=true",
            json={"key": "pk_test_12345", "client_secret": secret},
        )
        assert answer.status_code == 200
        until(lambda: available(credits) == 110)
        assert credits.order("ada", order).status == "fulfilled"
