"""Connections and transactions: the only file that commits."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from farthing.errors import (
    DatabaseBusy,
    DatabaseUnreachable,
    FarthingError,
    NotMigrated,
    OutcomeUnknown,
    Unavailable,
)
from farthing.store.dialects import About, Dialect, Row, Trouble, parse_url, tune
from farthing.store.forks import Uses

log = logging.getLogger("farthing")

ATTEMPTS = 6
BACKOFF_S = 0.02

T = TypeVar("T")


class Retry(Exception):
    """The database asks for this transaction again. Never leaves the store's callers."""


class Duplicate(Retry):
    """A row that is unique was written by somebody else meanwhile: read again, and it will be seen."""


class Session:
    """One connection inside one transaction: statements with `?` for values, rows as tuples."""

    alone = False
    failed = False
    untold: tuple[Any, ...] = ()  # events of it that are written last, by `finish`
    told: tuple[Any, ...] = ()  # and those that were, for whoever listens in this process once it has committed
    finish: Callable[[], object] = staticmethod(lambda: None)  # what is left to be done before the commit

    def __init__(self, cursor: Any, dialect: Dialect) -> None:
        self._cursor = cursor
        self.dialect = dialect

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        cursor = self._cursor
        cursor.execute(self.dialect.sql(sql), params)
        return cursor.fetchall() if cursor.description else []

    def together(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[list[Row]]:
        """The rows of several statements, one after the other."""
        return [self.execute(sql, params) for sql, params in asked]

    def by_key(self) -> None:
        """From here on no plan of this transaction reads a whole table where an index leads to the rows."""
        if self.dialect.by_key:
            self._cursor.execute(self.dialect.by_key)

    def executemany(self, sql: str, rows: Sequence[Row]) -> None:
        self._cursor.executemany(self.dialect.sql(sql), rows)

    def stream(self, sql: str, params: Sequence[Any] = (), *, size: int = 2000) -> Generator[Row]:
        """Rows of a long reading, `size` at a time, so that memory stays bounded."""
        cursor = self.dialect.streaming_cursor(self._cursor.connection)
        try:
            cursor.execute(self.dialect.sql(sql), params)
            while rows := cursor.fetchmany(size):
                yield from rows
        finally:
            cursor.close()


class Guarded(Session):
    """A writing transaction on a file, in which a statement that fails undoes only itself, or all, as it comes.

    Either way a verb would be half done for a block that goes on, so from then on nothing more is written or kept.
    """

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        with self._whole():
            return super().execute(sql, params)

    def executemany(self, sql: str, rows: Sequence[Row]) -> None:
        with self._whole():
            super().executemany(sql, rows)

    def _whole(self) -> Guarded:
        if self.failed or not self._cursor.connection.in_transaction:
            raise _undone()
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, *_: object) -> None:
        self.failed = self.failed or kind is not None


