"""One worked page of the ledger, read straight out of the table; docs/model.md explains it line by line."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import farthing
from farthing import Money

now = datetime(2026, 1, 1, tzinfo=UTC)
farthing.migrate("sqlite:///page.db")
credits = farthing.open("sqlite:///page.db", catalog=Path(__file__).with_name("ledger_page.toml"), clock=lambda: now)

credits.open_account("ada")
now = datetime(2026, 1, 1, 1, tzinfo=UTC)
credits.grant(
    "ada", "images", 5, key="promo:1", source="promo", expires="4d",
    reason="welcome", actor="kim", metadata={"code": "HELLO"},
)  # fmt: skip
now = datetime(2026, 1, 1, 2, tzinfo=UTC)
credits.grant("ada", "images", 4, key="order:1", source="purchase", expires=farthing.NEVER, cost=Money(99, "USD"))
now = datetime(2026, 1, 1, 3, tzinfo=UTC)
start = datetime(2026, 1, 20, tzinfo=UTC)
credits.grant("ada", "images", 20, key="plan:1", source="plan", effective_at=start, expires="1mo")
now = datetime(2026, 1, 2, tzinfo=UTC)
happened = now - timedelta(hours=1)
credits.deduct("ada", "images", 2, key="render:1", operation="render", occurred_at=happened)
now = datetime(2026, 1, 6, tzinfo=UTC)
credits.deduct("ada", "images", 12, key="render:2")
now = datetime(2026, 1, 7, tzinfo=UTC)
credits.deduct("ada", "images", 6, key="render:3")
now = datetime(2026, 1, 25, tzinfo=UTC)
credits.deduct("ada", "images", 1, key="render:4")
credits.close()


def instant(micros):
    return micros and datetime.fromtimestamp(micros // 1_000_000, UTC).isoformat()


database = sqlite3.connect("page.db")
database.row_factory = sqlite3.Row
rows = [dict(row) for row in database.execute("SELECT * FROM farthing_entries ORDER BY account, credit_type, seq")]
database.close()
for row in rows:
    row |= {name: row[name] and json.loads(row[name]) for name in ("draws", "opened", "metadata")}
    row |= {name: instant(row[name]) for name in ("effective_at", "recorded_at", "occurred_at")}


def short(value):
    """A value as it fits into a table: 2026-01-05T01:00:00+00:00 as Jan 5 01:00."""
    if value is None or value == []:
        return ""
    if isinstance(value, str) and value.endswith("+00:00"):
        at = datetime.fromisoformat(value)
        return f"{at:%b} {at.day} {at:%H:%M}"
    return f"`{json.dumps(value)}`" if isinstance(value, list | dict) else str(value)


def lot(row):
    opened = row["opened"]
    if opened is None:
        return ""
    paid = f", {opened['cost_minor']} {opened['currency']} cents" if opened["cost_minor"] else ""
    ends = f"until {short(instant(opened['expires_at']))}" if opened["expires_at"] else "for ever"
    return f"lot {opened['lot']} {ends}{paid}"


def table(**columns):
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(show(row) for show in columns.values()) + " |")


def column(name):
    return lambda row: short(row[name])


numbers = ["seq", "kind", "amount", "held_change", "posted_after", "held_after", "pending_after", "draws"]
words = ["seq", "source", "key", "operation", "reason", "actor", "metadata"]
times = ["effective_at", "recorded_at", "occurred_at"]
table(**{name: column(name) for name in numbers}, opened=lot)
print()
table(**{name: column(name) for name in words + times})
