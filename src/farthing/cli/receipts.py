"""What commands that write say of it: one sentence with the figures afterwards, or the entry as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farthing.amounts import text
from farthing.cli import output

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.views import Receipt


def tell(receipt: Receipt, done: str, figures: str, *, as_json: bool, also: dict[str, Any] | None = None) -> None:
    """What was done, then the figures; `also` joins the entry in JSON."""
    if as_json:
        output.document(receipt.as_dict() | (also or {}))
        return
    before = f"Already done on {output.words(receipt.recorded_at)}, nothing changed now: " if receipt.replayed else ""
    output.say(f"{before}{done}; {figures} ({receipt.id}).")


def moved(receipt: Receipt) -> str:
    """The credits that an entry moved, or else held or freed, without their sign: "3 images"."""
    return f"{text(abs(receipt.amount or receipt.held_change))} {receipt.credit_type}"


def available(credits: Credits, receipt: Receipt) -> str:
    """What is available now: after the entry itself, others may have followed, such as an expiry."""
    return f"{text(credits.balance(receipt.account, receipt.credit_type).available)} available now"
