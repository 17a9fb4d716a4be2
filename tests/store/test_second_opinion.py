"""A second opinion: whatever is asked of the ledger, in any order and at any time, tests/plain.py says the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count as numbers
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import farthing
from farthing import Credits, FarthingError, Money
from tests.kit import START, Clock, shop
from tests.plain import FOR_EVER, FREE, HELD, Books, Call, Refused, Rules

SHOP = """
[credit_types.images]
name = "Image credits"
reversal = "grace"
grace = "2h"

[credit_types.chat]
name = "Chat credits"
scale = 2
overdraft = "0.12"
max_hold = "6h"
capture_more = true
grace = "2h"
"""
HOUR = timedelta(hours=1)
KINDS = {
    "images": Rules(overdraft=0, max_hold=None, capture_more=False, grace=2 * HOUR),
    "chat": Rules(overdraft=12, max_hold=6 * HOUR, capture_more=True, grace=2 * HOUR),
}
SCALES = {"images": 0, "chat": 2}
POLICIES = {"images": "grace", "chat": "restore"}

names = numbers(1)

who = st.sampled_from(["ada", "ada", "ada", "bob"])
few = st.integers(1, 9)
pick = st.integers(0, 20)
part = st.one_of(st.none(), few)
lives = st.sampled_from([None, 1, 1, 2, 3, 5, 30])
lasts = st.integers(1, 7)
giving = st.tuples(
    st.just("grant"), who, st.integers(1, 12), lives, st.sampled_from([0, 0, 0, 0, 1, 2, -1]),
    st.sampled_from([100, 100, 5]), st.sampled_from([0, 0, 7, 100]),
)  # fmt: skip
spending = st.one_of(st.tuples(st.just("deduct"), who, few), st.tuples(st.just("transfer"), who, few))
holding = st.tuples(st.just("hold"), who, st.integers(1, 6), lasts, st.sampled_from(["refuse", "charge"]))
ending = st.one_of(
    st.tuples(st.just("capture"), who, pick, part),
    st.tuples(st.just("release"), who, pick),
    st.tuples(st.just("extend"), who, pick, lasts),
)
reversing = st.tuples(st.just("reverse"), who, pick, part, st.sampled_from([None, "restore", "grace", "forfeit"]))
taking_back = st.one_of(
    st.tuples(st.just("void"), who, pick, part),
    st.tuples(st.just("clawback"), who, pick, few, st.sampled_from(["debt", "write_off"])),
)
anything = st.one_of(giving, spending, holding, ending, reversing, taking_back)


class Ledger:
    """The real thing, told in the model's words."""

    def __init__(self, credits: Credits, kind: str, title: str) -> None:
        self.credits, self.kind, self.title = credits, kind, title
        self.receipts: dict[tuple[str, str], Any] = {}

    def name(self, who: str) -> str:
        return f"{who}{self.title}"

    def credits_of(self, units: int | None) -> Decimal | None:
        return None if units is None else Decimal(units).scaleb(-SCALES[self.kind])

    def units(self, credits: Decimal) -> int:
        return int(credits.scaleb(SCALES[self.kind]))

    def tell(self, call: Call) -> str:
        """As `Books.tell`; the name of the error where it is refused."""
        try:
            receipt = getattr(self, call.verb)(self.name(call.who), call.key, *call.said)
        except FarthingError as error:
            return type(error).__name__
        if call.verb in ("freeze", "unfreeze"):
            return "acted"
        known = self.receipts.setdefault((call.who, call.key), receipt)
        assert known == receipt
        return "replayed" if receipt.replayed else "done"

    def id_of(self, account: str, key: str, what: str) -> str:
        receipt = self.receipts[account.removesuffix(self.title), key]
        return f"{what}_{self.kind}_{receipt.seq}"

    def grant(
        self, account: str, key: str, units: int, lasts: timedelta | None, start: datetime, priority: int, cost: int
    ) -> Any:
        return self.credits.grant(
            account, self.kind, self.credits_of(units) or 0, key=key, source="gift", effective_at=start,
            expires=lasts or farthing.NEVER, priority=priority, cost=Money(cost, "USD") if cost else None,
        )  # fmt: skip

    def deduct(self, account: str, key: str, units: int) -> Any:
        return self.credits.deduct(account, self.kind, self.credits_of(units) or 0, key=key)

    def hold(self, account: str, key: str, units: int, lasts: timedelta, late: str) -> Any:
        amount = self.credits_of(units) or 0
        return self.credits.hold(account, self.kind, amount, key=key, expires=lasts, on_late=late).receipt

    def capture(self, account: str, key: str, hold: str, units: int | None) -> Any:
        return self.credits.capture(account, self.id_of(account, hold, "hold"), self.credits_of(units))

    def release(self, account: str, key: str, hold: str) -> Any:
        return self.credits.release(account, self.id_of(account, hold, "hold"))

    def extend(self, account: str, key: str, hold: str, lasts: timedelta) -> Any:
        return self.credits.extend(account, self.id_of(account, hold, "hold"), lasts, key=key)

    def reverse(self, account: str, key: str, deduction: str, units: int | None, policy: str) -> Any:
        said = None if policy == POLICIES[self.kind] else policy
        entry = self.id_of(account, deduction, "ent")
        return self.credits.reverse(account, entry, self.credits_of(units), key=key, expired=said)

    def void(self, account: str, key: str, lot: int, units: int | None) -> Any:
        return self.credits.void(account, f"lot_{self.kind}_{lot}", self.credits_of(units), key=key)

    def clawback(self, account: str, key: str, lot: int, units: int, rest: str) -> Any:
        amount = self.credits_of(units) or 0
        return self.credits.clawback(account, f"lot_{self.kind}_{lot}", amount, key=key, rest=rest)

    def transfer(self, account: str, key: str, to: str, units: int) -> Any:
        return self.credits.transfer(account, self.name(to), self.kind, self.credits_of(units) or 0, key=key)

    def freeze(self, account: str, key: str) -> Any:
        return self.credits.freeze(account, key=key)

    def unfreeze(self, account: str, key: str) -> Any:
        return self.credits.unfreeze(account, key=key)

    def shown(self, who: str) -> tuple[Any, ...]:
        """What can be seen of somebody's wallet, in the model's units."""
        account, units = self.name(who), self.units
        balance = self.credits.balance(account, self.kind)
        return (
            [units(balance.posted), units(balance.held), units(balance.available), units(balance.pending)],
            [(one.at, units(one.amount)) for one in balance.expiring],
            [
                (int(lot.id.rpartition("_")[2]), lot.source, lot.priority, units(lot.amount), units(lot.remaining),
                 units(lot.held), lot.effective_at, lot.expires_at or FOR_EVER, lot.cost_minor)
                for lot in self.credits.lots(account, self.kind)
            ],
            [(units(hold.amount), hold.expires_at, hold.on_late) for hold in self.credits.holds(account, self.kind)],
        )  # fmt: skip


