"""The verbs on plans: start, renew, change, cancel. They write no entry of their own, and keep their keys for ever."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from farthing.core import checks
from farthing.core import subscriptions as rules
from farthing.core.plans import Unused
from farthing.core.subscriptions import Subscription
from farthing.errors import AlreadySubscribed, NotSubscribed
from farthing.ledger.accounts import require_usable
from farthing.ledger.beat import act_said, key_reused, require_unmerged
from farthing.ledger.commands import new_account
from farthing.plans.paying import Paying, link
from farthing.store import acts, sql
from farthing.store import subscriptions as store
from farthing.store.acts import Act
from farthing.views import SubscriptionView, subscription_view

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

T = TypeVar("T")
_UNUSED = ("keep", "expire", "take_back")


class _Asked(NamedTuple):
    """Who asks for what, under which key, and why."""

    verb: str
    account: str
    key: str
    content: bytes
    reason: str | None
    actor: str | None


class Plans(ABC):
    """The verbs on an account's plan. It has one at a time."""

    @abstractmethod
    def _within(self, work: Callable[[Tx], T]) -> T:
        """`work` in a transaction."""

    def start_plan(
        self,
        account: str,
        plan: str,
        *,
        key: str,
        trial: bool = True,
        reason: str | None = None,
        actor: str | None = None,
    ) -> SubscriptionView:
        """Subscribes the account to a plan: its trial begins, or its first period.

        The first period of a plan that is opened by its payment waits for `renew_plan`. An account that does not exist
        yet is made.

        Args:
            plan: the code of a plan. key: idempotency key, unique in the account for ever.
            trial: whether the plan's trial comes first, where the account had no trial before.
            reason, actor: an operator's words, and who does it.
        Raises:
            UnknownPlan: the catalog has none of this code. AlreadySubscribed: the account has a plan.
            SwitchedOff: plans are switched off. AccountFrozen, AccountMerged. KeyReused: it stands for something else.
        """
        asked = _asked("start_plan", account, key, reason, actor, plan=plan, trial=trial)
        return self._within(lambda tx: _do(tx, asked, lambda: _start(tx, asked, plan, trial=trial)))

    def renew_plan(
        self, account: str, *, key: str, reason: str | None = None, actor: str | None = None
    ) -> SubscriptionView:
        """The plan's next period is paid for: it opens, and pays its first cycle when it begins.

        Where the account waits to change upwards to a plan that must be paid for, this is that plan's first period.
        It begins where the last one ends; where periods went by unpaid, the one that runs now is opened. A payment may
        come up to a week before it begins, or a quarter of a period where that is shorter.

        Raises:
            NotSubscribed: the account has no plan. PeriodNotDue: what is open lasts longer, so that a payment that is
            told twice, under two keys, opens one period. SwitchedOff, KeyReused.
        """
        asked = _asked("renew_plan", account, key, reason, actor)
        return self._within(lambda tx: _do(tx, asked, lambda: _renew(tx, asked)))

    def change_plan(
        self, account: str, plan: str, *, key: str, reason: str | None = None, actor: str | None = None
    ) -> SubscriptionView:
        """Changes to another plan: to one of a higher or equal rank at once, to a lower one when the period ends.

        Where it means a new period that must be paid for, it waits for `renew_plan` (or the end of the one under way);
        where the clock opens that and the rank is equal, for the end. An upgrade pays by the new plan's policy; what a
        cycle paid once it never pays again, whatever is changed in it.
        Changing to the plan that it is takes back a change or an end that was to come.

        Raises:
            NotSubscribed, UnknownPlan, SwitchedOff, AccountFrozen, KeyReused.
        """
        asked = _asked("change_plan", account, key, reason, actor, plan=plan)
        return self._within(lambda tx: _do(tx, asked, lambda: _change(tx, asked, plan)))

    def cancel_plan(
        self,
        account: str,
        *,
        key: str,
        unused: Unused | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> SubscriptionView:
        """Ends the plan with what is open of it, or with "take_back" at once.

        Args:
            unused: what becomes of its unused credits: "keep" (they keep their own end), "expire" (they go when the
                period ends) or "take_back" (they go now). Left out: as the plan says.
        Raises:
            NotSubscribed, KeyReused.
        """
        if unused is not None:
            checks.one_of("unused", unused, _UNUSED)
        asked = _asked("cancel_plan", account, key, reason, actor, unused=unused)
        return self._within(lambda tx: _do(tx, asked, lambda: _cancel(tx, asked, unused)))


def _asked(verb: str, account: str, key: str, reason: str | None, actor: str | None, **said: Any) -> _Asked:
    return _Asked(
        verb, checks.account_id(account), checks.caller_key(key), checks.fingerprint(verb, "", 0, **said),
        checks.text("reason", reason), checks.text("actor", actor, most=200),
    )  # fmt: skip


def _do(tx: Tx, asked: _Asked, work: Callable[[], Subscription]) -> SubscriptionView:
    """Does it under the locks of the subscription and the account, once for each key; answers how the plan stands.

    The subscription comes first, as in the job: wallets are always locked after it.
    """
    session, pair = tx.session, (asked.account, asked.key)
    store.running(session, asked.account, locked=True)
    acts.lock_account(session, asked.account)
    if entry := sql.read_keys(session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(session, [pair]).get(pair)
    if known and (known.verb, known.content) != (asked.verb, asked.content):
        raise key_reused(*pair, act_said(known), known.recorded_at)
    if known is None:
        require_unmerged(sql.read_accounts(session, [asked.account]).get(asked.account))
        sub = work()
        acts.add(session, Act(*pair, asked.verb, asked.content, link(sub), asked.reason, asked.actor, tx.clock()))
    return subscription_view(store.newest(session, asked.account)[0], tx.clock())


def _start(tx: Tx, asked: _Asked, code: str, *, trial: bool) -> Subscription:
    tx.catalog.require_on("plans")
    plan, now, session = tx.catalog.plan(code), tx.clock(), tx.session
    before = store.newest(session, asked.account)
    if before and not before[0].ended_at:
        raise AlreadySubscribed(
            f"{asked.account} has the plan {before[0].plan}. Nothing was changed. Change it with change_plan, or "
            "cancel it first.",
            account=asked.account,
            plan=before[0].plan,
        )
    owner = sql.read_accounts(session, [asked.account]).get(asked.account)
    require_usable(owner)
    if owner is None:
        owner = new_account(tx.catalog, asked.account)._replace(created_at=now)
        sql.add_accounts(session, [owner])
    fresh = trial and not any(sub.trial_end for sub in before)
    sub = rules.begin(asked.account, len(before) + 1, plan, owner.time_zone, now, trial=fresh)
    store.add(session, sub)
    paying = Paying(tx, [sub], now)
    paying.trial(sub, plan)
    return _kept(tx, paying)


def _renew(tx: Tx, asked: _Asked) -> Subscription:
    tx.catalog.require_on("plans")
    paying, plans = _running(tx, asked), tx.catalog.plans
    sub = _only(paying)
    new = plans.get(sub.next_plan or "")
    if new:
        sub = rules.paid_for(sub, plans.get(sub.plan) or new, new, paying.now)
    paying.put(rules.renew(sub, paying.now))
    return _kept(tx, paying)


def _change(tx: Tx, asked: _Asked, code: str) -> Subscription:
    tx.catalog.require_on("plans")
    new = tx.catalog.plan(code)
    require_usable(sql.read_accounts(tx.session, [asked.account]).get(asked.account))
    paying = _running(tx, asked)
    was = _only(paying)
    old = tx.catalog.plans.get(was.plan) or new._replace(code=was.plan)
    sub = rules.change(was, old, new, paying.now)
    paying.put(sub)
    if sub.plan != was.plan and sub.series == was.series:
        paying.upgrade(sub, new)
    return _kept(tx, paying)


def _cancel(tx: Tx, asked: _Asked, unused: Unused | None) -> Subscription:
    paying = _running(tx, asked)
    was = _only(paying)
    plan = tx.catalog.plans.get(was.plan)
    sub = rules.cancel(was, unused or (plan.unused if plan else "keep"), paying.now)
    paying.put(sub)
    if sub.ended_at and sub.ends != "keep":
        paying.take_back(sub)
    return _kept(tx, paying)


def _running(tx: Tx, asked: _Asked) -> Paying:
    """The account's subscription, with everything done that is due.

    Raises:
        NotSubscribed: it has none, or the one it had has ended.
    """
    sub = store.running(tx.session, asked.account, locked=True)
    if sub:
        paying = Paying(tx, [sub], tx.clock())
        if tx.catalog.switches["plans"]:
            paying.advance()
            store.keep(tx.session, [_only(paying)])
        if not _only(paying).ended_at:
            return paying
    raise NotSubscribed(
        f"{asked.account} has no plan. Nothing was changed. Start one with start_plan.", account=asked.account
    )


def _only(paying: Paying) -> Subscription:
    [sub] = paying.subs.values()
    return sub


def _kept(tx: Tx, paying: Paying) -> Subscription:
    if tx.catalog.switches["plans"]:
        paying.advance()
    store.keep(tx.session, [_only(paying)])
    return _only(paying)
