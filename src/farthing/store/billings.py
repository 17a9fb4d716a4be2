"""Plans that are paid at a provider, and the invoices of them that were paid: rows to values and back."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import datetime

from farthing.core.billing import Billing, Invoice
from farthing.core.payments import PaidInvoice
from farthing.store import references, subscriptions
from farthing.store.database import Session
from farthing.store.dialects import Row
from farthing.store.orders import paying_in, paying_out
from farthing.store.tables import billings, invoices

_NAMES = ", ".join(billings.c.keys())
_CHANGING = ("plan", "subscription", "stands", "cancels", "said_at", "owner", "number", "due_at")


def add(session: Session, billing: Billing) -> None:
    """Writes a new billing, and its id as a name that its provider may call it by."""
    time_in = session.dialect.time_in
    row = (
        *billing[:9], paying_in(billing.paying), billing.catalog_version, time_in(billing.created_at),
        time_in(billing.expires_at), *billing[13:18], time_in(billing.said_at), billing.owner, billing.number,
        time_in(billing.due_at),
    )  # fmt: skip
    session.dialect.insert_many(session, billings, [row])
    references.name(session, billing, [billing.id])


def read(session: Session, account: str, id_: str, *, locked: bool = False) -> Billing | None:
    """One billing of an account; `locked`, so that it stays as read until the transaction ends."""
    lock = session.dialect.exclusive if locked else ""
    rows = session.execute(
        f"SELECT {_NAMES} FROM farthing_billings WHERE account = ? AND id = ? {lock}", (account, id_)
    )
    return _billing(session, rows[0]) if rows else None


def newest(session: Session, account: str) -> list[Billing]:
    """All billings an account ever had, newest first."""
    rows = session.execute(f"SELECT {_NAMES} FROM farthing_billings WHERE account = ? ORDER BY id DESC", (account,))
    return [_billing(session, row) for row in rows]


def of_plan(session: Session, account: str) -> Billing | None:
    """What pays the plan that the account has now; None: nothing does, or it has no plan."""
    sub = subscriptions.running(session, account)
    rows = sub and session.execute(
        f"SELECT {_NAMES} FROM farthing_billings WHERE owner = ? AND number = ? AND stands <> 'ended' "
        "ORDER BY id DESC LIMIT 1",
        (account, sub.number),
    )
    return _billing(session, rows[0]) if rows else None


def set_started(session: Session, billing: Billing, *, reference: str, url: str | None) -> None:
    """Where it is to be paid; the first answer stays."""
    session.execute(
        "UPDATE farthing_billings SET reference = ?, url = ? WHERE account = ? AND id = ? AND reference IS NULL",
        (reference, url, billing.account, billing.id),
    )
    references.name(session, billing, [reference])


def keep(session: Session, billing: Billing) -> None:
    """Writes how it stands now."""
    time_in = session.dialect.time_in
    row = (
        billing.plan, billing.subscription, billing.stands, billing.cancels, time_in(billing.said_at), *billing[19:21],
        time_in(billing.due_at), billing.account, billing.id,
    )  # fmt: skip
    session.dialect.update_many(session, billings, _CHANGING, [row])


def invoices_of(session: Session, billing: Billing) -> list[Invoice]:
    """The invoices that were paid of it, oldest first."""
    rows = session.execute(
        "SELECT invoice, pays, paid_at, amount_minor, tax_minor, currency, outcome FROM farthing_invoices "
        "WHERE account = ? AND billing = ? ORDER BY paid_at, invoice",
        (billing.account, billing.id),
    )
    return [
        Invoice(PaidInvoice(row[0], row[1], _time(session, row[2]), row[3], row[4], row[5]), row[6]) for row in rows
    ]


def add_invoices(session: Session, billing: Billing, paid: Iterable[Invoice]) -> None:
    """Writes invoices that were paid."""
    time_in = session.dialect.time_in
    rows = [
        (billing.account, billing.id, one.invoice, one.pays, time_in(one.at), *one[3:], outcome)
        for one, outcome in paid
    ]
    session.dialect.insert_many(session, invoices, rows)


def take_due(session: Session, now: datetime, *, until: datetime, limit: int) -> list[tuple[str, str]]:
    """Billings whose provider is to be asked, longest due first, leased until then: no other worker is given them."""
    moment = session.dialect.time_in(now)
    chosen = "SELECT account, id FROM farthing_billings WHERE due_at <= ? ORDER BY due_at, account, id LIMIT ?"
    leased = session.execute(
        f"UPDATE farthing_billings SET due_at = ? WHERE (account, id) IN ({chosen}) AND due_at <= ? "
        "RETURNING account, id",
        (session.dialect.time_in(until), moment, limit, moment),
    )
    return sorted((row[0], row[1]) for row in leased)


def put_off(session: Session, key: tuple[str, str], *, due_at: datetime | None) -> None:
    """Writes when its provider is asked next; None: not any more."""
    session.execute(
        "UPDATE farthing_billings SET due_at = ? WHERE account = ? AND id = ?", (session.dialect.time_in(due_at), *key)
    )


def in_review(session: Session, account: str | None) -> Generator[tuple[Billing, str]]:
    """Billings that took money for a period that was not opened, and the invoice, of an account or of all."""
    where, params = ("AND b.account = ?", (account,)) if account is not None else ("", ())
    names = ", ".join(f"b.{name}" for name in billings.c.keys())
    statement = (
        f"SELECT {names}, i.invoice FROM farthing_invoices i JOIN farthing_billings b ON b.account = i.account "
        f"AND b.id = i.billing WHERE i.outcome = 'review' {where} ORDER BY b.account, b.id, i.invoice"
    )
    with closing(session.stream(statement, params)) as rows:
        yield from ((_billing(session, row), row[-1]) for row in rows)


def _billing(session: Session, row: Row) -> Billing:
    paying = paying_out(session.dialect.json_out(row[9]))
    time_out = session.dialect.time_out
    return Billing._make(
        (
            *row[:7], bool(row[7]), row[8], paying, row[10], time_out(row[11]), time_out(row[12]), *row[13:17],
            bool(row[17]), time_out(row[18]), *row[19:21], time_out(row[21]),
        )
    )  # fmt: skip


def _time(session: Session, stored: object) -> datetime:
    moment = session.dialect.time_out(stored)
    assert moment is not None
    return moment
