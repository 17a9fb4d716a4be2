"""Durations and instants: a day is 24 hours, a month is by calendar in the account's zone, all else is UTC."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from farthing.errors import InvalidExpiry

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SPAN = "([1-9][0-9]{0,5})(s|m|h|d|w|mo|y)"
_SPAN = re.compile(SPAN)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MONTHS = {"mo": 1, "y": 12}


class Span(NamedTuple):
    """A length of time: either calendar months or seconds, never both."""

    months: int
    seconds: int


LONGEST = Span(12_000, 0)


def span(text: str) -> Span:
    """The duration `text` says: "45s", "15m", "12h", "30d", "2w" (fixed) or "1mo", "1y" (by calendar).

    Raises:
        InvalidExpiry: anything else.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InvalidExpiry(
            f"{text!r} is not a duration; write a whole number and a unit: "
            '"45s", "15m", "12h", "30d", "2w", "1mo" or "1y". Nothing was changed.'
        )
    count, unit = int(match[1]), match[2]
    length = Span(count * _MONTHS[unit], 0) if unit in _MONTHS else Span(0, count * _SECONDS[unit])
    if length > LONGEST or length.seconds > LONGEST.months // 12 * 366 * 86400:
        raise InvalidExpiry(f'{text!r} is longer than 1000 years. Nothing was changed. Say "never" instead.')
    return length


def after(start: datetime, length: Span, zone: str = "UTC") -> datetime:
    """The UTC instant `length` after `start`; months keep the local date and clock, or the month's last day.

    Raises:
        InvalidExpiry: the result lies beyond the year 9000.
    """
    try:
        end = _add_months(start, length.months, zone) if length.months else start + timedelta(seconds=length.seconds)
    except (OverflowError, ValueError):
        end = None
    if end is None or end.year > 9000:
        raise InvalidExpiry("The duration ends beyond the year 9000. Nothing was changed. Say NEVER instead.")
    return end


def _add_months(start: datetime, months: int, zone: str) -> datetime:
    local = start.astimezone(ZoneInfo(zone))
    index = local.year * 12 + local.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(local.day, monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)


def micros(instant: datetime) -> int:
    """Whole microseconds since 1970 UTC."""
    return (instant - EPOCH) // _MICROSECOND


def instant(micros: int) -> datetime:
    """The UTC instant `micros` microseconds after 1970."""
    return EPOCH + timedelta(microseconds=micros)
