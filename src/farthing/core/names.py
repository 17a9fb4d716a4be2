"""What entries, lots and holds are called: by their credit type and their number in the wallet, e.g. "lot_images_3"."""

from __future__ import annotations

import re

_NAME = re.compile(r"(ent|lot|hold)_([a-z][a-z0-9_]*)_([1-9]\d{0,17})", re.ASCII)


def entry_id(credit_type: str, seq: int) -> str:
    """An entry's name."""
    return f"ent_{credit_type}_{seq}"


def lot_id(credit_type: str, number: int) -> str:
    """A lot's name."""
    return f"lot_{credit_type}_{number}"


def hold_id(credit_type: str, seq: int) -> str:
    """A hold's name, by the entry that made it."""
    return f"hold_{credit_type}_{seq}"


def parse(name: object) -> tuple[str, str, int] | None:
    """What a name is of ("ent", "lot" or "hold"), the credit type and the number; None for anything else."""
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    return (match[1], match[2], int(match[3])) if match else None


def number_in(name: str | None) -> int:
    """The number that a name ends with; 0 where it is no name, which no number is."""
    found = parse(name)
    return found[2] if found else 0
