"""`verify` proves honest books and finds whatever was changed behind the database's back."""

from __future__ import annotations

import pytest

import farthing
from farthing import Credits, Money
from farthing.errors import NotFound
from farthing.ledger.verifying import verify
from tests.kit import Clock, shop


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
