"""`hold`, `capture`, `release` and `extend`: credits set aside for work that is not finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from farthing.amounts import Amount, to_units
from farthing.catalog import Catalog
from farthing.core import checks, holds
from farthing.core.book import Book, CreditType, Draft, Entry, Stamp
from farthing.core.names import hold_id
from farthing.errors import FarthingError, InvalidExpiry
from farthing.ledger.beat import Cites, Command
from farthing.ledger.commands import DEFAULT, Expires, end_key, end_of, life, life_said
from farthing.ledger.verbs.carrying import Carrier, named, stamped
from farthing.views import Receipt


class Holding(Carrier):
    """`hold`, `capture`, `release` and `extend`."""

    def hold(
        self,
        account: str,
        credit_type: str,
        amount: Amount,
        *,
        key: str,
        expires: Expires = DEFAULT,
        on_late: str = "refuse",
        operation: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        occurred_at: datetime | None = None,
    ) -> Held:
        """Sets credits aside until they are captured or released, or the hold lapses: exactly one of these.

        `with credits.hold(…) as hold:` captures all of it when the block ends well, and releases it on an error.

        Args:
            amount: more than zero, in credits. key: idempotency key, unique in the account for ever.
            expires: an aware datetime, a timedelta or a duration such as "15m" from now on; left out, the credit type's
                `hold`. At that instant the hold lapses, whether or not a job runs.
            on_late: "refuse" a capture after that, or "charge" it like a deduction.
            operation: what they are for. The rest as for `grant`.
        Raises:
            InsufficientCredits: more than available and overdraft together; nothing was held.
            AccountFrozen: nothing may be spent. HoldTooLong: the credit type's `max_hold` is less.
            Invalid: an argument is wrong. KeyReused: the key stands for something else.
        """
        catalog = self.catalog
        kind = catalog.credit_type(credit_type)
        units = to_units(amount, kind.scale)
        late = checks.one_of("on_late", on_late, holds.LATE)
        happened = checks.instant("occurred_at", occurred_at)
        said = checks.fingerprint(
            "hold", kind.code, units,
            expires=life_said(life(expires)), on_late=late, operation=operation, occurred_at=happened,
        )  # fmt: skip
        stamp = stamped(
            catalog, checks.caller_key(key), said,
            operation=operation, reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at,
        )  # fmt: skip
        return self._held(self._hold_command(account, kind, stamp, lambda: units, expires, late))

    def capture(
        self,
        account: str,
        hold: str,
        amount: Amount | None = None,
        *,
        operation: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Uses up what a hold kept and ends it; the rest of it is available again. The same capture again is a replay.

        Args:
            hold: its id, e.g. "hold_images_7".
            amount: more than zero, in credits; left out, all of it. More than was held comes out of what is available,
                if the credit type allows that (`capture_more`).
        Raises:
            HoldEnded: it was captured otherwise, released, or lapsed. NotFound: the account has no such hold.
            CaptureTooLarge, InsufficientCredits: more than was held, and not to be had. Invalid: an argument is wrong.
        """
        catalog = self.catalog
        kind, seq = named(catalog, "hold", hold)
        units = None if amount is None else to_units(amount, kind.scale)
        said = checks.fingerprint("capture", kind.code, units or 0)
        end = end_stamp(catalog, kind, seq, said, operation=operation, reason=reason, actor=actor, metadata=metadata)
        return self._receipt(self._capture_command(account, kind, seq, end, lambda: units))

    def release(
        self,
        account: str,
        hold: str,
        *,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Ends a hold and lets its credits be available again. The same release again is a replay.

        What expired meanwhile expires now, and what is owed is repaid first.

        Raises:
            HoldEnded: it was captured, or lapsed. NotFound: the account has no such hold.
        """
        catalog = self.catalog
        kind, seq = named(catalog, "hold", hold)
        said = checks.fingerprint("release", kind.code, 0)
        end = end_stamp(catalog, kind, seq, said, reason=reason, actor=actor, metadata=metadata)

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return holds.release(book, seq, stamp)

        return self._receipt(_ending(account, kind, seq, end, rule))

    def extend(
        self,
        account: str,
        hold: str,
        expires: Expires,
        *,
        key: str,
        reason: str | None = None,
        actor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Gives a hold another deadline.

        Args:
            expires: an aware datetime, or a timedelta or duration from now on.
        Raises:
            HoldEnded: it was captured, released, or lapsed. NotFound: the account has no such hold.
            HoldTooLong: the credit type's `max_hold`, counted from when it was made, is less.
        """
        catalog = self.catalog
        kind, seq = named(catalog, "hold", hold)
        lasts = life(kind.hold if expires is DEFAULT else expires)
        said = checks.fingerprint("extend", kind.code, 0, hold=seq, expires=life_said(life(expires)))
        stamp = stamped(catalog, checks.caller_key(key), said, link=hold, reason=reason, actor=actor, metadata=metadata)

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return holds.extend(book, seq, _deadline(end_of(lasts, kind, stamp.now, zone), stamp.now), stamp)

        account = checks.account_id(account)
        return self._receipt(Command(account, kind, checks.caller_key(key), stamp, rule, cites=Cites(hold=seq)))

    def _held(self, command: Command) -> Held:
        return Held(self, self._receipt(command))

    def _hold_command(
        self,
        account: str,
        kind: CreditType,
        stamp: Stamp,
        amount: Callable[[], int],
        expires: Expires,
        late: str,
    ) -> Command:
        """A hold of so many smallest units; `amount` is asked under the lock, and may refuse."""
        lasts = life(kind.hold if expires is DEFAULT else expires)

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            end = _deadline(end_of(lasts, kind, stamp.now, zone), stamp.now)
            return holds.hold(book, amount(), end, late, stamp)

        return Command(checks.account_id(account), kind, stamp.key or "", stamp, rule)

    def _capture_command(
        self, account: str, kind: CreditType, seq: int, end: Stamp, amount: Callable[[], int | None]
    ) -> Command:
        """A capture of so many smallest units, None for all; `amount` is asked under the lock, and may refuse."""

        def rule(book: Book, stamp: Stamp, zone: str) -> Draft:
            return holds.capture(book, seq, amount(), stamp)

        return _ending(account, kind, seq, end, rule)


def end_stamp(catalog: Catalog, kind: CreditType, seq: int, content: bytes, **said: Any) -> Stamp:
    """The stamp of what ends a hold, under the one key that all its ends share."""
    return stamped(catalog, end_key(kind.code, seq), content, **said)


class Held:
    """Credits set aside. As a context manager it captures all of them at the end, or releases them on an error."""

    def __init__(self, verbs: Holding, receipt: Receipt) -> None:
        self._verbs = verbs
        self.receipt = receipt
        self.ended: Receipt | None = None

    @property
    def id(self) -> str:
        """The hold's name: `hold_` credit type `_` the number of the entry that made it."""
        return hold_id(self.receipt.credit_type, self.receipt.seq)

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had made it."""
        return self.receipt.replayed

    def capture(self, amount: Amount | None = None, *, operation: str | None = None) -> Receipt:
        """As `Credits.capture`."""
        self.ended = self._verbs.capture(self.receipt.account, self.id, amount, operation=operation)
        return self.ended

    def release(self) -> Receipt:
        """As `Credits.release`."""
        self.ended = self._verbs.release(self.receipt.account, self.id)
        return self.ended

    def extend(self, expires: Expires, *, key: str) -> Receipt:
        """As `Credits.extend`."""
        return self._verbs.extend(self.receipt.account, self.id, expires, key=key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.ended is None and error is None:
            self.capture()
        elif self.ended is None:
            try:
                self.release()
            except FarthingError as second:
                note_unreleased(error, second)

    def __repr__(self) -> str:
        return f"<{self.id} {self.receipt.account} {self.receipt.held_change:f}>"


def note_unreleased(error: BaseException | None, second: FarthingError) -> None:
    """The error that ended a block stays the one told; that its hold could not be released is noted on it."""
    if error is not None:
        error.add_note(f"The hold could not be released; it lapses by itself. {second}")


def _ending(account: str, kind: CreditType, seq: int, stamp: Stamp, rule: Any) -> Command:
    def clash(book: Book, known: Entry) -> FarthingError:
        return holds.ended_already(book, holds.find(book, seq))

    account = checks.account_id(account)
    return Command(account, kind, stamp.key or "", stamp, rule, cites=Cites(hold=seq), clash=clash)


def _deadline(end: datetime | None, now: datetime) -> datetime:
    if end is None or end <= now:
        raise InvalidExpiry(
            "A hold ends at some instant after now: say a duration such as '15m', or an aware datetime. "
            "Nothing was changed."
        )
    return end
