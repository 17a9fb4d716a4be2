"""The verbs on plans: start, renew, change, cancel. They write no entry of their own, and keep their keys for ever."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from farthing.core import checks
from farthing.core.plans import Unused
from farthing.core.subscriptions import Subscription
from farthing.errors import BilledByProvider
from farthing.plans import acting
from farthing.plans.acting import Asked
from farthing.store import billings
from farthing.views import SubscriptionView

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

T = TypeVar("T")
_UNUSED = ("keep", "expire", "take_back")


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
        return self._within(lambda tx: acting.do(tx, asked, lambda: acting.start(tx, asked, plan, trial=trial)))

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
        return self._within(lambda tx: acting.do(tx, asked, lambda: acting.renew(tx, asked)))

    def change_plan(
        self, account: str, plan: str, *, key: str, reason: str | None = None, actor: str | None = None
    ) -> SubscriptionView:
        """Changes to another plan: to one of a higher or equal rank at once, to a lower one when the period ends.

        Where it means a new period that must be paid for, it waits for `renew_plan` (or the end of the one under way);
        where the clock opens that and the rank is equal, for the end. An upgrade pays by the new plan's policy; what a
        cycle paid once it never pays again, whatever is changed in it.
        Changing to the plan that it is takes back a change or an end that was to come.

        Raises:
            NotSubscribed, UnknownPlan, SwitchedOff, AccountFrozen, KeyReused. BilledByProvider: it is changed there.
        """
        asked = _asked("change_plan", account, key, reason, actor, plan=plan)

        def work(tx: Tx) -> Subscription:
            _require_own(tx, asked)
            return acting.change(tx, asked, plan)

        return self._within(lambda tx: acting.do(tx, asked, lambda: work(tx)))

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
            NotSubscribed, KeyReused. BilledByProvider: it is cancelled there.
        """
        if unused is not None:
            checks.one_of("unused", unused, _UNUSED)
        asked = _asked("cancel_plan", account, key, reason, actor, unused=unused)

        def work(tx: Tx) -> Subscription:
            _require_own(tx, asked)
            return acting.cancel(tx, asked, unused)

        return self._within(lambda tx: acting.do(tx, asked, lambda: work(tx)))


def _asked(verb: str, account: str, key: str, reason: str | None, actor: str | None, **said: Any) -> Asked:
    return Asked(
        verb, checks.account_id(account), checks.caller_key(key), checks.fingerprint(verb, "", 0, **said),
        checks.text("reason", reason), checks.text("actor", actor, most=200),
    )  # fmt: skip


def _require_own(tx: Tx, asked: Asked) -> None:
    """Nothing, where the application bills the plan itself.

    Raises:
        BilledByProvider: a provider would go on charging for what ended or changed only here.
    """
    if paid_by := billings.of_plan(tx.session, asked.account):
        raise BilledByProvider(
            f"The plan of {asked.account} is paid through {paid_by.provider}. Nothing was changed. It is changed and "
            "cancelled there, and follows here: plan_portal leads the customer to it.",
            account=asked.account,
            provider=paid_by.provider,
        )
