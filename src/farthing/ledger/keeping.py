"""What each version of the catalog said is kept when something is first written under it."""

from __future__ import annotations

import logging

from farthing.catalog import Catalog
from farthing.errors import Unavailable
from farthing.ledger.shard import Clock
from farthing.store import versions
from farthing.store.database import Database, Session

log = logging.getLogger("farthing")


class Keeping:
    """What this process knows to be kept. It looks once for each version, and writes only one that is new."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._settled = set[str]()

    def keep(self, catalog: Catalog) -> None:
        """Keeps what the catalog says, in a short transaction of its own. Trouble stops no verb.

        Where the database cannot be had just now, the next write tries again; where this process may not write the
        table, the log says so, once.
        """
        if catalog.version in self._settled:
            return
        self._settled.add(catalog.version)
        try:
            if not self._database.read(lambda session: versions.known(session, catalog.version)):
                self._database.run(lambda session: self._add(session, catalog), hurried=True)
        except Unavailable:
            self._settled.discard(catalog.version)
        except Exception as error:
            log.warning("what the catalog %s says could not be kept: %r", catalog.version, error)

    def keep_in(self, session: Session, catalog: Catalog) -> None:
        """As `keep`, for a verb inside the application's own transaction.

        Where a transaction that writes is alone, it is kept in this one and lasts only if that does. Elsewhere it is
        kept in one of our own: others who keep the same version would have to wait for the application.
        """
        if catalog.version in self._settled:
            return
        if self._database.dialect.locks_rows:
            self.keep(catalog)
        elif versions.known(session, catalog.version):
            self._settled.add(catalog.version)
        else:
            self._add(session, catalog)

    def _add(self, session: Session, catalog: Catalog) -> None:
        versions.keep(session, catalog.version, catalog.document, self._clock())
