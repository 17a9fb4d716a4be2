"""`void` and `clawback`: lots are taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farthing.amounts import Amount, to_units
from farthing.core import checks, claims
from farthing.core.book import Book, Draft, Stamp
from farthing.ledger.beat import Cites, Command
from farthing.ledger.commands import void
from farthing.ledger.verbs.carrying import Carrier, named, stamped
from farthing.views import Receipt


class Correcting(Carrier):
    """`void` and `clawback`."""

    def void(
        self,
        account: str,
        lot: str,
        amount: Amount | None = None,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Ends what is unused of a lot, all of it or `amount`. What a hold keeps goes when the hold lets go of it.

        Args:
            lot: its id, e.g. "lot_images_3". key: idempotency key, unique in the account for ever.
        Raises:
            NotFound: the account has no such lot. NotEnoughLeft: less of it is left.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind, number = named(catalog, "lot", lot)
        units = None if amount is None else to_units(amount, kind.scale)
        said = checks.fingerprint("void", kind.code, units or 0, lot=number)
        stamp = stamped(catalog, checks.caller_key(key), said, link=lot, reason=reason, actor=actor, metadata=metadata)
        return self._receipt(void(checks.account_id(account), kind, number, units, stamp))

    def clawback(
        self,
        account: str,
        lot: str,
        amount: Amount,
        *,
        key: str,
        rest: str,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Takes back credits that came as this lot, used up or not, because their money went back.

        What is unused goes at once, what is held when its hold ends. The rest, which was used up, is owed or forgiven.

        Args:
            lot: its id, e.g. "lot_images_3". amount: at most what the lot once had.
            rest: "debt", which is repaid out of what else is there and may pass the overdraft limit, or "write_off".
        Raises:
            NotFound: the account has no such lot. NotEnoughLeft: it never had so much.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind, number = named(catalog, "lot", lot)
        units = to_units(amount, kind.scale)
        fate = checks.one_of("rest", rest, claims.RESTS)
        said = checks.fingerprint("clawback", kind.code, units, lot=number, rest=fate)
        stamp = stamped(catalog, checks.caller_key(key), said, link=lot, reason=reason, actor=actor, metadata=metadata)

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return claims.clawback(book, number, units, fate, stamp)

        account = checks.account_id(account)
        return self._receipt(Command(account, kind, checks.caller_key(key), stamp, rule, cites=Cites(lot=number)))
