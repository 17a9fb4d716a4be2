"""Accounts as a whole: frozen and unfrozen, merged into another one, forgotten."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from farthing.core import checks
from farthing.core.book import Book, CreditType, Lot, Stamp
from farthing.core.calendar import EPOCH
from farthing.errors import AccountFrozen, FarthingError, InvalidAccount, MergeRefused, NotFound
from farthing.ledger import reading
from farthing.ledger.beat import Command, act_said, decide, key_reused, require_unmerged
from farthing.ledger.commands import GIFT_KEYS, move, void
from farthing.store import acts, customers, outbox, promos, scales, sql, subscriptions, topups
from farthing.store.acts import Act
from farthing.store.database import Session
from farthing.store.sql import Account

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

T = TypeVar("T")


class Asked(NamedTuple):
    """Who asks for what, under which key, and why."""

    verb: str
    account: str
    key: str
    link: str | None
    reason: str | None
    actor: str | None

    @property
    def content(self) -> bytes:
        """What the key stands for."""
        return checks.fingerprint(self.verb, "", 0, link=self.link)


class AccountAgain(Account):
    """An account, answered to a call that an earlier one with the same key had carried out."""

    __slots__ = ()

    @property
    def replayed(self) -> bool:
        return True


class Accounts(ABC):
    """The verbs on whole accounts. They write no entry of their own, and keep their keys all the same."""

    @abstractmethod
    def _within(self, work: Callable[[Tx], T]) -> T:
        """`work` in a transaction."""

    def freeze(self, account: str, *, key: str, reason: str | None = None, actor: str | None = None) -> Account:
        """Nothing of the account may be spent, held, transferred or bought until it is unfrozen.

        What was begun goes on: captures, releases, expiry, grants, and the credits of orders that are paid.

        Args:
            key: idempotency key, unique in the account for ever. reason: an operator's words. actor: who does it.
        Raises:
            NotFound: there is no such account. KeyReused: the key stands for something else.
        """
        asked = _asked("freeze", account, key, None, reason, actor)
        return self._within(lambda tx: _act(tx, asked, lambda: _set_frozen(tx, account, frozen=True)))

    def unfreeze(self, account: str, *, key: str, reason: str | None = None, actor: str | None = None) -> Account:
        """The opposite of `freeze`.

        Raises:
            NotFound: there is no such account. AccountMerged: it was merged, for good. KeyReused: as for `freeze`.
        """
        asked = _asked("unfreeze", account, key, None, reason, actor)
        return self._within(lambda tx: _act(tx, asked, lambda: _unfreeze(tx, account)))

    def merge(
        self, account: str, *, into: str, key: str, reason: str | None = None, actor: str | None = None
    ) -> Account:
        """Moves everything a guest has to the user it turned out to be, and closes the guest for good.

        Lots keep their expiry, priority and cost. A sign-up gift counts once: what is left of the guest's goes where
        the user has had that gift too, and a user who has not will get none later. Promo codes the guest used count as
        used by the user. The guest's auto top-ups end: the user has not agreed to any.

        Args:
            account: the guest. into: the user. key: idempotency key, unique in the guest's account.
        Returns:
            Account: the guest's, which says whom it was merged into.
        Raises:
            NotFound: one of them does not exist. AccountFrozen: the guest is. AccountMerged: one was merged before.
            MergeRefused: the guest has open holds, debts or a plan; nothing was moved.
        """
        if account == checks.account_id(into):
            raise InvalidAccount(f"{account} cannot be merged into itself. Nothing was changed.")
        asked = _asked("merge", account, key, into, reason, actor)
        return self._within(lambda tx: _act(tx, asked, lambda: _merge(tx, asked, into)))

    def erase(self, account: str, *, key: str) -> Account:
        """Forgets what people wrote about the account and who they were; amounts stay, and `verify` still proves them.

        Reasons, actors and metadata of all its entries and acts, return addresses of its orders, who paid for it and
        with which card, what was agreed on topping it up, which ends, its language, every event about it, sent or
        not; and on `Credits` the bodies of stored webhooks about its orders.

        Raises:
            NotFound: there is no such account. KeyReused: the key stands for something else.
        """
        asked = _asked("erase", account, key, None, None, None)
        return self._within(lambda tx: _act(tx, asked, lambda: _erase(tx, account)))


def require_usable(account: Account | None) -> None:
    """Nothing, where the account may buy.

    Raises:
        AccountFrozen, AccountMerged: it may not.
    """
    require_unmerged(account)
    if account and account.frozen_at:
        raise AccountFrozen(
            f"{account.account} is frozen: nothing may be bought or moved until it is unfrozen. Nothing was changed.",
            account=account.account,
        )


def holders(session: Session, account: str) -> list[str]:
    """The account, whom it was merged into, whom that one was merged into, and so on: the last has its credits."""
    found = sql.read_accounts(session, [account]).get(account)
    further = holders(session, found.merged_into) if found and found.merged_into else []
    return [account, *further]


def merge_key(what: str) -> str:
    """The key in a guest's account under which a merge moved all its credits of one type."""
    return f"{checks.OUR_KEYS}merge:{what}"


