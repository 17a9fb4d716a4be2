"""The verbs of auto top-up: what a customer agrees to, the card that is charged for it, and charging it now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from farthing.amounts import LIMIT, Amount, decimals_of, to_credits, to_units
from farthing.core import checks
from farthing.core import topups as rules
from farthing.core.calendar import span
from farthing.core.topups import Mandate, Window
from farthing.errors import InvalidField, NoSavedCard
from farthing.ledger.accounts import holders, require_usable
from farthing.ledger.beat import act_said, key_reused, require_unmerged
from farthing.selling import slots
from farthing.selling.checkout import usable_url
from farthing.selling.topups import ToppedUp, keeper, no_top_up, offered, top_up, top_up_due
from farthing.store import acts, customers, scales, sql
from farthing.store import topups as store
from farthing.store.acts import Act
from farthing.store.customers import Customer
from farthing.store.database import Session

if TYPE_CHECKING:
    from farthing.credits import Credits
    from farthing.ledger.transaction import Tx

T = TypeVar("T")
MOST_CHARGES = 1000


class CardView(NamedTuple):
    """The card that a provider keeps of an account. `label` is for people; None: the provider says nothing of it."""

    account: str
    provider: str
    label: str | None
    saved_at: datetime


class CardPage(NamedTuple):
    """Where the customer leaves a card: on the page `url`, or in a form, by its provider's script.

    That needs `client_secret`, which is for the customer's browser alone, and `publishable_key`.
    """

    reference: str
    url: str | None
    client_secret: str | None = None
    publishable_key: str | None = None

    def __repr__(self) -> str:
        """Without the secret: this may stand in somebody's log."""
        return f"CardPage(reference={self.reference!r}, url={self.url!r})"


class TopUpView(NamedTuple):
    """An account's auto top-up as it stands. Credits as Decimal, money in whole minor units of `currency`.

    `status` is active, paused or stopped; `paused` says why: declined (three times in a row), authentication_required
    (the bank wants the customer), price_above_limit, no_card, review (other money came than was asked for), money_back
    (money of these credits was refunded or is in dispute) or
    outcome_unknown. `used` of `most` charges were made in the calendar `window` that runs. `next_at` is when the card
    may be charged again. `last_order` is the order charged for last, and `last_outcome` what came of it: None while
    that is not known.
    """

    account: str
    credit_type: str
    status: str
    paused: str | None
    paused_at: datetime | None
    provider: str
    threshold: Decimal
    package: str | None
    amount: Decimal | None
    currency: str
    at_most_minor: int
    most: int
    window: str
    used: int
    cooldown: str
    time_zone: str
    declines: int
    next_at: datetime | None
    last_order: str | None
    last_outcome: str | None
    consent: str | None
    consent_at: datetime
    actor: str | None
    stopped_at: datetime | None

    @property
    def replayed(self) -> bool:
        """Whether an earlier call with the same key had done what this answers to. Two that say the same are equal."""
        return False


class TopUpAgain(TopUpView):
    """A top-up, answered to a call that an earlier one with the same key had carried out."""

    __slots__ = ()

    @property
    def replayed(self) -> bool:
        return True


class _Asked(NamedTuple):
    """Who asks for what, under which key, and why."""

    account: str
    key: str
    verb: str
    content: bytes
    link: str
    reason: str | None
    actor: str | None


