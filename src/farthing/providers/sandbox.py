"""A provider for tries and tests: its own pay page, signed webhooks, no keys, and never real money.

The address of its pay page carries the bill, signed, so any process with the same secret serves it. What it told of a
payment it remembers in the process, so that `look` can tell it again; nothing depends on that memory but `look`.
Signatures are made as Stripe makes them: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from farthing.core.payments import Billed, Notice, SavedCard
from farthing.errors import BadSignature, Invalid, ProviderUnavailable, SettingsInvalid
from farthing.providers import Bill, Charged, Found, PlanBill, ProviderEvent, Started
from farthing.providers import sandbox_events as events
from farthing.providers.sandbox_events import CARDS, AnyKind, DisputeKind, Kind, RefundKind, saved_card
from farthing.providers.sandbox_memory import Memory

__all__ = ["AnyKind", "CardAsked", "DisputeKind", "Kind", "RefundKind", "Sandbox"]

SIGNATURE_HEADER = "sandbox-signature"
TOLERANCE_S = 300
MIN_SECRET_BYTES = 16

_SIGNATURE = re.compile(r"t=([0-9]{1,12})((?:,v[0-9]+=[0-9a-f]{1,128})+)", re.ASCII)

_UNSAID = tuple(Bill._field_defaults.values())


class CardAsked(NamedTuple):
    """What a page asks for where a card is saved and nothing paid."""

    reference: str
    customer: str
    return_url: str | None


class PlanAsked(NamedTuple):
    """A plan that its page sells: `price_minor` for every period, of `months` or else `days`."""

    billing: str
    plan: str
    description: str
    currency: str
    price_minor: int
    months: int
    days: int
    trial_days: int
    return_url: str | None
    customer: str


class Sandbox:
    """The sandbox provider, named "sandbox". It keeps cards as well, and bills plans (`farthing.providers`).

    Args:
        url: where its pay page is served (`farthing.providers.sandbox_page`), e.g. "http://127.0.0.1:8000/sandbox".
        secrets: each at least 16 bytes long; the first signs, all are accepted, so that they can be changed.
        merchant: who asks for the money, as the pay page says it.
        clock: what time it is when a saved card is charged.
    """

    name = "sandbox"
    livemode = False
    forms = False

    def __init__(
        self,
        *,
        url: str,
        secrets: Sequence[str],
        merchant: str = "Sandbox shop",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"The sandbox needs a secret of at least {MIN_SECRET_BYTES} bytes.")
        self.url = url.rstrip("/")
        self.merchant = merchant
        self._secrets = [secret.encode() for secret in secrets]
        self._clock = clock
        self._memory = Memory()

    def require_billable(self, currency: str, total_minor: int) -> None:
        """Nothing: it takes every currency, and any amount."""

    def start(self, bill: Bill) -> Started:
        """The bill's pay page; the same bill has the same one."""
        asked = _named(bill)
        self._memory.keep((bill.order, checkout_of(bill)), customer=asked.customer)
        return Started(checkout_of(bill), f"{self.url}/pay/{self._token(asked)}", customer=asked.customer)

    def ask_card(
        self, account: str, *, key: str, customer: str | None, return_url: str | None, form: bool = False
    ) -> Started:
        """Its page where a card is left; the same account and key have the same one. It has no form for ours."""
        reference = f"setup_{_digest(account, key)}"
        asked = CardAsked(reference, customer or _customer(account), return_url)
        self._memory.keep((reference,), customer=asked.customer)
        return Started(reference, f"{self.url}/card/{self._signed(b'card', list(asked))}", customer=asked.customer)

    def charge(self, bill: Bill, card: SavedCard, *, attempt: int) -> Charged:
        """What the card's name says, as `sandbox_events.CARDS` has it. No webhook is sent: the answer is here.

        Raises:
            ProviderUnavailable: "card_unreachable" was charged, and this is the first time this process is asked. The
                next time it tells, as `look` does.
        """
        payment = f"pay_{bill.order}_{attempt}"
        known = self._memory.found(payment)
        for fact in known.facts if known else ():
            if isinstance(fact, Notice) and fact.payment == payment:
                return Charged(payment, fact)
        refused = CARDS[card.card].refused if card.card in CARDS else "card_unknown"
        notice = Notice(
            payment, "failed" if refused else "paid", self._clock(), 0 if refused else bill.total_minor,
            currency=bill.currency, reason=refused,
        )  # fmt: skip
        self._memory.keep((bill.order, checkout_of(bill), payment), (notice,), card.customer)
        if card.card == "card_unreachable":
            raise ProviderUnavailable(
                "The sandbox charged the card and does not answer. Whether it was charged is not known. "
                "Make the same call again: it tells.",
                provider=self.name,
            )
        return Charged(payment, notice)

    def start_plan(self, bill: PlanBill) -> Started:
        """Its page where the plan is bought; the same bill has the same one. Time does not pass there by itself."""
        customer, reference = bill.customer or _customer(bill.account), f"sandbox_{bill.billing}"
        asked = PlanAsked(*bill[:9], customer)
        self._memory.keep((bill.billing, reference), customer=customer)
        return Started(reference, f"{self.url}/plan/{self._signed(b'plan', list(asked))}", customer=customer)

    def portal(self, customer: str, *, return_url: str | None, locale: str | None) -> str:
        """Its page where time is made to pass: the next period is paid or is not, and the plan ends."""
        return f"{self.url}/portal/{self._signed(b'portal', [customer, return_url])}"

    def look(self, reference: str) -> Found | None:
        """What it told of an order, a checkout or a payment, whether or not the webhook arrived.

        It knows what its pay page, `start`, `charge`, `ask_card` and `remember` said in this very process, of the last
        10,000 checkouts. It forgets with the process, and what another process did it never knew: then it is None.
        """
        return self._memory.found(reference)

    def remember(self, body: bytes) -> None:
        """Makes an event's facts true here, so that `look` tells them, even if the event is never delivered."""
        said = events.read(body)
        if said.facts:
            self._memory.keep(said.references, said.facts, said.customer)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Nothing, where one of the secrets signed these bytes within five minutes of `now`."""
        signature = _SIGNATURE.fullmatch(headers.get(SIGNATURE_HEADER, ""))
        if signature is None:
            raise _unsigned("it has no signature of the sandbox")
        said_at, parts = signature.groups()
        if abs(now.timestamp() - int(said_at)) > TOLERANCE_S:
            raise _unsigned("its signature is not of the last five minutes")
        given = [part[3:] for part in parts.split(",") if part.startswith("v1=")]
        right = [_mac(secret, f"{said_at}.".encode() + body) for secret in self._secrets]
        if not any(hmac.compare_digest(one, other) for one in given for other in right):
            raise _unsigned("its signature is wrong")

    def read(self, body: bytes) -> ProviderEvent:
        """What a verified event says."""
        return events.read(body)

    def event(
        self,
        bill: Bill,
        kind: AnyKind,
        *,
        id: str,
        at: datetime,
        payment: str | None = None,
        name: str | None = None,
        amount_minor: int | None = None,
        tax_minor: int = 0,
        discount_minor: int = 0,
        currency: str | None = None,
        reason: str | None = None,
        card: str | None = None,
        livemode: bool = False,
    ) -> bytes:
        """The body of an event about a bill. It can be told to misbehave: another payment, amount, currency or mode.

        Refunds and disputes name their payment and nothing else, so that who has not heard of it has to wait.

        Args:
            name: the provider's name for a refund or a dispute, by default one for each payment.
            amount_minor: by default all of it: what the bill asks for, with the tax, less the provider's own discount.
            card: one of `sandbox_events.CARDS`, which the customer left with the payment.
        """
        money = bill.total_minor + tax_minor - discount_minor if amount_minor is None else amount_minor
        about: dict[str, Any] = {"payment": payment or f"pay_{bill.order}", "reason": reason}
        about |= {"amount_minor": money, "currency": bill.currency if currency is None else currency}
        subject = kind.partition(".")[0]
        if kind == "payment.refunded":
            pass
        elif subject in ("refund", "dispute"):
            about[subject] = name or f"{subject}_{about['payment']}"
        else:
            about |= {"order": bill.order, "checkout": checkout_of(bill), "customer": _named(bill).customer}
            about |= {"tax_minor": tax_minor, "discount_minor": discount_minor}
            if kind != "payment.paid":
                about |= {"amount_minor": 0, "tax_minor": 0, "discount_minor": 0}
            if card is not None:
                about |= _left(saved_card(about["customer"] or _customer(bill.account or bill.order), card, at))
        return events.write(kind, about, id=id, at=at, livemode=livemode)

    def card_event(self, asked: CardAsked, card: str, *, id: str, at: datetime) -> bytes:
        """The body of the event that says which card was left where one was asked for."""
        about = {"checkout": asked.reference} | _left(saved_card(asked.customer, card, at))
        return events.write(events.CARD_SAVED, about, id=id, at=at, livemode=False)

    def plan_event(self, billing: str, customer: str, billed: Billed, *, id: str) -> bytes:
        """The body of the event that says how a subscription stands; it was told at `billed.at`."""
        about = {"billing": billing, "checkout": f"sandbox_{billing}", "customer": customer}
        return events.write(events.PLAN_CHANGED, about | events.plan_data(billed), id=id, at=billed.at, livemode=False)

    def plan_asked(self, token: str) -> PlanAsked | None:
        """What the address of a page for a plan asks for; None where the sandbox never made this address."""
        said = self._unsigned(b"plan", token)
        return None if said is None else PlanAsked._make(said)

    def portal_of(self, token: str) -> tuple[str, str | None] | None:
        """Whose portal an address leads to, and where back; None where the sandbox never made it."""
        said = self._unsigned(b"portal", token)
        return None if said is None else (said[0], said[1])

    def plans_of(self, customer: str) -> list[Found]:
        """Every subscription of a customer that this process remembers."""
        return self._memory.plans_of(customer)

    def sign(self, body: bytes, at: datetime, *, secret: str | None = None) -> dict[str, str]:
        """The headers of a webhook with this body, signed by the first secret, or by the one given."""
        said_at, by = str(int(at.timestamp())), self._secrets[0] if secret is None else secret.encode()
        return {
            "content-type": "application/json",
            SIGNATURE_HEADER: f"t={said_at},v1={_mac(by, f'{said_at}.'.encode() + body)}",
        }

    def bill(self, token: str) -> Bill | None:
        """The bill that a pay page's address carries; None where the sandbox never made this address."""
        said = self._unsigned(b"bill", token)
        if said is None:
            return None
        bill = Bill._make((*said[:5], datetime.fromtimestamp(said[5], UTC), *_UNSAID))
        return bill._replace(customer=said[6], save_card=said[7]) if said[6:] else bill

    def card_asked(self, token: str) -> CardAsked | None:
        """What the address of a page for a card asks for; None where the sandbox never made this address."""
        said = self._unsigned(b"card", token)
        return None if said is None else CardAsked._make(said)

    def _token(self, bill: Bill) -> str:
        more = [bill.customer, bill.save_card] if bill.customer else []
        return self._signed(b"bill", [*bill[:5], int(bill.expires_at.timestamp()), *more])

    def _signed(self, what: bytes, said: list[Any]) -> str:
        coded = urlsafe_b64encode(json.dumps(said, separators=(",", ":")).encode()).decode().rstrip("=")
        return f"{coded}.{_mac(self._secrets[0], what + b'.' + coded.encode())}"

    def _unsigned(self, what: bytes, token: str) -> list[Any] | None:
        said, _, signature = token.partition(".")
        right = [_mac(secret, what + b"." + said.encode()) for secret in self._secrets]
        if not any(hmac.compare_digest(signature.encode(), one.encode()) for one in right):
            return None
        try:
            return json.loads(urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        except (NotBase64, ValueError):
            return None


def checkout_of(bill: Bill) -> str:
    """The sandbox's name for the checkout of a bill."""
    return f"sandbox_{bill.order}"


def _named(bill: Bill) -> Bill:
    """The bill with the sandbox's name for who pays, which it has where a card is kept."""
    if bill.customer or not bill.save_card:
        return bill
    return bill._replace(customer=_customer(bill.account or bill.order))


def _customer(account: str) -> str:
    return f"cus_{_digest(account)}"


def _left(card: SavedCard) -> dict[str, Any]:
    return {"customer": card.customer, "card": card.card, "label": card.label}


def _digest(*said: str) -> str:
    return sha256(json.dumps(said).encode()).hexdigest()[:24]


def _mac(secret: bytes, said: bytes) -> str:
    return hmac.new(secret, said, sha256).hexdigest()


def _unsigned(why: str) -> Invalid:
    return BadSignature(f"This webhook is not from the sandbox: {why}. Nothing was stored.")
