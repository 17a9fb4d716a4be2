"""The verbs that write entries, said once: arguments are checked here and become commands."""

from __future__ import annotations

from farthing.ledger.verbs.carrying import receipt
from farthing.ledger.verbs.correcting import Correcting
from farthing.ledger.verbs.giving import Giving
from farthing.ledger.verbs.holding import Held, Holding
from farthing.ledger.verbs.moving import Moving
from farthing.ledger.verbs.spending import Spending

__all__ = ["Held", "Verbs", "receipt"]


class Verbs(Giving, Spending, Holding, Correcting, Moving):
    """All verbs that write entries, for whoever can carry a command out."""
