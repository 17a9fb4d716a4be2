"""Credits follow the money of their order: what was refunded or lost is taken back, what a bank wants is set aside.

For each part of an order there is what should be gone and what should be set aside, worked out from all that was ever
said of its money, and how far that was done. Whoever brings the next fact closes the gap, in the transaction that
keeps the fact. So facts may come in any order, twice, or be taken back.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from farthing.core import checks, claims, holds, reversals
from farthing.core.book import Book, CreditType, Draft, Lot, Stamp
from farthing.core.calendar import EPOCH
from farthing.core.names import entry_id
from farthing.core.orders import PARTS, Order, Share, order_key, shares
from farthing.errors import Corrupt, FarthingError, NotEnoughLeft
from farthing.ledger import reading
from farthing.ledger.accounts import holders, merge_key
from farthing.ledger.beat import Cites, Command, Outcome, Rule, book_due, decide
from farthing.ledger.commands import NewLot, end_key, give, life
from farthing.ledger.taken import Taken, granted_again, taken
from farthing.store import clawbacks as store
from farthing.store import sql
from farthing.store.clawbacks import Clawback
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.ledger.transaction import Tx

_NOTHING = Share(0, 0)


def follow(tx: Tx, order: Order, now: datetime) -> None:
    """What the order gave stands as its money does. The order's own lock comes before."""
    rows = store.read(tx.session, order)
    policy = next((row.policy for row in rows.values()), tx.catalog.money_back)
    wanted = shares(order, policy)
    for part, units in zip(PARTS, (order.amount, order.bonus, order.promo_bonus), strict=True):
        row, share = rows.get(part), wanted.get(part, _NOTHING)
        if units and (row is None or (row.gone, row.disputed) != share):
            before = row or Clawback(0, 0, None, 0, policy)
            store.keep(tx.session, order, part, _Part(tx, order, part, before, now).moved(share))


