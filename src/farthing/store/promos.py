"""How often promo codes were used, in all and by whom.

A code's row is locked before any wallet, and whoever changes its uses holds that lock. A use whose order nobody began
to pay lapses with the order: from then on it does not count, and the next one who locks the code writes that down.
"""

from __future__ import annotations

from datetime import datetime

from farthing.core.orders import Order, lapses_at, uses_promo
from farthing.store.database import Session
from farthing.store.tables import promo_uses

_COUNTS = "given_back_at IS NULL AND (lapses_at IS NULL OR lapses_at > ?)"


def lock(session: Session, code: str, now: datetime) -> None:
    """Locks the code until the transaction ends, and takes back what lapsed since."""
    session.execute(
        "INSERT INTO farthing_promo_codes (code, used) VALUES (?, 0) ON CONFLICT (code) DO NOTHING", (code,)
    )
    session.execute("UPDATE farthing_promo_codes SET used = used WHERE code = ?", (code,))
    lapsed = session.execute(
        "UPDATE farthing_promo_uses SET given_back_at = lapses_at, lapses_at = NULL WHERE code = ? AND lapses_at <= ? "
        "RETURNING order_id",
        (code, session.dialect.time_in(now)),
    )
    count(session, code, -len({row[0] for row in lapsed}))


def used(session: Session, code: str, account: str | None, now: datetime) -> tuple[int, int]:
    """How often the code counts as used, in all and by the account."""
    at = session.dialect.time_in(now)
    [[lapsed]] = session.execute(
        "SELECT count(DISTINCT order_id) FROM farthing_promo_uses WHERE code = ? AND lapses_at <= ?", (code, at)
    )
    rows = session.execute("SELECT used FROM farthing_promo_codes WHERE code = ?", (code,))
    [[own]] = session.execute(
        f"SELECT count(*) FROM farthing_promo_uses WHERE account = ? AND code = ? AND {_COUNTS}", (account, code, at)
    )
    return (rows[0][0] if rows else 0) - lapsed, own


def add(session: Session, order: Order) -> None:
    """The order uses its code; `lock` comes before."""
    time_in = session.dialect.time_in
    row = (order.account, order.promo_code, order.id, time_in(order.created_at), time_in(lapses_at(order)), None)
    session.dialect.insert_many(session, promo_uses, [row])
    count(session, order.promo_code or "", 1)


def settle(session: Session, order: Order, account: str, now: datetime) -> int:
    """The use that `account` has of the order's code stands from here on as the order does; `lock` comes before.

    Returns:
        How many uses there are more than before: 1, 0 or -1.
    """
    time_in, key = session.dialect.time_in, (account, order.promo_code, order.id)
    where = "WHERE account = ? AND code = ? AND order_id = ?"
    before = session.execute(f"SELECT given_back_at IS NULL FROM farthing_promo_uses {where}", key)
    given_back_at = None if uses_promo(order) else now
    session.execute(
        f"UPDATE farthing_promo_uses SET lapses_at = ?, given_back_at = ? {where}",
        (time_in(lapses_at(order)), time_in(given_back_at), *key),
    )
    return uses_promo(order) - bool(before[0][0]) if before else 0


def count(session: Session, code: str, more: int) -> None:
    """So many more uses in all, or fewer; `lock` comes before."""
    if more:
        session.execute("UPDATE farthing_promo_codes SET used = used + ? WHERE code = ?", (more, code))


def share(session: Session, account: str, into: str) -> None:
    """What the guest used counts for the user as well."""
    columns = ", ".join(promo_uses.c.keys()[1:])
    # Written and so locked: whoever gives one back meanwhile comes after this, and finds the user's too.
    session.execute("UPDATE farthing_promo_uses SET used_at = used_at WHERE account = ?", (account,))
    session.execute(
        f"INSERT INTO farthing_promo_uses (account, {columns}) SELECT ?, {columns} FROM farthing_promo_uses "
        "WHERE account = ? ON CONFLICT (account, code, order_id) DO NOTHING",
        (into, account),
    )


def stands(session: Session, order: Order) -> tuple[bool, datetime | None] | None:
    """Whether the order's use counts and when it lapses; None: there is no such use."""
    rows = session.execute(
        "SELECT given_back_at IS NULL, lapses_at FROM farthing_promo_uses "
        "WHERE account = ? AND code = ? AND order_id = ?",
        (order.account, order.promo_code, order.id),
    )
    return (bool(rows[0][0]), session.dialect.time_out(rows[0][1])) if rows else None
