"""The requests behind the verbs: each has the arguments of the library's verb, and says what is asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote as quoted

from farthing.amounts import Amount, Money, exact
from farthing.client.answers import ServedReceipt, decode, page
from farthing.core import checks
from farthing.core.book import DEFAULT_PRIORITY
from farthing.errors import InvalidKey
from farthing.ledger.commands import DEFAULT, Expires, life
from farthing.ledger.wanted import Sort
from farthing.selling.checkout import Checkout
from farthing.selling.orders import OrderPage, OrderView
from farthing.store.sql import Account
from farthing.views import Balance, Check, LotView, Page, QuoteView, Receipt

T = TypeVar("T")
_UNITS = {
    "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1),
    "": timedelta(microseconds=1),
}  # fmt: skip
Replayed = bool


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request: where, what it says, its key, and how its answer is read, replayed or not."""

    method: str
    path: str
    answer: Callable[[Any, Replayed], T]
    key: str | None = None
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Mapping[str, Any] | None = None


def account(account: str) -> Call[Account]:
    """As `Credits.account`."""
    return Call("GET", _of(account), lambda said, _: decode(Account, said))


def open_account(account: str, *, time_zone: str | None = None, locale: str | None = None) -> Call[Account]:
    """As `Credits.open_account`."""
    body = _said(time_zone=time_zone, locale=locale)
    return Call("PUT", _of(account), lambda said, _: decode(Account, said), body=body)


def balances(account: str) -> Call[list[Balance]]:
    """As `Credits.balances`, now."""
    return Call("GET", _of(account, "balances"), lambda said, _: decode(list[Balance], said["data"]))


def balance(account: str, credit_type: str) -> Call[Balance]:
    """As `Credits.balance`, now."""
    return Call("GET", _of(account, "balances", credit_type), lambda said, _: decode(Balance, said))


def lots(account: str, credit_type: str) -> Call[list[LotView]]:
    """As `Credits.lots`."""
    query = {"credit_type": credit_type}
    return Call("GET", _of(account, "lots"), lambda said, _: decode(list[LotView], said["data"]), query=query)


