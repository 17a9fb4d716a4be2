"""Usage from a CSV file: a deduction for each row, many in flight, keyed so that running again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import cached_property
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from farthing.amounts import exact, to_credits
from farthing.catalog import Catalog
from farthing.core import checks
from farthing.core.rates import require_names
from farthing.credits import Credits
from farthing.errors import Invalid, InvalidAmount, InvalidField, NothingToCharge, Refused
from farthing.ledger.beat import Outcome
from farthing.ledger.posting import Call, Checking
from farthing.ledger.window import PARALLEL, Window
from farthing.sheet import Progress, Record, Sheet

EXACT = Context(prec=120, traps=[Inexact, InvalidOperation, Overflow])


class Measure(NamedTuple):
    """A column of numbers, and how many credits one of them costs."""

    column: str
    weight: Decimal = Decimal(1)


class Charge(NamedTuple):
    """A rate card that prices the rows: the column of each measure, and the value or the column of each dimension."""

    operation: str
    measures: dict[str, str]
    dimensions: dict[str, str]
    dimension_columns: dict[str, str]


class Usage(NamedTuple):
    """Which columns say what. `measures` are added up to credits of `credit_type`, or else `charge` prices the row.

    The account is a column, or the rows are dealt out to so many `accounts` in turn.
    """

    credit_type: str | None
    measures: tuple[Measure, ...]
    account: str | None = None
    accounts: int = 0
    account_prefix: str = "account-"
    time: str | None = None
    operation: str | None = None
    charge: Charge | None = None

    @property
    def columns(self) -> list[str]:
        named = [self.account, self.time, *(measure.column for measure in self.measures)]
        if self.charge:
            named += [*self.charge.measures.values(), *self.charge.dimension_columns.values()]
        return [column for column in named if column is not None]


class Row(NamedTuple):
    """One row and what it asks for, None where nothing was used: its number among the rows, from 1, and its line."""

    number: int
    line: int
    account: str
    call: Call | None


class Rejected(NamedTuple):
    """A row that was not deducted, and why. `required` and `available` are told where credits were short."""

    row: int
    line: int
    account: str
    code: str
    required: Decimal | None
    available: Decimal | None
    message: str

    @property
    def cells(self) -> Sequence[Any]:
        """Its line of a report."""
        return self


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
        InvalidField: the file cannot be read, or lacks a column; a measure or dimension is none of the rate card's.
        InvalidKey: the prefix. UnknownCreditType, UnknownOperation.
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
        self.credit_type = _credit_type(credits.catalog, usage)
        self._usage = usage
        self._path = path
        self._credits = credits
        self._checking = Checking(credits.catalog)
        self._scale = credits.catalog.credit_type(self.credit_type).scale
        self._parallel = parallel
        self._reject: Callable[[Rejected], None] = lambda rejected: None
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
        progress: Progress = lambda done, total: None,
    ) -> Tally:
        """Deducts every row, for each account in the order of the file.

        Args:
            reject: told about every row that is not deducted. progress: told bytes read and bytes in all, now and then.
        Raises:
            Unavailable: the database went away. What was recorded stays; running again goes on from there.
        """
        self._reject = reject
        with self._open() as file, Window(self._submit, self._settle, self._parallel) as window:
            for record in Sheet(file, name=str(self._path), size_bytes=self._path.stat().st_size).rows(progress):
                self.tally.rows += 1
                try:
                    row = self._row(record)
                except Invalid as error:
                    self._unreadable(record.number, record.line, "", error)
                else:
                    window.put(row)
        return self.tally

    def _submit(self, row: Row) -> Future[Outcome] | None:
        if row.call is None:
            self.tally.empty += 1
            return None
        try:
            command = self._checking.command(row.call)
        except Invalid as error:
            self._unreadable(row.number, row.line, row.account, error)
            return None
        return self._credits.submit(command)

    def _settle(self, row: Row, answer: Future[Outcome]) -> None:
        try:
            outcome = answer.result()
        except NothingToCharge:
            self.tally.empty += 1
            return
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

    def _row(self, record: Record) -> Row:
        if record.wrong:
            raise record.wrong
        usage, at, cells = self._usage, self._positions, record.cells
        if usage.account is None:
            account = f"{usage.account_prefix}{(record.number - 1) % usage.accounts + 1}"
        else:
            account = cells[at[usage.account]]
        said: dict[str, Any] = {"key": f"{self.key_prefix}{record.number}"}
        said["occurred_at"] = None if usage.time is None else self._instant(usage.time, cells[at[usage.time]])
        call = self._charge(usage.charge, account, cells, said) if usage.charge else self._deduct(account, cells, said)
        return Row(record.number, record.line, account, call)

    def _charge(self, charge: Charge, account: str, cells: list[str], said: dict[str, Any]) -> Call:
        measures = {name: cells[self._positions[column]] for name, column in charge.measures.items()}
        named = {name: cells[self._positions[column]] for name, column in charge.dimension_columns.items()}
        return Call("charge", (account, charge.operation, measures), said | charge.dimensions | named)

    def _deduct(self, account: str, cells: list[str], said: dict[str, Any]) -> Call | None:
        amount = self._amount(cells)
        if not amount:
            return None
        return Call("deduct", (account, self.credit_type, amount), said | {"operation": self._usage.operation})

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
            raise InvalidField(
                f"{self._path}: it is not a file; it is read twice, so a pipe will not do. Nothing was changed.",
                field="file",
            )
        with self._open() as file:
            return Sheet(file, name=str(self._path)).places(self._usage.columns)

    def _open(self) -> BufferedReader:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise InvalidField(
                f"{self._path}: it cannot be read ({error.strerror}). Nothing was changed.", field="file"
            ) from None

    @cached_property
    def _digest(self) -> str:
        with self._open() as file:
            return file_digest(file, "sha256").hexdigest()[:16]


def _credit_type(catalog: Catalog, usage: Usage) -> str:
    """What the rows are counted in.

    Raises:
        InvalidField: it is not said, or said twice; or the rate card does not know a measure or dimension.
    """
    if (usage.charge is None) == (usage.credit_type is None):
        raise InvalidField("Say a credit type with its columns, or a charge. Nothing was changed.", field="charge")
    if usage.charge is None:
        return str(usage.credit_type)
    card = catalog.operation(usage.charge.operation)
    for name in usage.charge.dimensions.keys() & usage.charge.dimension_columns.keys():
        raise InvalidField(f"The dimension {name!r} has a value and a column. Nothing was changed.", field=name)
    require_names(card, usage.charge.measures, usage.charge.dimensions | usage.charge.dimension_columns)
    return card.credit_type
