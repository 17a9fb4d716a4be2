"""Credits: the verbs on one database, each in a transaction of its own or several in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from farthing.amounts import Amount
from farthing.catalog import Catalog, load
from farthing.core import checks, rates
from farthing.core.book import CreditType
from farthing.errors import DatabaseBusy, FarthingError, NestedWrite, NotFound
from farthing.events.verbs import Telling
from farthing.jobs import EVERY_S, Jobs
from farthing.ledger import history, reading
from farthing.ledger.accounts import Accounts
from farthing.ledger.beat import Command, Outcome, book_due
from farthing.ledger.exporting import csv_blocks
from farthing.ledger.hosting import Hosted
from farthing.ledger.keeping import Keeping
from farthing.ledger.posting import Call, commands, each_for_itself
from farthing.ledger.shard import Answering, Clock, settle_future
from farthing.ledger.transaction import Tx
from farthing.ledger.verbs import Verbs, receipt
from farthing.ledger.verbs.charging import Measures, asked
from farthing.ledger.wanted import Sort, Wanted, wanted
from farthing.ledger.writer import Writer
from farthing.plans.dripping import drip
from farthing.plans.verbs import Plans
from farthing.providers import Provider
from farthing.selling import inbox
from farthing.selling.verbs import Selling
from farthing.store import scales, sql, versions
from farthing.store import subscriptions as subscribed
from farthing.store.database import Database, Retry, Session
from farthing.store.hosts import Host, IsOpen
from farthing.store.sql import Account
from farthing.store.versions import CatalogVersion
from farthing.views import (
    Balance,
    Check,
    EstimateView,
    HoldView,
    Line,
    LotView,
    Page,
    Receipt,
    SubscriptionView,
    estimate_view,
    subscription_view,
)

if TYPE_CHECKING:
    from farthing.ledger.explanation import Explanation
    from farthing.ledger.verifying import Report

T = TypeVar("T")


def system_clock() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Credits(Verbs, Accounts, Plans, Selling, Telling):
    """The credit system on one database. Made by `farthing.open`; safe to share between threads and across forks."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        *,
        clock: Clock = system_clock,
        providers: Mapping[str, Provider] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.clock = clock
        self.providers = dict(providers or {})
        self.secrets = tuple(secrets)
        self.bad_signatures = Counter[str]()  # webhooks this process refused, by provider: for metrics
        self._listen(database)
        self._keeping = Keeping(database, clock)
        self._writer = Writer(database, clock, lambda: self._keeping.keep(self.catalog))
        self._open_tx: ContextVar[IsOpen] = ContextVar("farthing_open_tx", default=lambda: False)

    def close(self) -> None:
        """Finishes what is queued and closes all connections."""
        self._writer.close()
        self._subscribers.close()
        self.database.close()

    def __enter__(self) -> Credits:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def begin(self, *, lock: Iterable[str] = ()) -> Generator[Tx]:
        """Several verbs in one transaction: all of them, or with any error that leaves the block none.

        A refusal may be caught inside the block; the block goes on.

        Args:
            lock: accounts whose wallets are locked first, as `Tx.lock` does. Left out: in the order of the calls.
        Raises:
            DatabaseBusy: another transaction got in the way; nothing was changed, run the block again.
        """
        try:
            with self.alone():
                catalog = self._kept()
                with self.database.writing() as session:
                    tx = Tx(session, catalog, self.clock)
                    tx.lock(lock)
                    yield tx
        except Retry as error:
            raise DatabaseBusy(
                "Another transaction got in the way of this one. Nothing was changed. Run the whole block again. "
                'Blocks that lock their accounts first, `credits.begin(lock=["ada", "bob"])`, never stop each other.'
            ) from error

    def run(self, work: Callable[[Tx], T]) -> T:
        """`work` in a transaction of its own, tried again when another one gets in the way: it may run several times.

        Raises:
            whatever `work` raises; then nothing was changed.
        """
        with self.alone():
            catalog = self._kept()
            return self.database.run(lambda session: work(Tx(session, catalog, self.clock)))

    def on(self, connection: Any) -> Hosted:
        """The verbs inside your own transaction: you commit or roll back, Farthing never does.

        Each verb is in a SAVEPOINT, so a refusal leaves your transaction as it was. On SQLite your transaction has
        the right to write from the first call on.

        Args:
            connection: a SQLAlchemy Connection or Session, or Django's connection inside `transaction.atomic()`, to a
                database with Farthing's tables.
        Raises:
            NoTransaction: each statement would be committed by itself. UnknownConnection: another kind of database or
                driver. TransactionLost, here and in each verb: roll your transaction back, and run all of it again.
        """
        return Hosted(Host(connection, self.database, self._open_tx.set), self.catalog, self.clock, self._keeping)

    @contextmanager
    def alone(self) -> Generator[None]:
        """While the block runs, plain verbs of this thread or task are refused: they would wait for its transaction.

        Raises:
            NestedWrite: this is itself inside such a block.
        """
        self._forbid_nesting()
        token = self._open_tx.set(lambda: True)
        try:
            yield
        finally:
            self._open_tx.reset(token)

    @overload
    def post(self, calls: Sequence[Call], *, atomic: Literal[True] = True) -> list[Receipt]: ...

    @overload
    def post(self, calls: Sequence[Call], *, atomic: Literal[False]) -> list[Receipt | FarthingError]: ...

    def post(self, calls: Sequence[Call], *, atomic: bool = True) -> list[Any]:
        """Many verbs in one call: `credits.post([call.grant(…), call.deduct(…)])`. Replays are fine, and are marked.

        Args:
            calls: made with `farthing.call`. Each sees what those before it on the same wallet did, but names nothing
                that one of them makes: the deduction to reverse, the hold to capture, was there before.
            atomic: all or none, in one transaction that locks all their wallets together in byte order, so at most
                1000. False: each for itself, as if called alone, however many there are; they share transactions.
        Returns:
            Receipts in the order of the calls; with atomic=False the refusal or other error stands in its call's place.
        Raises:
            Invalid: an argument of any call is wrong; nothing was changed, and `index` is the call's place, from 0.
            the first refusal, where atomic: none of them was carried out, and it too has an `index`.
        """
        if atomic:
            return self.run(lambda tx: tx.post(calls))
        return each_for_itself(commands(self.catalog, calls), self.submit)

    def open_account(self, account: str, *, time_zone: str | None = None, locale: str | None = None) -> Account:
        """Makes the account, or finds it, and pays the sign-up gifts it has not had yet. Safe to call at every sign-in.

        Args:
            time_zone: IANA name for months and days; locale: language tag. Left out: the catalog's. An account that
                exists keeps what it has.
        Raises:
            InvalidAccount, InvalidField: an argument cannot be used.
        """
        known = self.read(lambda session: reading.opened(session, self.catalog, checks.account_id(account)))
        return known or self.run(lambda tx: tx.open_account(account, time_zone=time_zone, locale=locale))

    def account(self, account: str) -> Account:
        """The account as it was opened.

        Raises:
            NotFound: nobody opened it, and it was never given credits. InvalidAccount: no account can be called so.
        """
        checks.account_id(account)
        found = self.read(lambda session: sql.read_accounts(session, [account]).get(account))
        if found is None:
            raise NotFound(f"There is no account {account!r}. The first grant makes it, and so does opening it.")
        return found

    def check(self, account: str, credit_type: str, amount: Amount) -> Check:
        """What `deduct` would say now, with no effect and no promise.

        Raises:
            Invalid: the amount, account or type is wrong, just as in `deduct`.
        """
        kind = self.catalog.credit_type(credit_type)
        checks.account_id(account)
        return self.read(lambda session: reading.check(session, account, kind, amount, self.clock()))

    def estimate(self, operation: str, measures: Measures | None = None, **dimensions: str) -> EstimateView:
        """What a charge would cost, line by line, with no effect. For anyone: no account is needed.

        Args:
            as for `charge`: `estimate("chat", {"input_tokens": 374, "output_tokens": 44}, model="deep")`.
        Returns:
            EstimateView: amount (credits, which may be 0) and lines: each measure and the flat fee, exactly, then what
            rounding and the minimum did.
        Raises:
            NoRate: the card has no price for these dimensions. UnknownOperation, Invalid: an argument is wrong.
        """
        card, kind, used = asked(self.catalog, operation, measures, dimensions)
        return estimate_view(rates.estimate(card, kind, used), kind.scale, self.catalog.version)

    def erase(self, account: str, *, key: str) -> Account:
        erased = super().erase(account, key=key)
        inbox.forget(self, account)
        return erased

    def balance(self, account: str, credit_type: str, *, at: datetime | None = None) -> Balance:
        """What the account has of one credit type. An account nobody ever gave anything has zeros.

        Args:
            at: a past instant: what this answered then, added up from the entries; only `overdraft_limit` is today's.
        Raises:
            InvalidField: `at` is in the future.
        """
        return self._balances(account, [credit_type], at)[0]

    def balances(self, account: str, *, at: datetime | None = None) -> list[Balance]:
        """What the account has, one for each credit type of the catalog. at: as for `balance`."""
        return self._balances(account, list(self.catalog.credit_types), at)

    def explain(self, account: str, credit_type: str, *, at: datetime | None = None) -> Explanation:
        """Why the balance is what it is: its lots, where each came from, what took credits out of it and by which rule
        of the burn order; its debts and holds. `str` of it is text for people.

        Args:
            at: a past instant; None: now.
        Raises:
            InvalidField: `at` is in the future.
        """
        from farthing.ledger.explaining import explain

        kind, now = self.catalog.credit_type(credit_type), self.clock()
        checks.account_id(account)
        asked = reading.past(at, now)
        return self.read(lambda session: explain(session, account, kind, now, asked))

    def lots(self, account: str, credit_type: str) -> list[LotView]:
        """The account's open lots of one type, in the order in which they will burn."""
        kind = self.catalog.credit_type(credit_type)
        checks.account_id(account)
        return self.read(lambda session: reading.lots(session, account, kind, self.clock()))

    def holds(self, account: str, credit_type: str | None = None) -> list[HoldView]:
        """The account's open holds, of one type or of all, oldest first; those that lapsed are not among them."""
        codes = [credit_type] if credit_type is not None else list(self.catalog.credit_types)
        types = [self.catalog.credit_type(code) for code in codes]
        checks.account_id(account)
        return self.read(lambda session: reading.holds(session, account, types, self.clock()))

    def history(
        self,
        account: str,
        credit_type: str | None = None,
        *,
        kinds: Iterable[str] = (),
        sources: Iterable[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        sort: Sort = "newest",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """The account's entries, page by page. All pages together are what there was when the first one was read.

        Args:
            credit_type: only this one; None for all.
            kinds: only these, of `farthing.core.book.KINDS`. sources: only these, of `SOURCES` there: what made a lot.
            since, until: recorded at `since` or later, and before `until`.
            search: 1–200 bytes that stand in the key, the operation or the link, as they are; A to Z also as a to z.
            sort: "newest" or "oldest" by `recorded_at`; "largest" or "smallest" by credits moved: the amount without
                its sign, or what was held or freed where that is all. Each page by size looks at all that there is.
            limit: 1–500. cursor: `next_cursor` of the page before, with the same filters and sort.
        Raises:
            Invalid: an argument is wrong as written, or the cursor was given for something else.
        """
        asked, types = self._wanted(account, credit_type, kinds, sources, since, until, search, sort)
        return self.read(lambda session: history.page(session, asked, types, limit=limit, cursor=cursor))

    def export_history(
        self,
        account: str,
        credit_type: str | None = None,
        *,
        kinds: Iterable[str] = (),
        sources: Iterable[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
        sort: Sort = "newest",
    ) -> Generator[str]:
        """The account's entries as CSV text, header first, in blocks to write one after the other.

        One consistent view, in bounded memory however long the history is. It keeps a connection until it is read to
        its end or dropped. Reason, actor and metadata are not in it, so that it may be given to the customer.

        Args:
            as for `history`.
        """
        asked, types = self._wanted(account, credit_type, kinds, sources, since, until, search, sort)
        if self.database.dialect.memory:  # the one connection there is cannot wait for whoever reads the blocks
            self._forbid_nesting()
            return (block for block in list(self._exported(asked, types)))
        return self._exported(asked, types)

    def drawn_lots(self, account: str, lines: Iterable[Line]) -> list[LotView]:
        """The lots that entries of the account took credits from, each once, with what is left in them."""
        checks.account_id(account)
        drawn = list(lines)
        return self.read(lambda session: reading.drawn_lots(session, account, drawn, self.catalog.credit_types))

    def subscription(self, account: str) -> SubscriptionView | None:
        """The account's plan, or the last one it had; None: it never had any."""
        checks.account_id(account)
        found = self.read(lambda session: subscribed.newest(session, account))
        return subscription_view(found[0], self.clock()) if found else None

    def drip(self) -> dict[str, int]:
        """Carries on every subscription that something is due for: the job that pays cycles. Several may run at once.

        Returns:
            Counts: `cycles` paid, in `lots`; subscriptions `ended`; cycles `skipped` of frozen accounts; subscriptions
            left for an hour because the catalog no longer has their plan (`unknown_plan`) or because they `failed`.
        """
        return drip(self.run, self.catalog, self.clock())

    def expire(self) -> int:
        """Books what came due in wallets that nobody wrote to since. Returns the entries written.

        Balances are right without it: this is the job for idle wallets.
        """
        now, after, written = self.clock(), ("", ""), 0
        types = self.catalog.credit_types
        while True:
            due = self.database.read(lambda session, after=after: sql.due_wallets(session, now, after=after))
            if not due:
                return written
            known = [wallet for wallet in due if wallet[1] in types]
            written += self.database.run(lambda session, known=known: book_due(session, known, types, now))
            after = due[-1]

    def start_jobs(self, *, every_s: float = EVERY_S) -> Jobs:
        """A thread of this process that runs the jobs every `every_s` seconds; `stop()` it before closing."""
        return Jobs(self, every_s)

    def reload(self, catalog: Catalog | str | Path = "farthing.toml") -> Catalog:
        """Takes up a changed catalog without a restart. What runs already goes on by the one it began with.

        Args:
            catalog: a path to farthing.toml, or what `load_catalog` gave.
        Raises:
            CatalogInvalid: it has mistakes. ScaleChanged: it counts a credit type otherwise than the ledger does.
            Either way, and whatever else is raised, the catalog stays as it was.
        """
        checked = catalog if isinstance(catalog, Catalog) else load(catalog)
        self.read(lambda session: scales.check(session, checked.credit_types.values()))
        self.catalog = checked
        return checked

    def catalog_version(self, version: str) -> CatalogVersion:
        """What a version of the catalog said, of those that orders and entries name.

        Raises:
            NotFound: nothing was ever written under it here.
        """
        found = self.read(lambda session: versions.read(session, version))
        if found is None:
            raise NotFound(f"There is no version {version!r} of the catalog that anything was written under.")
        return found

    def catalog_versions(self) -> list[CatalogVersion]:
        """The versions of the catalog that something was written under, newest first."""
        return self.read(versions.every)

    def verify(self, account: str | None = None, *, progress: Callable[[int, int], None] | None = None) -> Report:
        """Every balance, lot and debt rebuilt from the entries and compared with what is stored.

        Args:
            account: only this one's; None for the whole database, in bounded memory.
            progress: called now and then with the entries done and the entries there are.
        """
        from farthing.ledger.verifying import verify

        if account is not None:
            checks.account_id(account)
        return verify(self.database, account=account, progress=progress)

    def submit(self, command: Command) -> Future[Outcome]:
        """Queues a command; its future is resolved by the commit that holds it."""
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()
        self.send(command, partial(settle_future, future))
        return future

    def send(self, command: Command, answer: Answering) -> None:
        """Queues a command; `answer` is told what became of it, in the writer's thread."""
        self._forbid_nesting()
        self._writer.submit(command, answer)

    def _kept(self) -> Catalog:
        """The catalog, which what is written now will name: so what it says is kept."""
        catalog = self.catalog
        self._keeping.keep(catalog)
        return catalog

    def _balances(self, account: str, codes: list[str], at: datetime | None) -> list[Balance]:
        types, now = [self.catalog.credit_type(code) for code in codes], self.clock()
        checks.account_id(account)
        then = reading.past(at, now)
        read = reading.books_at if then else reading.books
        return [reading.balance(book) for book in self.read(lambda session: read(session, account, types, then or now))]

    def _within(self, work: Callable[[Tx], T]) -> T:
        return self.run(work)

    def _wanted(
        self,
        account: str,
        credit_type: str | None,
        kinds: Iterable[str],
        sources: Iterable[str],
        since: datetime | None,
        until: datetime | None,
        search: str | None,
        sort: str,
    ) -> tuple[Wanted, list[CreditType]]:
        codes = list(self.catalog.credit_types) if credit_type is None else [credit_type]
        types = [self.catalog.credit_type(code) for code in codes]
        asked = wanted(
            account, credit_type, kinds=kinds, sources=sources, since=since, until=until, search=search, sort=sort
        )
        return asked, types

    def _exported(self, asked: Wanted, types: Sequence[CreditType]) -> Generator[str]:
        with self.database.reading() as session, closing(history.lines(session, asked, types)) as lines:
            yield from csv_blocks(lines)

    def _receipt(self, command: Command) -> Receipt:
        self._forbid_nesting()
        return receipt(command, self._writer.carry_out(command))

    def read(self, work: Callable[[Session], T]) -> T:
        """`work` in one consistent view of the database."""
        if self.database.dialect.memory:
            self._forbid_nesting()
        return self.database.read(work)

    def _forbid_nesting(self) -> None:
        if self._open_tx.get()():
            raise NestedWrite(
                "A plain verb was called inside your own transaction: it would wait for that to end. Nothing was "
                "changed by it. Call it on the transaction: `with credits.begin() as tx: tx.deduct(…)`, or "
                "`credits.on(connection).deduct(…)`."
            )
