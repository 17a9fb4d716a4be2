"""Farthing: prepaid credits that people are given, buy and use up."""

from __future__ import annotations

from farthing.amounts import Money
from farthing.awaiting import AsyncCredits, AsyncHeld, AsyncTx
from farthing.catalog import Catalog
from farthing.catalog import load as load_catalog
from farthing.credits import Credits
from farthing.errors import FarthingError, InsufficientCredits, Refused, TransactionLost
from farthing.ledger.commands import DEFAULT, NEVER
from farthing.ledger.explanation import Explanation
from farthing.ledger.hosting import Hosted
from farthing.ledger.posting import Call, call
from farthing.ledger.transaction import Tx
from farthing.ledger.verbs import Held
from farthing.opening import migrate, open, open_async
from farthing.views import Balance, Check, HoldView, Line, LotView, Page, Receipt

__all__ = [
    "DEFAULT",
    "NEVER",
    "AsyncCredits",
    "AsyncHeld",
    "AsyncTx",
    "Balance",
    "Call",
    "Catalog",
    "Check",
    "Credits",
    "Explanation",
    "FarthingError",
    "Held",
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
    "load_catalog",
    "migrate",
    "open",
    "open_async",
]

__version__ = "0.1.0"
