"""Words for people, in one language or several."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class Words(str):
    """A text in the catalog's own language, which also knows its translations: `words.to("zh-CN")`."""

    __slots__ = ("translations",)
    translations: dict[str, str]

    def __new__(cls, said: str, translations: Mapping[str, str] = MappingProxyType({})) -> Words:
        words = super().__new__(cls, said)
        words.translations = {language.lower(): text for language, text in translations.items()}
        return words

    def to(self, locale: str) -> str:
        """The words for readers of `locale`, a BCP 47 tag: zh-Hant-TW falls back to zh-Hant, to zh, to the own text."""
        tag = locale.lower().replace("_", "-")
        while tag:
            if tag in self.translations:
                return self.translations[tag]
            tag = tag.rpartition("-")[0]
        return str(self)

    def __reduce__(self) -> tuple[type[Words], tuple[str, dict[str, str]]]:
        return Words, (str(self), self.translations)
