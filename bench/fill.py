"""Accounts with a past: lots and entries as the rules make them, numbered and sealed, written in bulk.

Each account has a gift that expires in years and a purchase behind it. `verify` finds nothing wrong with any of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from multiprocessing import get_context

from bench.callers import CATALOG, TYPE, name
from farthing.catalog import parse
from farthing.core.book import DEFAULT_PRIORITY, Book, Draft, Stamp
from farthing.core.burn import deduct
from farthing.core.checks import fingerprint
from farthing.core.lots import Terms, grant
from farthing.ledger.commands import new_account
from farthing.store import sql
from farthing.store.database import Database

AMOUNT = 10**9
ROWS_AT_ONCE = 5000
WORTH_MORE_PROCESSES = 50_000


def fill(url: str, accounts: int, entries: int, *, first: int = 1) -> None:
    """`accounts` accounts from number `first` on, and `entries` deductions dealt out to them evenly."""
    jobs = os.cpu_count() or 1 if entries > WORTH_MORE_PROCESSES and url.startswith("postgresql") else 1
    bounds = [first + accounts * job // jobs for job in range(jobs + 1)]
    each = -(-entries // accounts)
    if jobs == 1:
        _fill(url, first, first + accounts, each)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        list(pool.map(_fill, repeat(url), bounds, bounds[1:], repeat(each)))


def _fill(url: str, first: int, beyond: int, entries_each: int) -> None:
    database = Database(url)
    numbers = iter(range(first, beyond))
    while block := list(islice(numbers, max(1, ROWS_AT_ONCE // (entries_each + 2)))):
        database.run(lambda session, block=block: _write(session, block, entries_each))
    database.close()


def _write(session: sql.Session, numbers: list[int], entries_each: int) -> None:
    catalog = parse(CATALOG)
    began = datetime.now(UTC) - timedelta(days=30)
    books = [Book(name(number), catalog.credit_types[TYPE]) for number in numbers]
    sql.add_accounts(session, [new_account(catalog, book.account)._replace(created_at=began) for book in books])
    drafts = [draft for book in books for draft in _past(book, entries_each, began)]
    sql.post(session, {(book.account, TYPE): book for book in books}, drafts)


def _past(book: Book, entries: int, now: datetime) -> Iterator[Draft]:
    gift = Terms(AMOUNT, "gift", DEFAULT_PRIORITY, None, now + timedelta(days=3650))
    bought = Terms(AMOUNT, "purchase", DEFAULT_PRIORITY, None, None, 990, "USD")
    for number, terms in enumerate((gift, bought)):
        yield (draft := grant(book, terms, Stamp(now, f"grant:{number}", fingerprint("grant", TYPE, AMOUNT))))
        book = draft.book
    content = fingerprint("deduct", TYPE, 1)
    for number in range(entries):
        now += timedelta(seconds=1)
        yield (draft := deduct(book, 1, Stamp(now, f"past:{number}", content)))
        book = draft.book