class _Part:
    """One part of an order on its way to how its money stands."""

    def __init__(self, tx: Tx, order: Order, part: str, before: Clawback, now: datetime) -> None:
        self._tx, self._order, self._part, self._before, self._now = tx, order, part, before, now
        self._kind = tx.catalog.credit_types.get(order.credit_type) or CreditType(
            order.credit_type, order.credit_type, order.scale
        )
        self._accounts = holders(tx.session, order.account)
        self._owner = self._accounts[-1]
        self._key = order_key(order.id, part)
        self._turn = before.turns + 1
        self._keys = 0

    def moved(self, share: Share) -> Clawback:
        """How the part stands once `share` is gone and set aside."""
        session, before, wallet = self._tx.session, self._before, (self._owner, self._kind.code)
        if share == (before.gone, before.disputed):
            return before
        book_due(session, [wallet], {self._kind.code: self._kind}, self._now, wait=True)
        lot = self._lot()
        commands: list[Command] = []
        if share.gone > before.gone:
            commands.append(self._take_back(lot, share.gone - before.gone))
        if share.disputed != before.disputed and self._is_kept():
            commands.append(self._release())
        if share.gone < before.gone:
            commands += self._give_back(share.gone)
        self._post(commands)
        hold = before.hold
        if share.disputed != before.disputed:
            hold = self._set_aside(lot, share.disputed) if lot and share.disputed else None
        return Clawback(*share, hold, self._turn, before.policy)

    def _take_back(self, lot: int | None, units: int) -> Command:
        """First what is free in the lot, then what holds keep of it; the rest by policy."""
        rest = self._before.policy.refunds

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return claims.take_back(book, lot, units, rest, stamp)

        return self._command("back", rule, Cites(lot=lot))

    def _is_kept(self) -> bool:
        """Whether the dispute's hold still stands; an operator may have ended it."""
        return any(hold.seq == self._before.hold for book in self._books() for hold in book.holds)

    def _release(self) -> Command:
        seq = self._before.hold or 0

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return holds.release(book, seq, stamp)

        stamp = self._stamp("released")._replace(key=end_key(self._kind.code, seq))
        return Command(self._owner, self._kind, stamp.key or "", stamp, rule, cites=Cites(hold=seq))

    def _set_aside(self, lot: int, units: int) -> int | None:
        """The hold that keeps what is left of so much; None where nothing is."""

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return holds.keep(book, lot, units, stamp)

        command = self._command("disputed", rule, Cites(lot=lot))
        [answer] = decide(self._tx.session, [command], self._now, wait=True)
        if isinstance(answer, FarthingError) and not isinstance(answer, NotEnoughLeft):
            raise answer
        return answer.entry.seq if isinstance(answer, Outcome) else None

    def _give_back(self, still: int) -> list[Command]:
        """Everything beyond `still` that was taken, what was taken last first, to where it came from.

        What was taken from a guest who was merged since comes as a new lot: nothing lands in an account that is closed.
        """
        pieces = taken(self._tx.session, self._accounts, self._order.id, self._part)
        given = sum(granted_again(self._tx.session, account, self._order.id, self._part) for account in self._accounts)
        too_much = sum(piece.units for piece in pieces) - given - still
        commands: list[Command] = []
        anew = 0
        for piece in reversed(pieces):
            units = min(piece.units, max(too_much, 0))
            too_much -= units
            if units and piece.account == self._owner:
                commands.append(self._undo(piece, units))
            else:
                anew += units
        if anew:
            lot = NewLot(anew, "reversal", life(self._order.expires))
            commands.append(give(self._tx.catalog, self._owner, self._kind, lot, self._stamp("again")))
        return commands

    def _undo(self, piece: Taken, units: int) -> Command:
        policy = self._kind.reversal

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            if piece.claim:
                return claims.waive(book, piece.seq, units, stamp)
            return reversals.reverse(book, piece.seq, units, policy, stamp, kinds=("clawback",))

        return self._command("again", rule, Cites(entry=piece.seq))

    def _lot(self) -> int | None:
        """The owner's lot that the credits of this part are in; None where none of them came so far."""
        session, code = self._tx.session, self._kind.code
        found = sql.read_keys(session, [(account, self._key) for account in self._accounts])
        line = next(iter(found.values()), None)
        if line is None or not isinstance(line.opened, Lot):
            raise Corrupt(f"the order {self._order.id} is fulfilled, and nothing was given for its {self._part} part")
        number: int | None = line.opened.number
        place = self._accounts.index(line.account)
        for account, into in pairwise(self._accounts[place:]):
            number = number and _moved_to(session, account, into, code, number)
        return number

    def _books(self, account: str | None = None) -> list[Book]:
        return reading.whole_books(self._tx.session, account or self._owner, [self._kind], self._now)

    def _command(self, what: str, rule: Rule, cites: Cites) -> Command:
        stamp = self._stamp(what)
        return Command(self._owner, self._kind, stamp.key or "", stamp, rule, cites=cites)

    def _stamp(self, what: str) -> Stamp:
        self._keys += 1
        key = f"{self._key}:{what}:{self._turn}.{self._keys}"
        content = checks.fingerprint("order", self._order.credit_type, 0, order=self._order.id, key=key)
        return Stamp(EPOCH, key, content, link=self._order.id, catalog_version=self._tx.catalog.version)

    def _post(self, commands: list[Command]) -> None:
        for answer in decide(self._tx.session, commands, self._now, wait=True) if commands else []:
            if isinstance(answer, FarthingError):
                raise answer


def _moved_to(session: Session, account: str, into: str, code: str, number: int) -> int | None:
    """The lot that a guest's lot became when the guest was merged; None where nothing was left of it."""
    key = (account, merge_key(code))
    left = sql.read_keys(session, [key]).get(key)
    lots = [drawn.lot for drawn in left.draws] if left else []
    if left is None or number not in lots:
        return None
    arrived = sql.read_arrivals(session, (into, code), f"{account}/{entry_id(code, left.seq)}")
    lot = arrived[lots.index(number)].opened
    return lot.number if isinstance(lot, Lot) else None
