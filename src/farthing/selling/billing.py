"""Buying a plan at a provider, which bills its periods from then on; and the way to the provider's own portal."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from uuid_utils import uuid7

from farthing.catalog import Catalog
from farthing.core import checks
from farthing.core.billing import Billing, asked_next, is_payable, status
from farthing.core.calendar import after, span
from farthing.core.orders import Paying
from farthing.core.payments import Billed
from farthing.core.plans import Plan
from farthing.errors import (
    AlreadySubscribed,
    InvalidField,
    NoPrice,
    NotBillable,
    NotFound,
    NotSubscribed,
    ProviderUnavailable,
)
from farthing.ledger.accounts import holders, require_usable
from farthing.ledger.beat import act_said, key_reused
from farthing.providers import PlanBill, PlanBiller, Provider, ProviderEvent, Started
from farthing.selling import inbox
from farthing.selling.checkout import ORDER_LIFE, passed_on, provider_named, usable_url
from farthing.store import acts, billings, customers, sql, subscriptions
from farthing.store.acts import Act
from farthing.store.customers import Customer
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

log = logging.getLogger("farthing")

DAY = timedelta(days=1)
LEASE = timedelta(minutes=5)


class InvoiceView(NamedTuple):
    """An invoice that was paid, in whole minor units, tax included; `paid_at` is the provider's time.

    `pays` is period, change or other; `outcome` what it came to: opened, changed, noted, or review.
    """

    invoice: str
    pays: str
    paid_at: datetime
    amount_minor: int
    tax_minor: int
    currency: str
    outcome: str


class BillingView(NamedTuple):
    """How a plan is paid at a provider. `status` is open, expired, trialing, active, past_due, paused or ended.

    `url` is where it is bought while it is open; `subscription` the provider's name for it, `plan_id` the plan of the
    account that it pays; `cancels`: it ends with what is paid.
    """

    id: str
    account: str
    plan: str
    status: str
    currency: str
    price_minor: int
    trial_days: int
    provider: str
    livemode: bool
    subscription: str | None
    plan_id: str | None
    cancels: bool
    url: str | None
    created_at: datetime
    expires_at: datetime
    invoices: list[InvoiceView]

    def as_dict(self) -> dict[str, Any]:
        """Every field by name; times stay datetime."""
        return self._asdict() | {"invoices": [one._asdict() for one in self.invoices]}


class PlanCheckout(NamedTuple):
    """A plan being bought, and the provider's page where that is done; None: nothing is to be paid there any more."""

    billing: BillingView
    url: str | None
    replayed: bool


def buy(
    credits: Credits, account: str, plan: str, *, provider: str, key: str, currency: str | None, return_url: str | None,
    paying: Paying,
) -> PlanCheckout:  # fmt: skip
    """As `Credits.buy_plan`."""
    asked, paying = provider_named(credits, provider), passed_on(paying)
    content = checks.fingerprint(
        "buy_plan", "", 0, plan=plan, provider=asked.name, currency=currency, return_url=usable_url(return_url)
    )
    pair = (checks.account_id(account), checks.caller_key(key))
    known = credits.read(lambda session: _known(session, pair, content))
    replayed = known is not None
    if known is None:
        catalog = credits.catalog
        catalog.require_on("plans")
        catalog.require_on(f"providers.{asked.name}")
        _require_biller(asked)
        draft = _draft(catalog, pair[0], catalog.plan(plan), asked, currency, return_url, credits.clock())
        paying = paying._replace(asks=catalog.asks(asked.name))
        known, replayed = credits.run(lambda tx: _place(tx, draft._replace(paying=paying), pair, content))
    started = _started(credits, asked, known)
    return PlanCheckout(credits.read(lambda session: view(session, started, credits.clock())), started.url, replayed)


def portal(credits: Credits, account: str, *, return_url: str | None) -> str:
    """As `Credits.plan_portal`."""
    usable_url(return_url)
    billing = _last(credits, account)
    payer = credits.read(lambda session: customers.read(session, billing.account, billing.provider))
    biller = _require_biller(provider_named(credits, billing.provider))
    if payer is None:
        raise ProviderUnavailable(
            f"{billing.provider} did not say yet who pays for {account}. Nothing was changed. Try again in a minute.",
            provider=billing.provider,
        )
    return biller.portal(payer.customer, return_url=return_url or billing.return_url, locale=billing.paying.locale)


