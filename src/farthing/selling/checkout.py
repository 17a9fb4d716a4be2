"""Checkout: an order is written and committed before any provider is asked for a page to pay it on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from uuid_utils import uuid7

from farthing.amounts import text, to_credits, to_units
from farthing.catalog import Catalog
from farthing.core import checks
from farthing.core.book import CreditType
from farthing.core.orders import Order, Paying, is_payable
from farthing.core.pricing import Quote
from farthing.core.promos import PromoUse, canonical
from farthing.errors import InvalidField, NotFound, UnknownProvider
from farthing.ledger.accounts import holders, require_usable
from farthing.ledger.beat import act_said, key_reused
from farthing.providers import Bill, CardKeeper, Provider, Started
from farthing.selling import redeeming
from farthing.selling.buyers import buyer_of
from farthing.selling.orders import OrderView, fulfil, view
from farthing.selling.promises import Offer, honoured
from farthing.selling.quoting import Wish, quote
from farthing.store import acts, customers, promos, scales, sql
from farthing.store import orders as store
from farthing.store.customers import Customer
from farthing.store.database import Session
from farthing.views import quote_view

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

ORDER_LIFE = timedelta(hours=24)
MAX_URL_BYTES = 2000


class Checkout(NamedTuple):
    """An order, and where it is paid: on the page `url`, or in a form, by its provider's script.

    That needs `client_secret`, which is for the customer's browser alone, and `publishable_key`. All of them None:
    there is nothing to pay, or no longer. `replayed`: the order was made earlier.
    """

    order: OrderView
    url: str | None
    replayed: bool
    client_secret: str | None = None
    publishable_key: str | None = None

    def __repr__(self) -> str:
        """Without the secret: this may stand in somebody's log."""
        return f"Checkout(order={self.order.id!r}, status={self.order.status!r}, replayed={self.replayed!r})"


def checkout(
    credits: Credits, account: str, wish: Wish, *, provider: str, key: str, return_url: str | None, paying: Paying
) -> Checkout:
    """As `Credits.checkout`."""
    asked, catalog = provider_named(credits, provider), credits.catalog
    paying = passed_on(paying)
    content = _content(credits, checks.account_id(account), wish, asked, usable_url(return_url), paying)
    pair = (account, checks.caller_key(key))
    order = credits.run(lambda tx: _known(tx.session, pair, content))
    replayed = order is not None
    if order is None:
        catalog.require_on(f"providers.{asked.name}")
        _require_able(asked, paying)
        offer = _offer(credits, catalog, account, wish)
        if offer.quote.total_minor:
            asked.require_billable(offer.quote.currency, offer.quote.total_minor)
        draft = draft_order(pair, content, offer, asked, return_url, credits.clock())
        draft = draft._replace(paying=paying._replace(asks=catalog.asks(asked.name)))
        order, replayed = credits.run(lambda tx: place(tx, draft, offer.quote.promo))
    return _answered(credits, asked, order, replayed=replayed)


def resume(credits: Credits, account: str, order: str) -> Checkout:
    """As `Credits.resume_checkout`."""
    named = (checks.account_id(account), checks.text("order", order) or "")
    found = credits.read(lambda session: store.read(session, *named))
    if found is None:
        raise NotFound(f"The account {account!r} has no order {order!r}.")
    return _answered(credits, provider_named(credits, found.provider), found, replayed=True)


def passed_on(paying: Paying) -> Paying:
    """What the provider is told, checked at the door.

    Raises:
        InvalidField: an email, a locale or metadata that cannot be passed on.
    """
    return paying._replace(
        email=checks.email(paying.email), locale=None if paying.locale is None else checks.locale(paying.locale),
        metadata=checks.labels("metadata", paying.metadata),
    )  # fmt: skip


def _require_able(provider: Provider, paying: Paying) -> None:
    """Nothing, where the provider can be paid so.

    Raises:
        InvalidField: it has no form, or keeps no cards.
    """
    if paying.form and not provider.forms:
        raise InvalidField(
            f"{provider.name} has no form for your own page. Nothing was changed. Leave form out: the answer's url is "
            "where its customer pays.",
            field="form",
        )
    if paying.save_card and not isinstance(provider, CardKeeper):
        raise InvalidField(
            f"{provider.name} keeps no cards. Nothing was changed. Leave save_card out.", field="save_card"
        )


def _offer(credits: Credits, catalog: Catalog, account: str, wish: Wish) -> Offer:
    if wish.quote is not None:
        return honoured(credits, account, wish)
    quoted = quote(catalog, wish, buyer_of(credits, account, wish), credits.clock())
    return Offer(quoted, catalog.credit_type(quoted.credit_type))


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


def _content(
    credits: Credits, account: str, wish: Wish, provider: Provider, return_url: str | None, paying: Paying
) -> bytes:
    units = 0
    if wish.credit_type is not None and wish.amount is not None:
        units = to_units(wish.amount, _scale(credits, wish.credit_type))
    return checks.fingerprint(
        "checkout", wish.credit_type or "", units,
        package=wish.package, currency=wish.currency, plan=wish.plan, provider=provider.name, return_url=return_url,
        promo_code=None if wish.promo_code is None else canonical(wish.promo_code), quote=wish.quote,
        form=paying.form or None, save_card=paying.save_card or None,
    )  # fmt: skip


