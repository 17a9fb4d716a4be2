"""Hosted: the verbs inside the application's own transaction."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from farthing.catalog import Catalog
from farthing.ledger.keeping import Keeping
from farthing.ledger.shard import Clock
from farthing.ledger.transaction import Tx
from farthing.store.database import Session
from farthing.store.hosts import Host

P = ParamSpec("P")
T = TypeVar("T")


class Hosted(Tx):
    """The verbs inside the application's own transaction. Made by `credits.on(connection)`.

    Each is all or nothing, in a SAVEPOINT; whether it lasts is decided by whoever commits.
    """

    def __init__(self, host: Host, catalog: Catalog, clock: Clock, keeping: Keeping) -> None:
        super().__init__(host.session, catalog, clock)
        self._host = host
        self._keeping = keeping


def _apart(verb: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Hosted, P], T]:
    """The verb in a SAVEPOINT of its own."""

    @wraps(verb)
    def call(self: Hosted, *args: P.args, **kwargs: P.kwargs) -> T:
        def work(session: Session) -> T:
            self.session = session
            answer = verb(self, *args, **kwargs)
            self._keeping.keep_in(session, self.catalog)  # pyright: ignore[reportPrivateUsage]
            return answer

        return self._host.run(work)  # pyright: ignore[reportPrivateUsage]

    return call


for _name, _verb in inspect.getmembers(Tx, inspect.isfunction):
    if not _name.startswith("_"):
        setattr(Hosted, _name, _apart(_verb))
