"""Sheet: a CSV file read row by row, so that a long one takes no more memory than a short one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import NamedTuple

from farthing.errors import Invalid, InvalidField

Progress = Callable[[int, int], None]
"""Told bytes read and bytes in all, now and then."""
_EVERY = 256  # rows between two reports of progress


class Record(NamedTuple):
    """One row: its number among the rows, from 1, its last line in the file, its cells, and why it cannot be read."""

    number: int
    line: int
    cells: list[str]
    wrong: Invalid | None = None


class Sheet:
    """The header of a CSV file at once, then its rows. UTF-8 with or without a mark; other bytes spoil their own row.

    Args:
        lines: an open binary file, or anything else that gives its lines. Read once, to the end and not ahead.
        name: what errors call it. size_bytes: 0 where nobody knows.
    Raises:
        InvalidField: the header is not CSV.
    """

    def __init__(self, lines: Iterable[bytes], *, name: str, size_bytes: int = 0, delimiter: str = ",") -> None:
        self._name = name
        self._read_bytes = 0
        self._size_bytes = size_bytes
        self._reader = csv.reader(self._lines(lines), delimiter=delimiter)
        try:
            self.header = next(self._reader, list[str]())
        except csv.Error as error:
            raise self.refuse(f"its header is not CSV ({error})") from None

    def places(self, columns: Iterable[str]) -> dict[str, int]:
        """Where each of these columns stands.

        Raises:
            InvalidField: one is not in the header, or is twice.
        """
        header, wanted = self.header, list(columns)
        for column in wanted:
            if header.count(column) != 1:
                found = "twice" if column in header else "not"
                raise self.refuse(f"the column {column!r} is {found} in its header: {', '.join(header) or 'empty'}")
        return {column: header.index(column) for column in wanted}

    def rows(self, progress: Progress = lambda done, total: None) -> Iterator[Record]:
        """Every row that is not empty; one that is not CSV has no cells."""
        for number in count(1):
            if number % _EVERY == 0:
                progress(self._read_bytes, self._size_bytes)
            try:
                cells = next((cells for cells in self._reader if cells), None)
            except csv.Error as error:
                wrong = InvalidField(f"It is not CSV: {error}.", field="row")
                yield Record(number, self._reader.line_num, [], wrong)
                continue
            if cells is None:
                break
            yield Record(number, self._reader.line_num, cells, self._miscounted(cells))
        progress(self._size_bytes, self._size_bytes)

    def refuse(self, why: str) -> InvalidField:
        """The error that says why this file cannot be used."""
        return InvalidField(f"{self._name}: {why}. Nothing was changed.", field="file")

    def _miscounted(self, cells: list[str]) -> InvalidField | None:
        if len(cells) == len(self.header):
            return None
        return InvalidField(f"The row has {len(cells)} cells and the header {len(self.header)}.", field="row")

    def _lines(self, lines: Iterable[bytes]) -> Iterator[str]:
        for number, line in enumerate(lines):
            self._read_bytes += len(line)
            yield line.decode("utf-8" if number else "utf-8-sig", "surrogateescape")
