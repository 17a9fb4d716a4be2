"""The verbs as a server offers them, each with the arguments and the answer of the library's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from farthing.amounts import Amount
from farthing.client import answers
from farthing.client.answers import ServedReceipt, decode
from farthing.client.routes import Call, arguments, by_usage, listed, one, receipt, route
from farthing.credits import Credits
from farthing.errors import FarthingError
from farthing.ledger import posting
from farthing.ledger.accounts import Accounts
from farthing.ledger.explanation import Explanation
from farthing.ledger.verbs import Verbs
from farthing.plans.verbs import Plans
from farthing.selling.billing import BillingView, PlanCheckout
from farthing.selling.checkout import Checkout
from farthing.selling.orders import OrderPage, OrderView
from farthing.selling.subscribing import Subscribing
from farthing.selling.topping_up import CardPage, CardView, ToppingUp, TopUpView
from farthing.selling.topups import ToppedUp
from farthing.selling.verbs import Selling
from farthing.store.sql import Account
from farthing.views import (
    Balance,
    Check,
    EstimateView,
    HoldView,
    LotView,
    Page,
    QuoteView,
    Receipt,
    SubscriptionView,
)

_OF = "accounts/{account}"
_HOLD = f"{_OF}/holds/{{hold}}"
_PLAN = f"{_OF}/plan"
_TOP_UP = f"{_OF}/top-ups/{{credit_type}}"
_CARD = f"{_OF}/cards/{{provider}}"

account = route(Credits.account, f"GET {_OF}", one(Account))
open_account = route(Credits.open_account, f"PUT {_OF}", one(Account))
freeze = route(Accounts.freeze, f"POST {_OF}/freeze", one(Account))
unfreeze = route(Accounts.unfreeze, f"POST {_OF}/unfreeze", one(Account))
merge = route(Accounts.merge, f"POST {_OF}/merges", one(Account))
erase = route(Accounts.erase, f"POST {_OF}/erase", one(Account))

balance = route(Credits.balance, f"GET {_OF}/balances/{{credit_type}}", one(Balance))
balances = route(Credits.balances, f"GET {_OF}/balances", listed(Balance))
lots = route(Credits.lots, f"GET {_OF}/lots", listed(LotView))
holds = route(Credits.holds, f"GET {_OF}/holds", listed(HoldView))
check = route(Credits.check, f"POST {_OF}/checks", one(Check), only_reads=True)
explain = route(Credits.explain, f"GET {_OF}/explain", one(Explanation))
estimate = route(Credits.estimate, "POST estimates", one(EstimateView), only_reads=True)


def _page(said: Any, _: bool) -> Page:
    return answers.page(said)


history = route(Credits.history, f"GET {_OF}/entries", _page, kinds="kind", sources="source")

grant = route(Verbs.grant, f"POST {_OF}/grants", receipt)
deduct = route(Verbs.deduct, f"POST {_OF}/deductions", receipt)
charge = route(Verbs.charge, f"POST {_OF}/charges", receipt)
reverse = route(Verbs.reverse, f"POST {_OF}/reversals", receipt)
void = route(Verbs.void, f"POST {_OF}/voids", receipt)
clawback = route(Verbs.clawback, f"POST {_OF}/clawbacks", receipt)
transfer = route(Verbs.transfer, f"POST {_OF}/transfers", receipt)
hold = route(Verbs.hold, f"POST {_OF}/holds", receipt)
capture = route(Verbs.capture, f"POST {_HOLD}/capture", receipt)
release = route(Verbs.release, f"POST {_HOLD}/release", receipt)
hold_for = route(Verbs.hold_for, f"POST {_OF}/holds", receipt, usage=True)
capture_for = route(Verbs.capture_for, f"POST {_HOLD}/capture", receipt, usage=True)
extend = route(Verbs.extend, f"POST {_HOLD}/extend", receipt)

subscription = route(Credits.subscription, f"GET {_PLAN}", one(SubscriptionView), may_lack=True)
start_plan = route(Plans.start_plan, f"POST {_PLAN}", one(SubscriptionView))
renew_plan = route(Plans.renew_plan, f"POST {_PLAN}/renew", one(SubscriptionView))
change_plan = route(Plans.change_plan, f"POST {_PLAN}/change", one(SubscriptionView))
cancel_plan = route(Plans.cancel_plan, f"POST {_PLAN}/cancel", one(SubscriptionView))


def _plan_checkout(said: Any, replayed: bool) -> PlanCheckout:
    return PlanCheckout(decode(BillingView, said["billing"]), said["url"], replayed)


def _url(said: Any, _: bool) -> str:
    return said["url"]


buy_plan = route(Subscribing.buy_plan, f"POST {_OF}/plan-checkouts", _plan_checkout)
plan_billing = route(Subscribing.plan_billing, f"GET {_OF}/plan-billings/{{billing_id}}", one(BillingView))
plan_billings = route(Subscribing.plan_billings, f"GET {_OF}/plan-billings", listed(BillingView))
plan_portal = route(Subscribing.plan_portal, f"POST {_OF}/plan-portal-links", _url)


def _checkout(said: Any, replayed: bool) -> Checkout:
    secrets = said["client_secret"], said["publishable_key"]
    return Checkout(decode(OrderView, said["order"]), said["url"], replayed, *secrets)


checkout = route(Selling.checkout, f"POST {_OF}/checkouts", _checkout)
resume_checkout = route(Selling.resume_checkout, f"POST {_OF}/orders/{{order}}/resume", _checkout)
order = route(Selling.order, f"GET {_OF}/orders/{{order}}", one(OrderView))
orders = route(Selling.orders, f"GET {_OF}/orders", one(OrderPage))
accept_payment = route(Selling.accept_payment, f"POST {_OF}/orders/{{order}}/accept", one(OrderView))
dismiss_payment = route(Selling.dismiss_payment, f"POST {_OF}/orders/{{order}}/dismiss", one(OrderView))

top_ups = route(ToppingUp.top_ups, f"GET {_OF}/top-ups", listed(TopUpView))
set_top_up = route(ToppingUp.set_top_up, f"PUT {_TOP_UP}", one(TopUpView))
stop_top_up = route(ToppingUp.stop_top_up, f"DELETE {_TOP_UP}", one(TopUpView))
resume_top_up = route(ToppingUp.resume_top_up, f"POST {_TOP_UP}/resume", one(TopUpView))
card = route(ToppingUp.card, f"GET {_CARD}", one(CardView), may_lack=True)
top_up = route(ToppingUp.top_up, f"POST {_TOP_UP}/charge", one(ToppedUp))
ask_card = route(ToppingUp.ask_card, f"POST {_CARD}", one(CardPage))


def _replayed(_: Any, replayed: bool) -> bool:
    return replayed


forget_card = route(ToppingUp.forget_card, f"DELETE {_CARD}", _replayed)


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
    said: dict[str, Any] = {"package": package, "currency": currency, "plan": plan, "promo_code": promo_code}
    path = "quotes" if account is None else f"{_OF}/quotes"
    said |= {} if account is None else {"account": account}
    return route(Selling.quote, f"POST {path}", one(QuoteView), only_reads=True)(credit_type, amount, **said)


def post(calls: Sequence[posting.Call], *, atomic: bool = True) -> Call[list[Receipt | FarthingError]]:
    """As `Credits.post`."""

    def answer(said: Any, _: bool) -> list[Receipt | FarthingError]:
        return [_outcome(made) for made in said["data"]]

    said: dict[str, Any] = {"calls": [_posted(asked) for asked in calls], "atomic": atomic}
    return Call("POST", "/v1/batches", answer, None, said)


def _posted(asked: posting.Call) -> dict[str, Any]:
    verb = asked.verb.removesuffix("_for")
    said = arguments(getattr(Verbs, asked.verb), asked.args, asked.kwargs)
    return {"verb": verb} | (said if verb == asked.verb else by_usage(said))


def _outcome(said: Any) -> Receipt | FarthingError:
    if said["problem"]:
        return cast(FarthingError, answers.problem(said["problem"]["status"], said["problem"]))
    return ServedReceipt(said["entry"], replayed=said["replayed"])
