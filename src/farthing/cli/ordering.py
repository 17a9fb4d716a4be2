"""`farthing orders list | show | accept | dismiss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli import output
from farthing.cli.arguments import Account, Actor, AsJson, Key, Reason
from farthing.cli.reconciling import money
from farthing.cli.starting import opened

if TYPE_CHECKING:
    from farthing.selling.orders import OrderView

app = typer.Typer(help="What accounts buy, how its payment stands, and what to do about money that does not match.")
Order = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id, as `farthing orders list` shows it.")]
Payment = Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment, by its provider's name for it.")]


@app.command("list")
def listed(
    account: Account,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option(metavar="ORDER", help="Only orders older than this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show an account's orders, newest first."""
    with opened() as credits:
        page = credits.orders(account, limit=limit, cursor=cursor)
    if as_json:
        output.document(page._asdict() | {"data": [order.as_dict() for order in page.data]})
        return
    output.table(
        ["order", "made", "status", "reason", "credits", "of", "asks for", "paid", "provider"],
        [
            (
                one.id, one.created_at, one.status, one.reason, one.amount + one.bonus + one.promo_bonus,
                one.credit_type, money(one.total_minor, one.currency), _paid(one), one.provider,
            )
            for one in page.data
        ],
    )  # fmt: skip
    if page.next_cursor:
        output.note(f"There are more: --cursor {page.next_cursor}")


@app.command()
def show(account: Account, order: Order, as_json: AsJson = False) -> None:
    """Show one order with its payments, refunds and disputes."""
    with opened() as credits:
        found = credits.order(account, order)
    _tell(found, as_json=as_json)


@app.command()
def accept(
    account: Account,
    order: Order,
    payment: Payment,
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Take money under review as good: the order is fulfilled on its own terms with what came."""
    with opened() as credits:
        found = credits.accept_payment(account, order, payment, key=key, reason=reason, actor=actor)
    _tell(found, as_json=as_json)


@app.command()
def dismiss(
    account: Account,
    order: Order,
    payment: Payment,
    key: Key,
    reason: Reason = None,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Do away with money under review or surplus, given back at the provider or written off. Moves no money."""
    with opened() as credits:
        found = credits.dismiss_payment(account, order, payment, key=key, reason=reason, actor=actor)
    _tell(found, as_json=as_json)


def _paid(one: OrderView) -> str:
    bought = next((payment.currency for payment in one.payments if payment.standing == "paid"), one.currency)
    return money(one.paid_minor, bought) if one.paid_minor else ""


def _tell(one: OrderView, *, as_json: bool) -> None:
    if as_json:
        output.document(one.as_dict())
        return
    why = f" ({one.reason})" if one.reason else ""
    output.say(f"{one.id} of {one.account} is {one.status}{why}: {one.description}, {_asks(one)}.")
    money_moved = [
        *((pay.reference, pay.standing, money(pay.amount_minor, pay.currency), pay.at) for pay in one.payments),
        *((back.reference, f"refund {back.said}", money(back.amount_minor, back.currency), back.at)
          for back in one.refunds),
        *((bank.reference, f"dispute {bank.said}", money(bank.amount_minor, bank.currency), bank.at)
          for bank in one.disputes),
    ]  # fmt: skip
    if money_moved:
        output.table(["at the provider", "stands", "amount", "at"], money_moved)


def _asks(one: OrderView) -> str:
    return f"{money(one.total_minor, one.currency)} by {one.provider}"