def _asked(verb: str, account: str, key: str, link: str | None, reason: str | None, actor: str | None) -> Asked:
    return Asked(
        verb, checks.account_id(account), checks.caller_key(key), link,
        checks.text("reason", reason), checks.text("actor", actor, most=200),
    )  # fmt: skip


def _act(tx: Tx, asked: Asked, work: Callable[[], None]) -> Account:
    """Does it under the account's lock, once for each key, and answers how the account stands."""
    session, pair = tx.session, (asked.account, asked.key)
    for account in sorted({asked.account, asked.link or asked.account}, key=str.encode):
        acts.lock_account(session, account)
    if entry := sql.read_keys(session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(session, [pair]).get(pair)
    if known and (known.verb, known.content) != (asked.verb, asked.content):
        raise key_reused(*pair, act_said(known), known.recorded_at)
    if known is None:
        _existing(tx, asked.account)
        work()
        acts.add(
            session,
            Act(*pair, asked.verb, asked.content, asked.link, asked.reason, asked.actor, tx.clock()),
        )
    stands = _existing(tx, asked.account)
    return AccountAgain(*stands) if known else stands


def _existing(tx: Tx, account: str) -> Account:
    found = sql.read_accounts(tx.session, [account]).get(account)
    if found is None:
        raise NotFound(f"There is no account {account!r}. Nothing was changed.")
    return found


def _unfreeze(tx: Tx, account: str) -> None:
    require_unmerged(_existing(tx, account))
    _set_frozen(tx, account, frozen=False)


def _set_frozen(tx: Tx, account: str, *, frozen: bool) -> None:
    at = _existing(tx, account).frozen_at or tx.clock() if frozen else None
    acts.set_frozen(tx.session, account, at)


def _merge(tx: Tx, asked: Asked, into: str) -> None:
    require_usable(_existing(tx, asked.account))
    require_unmerged(_existing(tx, into))
    for book in _books(tx, asked.account):
        if book.held or book.debt:
            raise MergeRefused(
                f"{asked.account} has open holds or owes {book.credit_type.code}. Nothing was moved. End its holds, "
                "grant what it owes, then merge again with the same key.",
                account=asked.account,
            )
    if subscriptions.running(tx.session, asked.account, locked=True):
        raise MergeRefused(
            f"{asked.account} has a plan. Nothing was moved. Cancel it, then merge again with the same key.",
            account=asked.account,
        )
    _share_gifts(tx, asked, into)
    promos.share(tx.session, asked.account, into)
    customers.share(tx.session, asked.account, into)
    topups.stop_all(tx.session, asked.account, tx.clock())
    for book in _books(tx, asked.account):
        if book.lots:
            stamp = _stamp(tx, asked, merge_key(book.credit_type.code), into)
            _carry_out(tx, move(asked.account, into, book.credit_type, None, stamp))
    acts.close(tx.session, asked.account, into=into, now=tx.clock())


def _share_gifts(tx: Tx, asked: Asked, into: str) -> None:
    """A gift the guest had counts for the user; what is left of it goes where the user had it already."""
    session = tx.session
    open_lots = {
        (book.credit_type.code, lot.number): book.credit_type for book in _books(tx, asked.account) for lot in book.lots
    }
    for entry in sql.read_keys_under(session, asked.account, GIFT_KEYS):
        key, content, lot = str(entry.key), entry.content or b"", entry.opened
        kind = open_lots.get((entry.credit_type, lot.number)) if isinstance(lot, Lot) else None
        if not _stands(tx, into, key):
            acts.add(session, Act(into, key, "gift", content, asked.account, None, None, tx.clock()))
        elif kind and isinstance(lot, Lot):
            stamp = _stamp(tx, asked, merge_key(f"gift:{kind.code}"), into)
            _carry_out(tx, void(asked.account, kind, lot.number, None, stamp))
    for act in acts.read_keys_under(session, asked.account, GIFT_KEYS):
        if not _stands(tx, into, act.key):
            acts.add(session, act._replace(account=into, link=asked.account, recorded_at=tx.clock()))


def _stands(tx: Tx, account: str, key: str) -> bool:
    pair = (account, key)
    return pair in sql.read_keys(tx.session, [pair]) or pair in acts.read_keys(tx.session, [pair])


def _books(tx: Tx, account: str) -> list[Book]:
    """All wallets of the account, of types that the catalog no longer has too."""
    kinds = tx.catalog.credit_types
    counted = scales.read(tx.session)
    owned = [
        kinds.get(code) or CreditType(code, code, counted[code]) for _, code in sql.wallets_of(tx.session, account)
    ]
    return reading.whole_books(tx.session, account, owned, tx.clock())


def _stamp(tx: Tx, asked: Asked, key: str, link: str) -> Stamp:
    return Stamp(EPOCH, key, asked.content, link, None, asked.reason, asked.actor, None, tx.catalog.version)


def _carry_out(tx: Tx, command: Command) -> None:
    [answer] = decide(tx.session, [command], tx.clock(), wait=True)
    if isinstance(answer, FarthingError):
        raise answer


def _erase(tx: Tx, account: str) -> None:
    acts.forget(tx.session, account, locale=tx.catalog.locale)
    topups.stop_all(tx.session, account, tx.clock(), forget=True)
    customers.forget(tx.session, account)
    outbox.forget(tx.session, account)
