"""Subscriptions and what was paid for each of their cycles: rows to values and back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from farthing.core.book import Draw, Lot
from farthing.core.subscriptions import Subscription, coming
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.sql import Wallet
from farthing.store.tables import allotments, subscriptions

_DUE = (
    "due_at <= ? AND (leased_until IS NULL OR leased_until <= ?) AND (skips_frozen OR NOT EXISTS "
    "(SELECT 1 FROM farthing_accounts a WHERE a.account = s.account AND a.frozen_at IS NOT NULL))"
)
_NAMES = ", ".join(subscriptions.c.keys())
_ALLOTTED = ", ".join(allotments.c.keys())
_CHANGING = tuple(name for name in subscriptions.c.keys() if name not in ("account", "number", "zone", "started_at"))


class Paid(NamedTuple):
    """What a cycle was entitled to of one credit type, the most it ever was, what was paid of it, when it is over."""

    account: str
    number: int
    series: int
    cycle: int
    credit_type: str
    entitled: int
    paid: int
    ends_at: datetime | None


def running(session: Session, account: str, *, locked: bool = False) -> Subscription | None:
    """The account's subscription that has not ended; `locked`, so that it stays as read until the transaction ends."""
    lock = session.dialect.exclusive if locked else ""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_subscriptions WHERE account = ? AND ended_at IS NULL {lock}", (account,)
    )
    return _subscription(session, rows[0]) if rows else None


def newest(session: Session, account: str) -> list[Subscription]:
    """All subscriptions an account ever had, newest first."""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_subscriptions WHERE account = ? ORDER BY number DESC", (account,)
    )
    return [_subscription(session, row) for row in rows]


def add(session: Session, sub: Subscription) -> None:
    """Writes a new subscription."""
    changing = _changing(session, sub)
    started_at = session.dialect.time_in(sub.started_at)
    row = (sub.account, sub.number, *changing[:2], sub.zone, *changing[2:4], started_at, *changing[4:])
    session.dialect.insert_many(session, subscriptions, [row])


def keep(session: Session, subs: Sequence[Subscription]) -> None:
    """Writes how subscriptions stand now, and lets go of them for other workers."""
    rows = [(*_changing(session, sub), sub.account, sub.number) for sub in subs]
    session.dialect.update_many(session, subscriptions, _CHANGING, rows)


def take_due(session: Session, now: datetime, *, until: datetime, limit: int) -> list[tuple[str, int]] | None:
    """The next subscriptions that something is due for, leased until then: no other worker takes them meanwhile.

    Those of frozen accounts wait, unless their plan lets go of what frozen accounts miss. None: nothing is due.
    """
    moment = session.dialect.time_in(now)
    chosen = f"SELECT account, number FROM farthing_subscriptions s WHERE {_DUE} ORDER BY due_at, account LIMIT ?"
    leased = session.execute(
        f"UPDATE farthing_subscriptions SET leased_until = ? WHERE (account, number) IN ({chosen}) "
        "AND (leased_until IS NULL OR leased_until <= ?) RETURNING account, number",
        (session.dialect.time_in(until), moment, moment, limit, moment),
    )
    if not leased and not session.execute(
        f"SELECT 1 FROM farthing_subscriptions s WHERE {_DUE} LIMIT 1", (moment,) * 2
    ):
        return None
    return sorted([(row[0], row[1]) for row in leased], key=lambda key: (key[0].encode(), key[1]))


def read(session: Session, keys: Sequence[tuple[str, int]]) -> list[Subscription]:
    """These subscriptions, locked in the order given until the transaction ends."""
    tail = f"LIMIT 1 {session.dialect.exclusive}"
    rows = session.dialect.select_each(session, subscriptions, ("account", "number"), keys, tail)
    return [_subscription(session, row) for row in rows]


def lease(session: Session, key: tuple[str, int], *, until: datetime) -> None:
    """Nobody takes the subscription before then."""
    session.execute(
        "UPDATE farthing_subscriptions SET leased_until = ? WHERE account = ? AND number = ?",
        (session.dialect.time_in(until), *key),
    )