class ToppingUp:
    """The part of `Selling` that charges saved cards. Providers are asked between transactions."""

    @property
    def _credits(self) -> Credits:
        return cast("Credits", self)

    def set_top_up(
        self,
        account: str,
        credit_type: str,
        *,
        key: str,
        threshold: Amount,
        at_most_minor: int,
        consent: str,
        package: str | None = None,
        amount: Amount | None = None,
        currency: str | None = None,
        provider: str = "sandbox",
        most: int = 1,
        window: Window = "month",
        cooldown: str = "1h",
        actor: str | None = None,
    ) -> TopUpView:
        """Agrees on an auto top-up: below `threshold` credits available, the saved card is charged. Opt-in only.

        An agreement on the same credit type takes the place of the one before; charges it made in the window count.

        Args:
            threshold: credits; more than zero.
            package, amount: what is bought each time: a package of this credit type, or credits at the day's price.
            currency: ISO 4217 code, e.g. "EUR". Left out: the catalog's.
            at_most_minor: the most one charge may cost, in whole minor units. A higher price pauses the top-up.
            most, window: so many charges at most in a calendar "day", "week" (from Monday) or "month" of the account's
                time zone, whatever comes of them.
            cooldown: so long after a charge no other one begins, e.g. "1h".
            consent: what the customer agreed to, in the words they saw. It is kept, with the time and `actor`.
            key: idempotency key, unique in the account for ever.
        Raises:
            NoSavedCard: the provider keeps no card of the account. InvalidField: today's price is above the limit, the
            package is of another credit type, the provider keeps no cards, or an argument is wrong as written.
            as `quote`, where this is not sold now. AccountFrozen, AccountMerged, UnknownProvider, NotBillable,
            SwitchedOff, KeyReused.
        """
        credits, kind = self._credits, self._credits.catalog.credit_type(credit_type)
        new = Mandate(
            checks.account_id(account), kind.code, keeper(credits, provider).name,
            to_units(threshold, kind.scale), checks.text("package", package),
            None if amount is None else to_units(amount, kind.scale), currency or credits.catalog.currency,
            _whole("at_most_minor", at_most_minor, LIMIT - 1), _whole("most", most, MOST_CHARGES),
            cast(Window, checks.one_of("window", window, rules.WINDOWS)), _duration(cooldown), "",
            checks.text("consent", consent), credits.clock(), checks.text("actor", actor, most=200),
        )  # fmt: skip
        decimals_of(new.currency)
        if new.consent is None:
            raise InvalidField("consent must say what the customer agreed to. Nothing was changed.", field="consent")
        terms = [*new[2:11], new.consent]
        asked = _asked("set_top_up", account, key, kind.code, consent, actor, terms=terms)
        if credits.run(lambda tx: _known(tx.session, asked)) is None:
            _require_offered(credits, new)
        return credits.run(lambda tx: _do(tx, asked, lambda: _set(tx, new)))

    def stop_top_up(
        self, account: str, credit_type: str, *, key: str, reason: str | None = None, actor: str | None = None
    ) -> TopUpView:
        """Ends an auto top-up. A charge that has begun is carried to its end: it may have been made already.

        Raises:
            NoTopUp: there never was one. KeyReused.
        """
        kind = self._credits.catalog.credit_type(credit_type)
        asked = _asked("stop_top_up", account, key, kind.code, reason, actor)
        return self._credits.run(lambda tx: _do(tx, asked, lambda: _stop(tx, asked)))

    def resume_top_up(
        self, account: str, credit_type: str, *, key: str, reason: str | None = None, actor: str | None = None
    ) -> TopUpView:
        """Lets an auto top-up that is paused go on, as if nothing had been declined; what is agreed on stays.

        One that paused because it was never learnt what came of a charge goes on without: look at the provider first
        whether the money came.

        Raises:
            NoTopUp: there is none, or it was stopped. NoSavedCard: there is no card to charge. AccountFrozen,
            AccountMerged, KeyReused.
        """
        kind = self._credits.catalog.credit_type(credit_type)
        asked = _asked("resume_top_up", account, key, kind.code, reason, actor)
        return self._credits.run(lambda tx: _do(tx, asked, lambda: _resume(tx, asked)))

    def top_up(self, account: str, credit_type: str) -> ToppedUp:
        """Charges the saved card now, if that is due, and carries on a charge that was cut off. Nobody is charged
        twice, however often and from wherever this is called: after each deduction, or by the job alone.

        Raises:
            NoTopUp: the account agreed to none. as `quote`, where what is agreed on is not sold now.
        """
        key = (checks.account_id(account), self._credits.catalog.credit_type(credit_type).code)
        return top_up(self._credits, key)

    def top_up_due(self) -> dict[str, int]:
        """Charges all that is due, and carries on what was cut off: the job. Several may run at once.

        Returns:
            Counts by outcome: paid, declined, authentication_required, review, paused, unknown, failed.
        """
        return top_up_due(self._credits)

    def top_ups(self, account: str) -> list[TopUpView]:
        """The account's auto top-ups by credit type, also those that were stopped."""
        checks.account_id(account)
        now = self._credits.clock()
        return self._credits.read(
            lambda session: [_view(session, one, now) for one in store.read_all(session, account)]
        )

    def card(self, account: str, provider: str = "sandbox") -> CardView | None:
        """The card that a provider keeps of the account; None where it keeps none."""
        checks.account_id(account)
        named = checks.text("provider", provider) or ""
        known = self._credits.read(lambda session: customers.read(session, account, named))
        return CardView(account, provider, known.card_label, known.said_at) if known and known.card else None

    def ask_card(
        self, account: str, provider: str = "sandbox", *, key: str, return_url: str | None = None, form: bool = False
    ) -> CardPage:
        """Where the customer leaves a card and pays nothing. The provider's webhook then says which card it is.

        Args:
            key: the same call with the same key answers the same page. return_url: where the provider sends the
                customer back to. form: in the provider's form on a page of yours, and not on the provider's page.
        Raises:
            InvalidField: the provider keeps no cards, or has no form. AccountMerged, UnknownProvider, SwitchedOff.
            ProviderUnavailable: it did not answer; make the same call again.
        """
        credits, asked, back = self._credits, keeper(self._credits, provider), usable_url(return_url)
        checks.account_id(account)
        checks.caller_key(key)
        credits.catalog.require_on(f"providers.{asked.name}")
        if form and not asked.forms:
            raise InvalidField(f"{asked.name} has no form. Nothing was changed. Leave form out.", field="form")

        def payer(session: Session) -> Customer | None:
            require_unmerged(sql.read_accounts(session, [account]).get(account))
            return customers.read(session, account, asked.name)

        known = credits.read(payer)
        own = checks.fingerprint("ask_card", "", 0, account=account, key=key, return_url=back, form=form).hex()
        started = asked.ask_card(account, key=own, customer=known and known.customer, return_url=back, form=form)
        if started.customer:
            who = Customer(account, asked.name, started.customer, None, None, credits.clock())
            credits.run(lambda tx: _remember(tx, who))
        return CardPage(started.reference, started.url, started.client_secret, started.publishable_key)

    def forget_card(
        self, account: str, provider: str = "sandbox", *, key: str, reason: str | None = None, actor: str | None = None
    ) -> bool:
        """Forgets the account's card: it is charged no more, unless that has begun. At the provider it may still be
        kept. Auto top-ups that would need it pause.

        Returns:
            Whether an earlier call with the same key had done it.
        Raises:
            AccountMerged, KeyReused.
        """
        asked = _asked("forget_card", account, key, checks.text("provider", provider) or "", reason, actor)
        return self._credits.run(
            lambda tx: _once(tx, asked, lambda: customers.forget_card(tx.session, account, provider, tx.clock()))
        )


