"""Applications with a transaction of their own, each with a table `renders` beside Farthing's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from uuid import uuid4

import django
import django.conf
import django.db
import django.db.transaction
import sqlalchemy as sa
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import farthing
from farthing import AsyncCredits, Credits

# Naive times, so that nothing of how Django reads values may reach ours.
django.conf.settings.configure(DATABASES={}, USE_TZ=False, SECRET_KEY="for tests only")
django.setup()

INSERT = "INSERT INTO renders (name) VALUES ('{}')"


class Open(NamedTuple):
    """One open transaction of an application: what `on()` gave for it, and how the application does its own work."""

    tx: Any
    execute: Callable[[str], Any]

    def render(self, name: str) -> None:
        self.execute(INSERT.format(name))


class Waiting:
    """An AsyncTx, waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tx: farthing.AsyncTx) -> None:
        self._loop, self._tx = loop, tx

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._loop.run_until_complete(getattr(self._tx, verb)(*args, **kwargs))


def engine(url: str, **options: Any) -> sa.Engine:
    return sa.create_engine(driver_url(url), poolclass=NullPool, **options)


def driver_url(url: str, *, awaited: bool = False) -> sa.URL:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite" if awaited else "sqlite")
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def connection(credits: Credits, url: str) -> Iterator[Open]:
    with engine(url).begin() as connection:
        yield Open(credits.on(connection), connection.exec_driver_sql)


@contextmanager
def session(credits: Credits, url: str) -> Iterator[Open]:
    with Session(engine(url)) as session, session.begin():
        yield Open(credits.on(session), lambda statement: session.execute(sa.text(statement)))


@contextmanager
def async_connection(credits: Credits, url: str) -> Iterator[Open]:
    with awaiting(create_async_engine(driver_url(url, awaited=True), poolclass=NullPool).begin()) as (loop, connection):
        tx = Waiting(loop, AsyncCredits(credits).on(connection))
        yield Open(tx, lambda statement: loop.run_until_complete(connection.exec_driver_sql(statement)))


@contextmanager
def async_session(credits: Credits, url: str) -> Iterator[Open]:
    made = AsyncSession(create_async_engine(driver_url(url, awaited=True), poolclass=NullPool))
    with awaiting(made) as (loop, session), awaiting(session.begin(), loop):
        tx = Waiting(loop, AsyncCredits(credits).on(session))
        yield Open(tx, lambda statement: loop.run_until_complete(session.execute(sa.text(statement))))


@contextmanager
def awaiting(block: Any, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[tuple[Any, Any]]:
    """An asynchronous block around code that does not await, in a loop that runs whenever there is something to do."""
    running = loop or asyncio.new_event_loop()
    try:
        entered = running.run_until_complete(block.__aenter__())
        try:
            yield running, entered
        except BaseException as error:
            running.run_until_complete(block.__aexit__(type(error), error, error.__traceback__))
            raise
        running.run_until_complete(block.__aexit__(None, None, None))
    finally:
        if loop is None:
            running.close()


@contextmanager
def django_alias(url: str, alias: str | None = None, **options: Any) -> Iterator[str]:
    """Django's name for the database: this one, or one that nothing else has."""
    parsed, alias = make_url(url), alias or uuid4().hex
    kind = "sqlite3" if parsed.get_backend_name() == "sqlite" else "postgresql"
    said = {
        "ENGINE": f"django.db.backends.{kind}", "NAME": parsed.database, "OPTIONS": options,
        "HOST": parsed.query.get("host") or parsed.host, "PORT": parsed.port,
        "USER": parsed.username, "PASSWORD": parsed.password,
    }  # fmt: skip
    configured = {name: value for name, value in said.items() if value is not None}
    handler: Any = django.db.connections
    before = handler.settings.get(alias)
    handler.settings[alias] = handler.configure_settings({"default": configured})["default"]
    try:
        yield alias
    finally:
        handler[alias].close()
        del handler[alias]
        handler.settings[alias] = before


def atomic(alias: str) -> AbstractContextManager[None]:
    """Django's own; it does not say that it is a context manager."""
    block: Any = django.db.transaction.atomic(using=alias)
    return block


@contextmanager
def django_connection(credits: Credits, url: str, **options: Any) -> Iterator[Open]:
    with django_alias(url, **options) as alias, atomic(alias):
        connection: Any = django.db.connections[alias]
        yield Open(credits.on(connection), lambda statement: connection.cursor().execute(statement))


HOSTS = [connection, session, async_connection, async_session, django_connection]


def renders(url: str) -> list[str]:
    """What the application's table has for everybody."""
    with engine(url).connect() as connection:
        return [row.name for row in connection.execute(sa.text("SELECT name FROM renders ORDER BY name"))]