def told(books: Books, who: str, now: datetime) -> tuple[Any, ...]:
    """The same as `Ledger.shown`, out of the model."""
    wallet = deepcopy(books).wallet(who, now)
    ends: dict[datetime, int] = {}
    for lot in wallet.open_lots():
        if lot.end != FOR_EVER and lot.count(FREE):
            ends[lot.end] = ends.get(lot.end, 0) + lot.count(FREE)
    return (
        [wallet.posted(), wallet.held(), wallet.available(), wallet.pending()],
        sorted(ends.items()),
        [
            (lot.number, lot.source, lot.priority, len(lot.credits), lot.count(FREE, HELD), lot.count(HELD),
             lot.start, lot.end, lot.cost)
            for lot in wallet.open_lots()
        ],
        [(hold.amount, hold.deadline, hold.late) for hold in wallet.holds.values() if not hold.ended],
    )  # fmt: skip


def said_by(books: Books, call: Call, now: datetime) -> set[str]:
    """What the model answers: one word, or the names of the errors that would be right."""
    try:
        answer = books.tell(call, now)
    except Refused as refusal:
        return refusal.why
    return {"acted"} if call.verb in ("freeze", "unfreeze") else {answer}


class Opinions(RuleBasedStateMachine):
    """Both are told the same, and have to say the same."""

    credits: Credits
    clock: Clock

    @initialize(kind=st.sampled_from(sorted(KINDS)), amount=st.integers(5, 15), lasts=lives)
    def begin(self, kind: str, amount: int, lasts: int | None) -> None:
        self.clock.now = START
        self.keys = numbers(1)
        self.kind = kind
        self.books = Books(KINDS[kind])
        self.ledger = Ledger(self.credits, kind, f"-{next(names)}")
        self.done: list[Call] = []
        self.both(self.call(("grant", "ada", amount, lasts, 0, 100, 0)))
        self.both(self.call(("grant", "bob", amount, None, 0, 100, 0)) if amount % 4 else None)

    def call(self, wish: tuple[Any, ...], key: str | None = None) -> Call | None:
        """A wish about somebody's own lots, holds and deductions; None where they have none."""
        verb, who, *said = wish
        key = key or f"k{next(self.keys)}"
        wallet = self.books.wallets.get(who)
        if verb == "grant":
            amount, lives, start, *rest = said
            start = self.clock.now + start * HOUR
            return Call(verb, who, key, (amount, lives and lives * HOUR, start, *rest))
        if verb == "hold":
            return Call(verb, who, key, (said[0], said[1] * HOUR, said[2]))
        if verb in ("capture", "release", "extend"):
            holds = list(wallet.holds)[-6:] if wallet else []
            if not holds:
                return None
            hold = holds[said[0] % len(holds)]
            if verb == "extend":
                return Call(verb, who, key, (hold, said[1] * HOUR))
            return Call(verb, who, f"{hold}:end", (hold, *said[1:]))
        if verb == "reverse":
            used = [one for one in wallet.used if one != "clawback"][-6:] if wallet else []
            policy = said[2] or POLICIES[self.kind]
            return Call(verb, who, key, (used[said[0] % len(used)], said[1], policy)) if used else None
        if verb in ("void", "clawback"):
            there = len(wallet.lots) if wallet else 0
            number = 1 + said[0] % there if there and said[0] < 20 else there + 1
            return Call(verb, who, key, (number, *said[1:]))
        if verb == "transfer":
            return Call(verb, who, key, ("bob" if who == "ada" else "ada", *said))
        return Call(verb, who, key, tuple(said))

    def both(self, call: Call | None) -> None:
        if call is None:
            return
        answer = self.ledger.tell(call)
        assert answer in said_by(self.books, call, self.clock.now), answer
        if answer in ("done", "acted"):
            self.done.append(call)
        self.compare(call.who, *call.said[: call.verb == "transfer"])

    def compare(self, *whose: str) -> None:
        for who in whose or ("ada", "bob"):
            assert self.ledger.shown(who) == told(self.books, who, self.clock.now)

    @rule(wish=giving)
    def give(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(wish=spending)
    def spend(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(wish=holding)
    def set_aside(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(wish=ending)
    def end(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(wish=reversing)
    def give_back(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(wish=taking_back)
    def take_back(self, wish: tuple[Any, ...]) -> None:
        self.both(self.call(wish))

    @rule(who=who, wishes=st.lists(anything, min_size=1, max_size=3))
    def freeze_for_a_while(self, who: str, wishes: list[tuple[Any, ...]]) -> None:
        self.both(Call("freeze", who, f"k{next(self.keys)}"))
        for wish in wishes:
            self.both(self.call(wish))
        self.both(Call("unfreeze", who, f"k{next(self.keys)}"))

    @rule(who=who, amount=st.integers(1, 25))
    def check(self, who: str, amount: int) -> None:
        answer = self.credits.check(self.ledger.name(who), self.kind, self.ledger.credits_of(amount) or 0)
        trial = deepcopy(self.books)
        assert answer.allowed == (said_by(trial, Call("deduct", who, "trial", (amount,)), self.clock.now) == {"done"})

    @rule(pick=pick)
    def again(self, pick: int) -> None:
        """An earlier call, once more: nothing happens."""
        self.both(self.done[pick % len(self.done)])

    @rule(pick=pick, wish=anything)
    def reuse(self, pick: int, wish: tuple[Any, ...]) -> None:
        """An earlier key for something else."""
        before = self.done[pick % len(self.done)]
        if not before.key.endswith(":end") and wish[0] not in ("capture", "release"):
            self.both(self.call((wish[0], before.who, *wish[2:]), before.key))

    @rule(hours=st.integers(1, 6))
    def wait(self, hours: int) -> None:
        self.clock.move(hours * HOUR)
        self.compare()

    @rule()
    def step_back(self) -> None:
        self.clock.move(-HOUR)
        self.compare()

    @rule(first=anything, second=anything, twin=st.booleans())
    def pair(self, first: tuple[Any, ...], second: tuple[Any, ...], twin: bool) -> None:
        """Two callers at once: what comes of it is what one of them after the other would have made of it."""
        calls = [self.call((first[0], "ada", *first[2:])), self.call(("deduct", "ada", 3) if twin else second)]
        calls = [call for call in calls if call]
        if len(calls) < 2:
            return
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(self.ledger.tell, calls))
        seen = [self.ledger.shown(who) for who in ("ada", "bob")]
        orders: list[Any] = []
        for order in ((0, 1), (1, 0)):
            books = deepcopy(self.books)
            right = {place: said_by(books, calls[place], self.clock.now) for place in order}
            shows = [told(books, who, self.clock.now) for who in ("ada", "bob")]
            orders.append((right, shows))
            if all(answers[place] in right[place] for place in order) and seen == shows:
                self.books = books
                self.done += [call for call, answer in zip(calls, answers, strict=True) if answer == "done"]
                return
        raise AssertionError((answers, seen, orders))

    def teardown(self) -> None:
        """Once time's work is booked, everything is as it was, and proved."""
        if hasattr(self, "ledger"):
            self.credits.expire()
            self.compare()
            for who in self.books.exist:
                assert self.credits.verify(self.ledger.name(who)).faults == []


@pytest.mark.long
@pytest.mark.row("L16")
def test_both_say_the_same(database_url: str, count: Callable[[int, int], int]):
    with farthing.open(database_url, catalog=shop(SHOP), clock=(clock := Clock())) as credits:

        class Here(Opinions):
            pass

        Here.credits, Here.clock = credits, clock
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=count(30, 1000),
                stateful_step_count=40,
                derandomize=not os.environ.get("FARTHING_TEST_LONG"),
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
                phases=[Phase.generate, Phase.shrink],
                print_blob=True,
                deadline=None,
            ),
        )
