"""Tx: the verbs inside one open transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from farthing.amounts import Amount
from farthing.catalog import Catalog
from farthing.core import checks
from farthing.errors import InvalidField, KeyReused
from farthing.ledger import reading
from farthing.ledger.accounts import Accounts
from farthing.ledger.beat import Command, Outcome, decide
from farthing.ledger.commands import give_gift, new_account
from farthing.ledger.posting import Call, commands, few_enough, require_all
from farthing.ledger.shard import Clock
from farthing.ledger.verbs import Verbs, receipt
from farthing.plans.verbs import Plans
from farthing.store import sql
from farthing.store.database import Session
from farthing.store.sql import Account
from farthing.views import Balance, Check, Receipt

T = TypeVar("T")


class Tx(Verbs, Accounts, Plans):
    """The verbs inside one open transaction. Made by `credits.begin()`; it lasts only if the block ends well."""

    def __init__(self, session: Session, catalog: Catalog, clock: Clock) -> None:
        self.session = session
        self.catalog = catalog
        self.clock = clock

    def open_account(self, account: str, *, time_zone: str | None = None, locale: str | None = None) -> Account:
        """As `Credits.open_account`."""
        asked = new_account(self.catalog, checks.account_id(account))._replace(created_at=self.clock())
        if time_zone is not None:
            asked = asked._replace(time_zone=checks.zone(time_zone))
        if locale is not None:
            asked = asked._replace(locale=checks.locale(locale))
        if not sql.read_accounts(self.session, [account]):
            sql.add_accounts(self.session, [asked])
        if self.catalog.switches["gifts"]:
            for gift in self.catalog.gifts:
                with suppress(KeyReused):  # a guest who became this account had it (tests/stories/test_moving.py)
                    self._receipt(give_gift(self.catalog, account, gift))
        return sql.read_accounts(self.session, [account])[account]

    def post(self, calls: Sequence[Call]) -> list[Receipt]:
        """All of `calls`, or with the first refusal none: see `Credits.post`. The transaction goes on either way."""
        made = commands(self.catalog, few_enough(calls))
        answers = decide(self.session, made, self.clock(), wait=True, accept=require_all) if made else []
        return [receipt(one, answer) for one, answer in zip(made, answers, strict=True) if isinstance(answer, Outcome)]

    def _within(self, work: Callable[[Tx], T]) -> T:
        return work(self)

    def lock(self, accounts: Iterable[str]) -> None:
        """Locks the wallets these accounts have, of all credit types, in one order that everybody keeps.

        Before the first of several verbs: two transactions that take the same wallets in opposite orders stop each
        other. Wallets that are only made later cannot be locked. Where a transaction that writes is alone, as on
        SQLite, it has nothing to do.
        """
        if isinstance(accounts, str):
            raise InvalidField(f"lock takes a list of accounts: [{accounts!r}]. Nothing was changed.", field="lock")
        ids = sorted({checks.account_id(account) for account in accounts})
        wallets = [(account, code) for account in ids for code in sorted(self.catalog.credit_types)]
        if wallets:
            sql.lock_wallets(self.session, wallets, wait=True)

    def balance(self, account: str, credit_type: str) -> Balance:
        """As `Credits.balance`, with what this transaction did; it stays true until the transaction ends."""
        kind = self.catalog.credit_type(credit_type)
        sql.lock_wallets(self.session, [(checks.account_id(account), kind.code)], wait=True)
        [book] = reading.books(self.session, account, [kind], self.clock())
        return reading.balance(book)

    def check(self, account: str, credit_type: str, amount: Amount) -> Check:
        """As `Credits.check`, with what this transaction did; it stays true until the transaction ends."""
        kind = self.catalog.credit_type(credit_type)
        sql.lock_wallets(self.session, [(checks.account_id(account), kind.code)], wait=True)
        return reading.check(self.session, account, kind, amount, self.clock())

    def _receipt(self, command: Command) -> Receipt:
        [answer] = decide(self.session, [command], self.clock(), wait=True)
        if isinstance(answer, Outcome):
            return receipt(command, answer)
        assert answer is not None  # only a decision that does not wait leaves a command out
        raise answer