def read(session: Session, account: str, id_: str, now: datetime) -> BillingView:
    """One billing of an account.

    Raises:
        NotFound: it has none of this id.
    """
    found = billings.read(session, checks.account_id(account), checks.text("billing", id_) or "")
    if found is None:
        raise NotFound(f"The account {account!r} bought no plan as {id_!r}.")
    return view(session, found, now)


def view(session: Session, billing: Billing, now: datetime) -> BillingView:
    """A billing as it stands at `now`."""
    paid = [InvoiceView(*one, outcome) for one, outcome in billings.invoices_of(session, billing)]
    return BillingView(
        billing.id, billing.account, billing.plan, status(billing, now), billing.currency, billing.price_minor,
        billing.trial_days, billing.provider, billing.livemode, billing.subscription,
        f"sub_{billing.number}" if billing.number else None, billing.cancels,
        billing.url if is_payable(billing, now) else None, billing.created_at, billing.expires_at, paid,
    )  # fmt: skip


class HealedPlans(NamedTuple):
    """What asking about plans came to: so many asked, so many stand otherwise now, so many did not work."""

    asked: int
    healed: int
    failed: int


def heal(credits: Credits, *, limit: int) -> HealedPlans:
    """As `Credits.heal_plans`."""
    now, counts = credits.clock(), Counter[str]()
    due = credits.run(lambda tx: billings.take_due(tx.session, now, until=now + LEASE, limit=limit))
    for key in due:
        billing = credits.database.read(lambda session, key=key: billings.read(session, *key))
        if billing is None:
            continue
        counts["asked"] += 1
        try:
            counts["healed"] += ask(credits, billing) not in ("no_change", "unmatched")
        except Exception as error:
            log.warning("asking %s about the plan %s came to nothing: %r", billing.provider, billing.id, error)
            counts["failed"] += 1
        stands = credits.database.read(lambda session, key=key: billings.read(session, *key)) or billing
        due_at = asked_next(stands, credits.clock())
        credits.run(lambda tx, key=key, due_at=due_at: billings.put_off(tx.session, key, due_at=due_at))
    return HealedPlans._make(counts[name] for name in HealedPlans._fields)


def ask(credits: Credits, billing: Billing) -> str:
    """Asks the provider how a billing stands, and hears the answer as a webhook's: what it came to."""
    sender = provider_named(credits, billing.provider)
    reference = billing.subscription or billing.reference
    found = sender.look(reference) if reference else None
    if found is None or not any(isinstance(fact, Billed) for fact in found.facts):
        return "no_change"
    names = tuple(dict.fromkeys((billing.id, *found.references)))
    said = ProviderEvent(None, "looked_up", sender.livemode, names, found.facts, customer=found.customer)
    return inbox.hear(credits, sender, said)


def _last(credits: Credits, account: str) -> Billing:
    """What pays the account's plan, or paid it last.

    Raises:
        NotSubscribed: no plan of it was ever paid through a provider.
    """
    checks.account_id(account)

    def found(session: Session) -> Billing | None:
        paid = [one for one in billings.newest(session, account) if one.subscription]
        return billings.of_plan(session, account) or (paid[0] if paid else None)

    billing = credits.read(found)
    if billing is None:
        raise NotSubscribed(f"{account} pays no plan through a provider. Nothing was changed.", account=account)
    return billing


def _require_biller(provider: Provider) -> PlanBiller:
    if not isinstance(provider, PlanBiller):
        raise InvalidField(
            f"{provider.name} does not bill plans. Nothing was changed. Use another provider, or bill the plan "
            "yourself and call renew_plan.",
            field="provider",
        )
    return provider


def _draft(
    catalog: Catalog, account: str, plan: Plan, provider: Provider, currency: str | None, return_url: str | None,
    now: datetime,
) -> Billing:  # fmt: skip
    """The plan as it is bought now.

    Raises:
        NotBillable: the clock opens it, or no provider can bill such periods. NoPrice: none in this currency.
    """
    money = currency or catalog.currency
    if plan.driver != "payment":
        raise NotBillable(
            f"The clock opens the plan {plan.code}: nobody pays for it. Nothing was changed. Use start_plan.",
            provider=provider.name,
            currency=money,
        )
    price = plan.prices.get(money)
    if not price:
        raise NoPrice(
            f"The plan {plan.code} has no price in {money}; it has one in {', '.join(plan.prices) or 'no currency'}. "
            "Nothing was changed.",
            currency=money,
            currencies=sorted(plan.prices),
        )
    provider.require_billable(money, price)
    _period(plan, provider, money)
    id_ = f"bil_{uuid7().hex}"
    back = return_url and return_url.replace("{billing}", id_)
    return Billing(
        account, id_, plan.code, money, price, _trial_days(plan, now), provider.name, provider.livemode, back, Paying(),
        catalog.version, now, now + ORDER_LIFE,
    )  # fmt: skip


