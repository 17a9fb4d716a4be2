"""Credits set aside for work that is not finished: held, then captured, released or lapsed."""

from __future__ import annotations

from datetime import datetime

from farthing.amounts import text, to_credits
from farthing.core import claims, lots
from farthing.core.book import Book, Debt, Draft, Draw, Hold, Lot, Partial, Stamp, Until, draw, write
from farthing.core.burn import pick, require
from farthing.core.calendar import after, span
from farthing.core.names import hold_id, lot_id
from farthing.errors import CaptureTooLarge, Corrupt, HoldEnded, HoldTooLong, NotFound

LATE = ("refuse", "charge")


def hold(book: Book, amount: int, deadline: datetime, late: str, stamp: Stamp) -> Draft:
    """`amount` set aside until `deadline`: in the lots that a deduction would burn, and what they lack as overdraft.

    A lot that expires meanwhile stays good for its hold.

    Raises:
        InsufficientCredits, AccountFrozen: as for a deduction.
        HoldTooLong: the credit type lets no hold last until then.
    """
    require(book, amount)
    _allow(book, stamp.now, deadline)
    picked = pick(book, amount, stamp)
    parts = tuple((lot.number, part) for lot, part in picked)
    seq = book.seq + 1
    held = Hold(seq, amount, amount - sum(part for _, part in parts), parts, stamp.now, deadline, late)
    draft = write(
        Draft(book), "hold", stamp,
        held_change=amount,
        changes=[*(lot._replace(held=lot.held + part) for lot, part in picked), held],
        draws=tuple(Draw(number, part, 0) for number, part in parts),
        opened=Until(seq, deadline, late),
    )  # fmt: skip
    return lots.changes_at(draft, deadline)


def keep(book: Book, number: int, amount: int, stamp: Stamp) -> Draft:
    """Up to `amount` of what is free in one lot set aside without a deadline: a bank wants its money back.

    Raises:
        NotEnoughLeft: nothing is free in it, or it does not count yet.
    """
    if not book.whole:
        raise Partial
    lot = lots.open_lot(book, number)
    part = min(amount, lot.remaining - lot.held) if lot and lots.usable(lot, stamp.now) else 0
    if lot is None or not part:
        raise lots.not_enough_left(book, lot_id(book.credit_type.code, number), amount, part)
    seq = book.seq + 1
    return write(
        Draft(book), "hold", stamp,
        held_change=part,
        changes=[lot._replace(held=lot.held + part), Hold(seq, part, 0, ((number, part),), stamp.now, None, "refuse")],
        draws=(Draw(number, part, 0),),
        opened=Until(seq, None, "refuse"),
    )  # fmt: skip


def extend(book: Book, seq: int, deadline: datetime, stamp: Stamp) -> Draft:
    """The hold lasts until `deadline` instead, later or sooner.

    Raises:
        NotFound, HoldEnded: there is nothing to extend. HoldTooLong: no hold of this type may last until then.
    """
    found = require_open(book, seq)
    _allow(book, found.held_at, deadline)
    changed = found._replace(deadline=deadline)
    draft = write(Draft(book), "extend", stamp, changes=[changed], opened=Until(seq, deadline, found.late))
    return lots.changes_at(draft, deadline)


def capture(book: Book, seq: int, amount: int | None, stamp: Stamp) -> Draft:
    """Uses up `amount` of what is held (None: all of it), ends the hold and releases the rest.

    More than was held comes out of what is available, where the credit type allows that. A hold that lapsed can only be
    captured if it was made to be charged late; then everything comes out of what is available.

    Raises:
        NotFound, HoldEnded: there is nothing to capture. CaptureTooLarge: the type allows no more than was held.
        InsufficientCredits, AccountFrozen: the wallet has not what this takes beyond the hold.
    """
    found = find(book, seq)
    wanted = found.amount if amount is None else amount
    if wanted > found.amount and not book.credit_type.capture_more:
        raise _too_large(book, found, wanted)
    if found.ended == "lapse" and found.late == "charge":
        require(book._replace(frozen=False), wanted)
        late = found._replace(ended="capture", ended_at=stamp.now)
        return _use(Draft(book), late, {}, wanted, stamp._replace(link=hold_id(book.credit_type.code, seq)))
    require_open(book, seq)
    if wanted > found.amount:
        require(book, wanted - found.amount)
    return end(Draft(book), found, "capture", stamp, stamp.now, wanted)


def release(book: Book, seq: int, stamp: Stamp) -> Draft:
    """Ends the hold; what it kept is available again, but for what expired meanwhile.

    Raises:
        NotFound, HoldEnded: there is nothing to release.
    """
    return end(Draft(book), require_open(book, seq), "release", stamp, stamp.now)


