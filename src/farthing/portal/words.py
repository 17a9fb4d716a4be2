"""Every word of the pages, by id and language; what an entry of the ledger is called is put together here too.

A page is in one language throughout: a word that a language lacks fails a test (tests/portal/test_words.py).
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.pofile import read_po

from farthing.selling.orders import OrderView
from farthing.views import Line

_FILES = Path(__file__).with_name("locale")


def _read(language: str) -> dict[str, str]:
    """The words of one language, out of the file that translators edit: nothing is compiled."""
    with (_FILES / f"{language}.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file, locale=language) if message.id}


WORDS = {language: _read(language) for language in ("en", "zh")}
ENGLISH = WORDS["en"]


def language_for(locale: str) -> str:
    """The language of the pages for readers of `locale`: its own where there are words in it, else English."""
    own = locale.replace("_", "-").partition("-")[0].lower()
    return own if own in WORDS else "en"


def title(line: Line) -> str:
    """The id of the words for an entry: by what happened, and for credits that came, by why they exist."""
    if line.kind == "grant":
        return f"line.{line.source}" if f"line.{line.source}" in ENGLISH else "line.grant"
    if not line.amount and f"line.{line.kind}.none" in ENGLISH:
        return f"line.{line.kind}.none"
    with_operation = f"line.{line.kind}.for"
    return with_operation if line.operation and with_operation in ENGLISH else f"line.{line.kind}"


def standing(order: OrderView) -> str:
    """How an order stands for its buyer: its status, or what became of its money since."""
    if order.disputed_minor:
        return "disputed"
    if not order.refunded_minor:
        return order.status
    return "refunded" if order.refunded_minor >= order.paid_minor else "part_refunded"


def outcome(order: OrderView) -> str:
    """The id of the sentence about how an order stands; a declined payment's reason where there are words for it."""
    stands = standing(order)
    particular = f"order.{stands}.{order.reason}"
    return particular if particular in ENGLISH else f"order.{stands}.text"


def spoken(code: str) -> str:
    """A code such as "image.upscale_2x" as words: "image upscale 2x"."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in code).split())
