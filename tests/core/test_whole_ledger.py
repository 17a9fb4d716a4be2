"""Every rule of the ledger, in any order at any time: the entries rebuild the book, and nothing is made or lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from farthing.core import burn, claims, holds, lots, moves, reversals
from farthing.core.audit import Audit
from farthing.core.book import KINDS, Book, CreditType, Draft, Entry, Lot, Part, Stamp
from farthing.core.due import settle
from farthing.errors import Refused
from tests.kit import START

HOUR = timedelta(hours=1)
CITABLE = ("deduct", "capture", "reverse", "repay", "clawback")


def step(dice: random.Random) -> tuple[Any, ...]:
    """Something to do, as (verb, …)."""
    amount, pick, hours = dice.randint(1, 40), dice.randint(0, 30), dice.randint(1, 12)
    part = dice.choice([None, amount])
    starts, lives = dice.choice([0, 0, hours]), dice.choice([None, dice.randint(1, 30)])
    return dice.choice([
        ("grant", amount, starts, lives, dice.choice([0, 0, 1, 99])),
        ("grant", amount, 0, lives, dice.choice([0, 99])),
        ("deduct", amount // 2 + 1),
        ("hold", amount // 2 + 1, hours, dice.choice(holds.LATE)),
        ("hold", amount // 2 + 1, hours, dice.choice(holds.LATE)),
        ("capture", pick, part),
        ("release", pick),
        ("extend", pick, hours),
        ("reverse", pick, part, dice.choice(reversals.POLICIES)),
        ("void", pick, part),
        ("clawback", pick, amount, dice.choice(claims.RESTS)),
        ("clawback", dice.choice([None, pick]), amount, dice.choice(claims.RESTS)),
        ("give_back", pick, part, dice.choice(reversals.POLICIES)),
        ("waive", pick, amount),
        ("keep_aside", pick, amount),
        ("leave", dice.choice([amount, amount, amount, None])),
        ("freeze", dice.choice([True, False, False, False])),
        ("wait", hours // 3),
        ("wait", hours // 3),
    ])  # fmt: skip


class Wallet:
    """One wallet with everything that was ever written of it, as a database would keep it."""

    def __init__(self, kind: CreditType) -> None:
        self.now = START
        self.book = Book("ada", kind)
        self.lines: list[Entry] = []
        self.parts: dict[tuple[type, int], Part] = {}
        self.audit = Audit()
        self.closed: dict[tuple[type, int], Part] = {}

    def tell(self, step: tuple[Any, ...]) -> None:
        verb, *given = step
        if verb == "wait":
            self.now += given[0] * HOUR
        elif verb == "freeze":
            self.book = self.book._replace(frozen=given[0])
        else:
            due = settle(
                self.book._replace(shut=self.shut(), cited=self.citable()), max(self.now, self.book.recorded_at)
            )
            try:
                decided = getattr(self, verb)(due.book, Stamp(self.now), *given)
            except (Refused, LookupError):
                return
            self.keep(Draft(decided.book, due.entries + decided.entries, due.changes + decided.changes))

    def keep(self, draft: Draft) -> None:
        for line in draft.entries:
            self.lines.append(line)
            self.audit.entry(line, self.cited(line))
            self.closed |= {(type(part), part[0]): part for part in self.audit.closed}
        self.parts |= {(type(part), part[0]): part for part in draft.changes}
        self.book = draft.book._replace(cited=(), shut=())

    def cited(self, line: Entry) -> list[Entry]:
        if line.kind != "reverse":
            return []
        number = int(str(line.link).rpartition("_")[2])
        return [
            one
            for one in self.lines
            if one.seq == number or (one.seq > number and one.kind in ("reverse", "repay", "clawback"))
        ]

    def grant(self, book: Book, stamp: Stamp, amount: int, starts: int, lives: int | None, cost: int) -> Draft:
        start = stamp.now + starts * HOUR
        end = None if lives is None else start + lives * HOUR
        return lots.grant(book, lots.Terms(amount, "gift", 100, start, end, cost, (cost and "USD") or None), stamp)

    def deduct(self, book: Book, stamp: Stamp, amount: int) -> Draft:
        return burn.deduct(book, amount, stamp)

    def hold(self, book: Book, stamp: Stamp, amount: int, lasts: int, late: str) -> Draft:
        return holds.hold(book, amount, stamp.now + lasts * HOUR, late, stamp)

    def capture(self, book: Book, stamp: Stamp, pick: int, amount: int | None) -> Draft:
        return holds.capture(book, self.held(pick), amount, stamp)

    def release(self, book: Book, stamp: Stamp, pick: int) -> Draft:
        return holds.release(book, self.held(pick), stamp)

    def extend(self, book: Book, stamp: Stamp, pick: int, lasts: int) -> Draft:
        return holds.extend(book, self.held(pick), stamp.now + lasts * HOUR, stamp)

    def reverse(self, book: Book, stamp: Stamp, pick: int, amount: int | None, policy: str) -> Draft:
        used = [line.seq for line in self.lines if line.kind in ("deduct", "capture")]
        seq = used[pick % len(used)] if used else 0
        return reversals.reverse(book, seq, amount, policy, stamp)

    def void(self, book: Book, stamp: Stamp, pick: int, amount: int | None) -> Draft:
        return claims.void(book, 1 + pick % (book.last_lot + 1), amount, stamp)

    def clawback(self, book: Book, stamp: Stamp, pick: int | None, amount: int, rest: str) -> Draft:
        if pick is None:
            return claims.take_back(
                book, book.lots[0].number if amount % 2 and book.lots else None, amount, rest, stamp
            )
        return claims.clawback(book, 1 + pick % (book.last_lot + 1), amount, rest, stamp)

    def give_back(self, book: Book, stamp: Stamp, pick: int, amount: int | None, policy: str) -> Draft:
        taken = [line.seq for line in self.lines if line.kind == "clawback"]
        seq = taken[pick % len(taken)] if taken else 0
        return reversals.reverse(book, seq, amount, policy, stamp, kinds=("clawback",))

    def waive(self, book: Book, stamp: Stamp, pick: int, amount: int) -> Draft:
        waiting = book.claims[pick % len(book.claims)] if book.claims else None
        return claims.waive(book, waiting.seq if waiting else 0, amount % 3 + 1, stamp)

    def keep_aside(self, book: Book, stamp: Stamp, pick: int, amount: int) -> Draft:
        return holds.keep(book, 1 + pick % (book.last_lot + 1), amount, stamp)

    def leave(self, book: Book, stamp: Stamp, amount: int | None) -> Draft:
        return moves.move_out(book, amount, stamp)

    def held(self, pick: int) -> int:
        held = [line.seq for line in self.lines if line.kind == "hold"]
        return held[pick % len(held)] if held else 0

    def citable(self) -> tuple[Entry, ...]:
        return tuple(line for line in self.lines if line.kind in CITABLE)

    def shut(self) -> tuple[Lot, ...]:
        return tuple(part for part in self.parts.values() if isinstance(part, Lot) and not part.remaining)


@pytest.mark.long
def test_whatever_happens_the_entries_rebuild_the_book_and_nothing_is_made_or_lost(count: Callable[[int, int], int]):
    kinds: Counter[str] = Counter()
    for seed in range(count(120, 5000)):
        dice = random.Random(seed)
        overdraft, more = dice.choice([0, 25]), dice.choice([True, False])
        wallet = Wallet(CreditType("images", "Images", overdraft_limit=overdraft, capture_more=more))
        for _ in range(60):
            before, taken = wallet.book, len(wallet.lines)
            wallet.tell(step(dice))
            look_at(wallet, before, wallet.lines[taken:])
        kinds.update(line.kind for line in wallet.lines)
    assert kinds.keys() == {*KINDS} - {"transfer_in"}


def look_at(wallet: Wallet, before: Book, new: list[Entry]) -> None:
    book = wallet.book
    wallet.audit.finish(book)
    assert wallet.parts == wallet.closed | {(type(part), part[0]): part for part in wallet.audit.parts()}
    there = [part for part in wallet.parts.values() if isinstance(part, Lot)]
    assert {lot.number: lot for lot in book.lots} == {lot.number: lot for lot in there if lot.remaining}
    assert all(0 <= lot.held <= lot.remaining <= lot.amount for lot in there)
    if not any(line.kind == "clawback" for line in wallet.lines):
        assert book.available >= -book.credit_type.overdraft_limit
    assert book.posted - before.posted == sum(line.amount for line in new)
