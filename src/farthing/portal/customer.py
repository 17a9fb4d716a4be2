"""The customer's own pages: coming in, what they have, what happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from starlette.responses import Response

from farthing import tokens
from farthing.core.book import CreditType
from farthing.credits import Credits
from farthing.errors import TokenInvalid
from farthing.portal import shelf
from farthing.portal.forms import Stopped
from farthing.portal.reader import Reader
from farthing.portal.visit import Visit
from farthing.portal.words import spoken, title
from farthing.tokens import Token
from farthing.views import Balance, Line, LotView

LATEST = 5
MOST_DECIMALS = 2
PAGE = 25
DATES_SHOWN = 3
SOON = timedelta(days=7)
BOUGHT = ("purchase", "bonus")
WAYS = {"hold": "aside", "release": "back", "lapse": "back", "reverse": "back"}
LOW_PART = 10  # running low is at most one part in so many of what the open lots began with


class Wallet(NamedTuple):
    """What the account has of one credit type. `state` is debt, busy (all set aside), empty, none, low or good; `sold`,
    whether more can be bought.

    `capacity` is what the lots that can be used now began with; `coming` are the lots that cannot be used yet.
    """

    name: str
    code: str
    balance: Balance
    state: str
    capacity: Decimal
    coming: list[LotView]
    sold: bool
    decimals: int

    @property
    def filled(self) -> int:
        """How much of the capacity is available, in thousandths."""
        if not self.capacity or self.balance.available <= 0:
            return 0
        return max(1, min(1000, int(1000 * self.balance.available / self.capacity)))


class Source(NamedTuple):
    """Where used credits came from: the words' id for the lot, when it began to count; None where nobody knows."""

    amount: Decimal
    title: str | None
    at: datetime | None


class Item(NamedTuple):
    """An entry as people read it: words instead of codes, and nothing that an operator wrote.

    `figure` is what came or went; without a sign, what was set aside, let go of, or settled. `way` is what became of
    the credits of its `sources`: drawn, aside or back.
    """

    line: Line
    name: str
    title: str
    operation: str
    figure: str
    way: str
    sources: list[Source]
    order: str | None
    decimals: int


def enter(visit: Visit) -> Response:
    """The neutral page behind a signed link: it says nothing of the account, and does nothing."""
    link = _link(visit, visit.query.get("link", ""))
    return visit.show("enter.html", link=visit.query["link"], reusable=link.reusable)


def spend(visit: Visit) -> Response:
    """Signs in whom the link names; the link is used up, unless it is for demos."""
    link = _link(visit, visit.form.get("link", ""))
    if not link.reusable:
        try:
            tokens.spend(visit.credits, link)
        except TokenInvalid as error:
            raise Stopped(error.code, 410) from None
    response = visit.go(visit.url("overview"))
    visit.portal.sessions.begin(visit.request, response, link.account)
    return response


def leave(visit: Visit) -> Response:
    """Signs out."""
    assert visit.session is not None
    response = visit.go(visit.url("left"))
    visit.portal.sessions.end(visit.request, response, visit.session)
    return response


def left(visit: Visit) -> Response:
    """The page after signing out."""
    return visit.show("left.html")


def overview(visit: Visit) -> Response:
    """What the account has, until when, and what happened last."""
    shown = wallets(visit)
    latest = visit.credits.history(visit.account, limit=LATEST).data
    return visit.show(
        "overview.html", wallets=shown, latest=items(visit, latest), dates_shown=DATES_SHOWN, soon=visit.now + SOON
    )


def history(visit: Visit) -> Response:
    """All entries, newest first, of one credit type or of all."""
    code, cursor = visit.query.get("type") or None, visit.query.get("cursor") or None
    page = visit.credits.history(visit.account, code, limit=PAGE, cursor=cursor)
    names = {kind.code: visit.reader.own(kind.name) for kind in visit.credits.catalog.credit_types.values()}
    days = [
        (day, list(group))
        for day, group in groupby(items(visit, page.data), lambda item: visit.reader.day(item.line.recorded_at))
    ]
    return visit.show("history.html", days=days, page=page, names=names, chosen=code, cursor=cursor)


def wallets(visit: Visit) -> list[Wallet]:
    """What the account has or can buy, a wallet for each credit type."""
    sold = shelf.sold_types(visit.credits.catalog)
    found = [
        _wallet(visit, balance, sold=balance.credit_type in sold)
        for balance in visit.credits.balances(visit.account)
        if balance.credit_type in sold or balance.posted or balance.held or balance.pending
    ]
    return sorted(found, key=lambda wallet: not wallet.balance.posted)


def items(visit: Visit, lines: Iterable[Line]) -> list[Item]:
    """Entries as people read them."""
    shown = list(lines)
    lots = {lot.id: lot for lot in visit.credits.drawn_lots(visit.account, shown)}
    return [_item(visit, line, lots) for line in shown]


def _link(visit: Visit, text: str) -> Token:
    """The link that `text` is.

    Raises:
        Stopped: it is none, or not one any more.
    """
    try:
        link = visit.portal.sessions.signer.read("farthing.link", text, visit.now)
        tokens.require_unspent(visit.credits, link)
    except TokenInvalid as error:
        raise Stopped(error.code, 400 if error.code == "token_invalid" else 410) from None
    return link


def _wallet(visit: Visit, balance: Balance, *, sold: bool) -> Wallet:
    kind = visit.credits.catalog.credit_type(balance.credit_type)
    lots = visit.credits.lots(visit.account, kind.code) if balance.posted or balance.held else []
    coming = [lot for lot in lots if lot.effective_at > visit.now]
    capacity = sum((lot.amount for lot in lots if lot.effective_at <= visit.now), Decimal(0))
    if balance.available < 0:
        state = "debt"
    elif not balance.available and balance.held:
        state = "busy"
    elif not balance.available:
        state = "empty" if _was_used(visit.credits, balance) else "none"
    else:
        state = "low" if balance.available * LOW_PART <= capacity else "good"
    return Wallet(visit.reader.own(kind.name), kind.code, balance, state, capacity, coming, sold, _decimals(kind))


def _decimals(kind: CreditType) -> int:
    """How many decimals all amounts of a type are shown with, one below the other: none where it has too many."""
    return kind.scale if kind.scale <= MOST_DECIMALS else 0


def _was_used(credits: Credits, balance: Balance) -> bool:
    return bool(credits.history(balance.account, balance.credit_type, limit=1).data)


def _item(visit: Visit, line: Line, lots: dict[str, LotView]) -> Item:
    sources: list[Source] = []
    for drawn in line.draws:
        lot = lots.get(drawn.lot)
        known = lot and (f"line.{lot.source}", lot.effective_at)
        sources.append(Source(drawn.amount, *(known or (None, None))))
    kind = visit.credits.catalog.credit_type(line.credit_type)
    order = line.link if line.source in BOUGHT else None
    decimals = _decimals(kind)
    return Item(
        line, visit.reader.own(kind.name), title(line), spoken(line.operation or ""),
        _figure(visit.reader, line, decimals), WAYS.get(line.kind, "drawn"), sources, order, decimals,
    )  # fmt: skip


def _figure(reader: Reader, line: Line, decimals: int) -> str:
    if line.amount:
        return reader.signed(line.amount, decimals)
    quiet = line.held_change or sum((drawn.amount for drawn in line.draws), Decimal(0))
    return reader.number(abs(quiet), decimals) if quiet else ""
