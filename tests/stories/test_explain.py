"""Why a balance is what it is, and what it was at a past instant."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import farthing
from farthing import Credits, Explanation, Money
from farthing.core.book import KINDS
from farthing.errors import Corrupt, Invalid, InvalidField, NotFound, Refused
from tests.kit import START, Clock, proved, shop
from tests.selling import selling, tell

pytestmark = pytest.mark.row("L14")

WILD = """
[credit_types.images]
name = "Image credits"
overdraft = "25"
capture_more = true
"""


READ = """\
ada, chat, 2026-01-01 00:00:00Z: 2.5 available (5.5 posted, 3 held, 0 pending)

lot_chat_3: 5.5 of 10 left, 3 held (gift); expires 2026-01-31 00:00:00Z
  from ent_chat_7 grant, 2026-01-01 00:00:00Z
  -2 ent_chat_8 repay, 2026-01-01 00:00:00Z: owed for ent_chat_2
  -1.5 ent_chat_8 repay, 2026-01-01 00:00:00Z: owed for ent_chat_3
  +1 ent_chat_9 reverse, 2026-01-01 00:00:00Z: given back to where it came from
  -2 ent_chat_11 capture, 2026-01-01 00:00:00Z: held for it
  3 kept by hold_chat_12: the only one

hold_chat_12: 3 held for talk since 2026-01-01 00:00:00Z; lapses 2026-01-01 02:00:00Z"""


def test_each_open_lot_says_where_it_came_from_and_by_which_rule_it_was_drawn(credits: Credits, clock: Clock):
    def given(amount: int, key: str, **more: Any) -> str:
        return str(credits.grant("ada", "images", amount, key=key, source="promo", **more).lot)

    first = given(10, "first", priority=1)
    sooner = given(10, "sooner", expires="5d")
    gift = given(10, "gift", expires="9d")
    paid = given(10, "paid", expires="9d", cost=Money(990, "USD"))
    clock.move("1h")
    older = given(10, "older")
    clock.move("1h")
    newer = given(10, "newer")
    last = given(10, "last")
    for number, amount in enumerate([4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4, 6, 4]):
        credits.deduct("ada", "images", amount, key=f"d{number}", operation="render")
        told = credits.explain("ada", "images")
        assert str(told) != ""
        if number % 2 == 0:
            [step] = told.lots[0].taken
            assert (told.lots[0].id, step.operation, step.why, step.before) == (
                *[
                    (first, "render", "lower priority number", sooner),
                    (sooner, "render", "expires sooner", gift),
                    (gift, "render", "unpaid before paid", paid),
                    (paid, "render", "expires sooner", older),
                    (older, "render", "older", newer),
                    (newer, "render", "lower number", last),
                    (last, "render", "the only one", None),
                ][number // 2],
            )


def test_held_repaid_forgiven_given_back_and_owed(credits: Credits, clock: Clock):
    credits.grant("ada", "chat", 2, key="g1", source="gift")
    used = credits.deduct("ada", "chat", 5, key="d1", operation="chat")
    more = credits.deduct("ada", "chat", 2, key="d2")
    credits.grant("ada", "chat", 1, key="g2", source="gift")
    credits.reverse("ada", more.id, "0.50", key="r1")
    [first, second] = credits.explain("ada", "chat").debts
    assert (first.entry, first.operation, first.amount, first.remaining) == (used.id, "chat", 3, 2)
    assert [(step.kind, step.amount, step.why) for step in first.paid] == [("repay", 1, "paid out of lot_chat_2")]
    assert [(step.kind, step.amount, step.why) for step in second.paid] == [("reverse", Decimal("0.5"), "forgiven")]
    credits.grant("ada", "chat", 10, key="g3", source="gift")
    credits.reverse("ada", used.id, 1, key="r2")
    credits.hold("ada", "chat", 3, key="h1", operation="talk").capture(2)
    credits.hold("ada", "chat", 3, key="h2", operation="talk", expires="2h")
    told = credits.explain("ada", "chat")
    [lot] = [lot for lot in told.lots if lot.held]
    assert [(step.kind, step.amount, step.why) for step in lot.taken] == [
        ("repay", 2, "owed for ent_chat_2"),
        ("repay", Decimal("1.5"), "owed for ent_chat_3"),
        ("reverse", -1, "given back to where it came from"),
        ("capture", 2, "held for it"),
    ]
    [hold] = told.holds
    assert [(kept.hold, kept.amount, kept.why) for kept in lot.kept] == [(hold.id, 3, "the only one")]
    assert (hold.amount, hold.owed, hold.operation) == (3, 0, "talk")
    assert str(told) == READ
    clock.move("2h")
    assert credits.explain("ada", "chat").holds == []


def test_a_lot_leads_to_its_order_its_transfer_or_its_reversal(database_url: str, clock: Clock):
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy").order
        tell(credits, order, "payment.paid", id="e1")
        paid = next(lot for lot in credits.explain("ada", "images").lots if lot.source == "purchase")
        assert (paid.origin.of, paid.origin.link, paid.origin.payment) == ("order", order.id, f"pay_{order.id}")
        credits.open_account("bob")
        sent = credits.transfer("ada", "bob", "images", 105, key="t")
        [bonus, rest] = credits.explain("bob", "images").lots
        assert (rest.origin.of, rest.origin.link) == ("transfer", f"ada/{sent.id}")
        assert "transfer ada/" in str(credits.explain("bob", "images"))
        used = credits.deduct("bob", "images", 1, key="d")
        clock.move("91d")
        credits.reverse("bob", used.id, key="r")
        [again] = credits.explain("bob", "images").lots
        assert (again.source, again.origin.of, again.origin.link) == ("reversal", "reversal", used.id)
        assert bonus.amount == 10


def test_a_stranger_has_nothing_to_explain_and_the_future_is_not_known(credits: Credits, clock: Clock):
    nobody = credits.explain("nobody", "images")
    assert (nobody.balance.posted, nobody.lots, nobody.debts, nobody.holds) == (0, [], [], [])
    assert credits.balance("nobody", "images", at=START - timedelta(days=1)).posted == 0
    later = clock.now + timedelta(microseconds=1)
    for ask in (credits.balance, credits.explain):
        with pytest.raises(InvalidField, match="not known"):
            ask("ada", "images", at=later)
        with pytest.raises(InvalidField, match="time zone"):
            ask("ada", "images", at=datetime(2025, 1, 1))
        with pytest.raises(Invalid):
            ask("ada", "dragons")
    with pytest.raises(InvalidField):
        credits.balances("ada", at=later)


def test_what_an_account_had_then_is_what_it_was_told_then(credits: Credits, clock: Clock):
    credits.open_account("ada")
    credits.grant("ada", "images", 5, key="g", source="plan", effective_at=START + timedelta(days=3))
    credits.deduct("ada", "images", 4, key="d")
    clock.move("40d")
    credits.deduct("ada", "images", 1, key="d2")
    was = {day: credits.balance("ada", "images", at=START + timedelta(days=day)) for day in (-1, 0, 3, 30, 40)}
    assert {day: (one.posted, one.pending, one.available) for day, one in was.items()} == {
        -1: (0, 0, 0), 0: (11, 5, 6), 3: (11, 0, 11), 30: (5, 0, 5), 40: (4, 0, 4),
    }  # fmt: skip
    assert [one.posted for one in credits.balances("ada", at=START)] == [11, 0]
    [lot] = credits.explain("ada", "images", at=START + timedelta(days=2)).lots[-1:]
    assert (lot.pending, lot.remaining) == (True, 5)


def test_broken_books_are_not_explained(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(WILD), clock=clock) as credits:
        credits.grant("ada", "images", 5, key="g", source="gift")
        with credits.database.writing() as session:
            session.execute(
                "INSERT INTO farthing_entries SELECT account, credit_type, seq + 1, kind, amount, held_change, "
                "posted_after, held_after, pending_after, draws, opened, source, NULL, content, link, operation, "
                "reason, actor, metadata, catalog_version, effective_at, recorded_at, occurred_at, seal "
                "FROM farthing_entries"
            )
        with pytest.raises(Corrupt, match="farthing verify ada"):
            credits.explain("ada", "images")


def test_explained_and_looked_back_on_awaited(database_url: str, clock: Clock):
    async def story() -> None:
        with proved(database_url, clock) as plain:
            credits = farthing.AsyncCredits(plain)
            await credits.grant("ada", "images", 5, key="g", source="gift")
            clock.move("1h")
            told = await credits.explain("ada", "images", at=START)
            assert told == plain.explain("ada", "images", at=START)
            assert (await credits.balance("ada", "images", at=START)).posted == 5

    asyncio.run(story())


@pytest.mark.long
def test_the_leaves_of_any_history_add_up_and_the_past_stays_as_it_was_told(
    database_url: str, clock: Clock, count: Callable[[int, int], int]
):
    kinds: Counter[str] = Counter()
    with proved(database_url, clock, WILD) as credits:
        for seed in range(count(4, 300)):
            dice = random.Random(seed)
            accounts = (f"ada{seed}", f"bob{seed}")
            for account in accounts:
                credits.open_account(account)
            then: dict[datetime, dict[str, Explanation]] = {}
            for number in range(35):
                live(credits, clock, dice, accounts, f"k{number}")
                then[clock.now] = {account: credits.explain(account, "images") for account in accounts}
                for account, told in then[clock.now].items():
                    assert told.balance == credits.balance(account, "images")
                    add_up(told)
            for at, answers in then.items():
                for account, told in answers.items():
                    assert credits.balance(account, "images", at=at) == told.balance
                    assert credits.explain(account, "images", at=at) == told
            kinds.update(line.kind for account in accounts for line in credits.history(account, limit=500).data)
    assert kinds.keys() == {*KINDS}


def live(credits: Credits, clock: Clock, dice: random.Random, accounts: tuple[str, str], key: str) -> None:
    """Something that may happen, or be refused."""
    account, other = dice.sample(accounts, 2)
    amount, hours = dice.randint(1, 30), dice.randint(1, 12)
    part = dice.choice([None, amount])
    lines = credits.history(account, "images", limit=500).data

    def some(*wanted: str) -> str:
        return dice.choice([line.id for line in lines if line.kind in wanted] or ["ent_images_1"])

    def hold() -> str:
        return some("hold").replace("ent_", "hold_")

    lot = f"lot_images_{dice.randint(1, 5)}"
    ways: list[Callable[[], object]] = [
        *[
            lambda: credits.grant(
                account, "images", amount, key=key, source="gift", priority=dice.choice([1, 100]),
                expires=dice.choice([timedelta(hours=hours), farthing.NEVER]),
                cost=dice.choice([None, Money(99, "USD")]),
                effective_at=dice.choice([None, None, clock.now + timedelta(hours=hours)]),
            )
        ] * 3,
        *[lambda: credits.deduct(account, "images", amount // 2 + 1, key=key, operation="render")] * 2,
        *[
            lambda: credits.hold(
                account, "images", amount // 2 + 1, key=key, expires=timedelta(hours=hours),
                on_late=dice.choice(["charge", "refuse"]),
            )
        ] * 3,
        lambda: credits.capture(account, hold(), part),
        lambda: credits.release(account, hold()),
        lambda: credits.extend(account, hold(), timedelta(hours=hours), key=key),
        lambda: credits.reverse(account, some("deduct", "capture"), part, key=key),
        lambda: credits.void(account, lot, part, key=key),
        lambda: credits.clawback(account, lot, amount // 3 + 1, key=key, rest=dice.choice(["debt", "write_off"])),
        lambda: credits.transfer(account, other, "images", amount // 4 + 1, key=key),
        *[lambda: clock.move(timedelta(hours=hours / 3))] * 4,
        credits.expire,
    ]  # fmt: skip
    with suppress(Refused, Invalid, NotFound):
        dice.choice(ways)()


def add_up(told: Explanation) -> None:
    """The balance, out of the leaves alone."""
    left = {lot.id: lot.amount - sum(step.amount for step in lot.taken) for lot in told.lots}
    owed = [debt.amount - sum(step.amount for step in debt.paid) for debt in told.debts]
    kept = sum(kept.amount for lot in told.lots for kept in lot.kept)
    held = kept + sum(hold.owed for hold in told.holds)
    pending = sum(left[lot.id] for lot in told.lots if lot.pending)
    posted = sum(left.values()) - sum(owed)
    has = told.balance
    assert (posted, held, pending, posted - held - pending) == (has.posted, has.held, has.pending, has.available)
    assert left == {lot.id: lot.remaining for lot in told.lots}
    assert owed == [debt.remaining for debt in told.debts]
    assert held == sum(hold.amount for hold in told.holds)
    assert {lot.id: sum(one.amount for one in lot.kept) for lot in told.lots} == {lot.id: lot.held for lot in told.lots}
