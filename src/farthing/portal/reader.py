"""How one reader's language writes words, numbers, money and times."""

from __future__ import annotations

import re
from copy import copy
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_gmt
from babel.units import format_unit

from farthing.amounts import decimals_of, to_major
from farthing.core.words import Words
from farthing.portal.words import WORDS, language_for

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_LETTER_BEFORE_DIGIT = re.compile(r"(?<=[^\W\d])(?=\d)")
_SHOWN_MORE = 2  # decimals that a price for one is shown with beyond the currency's


class Reader:
    """Writes for readers of `locale`, a BCP 47 tag, in `zone`. Dates and numbers are in the language of the words."""

    def __init__(self, locale: str, zone: str) -> None:
        self.language = language_for(locale)
        self.tag = locale.replace("_", "-") if self.language == locale[:2].lower() else self.language
        try:
            self.locale = Locale.parse(self.tag, sep="-")
        except (UnknownLocaleError, ValueError):
            self.locale, self.tag = Locale.parse(self.language), self.language
        self.zone = ZoneInfo(zone)

    def say(self, name: str, /, **values: object) -> str:
        """The words called `name`, with `values` in their places."""
        return WORDS[self.language][name].format(**values)

    def own(self, words: str) -> str:
        """A text of the catalog, in the reader's language where it has it."""
        return words.to(self.tag) if isinstance(words, Words) else words

    def number(self, value: Decimal, decimals: int = 0) -> str:
        """All decimals there are and at least `decimals`; a minus as wide as a digit."""
        pattern = copy(self.locale.decimal_formats[None])
        pattern.frac_prec = (decimals, max(decimals, _decimals(value)))
        written = pattern.apply(abs(value), self.locale, decimal_quantization=False)
        return f"−{written}" if value < 0 else written

    def signed(self, value: Decimal, decimals: int = 0) -> str:
        """As `number`, with a plus where something came."""
        return f"+{self.number(value, decimals)}" if value > 0 else self.number(value, decimals)

    def money(self, minor: int, currency: str) -> str:
        """Whole minor units, with the currency's own decimals: $9.90, ¥990."""
        return self._money(to_major(minor, currency), currency, decimals_of(currency))

    def exact(self, value: Decimal, currency: str) -> str:
        """An amount in major units with all its decimals, at least the currency's."""
        return self._money(value, currency, max(decimals_of(currency), _decimals(value)))

    def is_round(self, value: Decimal, currency: str) -> bool:
        """Whether `each` shows all of a price for one."""
        return _decimals(value) <= decimals_of(currency) + _SHOWN_MORE

    def each(self, value: Decimal, currency: str) -> str:
        """A price for one credit, cut to two decimals more than the currency has."""
        most = decimals_of(currency) + _SHOWN_MORE
        shown = value if self.is_round(value, currency) else round(value, most)
        return self.exact(shown.normalize(), currency)

    def minute(self, at: datetime) -> str:
        """Day and minute, in the reader's zone: Jan 31, 2026, 1:00 AM."""
        return f"{self.day(at)}, {self.clock(at)}"

    def day(self, at: datetime) -> str:
        return format_date(at.astimezone(self.zone), "medium", locale=self.locale)

    def clock(self, at: datetime) -> str:
        return format_time(at, "short", tzinfo=self.zone, locale=self.locale).replace("\u202f", "\u00a0")

    def zone_at(self, at: datetime) -> str:
        """The zone and how far it is from Greenwich at an instant: Europe/Berlin (GMT+01:00)."""
        name = self.zone.key.replace("_", " ")
        if name == "UTC":
            return name
        return f"{name} ({get_timezone_gmt(at.astimezone(self.zone), locale=self.locale)})"

    def life(self, duration: str) -> str:
        """A duration such as "30d" in words: 30 days."""
        unit = duration.lstrip("0123456789")
        count, name = int(duration.removesuffix(unit)), f"duration-{_UNITS[unit]}"
        # Babel has no long words for some languages, Chinese among them, and then answers the unit's own name.
        said = (format_unit(count, name, length, locale=self.locale) for length in ("long", "short"))
        return next((words for words in said if name not in words), duration)

    def _money(self, value: Decimal, currency: str, decimals: int) -> str:
        # Babel's own number of decimals is how people round a currency, not what ISO 4217 says it has.
        pattern = copy(self.locale.currency_formats["standard"])
        pattern.frac_prec = (decimals, decimals)
        written = pattern.apply(
            abs(value), self.locale, currency=currency, currency_digits=False, decimal_quantization=False
        )
        apart = _LETTER_BEFORE_DIGIT.sub("\u00a0", written)
        return f"−{apart}" if value < 0 else apart


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -int(exponent))
