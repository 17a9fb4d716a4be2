"""How each credit type of the ledger is counted: settled by its first wallet, for good."""

from __future__ import annotations

from collections.abc import Iterable

from farthing.core.book import CreditType
from farthing.errors import ScaleChanged
from farthing.store.database import Session


def fix(session: Session, kind: CreditType) -> None:
    """The first wallet of a credit type settles how it is counted, for good."""
    session.execute(
        "INSERT INTO farthing_meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (f"scale.{kind.code}", str(kind.scale)),
    )
    check(session, [kind])


def require(session: Session, kinds: Iterable[CreditType]) -> None:
    """As `check`, asked of the database once for each type that has a wallet: it is settled for good then."""
    asked = [kind for kind in kinds if (kind.code, kind.scale) not in session.dialect.settled_scales]
    if asked:
        check(session, asked)
        session.dialect.settled_scales.update((kind.code, kind.scale) for kind in asked)


def read(session: Session) -> dict[str, int]:
    """The decimals that each credit type of the ledger is counted with, in the catalog or no longer."""
    rows = session.execute("SELECT name, value FROM farthing_meta WHERE name LIKE 'scale.%'")
    return {name.removeprefix("scale."): int(value) for name, value in rows}


def check(session: Session, types: Iterable[CreditType]) -> None:
    """Nothing, where the ledger counts these types as the catalog does.

    Raises:
        ScaleChanged: the amounts in the ledger would mean something else.
    """
    for kind in types:
        rows = session.execute("SELECT value FROM farthing_meta WHERE name = ?", (f"scale.{kind.code}",))
        stored = rows[0][0] if rows else str(kind.scale)
        if stored != str(kind.scale):
            raise ScaleChanged(
                f"credit_types.{kind.code}.scale is {kind.scale} in the catalog, but the ledger already counts "
                f"{kind.code} with scale {stored}. Nothing was changed. Set it back to {stored}, or add a new type."
            )
