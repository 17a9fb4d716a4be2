"""What time does to subscriptions, carried out: cycles are paid, periods open, plans change, subscriptions end.

Whoever comes first does it, under the subscription's lock: a verb, the job, or several workers of it. What a cycle was
paid stands in its row, and each payment has a key of the subscription's own, so nobody can pay it a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farthing.amounts import Money
from farthing.core import checks, events
from farthing.core import subscriptions as rules
from farthing.core.book import CreditType, Entry, Lot, Stamp
from farthing.core.calendar import EPOCH
from farthing.core.plans import Allotment, Plan
from farthing.core.subscriptions import Subscription
from farthing.errors import FarthingError
from farthing.ledger import reading
from farthing.ledger.beat import Command, book_due, decide
from farthing.ledger.commands import DEFAULT, Life, NewLot, end_of, give, life, void
from farthing.store import outbox, scales, sql
from farthing.store import subscriptions as store
from farthing.store.subscriptions import Paid

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

PLAN_KEYS = f"{checks.OUR_KEYS}plan:"
ROLLED = "rollover"

Cycle = tuple[str, int, int, int]  # account, number, series, cycle


class Paying:
    """Subscriptions on their way to how they stand now, in one transaction that holds their rows.

    `counts` says what was done, in subscriptions but for `cycles` and `lots`.
    """

    def __init__(self, tx: Tx, subs: Sequence[Subscription], now: datetime) -> None:
        self.now = now
        self.counts = Counter[str]()
        self.subs = {(sub.account, sub.number): sub for sub in subs}
        self._told = dict(self.subs)  # how each stood when it was last told of
        self.stuck: set[tuple[str, int]] = set()  # their plan is no longer in the catalog
        self._tx = tx
        self._accounts = sql.read_accounts(tx.session, sorted({sub.account for sub in subs}))
        self._missed: dict[tuple[str, int, str], int] = {}  # credits of cycles that were over before they were paid
        self._commands: list[Command] = []
        self._paid: list[Paid] = []

    def advance(self) -> None:
        """Everything that is due by now, in the order in which it came due."""
        while due := [sub for sub in self.subs.values() if self._is_due(sub)]:
            for sub in due:
                self._step(sub)
            self._post()

    def keep(self) -> None:
        """Writes how the subscriptions stand, and tells what became of them."""
        store.keep(self._tx.session, list(self.subs.values()))
        told = [one for key, sub in self.subs.items() for one in events.of_plan(self._told[key], sub, self.now)]
        outbox.write(self._tx.session, told)
        self._told = dict(self.subs)

    def put(self, sub: Subscription) -> None:
        """The subscription stands like this from here on."""
        self.subs[sub.account, sub.number] = sub

    def trial(self, sub: Subscription, plan: Plan) -> None:
        """Pays what the plan gives for its trial."""
        for code, units in plan.trial_credits.items():
            if sub.trial_end and units:
                self._give(sub, -1, code, f"trial:{code}", units, sub.trial_end)
                self._paid.append(Paid(*_cycle(sub, -1), code, units, units, sub.trial_end))
        self._post()

    def upgrade(self, sub: Subscription, plan: Plan) -> None:
        """Pays what the plan gives beyond the most that the cycle under way was entitled to."""
        number = sub.handled - 1
        start, end = sub.begins(number), sub.begins(number + 1)
        if number < 0 or not start <= self.now < end:
            return
        before = store.paid(self._tx.session, [_cycle(sub, number)])
        for code, allotment in plan.allotments.items():
            was = before.get((_cycle(sub, number), code)) or Paid(*_cycle(sub, number), code, 0, 0, end)
            used = self._used_before(sub, number, code)
            units = rules.owed(allotment, plan, was.entitled, used, start=start, end=end, now=self.now)
            if units:
                key = f"{sub.series}.{number}:{code}:{allotment.amount}"
                self._give(sub, number, code, key, units, self._end(sub, allotment, start, end))
            if allotment.amount > was.entitled:
                self._paid.append(was._replace(entitled=allotment.amount, paid=was.paid + units))
        raised, self._paid = self._paid, []
        self._post()
        store.raise_paid(self._tx.session, raised)

    def take_back(self, sub: Subscription) -> None:
        """Ends what is unused of every lot that the subscription ever paid."""
        tx, account = self._tx, sub.account
        lots = {(line.credit_type, line.opened.number) for line in self._lines(sub, "") if isinstance(line.opened, Lot)}
        if not lots:
            return
        counted = scales.read(tx.session)
        codes = sorted({code for code, _ in lots})
        kinds = [self._kind(code) or CreditType(code, code, counted[code]) for code in codes]
        book_due(tx.session, [(account, kind.code) for kind in kinds], {k.code: k for k in kinds}, self.now, wait=True)
        for book in reading.whole_books(tx.session, account, kinds, self.now):
            code = book.credit_type.code
            for lot in book.lots:
                if (code, lot.number) in lots:
                    stamp = self._stamp(sub, f"end:{code}:{lot.number}")
                    self._commands.append(void(account, book.credit_type, lot.number, None, stamp))
        self._post()

    def _is_due(self, sub: Subscription) -> bool:
        step = rules.due(sub, self.now)
        if step is None or (sub.account, sub.number) in self.stuck:
            return False
        return step.kind != "pay" or sub.skips_frozen or not self._frozen(sub)

    def _frozen(self, sub: Subscription) -> bool:
        owner = self._accounts.get(sub.account)
        return bool(owner and owner.frozen_at)

    def _step(self, sub: Subscription) -> None:
        step = rules.due(sub, self.now)
        plan = self._tx.catalog.plans.get(sub.next_plan or sub.plan)
        if step is None or (plan is None and step.kind in ("pay", "switch")):
            self.stuck.add((sub.account, sub.number))
            self.counts["unknown_plan"] += 1
            return
        match step.kind:
            case "pay":
                if self._frozen(sub):
                    self.counts["skipped"] += 1
                else:
                    self._pay(sub, self._tx.catalog.plans[sub.plan])
                self.put(sub._replace(handled=sub.handled + 1))
            case "open":
                self.put(rules.open_next(sub))
            case "switch":
                self.put(rules.switch(sub, self._tx.catalog.plans[sub.next_plan or ""], step.at))
            case "end":
                self.put(sub._replace(ended_at=step.at))
                self.counts["ended"] += 1
                if sub.ends == "expire":
                    self.take_back(sub)

    def _pay(self, sub: Subscription, plan: Plan) -> None:
        number = sub.handled
        start, end = sub.begins(number), sub.begins(number + 1)
        self.counts["cycles"] += 1
        for code, allotment in plan.allotments.items():
            if self._kind(code) is None:
                continue
            if allotment.renewal == "rollover":
                self._roll(sub, number, allotment, start)
            until = self._end(sub, allotment, start, end)
            over = until is not None and until <= self.now
            if over:
                self._missed[sub.account, sub.number, code] = allotment.amount
            units = 0 if over else max(0, allotment.amount - self._used_before(sub, number, code))
            if units:
                self._give(sub, number, code, f"{sub.series}.{number}:{code}", units, until)
            self._paid.append(Paid(*_cycle(sub, number), code, allotment.amount, units, end))

    def _used_before(self, sub: Subscription, number: int, code: str) -> int:
        """What was used of cycles whose subscriptions ended too early, where this one begins before they are over.

        Whoever ends a plan and starts one again, and changes it then, would have its credits anew otherwise.
        """
        if sub.number == 1 or number or sub.driver != "clock":
            return 0
        cycles = store.paid_before(self._tx.session, sub, code, ends_after=sub.begins(0))
        return sum(cycle.paid - self._taken_back(cycle) for cycle in cycles)

    def _taken_back(self, cycle: Paid) -> int:
        """What `take_back` ended of the credits that a cycle was paid."""
        session, owner = self._tx.session, f"{PLAN_KEYS}{cycle.number}"
        under = f"{owner}:{cycle.series}.{cycle.cycle}:{cycle.credit_type}"
        made = [line for line in sql.read_keys_under(session, cycle.account, under) if not is_rolled(line)]
        lots = {
            line.opened.number for line in made
            if isinstance(line.opened, Lot) and line.credit_type == cycle.credit_type
        }  # fmt: skip
        ends = [(cycle.account, f"{owner}:end:{cycle.credit_type}:{lot}") for lot in lots]
        return -sum(line.amount for line in sql.read_keys(session, ends).values())

    def _roll(self, sub: Subscription, number: int, allotment: Allotment, start: datetime) -> None:
        """What the cycle before left unused moves on, with its share of what was paid for it."""
        code = allotment.credit_type
        missed = self._missed.pop((sub.account, sub.number, code), 0)
        if number == sub.series == 0:  # nothing came before but a trial, which leaves nothing
            return
        tx, wallet, kind = self._tx, (sub.account, code), self._tx.catalog.credit_types[code]
        book_due(tx.session, [wallet], {code: kind}, self.now, wait=True)
        before = "" if number == 0 else f"{sub.series}.{number - 1}:{code}"
        made = [line for line in self._lines(sub, before) if line.credit_type == code]
        ended = [
            line.opened for line in made
            if isinstance(line.opened, Lot) and line.opened.expires_at == start and not is_rolled(line)
        ]  # fmt: skip
        expired = store.read_expired(tx.session, wallet, ended, start) if ended else []
        unused = sum(drawn.amount for drawn in expired) + missed
        units = rules.rolled(allotment, unused, self._standing(sub, kind)) if unused else 0
        until = end_of(life(allotment.expires) if allotment.expires else DEFAULT, kind, start, sub.zone)
        if units and (until is None or until > self.now):
            cost = sum(drawn.cost_minor for drawn in expired) * units // unused
            currency = next((lot.currency for lot in ended if lot.currency), None)
            key = f"{sub.series}.{number}:{code}:{ROLLED}"
            self._give(sub, number, code, key, units, until, Money(cost, currency) if currency else None)

    def _standing(self, sub: Subscription, kind: CreditType) -> int:
        """What moved on before and is still there."""
        rolled = {
            line.opened.number for line in self._lines(sub, "") if is_rolled(line) and isinstance(line.opened, Lot)
        }
        books = reading.whole_books(self._tx.session, sub.account, [kind], self.now)
        return sum(lot.remaining for book in books for lot in book.lots if lot.number in rolled)

    def _end(self, sub: Subscription, allotment: Allotment, start: datetime, end: datetime) -> datetime | None:
        """When what a cycle pays ends; None is never."""
        if allotment.renewal != "add":
            return end
        kind = self._tx.catalog.credit_types[allotment.credit_type]
        lasts: Life = life(allotment.expires) if allotment.expires else DEFAULT
        return end_of(lasts, kind, start, sub.zone)

    def _give(
        self, sub: Subscription, number: int, code: str, key: str, units: int, until: datetime | None,
        cost: Money | None = None,
    ) -> None:  # fmt: skip
        kind = self._kind(code)
        if kind:
            lot = NewLot(units, "plan", until, cost=cost)
            self._commands.append(give(self._tx.catalog, sub.account, kind, lot, self._stamp(sub, key)))

    def _post(self) -> None:
        """Writes what was decided so far."""
        commands, self._commands = self._commands, []
        for answer in decide(self._tx.session, commands, self.now, wait=True) if commands else []:
            if isinstance(answer, FarthingError):
                raise answer
        self.counts["lots"] += len(commands)
        paid, self._paid = self._paid, []
        store.add_paid(self._tx.session, paid)

    def _lines(self, sub: Subscription, under: str) -> Iterable[Entry]:
        return sql.read_keys_under(self._tx.session, sub.account, f"{PLAN_KEYS}{sub.number}:{under}")

    def _kind(self, code: str) -> CreditType | None:
        return self._tx.catalog.credit_types.get(code)

    def _stamp(self, sub: Subscription, key: str) -> Stamp:
        return Stamp(
            EPOCH, f"{PLAN_KEYS}{sub.number}:{key}", checks.fingerprint("plan", "", 0, key=key), link=link(sub),
            catalog_version=self._tx.catalog.version,
        )  # fmt: skip


def link(sub: Subscription) -> str:
    """What entries name a subscription by."""
    return f"sub_{sub.number}"


def _cycle(sub: Subscription, number: int) -> Cycle:
    return sub.account, sub.number, sub.series, number


def is_rolled(line: Entry) -> bool:
    """Whether the credits moved on from the cycle before."""
    return bool(line.key and line.key.endswith(f":{ROLLED}"))
