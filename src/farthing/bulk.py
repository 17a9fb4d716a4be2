"""Grants or deductions from a CSV file: a command for each row, many in flight, once each however often it is run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from farthing.amounts import to_credits
from farthing.core import checks
from farthing.credits import Credits
from farthing.errors import Invalid, InvalidField, Refused
from farthing.ledger.beat import Command, Outcome
from farthing.ledger.posting import Call, Checking
from farthing.ledger.window import PARALLEL, Window
from farthing.sheet import Progress, Record, Sheet
from farthing.texts import arguments

REQUIRED = ("account", "credit_type", "amount", "key")
COLUMNS = {
    "grant": (
        *REQUIRED,
        *("source", "expires", "effective_at", "priority", "cost", "currency"),
        *("reason", "actor", "metadata", "occurred_at"),
    ),
    "deduct": (*REQUIRED, "operation", "reason", "actor", "metadata", "occurred_at"),
}
REPORT = ("line", "code", "message")
"""Columns that stand first in a report of rejected rows; a file that has them is read without them."""
WAITS_S = (0, 1, 2, 4, 8)  # how long a row waits for a database that is away, one try after another


class Rejected(NamedTuple):
    """A row that was not carried out, and why. `cells` are a line of the report: see `Bulk.report_header`."""

    row: int
    line: int
    message: str
    cells: list[str | int]


@dataclass
class Tally:
    """What became of the rows: `rows` is the sum of the four below it, or of a check's unreadable and sound ones."""

    rows: int = 0
    done: int = 0
    replayed: int = 0
    refused: int = 0
    unreadable: int = 0


class _Asked(NamedTuple):
    record: Record
    command: Command


class Bulk:
    """One sheet on its way into the ledger; `tally` is right at any time, also after an interruption.

    Args:
        said: what a row says that leaves it out, by column.
        key_prefix: for a sheet without a column of keys: a row's key is this and its number among the rows.
        parallel: rows in flight at once, and so what is held in memory.
        wait: sleeps for so many seconds while the database is away.
    Raises:
        InvalidField: a column is missing, unknown or there twice. Invalid: what `said` says is wrong.
    """

    def __init__(
        self,
        credits: Credits,
        verb: Literal["grant", "deduct"],
        sheet: Sheet,
        *,
        said: Mapping[str, str | None],
        key_prefix: str | None = None,
        parallel: int = PARALLEL,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.tally = Tally()
        self._units = Counter[str]()
        self._credits = credits
        self._checking = Checking(credits.catalog)
        self._verb = verb
        self._sheet = sheet
        self._said = {name: text for name, text in said.items() if text is not None}
        self._prefix = key_prefix
        self._parallel = parallel
        self._wait = wait
        self._reject: Callable[[Rejected], None] = lambda rejected: None
        self._places = self._check_columns()

    @property
    def credits(self) -> dict[str, Decimal]:
        """Credits given or used up by this run, by credit type."""
        types = self._credits.catalog.credit_types
        return {code: to_credits(units, types[code].scale) for code, units in sorted(self._units.items())}

    @property
    def report_header(self) -> list[str]:
        """The columns of a report of rejected rows, which can be corrected and read in as it is."""
        key = ["key"] if self._prefix is not None else []
        return [*REPORT, *key, *(name for name in self._sheet.header if name not in REPORT)]

    def check(
        self,
        *,
        reject: Callable[[Rejected], None] = lambda rejected: None,
        progress: Progress = lambda done, total: None,
    ) -> Tally:
        """Reads every row and checks it against the catalog. Changes nothing, and does not ask who has how much."""
        self._reject = reject
        for record in self._sheet.rows(progress):
            self._asked(record)
        return self.tally

    def run(
        self,
        *,
        reject: Callable[[Rejected], None] = lambda rejected: None,
        progress: Progress = lambda done, total: None,
    ) -> Tally:
        """Carries every row out, for each account in the order of the sheet.

        Args:
            reject: told about every row that is not carried out. progress: told bytes read and bytes in all.
        Raises:
            Unavailable: the database stayed away. What was recorded stays; running again goes on from there.
        """
        self._reject = reject
        with Window(self._submit, self._settle, self._parallel, waits_s=WAITS_S, wait=self._wait) as window:
            for record in self._sheet.rows(progress):
                if asked := self._asked(record):
                    window.put(asked)
        return self.tally

    def _asked(self, record: Record) -> _Asked | None:
        self.tally.rows += 1
        try:
            if record.wrong:
                raise record.wrong
            call = Call(self._verb, (), arguments(self._row(record)))
            return _Asked(record, self._checking.command(call))
        except Invalid as error:
            self.tally.unreadable += 1
            self._tell(record, error.code, error.message)
            return None

    def _row(self, record: Record) -> dict[str, str]:
        cells = {name: record.cells[at] for name, at in self._places.items() if record.cells[at]}
        row = self._said | ({} if self._prefix is None else {"key": self._key(record)}) | cells
        for name in REQUIRED:
            if name not in row:
                raise InvalidField(f"The row has no {name}.", field=name)
        return row

    def _key(self, record: Record) -> str:
        return f"{self._prefix}{record.number}"

    def _submit(self, asked: _Asked) -> Future[Outcome]:
        return self._credits.submit(asked.command)

    def _settle(self, asked: _Asked, answer: Future[Outcome]) -> None:
        try:
            outcome = answer.result()
        except Refused as refusal:
            self.tally.refused += 1
            self._tell(asked.record, refusal.code, refusal.message)
            return
        if outcome.replayed:
            self.tally.replayed += 1
        else:
            self.tally.done += 1
            self._units[outcome.entry.credit_type] += abs(outcome.entry.amount)

    def _tell(self, record: Record, code: str, message: str) -> None:
        key = [self._key(record)] if self._prefix is not None else []
        dropped = {at for at, name in enumerate(self._sheet.header) if name in REPORT}
        cells = [cell for at, cell in enumerate(record.cells) if at not in dropped]
        self._reject(Rejected(record.number, record.line, message, [record.line, code, message, *key, *cells]))

    def _check_columns(self) -> dict[str, int]:
        """Where each column stands that a row may say something in. Nothing is written before all is well."""
        sheet, known = self._sheet, COLUMNS[self._verb]
        named = [name for name in sheet.header if name not in REPORT]
        if unknown := [name for name in named if name not in known]:
            raise sheet.refuse(
                f"nobody knows its column {unknown[0]!r}. The columns may be {', '.join(known)}, separated by commas "
                "or by what --delimiter says"
            )
        if self._prefix is not None:
            if "key" in named:
                raise sheet.refuse("it has a column of keys, so --key-prefix would only be a second one")
            checks.caller_key(f"{self._prefix}{10**12}")
        arguments({name: text for name, text in self._said.items() if name not in ("cost", "currency")})
        given = [*self._said] if self._prefix is None else [*self._said, "key"]
        return sheet.places(dict.fromkeys([*(name for name in REQUIRED if name not in given), *named]))
