"""One worked page of the ledger, every column written out: what an entry means is fixed here."""

from dataclasses import dataclass

import pytest

import farthing
from farthing import Credits, Money
from farthing.core.book import KINDS
from farthing.core.calendar import micros
from farthing.ledger.verifying import verify
from farthing.store.tables import entries
from tests.kit import Clock, shop

HEADS = [
    *("seq", "kind", "amount", "held_change", "posted_after", "held_after", "pending_after", "draws", "opened"),
    *("source", "key", "link", "operation", "reason", "actor", "metadata", "catalog_version"),
    *("effective_at", "recorded_at", "occurred_at"),
]


@dataclass
class Days:
    """Instants of January 2026 for reading: `day(5, 1)` is the 5th at 01:00 UTC."""

    def __call__(self, day: int, hour: int = 0, month: int = 1) -> str:
        return f"2026-{month:02}-{day:02}T{hour:02}:00:00+00:00"


day = Days()


def opened(lot: int, expires: str | None, cost: int = 0, currency: str | None = None, priority: int = 100) -> dict:
    from datetime import datetime

    end = expires and micros(datetime.fromisoformat(expires))
    return {"lot": lot, "priority": priority, "cost_minor": cost, "currency": currency, "expires_at": end}


PAGE = [
    (1, "grant", 10, 0, 10, 0, 0, [], opened(1, day(31)), "gift", "farthing:gift:images", None,
     None, None, None, None, "golden", day(1), day(1), None),
    (2, "grant", 5, 0, 15, 0, 0, [], opened(2, day(5, 1)), "promo", "promo:1", None,
     None, "welcome", "kim", {"code": "HELLO"}, "golden", day(1, 1), day(1, 1), None),
    (3, "grant", 4, 0, 19, 0, 0, [], opened(3, None, 99, "USD"), "purchase", "order:1", None,
     None, None, None, None, "golden", day(1, 2), day(1, 2), None),
    (4, "grant", 20, 0, 39, 0, 20, [], opened(4, day(20, month=2)), "plan", "plan:1", None,
     None, None, None, None, "golden", day(20), day(1, 3), None),
    (5, "deduct", -2, 0, 37, 0, 20, [[2, 2, 0]], None, None, "render:1", None,
     "render", None, None, None, "golden", day(2), day(2), day(1, 23)),
    (6, "expire", -3, 0, 34, 0, 20, [[2, 3, 0]], None, None, None, None,
     None, None, None, None, None, day(5, 1), day(6), None),
    (7, "deduct", -12, 0, 22, 0, 20, [[1, 10, 0], [3, 2, 49]], None, None, "render:2", None,
     None, None, None, None, "golden", day(6), day(6), None),
    (8, "deduct", -6, 0, 16, 0, 20, [[3, 2, 50]], None, None, "render:3", None,
     None, None, None, None, "golden", day(7), day(7), None),
    (9, "repay", 0, 0, 16, 0, 0, [[4, 4, 0, 8]], None, None, None, None,
     None, None, None, None, None, day(20), day(25), None),
    (10, "deduct", -1, 0, 15, 0, 0, [[4, 1, 0]], None, None, "render:4", None,
     None, None, None, None, "golden", day(25), day(25), None),
]  # fmt: skip

SEALS = [
    "3bcc4e2becfe327b685b54c08c36ffc8",
    "b18505c0409637b3c44e787b9d1dd0a8",
    "05c44a32aea65c37bbe5bd9cadbc358d",
    "19b5ecaaa6b8a66510ee9a6eba468c1a",
    "aaa0808d79a139ffe54b60cf9db91519",
    "6ce25d9db131838a4b6949e06b4288ef",
    "8cb677a93c935539e53aa939c29b177d",
    "a41e439fbfc20337a8d2bd9cff5a910d",
    "ade67e1d04af9141f5407caa004c2259",
    "3b87a24e4c6c6d69fac955649884e43f",
]