def _remember(tx: Tx, who: Customer) -> None:
    customers.remember(tx.session, who._replace(account=holders(tx.session, who.account)[-1]))


def _asked(verb: str, account: str, key: str, link: str, reason: str | None, actor: str | None, **said: Any) -> _Asked:
    return _Asked(
        checks.account_id(account), checks.caller_key(key), verb,
        checks.fingerprint(verb, "", 0, link=link, **said), link,
        checks.text("reason", reason), checks.text("actor", actor, most=200),
    )  # fmt: skip


def _known(session: Session, asked: _Asked) -> Act | None:
    """The act that stands for the key already.

    Raises:
        KeyReused: the key stands for something else.
    """
    pair = (asked.account, asked.key)
    if entry := sql.read_keys(session, [pair]).get(pair):
        raise key_reused(*pair, f"a {entry.kind} of {entry.credit_type}", entry.recorded_at)
    known = acts.read_keys(session, [pair]).get(pair)
    if known and (known.verb, known.content) != (asked.verb, asked.content):
        raise key_reused(*pair, act_said(known), known.recorded_at)
    return known


def _once(tx: Tx, asked: _Asked, work: Callable[[], object]) -> bool:
    """Does it under the account's lock, once for each key; whether an earlier call had."""
    acts.lock_account(tx.session, asked.account)
    known = _known(tx.session, asked)
    if known is None:
        require_unmerged(sql.read_accounts(tx.session, [asked.account]).get(asked.account))
        work()
        acts.add(tx.session, Act(*asked, tx.clock()))
    return known is not None


