"""Farthing: prepaid credits that people are given, buy and use up."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from farthing.amounts import Money
from farthing.errors import FarthingError, InsufficientCredits, Refused, TransactionLost

if TYPE_CHECKING:
    from farthing.awaiting import AsyncCredits, AsyncHeld, AsyncHeldFor, AsyncTx
    from farthing.catalog import Catalog
    from farthing.catalog import load as load_catalog
    from farthing.client.client import AsyncClient, Client, connect, connect_async
    from farthing.credits import Credits
    from farthing.ledger.commands import DEFAULT, NEVER
    from farthing.ledger.explanation import Explanation
    from farthing.ledger.hosting import Hosted
    from farthing.ledger.posting import Call, call
    from farthing.ledger.transaction import Tx
    from farthing.ledger.verbs import Held, HeldFor
    from farthing.opening import migrate, open, open_async
    from farthing.views import Balance, Check, HoldView, Line, LotView, Page, Receipt

__all__ = [
    "DEFAULT",
    "NEVER",
    "AsyncClient",
    "AsyncCredits",
    "AsyncHeld",
    "AsyncHeldFor",
    "AsyncTx",
    "Balance",
    "Call",
    "Catalog",
    "Check",
    "Client",
    "Credits",
    "Explanation",
    "FarthingError",
    "Held",
    "HeldFor",
    "HoldView",
    "Hosted",
    "InsufficientCredits",
    "Line",
    "LotView",
    "Money",
    "Page",
    "Receipt",
    "Refused",
    "TransactionLost",
    "Tx",
    "call",
    "connect",
    "connect_async",
    "load_catalog",
    "migrate",
    "open",
    "open_async",
]

__version__ = "0.1.0"

_ROOMS = {
    "awaiting": ("AsyncCredits", "AsyncHeld", "AsyncHeldFor", "AsyncTx"),
    "catalog": ("Catalog", "load_catalog"),
    "client.client": ("AsyncClient", "Client", "connect", "connect_async"),
    "credits": ("Credits",),
    "ledger.commands": ("DEFAULT", "NEVER"),
    "ledger.explanation": ("Explanation",),
    "ledger.hosting": ("Hosted",),
    "ledger.posting": ("Call", "call"),
    "ledger.transaction": ("Tx",),
    "ledger.verbs": ("Held", "HeldFor"),
    "opening": ("migrate", "open", "open_async"),
    "views": ("Balance", "Check", "HoldView", "Line", "LotView", "Page", "Receipt"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """What needs a database is loaded when it is first named: code that only catches errors pays for nothing else."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f"{__name__}.{_ROOM_OF[name]}")
    value = globals()[name] = getattr(room, name.removesuffix("_catalog"))  # load_catalog is catalog.load
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
