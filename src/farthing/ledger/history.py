"""An account's entries read back: filtered, searched and sorted, page by page or all in one stream."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from hashlib import blake2b
from heapq import merge
from typing import Any, Literal, NamedTuple, get_args

from farthing.amounts import to_credits
from farthing.core import checks
from farthing.core.book import KINDS, SOURCES, CreditType, Entry
from farthing.errors import InvalidField
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.tables import entries
from farthing.views import Line, Page

Sort = Literal["newest", "oldest", "largest", "smallest"]
MAX_PAGE = 500
MAX_SEARCH = 200

_SORTS = get_args(Sort)
_NO_END = 2**62
_WALLET = "FROM farthing_entries WHERE account = ? AND credit_type = ?"
_SIZE = "abs(CASE amount WHEN 0 THEN held_change ELSE amount END)"
_SEARCHED = ("key", "operation", "link")
_FOUND = " OR ".join(f"lower({column}) LIKE ? ESCAPE '!'" for column in _SEARCHED)


class Wanted(NamedTuple):
    """Which entries of an account, and in which order. `wanted` makes it out of what a caller says."""

    account: str
    credit_type: str | None
    kinds: tuple[str, ...]  # none are all, and so with sources
    sources: tuple[str, ...]
    since: datetime | None  # recorded then or later
    until: datetime | None  # recorded before
    search: str | None  # in small letters
    sort: str

    @property
    def by_size(self) -> bool:
        return self.sort in ("largest", "smallest")

    @property
    def falling(self) -> bool:
        return self.sort in ("newest", "largest")

    @property
    def digest(self) -> str:
        """Sixteen letters that tell one wish from another."""
        return blake2b(ascii(tuple(self)).encode(), digest_size=8).hexdigest()


class Rest(NamedTuple):
    """What of one wallet is still to be shown: entries `first` to `last`, by size only those behind `size`, `seq`."""

    first: int
    last: int
    size: int | None = None
    seq: int | None = None


def wanted(
    account: str,
    credit_type: str | None,
    *,
    kinds: Iterable[str],
    sources: Iterable[str],
    since: datetime | None,
    until: datetime | None,
    search: str | None,
    sort: str,
) -> Wanted:
    """What a caller says, checked; said in another order it is the same.

    Raises:
        InvalidAccount, InvalidField: an argument cannot be used.
    """
    if sort not in _SORTS:
        raise InvalidField(f"sort is {_short(sort)}, and must be one of {', '.join(_SORTS)}.", field="sort")
    return Wanted(
        checks.account_id(account), credit_type, _some("kinds", kinds, KINDS), _some("sources", sources, SOURCES),
        checks.instant("since", since), checks.instant("until", until), _searchable(search), sort,
    )  # fmt: skip


def page(session: Session, asked: Wanted, types: Sequence[CreditType], *, limit: int, cursor: str | None) -> Page:
    """One page of the entries that there were when the first page was read, whatever is written meanwhile.

    Raises:
        InvalidField: a limit outside 1–500, or a cursor that was not made for what is asked.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidField(f"limit must be 1 to {MAX_PAGE}, not {limit!r}.", field="limit")
    session.by_key()
    scales = {kind.code: kind.scale for kind in types}
    rests = _decode(asked, cursor) if cursor else {code: _whole(session, asked, code) for code in scales}
    found = [
        entry for code in scales if code in rests for entry in _first(session, asked, code, rests[code], limit + 1)
    ]
    found.sort(key=_order(asked, scales), reverse=asked.falling)
    shown, more = found[:limit], len(found) > limit
    left = _left(asked, rests, found, shown) if more else {}
    lines = [Line(entry, scales[entry.credit_type]) for entry in shown]
    return Page(lines, more, _encode(asked, left) if more else None)


def lines(session: Session, asked: Wanted, types: Sequence[CreditType]) -> Generator[Line]:
    """All the entries, in bounded memory. Close it, or read it to its end, before the session ends."""
    session.by_key()
    scales = {kind.code: kind.scale for kind in types}
    with ExitStack() as closed:
        streams = [closed.enter_context(closing(_stream(session, asked, code))) for code in scales]
        for entry in merge(*streams, key=_order(asked, scales), reverse=asked.falling):
            yield Line(entry, scales[entry.credit_type])


def _first(session: Session, asked: Wanted, code: str, rest: Rest, limit: int) -> list[Entry]:
    statement, values = _select(asked, code, rest)
    return [sql.entry(session, row) for row in session.execute(f"{statement} LIMIT ?", (*values, limit))]