def end(draft: Draft, found: Hold, kind: str, stamp: Stamp, at: datetime, wanted: int = 0) -> Draft:
    """The hold ends by an entry of this `kind`, which uses up `wanted`; then what became free meets its fate."""
    if draft.book.claimed and not draft.book.whole:
        raise Partial
    stamp = stamp._replace(link=hold_id(draft.book.credit_type.code, found.seq))
    freed = {number: _let_go(draft.book, number, part) for number, part in found.parts}
    ended = found._replace(ended=kind, ended_at=at)
    if kind == "capture":
        draft = _use(draft, ended, freed, wanted, stamp, held_change=-found.amount)
    else:
        draft = write(
            draft, kind, stamp,
            held_change=-found.amount,
            changes=[*freed.values(), ended],
            draws=tuple(Draw(number, part, 0) for number, part in found.parts),
            effective_at=at,
        )  # fmt: skip
    return _settle_freed(draft, [number for number, _ in found.parts], stamp, at)


def require_open(book: Book, seq: int) -> Hold:
    """The hold of this number.

    Raises:
        NotFound: there is none. HoldEnded: it has ended.
    """
    found = find(book, seq)
    if found.ended:
        raise ended_already(book, found)
    return found


def ended_already(book: Book, found: Hold) -> HoldEnded:
    """The refusal of a second end."""
    words = {"capture": "was captured", "release": "was released", "lapse": "lapsed"}
    name, how, at = hold_id(book.credit_type.code, found.seq), found.ended or "", found.ended_at
    return HoldEnded(
        f"The hold {name} of {book.account} {words.get(how, how)} at {at and at.isoformat()}; a hold ends once. "
        "Nothing was changed.",
        hold=name,
        ended=how,
        ended_at=at,
    )


def find(book: Book, seq: int) -> Hold:
    """The hold of this number, ended or not.

    Raises:
        NotFound: there is none.
    """
    found = next((hold for hold in book.holds if hold.seq == seq), None)
    if found is None:
        raise NotFound(f"{book.account} has no hold {hold_id(book.credit_type.code, seq)}. Nothing was changed.")
    return found


def _use(
    draft: Draft, ended: Hold, let_go: dict[int, Lot], wanted: int, stamp: Stamp, *, held_change: int = 0
) -> Draft:
    """The capture: out of the hold's own lots, `let_go`, first, then out of whatever is free, then as debt."""
    after = dict(let_go)
    draws: list[Draw] = []
    own = [(number, part) for number, part in ended.parts if number in let_go]
    missing = wanted
    for number, part in own:
        if part := min(part, missing):
            after[number], drawn = draw(after[number], part)
            draws.append(drawn)
            missing -= part
    for lot, part in pick(draft.book, missing, stamp) if missing else ():
        after[lot.number], drawn = draw(after.get(lot.number, lot), part)
        draws.append(drawn)
        missing -= part
    debts = [Debt(draft.book.seq + 1, missing, missing)] if missing else []
    return write(
        draft, "capture", stamp,
        amount=-wanted, held_change=held_change, changes=[*after.values(), *debts, ended], draws=tuple(draws),
    )  # fmt: skip


def _settle_freed(draft: Draft, numbers: list[int], stamp: Stamp, at: datetime) -> Draft:
    """What a hold let go of: claimed, or expired, or it repays what is owed."""
    draft = claims.settle(draft, numbers, stamp, at)
    draft = lots.expire(draft, numbers, at, stamp)
    for number in numbers:
        draft = lots.repay(draft, number, stamp, at)
    return draft


def _allow(book: Book, since: datetime, deadline: datetime) -> None:
    longest = book.credit_type.max_hold
    if longest and deadline > (most := after(since, span(longest))):
        raise HoldTooLong(
            f"No hold of {book.credit_type.code} lasts longer than {longest}: this one until {most.isoformat()} at "
            "most. Nothing was changed. Ask for less, or raise max_hold in the catalog.",
            latest=most,
        )


def _too_large(book: Book, found: Hold, wanted: int) -> CaptureTooLarge:
    kind = book.credit_type
    name, held, asked = hold_id(kind.code, found.seq), *(to_credits(n, kind.scale) for n in (found.amount, wanted))
    return CaptureTooLarge(
        f"The hold {name} is of {text(held)} {kind.code}, and {text(asked)} were to be captured. Nothing was changed. "
        "Capture at most what is held, or set capture_more in the catalog.",
        hold=name,
        held=held,
    )


def _let_go(book: Book, number: int, part: int) -> Lot:
    lot = lots.open_lot(book, number)
    if lot is None:
        raise Corrupt(f"lot {number} of {book.account} is held and not open") if book.whole else Partial
    return lot._replace(held=lot.held - part)