def tell(credits: Credits, clock: Clock) -> None:
    credits.open_account("ada")
    clock.to("2026-01-01T01:00")
    credits.grant(
        "ada", "images", 5, key="promo:1", source="promo", expires="4d", reason="welcome", actor="kim",
        metadata={"code": "HELLO"},
    )  # fmt: skip
    clock.to("2026-01-01T02:00")
    credits.grant("ada", "images", 4, key="order:1", source="purchase", expires="never", cost=Money(99, "USD"))
    clock.to("2026-01-01T03:00")
    start = clock.now.replace(day=20, hour=0)
    credits.grant("ada", "images", 20, key="plan:1", source="plan", effective_at=start, expires="1mo")
    clock.to("2026-01-02")
    happened = clock.now.replace(day=1, hour=23)
    credits.deduct("ada", "images", 2, key="render:1", operation="render", occurred_at=happened)
    clock.to("2026-01-06")
    credits.deduct("ada", "images", 12, key="render:2")
    clock.to("2026-01-07")
    credits.deduct("ada", "images", 6, key="render:3")
    clock.to("2026-01-25")
    credits.deduct("ada", "images", 1, key="render:4")


GOLDEN_SHOP = """
[credit_types.images]
name = "Image credits"
overdraft = 5

[gifts.images]
amount = 10
expires = "30d"
"""


@pytest.fixture
def rows(database_url: str, clock: Clock) -> list[dict]:
    with farthing.open(database_url, catalog=shop(GOLDEN_SHOP)._replace(version="golden"), clock=clock) as credits:
        tell(credits, clock)
        assert verify(credits.database).proved
        names = list(entries.c.keys())
        with credits.database.reading() as session:
            load, time = session.dialect.json_out, session.dialect.time_out
            found = session.execute(
                f"SELECT {', '.join(names)} FROM farthing_entries ORDER BY account, credit_type, seq"
            )
    told = [dict(zip(names, row, strict=True)) for row in found]
    for row in told:
        row |= {name: load(row[name]) for name in ("draws", "opened", "metadata")}
        row |= {name: row[name] and time(row[name]).isoformat() for name in row if name.endswith("_at")}
    return told


@pytest.mark.row("L2", "L3", "L5", "L9", "L12", "L16")
def test_the_page_reads_as_written_here(rows: list[dict]):
    told = [tuple(row[head] for head in HEADS) for row in rows]
    assert told == PAGE
    assert {(row["account"], row["credit_type"]) for row in rows} == {("ada", "images")}


def test_the_seals_and_contents_are_these(rows: list[dict]):
    """A digest that comes out differently would make every ledger written before look forged."""
    assert [bytes(row["seal"]).hex() for row in rows] == SEALS
    assert [row["content"] and bytes(row["content"]).hex() for row in rows if row["key"] == "render:1"] == [
        "cd32d5c86756bd310e9ffa967c84b9c3"
    ]


EVERY_KIND = """
[credit_types.images]
name = "Image credits"
overdraft = 5
"""

LAST_SEALS = {
    "ada": "9f22d8eb91a2fb716138ae4afc04e850",
    "bob": "3dde7e49ce78c534c5a52220e064dc23",
}


def tell_every_kind(credits: Credits, clock: Clock) -> None:
    credits.grant("bob", "images", 1, key="g", source="gift", expires="30m")
    credits.grant("ada", "images", 9, key="g1", source="gift", expires="1h")
    credits.grant("ada", "images", 9, key="g2", source="purchase", cost=Money(990, "USD"))
    first = credits.hold("ada", "images", 4, key="h1", expires="30m", on_late="charge")
    second = credits.hold("ada", "images", 6, key="h2", expires="2h")
    second.extend("3h", key="e")
    credits.void("ada", "lot_images_1", 8, key="v")
    clock.move("70m")
    second.capture(5)
    first.capture(1)
    taken = credits.deduct("ada", "images", 2, key="d")
    credits.reverse("ada", taken.id, 1, key="r")
    credits.hold("ada", "images", 1, key="h3").release()
    credits.transfer("ada", "bob", "images", 1, key="t")
    credits.clawback("ada", "lot_images_2", 9, key="c", rest="debt")
    credits.grant("ada", "images", 3, key="g3", source="promo", expires="1h")
    clock.move("2h")
    credits.deduct("ada", "images", 1, key="d2")


def test_the_last_seals_of_a_story_with_every_kind_are_these(database_url: str, clock: Clock):
    """They hold the seals before them, so these two pin the digest of every kind of entry."""
    with farthing.open(database_url, catalog=shop(EVERY_KIND)._replace(version="golden"), clock=clock) as credits:
        tell_every_kind(credits, clock)
        assert verify(credits.database).proved
        with credits.database.reading() as session:
            kinds = session.execute("SELECT DISTINCT kind FROM farthing_entries")
            last = session.execute("SELECT account, seal FROM farthing_wallets")
    assert {row[0] for row in kinds} == {*KINDS}
    assert {row[0]: bytes(row[1]).hex() for row in last} == LAST_SEALS
