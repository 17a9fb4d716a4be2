"""Tx: the verbs inside one open transaction."""

from __future__ import annotations

from farthing.catalog import Catalog
from farthing.core import checks
from farthing.ledger.beat import Command, Outcome, decide
from farthing.ledger.commands import give_gift, new_account
from farthing.ledger.verbs import Verbs, receipt
from farthing.ledger.writer import Clock
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.sql import Account
from farthing.views import Receipt


class Tx(Verbs):
    """The verbs inside one open transaction. Made by `credits.begin()`; it lasts only if the block ends well."""

    def __init__(self, session: Session, catalog: Catalog, clock: Clock) -> None:
        self.session = session
        self.catalog = catalog
        self._clock = clock

    def open_account(self, account: str, *, time_zone: str | None = None, locale: str | None = None) -> Account:
        """As `Credits.open_account`."""
        asked = new_account(self.catalog, checks.account_id(account))._replace(created_at=self._clock())
        if time_zone is not None:
            asked = asked._replace(time_zone=checks.zone(time_zone))
        if locale is not None:
            asked = asked._replace(locale=checks.locale(locale))
        if not sql.read_accounts(self.session, [account]):
            sql.add_accounts(self.session, [asked])
        if self.catalog.switches["gifts"]:
            for gift in self.catalog.gifts:
                self._receipt(give_gift(self.catalog, account, gift))
        return sql.read_accounts(self.session, [account])[account]

    def _receipt(self, command: Command) -> Receipt:
        [answer] = decide(self.session, [command], self._clock(), wait=True)
        if isinstance(answer, Outcome):
            return receipt(command, answer)
        assert answer is not None  # only a decision that does not wait leaves a command out
        raise answer
