"""The verbs that write entries, said once: arguments are checked here and become commands."""

from __future__ import annotations

from farthing.ledger.verbs.carrying import receipt
from farthing.ledger.verbs.charging import Charging, HeldFor
from farthing.ledger.verbs.correcting import Correcting
from farthing.ledger.verbs.giving import Giving
from farthing.ledger.verbs.holding import Held
from farthing.ledger.verbs.moving import Moving
from farthing.ledger.verbs.spending import Spending

__all__ = ["Held", "HeldFor", "Verbs", "receipt"]


class Verbs(Giving, Spending, Charging, Correcting, Moving):
    """All verbs that write entries, for whoever can carry a command out."""
