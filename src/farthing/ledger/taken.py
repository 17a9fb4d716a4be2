"""What was taken back of an order's credits, entry by entry, and what is left of that to give back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from farthing.core.names import entry_id
from farthing.core.orders import order_key
from farthing.core.reversals import what_is_left
from farthing.store import sql
from farthing.store.database import Session


class Taken(NamedTuple):
    """Credits that an entry took and did not give back yet; or, of a `claim`, that it is still to get."""

    account: str
    seq: int
    units: int
    claim: bool


def taken(session: Session, accounts: Sequence[str], order: str, part: str) -> list[Taken]:
    """What one part of an order lost in these accounts and did not get back, in the order in which it was taken."""
    return [piece for account in accounts for piece in _taken(session, account, f"{order_key(order, part)}:back:")]


def granted_again(session: Session, account: str, order: str, part: str) -> int:
    """What the account was given anew, because what was taken could not go back to where it came from."""
    lines = sql.read_keys_under(session, account, f"{order_key(order, part)}:again:")
    return sum(line.amount for line in lines if line.kind == "grant")


def _taken(session: Session, account: str, keys: str) -> list[Taken]:
    pieces: list[Taken] = []
    waiting: list[Taken] = []
    for line in sql.read_keys_under(session, account, keys):
        entry = (account, line.credit_type, line.seq)
        name, after = entry_id(line.credit_type, line.seq), sql.read_cited(session, entry)[1:]
        for one in (line, *(later for later in after if later.kind == "clawback" and later.link == name)):
            left = what_is_left(one, [later for later in after if later.seq > one.seq])
            pieces.append(Taken(account, one.seq, left.total, claim=False))
        if claimed := sql.read_claim(session, entry):
            waiting.append(Taken(account, line.seq, claimed, claim=True))
    return sorted(pieces) + waiting
