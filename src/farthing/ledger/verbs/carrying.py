"""What all verbs have in common: arguments become a command, and somebody carries it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from farthing.catalog import Catalog
from farthing.core import checks
from farthing.core.book import CreditType, Stamp
from farthing.core.calendar import EPOCH
from farthing.ledger.beat import Command, Outcome
from farthing.views import Receipt


class Carrier(ABC):
    """Whoever can carry a command out.

    A verb takes the catalog once and goes on by it: another one may take its place meanwhile.
    """

    catalog: Catalog

    @abstractmethod
    def _receipt(self, command: Command) -> Receipt:
        """The command carried out: its receipt, or for those who do not wait what will become it."""


def receipt(command: Command, outcome: Outcome) -> Receipt:
    """What a caller gets for a command that was carried out."""
    return Receipt(outcome.entry, command.credit_type.scale, replayed=outcome.replayed)


def named(catalog: Catalog, what: str, name: str) -> tuple[CreditType, int]:
    """The credit type and number that a name such as "lot_images_3" holds."""
    code, number = checks.numbered(what, name)
    return catalog.credit_type(code), number


def stamped(
    catalog: Catalog,
    key: str,
    content: bytes,
    *,
    link: str | None = None,
    operation: str | None = None,
    reason: str | None = None,
    actor: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> Stamp:
    """What a command carries under its key, its words checked; its time is settled when it is decided."""
    return Stamp(
        EPOCH, key, content, link, checks.text("operation", operation, most=200), checks.text("reason", reason),
        checks.text("actor", actor, most=200), checks.metadata(metadata), catalog.version,
        checks.instant("occurred_at", occurred_at),
    )  # fmt: skip