def history(
    account: str,
    credit_type: str | None = None,
    *,
    kinds: Iterable[str] = (),
    sources: Iterable[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    search: str | None = None,
    sort: Sort = "newest",
    limit: int = 50,
    cursor: str | None = None,
) -> Call[Page]:
    """As `Credits.history`."""
    query = _said(
        credit_type=credit_type, kind=list(kinds) or None, source=list(sources) or None, since=since, until=until,
        search=search, sort=sort, limit=limit, cursor=cursor,
    )  # fmt: skip
    return Call("GET", _of(account, "entries"), lambda said, _: page(said), query=query)


def grant(
    account: str,
    credit_type: str,
    amount: Amount,
    *,
    key: str,
    source: str,
    expires: Expires = DEFAULT,
    effective_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
    cost: Money | None = None,
    reason: str | None = None,
    actor: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    occurred_at: datetime | None = None,
) -> Call[Receipt]:
    """As `Credits.grant`."""
    body = _change(credit_type, amount, reason, actor, metadata, occurred_at) | _said(
        source=source, expires=_life(expires), effective_at=effective_at, priority=priority,
        cost=cost and {"minor": cost.minor, "currency": cost.currency},
    )  # fmt: skip
    return _written(_of(account, "grants"), key, body)


def deduct(
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
) -> Call[Receipt]:
    """As `Credits.deduct`."""
    body = _change(credit_type, amount, reason, actor, metadata, occurred_at) | _said(operation=operation)
    return _written(_of(account, "deductions"), key, body)


def check(account: str, credit_type: str, amount: Amount) -> Call[Check]:
    """As `Credits.check`."""
    body = {"credit_type": credit_type, "amount": exact(amount)}
    return Call("POST", _of(account, "checks"), lambda said, _: decode(Check, said), body=body)


def quote(
    credit_type: str | None = None,
    amount: Amount | None = None,
    *,
    package: str | None = None,
    currency: str | None = None,
    plan: str | None = None,
    account: str | None = None,
    promo_code: str | None = None,
) -> Call[QuoteView]:
    """As `Credits.quote`."""
    body = _wish(credit_type, amount, package, currency, plan, promo_code)
    path = "/v1/quotes" if account is None else _of(account, "quotes")
    return Call("POST", path, lambda said, _: decode(QuoteView, said), body=body)


def checkout(
    account: str,
    credit_type: str | None = None,
    amount: Amount | None = None,
    *,
    key: str,
    package: str | None = None,
    currency: str | None = None,
    plan: str | None = None,
    promo_code: str | None = None,
    quote: str | None = None,
    provider: str = "sandbox",
    return_url: str | None = None,
    form: bool = False,
    email: str | None = None,
    locale: str | None = None,
    metadata: Mapping[str, str] | None = None,
    save_card: bool = False,
) -> Call[Checkout]:
    """As `Credits.checkout`."""
    body = _wish(credit_type, amount, package, currency, plan, promo_code) | _said(
        quote=quote, provider=provider, return_url=return_url, form=form, email=email, locale=locale,
        metadata=metadata, save_card=save_card,
    )  # fmt: skip

    def answer(said: Any, replayed: bool) -> Checkout:
        return Checkout(
            decode(OrderView, said["order"]), said["url"], replayed, said["client_secret"], said["publishable_key"]
        )

    return Call("POST", _of(account, "checkouts"), answer, _carried(key), body=body)


def order(account: str, order: str) -> Call[OrderView]:
    """As `Credits.order`."""
    return Call("GET", _of(account, "orders", order), lambda said, _: decode(OrderView, said))


def orders(account: str, *, limit: int = 50, cursor: str | None = None) -> Call[OrderPage]:
    """As `Credits.orders`."""
    query = _said(limit=limit, cursor=cursor)
    return Call("GET", _of(account, "orders"), lambda said, _: decode(OrderPage, said), query=query)


def _of(account: str, *parts: str) -> str:
    return "/".join(
        ("/v1/accounts", quoted(checks.account_id(account), safe=""), *(quoted(one, safe="") for one in parts))
    )


def _carried(key: str) -> str:
    """The key, as a header can carry it.

    Raises:
        InvalidKey: it is no key, or HTTP would change it on the way.
    """
    if checks.caller_key(key) != key.strip() or not key.isprintable():
        raise InvalidKey(
            f"HTTP cannot carry the key {key!r}: it begins or ends with a blank, or has a character that does not "
            "print. Nothing was changed. Use another key."
        )
    return key


def _written(path: str, key: str, body: Mapping[str, Any]) -> Call[Receipt]:
    def answer(said: Any, replayed: bool) -> Receipt:
        return ServedReceipt(said, replayed=replayed)

    return Call("POST", path, answer, _carried(key), body=body)


def _change(
    credit_type: str, amount: Amount, reason: str | None, actor: str | None, metadata: Mapping[str, Any] | None,
    occurred_at: datetime | None,
) -> dict[str, Any]:  # fmt: skip
    return {"credit_type": credit_type, "amount": exact(amount)} | _said(
        reason=reason, actor=actor, metadata=metadata, occurred_at=occurred_at
    )


def _wish(
    credit_type: str | None, amount: Amount | None, package: str | None, currency: str | None, plan: str | None,
    promo_code: str | None,
) -> dict[str, Any]:  # fmt: skip
    return _said(
        credit_type=credit_type, amount=None if amount is None else exact(amount), package=package, currency=currency,
        plan=plan, promo_code=promo_code,
    )  # fmt: skip


def _life(expires: Expires) -> Any:
    life(expires)
    if isinstance(expires, timedelta):
        return next(f"{expires // one}{unit}" for unit, one in _UNITS.items() if not expires % one)
    return None if expires is DEFAULT else expires


def _said(**fields: Any) -> dict[str, Any]:
    """What is not left out."""
    return {name: value for name, value in fields.items() if value is not None}


def as_json(value: Any) -> Any:
    """What JSON has no word for: an amount as its digits, an instant as RFC 3339."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be sent as JSON")


def as_query(value: Any) -> Any:
    """How a query says it: several values are said several times."""
    if isinstance(value, list):
        return [as_query(one) for one in cast(list[Any], value)]
    return as_json(value) if isinstance(value, Decimal | datetime) else value
