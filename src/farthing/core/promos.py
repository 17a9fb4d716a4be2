"""Promo codes: what each is good for, when, and how often.

A code is written in letters and digits of ASCII, `-` and `_`, and compared without case: WELCOME10 is welcome10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from farthing.amounts import EXACT, to_major
from farthing.errors import PromoCodeNotForThis, PromoCodeUnavailable, PromoCodeUsedUp

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,31}", re.ASCII)
_NOTHING: Mapping[str, int] = MappingProxyType({})


class PromoCode(NamedTuple):
    """One of three: `percent` off, `amounts` off in whole minor units by currency, or `bonus` in smallest units by
    credit type. `code` is in capitals.

    It may be used `uses` times in all (None: any number) and `uses_per_account` times by each account, from `starts` on
    and before `ends`. With `packages` or `credit_types` it is for these only: for either, where there are both.
    """

    code: str
    percent: Decimal = Decimal(0)
    amounts: Mapping[str, int] = _NOTHING
    bonus: Mapping[str, int] = _NOTHING
    uses: int | None = None
    uses_per_account: int = 1
    starts: datetime | None = None
    ends: datetime | None = None
    packages: tuple[str, ...] = ()
    credit_types: tuple[str, ...] = ()
    disabled: bool = False


class PromoUse(NamedTuple):
    """One use of a promo code: the credits it brings, in smallest units, and how often it may be used."""

    code: str
    bonus: int
    uses: int | None
    uses_per_account: int


def canonical(said: Any) -> str:
    """A promo code as it is kept: in capitals, without the spaces around it.

    Raises:
        PromoCodeUnavailable: no code can be written so.
    """
    code = said.strip(" \t\r\n") if isinstance(said, str) else ""
    if not CODE.fullmatch(code):
        raise PromoCodeUnavailable(
            "That is not a promo code: letters, digits, - and _, 2 to 32 in all. Nothing was changed.", promo_code=None
        )
    return code.upper()


def require_good(promo: PromoCode, *, package: str | None, credit_type: str, currency: str, now: datetime) -> None:
    """Nothing, where the code counts now for this purchase.

    Raises:
        PromoCodeUnavailable: it is not in use now. PromoCodeNotForThis: it is for something else.
    """
    early = promo.starts is not None and now < promo.starts
    if promo.disabled or early or (promo.ends is not None and now >= promo.ends):
        when = "does not count yet" if early and not promo.disabled else "does not count any more"
        raise PromoCodeUnavailable(
            f"The promo code {promo.code} {when}. Nothing was changed. Leave it out, or use another one.",
            promo_code=promo.code,
        )
    limited = bool(promo.packages or promo.credit_types)
    wrong = limited and package not in promo.packages and credit_type not in promo.credit_types
    if wrong or (promo.bonus and credit_type not in promo.bonus):
        raise _not_for_this(promo, f"package {package}" if package else credit_type)
    if promo.amounts and currency not in promo.amounts:
        raise _not_for_this(promo, currency)


def require_left(use: PromoUse, *, used: int, used_by_account: int) -> None:
    """Nothing, where the code may be used once more.

    Raises:
        PromoCodeUsedUp: it was used as often as it may be, in all or by this account.
    """
    if use.uses is not None and used >= use.uses:
        by = "all"
    elif used_by_account >= use.uses_per_account:
        by = "account"
    else:
        return
    whose = "the account used it" if by == "account" else "it was used"
    raise PromoCodeUsedUp(
        f"The promo code {use.code} is used up: {whose} as often as it may be. Nothing was changed. "
        "Leave it out, or use another one.",
        promo_code=use.code,
        by=by,
    )


def use_of(promo: PromoCode, credit_type: str) -> PromoUse:
    """What one use of the code means for a purchase of this credit type."""
    return PromoUse(promo.code, promo.bonus.get(credit_type, 0), promo.uses, promo.uses_per_account)


def taken_off(promo: PromoCode, price: Decimal, currency: str) -> Decimal:
    """What the code takes off `price`, in major units, exact; never more than all of it."""
    if promo.amounts:
        return min(price, to_major(promo.amounts.get(currency, 0), currency))
    return percent_of(price, promo.percent)


def percent_of(price: Decimal, percent: Decimal) -> Decimal:
    """`percent` hundredths of `price`, exact."""
    return EXACT.scaleb(EXACT.multiply(price, percent), -2)


def _not_for_this(promo: PromoCode, what: str) -> PromoCodeNotForThis:
    return PromoCodeNotForThis(
        f"The promo code {promo.code} is not for {what}. Nothing was changed. Leave it out, or use another one.",
        promo_code=promo.code,
    )
