"""The ledger as docs/model.md tells it, as plainly as can be: each credit is an object that sits somewhere.

A second opinion, for tests/store/test_second_opinion.py. Nothing here is quick, and nothing comes from `farthing.core`.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

LONG_AGO, FOR_EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
FREE, HELD, GONE = "free", "held", "gone"


class Refused(Exception):
    """Says no. `why` has the name of every error that would be true of it."""

    def __init__(self, *why: str) -> None:
        self.why = set(why)


class Rules(NamedTuple):
    """Of a credit type; amounts are single credits of the smallest unit."""

    overdraft: int
    max_hold: timedelta | None
    capture_more: bool
    grace: timedelta


@dataclass(eq=False)
class Lot:
    number: int
    source: str
    priority: int
    start: datetime
    end: datetime
    cost: int
    credits: list[Credit] = field(default_factory=list)

    def burns(self) -> tuple[Any, ...]:
        return self.priority, self.end, self.cost > 0, self.start, self.number

    def count(self, *states: str) -> int:
        return sum(credit.state in states for credit in self.credits)

    def counts(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def cost_out(self) -> int:
        return self.cost * self.count(GONE) // len(self.credits)


@dataclass(eq=False)
class Credit:
    lot: Lot
    state: str = FREE

    def to(self, state: str) -> int:
        """Moves it; returns the share of the cost that went along."""
        before, self.state = self.lot.cost_out(), state
        return abs(self.lot.cost_out() - before)


@dataclass(eq=False)
class Hold:
    amount: int
    credits: list[Credit]
    made: datetime
    deadline: datetime
    late: str
    ended: str | None = None


@dataclass(eq=False)
class Claim:
    lot: Lot
    amount: int
    rest: str


class Wallet:
    """One account's credits. Calls that may be refused are made on a copy, so that a refusal changes nothing."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.time = LONG_AGO
        self.lots: list[Lot] = []
        self.holds: dict[str, Hold] = {}  # by the key that made it
        self.used: dict[str, list[tuple[Credit, datetime]]] = {}  # by the key of the deduction, as drawn
        self.owed: list[str] = []  # one for each credit: the key of whoever took it
        self.claims: list[Claim] = []

    def posted(self) -> int:
        return sum(lot.count(FREE, HELD) for lot in self.lots) - len(self.owed)

    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if not hold.ended)

    def pending(self) -> int:
        return sum(lot.count(FREE) for lot in self.lots if lot.start > self.time)

    def available(self) -> int:
        return self.posted() - self.held() - self.pending()

    def open_lots(self) -> list[Lot]:
        return sorted((lot for lot in self.lots if lot.count(FREE, HELD)), key=Lot.burns)

    def free(self, at: datetime) -> list[Credit]:
        """Every credit that may be spent, in burn order."""
        return [one for lot in self.open_lots() if lot.counts(at) for one in lot.credits if one.state == FREE]

    def look(self, clock: datetime) -> None:
        """Time does what it does: credits begin to count, holds lapse, credits end. It never runs backwards."""
        now = max(clock, self.time)
        instants = {at for lot in self.lots for at in (lot.start, lot.end)}
        instants |= {hold.deadline for hold in self.holds.values()}
        for at in sorted(at for at in instants if self.time < at <= now):
            self.repay(at)
            for hold in self.holds.values():
                if not hold.ended and hold.deadline == at:
                    self.end(hold, "lapse", at)
            self.expire(at)
        self.time = now

    def expire(self, at: datetime) -> None:
        for lot in self.lots:
            for credit in lot.credits:
                if credit.state == FREE and lot.end <= at:
                    credit.to(GONE)

    def repay(self, at: datetime) -> None:
        """What is owed, oldest first, out of what is free."""
        for credit in self.free(at)[: len(self.owed)]:
            credit.to(GONE)
            self.used.setdefault(self.owed.pop(0), []).append((credit, at))

    def use(self, key: str, amount: int, own: list[Credit]) -> None:
        """Uses up `amount`: a hold's own credits, then what is free; what there is not is owed."""
        chosen = (own + [one for one in self.free(self.time) if one not in own])[:amount]
        for credit in chosen:
            credit.to(GONE)
        self.used[key] = [(credit, self.time) for credit in chosen]
        self.owed += [key] * (amount - len(chosen))

    def end(self, hold: Hold, how: str, at: datetime) -> None:
        """A hold ends: what it still keeps is free, then claimed, expired, or pays what is owed."""
        hold.ended = how
        for credit in hold.credits:
            if credit.state == HELD:
                credit.state = FREE
        for claim in list(self.claims):
            if any(credit.lot is claim.lot for credit in hold.credits):
                self.settle(claim)
        self.expire(at)
        self.repay(at)

    def settle(self, claim: Claim) -> None:
        lot = claim.lot
        taken = [credit for credit in lot.credits if credit.state == FREE][: claim.amount]
        for credit in taken:
            credit.to(GONE)
        others = sum(other.amount for other in self.claims if other.lot is lot and other is not claim)
        left = claim.amount - len(taken)
        claim.amount = min(left, max(lot.count(HELD) - others, 0))
        self.owed += ["clawback"] * (left - claim.amount) if claim.rest == "debt" else []

    def require(self, amount: int, *, frozen: bool, limit: int | None = None) -> None:
        why = {"AccountFrozen"} if frozen else set[str]()
        if amount > (self.available() + self.rules.overdraft if limit is None else limit):
            why.add("InsufficientCredits")
        if why:
            raise Refused(*why)

    def new_lot(
        self, amount: int, source: str, priority: int, start: datetime | None, end: datetime, cost: int
    ) -> None:
        start = start or self.time
        if end <= max(start, self.time):
            raise Refused("InvalidExpiry")
        lot = Lot(len(self.lots) + 1, source, priority, start, end, cost)
        lot.credits = [Credit(lot) for _ in range(amount)]
        self.lots.append(lot)
        self.repay(self.time)

    def grant(self, amount: int, lasts: timedelta | None, start: datetime | None, priority: int, cost: int) -> None:
        end = FOR_EVER if lasts is None else (start or self.time) + lasts
        self.new_lot(amount, "gift", priority, start, end, cost)

    def deduct(self, key: str, amount: int, *, frozen: bool) -> None:
        self.require(amount, frozen=frozen)
        self.use(key, amount, [])

    def hold(self, key: str, amount: int, lasts: timedelta, late: str, *, frozen: bool) -> None:
        self.require(amount, frozen=frozen)
        chosen = self.free(self.time)[:amount]
        self.holds[key] = Hold(amount, chosen, self.time, self.time, late)
        self.extend(key, lasts)
        for credit in chosen:
            credit.state = HELD

    def extend(self, key: str, lasts: timedelta) -> None:
        hold = self.still(key)
        hold.deadline = self.time + lasts
        if self.rules.max_hold and hold.deadline > hold.made + self.rules.max_hold:
            raise Refused("HoldTooLong")

    def still(self, key: str) -> Hold:
        if self.holds[key].ended:
            raise Refused("HoldEnded")
        return self.holds[key]

    def release(self, key: str) -> None:
        self.end(self.still(key), "release", self.time)

    def capture(self, key: str, amount: int | None, *, frozen: bool) -> None:
        hold = self.holds[key]
        amount = hold.amount if amount is None else amount
        if amount > hold.amount and not self.rules.capture_more:
            raise Refused("CaptureTooLarge", *(["HoldEnded"] if hold.ended else []))
        if hold.ended == "lapse" and hold.late == "charge":
            self.require(amount, frozen=False)
            hold.ended = "capture"
            return self.use(f"{key}:end", amount, [])
        self.still(key)
        if amount > hold.amount:
            self.require(amount - hold.amount, frozen=frozen)
        self.use(f"{key}:end", amount, hold.credits)
        return self.end(hold, "capture", self.time)

    def lot(self, number: int) -> Lot:
        if number > len(self.lots):
            raise Refused("NotFound")
        return self.lots[number - 1]

    def void(self, number: int, amount: int | None) -> None:
        lot = self.lot(number)
        left = lot.count(FREE, HELD) - sum(claim.amount for claim in self.claims if claim.lot is lot)
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            raise Refused("NotEnoughLeft")
        self.take_back(lot, amount, "write_off")

    def clawback(self, number: int, amount: int, rest: str) -> None:
        lot = self.lot(number)
        if amount > len(lot.credits):
            raise Refused("NotEnoughLeft")
        self.take_back(lot, amount, rest)

    def take_back(self, lot: Lot, amount: int, rest: str) -> None:
        taken = [credit for credit in lot.credits if credit.state == FREE][:amount]
        for credit in taken:
            credit.to(GONE)
        claimed = sum(claim.amount for claim in self.claims if claim.lot is lot)
        waits = min(amount - len(taken), lot.count(HELD) - claimed)
        self.claims.append(Claim(lot, waits, rest))
        self.owed += ["clawback"] * (amount - len(taken) - waits) if rest == "debt" else []
        self.repay(self.time)

    def reverse(self, key: str, amount: int | None, policy: str) -> None:
        """What is owed is forgiven, then what was drawn last goes back first; what had expired meets its fate."""
        used, owed = self.used[key], self.owed.count(key)
        amount = owed + len(used) if amount is None else amount
        if not 0 < amount <= owed + len(used):
            raise Refused("NotEnoughLeft")
        for _ in range(min(amount, owed)):
            self.owed.remove(key)
        back: dict[Lot, tuple[datetime, int, int]] = {}  # lot: when it was drawn from, credits, their cost
        for credit, at in reversed(used[len(used) - max(amount - owed, 0) :]):
            used.pop()
            _, many, cost = back.get(credit.lot, (at, 0, 0))
            back[credit.lot] = at, many + 1, cost + credit.to(FREE)
        self.expire(self.time)
        self.repay(self.time)
        for lot, (drawn_at, many, cost) in back.items():
            lasts = {"restore": lot.end - drawn_at, "grace": self.rules.grace, "forfeit": timedelta()}[policy]
            if lot.end <= self.time and lasts > timedelta():
                self.new_lot(many, "reversal", lot.priority, None, self.time + lasts, cost)

    def transfer(self, to: Wallet, amount: int, *, frozen: bool) -> None:
        """Credits arrive as a lot for each that they left, with its end, its priority and their share of its cost."""
        self.require(amount, frozen=frozen, limit=self.available())
        parts: dict[Lot, tuple[int, int]] = {}
        for credit in self.free(self.time)[:amount]:
            many, cost = parts.get(credit.lot, (0, 0))
            parts[credit.lot] = many + 1, cost + credit.to(GONE)
        for lot, (many, cost) in parts.items():
            to.new_lot(many, "transfer", lot.priority, None, lot.end, cost)