def _do(tx: Tx, asked: _Asked, work: Callable[[], object]) -> TopUpView:
    """Does it under the mandate's lock and the account's, once for each key; answers how the mandate stands.

    The mandate comes first, as in a top-up: wallets are always locked after it.
    """
    store.read(tx.session, asked.account, asked.link, locked=True)
    replayed = _once(tx, asked, work)
    found = store.read(tx.session, asked.account, asked.link)
    if found is None:
        raise no_top_up((asked.account, asked.link))
    stands = _view(tx.session, found, tx.clock())
    return TopUpAgain(*stands) if replayed else stands


def _set(tx: Tx, new: Mandate) -> None:
    session = tx.session
    owner = sql.read_accounts(session, [new.account]).get(new.account)
    require_usable(owner)
    _require_card(session, new)
    before = store.read(session, new.account, new.credit_type)
    scales.fix(session, tx.catalog.credit_type(new.credit_type))
    zone = owner.time_zone if owner else tx.catalog.time_zone
    agreed = new._replace(zone=zone, consent_at=tx.clock(), last_at=before.last_at if before else None)
    slots.keep(session, agreed, tx.clock())


def _stop(tx: Tx, asked: _Asked) -> None:
    slots.keep(tx.session, rules.stop(_agreed(tx, asked), tx.clock()), tx.clock())


def _resume(tx: Tx, asked: _Asked) -> None:
    session, now = tx.session, tx.clock()
    require_usable(sql.read_accounts(session, [asked.account]).get(asked.account))
    mandate = _agreed(tx, asked)
    if mandate.stopped_at:
        raise no_top_up((asked.account, asked.link))
    _require_card(session, mandate)
    slot = store.open_slot(session, mandate[:2])
    if slot and mandate.paused == "outcome_unknown":
        store.end_slot(session, slot, "abandoned")
    slots.keep(session, rules.resume(mandate), now)


def _agreed(tx: Tx, asked: _Asked) -> Mandate:
    found = store.read(tx.session, asked.account, asked.link)
    if found is None:
        raise no_top_up((asked.account, asked.link))
    return found


def _require_card(session: Session, mandate: Mandate) -> None:
    known = customers.read(session, mandate.account, mandate.provider)
    if known is None or known.card is None:
        raise NoSavedCard(
            f"{mandate.provider} keeps no card of {mandate.account}. Nothing was changed. Let the customer leave one: "
            "see ask_card, or a checkout with save_card.",
            account=mandate.account,
            provider=mandate.provider,
        )


def _require_offered(credits: Credits, new: Mandate) -> None:
    """Nothing, where what is agreed on is sold today, for no more than is agreed."""
    quoted = offered(credits, new).quote
    keeper(credits, new.provider).require_billable(quoted.currency, quoted.total_minor)
    credits.catalog.require_on(f"providers.{new.provider}")
    if quoted.total_minor > new.at_most_minor:
        raise InvalidField(
            f"at_most_minor is {new.at_most_minor}, and today this costs {quoted.total_minor} minor units of "
            f"{quoted.currency}. Nothing was changed. Agree on at least that.",
            field="at_most_minor",
        )


def _view(session: Session, mandate: Mandate, now: datetime) -> TopUpView:
    key = mandate[:2]
    used = store.taken_since(session, key, rules.window_start(mandate, now))
    last, scale = store.last_slot(session, key), scales.read(session)[mandate.credit_type]
    return TopUpView(
        *key, "stopped" if mandate.stopped_at else "paused" if mandate.paused else "active",
        mandate.paused, mandate.paused_at, mandate.provider, to_credits(mandate.threshold, scale), mandate.package,
        None if mandate.amount is None else to_credits(mandate.amount, scale), mandate.currency,
        mandate.at_most_minor, mandate.most, mandate.per, used, mandate.cooldown, mandate.zone, mandate.declines,
        rules.looked_at(mandate, used, now), last and last.order_id, last and last.outcome,
        mandate.consent, mandate.consent_at, mandate.actor, mandate.stopped_at,
    )  # fmt: skip


def _whole(field: str, said: int, most: int) -> int:
    if type(said) is not int or not 1 <= said <= most:
        raise InvalidField(f"{field} must be a whole number from 1 to {most}. Nothing was changed.", field=field)
    return said


def _duration(said: str) -> str:
    if checks.text("cooldown", said):
        span(said)
    return said
