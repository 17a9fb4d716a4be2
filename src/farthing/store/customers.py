"""Who pays for an account at which provider, and the card that may be charged again: rows to values and back."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from farthing.store.database import Session

_FORGOTTEN = ""  # in place of a card: there was one, and only a later one counts


class Customer(NamedTuple):
    """What a provider calls who pays for an account, and the card left with it; `card_label` is for people."""

    account: str
    provider: str
    customer: str
    card: str | None
    card_label: str | None
    said_at: datetime


def read(session: Session, account: str, provider: str) -> Customer | None:
    """Who pays for the account there."""
    rows = session.execute(
        "SELECT account, provider, customer, card, card_label, said_at FROM farthing_customers "
        "WHERE account = ? AND provider = ?",
        (account, provider),
    )
    if not rows:
        return None
    *who, card, label, said_at = rows[0]
    return Customer._make((*who, card or None, label, session.dialect.time_out(said_at)))


def account_of(session: Session, provider: str, customer: str) -> str | None:
    """The account that a provider's customer pays for, the one heard of last; None where it is nobody we know."""
    rows = session.execute(
        "SELECT account FROM farthing_customers WHERE provider = ? AND customer = ? "
        "ORDER BY said_at DESC, account LIMIT 1",
        (provider, customer),
    )
    return rows[0][0] if rows else None


def remember(session: Session, customer: Customer) -> None:
    """Writes down who pays, unless something later is known. A card counts more than when: whoever left none displaces
    nobody who did, and the first card is taken whenever it was left, since a provider's clock is not ours.
    """
    known = "farthing_customers"
    session.execute(
        f"INSERT INTO {known} (account, provider, customer, card, card_label, said_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account, provider) DO UPDATE SET customer = excluded.customer, card = excluded.card, "
        f"card_label = CASE WHEN excluded.card_label IS NULL AND excluded.card = {known}.card "
        f"THEN {known}.card_label ELSE excluded.card_label END, said_at = excluded.said_at "
        f"WHERE (excluded.card IS NOT NULL AND {known}.card IS NULL) OR "
        f"(excluded.said_at >= {known}.said_at AND (excluded.card IS NOT NULL OR {known}.card IS NULL))",
        (*customer[:5], session.dialect.time_in(customer.said_at)),
    )


def share(session: Session, guest: str, into: str) -> None:
    """Who paid for a guest pays for the user it turned out to be, where nobody does yet."""
    session.execute(
        "INSERT INTO farthing_customers (account, provider, customer, card, card_label, said_at) "
        "SELECT ?, provider, customer, card, card_label, said_at FROM farthing_customers WHERE account = ? "
        "ON CONFLICT (account, provider) DO NOTHING",
        (into, guest),
    )


def forget_card(session: Session, account: str, provider: str, now: datetime) -> None:
    """No card of the account is known there any more, and one that was left before now is not remembered again."""
    session.execute(
        "UPDATE farthing_customers SET card = ?, card_label = NULL, said_at = ? WHERE account = ? AND provider = ?",
        (_FORGOTTEN, session.dialect.time_in(now), account, provider),
    )


def forget(session: Session, account: str) -> None:
    """Nobody is known to pay for the account any more."""
    session.execute("DELETE FROM farthing_customers WHERE account = ?", (account,))