class Call(NamedTuple):
    """A verb with its arguments; of one that names a hold or a deduction, the key that made it comes first."""

    verb: str
    who: str
    key: str
    said: tuple[Any, ...] = ()


class Books:
    """Everybody's wallets of one credit type, and the keys that were used."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.wallets: dict[str, Wallet] = {}
        self.exist = set[str]()
        self.frozen = set[str]()
        self.keys: dict[tuple[str, str], Call] = {}

    def tell(self, call: Call, clock: datetime) -> str:
        """ "done" or "replayed"; a refusal leaves everything as it was."""
        known = self.keys.get((call.who, call.key))
        if known == call:
            return "replayed"
        if known:
            raise Refused("HoldEnded" if call.key.endswith(":end") else "KeyReused")
        after = deepcopy(self)
        after.act(call) if call.verb in ("freeze", "unfreeze") else after.write(call, clock)
        after.keys[call.who, call.key] = call
        self.__dict__ = after.__dict__
        return "done"

    def act(self, call: Call) -> None:
        if call.who not in self.exist:
            raise Refused("NotFound")
        (self.frozen.add if call.verb == "freeze" else self.frozen.discard)(call.who)

    def wallet(self, who: str, clock: datetime) -> Wallet:
        """As it stands now. Nobody lends to a stranger."""
        wallet = self.wallets.setdefault(who, Wallet(self.rules))
        wallet.rules = self.rules if who in self.exist else self.rules._replace(overdraft=0)
        wallet.look(clock)
        return wallet

    def write(self, call: Call, clock: datetime) -> None:
        wallet, frozen = self.wallet(call.who, clock), call.who in self.frozen
        match call.verb:
            case "grant":
                self.exist.add(call.who)
                wallet.grant(*call.said)
            case "deduct" | "hold":
                getattr(wallet, call.verb)(call.key, *call.said, frozen=frozen)
            case "capture":
                wallet.capture(*call.said, frozen=frozen)
            case "transfer":
                to, amount = call.said
                wallet.transfer(self.wallet(to, clock), amount, frozen=frozen)
                if to not in self.exist:
                    raise Refused("NotFound")
            case verb:
                getattr(wallet, verb)(*call.said)