def paid(session: Session, cycles: Sequence[tuple[str, int, int, int]]) -> dict[tuple[Row, str], Paid]:
    """What was paid for these cycles (account, number, series, cycle), by cycle and credit type."""
    by = ("account", "number", "series", "cycle")
    rows = session.dialect.select_each(session, allotments, by, cycles, "ORDER BY credit_type")
    return {(row[:4], row[4]): _paid(session, row) for row in rows}


def add_paid(session: Session, rows: Sequence[Paid]) -> None:
    """Writes what cycles that begin are entitled to and were paid."""
    session.dialect.insert_many(session, allotments, [_allotted(session, row) for row in rows])


def all_with_due(session: Session, account: str | None) -> Generator[tuple[Subscription, datetime | None]]:
    """Every subscription of an account, or of all, and when its row says that something is due."""
    where, params = ("WHERE account = ?", (account,)) if account is not None else ("", ())
    statement = f"SELECT {_NAMES} FROM farthing_subscriptions {where} ORDER BY account, number"
    with closing(session.stream(statement, params)) as rows:
        yield from ((_subscription(session, row), session.dialect.time_out(row[17])) for row in rows)


def paid_of(session: Session, sub: Subscription) -> list[Paid]:
    """What was paid for every cycle of a subscription."""
    rows = session.execute(
        f"SELECT {_ALLOTTED} FROM farthing_allotments WHERE account = ? AND number = ?", (sub.account, sub.number)
    )
    return [_paid(session, row) for row in rows]


def paid_before(session: Session, sub: Subscription, credit_type: str, *, ends_after: datetime) -> list[Paid]:
    """What cycles of the account's subscriptions before this one were paid, if they are over only after an instant."""
    rows = session.execute(
        f"SELECT {_ALLOTTED} FROM farthing_allotments WHERE account = ? AND number < ? AND cycle >= 0 "
        "AND credit_type = ? AND ends_at > ? ORDER BY number, series, cycle",
        (sub.account, sub.number, credit_type, session.dialect.time_in(ends_after)),
    )
    return [_paid(session, row) for row in rows]


def raise_paid(session: Session, rows: Sequence[Paid]) -> None:
    """Writes what cycles under way are entitled to and were paid by now."""
    for row in rows:
        session.execute(
            f"INSERT INTO farthing_allotments ({_ALLOTTED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (account, number, series, cycle, credit_type) "
            "DO UPDATE SET entitled = excluded.entitled, paid = excluded.paid",
            _allotted(session, row),
        )


def read_expired(session: Session, wallet: Wallet, ended: Sequence[Lot], at: datetime) -> list[Draw]:
    """What was left of these lots of a wallet when they expired at an instant."""
    rows = session.execute(
        "SELECT draws FROM farthing_entries WHERE account = ? AND credit_type = ? AND seq > ? AND kind = 'expire' "
        "AND effective_at = ?",
        (*wallet, min(lot.seq for lot in ended), session.dialect.time_in(at)),
    )
    draws = [Draw(*drawn) for row in rows for drawn in session.dialect.json_out(row[0])]
    numbers = {lot.number for lot in ended}
    return [drawn for drawn in draws if drawn.lot in numbers]


def _paid(session: Session, row: Row) -> Paid:
    return Paid._make((*row[:7], session.dialect.time_out(row[7])))


def _allotted(session: Session, row: Paid) -> Row:
    return (*row[:7], session.dialect.time_in(row.ends_at))


def _changing(session: Session, sub: Subscription) -> Row:
    time_in, step = session.dialect.time_in, coming(sub)
    return (
        sub.plan, sub.driver, sub.every, sub.drip, time_in(sub.anchor), sub.series, sub.opened, sub.handled,
        time_in(sub.trial_end), sub.next_plan, sub.ends, time_in(sub.ended_at), sub.skips_frozen,
        time_in(step and step.at), None,
    )  # fmt: skip


def _subscription(session: Session, row: Row) -> Subscription:
    time_out = session.dialect.time_out
    started_at, anchor, trial_end, ended_at = (time_out(row[place]) for place in (7, 8, 12, 15))
    return Subscription._make(
        (*row[:7], started_at, anchor, *row[9:12], trial_end, *row[13:15], ended_at, bool(row[16]))
    )
