"""What an operator decides about money that came and is not what its order asks for, or more than it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from farthing.core import checks
from farthing.core.orders import SETTLING, Order, Settlement, settle, settled_content, standing
from farthing.core.payments import Notice
from farthing.errors import NotFound, PaymentSettled
from farthing.ledger.beat import act_said, key_reused
from farthing.selling.hearing import carry_out
from farthing.selling.orders import OrderAgain, OrderView, view
from farthing.store import acts, orders, promos, sql
from farthing.store.acts import Act

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx


class Decided(NamedTuple):
    """Who decides what about which money, under which key, and why."""

    account: str
    order: str
    payment: str
    said: Literal["accepted", "dismissed"]
    key: str
    reason: str | None
    actor: str | None


def decide(credits: Credits, decided: Decided) -> OrderView:
    """As `Credits.accept_payment` and `Credits.dismiss_payment`."""
    checks.account_id(decided.account)
    checks.text("order", decided.order)
    checks.text("payment", decided.payment)
    asked = decided._replace(
        key=checks.caller_key(decided.key), reason=checks.text("reason", decided.reason),
        actor=checks.text("actor", decided.actor, most=200),
    )  # fmt: skip
    order, replayed = credits.run(lambda tx: _decided(tx, asked))
    stands = view(order, credits.clock())
    return OrderAgain(*stands) if replayed else stands


def _decided(tx: Tx, asked: Decided) -> tuple[Order, bool]:
    """The order after it, once for each key; and whether an earlier call had decided.

    Locks are taken as hearing a webhook does: order, promo code, wallets.
    """
    session, now, pair = tx.session, tx.clock(), (asked.account, asked.key)
    before = orders.read(session, asked.account, asked.order, locked=True)
    if before is None:
        raise NotFound(f"The account {asked.account!r} has no order {asked.order!r}. Nothing was changed.")
    if before.promo_code is not None:
        promos.lock(session, before.promo_code, now)
    acts.lock_account(session, asked.account)
    money = next((one for one in before.payments if one.payment == asked.payment), None)
    if money is None:
        raise NotFound(f"The order {asked.order!r} has no payment {asked.payment!r}. Nothing was changed.")
    decided = Settlement(money.payment, asked.key, asked.said, money.amount_minor, money.currency, now)
    verb, content = SETTLING[asked.said], settled_content(before.id, decided)
    if _known(tx, pair, verb, content):
        return before, True
    _require_open(before, money, asked.said)
    after = settle(before, decided, now)
    orders.keep_settlement(session, before, decided)
    acts.add(session, Act(*pair, verb, content, before.id, asked.reason, asked.actor, now))
    if after._replace(settled=before.settled) != before:
        carry_out(tx, after, now, fulfilled=after.state == "fulfilled")
    return after, False


def _known(tx: Tx, pair: tuple[str, str], verb: str, content: bytes) -> bool:
    """Whether the key stands for this very decision.

    Raises:
        KeyReused: it stands for something else.
    """
    if entry := sql.read_keys(tx.session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(tx.session, [pair]).get(pair)
    if known and (known.verb, known.content) != (verb, content):
        raise key_reused(*pair, act_said(known), known.recorded_at)
    return known is not None


def _require_open(order: Order, money: Notice, said: str) -> None:
    """Nothing, where this may still be decided about the money.

    Raises:
        PaymentSettled: it may not.
    """
    stands = standing(order, money)
    buys = 0 <= money.tax_minor < money.amount_minor
    if (stands == "review" and buys) or (stands in ("review", "surplus") and said == "dismissed"):
        return
    if stands == "surplus":
        todo = "its order is bought already, so this money can only be dismissed"
    elif stands == "review":
        todo = "it is no money that could buy anything, so it can only be dismissed"
    else:
        todo = "it waits for nobody's decision"
    raise PaymentSettled(
        f"The payment {money.payment!r} is {stands}: {todo}. Nothing was changed.",
        payment=money.payment, standing=stands,
    )  # fmt: skip
