"""A ledger in which everything has happened once: every kind of entry, every end of a hold, every fate of an order."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

from farthing import Credits, Money
from farthing.core.book import KINDS
from farthing.store.database import Session
from tests.kit import Clock
from tests.selling import STORE, selling, tell

EVERYTHING = (
    STORE.replace('name = "Chat credits"', 'name = "Chat credits"\noverdraft = "5.00"')
    + """
[gifts.images]
amount = 10
expires = "30d"
"""
)


@contextmanager
def everything(url: str, clock: Clock) -> Generator[Credits]:
    """Its books, which `verify` has to prove when the block ends."""
    with selling(url, clock, EVERYTHING) as credits:
        images(credits, clock)
        chat(credits, clock)
        orders(credits, clock)
        credits.freeze("bob", key="f")
        lines = [line for account in ("ada", "bob", "guest") for line in credits.history(account, limit=500).data]
        assert {line.kind for line in lines} == {*KINDS}
        yield credits


def images(credits: Credits, clock: Clock) -> None:
    """Holds of every end, lots that pend, expire, move and are taken back, with claims on what is held of them."""
    credits.open_account("ada")
    credits.grant("ada", "images", 40, key="g1", source="purchase", cost=Money(990, "USD"))
    credits.grant("ada", "images", 9, key="g2", source="plan", effective_at=clock.now.replace(month=3), expires="30d")
    credits.grant("ada", "images", 3, key="g3", source="promo", expires="1d")
    used = credits.deduct("ada", "images", 2, key="d1", operation="render", occurred_at=clock.now)
    for late in ("refuse", "charge", "charge"):
        credits.hold("ada", "images", 2, key=f"{late}{credits.balance('ada', 'images').held}", on_late=late)
    waiting = [hold.id for hold in credits.holds("ada", "images")]
    clock.move("2d")
    credits.capture("ada", waiting[1], 1)
    credits.hold("ada", "images", 4, key="h1").capture(3, operation="render")
    credits.hold("ada", "images", 2, key="h2").release()
    credits.hold("ada", "images", 2, key="h3").extend("40d", key="x1")
    credits.reverse("ada", used.id, 1, key="r1")
    given = credits.grant("ada", "images", 5, key="g4", source="promo", priority=1)
    bought = credits.grant("ada", "images", 5, key="g5", source="promo", priority=2, cost=Money(99, "EUR"))
    five = credits.hold("ada", "images", 10, key="h4", expires="50d")
    credits.void("ada", str(given.lot), 4, key="v1")
    credits.clawback("ada", str(bought.lot), 5, key="c1", rest="debt")
    five.capture(7)
    wrong = credits.grant("ada", "images", 5, key="g6", source="promo", priority=1)
    credits.hold("ada", "images", 1, key="h5", expires="50d")
    credits.void("ada", str(wrong.lot), key="v2")
    credits.open_account("bob")
    credits.transfer("ada", "bob", "images", 4, key="t1")


def chat(credits: Credits, clock: Clock) -> None:
    """Debts: one repaid, one repaid in part, one taken back."""
    credits.grant("ada", "chat", 1, key="cg1", source="gift", expires="60d")
    credits.deduct("ada", "chat", 3, key="cd1")
    credits.deduct("ada", "chat", "1.50", key="cd2")
    credits.grant("ada", "chat", "2.75", key="cg2", source="gift", expires="60d")
    owed = credits.deduct("ada", "chat", 2, key="cd3")
    credits.reverse("ada", owed.id, key="cr1")


def orders(credits: Credits, clock: Clock) -> None:
    """One open, one paid with tax and a bonus, one under review, one failed; a guest's, paid before and after."""
    buyers = {"open": "ada", "paid": "ada", "review": "ada", "failed": "ada", "before": "guest", "after": "guest"}
    made = {
        name: credits.checkout(
            account, key=f"buy:{name}", package="starter", return_url="https://shop.test/{order}", email="a@shop.test"
        )
        for name, account in buyers.items()
    }
    clock.move("1h")
    tell(credits, made["paid"].order, "payment.paid", id="e1", amount_minor=1190, tax_minor=200)
    tell(credits, made["paid"].order, "payment.paid", id="e1b", payment="pay_2")
    tell(credits, made["review"].order, "payment.paid", id="e2", amount_minor=1)
    tell(credits, made["failed"].order, "payment.failed", id="e3")
    tell(credits, made["before"].order, "payment.paid", id="e4")
    credits.merge("guest", into="ada", key="m")
    tell(credits, made["after"].order, "payment.paid", id="e5")


class Undone(Exception):
    """Ends the transaction of a planted change."""


@contextmanager
def tampering(credits: Credits) -> Generator[Session]:
    """A transaction of somebody with the keys to the database, which leaves nothing behind."""
    with suppress(Undone), credits.database.writing() as session:
        if session.dialect.name == "postgresql":
            session.execute("ALTER TABLE farthing_entries DISABLE TRIGGER ALL")
        else:
            for kind in ("delete", "update", "replace"):
                session.execute(f"DROP TRIGGER farthing_entries_no_{kind}")
        yield session
        raise Undone
