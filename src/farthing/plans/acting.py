"""What the verbs on plans do to a subscription, for whoever has asked: an application, or what a provider said.

Everything that is due is done first, under the lock of the subscription.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from farthing.core import events
from farthing.core import subscriptions as rules
from farthing.core.plans import Unused
from farthing.core.subscriptions import Subscription
from farthing.errors import AlreadySubscribed, NotSubscribed
from farthing.ledger.accounts import require_usable
from farthing.ledger.beat import act_said, key_reused, require_unmerged
from farthing.ledger.commands import new_account
from farthing.plans.paying import Paying, link
from farthing.store import acts, outbox, sql
from farthing.store import subscriptions as store
from farthing.store.acts import Act
from farthing.views import SubscriptionView, subscription_view

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx


class Asked(NamedTuple):
    """Who asks for what, under which key, and why. `paid`: a provider has the money, so a frozen account is served."""

    verb: str
    account: str
    key: str
    content: bytes
    reason: str | None = None
    actor: str | None = None
    paid: bool = False


class SubscriptionAgain(SubscriptionView):
    """A plan, answered to a call that an earlier one with the same key had carried out."""

    __slots__ = ()

    @property
    def replayed(self) -> bool:
        return True


def do(tx: Tx, asked: Asked, work: Callable[[], Subscription]) -> SubscriptionView:
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
    stands = subscription_view(store.newest(session, asked.account)[0], tx.clock())
    return SubscriptionAgain(*stands) if known else stands


def start(tx: Tx, asked: Asked, code: str, *, trial: bool) -> Subscription:
    """As `Plans.start_plan`."""
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
    if not asked.paid:
        require_usable(owner)
    if owner is None:
        owner = new_account(tx.catalog, asked.account)._replace(created_at=now)
        sql.add_accounts(session, [owner])
    fresh = trial and not any(sub.trial_end for sub in before)
    sub = rules.begin(asked.account, len(before) + 1, plan, owner.time_zone, now, trial=fresh)
    store.add(session, sub)
    paying = Paying(tx, [sub], now)
    paying.trial(sub, plan)
    begun = _kept(tx, paying)
    outbox.write(session, events.of_plan(None, begun, now))
    return begun


def renew(tx: Tx, asked: Asked) -> Subscription:
    """As `Plans.renew_plan`."""
    tx.catalog.require_on("plans")
    paying, plans = _running(tx, asked), tx.catalog.plans
    sub = _only(paying)
    new = plans.get(sub.next_plan or "")
    if new:
        sub = rules.paid_for(sub, plans.get(sub.plan) or new, new, paying.now)
    paying.put(rules.renew(sub, paying.now))
    return _kept(tx, paying)


def change(tx: Tx, asked: Asked, code: str) -> Subscription:
    """As `Plans.change_plan`."""
    tx.catalog.require_on("plans")
    new = tx.catalog.plan(code)
    if not asked.paid:
        require_usable(sql.read_accounts(tx.session, [asked.account]).get(asked.account))
    paying = _running(tx, asked)
    was = _only(paying)
    old = tx.catalog.plans.get(was.plan) or new._replace(code=was.plan)
    sub = rules.change(was, old, new, paying.now)
    paying.put(sub)
    if sub.plan != was.plan and sub.series == was.series:
        paying.upgrade(sub, new)
    return _kept(tx, paying)


def cancel(tx: Tx, asked: Asked, unused: Unused | None) -> Subscription:
    """As `Plans.cancel_plan`."""
    paying = _running(tx, asked)
    was = _only(paying)
    plan = tx.catalog.plans.get(was.plan)
    sub = rules.cancel(was, unused or (plan.unused if plan else "keep"), paying.now)
    paying.put(sub)
    if sub.ended_at and sub.ends != "keep":
        paying.take_back(sub)
    return _kept(tx, paying)


def _running(tx: Tx, asked: Asked) -> Paying:
    """The account's subscription, with everything done that is due.

    Raises:
        NotSubscribed: it has none, or the one it had has ended.
    """
    sub = store.running(tx.session, asked.account, locked=True)
    if sub:
        paying = Paying(tx, [sub], tx.clock())
        if tx.catalog.switches["plans"]:
            paying.advance()
            paying.keep()
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
    paying.keep()
    return _only(paying)
