"""Asking Stripe's API by its official SDK: the pinned version, bounded waits, idempotency keys, plain answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from farthing.errors import ProviderUnavailable

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
TIMEOUT_S = 20.0
RETRIES = 2

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


class Refused(Exception):
    """Stripe understood what we asked for, and will not do it, in its own words. `missing`: it knows no such thing."""

    def __init__(self, said: str, *, missing: bool) -> None:
        super().__init__(said)
        self.missing = missing


class Declined(Exception):
    """The bank said no: its code, or Stripe's, and the PaymentIntent as it stands then, where there is one."""

    def __init__(self, reason: str, intent: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.intent = intent


class Api:
    """One account's API, by its secret key, which nothing here shows."""

    def __init__(self, secret_key: str, *, base: str | None, timeout_s: float) -> None:
        self._secret_key, self._base, self._timeout_s = secret_key, base, timeout_s
        self._services: tuple[int, stripe.V1Services] | None = None

    @property
    def v1(self) -> stripe.V1Services:
        """The SDK's own names for what the API can do, over connections of this process.

        Those it had before a fork are left alone: two processes on one connection read each other's answers
        (tests/faults/test_preload.py).
        """
        process = os.getpid()
        if self._services is None or self._services[0] != process:
            self._services = (process, self._client().v1)
        return self._services[1]

    def _client(self) -> stripe.StripeClient:
        import stripe

        return stripe.StripeClient(
            self._secret_key,
            stripe_version=API_VERSION,
            base_addresses={"api": self._base} if self._base else None,
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=self._timeout_s),
        )

    def made(self, create: Callable[..., Any], asked: Mapping[str, Any], key: str | None) -> Any:
        """What was made, as plain data; the same key again answers the same, and None something new.

        Raises:
            Refused, Declined: it was not made. ProviderUnavailable: no answer; it may have been made all the same.
        """
        with _answered():
            return create(asked, {"idempotency_key": f"farthing-{key}"} if key else None).to_dict()

    def read(self, retrieve: Callable[..., Any], name: str, expand: Sequence[str] = ()) -> Any:
        """The object of this name as plain data; None where there is none.

        Raises:
            ProviderUnavailable: no answer.
        """
        try:
            with _answered():
                return retrieve(name, {"expand": list(expand)} if expand else None).to_dict()
        except Refused as refused:
            if refused.missing:
                return None
            raise _unavailable(f"Stripe does not show {name}: {refused}.") from refused

    def each(self, listed: Callable[..., Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        """Every object of a list, as plain data.

        Raises:
            ProviderUnavailable: no answer.
        """
        try:
            with _answered():
                found = [one.to_dict() for one in listed({"limit": 100, **asked}).auto_paging_iter()]
        except Refused as refused:
            raise _unavailable(f"Stripe does not list what we ask for: {refused}.") from refused
        return iter(found)


@contextmanager
def understood() -> Generator[None]:
    """Reads an answer.

    Raises:
        ProviderUnavailable: it is not what Stripe documents.
    """
    try:
        yield
    except _UNREADABLE as error:
        raise _unavailable(
            f"Stripe answered something that it does not document ({error!r:.200}). The order stands; make the same "
            "call again."
        ) from error


@contextmanager
def _answered() -> Generator[None]:
    """Turns the SDK's errors into ours."""
    import stripe

    try:
        yield
    except stripe.CardError as error:
        raise Declined(*_why(error)) from error
    except stripe.InvalidRequestError as error:
        said = error.user_message or error.code or "it does not say why"
        raise Refused(said, missing=error.code == "resource_missing") from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise _unavailable(
            "Stripe does not take our secret key for this. Nothing was charged. Set FARTHING_STRIPE_SECRET_KEY right."
        ) from error
    except stripe.StripeError as error:
        raise _unavailable(
            f"Stripe did not answer ({type(error).__name__}). The order stands; make the same call again."
        ) from error


def _why(error: stripe.CardError) -> tuple[str, Any]:
    said = cast("dict[str, Any]", cast(Any, error.json_body or {}).get("error") or {})
    code = said.get("code")
    reason = code if code == "authentication_required" else said.get("decline_code") or code
    return str(reason or "card_declined"), said.get("payment_intent")


def _unavailable(message: str) -> ProviderUnavailable:
    return ProviderUnavailable(message, provider="stripe")
