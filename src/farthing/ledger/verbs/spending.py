"""`deduct` and `reverse`: credits are used up, and given back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from farthing.amounts import Amount, to_units
from farthing.core import burn, checks, reversals
from farthing.core.book import Book, Draft, Stamp
from farthing.ledger.beat import Cites, Command
from farthing.ledger.verbs.carrying import Carrier, named, stamped
from farthing.views import Receipt


class Spending(Carrier):
    """`deduct` and `reverse`."""

    def deduct(
        self,
        account: str,
        credit_type: str,
        amount: Amount,
        *,
        key: str,
        operation: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Receipt:
        """Uses credits up, all or nothing, from the account's lots in burn order.

        Args:
            amount: more than zero, in credits, with at most the type's decimals.
            key: idempotency key, unique in the account for ever: the same call again answers the first receipt.
            operation: what they were used for, e.g. "render". The rest as for `grant`.
        Raises:
            InsufficientCredits: more than available and overdraft together; nothing was taken.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind = catalog.credit_type(credit_type)
        units = to_units(amount, kind.scale)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint("deduct", kind.code, units, operation=operation, occurred_at=happened)
        stamp = stamped(
            catalog, checks.caller_key(key), said,
            operation=operation, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return burn.deduct(book, units, stamp)

        return self._receipt(Command(checks.account_id(account), kind, stamp.key or "", stamp, rule))

    def reverse(
        self,
        account: str,
        entry: str,
        amount: Amount | None = None,
        *,
        key: str,
        expired: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Receipt:
        """Takes back a deduction or capture, whole or in part: what it drew last goes back first, to the same lots.

        Args:
            entry: the id of the deduction's receipt, e.g. "ent_images_5".
            amount: more than zero, in credits; left out, all that was not taken back yet.
            key: idempotency key, unique in the account for ever.
            expired: what becomes of credits whose lot expired meanwhile: "restore" (a new lot, for as long as was left
                when they were taken), "grace" (a new lot for the credit type's `grace`) or "forfeit". Left out: the
                credit type's `reversal`.
            The rest as for `grant`.
        Raises:
            NotFound: the account has no such deduction. NotEnoughLeft: less of it is left to take back.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind, seq = named(catalog, "ent", entry)
        units = None if amount is None else to_units(amount, kind.scale)
        policy = kind.reversal if expired is None else checks.one_of("expired", expired, reversals.POLICIES)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint("reverse", kind.code, units or 0, entry=seq, expired=expired, occurred_at=happened)
        stamp = stamped(
            catalog,
            checks.caller_key(key),
            said,
            reason=reason,
            actor=actor,
            metadata=metadata,
            occurred_at=occurred_at,
        )

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return reversals.reverse(book, seq, units, policy, stamp)

        account = checks.account_id(account)
        return self._receipt(Command(account, kind, checks.caller_key(key), stamp, rule, cites=Cites(entry=seq)))
