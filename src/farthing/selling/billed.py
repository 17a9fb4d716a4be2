"""What providers say of subscriptions, carried out: plans start, periods open, plans change and end.

Everything hangs on keys of the billing's own, and each invoice that was paid has a row: told twice, late or in any
order, it opens one period.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from farthing.core import checks
from farthing.core.billing import BILLING_KEYS, SOON, Billing, Invoice, Outcome, asked_next
from farthing.core.payments import Billed, PaidInvoice
from farthing.core.subscriptions import Subscription
from farthing.errors import EventUnreadable, PeriodNotDue
from farthing.ledger.accounts import holders
from farthing.plans import acting
from farthing.plans.acting import Asked
from farthing.store import billings, subscriptions

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

OUTCOMES = ("review", "plan_paid", "plan_changed", "noted", "no_change")
"""What several things at once come to is the first of these that one of them comes to."""
_SAID: dict[Outcome, str] = {"review": "review", "opened": "plan_paid", "changed": "plan_changed", "noted": "noted"}


def take_up(tx: Tx, billing: Billing, billed: Billed, now: datetime) -> str:
    """What it comes to that a billing, which is locked, stands so at its provider.

    Raises:
        EventUnreadable: it is another subscription than the one that was bought.
    """
    if billing.subscription not in (None, billed.subscription):
        raise EventUnreadable(f"{billing.id} is paid by {billing.subscription}, and this is {billed.subscription}.")
    following = _Following(tx, billing, billed)
    following.carry_out()
    after = following.billing._replace(due_at=asked_next(following.billing, now))
    billings.keep(tx.session, after)
    billings.add_invoices(tx.session, after, following.paid)
    outcomes = {_SAID[one.outcome] for one in following.paid}
    if following.changed:
        outcomes.add("plan_changed")
    elif after != billing._replace(said_at=after.said_at, due_at=after.due_at):
        outcomes.add("noted")
    return min(outcomes or {"no_change"}, key=OUTCOMES.index)


class _Following:
    """A billing, and the account's plan that follows it, in one transaction."""

    def __init__(self, tx: Tx, billing: Billing, billed: Billed) -> None:
        self.tx, self.billed = tx, billed
        self.account = holders(tx.session, billing.account)[-1]
        self.fresh = billing.said_at is None or billed.at >= billing.said_at
        self.billing = billing
        if self.fresh:
            self.billing = billing._replace(
                plan=billed.plan or billing.plan, subscription=billed.subscription, stands=billed.stands,
                cancels=billed.cancels, said_at=billed.at,
            )  # fmt: skip
        known = {one.paid.invoice for one in billings.invoices_of(tx.session, billing)}
        new = [one for one in billed.invoices if one.invoice not in known]
        self.new = sorted(new, key=lambda one: (one.at, one.invoice))
        self.paid: list[Invoice] = []
        self.changed = False

    def carry_out(self) -> None:
        """The plan begins, or is changed; what was paid is opened; and at last it may end."""
        if self._begins():
            self._begin()
        if self._follows() and self.billed.stands in ("active", "trialing"):
            self._change()
        self.paid = [Invoice(one, self._pay(one)) for one in self.new]
        if self._follows():
            self._end()

    def _running(self) -> Subscription | None:
        """The account's plan, where this billing pays it."""
        sub = subscriptions.running(self.tx.session, self.account, locked=True)
        paid = (self.billing.owner, self.billing.number)
        return sub if sub and (sub.account, sub.number) == paid else None

    def _follows(self) -> bool:
        return self.fresh and self._running() is not None

    def _begins(self) -> bool:
        if self._running():
            return False
        trial = self.fresh and self.billing.number is None and self.billed.stands == "trialing"
        return trial or any(one.pays == "period" for one in self.new)

    def _begin(self) -> None:
        """The account has the plan from now on, unless it pays for one elsewhere, too."""
        session, plan = self.tx.session, self.billing.plan
        other = billings.of_plan(session, self.account)
        if other and other.id != self.billing.id:
            return
        trial = self.billed.stands == "trialing"
        sub = subscriptions.running(session, self.account, locked=True)
        name = self.billed.at.isoformat()
        if sub is None:
            self._do(f"start:{name}", "start_plan", lambda asked: acting.start(self.tx, asked, plan, trial=trial))
        elif plan not in (sub.plan, sub.next_plan):
            self._do(f"change:{name}", "change_plan", lambda asked: acting.change(self.tx, asked, plan))
        now = subscriptions.running(session, self.account, locked=True)
        if now:
            self.billing = self.billing._replace(owner=self.account, number=now.number)

    def _change(self) -> None:
        """The plan that is paid for at the provider now, and whether it goes on."""
        sub, plan = self._running(), self.billing.plan
        if sub is None:
            return
        stays = self.billed.cancels or sub.ends is None
        if plan == (sub.next_plan or sub.plan) and stays:
            return
        self.changed = True
        name = f"change:{self.billed.at.isoformat()}:{plan}:{self.billed.cancels}"
        self._do(name, "change_plan", lambda asked: acting.change(self.tx, asked, plan))

    def _pay(self, one: PaidInvoice) -> Outcome:
        """What one more invoice that was paid comes to.

        Raises:
            PeriodNotDue: its period begins within hours; it is to be tried again then.
        """
        sub = self._running()
        waits = sub is not None and sub.next_plan is not None
        if one.pays == "other" or (one.pays == "change" and not waits):
            return "noted"
        if sub is None:
            return "review"
        try:
            self._do(f"invoice:{one.invoice}", "renew_plan", lambda asked: acting.renew(self.tx, asked))
        except PeriodNotDue as early:
            if early.opens_at and early.opens_at - self.tx.clock() <= SOON:
                raise
            return "review" if one.pays == "period" else "noted"
        return "opened" if one.pays == "period" else "changed"

    def _end(self) -> None:
        """What ended there ends here, with what was paid for."""
        sub = self._running()
        ended = self.billed.stands == "ended"
        if sub is None or sub.ends or not (ended or self.billed.cancels):
            return
        plan = self.tx.catalog.plans.get(sub.plan)
        unused = plan.unused if plan else "keep"
        if unused == "take_back" and not ended:
            unused = "expire"
        self.changed = True
        name = f"cancel:{self.billed.at.isoformat()}:{self.billed.stands}"
        self._do(name, "cancel_plan", lambda asked: acting.cancel(self.tx, asked, unused))

    def _do(self, name: str, verb: str, work: Callable[[Asked], Subscription]) -> None:
        key = f"{checks.OUR_KEYS}{BILLING_KEYS}{self.billing.id}:{name}"
        content = checks.fingerprint(verb, "", 0, key=key)
        asked = Asked(verb, self.account, key, content, actor=self.billing.provider, paid=True)
        acting.do(self.tx, asked, lambda: work(asked))
