"""`transfer`: credits move to another account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farthing.amounts import Amount, to_units
from farthing.core import checks
from farthing.errors import InvalidAccount
from farthing.ledger.commands import move
from farthing.ledger.verbs.carrying import Carrier, stamped
from farthing.views import Receipt


class Moving(Carrier):
    """`transfer`."""

    def transfer(
        self,
        account: str,
        to: str,
        credit_type: str,
        amount: Amount,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Moves available credits to another account, in burn order; they keep their expiry, priority and cost.

        Args:
            to: an account that exists. key: idempotency key, unique in the account that gives.
        Raises:
            InsufficientCredits: more than is available; an overdraft cannot be given away. AccountFrozen: nothing may
            leave. NotFound: there is no account `to`. BalanceTooLarge: it would pass 15 digits.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind = catalog.credit_type(credit_type)
        units = to_units(amount, kind.scale)
        account, to = checks.account_id(account), checks.account_id(to)
        if account == to:
            raise InvalidAccount(f"{account} cannot transfer to itself. Nothing was changed.")
        said = checks.fingerprint("transfer", kind.code, units, to=to)
        stamp = stamped(catalog, checks.caller_key(key), said, link=to, reason=reason, actor=actor, metadata=metadata)
        return self._receipt(move(account, to, kind, units, stamp))