class Piped(Session):
    """A transaction of the writer's own: what asks for no rows travels with the next statement that does."""

    alone = True

    def __init__(self, pipe: Any, dialect: Dialect) -> None:
        super().__init__(None, dialect)
        self._pipe = pipe

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        self._pipe.send(sql, params)
        return self._pipe.receive()[-1] if _asks(sql) else []

    def together(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[list[Row]]:
        """The rows of several statements in one round trip."""
        for sql, params in asked:
            self._pipe.send(sql, params)
        return self._pipe.receive()[-len(asked) :]


@cache
def _asks(sql: str) -> bool:
    return sql.startswith("SELECT") or " RETURNING " in sql


class Database:
    """One database and its pools of connections. Safe to share between threads; survives a fork."""

    def __init__(self, url: str | sa.URL) -> None:
        self.url, self.dialect = parse_url(url)
        self.hears: Callable[[Sequence[Any]], None] = lambda told: None  # of events, after their commit; must not wait
        self._open()
        alive = weakref.ref(self)
        os.register_at_fork(
            before=lambda: (database := alive()) and database._before_fork(),
            after_in_parent=lambda: (database := alive()) and database._uses.resume(),
            after_in_child=lambda: (database := alive()) and database._reopen(),
        )

    def _open(self) -> None:
        self._writes = self._engine(writes=True)
        # The writer's connections are its own: no transaction of the application can use them up.
        self._hurried = self._engine(writes=True, piped=True) if self.dialect.pipe else self._writes
        self._reads = self._writes if self.dialect.memory else self._engine(writes=False)
        # SQLite has one writer: waiting for it here is fair and instant, its own busy handler sleeps and polls.
        self._turn: AbstractContextManager[Any] = nullcontext() if self.dialect.locks_rows else threading.RLock()
        self._uses = Uses()

    def _engine(self, *, writes: bool, piped: bool = False) -> sa.Engine:
        options = self.dialect.engine_options(writes=writes)
        if piped:  # it says BEGIN itself, since the driver's own takes a trip
            options["isolation_level"] = "AUTOCOMMIT"
        engine = sa.create_engine(self.url, **options)
        tune(engine, writes=writes)
        return engine

    def _before_fork(self) -> None:
        """A file's connections are closed; those to a server cannot harm a child that leaves them alone."""
        if self.dialect.locks_rows or self.dialect.memory:
            return
        if not self._uses.pause():
            log.warning("a fork did not wait any longer for a transaction on %s", self.url.render_as_string())
        self.close()

    def _reopen(self) -> None:
        """After a fork: the parent's connections are left to the parent."""
        for engine in (self._writes, self._hurried, self._reads):
            engine.dispose(close=False)
        self._open()

    def close(self) -> None:
        """Closes all connections; the next use opens new ones."""
        for engine in (self._writes, self._hurried, self._reads):
            engine.dispose()

    @contextmanager
    def writing(self, *, hurried: bool = False) -> Generator[Session]:
        """A transaction that commits at the end of the block, or changes nothing.

        Args:
            hurried: it waits for locks only a moment, then raises DatabaseBusy.
        Raises:
            Retry: the database wants it again. DatabaseBusy, DatabaseUnreachable: nothing was changed.
            OutcomeUnknown: the connection broke during COMMIT.
        """
        if hurried and self.dialect.pipe:
            with self._piped(self.dialect.pipe) as session:
                yield session
            return
        with self._turn, self._connection(self._writes, self.dialect.begin) as connection:
            session = (Session if self.dialect.locks_rows else Guarded)(connection.cursor(), self.dialect)
            yield session
            session.finish()
            if session.failed or self.dialect.died(connection):
                raise _undone()
            try:
                connection.commit()
            except Exception as error:
                if self.dialect.trouble(error) == "lost":
                    raise _unknown() from error
                raise
            if session.told:
                self.hears(session.told)

    @contextmanager
    def _piped(self, pipe: Callable[[Any], AbstractContextManager[Any]]) -> Generator[Session]:
        """As `writing`: BEGIN travels with the first look, and COMMIT with what was written."""
        committing = False
        with self._connection(self._hurried, None) as connection:
            driver = connection.driver_connection
            try:
                with pipe(driver) as piped:
                    session = Piped(piped, self.dialect)
                    session.execute("BEGIN")
                    yield session
                    session.finish()
                    committing = True
                    session.execute("COMMIT")
            except Exception as error:
                if committing and self.dialect.trouble(error) == "lost":
                    raise _unknown() from error
                raise
            if session.told:
                self.hears(session.told)

    def run(self, work: Callable[[Session], T], *, hurried: bool = False) -> T:
        """`work` in a writing transaction, tried again while the database asks for it.

        `work` may run several times, so all it does must go through its session or be keyed.

        Raises:
            DatabaseBusy, DatabaseUnreachable: nothing was changed. OutcomeUnknown: after every attempt.
        """
        unknown: OutcomeUnknown | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.writing(hurried=hurried) as session:
                    return work(session)
            except (Retry, OutcomeUnknown, DatabaseUnreachable) as error:
                log.info("a transaction is tried again (%d of %d): %r", attempt, ATTEMPTS, error)
                unknown = error if isinstance(error, OutcomeUnknown) else unknown
                if attempt == ATTEMPTS and isinstance(error, FarthingError) and not unknown:
                    raise
                time.sleep(random.random() * BACKOFF_S * (attempt - 1))
        if unknown:
            raise unknown
        raise DatabaseBusy(
            "The database kept refusing this transaction. Nothing was changed. Try again with the same key."
        )

    def read(self, work: Callable[[Session], T]) -> T:
        """`work` in one consistent view; once more, where a pooled connection had died meanwhile."""
        try:
            with self.reading() as session:
                return work(session)
        except DatabaseUnreachable:
            with self.reading() as session:
                return work(session)

    @contextmanager
    def reading(self) -> Generator[Session]:
        """One consistent view of the database; nothing can be written."""
        turn = self._turn if self.dialect.memory else nullcontext()
        with turn, self._connection(self._reads, self.dialect.begin_reading) as connection:
            yield Session(connection.cursor(), self.dialect)

    def about(self) -> About:
        """What the database says of itself: version, clock, journal mode."""
        with self._connection(self._reads, None) as connection:
            return self.dialect.about(Session(connection.cursor(), self.dialect))

    def use_wal(self) -> str | None:
        """Lets readers and the writer of a file no longer wait for each other. Returns the mode; None: no choice."""
        with self._connection(self._reads, None) as connection:  # no transaction: the mode cannot change inside one
            return self.dialect.use_wal(Session(connection.cursor(), self.dialect))

    def change_schema(self, work: Callable[[sa.Connection], T]) -> T:
        """`work` on a SQLAlchemy connection in a transaction of its own; again, when somebody else did it first."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._turn, self._uses.use(), self._writes.begin() as connection:
                    if self.dialect.locks_rows:
                        connection.exec_driver_sql(self.dialect.begin)
                    return work(connection)
            except exc.DBAPIError as error:
                named = self.named(error)
                if not isinstance(named, Retry) or attempt == ATTEMPTS:
                    raise named from error
        raise AssertionError("unreachable")

    @contextmanager
    def schema_view(self) -> Generator[sa.Connection]:
        """A SQLAlchemy connection to look at the schema with."""
        try:
            with self._uses.use(), self._reads.connect() as connection:
                yield connection
        except exc.DBAPIError as error:
            raise self.named(error) from error

    @contextmanager
    def _connection(self, engine: sa.Engine, begin: str | None) -> Generator[Any]:
        with self._uses.use():
            try:
                proxied = engine.raw_connection()
            except Exception as error:
                raise self.named(error) from error  # the pool's own errors: there is no connection to give back
            broken = False
            try:
                if begin:
                    proxied.cursor().execute(begin)
                yield proxied
            except FarthingError as error:
                broken = isinstance(error, Unavailable)
                raise
            except Exception as error:
                named = self.named(error)
                broken = isinstance(named, DatabaseUnreachable)
                if named is error:
                    raise
                raise named from error
            finally:
                broken = broken and not self.dialect.memory  # there the one connection is the database
                _give_back(proxied, broken=broken)
                if broken:
                    engine.dispose()

    def named(self, error: Exception) -> Exception:
        """What the driver's error means to a caller; errors that are nobody's fault but ours stay as they are."""
        if isinstance(error, exc.TimeoutError):
            return DatabaseBusy(
                "All connections to the database are in use. Nothing was changed. Try again with the same key."
            )
        cause = getattr(error, "orig", None) or error
        made: dict[Trouble, Exception] = {
            "retry": Retry(),
            "unique": Duplicate(str(cause)),
            "busy": DatabaseBusy(
                "Another transaction holds the database's lock. Nothing was changed. Try again with the same key; "
                "if the lock is your own transaction's, finish it first."
            ),
            "lost": DatabaseUnreachable(
                f"The database at {self.url.render_as_string()} does not answer ({_first_line(cause)}). "
                f"Nothing was changed. {self.dialect.remedy}, then try again."
            ),
            "missing": NotMigrated(
                "The database lacks Farthing's tables or has older ones. Nothing was changed. Run `farthing migrate`."
            ),
            "full": DatabaseUnreachable(
                f"The disk of the database at {self.url.render_as_string()} is full. Nothing was changed. "
                "Make room, then try again with the same key."
            ),
            "readonly": DatabaseUnreachable(
                f"The database at {self.url.render_as_string()} is read-only. Nothing was changed. "
                "Check the file's permissions, or that this is the primary server."
            ),
        }
        return made.get(self.dialect.trouble(cause), error)


def _undone() -> DatabaseBusy:
    return DatabaseBusy(
        "A statement in this transaction failed, so the database undid all of it. Nothing was changed. "
        "Let the error of that statement leave the block."
    )


def _unknown() -> OutcomeUnknown:
    return OutcomeUnknown(
        "The connection broke while committing, so it is unknown whether the change was made. "
        "Make the same call with the same key: it is done once at most."
    )


def _give_back(proxied: Any, *, broken: bool) -> None:
    try:
        proxied.rollback()  # also of a broken one: closing alone may leave its locks until its cursors are collected
    except Exception:  # the connection is dead, and whoever used it was told
        broken = True
    if broken:
        proxied.invalidate()
    proxied.close()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
