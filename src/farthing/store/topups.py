"""Mandates of auto top-up and the slots their charges take: rows to values and back."""

from __future__ import annotations

from datetime import datetime

from farthing.core import topups as rules
from farthing.core.topups import Mandate, Slot
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.tables import topup_slots, topups

Key = tuple[str, str]
_NAMES = ", ".join(Mandate._fields)
_SLOT_NAMES = ", ".join(Slot._fields)
_OPEN = (
    "EXISTS (SELECT 1 FROM farthing_topup_slots s WHERE s.account = t.account AND s.credit_type = t.credit_type "
    "AND s.outcome IS NULL)"
)
# Stored balances may be older than what expired since, so a wallet with something due is looked at too.
_DUE = f"""
    t.due_at <= ? AND (({_OPEN} AND (t.leased_until IS NULL OR t.leased_until <= ?)) OR (
        NOT {_OPEN} AND t.stopped_at IS NULL AND t.paused IS NULL
        AND NOT EXISTS (SELECT 1 FROM farthing_accounts a WHERE a.account = t.account AND a.frozen_at IS NOT NULL)
        AND NOT EXISTS (
            SELECT 1 FROM farthing_wallets w WHERE w.account = t.account AND w.credit_type = t.credit_type
            AND w.posted - w.held >= t.threshold AND (w.next_change_at IS NULL OR w.next_change_at > ?))))
"""


def read(session: Session, account: str, credit_type: str, *, locked: bool = False) -> Mandate | None:
    """The account's mandate for a credit type; `locked`, so that it stays as read until the transaction ends."""
    lock = session.dialect.exclusive if locked else ""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_topups WHERE account = ? AND credit_type = ? {lock}", (account, credit_type)
    )
    return _mandate(session, rows[0]) if rows else None


def read_all(session: Session, account: str) -> list[Mandate]:
    """All mandates of an account, also those that were stopped."""
    statement = f"SELECT {_NAMES} FROM farthing_topups WHERE account = ? ORDER BY credit_type"
    return [_mandate(session, row) for row in session.execute(statement, (account,))]


def keep(session: Session, mandate: Mandate, *, due_at: datetime | None) -> None:
    """Writes how a mandate stands and when it is looked at next."""
    time_in = session.dialect.time_in
    row = (
        *mandate[:13], time_in(mandate.consent_at), *mandate[14:17], time_in(mandate.paused_at),
        time_in(mandate.last_at), time_in(mandate.stopped_at), time_in(due_at), None,
    )  # fmt: skip
    names = topups.c.keys()
    session.execute(
        f"INSERT INTO farthing_topups ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        "ON CONFLICT (account, credit_type) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in names[2:-1])}",
        row,
    )


def due(session: Session, now: datetime, *, past: Key, limit: int) -> list[Key]:
    """The next mandates after `past` that may have to be charged, or whose charge is to be carried on."""
    moment = session.dialect.time_in(now)
    rows = session.execute(
        f"SELECT t.account, t.credit_type FROM farthing_topups t WHERE {_DUE} AND (t.account, t.credit_type) > (?, ?) "
        "ORDER BY t.account, t.credit_type LIMIT ?",
        (moment, moment, moment, *past, limit),
    )
    return [(row[0], row[1]) for row in rows]


def lease(session: Session, key: Key, *, now: datetime, until: datetime) -> bool:
    """Whether the open slot of the mandate is ours to carry on until then: nobody else has it."""
    time_in = session.dialect.time_in
    return bool(
        session.execute(
            "UPDATE farthing_topups SET leased_until = ? WHERE account = ? AND credit_type = ? "
            "AND (leased_until IS NULL OR leased_until <= ?) RETURNING account",
            (time_in(until), *key, time_in(now)),
        )
    )


def postpone(session: Session, key: Key, *, due_at: datetime) -> None:
    """Nobody has the mandate, and the job takes it up again then."""
    session.execute(
        "UPDATE farthing_topups SET leased_until = NULL, due_at = ? WHERE account = ? AND credit_type = ?",
        (session.dialect.time_in(due_at), *key),
    )


def add_slot(session: Session, slot: Slot) -> None:
    """Writes a slot that is taken; the database refuses a second open one of the same mandate."""
    time_in = session.dialect.time_in
    row = (*slot[:2], time_in(slot.window_start), *slot[3:6], time_in(slot.taken_at), *slot[7:])
    session.dialect.insert_many(session, topup_slots, [row])


def end_slot(session: Session, slot: Slot, outcome: str) -> None:
    """What came of it is known, so nobody carries it on, and the card it was charged with is not needed any more."""
    if slot.outcome is None:
        session.execute(
            "UPDATE farthing_topups SET leased_until = NULL WHERE account = ? AND credit_type = ?", slot[:2]
        )
    session.execute(
        "UPDATE farthing_topup_slots SET outcome = ?, customer = NULL, card = NULL WHERE account = ? AND order_id = ?",
        (outcome, slot.account, slot.order_id),
    )


def open_slot(session: Session, key: Key) -> Slot | None:
    """The mandate's slot whose outcome is not known."""
    return _slot(session, "account = ? AND credit_type = ? AND outcome IS NULL", key)


def slot_of(session: Session, account: str, order: str) -> Slot | None:
    """The slot that an order was made for."""
    return _slot(session, "account = ? AND order_id = ?", (account, order))


def last_slot(session: Session, key: Key) -> Slot | None:
    """The slot that was taken last."""
    return _slot(session, "account = ? AND credit_type = ? ORDER BY taken_at DESC, order_id DESC LIMIT 1", key)


def taken_since(session: Session, key: Key, start: datetime) -> int:
    """How many slots were taken from `start` on, whatever came of them."""
    rows = session.execute(
        "SELECT count(*) FROM farthing_topup_slots WHERE account = ? AND credit_type = ? AND taken_at >= ?",
        (*key, session.dialect.time_in(start)),
    )
    return int(rows[0][0])


def stop_all(session: Session, account: str, now: datetime, *, forget: bool = False) -> None:
    """Ends every mandate of an account; `forget`: and what people wrote of them. An open slot is carried to its end."""
    for mandate in read_all(session, account):
        mandate = rules.stop(mandate, now)
        if forget:
            mandate = mandate._replace(consent=None, actor=None)
        is_open = open_slot(session, (account, mandate.credit_type)) is not None
        keep(session, mandate, due_at=now if is_open else None)


def _slot(session: Session, where: str, params: Row) -> Slot | None:
    rows = session.execute(f"SELECT {_SLOT_NAMES} FROM farthing_topup_slots WHERE {where}", params)
    if not rows:
        return None
    row, time_out = rows[0], session.dialect.time_out
    return Slot._make((*row[:2], time_out(row[2]), *row[3:6], time_out(row[6]), *row[7:]))


def _mandate(session: Session, row: Row) -> Mandate:
    time_out = session.dialect.time_out
    return Mandate._make((*row[:13], time_out(row[13]), *row[14:17], *(time_out(at) for at in row[17:20])))
