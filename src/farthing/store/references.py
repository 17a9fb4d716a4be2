"""What providers call our orders and billings: their checkouts, payments, subscriptions; and our own ids for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from farthing.errors import EventUnreadable
from farthing.store.database import Session


class Named(Protocol):
    """An order, or a billing."""

    @property
    def provider(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def id(self) -> str: ...


def name(session: Session, named: Named, names: Iterable[str]) -> None:
    """Notes that its provider calls it so."""
    for reference in names:
        session.execute(
            "INSERT INTO farthing_provider_references (provider, reference, account, order_id) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (provider, reference) DO NOTHING",
            (named.provider, reference, named.account, named.id),
        )


def of_account(session: Session, account: str) -> set[tuple[str, str]]:
    """What providers call the account's orders and billings: provider and name."""
    statement = "SELECT provider, reference FROM farthing_provider_references WHERE account = ?"
    return {(row[0], row[1]) for row in session.execute(statement, (account,))}


def find(session: Session, provider: str, names: Iterable[str]) -> tuple[str, str] | None:
    """The account and the id of what a provider calls by one of these names; None where nothing is ours.

    Raises:
        EventUnreadable: the names belong to different things.
    """
    found: set[tuple[str, str]] = set()
    for reference in names:
        found |= {
            (row[0], row[1])
            for row in session.execute(
                "SELECT account, order_id FROM farthing_provider_references WHERE provider = ? AND reference = ?",
                (provider, reference),
            )
        }
    if len(found) > 1:
        raise EventUnreadable(f"The event names {len(found)} different orders. Nothing was changed.")
    return found.pop() if found else None
