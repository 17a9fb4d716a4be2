"""Reconciliation: lost webhooks are made up for, and payments, lots and entries laid beside one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from farthing.core import checks
from farthing.core.orders import Order, refunded_of, standing
from farthing.errors import NotFound
from farthing.selling import billing
from farthing.selling.healing import Asking, Healed, differences, heal
from farthing.selling.matching import Mismatch, mismatch, of_orders, of_the_rest
from farthing.store import orders, sql
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.credits import Credits

MAX_MISMATCHES = 1000
_AT_ONCE = 200

Progress = Callable[[int, int], None]


class MoneyTotal(NamedTuple):
    """All money of one provider in one currency, in whole minor units.

    `paid_minor` is all that came; of it, `refunded_minor` went back by refunds, `disputed_minor` is or was wanted back
    by banks and not won, `surplus_minor` and `review_minor` wait for somebody's decision, and somebody dismissed
    `dismissed_minor`.
    """

    provider: str
    currency: str
    paid_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    surplus_minor: int = 0
    review_minor: int = 0
    dismissed_minor: int = 0


class Reconciliation(NamedTuple):
    """What was laid side by side, and what does not fit together.

    `found` counts every mismatch by its name; `mismatches` are the first 1,000 of them.
    """

    healed: Healed
    orders: int
    payments: int
    totals: list[MoneyTotal]
    found: dict[str, int]
    mismatches: list[Mismatch]

    @property
    def proved(self) -> bool:
        """Every payment has its credits, and all credits that were sold have their payment."""
        return not self.found


class _Noted:
    """Mismatches as they come: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.found = Counter[str]()
        self.first: list[Mismatch] = []

    def note(self, some: Iterable[Mismatch]) -> None:
        for one in some:
            self.found[one.name] += 1
            if len(self.first) < MAX_MISMATCHES:
                self.first.append(one)


def reconcile(
    credits: Credits, *, account: str | None, since: datetime | None, ask: bool, progress: Progress, limit: int
) -> Reconciliation:
    """As `Credits.reconcile`."""
    if account is not None:
        checks.account_id(account)
    since = checks.instant("since", since)
    noted = _Noted()
    if account is None:
        billing.heal(credits, limit=limit)
    if ask:
        asking = Asking(credits)
        noted.note(_asked(credits, asking, account, since, progress))
        healed = asking.healed()
    else:
        healed = heal(credits, account=account, limit=limit)
        if healed.failed:
            noted.note([mismatch("provider_silent", f"{healed.failed} orders could not be asked about")])
    with credits.database.reading() as session:
        in_all = orders.count(session, account, since=since)
        if account is not None and not in_all and not sql.read_accounts(session, [account]):
            raise NotFound(f"There is no account {account!r}, so there is nothing to reconcile.")
        looked, payments, totals = 0, 0, dict[tuple[str, str], Counter[str]]()
        for some in _pages(session, account, since):
            noted.note(of_orders(session, some, credits.clock()))
            for order in some:
                _add_up(totals, order)
                payments += len(order.payments)
            looked += len(some)
            progress(looked, in_all)
        noted.note(of_the_rest(session, account, since))
    summed = [MoneyTotal(*pair, **{f"{name}_minor": minor for name, minor in totals[pair].items()}) for pair in totals]
    return Reconciliation(healed, looked, payments, sorted(summed), dict(sorted(noted.found.items())), noted.first)


def _pages(session: Session, account: str | None, since: datetime | None) -> Iterator[list[Order]]:
    with closing(orders.rows_of_all(session, account, since=since)) as rows:
        while some := [orders.from_row(session, row, told) for row, told in islice(rows, _AT_ONCE)]:
            yield some


def _add_up(totals: dict[tuple[str, str], Counter[str]], order: Order) -> None:
    for payment in order.payments:
        if payment.said != "paid":
            continue
        sums = totals.setdefault((order.provider, payment.currency), Counter())
        back, stands = refunded_of(order, payment), standing(order, payment)
        sums["paid"] += payment.amount_minor
        sums["refunded"] += back
        sums["disputed"] += sum(
            one.amount_minor
            for one in order.disputes
            if (one.payment, one.currency) == (payment.payment, payment.currency) and one.said in ("opened", "lost")
        )
        if stands in ("surplus", "review"):
            sums[stands] += payment.amount_minor - back
        if stands == "dismissed":
            sums["dismissed"] += payment.amount_minor


def _asked(
    credits: Credits, asking: Asking, account: str | None, since: datetime | None, progress: Progress
) -> Iterator[Mismatch]:
    """Asks about every order that its provider ever heard of, and tells where it says something else than we have."""
    in_all = credits.database.read(lambda session: orders.count(session, account, since=since))
    after, done, unasked = ("", ""), 0, Counter[str]()
    while some := credits.database.read(
        lambda session, after=after: orders.page_of_all(session, account, since=since, after=after, limit=_AT_ONCE)
    ):
        for order in some:
            if order.reference is None and not order.payments:
                continue
            if asking.is_silent(order.provider):
                unasked[order.provider] += 1
            else:
                yield from _compared(credits, asking, order, unasked)
        done += len(some)
        progress(done, in_all)
        after = (some[-1].account, some[-1].id)
    for provider, many in sorted(unasked.items()):
        yield mismatch("provider_silent", f"{many} orders could not be asked about")._replace(provider=provider)


def _compared(credits: Credits, asking: Asking, order: Order, unasked: Counter[str]) -> Iterator[Mismatch]:
    try:
        answer = asking.about(order)
    except Exception:  # told and counted where it was raised
        unasked[order.provider] += 1
        return
    if answer is None:
        yield mismatch("unknown_at_provider", f"{order.provider} knows nothing of {order.reference}", order)
        return
    after = credits.database.read(lambda session: orders.read(session, order.account, order.id)) or order
    for one in differences(after, answer.facts):
        yield mismatch("differs_at_provider", one.what, order)._replace(
            payment=one.payment, currency=one.currency, expected_minor=one.ours_minor, found_minor=one.theirs_minor
        )
