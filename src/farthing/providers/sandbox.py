"""A provider for tries and tests: its own pay page, signed webhooks, no keys, and never real money.

It keeps nothing: the address of its pay page carries the bill, signed, so any process with the same secret serves it.
Signatures are made as Stripe makes them: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, cast, get_args

from farthing.amounts import LIMIT
from farthing.core.payments import Notice, Said
from farthing.errors import BadSignature, EventUnreadable, Invalid, SettingsInvalid
from farthing.providers import Bill, ProviderEvent, Started

SIGNATURE_HEADER = "sandbox-signature"
TOLERANCE_S = 300
MIN_SECRET_BYTES = 16

Kind = Literal["payment.paid", "payment.pending", "payment.failed", "checkout.cancelled", "checkout.expired"]
_SAID: dict[str, Said] = {kind: cast(Said, kind.partition(".")[2]) for kind in get_args(Kind)}
_SIGNATURE = re.compile(r"t=([0-9]{1,12})((?:,v[0-9]+=[0-9a-f]{1,128})+)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}", re.ASCII)


class Sandbox:
    """The sandbox provider, named "sandbox".

    Args:
        url: where its pay page is served (`farthing.providers.sandbox_page`), e.g. "http://127.0.0.1:8000/sandbox".
        secrets: each at least 16 bytes long; the first signs, all are accepted, so that they can be changed.
        merchant: who asks for the money, as the pay page says it.
    """

    name = "sandbox"
    livemode = False

    def __init__(self, *, url: str, secrets: Sequence[str], merchant: str = "Sandbox shop") -> None:
        if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
            raise SettingsInvalid(f"The sandbox needs a secret of at least {MIN_SECRET_BYTES} bytes.")
        self.url = url.rstrip("/")
        self.merchant = merchant
        self._secrets = [secret.encode() for secret in secrets]

    def start(self, bill: Bill) -> Started:
        """The bill's pay page; the same bill has the same one."""
        return Started(f"sandbox_{bill.order}", f"{self.url}/pay/{self._token(bill)}")

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
        try:
            return _event(json.loads(body))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise EventUnreadable(f"This is not an event of the sandbox ({error!r}). Nothing was changed.") from error

    def event(
        self,
        bill: Bill,
        kind: Kind,
        *,
        id: str,
        at: datetime,
        payment: str | None = None,
        amount_minor: int | None = None,
        tax_minor: int = 0,
        currency: str | None = None,
        reason: str | None = None,
    ) -> bytes:
        """The body of an event about a bill. It can be told to misbehave: another payment, amount, tax or currency."""
        paid = (bill.total_minor if amount_minor is None else amount_minor) if kind == "payment.paid" else 0
        data: dict[str, Any] = {
            "order": bill.order,
            "checkout": f"sandbox_{bill.order}",
            "payment": payment or f"pay_{bill.order}",
            "amount_minor": paid,
            "tax_minor": tax_minor,
            "currency": bill.currency if currency is None else currency,
            "reason": reason,
        }
        told = {"id": id, "type": kind, "created_at": at.isoformat(), "livemode": False, "data": data}
        return json.dumps(told, separators=(",", ":")).encode()

    def sign(self, body: bytes, at: datetime) -> dict[str, str]:
        """The headers of a webhook with this body, signed by the first secret."""
        said_at = str(int(at.timestamp()))
        return {
            "content-type": "application/json",
            SIGNATURE_HEADER: f"t={said_at},v1={_mac(self._secrets[0], f'{said_at}.'.encode() + body)}",
        }

    def bill(self, token: str) -> Bill | None:
        """The bill that a pay page's address carries; None where the sandbox never made this address."""
        said, _, signature = token.partition(".")
        right = [_mac(secret, b"bill." + said.encode()) for secret in self._secrets]
        if not any(hmac.compare_digest(signature.encode(), one.encode()) for one in right):
            return None
        try:
            *parts, expires_at = json.loads(urlsafe_b64decode(said + "=" * (-len(said) % 4)))
        except (NotBase64, ValueError):
            return None
        return Bill._make((*parts, datetime.fromtimestamp(expires_at, UTC)))

    def _token(self, bill: Bill) -> str:
        said = json.dumps([*bill[:-1], int(bill.expires_at.timestamp())], separators=(",", ":"))
        coded = urlsafe_b64encode(said.encode()).decode().rstrip("=")
        return f"{coded}.{_mac(self._secrets[0], b'bill.' + coded.encode())}"


def _event(told: Any) -> ProviderEvent:
    event_id, kind, livemode = _word(told["id"]), _word(told["type"]), told["livemode"] is True
    if kind not in _SAID:
        return ProviderEvent(event_id, kind, livemode, (), None)
    data = told["data"]
    references = tuple(_word(data[name]) for name in ("order", "checkout", "payment"))
    at = datetime.fromisoformat(told["created_at"])
    if at.tzinfo is None:
        raise EventUnreadable("The event's time has no zone. Nothing was changed.")
    reason = None if data["reason"] is None else _word(data["reason"])
    notice = Notice(
        references[2], _SAID[kind], at.astimezone(UTC), _minor(data["amount_minor"]), _minor(data["tax_minor"]),
        _word(data["currency"]), reason,
    )  # fmt: skip
    return ProviderEvent(event_id, kind, livemode, references, notice)


def _word(said: Any) -> str:
    if not isinstance(said, str) or not _NAME.fullmatch(said):
        raise ValueError(f"{said!r} is no name")
    return said


def _minor(said: Any) -> int:
    if type(said) is not int or not 0 <= said < LIMIT:
        raise ValueError(f"{said!r} is no amount of money")
    return said


def _mac(secret: bytes, said: bytes) -> str:
    return hmac.new(secret, said, sha256).hexdigest()


def _unsigned(why: str) -> Invalid:
    return BadSignature(f"This webhook is not from the sandbox: {why}. Nothing was stored.")
