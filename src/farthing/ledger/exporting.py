"""Entries as CSV (RFC 4180), safe to open in a spreadsheet and to hand to the account's own person."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO
from itertools import islice
from typing import Any

from farthing.amounts import text
from farthing.views import Line

COLUMNS = (
    *("account", "entry", "credit_type", "seq", "kind", "amount", "posted", "held", "pending", "available"),
    *("source", "operation", "key", "link", "lot", "expires_at", "effective_at", "recorded_at", "occurred_at"),
)
"""Properties of `Line`; "entry" is its id. What an operator wrote, and metadata, is not for customers and not here."""

_BLOCK_ROWS = 500
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # a cell that begins so is run by some spreadsheet (OWASP, CSV injection)


def csv_blocks(lines: Iterator[Line]) -> Generator[str]:
    """The header, then the rows of up to 500 entries at a time."""
    yield _written([COLUMNS])
    while rows := [_row(line) for line in islice(lines, _BLOCK_ROWS)]:
        yield _written(rows)


def _row(line: Line) -> list[str]:
    return [_cell(line.id if name == "entry" else getattr(line, name)) for name in COLUMNS]


def _cell(value: Any) -> str:
    """Plain digits, an instant in UTC, or text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, datetime):
        return f"{value.isoformat().removesuffix('+00:00')}Z"
    said = str(value)
    return f"'{said}" if said.startswith(_FORMULA) else said


def _written(rows: Sequence[Sequence[str]]) -> str:
    block = StringIO()
    csv.writer(block).writerows(rows)
    return block.getvalue()