def _stream(session: Session, asked: Wanted, code: str) -> Generator[Entry]:
    with closing(session.stream(*_select(asked, code, _whole(session, asked, code)))) as rows:
        for row in rows:
            yield sql.entry(session, row)


def _order(asked: Wanted, scales: Mapping[str, int]) -> Callable[[Entry], tuple[Any, ...]]:
    """One order over all wallets: what is equal in time is told apart by credit type and number."""

    def by_time(entry: Entry) -> tuple[Any, ...]:
        return entry.recorded_at, entry.credit_type, entry.seq

    def by_size(entry: Entry) -> tuple[Any, ...]:
        return to_credits(_size(entry), scales[entry.credit_type]), *by_time(entry)

    return by_size if asked.by_size else by_time


def _size(entry: Entry) -> int:
    """Credits moved: the change of posted, or of held where posted stays as it is. `_SIZE` says it to the database."""
    return abs(entry.amount or entry.held_change)


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
        return Rest(1, _NO_END)  # the page itself tells where it began
    wallet = (asked.account, code)
    newest = session.execute(f"SELECT seq {_WALLET} ORDER BY seq DESC LIMIT 1", wallet)
    last = newest[0][0] if newest else 0

    def recorded(seq: int) -> Any:
        found = session.execute(f"SELECT recorded_at {_WALLET} AND seq >= ? ORDER BY seq LIMIT 1", (*wallet, seq))
        return found[0][0]

    def before(at: datetime) -> int:
        return bisect_left(range(1, last + 1), session.dialect.time_in(at), key=recorded)

    return Rest(before(asked.since) + 1 if asked.since else 1, before(asked.until) if asked.until else last)


def _left(asked: Wanted, rests: dict[str, Rest], found: list[Entry], shown: list[Entry]) -> dict[str, Rest]:
    """What is left behind a page, wallet by wallet; where nothing was found, nothing is."""
    first_found = {entry.credit_type: entry for entry in reversed(found)}
    last_shown = {entry.credit_type: entry for entry in shown}
    return {code: _behind(asked, rests[code], first, last_shown.get(code)) for code, first in first_found.items()}


def _behind(asked: Wanted, rest: Rest, first_found: Entry, last_shown: Entry | None) -> Rest:
    if asked.sort == "newest":  # what is written later is above the first found, whether it was shown or not
        return rest._replace(last=last_shown.seq - 1 if last_shown else first_found.seq)
    if last_shown is None:
        return rest
    if asked.sort == "oldest":
        return rest._replace(first=last_shown.seq + 1)
    return rest._replace(size=_size(last_shown), seq=last_shown.seq)


def _encode(asked: Wanted, left: dict[str, Rest]) -> str:
    """A cursor holds no secret and needs none: changed, it can only show other entries of the same account."""
    return base64.urlsafe_b64encode(json.dumps([asked.digest, left]).encode()).decode().rstrip("=")


def _decode(asked: Wanted, cursor: str) -> dict[str, Rest]:
    try:
        digest, left = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        rests = {code: Rest._make(numbers) for code, numbers in left.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _no_cursor("is not one that Farthing gave") from None
    if not all(_sound(rest) for rest in rests.values()):
        raise _no_cursor("is not one that Farthing gave")
    if digest != asked.digest:
        raise _no_cursor("was given for another account, other filters or another order")
    return rests


def _sound(rest: Rest) -> bool:
    numbers = rest[:2] if rest.size is rest.seq is None else rest
    return all(type(number) is int and 0 <= number < _NO_END for number in numbers)


def _no_cursor(why: str) -> InvalidField:
    return InvalidField(f"cursor {why}. Start again without it.", field="cursor")


def _some(field: str, given: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    said = {given} if isinstance(given, str) else set(given)
    for one in said:
        if one not in known:
            raise InvalidField(f"{field} has {_short(one)}; there are {', '.join(known)}.", field=field)
    return tuple(sorted(said))


def _searchable(said: str | None) -> str | None:
    """Small letters for A to Z, which is what both databases know of letters."""
    if said is None:
        return None
    try:
        letters = said.encode()
    except (AttributeError, UnicodeEncodeError):
        letters = b""
    if not 0 < len(letters) <= MAX_SEARCH or 0 in letters:
        raise InvalidField(f"search must be a text of 1 to {MAX_SEARCH} bytes, not {_short(said)}.", field="search")
    return letters.lower().decode()


def _pattern(search: str) -> str:
    for special in "!%_":
        search = search.replace(special, f"!{special}")
    return f"%{search}%"


def _short(said: object) -> str:
    shown = ascii(said)
    return shown if len(shown) <= 60 else shown[:60] + "…"
