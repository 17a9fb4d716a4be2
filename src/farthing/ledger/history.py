"""An account's entries read back: filtered, searched and sorted, page by page or all in one stream."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from heapq import merge
from typing import Any

from farthing.core.book import CreditType, Entry
from farthing.errors import InvalidField
from farthing.ledger.wanted import NO_END, Rest, Wanted, from_cursor, in_order, left_behind, to_cursor
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.tables import entries
from farthing.views import Line, Page

MAX_PAGE = 500

_WALLET = "FROM farthing_entries WHERE account = ? AND credit_type = ?"
# As `wanted.size`; `tests/stories/test_history_pages.py` holds one against the other.
_SIZE = "abs(CASE amount WHEN 0 THEN held_change ELSE amount END)"
_SEARCHED = ("key", "operation", "link")
_FOUND = " OR ".join(f"lower({column}) LIKE ? ESCAPE '!'" for column in _SEARCHED)


def page(session: Session, asked: Wanted, types: Sequence[CreditType], *, limit: int, cursor: str | None) -> Page:
    """One page of the entries that there were when the first page was read, whatever is written meanwhile.

    Raises:
        InvalidField: a limit outside 1–500, or a cursor that was not made for what is asked.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidField(f"limit must be 1 to {MAX_PAGE}, not {limit!r}.", field="limit")
    session.by_key()
    scales = {kind.code: kind.scale for kind in types}
    rests = from_cursor(asked, cursor) if cursor else {code: _whole(session, asked, code) for code in scales}
    wallets = [code for code in scales if code in rests]
    found = [entry for code in wallets for entry in _first(session, asked, code, rests[code], limit + 1)]
    found.sort(key=in_order(asked, scales), reverse=asked.falling)
    shown, more = found[:limit], len(found) > limit
    next_cursor = to_cursor(asked, left_behind(asked, rests, found, shown)) if more else None
    return Page([Line(entry, scales[entry.credit_type]) for entry in shown], more, next_cursor)


def lines(session: Session, asked: Wanted, types: Sequence[CreditType]) -> Generator[Line]:
    """All the entries, in bounded memory. Close it, or read it to its end, before the session ends."""
    session.by_key()
    scales = {kind.code: kind.scale for kind in types}
    with ExitStack() as closed:
        streams = [closed.enter_context(closing(_stream(session, asked, code))) for code in scales]
        for entry in merge(*streams, key=in_order(asked, scales), reverse=asked.falling):
            yield Line(entry, scales[entry.credit_type])


def _first(session: Session, asked: Wanted, code: str, rest: Rest, limit: int) -> list[Entry]:
    statement, values = _select(asked, code, rest)
    return [sql.entry(session, row) for row in session.execute(f"{statement} LIMIT ?", (*values, limit))]


def _stream(session: Session, asked: Wanted, code: str) -> Generator[Entry]:
    with closing(session.stream(*_select(asked, code, _whole(session, asked, code)))) as rows:
        for row in rows:
            yield sql.entry(session, row)


def _select(asked: Wanted, code: str, rest: Rest) -> tuple[str, list[Any]]:
    """The statement for the rest of one wallet, in order, and its values."""
    names = ", ".join(entries.c.keys())
    statement = f"SELECT {names} {_WALLET} AND seq BETWEEN ? AND ?"
    values: list[Any] = [asked.account, code, rest.first, rest.last]
    for column, some in (("kind", asked.kinds), ("source", asked.sources)):
        if some:
            statement += f" AND {column} IN ({', '.join('?' * len(some))})"
            values += some
    if asked.search is not None:
        statement += f" AND ({_FOUND})"
        values += [_pattern(asked.search)] * len(_SEARCHED)
    if asked.by_size and rest.size is not None:
        statement += f" AND ({_SIZE}, seq) {'<' if asked.falling else '>'} (?, ?)"
        values += [rest.size, rest.seq]
    way = "DESC" if asked.falling else "ASC"
    size_first = f"{_SIZE} {way}, " if asked.by_size else ""
    return f"{statement} ORDER BY {size_first}seq {way}", values


def _whole(session: Session, asked: Wanted, code: str) -> Rest:
    """All that there is now of one wallet, between the dates. Found by halves: entries are numbered in time's order."""
    if asked.sort == "newest" and asked.since is asked.until is None:
        return Rest(1, NO_END)  # the page itself tells where it began
    wallet = (asked.account, code)
    newest = session.execute(f"SELECT seq {_WALLET} ORDER BY seq DESC LIMIT 1", wallet)
    last = newest[0][0] if newest else 0

    def recorded(seq: int) -> Any:
        found = session.execute(f"SELECT recorded_at {_WALLET} AND seq >= ? ORDER BY seq LIMIT 1", (*wallet, seq))
        return found[0][0]

    def before(at: datetime) -> int:
        return bisect_left(range(1, last + 1), session.dialect.time_in(at), key=recorded)

    return Rest(before(asked.since) + 1 if asked.since else 1, before(asked.until) if asked.until else last)


def _pattern(search: str) -> str:
    for special in "!%_":
        search = search.replace(special, f"!{special}")
    return f"%{search}%"
