"""The application's own connections, with a transaction in them that is not ours to end."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from farthing.errors import DatabaseBusy, NoTransaction, TransactionLost, UnknownConnection
from farthing.store.database import Database, Duplicate, Retry, Session
from farthing.store.dialects import Row, Run, elsewhere

T = TypeVar("T")
IsOpen = Callable[[], bool]

_AGAIN = "Roll your transaction back, and run all of it again."


class Host:
    """A connection of the application's. Nothing here ends its transaction or changes how it is set up."""

    def __init__(self, connection: Any, database: Database, joined: Callable[[IsOpen], object]) -> None:
        """`joined` is told of each transaction that holds up other writers of the same thread."""
        self._connection = connection
        self._database = database
        self._dialect = elsewhere(database.dialect)
        self._joined = joined
        self._driver: Any = None
        with self._told():
            self.session = self._join()

    def run(self, work: Callable[[Session], T]) -> T:
        """`work` in a SAVEPOINT of the host's transaction: what it raises undoes it and leaves the rest alone.

        Where somebody else wrote a row that is unique meanwhile, `work` runs again, once, and finds it.

        Raises:
            NoTransaction: there is nothing to be part of. TransactionLost: all of it has to run again.
            DatabaseBusy, DatabaseUnreachable, NotMigrated: nothing was changed.
        """
        with self._told():
            with suppress(Duplicate):
                return self._apart(work)
            return self._apart(work)

    def _apart(self, work: Callable[[Session], T]) -> T:
        self.session = session = self._join()
        session.untold = ()
        try:
            with self._savepoint(session):
                answer = work(session)
                session.finish()
                return answer
        except Exception as error:
            named = self._database.named(error)
            if isinstance(named, Duplicate):
                raise named from error
            raise

    @contextmanager
    def _savepoint(self, session: Session) -> Generator[None]:
        session.execute("SAVEPOINT farthing")
        try:
            if self._dialect.claim:
                session.execute(self._dialect.claim)
            yield
        except BaseException as error:
            with suppress(Exception):  # where even this fails, there is nothing left to undo
                session.execute("ROLLBACK TO SAVEPOINT farthing")
                session.execute("RELEASE SAVEPOINT farthing")
            if self._dialect.state(self._driver) != "open":
                raise TransactionLost(
                    f"The database undid your whole transaction ({error}). Nothing was changed. {_AGAIN}"
                ) from error
            raise
        session.execute("RELEASE SAVEPOINT farthing")

    def _join(self) -> Session:
        """The host's transaction as it is now, begun for real: where one has ended, the host may be in its next."""
        begun = _begun(self._connection)
        if begun.driver is not self._driver:
            self.session = self._session_on(begun)
            self._driver = begun.driver
        if begun.nested and self._dialect.begins_late(begun.driver):
            raise NoTransaction(
                "Your SAVEPOINT may be all there is: this driver begins a transaction only before the first write, and "
                "releasing an outermost SAVEPOINT commits it. Nothing was changed. Turn the driver's own BEGIN off as "
                "docs/embed.md shows, or make this call outside of `begin_nested()`."
            )
        match self._dialect.state(begun.driver):
            case "none":
                begun.take_back()
                raise NoTransaction(
                    "This connection commits each statement by itself: there is no transaction of yours to be part "
                    "of. Nothing was changed. Leave its isolation level at the default, or call the verb on `credits`."
                )
            case "failed":
                raise TransactionLost(
                    f"A statement of your transaction failed before this call. Nothing was changed by it. {_AGAIN}"
                )
            case "later" if self._dialect.begin_later:
                self.session.execute(self._dialect.begin_later)
            case _:
                pass
        if not self._dialect.locks_rows:
            self._joined(begun.is_open)
        return self.session

    def _session_on(self, begun: Begun) -> Session:
        if begun.database != self._dialect.name or not self._dialect.speaks_through(begun.driver):
            driver = type(begun.driver).__module__.partition(".")[0]
            raise UnknownConnection(
                f"This is a connection to {begun.database} through {driver}; Farthing was opened on "
                f"{self._dialect.name} and works through {self._dialect.drivers}. Nothing was changed."
            )
        cursor = self._dialect.own_cursor(begun.driver, begun.run)
        return Session(_Awaited(cursor, begun.run) if begun.run else cursor, self._dialect)

    @contextmanager
    def _told(self) -> Generator[None]:
        """What a host has to answer by rolling back is one error, whatever the database calls it."""
        try:
            yield
        except Exception as error:
            named = self._database.named(error)
            if isinstance(named, Retry) or (isinstance(named, DatabaseBusy) and not self._dialect.locks_rows):
                raise TransactionLost(
                    f"Another transaction got in the way of yours. Nothing was changed by this call. {_AGAIN} "
                    f"{self._dialect.way_out}."
                ) from error
            if named is error:
                raise
            raise named from error


