"""What must always hold, whatever happens in whatever order: checked against a second, simpler ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.core import burn
from farthing.core.audit import Audit
from farthing.core.book import Book, CreditType, Debt, Draft, Lot, Stamp, draw, put_back
from farthing.core.due import settle
from farthing.core.lots import Terms, grant
from farthing.errors import Corrupt, InsufficientCredits
from tests.kit import START

HOUR = timedelta(hours=1)


class Grant(NamedTuple):
    amount: int
    starts_in: int
    lives: int | None
    priority: int
    cost: int


class Deduct(NamedTuple):
    amount: int


class Wait(NamedTuple):
    hours: int


grants = st.builds(
    Grant,
    st.integers(1, 60),
    st.integers(0, 12),
    st.none() | st.integers(1, 40),
    st.sampled_from([10, 100]),
    st.sampled_from([0, 0, 1, 99]),
)
steps = st.lists(grants | st.builds(Deduct, st.integers(1, 60)) | st.builds(Wait, st.integers(0, 15)), max_size=40)


class Simple:
    """The ledger as a child would keep it: every single credit is a row of its own, and time is asked at each look."""

    def __init__(self, overdraft: int) -> None:
        self.credits: list[tuple] = []  # burn order, then when it starts and ends
        self.owed = 0
        self.overdraft = overdraft
        self.lots = 0

    def grant(self, step: Grant, now) -> None:
        self.lots += 1
        start = now + step.starts_in * HOUR
        end = None if step.lives is None else start + step.lives * HOUR
        order = (step.priority, end is None, end or START, step.cost > 0, start, self.lots)
        self.credits += [(order, start, end)] * step.amount

    def pass_time(self, then, now) -> None:
        moments = {at for _, start, end in self.credits for at in (start, end) if at and then <= at <= now}
        for at in sorted(moments | {now}):
            self.repay(at)
            self.credits = [credit for credit in self.credits if credit[2] is None or credit[2] > at]

    def repay(self, now) -> None:
        paying = sorted(credit for credit in self.credits if credit[1] <= now)[: self.owed]
        for credit in paying:
            self.credits.remove(credit)
        self.owed -= len(paying)

    def available(self, now) -> int:
        return sum(start <= now for _, start, _ in self.credits) - self.owed

    def deduct(self, amount: int, now) -> bool:
        if amount > self.available(now) + self.overdraft:
            return False
        taken = sorted(credit for credit in self.credits if credit[1] <= now)[:amount]
        for credit in taken:
            self.credits.remove(credit)
        self.owed += amount - len(taken)
        return True


def apply(book: Book, step: Grant | Deduct, now) -> Draft:
    due = settle(book, now)
    stamp = Stamp(now)
    if isinstance(step, Deduct):
        decided = burn.deduct(due.book, step.amount, stamp)
    else:
        start = now + step.starts_in * HOUR
        end = None if step.lives is None else start + step.lives * HOUR
        terms = Terms(step.amount, "gift", step.priority, start, end, step.cost, "USD" if step.cost else None)
        decided = grant(due.book, terms, stamp)
    return Draft(decided.book, due.entries + decided.entries, due.changes + decided.changes)


@given(steps, st.sampled_from([0, 25]))
def test_the_book_agrees_with_the_simple_ledger_and_its_entries_rebuild_it(story: list, overdraft: int):
    kind = CreditType("images", "Images", overdraft_limit=overdraft)
    book, simple, now = Book("ada", kind), Simple(overdraft), START
    audit, closed, lots, debts = Audit(), [], {}, {}
    for step in story:
        if isinstance(step, Wait):
            then, now = now, now + step.hours * HOUR
            simple.pass_time(then, now)
            assert settle(book, max(now, book.recorded_at)).book.available == simple.available(now)
            continue
        refused = False
        try:
            draft = apply(book, step, now)
        except InsufficientCredits:
            refused = True
        if isinstance(step, Deduct):
            assert refused != simple.deduct(step.amount, now)
        else:
            simple.grant(step, now)
            simple.repay(now)
        if refused:
            continue
        book = draft.book
        for line in draft.entries:
            audit.entry(line)
            closed += audit.closed
        lots |= {lot.number: lot for lot in draft.changes if isinstance(lot, Lot)}
        debts |= {debt.seq: debt for debt in draft.changes if isinstance(debt, Debt)}
        assert book.available == simple.available(now) >= -overdraft
        assert all(0 <= lot.remaining <= lot.amount for lot in lots.values())
        assert book.posted == sum(lot.remaining for lot in lots.values()) - book.debt
    if book.seq:
        audit.finish(book)
        rebuilt = {(type(part), part[0]): part for part in (*closed, *audit.parts())}
        assert rebuilt == {(type(part), part[0]): part for part in (*lots.values(), *debts.values())}


@given(st.integers(1, 10**6), st.integers(0, 10**9), st.data())
def test_the_shares_of_a_lots_cost_add_up_to_it(amount: int, cost: int, data: st.DataObject):
    kind = CreditType("images", "Images")
    book = grant(Book("ada", kind), Terms(amount, "purchase", 100, None, None, cost, "USD"), Stamp(START)).book
    shares = 0
    while book.posted:
        part = data.draw(st.integers(1, book.posted) if book.posted > 5 else st.just(book.posted))
        draft = burn.deduct(book, part, Stamp(START))
        [drawn] = draft.entries[-1].draws
        assert drawn.cost_minor >= 0
        shares += drawn.cost_minor
        book = draft.book
    assert shares == cost


def test_a_lot_gives_no_more_than_it_has_and_takes_no_more_than_it_gave():
    terms = Terms(5, "gift", 100, None, None)
    [lot] = grant(Book("ada", CreditType("images", "Images")), terms, Stamp(START)).book.lots
    left, _ = draw(lot, 3)
    for wrong in (0, -1, 3):
        with pytest.raises(Corrupt, match="cannot draw"):
            draw(left, wrong)
    for wrong in (0, -1, 4):
        with pytest.raises(Corrupt, match="cannot put"):
            put_back(left, wrong)


@given(steps)
def test_lots_burn_in_the_published_order(story: list):
    book, now = Book("ada", CreditType("images", "Images")), START
    for step in story:
        if isinstance(step, Wait):
            now += step.hours * HOUR
            continue
        usable = {lot.number: lot for lot in settle(book, now).book.lots if lot.effective_at <= now}
        try:
            draft = apply(book, step, now)
        except InsufficientCredits:
            continue
        if isinstance(step, Deduct):
            drawn = [drawn.lot for drawn in draft.entries[-1].draws]
            wanted = sorted(
                usable.values(),
                key=lambda lot: (
                    lot.priority,
                    lot.expires_at.timestamp() if lot.expires_at else float("inf"),
                    lot.cost_minor > 0,
                    lot.effective_at,
                    lot.number,
                ),
            )
            assert drawn == [lot.number for lot in wanted][: len(drawn)]
            left = {lot.number: lot.remaining for lot in draft.changes if isinstance(lot, Lot)}
            assert all(left[number] == 0 for number in drawn[:-1])
        book = draft.book
