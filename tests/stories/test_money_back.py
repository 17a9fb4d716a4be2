"""Refunds and disputes: credits follow their money back, in proportion, whatever became of them and in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations

import pytest

import farthing
from farthing.core.orders import MoneyBack, Order, hear, shares
from farthing.core.payments import Dispute, Notice, Refund, SavedCard
from farthing.errors import InsufficientCredits
from farthing.ledger.verifying import look
from farthing.providers import Found
from farthing.store import customers
from tests.herald import Herald, Purchase, say
from tests.kit import Clock
from tests.selling import STORE, available, selling
from tests.store.everything import tampering

pytestmark = pytest.mark.row("P7")


@contextmanager
def shop(url: str, clock: Clock, policy: str = "") -> Generator[farthing.Credits]:
    """Sells 100 images and 10 on top for USD 9.90."""
    with selling(url, clock, f"{STORE}\n{policy}", providers=[Herald()]) as credits:
        yield credits


def posted(credits: farthing.Credits, account: str = "ada") -> int:
    return int(credits.balance(account, "images").posted)


def kinds(credits: farthing.Credits, account: str = "ada") -> list[str]:
    return [line.kind for line in credits.history(account, sort="oldest").data]


def test_a_whole_refund_takes_all_that_was_bought_and_the_bonus_with_it(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        assert bought.paid() == "fulfilled"
        assert bought.tell(bought.refund(990)) == "refunded"
        assert (posted(credits), kinds(credits)) == (0, ["grant", "grant", "clawback", "clawback"])
        order = bought.now()
        assert (order.status, order.refunded_minor, order.refunds[0].amount_minor) == ("fulfilled", 990, 990)
        assert {line.link for line in credits.history("ada").data} == {order.id}


def test_partial_refunds_add_up_to_the_unit_over_any_sequence(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        left: list[int] = []
        for number in range(1, 8):
            bought.tell(bought.refund(141 if number < 7 else 144, f"re_{number}"))
            left.append(posted(credits))
        # 14.24 of 100 and 1.42 of 10 for each 1.41, rounded down for the customer over the sum
        assert left == [110 - (100 * minor // 990 + 10 * minor // 990) for minor in (141, 282, 423, 564, 705, 846, 990)]
        assert left[-1] == 0


def test_what_was_used_up_is_owed_and_the_next_purchase_pays_it(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.deduct("ada", "images", 60, key="d")
        bought.tell(bought.refund(990))
        assert posted(credits) == -60
        with pytest.raises(InsufficientCredits):
            credits.deduct("ada", "images", 1, key="d2")
        Purchase(credits, key="again").paid()
        assert available(credits) == 50


def test_or_it_is_forgiven_where_the_catalog_says_so(database_url: str, clock: Clock):
    with shop(database_url, clock, '[money_back]\nrefunds = "write_off"') as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.deduct("ada", "images", 60, key="d")
        bought.tell(bought.refund(990))
        assert posted(credits) == 0
        bought.tell(bought.refund(990, said="failed"))
        assert posted(credits) == 50


def test_or_nothing_is_taken_at_all(database_url: str, clock: Clock):
    with shop(database_url, clock, '[money_back]\nrefunds = "keep"') as credits:
        bought = Purchase(credits)
        bought.paid()
        assert bought.tell(bought.refund(990)) == "refunded"
        bought.tell(bought.dispute("opened"))
        assert (available(credits), bought.now().refunded_minor) == (110, 990)


@pytest.mark.parametrize("policy", ["write_off", "keep"])
def test_an_order_keeps_the_policy_of_its_first_refund(database_url: str, clock: Clock, policy: str):
    with shop(database_url, clock, f'[money_back]\nrefunds = "{policy}"') as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.deduct("ada", "images", 110, key="d")
        bought.tell(bought.refund(500))
        credits.catalog = credits.catalog._replace(money_back=MoneyBack())
        bought.tell(bought.refund(490, "re_2"))
        assert posted(credits) == 0


def test_what_other_work_holds_is_taken_when_its_hold_ends(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        work = credits.hold("ada", "images", 30, key="h")
        bought.tell(bought.refund(990))
        assert (posted(credits), available(credits)) == (30, 0)
        work.capture(20)
        assert posted(credits) == -20


def test_a_sum_and_the_refunds_that_it_is_made_of_count_once(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        for fact in (
            bought.refund(330),
            bought.refund(330, None),
            bought.refund(660, None),
            bought.refund(330, "re_2"),
        ):
            bought.tell(fact)
        assert (bought.now().refunded_minor, posted(credits)) == (660, 110 - 66 - 6)


def test_refunds_that_come_at_once_take_each_its_share(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits, ThreadPoolExecutor(8) as threads:
        bought = Purchase(credits)
        bought.paid()
        refunds = [bought.refund(61, f"re_{number}") for number in range(16)]
        for told in [threads.submit(say, credits, one, about=[bought.payment]) for one in (*refunds, *refunds)]:
            told.result()
        assert (bought.now().refunded_minor, posted(credits)) == (976, 110 - 98 - 9)


def test_a_refund_that_failed_gives_back_to_the_same_lots(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        before = credits.lots("ada", "images")
        credits.deduct("ada", "images", 60, key="d")
        bought.tell(bought.refund(990, said="pending"))
        assert posted(credits) == -60
        bought.tell(bought.refund(990, said="failed"))
        after = credits.lots("ada", "images")
        assert (available(credits), bought.now().refunded_minor) == (50, 0)
        assert {lot.id for lot in after} <= {lot.id for lot in before}
        assert bought.tell(bought.refund(990, said="succeeded"), id="late") == "no_change"
        assert available(credits) == 50


def test_a_refund_that_failed_while_work_held_the_credits_is_waived(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        work = credits.hold("ada", "images", 105, key="h")
        bought.tell(bought.refund(990))
        bought.tell(bought.refund(990, said="failed"))
        work.release()
        assert available(credits) == 110


def test_a_refund_told_before_its_payment_waits_for_it(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        assert bought.tell(bought.refund(990), id="early") == "unmatched"
        assert bought.paid() == "fulfilled"
        [early] = [event for event in credits.provider_events() if event.event == "early"]
        assert (early.outcome, posted(credits)) == ("refunded", 0)


def test_a_refund_that_missed_its_payment_by_a_hair_is_found_by_the_job(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.tell(bought.refund(990), id="early")
        # As if both had been written at the same moment, neither seeing the other: nobody woke the one that waits.
        with credits.database.writing() as session:
            session.execute("UPDATE farthing_event_references SET reference = 'elsewhere'")
        bought.paid()
        assert posted(credits) == 110
        with credits.database.writing() as session:
            session.execute("UPDATE farthing_event_references SET reference = ?", (bought.payment,))
        assert credits.handle_events().handled == 1
        assert posted(credits) == 0


def test_a_refund_of_money_that_bought_nothing_takes_nothing(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        twice = bought.notice()._replace(payment="pay_2")
        assert say(credits, twice, about=[bought.order.id, "pay_2"]).outcome == "surplus"
        say(credits, bought.refund(990)._replace(payment="pay_2"), about=["pay_2"])
        assert available(credits) == 110
        bought.tell(bought.refund(990, "re_other", currency="EUR"))
        assert (available(credits), bought.now().refunded_minor) == (110, 0)


def test_a_dispute_sets_aside_what_is_left_until_it_is_decided(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.deduct("ada", "images", 60, key="d")
        assert bought.tell(bought.dispute("inquiry")) == "disputed"
        assert available(credits) == 50
        bought.tell(bought.dispute("opened"))
        assert (posted(credits), available(credits), bought.now().disputed_minor) == (50, 0, 990)
        assert {hold.expires_at for hold in credits.holds("ada")} == {None}
        assert "its money is in dispute" in str(credits.explain("ada", "images"))
        bought.tell(bought.dispute("won"))
        assert (available(credits), bought.now().disputed_minor) == (50, 0)


def test_a_dispute_that_is_lost_takes_what_was_set_aside_and_the_rest_by_policy(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.deduct("ada", "images", 60, key="d")
        bought.tell(bought.dispute("opened"))
        bought.tell(bought.dispute("lost"))
        assert (posted(credits), bought.now().refunded_minor) == (-60, 990)
        bought.tell(bought.dispute("won"))
        assert (available(credits), bought.now().refunded_minor) == (50, 0)


def test_what_expires_while_a_bank_decides_is_taken_and_not_owed(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.dispute("opened"))
        clock.move("91d")
        assert posted(credits) == 110
        bought.tell(bought.dispute("lost"))
        assert posted(credits) == 0
        assert "expire" not in kinds(credits)


def test_a_dispute_lost_after_a_refund_does_not_take_twice(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.refund(990))
        bought.tell(bought.dispute("opened"))
        bought.tell(bought.dispute("lost"))
        assert (posted(credits), bought.now().refunded_minor) == (0, 990)


def test_a_dispute_won_after_a_refund_leaves_what_was_refunded_gone(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.refund(330))
        bought.tell(bought.dispute("opened", 660))
        assert available(credits) == 0
        bought.tell(bought.dispute("won", 660))
        assert available(credits) == 110 - 33 - 3


def test_a_dispute_may_take_at_once_and_give_back_to_the_same_lots(database_url: str, clock: Clock):
    with shop(database_url, clock, '[money_back]\ndisputes = "take"') as credits:
        bought = Purchase(credits)
        bought.paid()
        before = credits.lots("ada", "images")
        bought.tell(bought.dispute("opened"))
        assert (posted(credits), credits.holds("ada")) == (0, [])
        bought.tell(bought.dispute("won"))
        assert credits.lots("ada", "images") == before


def test_an_operator_who_lets_go_of_what_is_disputed_stops_nothing(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.dispute("opened"))
        for hold in credits.holds("ada"):
            credits.release("ada", hold.id)
        credits.deduct("ada", "images", 110, key="d")
        assert bought.tell(bought.dispute("lost")) == "disputed"
        assert posted(credits) == -110


def test_frozen_accounts_are_no_way_around_it(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        credits.freeze("ada", key="f")
        bought.tell(bought.dispute("opened"))
        bought.tell(bought.dispute("lost"))
        assert posted(credits) == 0


def test_a_guests_purchase_is_taken_back_from_the_user_it_became(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits, account="guest")
        bought.paid()
        credits.deduct("guest", "images", 20, key="d")
        bought.tell(bought.refund(99))
        credits.open_account("ada")
        credits.merge("guest", into="ada", key="m")
        assert available(credits) == 110 - 20 - 10 - 1
        bought.tell(bought.refund(891, "re_2"))
        assert (posted(credits), posted(credits, "guest")) == (-20, 0)
        bought.tell(bought.refund(99, said="failed"), bought.refund(891, "re_2", said="failed"))
        assert available(credits) == 90


def test_a_guests_purchase_that_was_used_up_before_becomes_the_users_debt(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits, account="guest")
        bought.paid()
        credits.deduct("guest", "images", 110, key="d")
        credits.open_account("ada")
        credits.merge("guest", into="ada", key="m")
        bought.tell(bought.refund(990))
        assert posted(credits) == -110


def test_an_event_that_says_too_little_is_looked_up_and_only_the_answer_believed(database_url: str, clock: Clock):
    herald = Herald()
    with selling(database_url, clock, STORE, providers=[herald]) as credits:
        bought = Purchase(credits)
        forged = bought.notice(1)
        unheard = say(credits, forged, about=[bought.order.id], look="order_7")
        assert (unheard.outcome, bought.now().status) == (None, "open")
        herald.known["order_7"] = Found((bought.order.id, bought.payment), (bought.notice(),))
        clock.move("2m")
        assert credits.handle_events().handled == 1
        assert (bought.now().status, available(credits)) == ("fulfilled", 110)


def test_who_pays_and_the_card_left_behind_are_remembered(database_url: str, clock: Clock):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        say(credits, bought.notice(), about=[bought.order.id, bought.payment], customer="cus_1")
        card = SavedCard("cus_1", "pm_1", clock(), "Visa •••• 4242")
        assert say(credits, card, about=["seti_1"]).outcome == "card_saved"
        assert say(credits, card._replace(customer="cus_stranger"), about=["seti_2"]).outcome == "unmatched"
        say(credits, card._replace(label=None, at=clock.move("1h")), about=["seti_3"])
        assert paying(credits) == ("cus_1", "pm_1", "Visa •••• 4242")
        say(credits, bought.notice()._replace(at=clock.move("1h")), about=[bought.order.id], customer="cus_guest")
        assert paying(credits) == ("cus_1", "pm_1", "Visa •••• 4242")
        credits.erase("ada", key="e")
        assert paying(credits) is None


def paying(credits: farthing.Credits) -> tuple[str, str | None, str | None] | None:
    known = credits.read(lambda session: customers.read(session, "ada", "herald"))
    return known and (known.customer, known.card, known.card_label)


@pytest.mark.row("L14")
@pytest.mark.parametrize(
    "planted",
    [
        "UPDATE farthing_clawbacks SET gone = gone - 1",
        "UPDATE farthing_clawbacks SET disputed = disputed + 1",
        "UPDATE farthing_clawbacks SET refunds = 'write_off' WHERE part = 'bonus'",
        "DELETE FROM farthing_clawbacks WHERE part = 'bonus'",
        "DELETE FROM farthing_clawbacks",
        "UPDATE farthing_refunds SET amount_minor = amount_minor + 100",
        "UPDATE farthing_refunds SET said = 'failed'",
        "DELETE FROM farthing_refunds",
        "UPDATE farthing_disputes SET said = 'won'",
    ],
)
def test_what_does_not_fit_the_money_is_found(database_url: str, clock: Clock, planted: str):
    with shop(database_url, clock) as credits:
        bought = Purchase(credits)
        bought.paid()
        bought.tell(bought.refund(330))
        bought.tell(bought.dispute("opened", 330))
        with tampering(credits) as session:
            session.execute(planted)
            assert [fault.order for fault in look(session, None).faults] == [bought.order.id]


STORY: list[Callable[[Purchase], Refund | Dispute | Notice]] = [
    lambda bought: bought.notice()._replace(said="pending", amount_minor=0),
    lambda bought: bought.notice(),
    lambda bought: bought.refund(300),
    lambda bought: bought.refund(300, None),
    lambda bought: bought.refund(200, "re_2", "pending"),
    lambda bought: bought.refund(200, "re_2", "failed"),
    lambda bought: bought.dispute("opened", 690),
    lambda bought: bought.dispute("lost", 690),
    lambda bought: bought.dispute("won", 690),
]


@pytest.mark.row("P6")
@pytest.mark.long
def test_the_facts_of_one_payment_end_in_the_same_ledger_in_every_order(
    database_url: str, clock: Clock, count: Callable[[int, int], int]
):
    """With duplicates, and with losses that are made good by another delivery."""
    chance = random.Random(5)
    with shop(database_url, clock) as credits:
        for turn in range(count(25, 1_000)):
            story = [fact for fact in STORY if chance.random() < 0.8 or fact in STORY[1:3]]
            account = f"ada{turn}"
            bought = Purchase(credits, account=account)
            credits.grant(account, "images", 7, key="g", source="gift")
            arriving = [fact(bought) for fact in story]
            arriving += chance.sample(arriving, chance.randrange(len(arriving)))
            chance.shuffle(arriving)
            lost = [fact for fact in arriving if chance.random() < 0.2]
            for fact in (*(one for one in arriving if one not in lost), *lost):
                names = [bought.payment, *([bought.order.id] if isinstance(fact, Notice) else [])]
                say(credits, fact, about=names)
            order, wanted = bought.now(), expected(bought, [fact(bought) for fact in story])
            seen = (order.status, posted(credits, account), int(credits.balance(account, "images").held))
            assert seen == ("fulfilled", *wanted), arriving


def expected(bought: Purchase, facts: list[Refund | Dispute | Notice]) -> tuple[int, int]:
    """Posted and held, worked out from the sums of money alone."""
    said = {fact.said for fact in facts if isinstance(fact, Dispute)}
    named = {fact.refund: fact for fact in facts if isinstance(fact, Refund)}  # the last said of each is the strongest
    back = 300 + (200 if "re_2" in named and named["re_2"].said == "pending" else 0)
    lost = min(990, back + (690 if "lost" in said and "won" not in said else 0))
    open_ = min(990 - lost, 690) if said == {"opened"} else 0
    gone = 100 * lost // 990 + 10 * lost // 990
    at_risk = 100 * (lost + open_) // 990 + 10 * (lost + open_) // 990
    return 117 - gone, at_risk - gone


def test_every_order_of_all_facts_comes_to_the_same_shares(clock: Clock):
    """The rule alone, over every permutation of seven facts."""
    at = clock()
    order = Order(
        "ada", "ord_1", "k", b"", "images", 0, 100, 10, None, "never", "", "USD", 990, 0, 990, "{}", "herald", False,
        None, "v", at, at,
    )  # fmt: skip
    facts: list[Notice | Refund | Dispute] = [
        Notice("p", "failed", at), Notice("p", "paid", at, 990, 0, "USD"),
        Refund("p", "re_1", "succeeded", at, 300, "USD"), Refund("p", None, "succeeded", at, 300, "USD"),
        Refund("p", "re_2", "failed", at, 200, "USD"),
        Dispute("p", "dp_1", "opened", at, 690, "USD"), Dispute("p", "dp_1", "lost", at, 690, "USD"),
    ]  # fmt: skip
    seen: set[object] = set()
    for arriving in permutations(facts):
        after = order
        for fact in arriving:
            after = hear(after, fact, at).order
        seen.add(tuple(sorted(shares(after, MoneyBack()).items())))
    assert seen == {(("bonus", (10, 0)), ("paid", (100, 0)))}