def _scale(credits: Credits, credit_type: str) -> int:
    """How the credit type is counted, also where the catalog has it no longer: an order's key may still ask for it."""
    if credit_type not in credits.catalog.credit_types and credit_type in (known := credits.read(scales.read)):
        return known[credit_type]
    return credits.catalog.credit_type(credit_type).scale


def draft_order(
    pair: tuple[str, str], content: bytes, offer: Offer, provider: Provider, return_url: str | None, now: datetime
) -> Order:
    """An order as it would be made for this key, with everything frozen that was offered."""
    quoted, kind = offer
    order_id = f"ord_{uuid7().hex}"
    promo = quoted.promo
    everything = text(to_credits(quoted.amount + quoted.bonus + (promo.bonus if promo else 0), kind.scale))
    return Order(
        pair[0], order_id, pair[1], content, kind.code, kind.scale, quoted.amount, quoted.bonus, quoted.package,
        quoted.expires, f"{everything} {kind.name}",
        quoted.currency, quoted.subtotal_minor, quoted.discount_minor, quoted.total_minor, _working(quoted, kind),
        provider.name, provider.livemode, return_url and return_url.replace("{order}", order_id),
        quoted.catalog_version, now, now + ORDER_LIFE,
        promo_code=promo and promo.code, promo_bonus=promo.bonus if promo else 0,
    )  # fmt: skip


def _working(quoted: Quote, kind: CreditType) -> str:
    shown = quote_view(quoted, kind.scale)
    lines = [[line.kind, *(None if part is None else text(part) for part in line[1:])] for line in shown.lines]
    return sql.dumps({"unit_price": text(shown.unit_price), "lines": lines})


def place(tx: Tx, draft: Order, promo: PromoUse | None) -> tuple[Order, bool]:
    """The order that stands for the draft's key, and whether it stood there before."""
    session, pair = tx.session, (draft.account, draft.key)
    if promo:
        promos.lock(session, promo.code, draft.created_at)
    acts.lock_account(session, draft.account)
    if known := _known(session, pair, draft.content):
        return known, True
    require_usable(sql.read_accounts(session, [draft.account]).get(draft.account))
    payer = customers.read(session, draft.account, draft.provider)
    draft = draft._replace(paying=draft.paying._replace(customer=payer and payer.customer))
    scales.fix(session, CreditType(draft.credit_type, draft.description, draft.scale))
    if not draft.total_minor:  # discounted to nothing: nobody to pay
        draft = draft._replace(state="fulfilled", fulfilled_at=draft.created_at)
    store.add(session, draft)
    if promo:
        redeeming.use(session, draft, promo, draft.created_at)
    if draft.state == "fulfilled":
        fulfil(tx, draft, draft.created_at)
    return draft, False


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


def _answered(credits: Credits, provider: Provider, order: Order, *, replayed: bool) -> Checkout:
    """The order, and where it is paid if it still is to be."""
    order, started = _started(credits, provider, order)
    shown = view(order, credits.clock())
    if started is None or not is_payable(order, credits.clock()):
        return Checkout(shown, shown.url, replayed)
    return Checkout(shown, shown.url, replayed, started.client_secret, started.publishable_key)


def _started(credits: Credits, provider: Provider, order: Order) -> tuple[Order, Started | None]:
    """The order with its page to pay, asked of the provider outside any transaction until one answer is kept.

    What a form needs is not kept but asked for each time: the same bill has the same answer.

    Raises:
        SwitchedOff: the provider is, and it was not asked yet.
    """
    if not is_payable(order, credits.clock()) or (order.reference and not order.paying.form):
        return order, None
    if order.reference is None:
        credits.catalog.require_on(f"providers.{provider.name}")
    started = provider.start(bill_of(order))
    if order.reference is not None:
        return order, started

    def keep(tx: Tx) -> Order | None:
        store.set_started(tx.session, order, reference=started.reference, url=started.url or "")
        if started.customer:
            payer = holders(tx.session, order.account)[-1]
            customers.remember(
                tx.session, Customer(payer, order.provider, started.customer, None, None, credits.clock())
            )
        return store.read(tx.session, order.account, order.id)

    return credits.run(keep) or order, started


def bill_of(order: Order) -> Bill:
    """What the provider is asked to collect for an order: the same however often it is asked."""
    paying = order.paying
    return Bill(
        order.id, order.description, order.currency, order.total_minor, order.return_url, order.expires_at,
        order.account, paying.form, paying.customer, paying.save_card, paying.email, paying.locale, paying.metadata,
        paying.asks, order.reference if paying.form else None,
    )  # fmt: skip


def usable_url(return_url: str | None) -> str | None:
    """Where the customer is sent back to, as given.

    Raises:
        InvalidField: it is no http or https address.
    """
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
