"""`verify` proves honest books and finds whatever was changed behind the database's back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import timedelta

import pytest

import farthing
from farthing import Credits, Money
from farthing.core import burn, holds, lots
from farthing.core.book import Book, CreditType, Draft, Stamp
from farthing.errors import NotFound
from farthing.ledger.verifying import look, verify
from farthing.store import sql
from tests.databases import Databases
from tests.kit import START, Clock, shop
from tests.store.everything import everything, tampering


@pytest.fixture
def shop_with_a_past(database_url: str, clock: Clock):
    """Ada's chat wallet: 1 grant (pending later), 2 expired, draws, a debt repaid in part; bob has one lot."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "chat", 3, key="g1", source="gift", expires="5d")
        credits.grant("ada", "chat", 4, key="g2", source="purchase", cost=Money(99, "USD"), expires="never")
        credits.deduct("ada", "chat", "1.50", key="d1", operation="chat")
        clock.move("6d")
        credits.deduct("ada", "chat", 6, key="d2")
        credits.grant("ada", "chat", 1, key="g3", source="promo", expires="60d")
        credits.grant("ada", "chat", 2, key="g4", source="plan", effective_at=clock.now.replace(month=3))
        credits.grant("ada", "chat", 7, key="g5", source="gift", expires="90d", priority=20)
        credits.grant("bob", "images", 5, key="g", source="gift", expires="30d")
        yield credits


def plant(credits: Credits, statement: str) -> None:
    """Changes rows as somebody with the keys to the database can: with the triggers out of the way."""
    with credits.database.writing() as session:
        if session.dialect.name == "postgresql":
            session.execute("ALTER TABLE farthing_entries DISABLE TRIGGER ALL")
        else:
            for kind in ("delete", "update", "replace"):
                session.execute(f"DROP TRIGGER farthing_entries_no_{kind}")
        session.execute(statement)


@pytest.mark.row("L14")
def test_honest_books_are_proved(shop_with_a_past: Credits):
    seen: list[tuple[int, int]] = []
    report = verify(shop_with_a_past.database, progress=lambda done, total: seen.append((done, total)))
    assert report.proved
    assert (report.wallets, report.entries, report.posted) == (2, 11, {"chat": 800, "images": 5})
    assert seen[-1] == (11, 11)
    assert verify(shop_with_a_past.database, account="bob").wallets == 1


ADA = "WHERE account = 'ada' AND credit_type = 'chat'"

# One change in one column is planted in test_planted.py.
PLANTED = {
    "wallet missing": f"DELETE FROM farthing_wallets {ADA}",
    "entry unknown kind": f"UPDATE farthing_entries SET kind = 'gift' {ADA} AND seq = 2",
    "entry draws": f"UPDATE farthing_entries SET draws = '[[2,150,37]]' {ADA} AND seq = 3",
    "entry draws unreadable": f"UPDATE farthing_entries SET draws = '[[2]]' {ADA} AND seq = 3",
    "entry opened": f"UPDATE farthing_entries SET opened = NULL {ADA} AND seq = 2",
    "entry effective_at": f"UPDATE farthing_entries SET effective_at = recorded_at {ADA} AND seq = 4",
    "entry recorded_at": f"UPDATE farthing_entries SET recorded_at = effective_at {ADA} AND seq = 4",
    "entry seal": f"UPDATE farthing_entries SET seal = content {ADA} AND seq = 2",
    "last entry missing": f"DELETE FROM farthing_entries {ADA} AND seq = 9",
    "all entries missing": f"DELETE FROM farthing_entries {ADA}",
    "entries moved to another account": f"UPDATE farthing_entries SET account = 'eve' {ADA}",
    "entries renumbered": f"UPDATE farthing_entries SET seq = seq + 100 {ADA} AND seq >= 5",
}


@pytest.mark.row("L14")
@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_change_is_found_and_the_wallet_named(shop_with_a_past: Credits, planted: str):
    plant(shop_with_a_past, PLANTED[planted])
    report = verify(shop_with_a_past.database)
    assert not report.proved
    assert {(fault.account, fault.credit_type) for fault in report.faults} <= {("ada", "chat"), ("eve", "chat")}


@pytest.mark.row("L14")
def test_the_first_wrong_entry_is_named(shop_with_a_past: Credits):
    plant(shop_with_a_past, f"UPDATE farthing_entries SET amount = amount + 1 {ADA} AND seq >= 3")
    [fault] = verify(shop_with_a_past.database).faults
    assert fault.wrong.startswith("entry 3: its seal is")


@pytest.mark.row("L14")
def test_nothing_is_proved_of_an_account_that_does_not_exist(shop_with_a_past: Credits):
    with pytest.raises(NotFound, match="nothing to prove"):
        verify(shop_with_a_past.database, account="adda")
    shop_with_a_past.open_account("eve")
    assert verify(shop_with_a_past.database, account="eve").proved


@pytest.mark.row("L14")
@pytest.mark.long
def test_a_wallet_of_any_length_takes_the_same_memory(
    databases: Databases, clock: Clock, count: Callable[[int, int], int]
):
    peaks: list[int] = []
    for jobs in (count(500, 15_000), count(4_000, 120_000)):
        with databases.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
            credits.open_account("ada")
            work(credits, jobs)
            tracemalloc.start()
            report = verify(credits.database)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert (report.faults, report.entries) == ([], 1 + 1 + 3 * jobs)
    assert peaks[1] < 3 * peaks[0]  # of eight times the length; when garbage is collected differs


def work(credits: Credits, jobs: int) -> None:
    """Bob's jobs, three entries each: credits held, some captured or all released, and some deducted."""
    book = Book("bob", CreditType("images", "Image credits"))
    before = {("bob", "images"): book}
    terms = lots.Terms(4 * jobs, "gift", 100, None, None)
    drafts = [lots.grant(book, terms, Stamp(START, "g"))]
    for job in range(jobs):
        held = holds.hold(drafts[-1].book, 2, START + timedelta(hours=1), "refuse", Stamp(START, f"h{job}"))
        seq, stamp = held.book.seq, Stamp(START, f"e{job}")
        end = holds.release(held.book, seq, stamp) if job % 2 else holds.capture(held.book, seq, 1, stamp)
        book = end.book._replace(holds=())
        drafts += [held, Draft(book, end.entries, end.changes), burn.deduct(book, 1, Stamp(START, f"d{job}"))]
    with credits.database.writing() as session:
        sql.add_accounts(session, [credits.account("ada")._replace(account="bob")])
        sql.post(session, before, drafts)


@pytest.mark.row("L14")
def test_a_wrong_order_is_named(database_url: str, clock: Clock):
    with everything(database_url, clock) as credits:
        paid, other = next(one.id for one in credits.orders("ada").data if one.status == "fulfilled"), "ord_none"
        with tampering(credits) as session:
            session.execute("UPDATE farthing_orders SET bonus = 11 WHERE id = ?", (paid,))
            [fault] = look(session, "ada").faults
            assert (fault.account, fault.credit_type, fault.order) == ("ada", "images", paid)
            assert fault.wrong.startswith("order: its seal is")
        with tampering(credits) as session:
            session.execute("UPDATE farthing_payments SET amount_minor = 1 WHERE order_id = ?", (paid,))
            [fault] = look(session, None).faults
            assert fault.wrong == "order: state is fulfilled, but its payments make it review"
        with tampering(credits) as session:
            session.execute("UPDATE farthing_orders SET id = ? WHERE id = ?", (other, paid))
            assert {fault.order for fault in look(session, "ada").faults} == {paid, other}
        assert verify(credits.database).orders == 6