class Begun(NamedTuple):
    """A host's transaction as its library sees it; the driver may not have begun it yet."""

    database: str  # the library's word for the kind of database
    driver: Any  # the driver's own connection
    run: Run | None  # for drivers that are awaited
    nested: bool  # inside a SAVEPOINT that the library knows of
    is_open: IsOpen  # keeps nothing alive
    take_back: Callable[[], object]  # undoes what looking at it did


class _Awaited:
    """An asynchronous cursor, for code that may wait without awaiting."""

    def __init__(self, cursor: Any, run: Run) -> None:
        self._cursor = cursor
        self._run = run

    @property
    def description(self) -> Any:
        return self._cursor.description

    def execute(self, sql: str, params: Sequence[Any]) -> None:
        self._run(lambda _: self._cursor.execute(sql, params))

    def executemany(self, sql: str, rows: Sequence[Row]) -> None:
        self._run(lambda _: self._cursor.executemany(sql, rows))

    def fetchall(self) -> list[Row]:
        return list(self._run(lambda _: self._cursor.fetchall()))


def _begun(connection: Any) -> Begun:
    if isinstance(connection, sa.Connection):
        return _of_sqlalchemy(connection)
    if hasattr(connection, "in_atomic_block"):
        return _of_django(connection)
    if hasattr(connection, "run_sync"):
        raise UnknownConnection(
            "This connection is awaited, and this verb is not. Nothing was changed. "
            "Use `farthing.open_async(…).on(…)`, or `connection.run_sync(…)` around the call."
        )
    if hasattr(connection, "get_bind"):  # an ORM session, or what stands for one
        return _of_sqlalchemy(connection.connection())
    raise UnknownConnection(
        f"{type(connection).__name__} is not a connection that Farthing can work inside. Nothing was changed. "
        "Give it SQLAlchemy's Connection or Session, or Django's connection."
    )


def _of_sqlalchemy(connection: sa.Connection) -> Begun:
    began = None if connection.in_transaction() else connection.begin()  # as its next statement would
    transaction = weakref.ref(connection.get_transaction())
    dbapi: Any = connection.connection.dbapi_connection
    return Begun(
        connection.dialect.name,
        connection.connection.driver_connection,
        dbapi.run_async if connection.dialect.is_async else None,
        connection.in_nested_transaction(),
        lambda: (it := transaction()) is not None and it.is_active,
        began.rollback if began else lambda: None,
    )


def _of_django(connection: Any) -> Begun:
    if not connection.in_atomic_block:
        raise NoTransaction(
            "Django commits each statement by itself here: there is no transaction of yours to be part of. "
            "Nothing was changed. Put the call inside `transaction.atomic()`, or call the verb on `credits`."
        )
    connection.validate_no_broken_transaction()
    wrapper = weakref.ref(connection)
    outermost = connection.atomic_blocks[0]
    return Begun(
        connection.vendor,
        connection.connection,
        None,
        False,  # Django says BEGIN itself before any SAVEPOINT
        lambda: (it := wrapper()) is not None and it.atomic_blocks[:1] == [outermost],
        lambda: None,
    )
