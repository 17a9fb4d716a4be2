"""What is sold to this customer, in which currencies and by whom it is paid, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from farthing.amounts import text, to_credits
from farthing.catalog import Catalog
from farthing.core.pricing import Mode, Package, bounds
from farthing.credits import Credits
from farthing.errors import AmountOutOfRange, Invalid, NoPrice, PackageUnavailable, Refused, TotalTooSmall
from farthing.portal.reader import Reader
from farthing.views import QuoteView


class Offer(NamedTuple):
    """A package with its price."""

    package: Package
    name: str
    description: str
    quote: QuoteView
    expires: str


class Counter(NamedTuple):
    """Any amount of a credit type: what may be asked for, what was, and its price or the code of what is wrong."""

    mode: Mode
    minimum: Decimal
    maximum: Decimal | None
    step: Decimal
    asked: str
    quote: QuoteView | None
    refusal: str | None


class Section(NamedTuple):
    """All that is sold of one credit type."""

    code: str
    name: str
    expires: str
    offers: list[Offer]
    counter: Counter | None


def sold_types(catalog: Catalog) -> set[str]:
    """The credit types of which anyone may buy some now, in whatever currency."""
    if not catalog.switches["selling"]:
        return set()
    return {package.credit_type for package in _open(catalog)} | set(catalog.prices)


def currencies(catalog: Catalog) -> list[str]:
    """The currencies in which something is sold, the catalog's own first."""
    priced = {code for package in _open(catalog) for code in package.prices}
    priced |= {code for rule in catalog.prices.values() for code in rule.currencies}
    return sorted(priced, key=lambda code: (code != catalog.currency, code))


def sections(credits: Credits, account: str, reader: Reader, currency: str, asked: Mapping[str, str]) -> list[Section]:
    """What is sold to the account in `currency`, a section for each credit type; `asked` is the page's query."""
    catalog = credits.catalog
    found: list[Section] = []
    for kind in catalog.credit_types.values():
        expires = kind.expires or "never"
        offers = [
            Offer(
                package, reader.own(package.name), reader.own(package.description or ""), quote,
                package.expires or expires,
            )
            for package in catalog.packages.values()
            if package.credit_type == kind.code and (quote := _quoted(credits, account, package, currency))
        ]  # fmt: skip
        counter = _counter(credits, account, kind.code, currency, asked)
        if offers or counter:
            found.append(Section(kind.code, reader.own(kind.name), expires, offers, counter))
    return found


def _open(catalog: Catalog) -> list[Package]:
    return [package for package in catalog.packages.values() if not package.disabled and not package.plans]


def _quoted(credits: Credits, account: str, package: Package, currency: str) -> QuoteView | None:
    """What the package costs the account; None where it is not sold to it."""
    try:
        return credits.quote(package=package.code, currency=currency, account=account)
    except (PackageUnavailable, NoPrice, TotalTooSmall):
        return None


def _counter(credits: Credits, account: str, code: str, currency: str, query: Mapping[str, str]) -> Counter | None:
    rule = credits.catalog.prices.get(code)
    if rule is None or currency not in rule.currencies:
        return None
    scale = credits.catalog.credit_types[code].scale
    least, most = bounds(rule, rule.slabs.get(currency, ()))
    minimum, step = to_credits(least, scale), to_credits(rule.step, scale)
    maximum = None if most is None else to_credits(most, scale)
    asked = query.get("amount", "").strip() if query.get("credit_type") == code else text(minimum)
    quote, refusal = None, None
    try:
        quote = credits.quote(code, asked or "0", currency=currency, account=account)
    except AmountOutOfRange as error:
        refusal = error.code
    except (Invalid, Refused) as error:
        refusal = error.code if error.code == "total_too_small" else "invalid_amount"
    return Counter(rule.mode, minimum, maximum, step, asked, quote, refusal)
