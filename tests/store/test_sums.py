"""What cannot be true is not written: the one function that writes adds up again, and the database has bounds."""

from __future__ import annotations

import pytest

from farthing import Credits
from farthing.core import lots
from farthing.core.book import Book, Draft, Stamp
from farthing.errors import Corrupt
from farthing.ledger.commands import new_account
from farthing.store import sql

WALLET = ("ada", "images")


def granted(credits: Credits) -> tuple[Book, Draft]:
    """An empty book, and a grant of 5 to it."""
    book = Book("ada", credits.catalog.credit_types["images"])
    stamp = Stamp(credits.clock(), "k", b"content")
    return book, lots.grant(book, lots.Terms(5, "gift", 100, None, None), stamp)


@pytest.mark.row("L3")
@pytest.mark.parametrize("wrong", ["number", "total", "book", "lots"])
def test_what_does_not_follow_from_what_was_is_not_written(credits: Credits, wrong: str):
    book, draft = granted(credits)
    [line] = draft.entries
    spoiled = {
        "number": draft._replace(entries=(line._replace(seq=2),)),
        "total": draft._replace(entries=(line._replace(posted_after=6),)),
        "book": draft._replace(book=draft.book._replace(posted=6)),
        "lots": draft._replace(book=draft.book._replace(lots=())),
    }[wrong]
    with pytest.raises(Corrupt, match="nothing was written"), credits.database.writing() as session:
        sql.post(session, {WALLET: book}, [spoiled])
    assert credits.balances("ada")[0].posted == 0
    with credits.database.writing() as session:
        sql.add_accounts(session, [new_account(credits.catalog, "ada")])
        sql.post(session, {WALLET: book}, [draft])
    assert credits.balance("ada", "images").posted == 5


@pytest.mark.row("L12")
@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("UPDATE farthing_wallets SET held = -1", "wallets_signs"),
        ("UPDATE farthing_wallets SET pending = -1", "wallets_signs"),
        ("UPDATE farthing_wallets SET debt = -1", "wallets_signs"),
        ("UPDATE farthing_lots SET held = -1", "lots_bounds"),
        ("UPDATE farthing_lots SET held = remaining + 1", "lots_bounds"),
        ("UPDATE farthing_lots SET remaining = amount + 1", "lots_bounds"),
        ("UPDATE farthing_lots SET cost_minor = -1", "lots_signs"),
        ("UPDATE farthing_debts SET remaining = -1", "debts_bounds"),
        ("UPDATE farthing_debts SET remaining = amount + 1", "debts_bounds"),
        ("UPDATE farthing_holds SET owed = amount + 1", "holds_bounds"),
        ("UPDATE farthing_claims SET amount = -1", "claims_signs"),
    ],
)
def test_the_database_itself_refuses_what_cannot_be(credits: Credits, statement: str, bound: str):
    credits.grant("ada", "chat", 5, key="g", source="gift")
    credits.hold("ada", "chat", 2, key="h")
    credits.void("ada", "lot_chat_1", 4, key="v")
    credits.deduct("ada", "chat", 1, key="d")
    with pytest.raises(Exception, match=f"farthing_{bound}"), credits.database.writing() as session:
        session.execute(statement)


@pytest.mark.row("L2")
def test_a_key_stands_for_one_entry_whoever_writes_it(credits: Credits):
    book, draft = granted(credits)
    bob = book._replace(account="ada", credit_type=credits.catalog.credit_types["chat"])
    again = lots.grant(bob, lots.Terms(5, "gift", 100, None, None), Stamp(credits.clock(), "k", b"content"))
    with pytest.raises(Exception) as refused, credits.database.writing() as session:  # noqa: PT011
        sql.post(session, {WALLET: book}, [draft])
        sql.post(session, {("ada", "chat"): bob}, [again])
    assert "key" in str(refused.value) or "append-only" in str(refused.value)
    assert credits.balance("ada", "images").posted == 0
