"""The word that a mistyped one was most likely meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

ALIKE = 0.6  # of 1: how much of both words has to agree
MOST_WORDS = 10_000  # compared with; whoever has more codes than this looks his own up
MOST_SHOWN = 20
LONGEST = 100  # letters; nobody mistypes more


def nearest(said: str, known: Iterable[str]) -> list[str]:
    """The words of `known` that are most like `said`, upper and lower case aside; several where they are equally so."""
    if len(said) > LONGEST:
        return []
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(said.casefold())
    best, found = ALIKE, list[str]()
    for word in islice(known, MOST_WORDS):
        matcher.set_seq1(word.casefold())
        if min(matcher.real_quick_ratio(), matcher.quick_ratio()) < best:
            continue
        alike = matcher.ratio()
        if alike >= best:
            found = [*found, word] if alike == best else [word]
            best = alike
    return found


def did_you_mean(said: object, known: Iterable[str]) -> str:
    """The question to put behind what is wrong, or nothing where no word, or more than three, could have been meant."""
    meant = nearest(said, known) if isinstance(said, str) else []
    return f"; did you mean {' or '.join(sorted(meant))}?" if 0 < len(meant) <= 3 else ""


def listed(known: Iterable[str]) -> str:
    """What there is, as part of a sentence."""
    words = list(known)
    more = len(words) - MOST_SHOWN
    return ", ".join([*words[:MOST_SHOWN], *([f"{more} more"] if more > 0 else [])])
