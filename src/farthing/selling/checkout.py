"""Checkout: an order is written and committed before any provider is asked for a page to pay it on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from uuid_utils import uuid7

from farthing.amounts import Amount, text, to_credits, to_units
from farthing.core import checks
from farthing.core.book import CreditType
from farthing.core.payments import Order, status
from farthing.core.pricing import Quote
from farthing.errors import InvalidField, UnknownProvider
from farthing.ledger.accounts import require_usable
from farthing.ledger.beat import act_said, key_reused
from farthing.providers import Bill, Provider
from farthing.selling.orders import OrderView, fulfil, view
from farthing.selling.quoting import quote
from farthing.store import acts, sql
from farthing.store import orders as store
from farthing.store.database import Session
from farthing.views import quote_view

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

ORDER_LIFE = timedelta(hours=24)
MAX_URL_BYTES = 2000


class Checkout(NamedTuple):
    """An order, and where it is paid; `url` None: there is nothing to pay, or no longer. `replayed`: made earlier."""

    order: OrderView
    url: str | None
    replayed: bool


class Wish(NamedTuple):
    """What a caller wants to buy: a package, or an amount of a credit type."""

    package: str | None
    credit_type: str | None
    amount: Amount | None
    currency: str | None
    plan: str | None


def checkout(
    credits: Credits, account: str, wish: Wish, *, provider: str, key: str, return_url: str | None
) -> Checkout:
    """As `Credits.checkout`."""
    asked = provider_named(credits, provider)
    content = _content(credits, checks.account_id(account), wish, asked, _usable(return_url))
    pair = (account, checks.caller_key(key))
    order = credits.run(lambda tx: _known(tx.session, pair, content))
    replayed = order is not None
    if order is None:
        draft = _draft(credits, pair, content, quote(credits.catalog, **wish._asdict()), asked, return_url)
        order, replayed = credits.run(lambda tx: _place(tx, draft))
    shown = view(_started(credits, asked, order), credits.clock())
    return Checkout(shown, shown.url, replayed)


def provider_named(credits: Credits, name: str) -> Provider:
    """The provider called `name`.

    Raises:
        UnknownProvider: none is set up under this name.
    """
    found = credits.providers.get(name)
    if found is None:
        raise UnknownProvider(
            f"There is no payment provider {name!r}; there is {', '.join(credits.providers) or 'none'}. "
            "Nothing was changed. Name another, or set this one up.",
            provider=name,
        )
    return found


def _content(credits: Credits, account: str, wish: Wish, provider: Provider, return_url: str | None) -> bytes:
    units = 0
    if wish.credit_type is not None and wish.amount is not None:
        units = to_units(wish.amount, credits.catalog.credit_type(wish.credit_type).scale)
    return checks.fingerprint(
        "checkout", wish.credit_type or "", units,
        package=wish.package, currency=wish.currency, plan=wish.plan, provider=provider.name, return_url=return_url,
    )  # fmt: skip


def _draft(
    credits: Credits, pair: tuple[str, str], content: bytes, quoted: Quote, provider: Provider, return_url: str | None
) -> Order:
    kind = credits.catalog.credit_type(quoted.credit_type)
    order_id, now = f"ord_{uuid7().hex}", credits.clock()
    everything = text(to_credits(quoted.amount + quoted.bonus, kind.scale))
    return Order(
        pair[0], order_id, pair[1], content, kind.code, kind.scale, quoted.amount, quoted.bonus, quoted.package,
        quoted.expires, f"{everything} {kind.name}",
        quoted.currency, quoted.subtotal_minor, quoted.discount_minor, quoted.total_minor, _working(quoted, kind),
        provider.name, provider.livemode, return_url and return_url.replace("{order}", order_id),
        quoted.catalog_version, now, now + ORDER_LIFE,
    )  # fmt: skip


def _working(quoted: Quote, kind: CreditType) -> str:
    shown = quote_view(quoted, kind.scale)
    lines = [[line.kind, *(None if part is None else text(part) for part in line[1:])] for line in shown.lines]
    return sql.dumps({"unit_price": text(shown.unit_price), "lines": lines})


def _place(tx: Tx, draft: Order) -> tuple[Order, bool]:
    """The order that stands for the draft's key, and whether it stood there before."""
    session, pair = tx.session, (draft.account, draft.key)
    acts.lock_account(session, draft.account)
    if known := _known(session, pair, draft.content):
        return known, True
    require_usable(sql.read_accounts(session, [draft.account]).get(draft.account))
    sql.fix_scale(session, CreditType(draft.credit_type, draft.description, draft.scale))
    if draft.total_minor:
        store.add(session, draft)
        return draft, False
    free = draft._replace(state="fulfilled", fulfilled_at=draft.created_at)  # discounted to nothing: nobody to pay
    store.add(session, free)
    fulfil(tx, free, draft.created_at)
    return free, False


def _known(session: Session, pair: tuple[str, str], content: bytes) -> Order | None:
    """The order that stands for an account's key already.

    Raises:
        KeyReused: the key stands for an entry, or for an order of something else.
    """
    if entry := sql.read_keys(session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(session, [pair]).get(pair)
    if known and known.content != content:
        raise key_reused(*pair, act_said(known), known.recorded_at)
    return store.read(session, pair[0], known.link) if known and known.link else None


def _started(credits: Credits, provider: Provider, order: Order) -> Order:
    """The order with its page to pay, asked of the provider outside any transaction until one answer is kept."""
    if order.url or status(order, credits.clock()) != "open":
        return order
    started = provider.start(
        Bill(order.id, order.description, order.currency, order.total_minor, order.return_url, order.expires_at)
    )

    def keep(tx: Tx) -> Order | None:
        store.set_started(tx.session, order, reference=started.reference, url=started.url)
        return store.read(tx.session, order.account, order.id)

    return credits.run(keep) or order


def _usable(return_url: str | None) -> str | None:
    if checks.text("return_url", return_url, most=MAX_URL_BYTES) is None:
        return None
    try:
        parts = urlsplit(return_url)
        if parts.scheme in ("http", "https") and parts.hostname:
            return return_url
    except ValueError:
        pass
    raise InvalidField(
        "return_url must be a whole http or https address. Nothing was changed. "
        'Write "https://example.com/orders/{order}"; the order\'s id takes the place of {order}.',
        field="return_url",
    )
