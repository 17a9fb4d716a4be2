"""What stories are told with: a clock to move and a shop with two credit types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import farthing
from farthing.catalog import Catalog, parse
from farthing.core.calendar import Span, after, span
from farthing.ledger.verifying import verify

START = datetime(2026, 1, 1, tzinfo=UTC)

SHOP = """
[credit_types.images]
name = "Image credits"

[credit_types.chat]
name = "Chat credits"
scale = 2
expires = "30d"
overdraft = "5.00"

[gifts.images]
amount = 10
expires = "30d"
"""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: str | timedelta) -> datetime:
        """On by a timedelta or a duration such as "30d" or "1mo"."""
        length = by if isinstance(by, timedelta) else span(by)
        self.now = after(self.now, length) if isinstance(length, Span) else self.now + length
        return self.now

    def to(self, day: str) -> datetime:
        """To an ISO instant in UTC, e.g. "2026-01-31" or "2026-01-31T12:00"."""
        self.now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        return self.now


def shop(text: str = SHOP) -> Catalog:
    """A catalog out of its text."""
    return parse(text)


@contextmanager
def proved(url: str, clock: Clock, text: str = SHOP) -> Iterator[farthing.Credits]:
    """Credits on a migrated database; when the story ends, `verify` has to prove every balance it left."""
    with farthing.open(url, catalog=shop(text), clock=clock) as credits:
        yield credits
        report = verify(credits.database)
    assert report.faults == []