def _trial_days(plan: Plan, now: datetime) -> int:
    return max(1, (after(now, span(plan.trial), "UTC") - now) // DAY) if plan.trial else 0


def _period(plan: Plan, provider: Provider, currency: str) -> tuple[int, int]:
    """The months or else the days that the plan's period has."""
    every = span(plan.every)
    days, rest = divmod(every.seconds, DAY.total_seconds())
    if rest:
        raise NotBillable(
            f"A period of {plan.every} is no whole number of days. Nothing was changed.",
            provider=provider.name,
            currency=currency,
        )
    return every.months, int(days)


def _place(tx: Tx, draft: Billing, pair: tuple[str, str], content: bytes) -> tuple[Billing, bool]:
    """The billing that stands for the key, and whether it stood there before."""
    session, account = tx.session, draft.account
    acts.lock_account(session, account)
    if known := _known(session, pair, content):
        return known, True
    require_usable(sql.read_accounts(session, [account]).get(account))
    before = subscriptions.newest(session, account)
    running = before[0] if before and not before[0].ended_at else None
    plans = tx.catalog.plans
    if billings.of_plan(session, account):
        raise AlreadySubscribed(
            f"{account} pays for the plan {running and running.plan} already. Nothing was changed. plan_portal leads "
            "to where it is changed or cancelled.",
            account=account,
            plan=running.plan if running else draft.plan,
        )
    if running and running.plan in plans and plans[running.plan].rank > plans[draft.plan].rank:
        raise AlreadySubscribed(
            f"{account} has the plan {running.plan}, which is above {draft.plan}. Nothing was changed. Cancel it "
            "first.",
            account=account,
            plan=running.plan,
        )
    if running or any(sub.trial_end for sub in before):
        draft = draft._replace(trial_days=0)
    payer = customers.read(session, account, draft.provider)
    draft = draft._replace(
        paying=draft.paying._replace(customer=payer and payer.customer), due_at=asked_next(draft, draft.created_at)
    )
    billings.add(session, draft)
    acts.add(session, Act(account, pair[1], "buy_plan", content, draft.id, None, None, draft.created_at))
    return draft, False


def _known(session: Session, pair: tuple[str, str], content: bytes) -> Billing | None:
    """The billing that stands for an account's key already.

    Raises:
        KeyReused: the key stands for something else.
    """
    if entry := sql.read_keys(session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(session, [pair]).get(pair)
    if known and known.content != content:
        raise key_reused(*pair, act_said(known), known.recorded_at)
    return billings.read(session, pair[0], known.link) if known and known.link else None


def _started(credits: Credits, provider: Provider, billing: Billing) -> Billing:
    """The billing with its page to pay, asked of the provider outside any transaction until one answer is kept."""
    if not is_payable(billing, credits.clock()):
        return billing._replace(url=None)
    if billing.reference is not None:
        return billing
    credits.catalog.require_on(f"providers.{provider.name}")
    started = _require_biller(provider).start_plan(_bill_of(credits, provider, billing))
    return credits.run(lambda tx: _keep(tx, billing, started, credits.clock())) or billing


def _keep(tx: Tx, billing: Billing, started: Started, now: datetime) -> Billing | None:
    billings.set_started(tx.session, billing, reference=started.reference, url=started.url)
    if started.customer:
        payer = holders(tx.session, billing.account)[-1]
        customers.remember(tx.session, Customer(payer, billing.provider, started.customer, None, None, now))
    return billings.read(tx.session, billing.account, billing.id)


def _bill_of(credits: Credits, provider: Provider, billing: Billing) -> PlanBill:
    """What the provider is asked to collect for it: the same however often it is asked, while its catalog is."""
    paying, plan = billing.paying, credits.catalog.plan(billing.plan)
    months, days = _period(plan, provider, billing.currency)
    return PlanBill(
        billing.id, plan.code, plan.name.to(paying.locale or ""), billing.currency, billing.price_minor, months, days,
        billing.trial_days, billing.return_url, billing.expires_at, billing.account, paying.customer, paying.email,
        paying.locale, paying.metadata, paying.asks,
    )  # fmt: skip
