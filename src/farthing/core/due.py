"""What time does to a wallet by itself: lots mature and expire, holds lapse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from farthing.core import holds, lots
from farthing.core.book import Book, Draft, Partial, Stamp


def settle(book: Book, now: datetime) -> Draft:
    """The book at `now`: what came due since its last write, booked in the order in which it came due.

    At one instant lots mature first, then holds lapse, then lots expire: at its `expires_at` a lot no longer counts.
    Only what remains of it goes, less what a hold keeps.
    """
    draft = Draft(book)
    if book.next_change_at is None or book.next_change_at > now:
        return draft
    if not book.whole:
        raise Partial
    stamp = Stamp(now)
    since = book.recorded_at
    for at in sorted({at for at in _instants(book) if at <= now}):
        draft = lots.mature(draft, at, since, stamp)
        for hold in draft.book.holds:
            if hold.ended is None and hold.deadline == at:
                draft = holds.end(draft, hold, "lapse", stamp, at)
        ending = [lot.number for lot in draft.book.lots if lot.expires_at == at]
        draft = lots.expire(draft, ending, at, stamp)
    upcoming = [at for at in _instants(draft.book) if at > now]
    return draft._replace(book=draft.book._replace(next_change_at=min(upcoming, default=None), recorded_at=now))


def _instants(book: Book) -> Iterator[datetime]:
    for lot in book.lots:
        yield lot.effective_at
        if lot.expires_at:
            yield lot.expires_at
    for hold in book.holds:
        if hold.deadline and hold.ended is None:
            yield hold.deadline
