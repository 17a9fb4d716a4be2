"""What refunds and disputes took of an order's credits so far: rows to values and back."""

from __future__ import annotations

from typing import NamedTuple

from farthing.core.orders import MoneyBack, Order
from farthing.store.database import Session


class Clawback(NamedTuple):
    """How far the credits of one part of an order follow its money, in smallest units.

    `gone` was asked back, `disputed` set aside by the hold of entry `hold`, where there was anything to set aside.
    `turns` counts the changes. The policy is the one of the first of them, whatever the catalog says since.
    """

    gone: int
    disputed: int
    hold: int | None
    turns: int
    policy: MoneyBack


def read(session: Session, order: Order) -> dict[str, Clawback]:
    """What was taken of each part of the order; parts whose money never went back are left out."""
    rows = session.execute(
        "SELECT part, gone, disputed, hold, turns, refunds, disputes FROM farthing_clawbacks "
        "WHERE account = ? AND order_id = ?",
        (order.account, order.id),
    )
    return {row[0]: Clawback._make((*row[1:5], MoneyBack._make(row[5:7]))) for row in rows}


def keep(session: Session, order: Order, part: str, stands: Clawback) -> None:
    """Writes how a part stands now."""
    session.execute(
        "INSERT INTO farthing_clawbacks (account, order_id, part, gone, disputed, hold, turns, refunds, disputes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, order_id, part) DO UPDATE SET "
        "gone = excluded.gone, disputed = excluded.disputed, hold = excluded.hold, turns = excluded.turns",
        (order.account, order.id, part, *stands[:4], *stands.policy),
    )
