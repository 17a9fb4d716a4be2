"""What of an account's history is asked, and what of it is left behind a page. Values only, no database."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, get_args

from farthing.amounts import to_credits
from farthing.core import checks
from farthing.core.book import KINDS, SOURCES, Entry
from farthing.errors import InvalidField

Sort = Literal["newest", "oldest", "largest", "smallest"]
MAX_SEARCH = 200
NO_END = 2**62

_SORTS = get_args(Sort)


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


def in_order(asked: Wanted, scales: Mapping[str, int]) -> Callable[[Entry], tuple[Any, ...]]:
    """One order over all wallets: what is equal in time is told apart by credit type and number."""

    def by_time(entry: Entry) -> tuple[Any, ...]:
        return entry.recorded_at, entry.credit_type, entry.seq

    def by_size(entry: Entry) -> tuple[Any, ...]:
        return to_credits(size(entry), scales[entry.credit_type]), *by_time(entry)

    return by_size if asked.by_size else by_time


def size(entry: Entry) -> int:
    """Credits moved: the change of posted, or of held where posted stays as it is."""
    return abs(entry.amount or entry.held_change)


def left_behind(asked: Wanted, rests: dict[str, Rest], found: list[Entry], shown: list[Entry]) -> dict[str, Rest]:
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
    return rest._replace(size=size(last_shown), seq=last_shown.seq)


def to_cursor(asked: Wanted, left: dict[str, Rest]) -> str:
    """A cursor holds no secret and needs none: changed, it can only show other entries of the same account."""
    return base64.urlsafe_b64encode(json.dumps([asked.digest, left]).encode()).decode().rstrip("=")


def from_cursor(asked: Wanted, cursor: str) -> dict[str, Rest]:
    """What is left, as the page before told it.

    Raises:
        InvalidField: not a cursor of ours, or one that was given for something else.
    """
    try:
        digest, left = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        rests = {code: _rest(numbers) for code, numbers in left.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidField("cursor is not one that Farthing gave. Start again without it.", field="cursor") from None
    if digest != asked.digest:
        raise InvalidField(
            "cursor was given for another account, other filters or another sort. Start again without it, "
            "or ask as you did for the page before.",
            field="cursor",
        )
    return rests


def _rest(numbers: Sequence[Any]) -> Rest:
    rest = Rest._make(numbers)
    told = rest[:2] if rest.size is rest.seq is None else rest
    if not all(type(number) is int and 0 <= number < NO_END for number in told):
        raise ValueError("no numbers of entries")
    return rest


def _some(field: str, given: Iterable[str], known: Sequence[str]) -> tuple[str, ...]:
    said = [given] if isinstance(given, str) else list(given)
    for one in said:
        if one not in known:
            raise InvalidField(f"{field} has {_short(one)}; there are {', '.join(known)}.", field=field)
    return tuple(one for one in known if one in said)


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


def _short(said: object) -> str:
    shown = ascii(said)
    return shown if len(shown) <= 60 else shown[:60] + "…"
