"""PostgreSQL's pipeline mode: what is sent together takes one round trip, and what needs no answer none of its own.

psycopg has pipelines too, which look at the socket with every statement; here that happens once for all of them. It is
built on libpq as `psycopg.pq` offers it: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection, OperationalError, errors, pq
from psycopg.adapt import Transformer
from psycopg.waiting import Ready, Wait

from farthing.store.dialects.parts import Row

_names = count()
_prepared: WeakKeyDictionary[Connection[Any], dict[str, bytes]] = WeakKeyDictionary()
_TROUBLE = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)


class Pipe:
    """A connection in pipeline mode, while its block runs. Nobody else may use it meanwhile."""

    def __init__(self, driver: Connection[Any]) -> None:
        self._driver = driver
        self._libpq = driver.pgconn
        self._known = _prepared.setdefault(driver, {})
        self._pending: list[str | None] = []  # what answers are to come: the statement's, or that of preparing it

    def __enter__(self) -> Pipe:
        self._libpq.enter_pipeline_mode()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._libpq.pipeline_sync()
            self.receive(synced=True)
        except BaseException:
            self._known.clear()
            if kind is None:
                raise
        finally:
            if self._libpq.status == pq.ConnStatus.OK:
                self._libpq.exit_pipeline_mode()

    def send(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Queues a statement with `?` for values. Those that have none are not worth preparing."""
        self._pending.append(sql)
        if not params:
            self._libpq.send_query_params(sql.encode(), None)
            return
        name = self._known.get(sql)
        if name is None:
            name = b"farthing_%d" % next(_names)
            self._libpq.send_prepare(name, _numbered(sql))
            self._known[sql] = name
            self._pending.insert(-1, None)
        self._libpq.send_query_prepared(name, [_octets(value) for value in params])

    def receive(self, *, synced: bool = False) -> list[list[Row]]:
        """The rows of all statements sent since the last look, one list for each.

        Raises:
            psycopg.Error: the first of them failed, and the rest was not done.
        """
        pending, self._pending = self._pending, []
        if not synced:
            self._libpq.send_flush_request()
        results = self._driver.wait(self._exchange(len(pending) + synced))
        failed = next((result for result in results if result.status in _TROUBLE), None)
        if failed is not None:
            self._known.clear()
            raise errors.error_from_result(failed)
        return [self._rows(result) for said, result in zip(pending, results, strict=False) if said is not None]

    def _rows(self, result: pq.abc.PGresult) -> list[Row]:
        if not result.nfields:
            return []
        load = Transformer(self._driver)
        load.set_pgresult(result)
        return load.load_rows(0, result.ntuples, tuple)

    def _exchange(self, expected: int) -> Generator[Wait, Ready | int, list[pq.abc.PGresult]]:
        """Sends what is queued and takes what comes back; psycopg waits for the socket in between."""
        libpq = self._libpq
        while libpq.flush():
            if (yield Wait.RW) & Ready.R:
                libpq.consume_input()
        results: list[pq.abc.PGresult] = []
        while len(results) < expected:
            while libpq.is_busy():
                if (yield Wait.R) & Ready.R:
                    libpq.consume_input()
            result = libpq.get_result()
            if result is not None:
                results.append(result)
            elif libpq.status != pq.ConnStatus.OK:
                raise OperationalError(libpq.get_error_message())
        return results


@cache
def _numbered(sql: str) -> bytes:
    first, *rest = sql.split("?")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))).encode()


def _octets(value: Any) -> bytes | None:
    match value:
        case None:
            return None
        case str():
            return value.encode()
        case bytes():
            return b"\\x" + value.hex().encode()
        case datetime():
            return value.isoformat().encode()
        case _:
            return str(value).encode()
