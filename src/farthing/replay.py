"""Usage from a CSV file: a deduction for each row, many in flight, keyed so that running again changes nothing."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import cached_property
from hashlib import file_digest
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

from farthing.amounts import exact, to_credits
from farthing.core import checks
from farthing.credits import Credits
from farthing.errors import Invalid, InvalidAmount, InvalidField, Refused
from farthing.ledger.beat import Command, Outcome
from farthing.ledger.verbs import Verbs

PARALLEL = 1024  # rows in flight: a few full batches of the writer
EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow])
_EVERY = 256  # rows between two reports of progress


class Measure(NamedTuple):
    """A column of numbers, and how many credits one of them costs."""

    column: str
    weight: Decimal = Decimal(1)


class Usage(NamedTuple):
    """Which columns say what. The account is a column, or the rows are dealt out to so many `accounts` in turn."""

    credit_type: str
    measures: tuple[Measure, ...]
    account: str | None = None
    accounts: int = 0
    account_prefix: str = "account-"
    time: str | None = None
    operation: str | None = None

    @property
    def columns(self) -> list[str]:
        named = [self.account, self.time, *(measure.column for measure in self.measures)]
        return [column for column in named if column is not None]


class Row(NamedTuple):
    """One row that asks for a deduction: its number among the rows, from 1, and its line in the file."""

    number: int
    line: int
    account: str
    amount: Decimal
    occurred_at: datetime | None


class Rejected(NamedTuple):
    """A row that was not deducted, and why. `required` and `available` are told where credits were short."""

    row: int
    line: int
    account: str
    code: str
    required: Decimal | None
    available: Decimal | None
    message: str


@dataclass
class Tally:
    """What became of the rows: `rows` is the sum of the five below it. `empty` ones said that nothing was used.

    `zoneless` counts times without a zone, taken as UTC; `units` is what was deducted, in smallest units.
    """

    rows: int = 0
    deducted: int = 0
    replayed: int = 0
    refused: int = 0
    unreadable: int = 0
    empty: int = 0
    zoneless: int = 0
    units: int = 0


class Replay:
    """One file on its way into the ledger; `tally` is right at any time, also after an interruption.

    Args:
        key_prefix: each row's key is this and the row's number. Left out: from the digest of the file's content, so a
            file that grows needs one of its own.
        parallel: rows in flight at once, and so what is held in memory.
    Raises:
        InvalidField: the file cannot be read, or lacks a column. InvalidKey: the prefix. UnknownCreditType.
    """

    def __init__(
        self,
        credits: Credits,
        path: Path,
        usage: Usage,
        *,
        key_prefix: str | None = None,
        parallel: int = PARALLEL,
    ) -> None:
        self.tally = Tally()
        self.credit_type = usage.credit_type
        self._usage = usage
        self._path = path
        self._sending = _Sending(credits)
        self._scale = credits.catalog.credit_type(usage.credit_type).scale
        self._parallel = parallel
        self._reject: Callable[[Rejected], None] = lambda rejected: None
        self._progress: Callable[[int, int], None] = lambda done, total: None
        self._read_bytes = 0
        self._positions = self._check_columns()
        self.key_prefix = f"replay:{self._digest}:" if key_prefix is None else key_prefix
        checks.caller_key(f"{self.key_prefix}{10**12}")
        checks.text("operation", usage.operation, most=200)

    @property
    def credits(self) -> Decimal:
        """Credits deducted by this run."""
        return to_credits(self.tally.units, self._scale)

    def run(
        self,
        *,
        reject: Callable[[Rejected], None] = lambda rejected: None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tally:
        """Deducts every row, for each account in the order of the file.

        Args:
            reject: told about every row that is not deducted. progress: told bytes read and bytes in all, now and then.
        Raises:
            Unavailable: the database went away. What was recorded stays; running again goes on from there.
        """
        self._reject, self._progress = reject, progress
        window: deque[tuple[Row, Future[Outcome]]] = deque()
        try:
            for row in self._rows():
                if len(window) >= self._parallel:
                    self._settle(*window[0])
                    window.popleft()
                if answer := self._submit(row):
                    window.append((row, answer))
            while window:
                self._settle(*window[0])
                window.popleft()
        except BaseException:
            for row, answer in window:
                with suppress(Exception):
                    self._settle(row, answer)
            raise
        self._progress(self._size, self._size)
        return self.tally

    def _submit(self, row: Row) -> Future[Outcome] | None:
        if not row.amount:
            self.tally.empty += 1
            return None
        try:
            return self._sending.deduct(
                row.account,
                self._usage.credit_type,
                row.amount,
                key=f"{self.key_prefix}{row.number}",
                operation=self._usage.operation,
                occurred_at=row.occurred_at,
            )  # pyright: ignore[reportReturnType]
        except Invalid as error:
            self._unreadable(row.number, row.line, row.account, error)
            return None

    def _settle(self, row: Row, answer: Future[Outcome]) -> None:
        try:
            outcome = answer.result()
        except Refused as refusal:
            self.tally.refused += 1
            required, available = refusal.facts.get("required"), refusal.facts.get("available")
            self._reject(
                Rejected(row.number, row.line, row.account, refusal.code, required, available, refusal.message)
            )
            return
        if outcome.replayed:
            self.tally.replayed += 1
        else:
            self.tally.deducted += 1
            self.tally.units -= outcome.entry.amount

    def _rows(self) -> Iterator[Row]:
        with self._path.open("rb") as file:
            reader = csv.reader(self._lines(file))
            next(reader)
            for number in count(1):
                if number % _EVERY == 0:
                    self._progress(self._read_bytes, self._size)
                try:
                    cells = next((cells for cells in reader if cells), None)
                    if cells is None:
                        return
                    self.tally.rows += 1
                    row = self._row(number, reader.line_num, cells)
                except Invalid as error:
                    self._unreadable(number, reader.line_num, "", error)
                except csv.Error as error:
                    self.tally.rows += 1
                    self._unreadable(number, reader.line_num, "", InvalidField(f"It is not CSV: {error}.", field="row"))
                else:
                    yield row

    def _row(self, number: int, line: int, cells: list[str]) -> Row:
        usage, at = self._usage, self._positions
        if len(cells) != self._width:
            raise InvalidField(f"The row has {len(cells)} cells and the header {self._width}.", field="row")
        if usage.account is None:
            account = f"{usage.account_prefix}{(number - 1) % usage.accounts + 1}"
        else:
            account = cells[at[usage.account]]
        occurred_at = None if usage.time is None else self._instant(usage.time, cells[at[usage.time]])
        return Row(number, line, account, self._amount(cells), occurred_at)

    def _amount(self, cells: list[str]) -> Decimal:
        total = Decimal(0)
        for column, weight in self._usage.measures:
            value = exact(cells[self._positions[column]], name=column)
            if value < 0:
                raise InvalidAmount(f"{column} is {value}, which is negative.")
            try:
                total = EXACT.add(total, EXACT.multiply(value, weight))
            except DecimalException:
                raise InvalidAmount(f"{column} is {value}, which is too long a number.") from None
        return total

    def _instant(self, column: str, text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise InvalidField(f"{column} is {text!r}, not a time as ISO 8601 writes it.", field=column) from None
        if at.tzinfo is None:
            self.tally.zoneless += 1
            at = at.replace(tzinfo=UTC)
        return at

    def _unreadable(self, number: int, line: int, account: str, error: Invalid) -> None:
        self.tally.unreadable += 1
        self._reject(Rejected(number, line, account, error.code, None, None, error.message))

    def _check_columns(self) -> dict[str, int]:
        """Where each column stands. Nothing is written before every one of them is there."""
        if self._path.exists() and not self._path.is_file():
            raise self._refuse("it is not a file; it is read twice, so a pipe will not do")
        try:
            with self._path.open("rb") as file:
                header = next(csv.reader(self._lines(file)), list[str]())
        except (OSError, csv.Error) as error:
            raise self._refuse(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from None
        finally:
            self._read_bytes = 0
        self._width = len(header)
        for column in self._usage.columns:
            if header.count(column) != 1:
                found = "twice" if column in header else "not"
                raise self._refuse(f"the column {column!r} is {found} in its header: {', '.join(header) or 'empty'}")
        return {column: header.index(column) for column in self._usage.columns}

    def _refuse(self, why: str) -> InvalidField:
        return InvalidField(f"{self._path}: {why}. Nothing was changed.", field="file")

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        """The file's lines as text; bytes that are not UTF-8 spoil only their own row."""
        for number, line in enumerate(file):
            self._read_bytes += len(line)
            yield line.decode("utf-8" if number else "utf-8-sig", "surrogateescape")

    @cached_property
    def _digest(self) -> str:
        with self._path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()[:16]

    @cached_property
    def _size(self) -> int:
        return self._path.stat().st_size


class _Sending(Verbs):
    """The verbs without the wait: what `Verbs` calls a receipt is a future here."""

    def __init__(self, credits: Credits) -> None:
        self.catalog = credits.catalog
        self._credits = credits

    def _receipt(self, command: Command) -> Any:
        return self._credits.submit(command)
