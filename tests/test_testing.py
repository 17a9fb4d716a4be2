"""The test kit: a clock, the sandbox's post, and the proof, as the tests of an application use them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

import farthing
from farthing import testing
from farthing.core.payments import Dispute, Fact, Notice, Refund, SavedCard
from farthing.errors import BadSignature, NotFound, SettingsInvalid
from farthing.providers.sandbox import Sandbox
from farthing.selling.orders import OrderView
from farthing.store.tables import wallets
from farthing.testing import START, Books, Clock, Post, arrivals, books, prove
from tests.kit import shop
from tests.selling import SECRET, STORE, available, sandbox, selling
from tests.test_house import documented

pytestmark = pytest.mark.row("O3")


def buy(credits: farthing.Credits, account: str = "ada", key: str = "cart:1") -> OrderView:
    return credits.checkout(account, package="starter", key=key).order


def said(credits: farthing.Credits, letter: testing.Letter) -> tuple[Fact, ...]:
    return credits.providers["sandbox"].read(letter.body).facts


def test_everything_public_is_listed_and_documented():
    public = {name: getattr(testing, name) for name in testing.__all__}
    assert len(set(testing.__all__)) == len(testing.__all__)
    assert [name for name, value in public.items() if not documented(value)] == []
    verbs = [value for name, value in vars(Post).items() if not name.startswith("_")]
    assert [verb for verb in verbs if not verb.__doc__] == []


def test_it_is_loaded_by_who_asks_for_it_and_needs_no_test_runner():
    code = (
        "import sys, farthing; assert 'farthing.testing' not in sys.modules\n"
        "import farthing.testing; assert not {'pytest', 'hypothesis', 'starlette', 'httpx2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_clock_stands_until_it_is_moved():
    clock = Clock()
    assert clock() == clock() == START == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.move("1mo") == clock.now == datetime(2026, 2, 1, tzinfo=UTC)
    assert clock.move(timedelta(hours=1)) == datetime(2026, 2, 1, 1, tzinfo=UTC)
    assert clock.to("2026-03-31T12:00") == datetime(2026, 3, 31, 12, tzinfo=UTC)


def test_books_that_add_up_are_proved(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        credits.grant("ada", "images", 5, source="gift", key="g")
        report = prove(credits)
        assert (report.wallets, report.entries) == (1, 1)
        assert prove(credits, "ada") == report
        with pytest.raises(NotFound):
            prove(credits, "nobody")


def test_books_that_do_not_add_up_are_told_with_whose_they_are(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(STORE), clock=clock) as credits:
        for number in range(12):
            credits.grant(f"ada{number}", "images", 5, source="gift", key="g")
        engine = sa.create_engine(database_url)
        with engine.begin() as connection:
            connection.execute(sa.update(wallets).values(posted=6))
        engine.dispose()
        with pytest.raises(AssertionError, match="do not add up") as told:
            prove(credits)
    assert "ada0, images: " in str(told.value)
    assert "… and 2 more." in str(told.value)


@pytest.mark.row("P6")
def test_the_events_of_one_payment_end_the_same_however_they_arrive(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        ends: list[Books] = []
        for number, turn in enumerate(arrivals(3)):
            order, mail = buy(credits, f"ada{number}"), Post(credits)
            letters = [
                mail.say(order, "payment.pending"),
                mail.say(order, "payment.failed", reason="card_declined"),
                mail.paid(order),
            ]
            mail.deliver(*(letters[place] for place in turn))
            ends.append(books(credits, order.account))
        prove(credits)
        assert len(ends) == 42
        assert [end for end in ends if end != ends[0]] == []
        assert ends[0] == Books(
            {"images": (Decimal(110), Decimal(0), Decimal(110)), "chat": (Decimal(0), Decimal(0), Decimal(0))},
            [
                ("images", "bonus", Decimal(10), Decimal(0), 0, "USD"),
                ("images", "purchase", Decimal(100), Decimal(0), 990, "USD"),
            ],
            [("fulfilled", None, 990, 0)],
        )


def test_accounts_that_stand_otherwise_have_other_books(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        for account in ("ada", "bob", "cyd", "dan"):
            Post(credits).paid(buy(credits, account))
            credits.grant(account, "images", 5, source="gift", key="g")
        assert books(credits, "ada") == books(credits, "bob")
        credits.deduct("bob", "images", 1, key="d")
        credits.hold("cyd", "images", 1, key="h")
        mail = Post(credits)
        mail.say(buy(credits, "dan", "cart:2"), "payment.failed", reason="card_declined")
        mail.deliver()
        stand = [books(credits, account) for account in ("ada", "bob", "cyd", "dan")]
        assert [stand.count(one) for one in stand] == [1, 1, 1, 1]
        assert [status for status, *_ in stand[3].orders] == ["open", "failed"]


def test_events_arrive_in_every_order_and_each_of_them_twice():
    assert [len(list(arrivals(count))) for count in (1, 2, 3, 4)] == [2, 8, 42, 264]
    assert set(arrivals(2)) == {
        *((0, 1), (1, 0)),
        *((0, 0, 1), (0, 1, 0), (1, 0, 0)),
        *((1, 1, 0), (1, 0, 1), (0, 1, 1)),
    }


def test_a_letter_comes_twice_or_later_or_not_at_all(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        pending, paid = mail.say(order, "payment.pending"), mail.paid(order)
        assert mail.waiting == [pending, paid]
        first, again = mail.deliver(pending, pending)
        assert ((first.outcome, first.duplicate), (again.outcome, again.duplicate)) == (
            ("noted", False),
            ("noted", True),
        )
        assert (mail.waiting, available(credits)) == ([paid], 0)
        clock.move("3d")  # lost, and sent again
        assert [one.outcome for one in mail.deliver()] == ["fulfilled"]
        assert (mail.waiting, mail.deliver(), available(credits)) == ([], [], 110)
        assert credits.order("ada", order.id).payments[0].at == START


def test_two_posts_of_one_shop_never_write_the_same_event(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = buy(credits)
        outcomes = [mail.deliver(mail.paid(order))[0].outcome for mail in (Post(credits), Post(credits))]
        assert outcomes == ["fulfilled", "no_change"]


@pytest.mark.row("P5", "P6")
def test_yesterdays_signature_is_refused_and_the_letter_waits(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        paid = mail.paid(order)
        for age in ("1d", timedelta(minutes=6), timedelta(minutes=-6)):
            with pytest.raises(BadSignature):
                mail.deliver(age=age)
        assert (mail.waiting, credits.provider_events()) == ([paid], [])
        assert [one.outcome for one in mail.deliver(age="4m")] == ["fulfilled"]


@pytest.mark.row("P5", "P6")
def test_both_secrets_in_rotation_are_good_and_another_is_not(database_url: str, clock: Clock):
    new = "a newer secret of the tests"
    with selling(database_url, clock, providers=[sandbox("http://sandbox.test", new, SECRET)]) as credits:
        order, mail = buy(credits), Post(credits)
        pending, paid = mail.say(order, "payment.pending"), mail.paid(order)
        with pytest.raises(BadSignature):
            mail.deliver(secret="the secret of somebody else")
        assert mail.deliver(pending)[0].outcome == "noted"
        assert mail.deliver(paid, secret=SECRET)[0].outcome == "fulfilled"


def test_letters_go_to_a_door_of_the_application(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        came: list[tuple[dict[str, str], bytes]] = []
        mail = Post(credits, to=lambda headers, body: came.append((headers, body)) or len(came))
        mail.paid(buy(credits))
        [letter] = mail.waiting
        assert mail.deliver(letter, letter) == [1, 2]
        [(headers, body), again] = came
        assert (headers, body) == again
        assert (credits.provider_events(), available(credits)) == ([], 0)
        assert credits.receive("sandbox", headers, body).outcome == "fulfilled"


@pytest.mark.row("P5", "P9")
def test_what_was_written_and_lost_can_be_asked_for(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        paid = mail.paid(order)
        for name in (order.id, order.reference or "", paid.name):
            found = credits.providers["sandbox"].look(name)
            assert found
            assert (found.facts, credits.provider_events()) == (said(credits, paid), [])


@pytest.mark.row("P5")
def test_a_payment_is_as_wrong_as_a_test_wants_it(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        right = Notice(f"pay_{order.id}", "paid", START, 990, 0, "USD")
        assert [fact for letter in (
            mail.paid(order),
            mail.paid(order, minor=989),
            mail.paid(order, tax_minor=188),
            mail.paid(order, discount_minor=90),
            mail.paid(order, currency="EUR"),
            mail.paid(order, payment="pay_again"),
            mail.say(order, "checkout.expired", at=START + timedelta(days=1)),
            mail.say(order, "shop.renamed"),
        ) for fact in said(credits, letter)] == [
            right,
            right._replace(amount_minor=989),
            right._replace(amount_minor=1178, tax_minor=188),
            right._replace(amount_minor=900, discount_minor=90),
            right._replace(currency="EUR"),
            right._replace(payment="pay_again"),
            Notice(right.payment, "expired", START + timedelta(days=1), currency="USD"),
        ]  # fmt: skip
        assert [one.outcome for one in mail.deliver(mail.paid(order, livemode=True))] == ["other_mode"]


@pytest.mark.row("P5", "P7")
def test_refunds_are_each_their_own_unless_they_say_whose_they_are(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        payment = mail.paid(order).name
        part = mail.refund(order, minor=300)
        rest = mail.refund(order, minor=690, said="pending")
        failed = mail.refund(order, minor=690, said="failed", name=rest.name)
        summed = mail.refunded(order, minor=300)
        assert part.name != rest.name == failed.name
        assert [said(credits, letter) for letter in (part, rest, failed, summed)] == [
            (Refund(payment, part.name, "succeeded", START, 300, "USD"),),
            (Refund(payment, rest.name, "pending", START, 690, "USD"),),
            (Refund(payment, rest.name, "failed", START, 690, "USD"),),
            (Refund(payment, None, "succeeded", START, 300, "USD"),),
        ]
        assert said(credits, mail.refund(order))[0] == Refund(
            payment, mail.waiting[-1].name, "succeeded", START, 990, "USD"
        )


@pytest.mark.row("P5", "P7")
def test_all_calls_speak_of_one_dispute_unless_they_name_another(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order, mail = buy(credits), Post(credits)
        asked, opened = mail.dispute(order, "inquiry"), mail.dispute(order)
        won, other = mail.dispute(order, "won", minor=500, reason="duplicate"), mail.dispute(order, "lost", name="dp_2")
        one = Dispute(f"pay_{order.id}", opened.name, "opened", START, 990, "USD", "fraudulent")
        assert [said(credits, letter) for letter in (asked, opened, won, other)] == [
            (one._replace(said="inquiry"),),
            (one,),
            (one._replace(said="won", amount_minor=500, reason="duplicate"),),
            (one._replace(said="lost", dispute="dp_2"),),
        ]


@pytest.mark.row("P5")
def test_a_card_is_left_with_a_payment_or_alone(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        provider = credits.providers["sandbox"]
        assert isinstance(provider, Sandbox)
        order, mail = buy(credits), Post(credits)
        _, left = said(credits, mail.paid(order, card="card_ok"))
        started = provider.ask_card("ada", key="card:1", customer=None, return_url=None)
        alone = mail.card(started.customer or "", "card_declined", reference=started.reference)
        assert isinstance(left, SavedCard)
        assert (left.customer, left.card) == (started.customer, "card_ok")
        assert said(credits, alone) == (SavedCard(left.customer, "card_declined", START, "Visa •••• 0002"),)
        found = provider.look(started.reference)
        assert found
        assert found.facts == said(credits, alone)


def test_without_a_sandbox_nobody_writes(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(STORE), clock=clock) as credits, pytest.raises(SettingsInvalid):
        Post(credits)
