"""`charge`: a decorator for views, plain and async."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from farthing.amounts import Amount
from farthing.errors import FarthingError
from farthing.integrations.answers import answer_to
from farthing.integrations.charging import Asked, Charged, Charging, Declined, Delivery, Price
from farthing.integrations.charging import price as priced
from farthing.integrations.django.configuration import charging
from farthing.integrations.settling import begin, begin_awaiting, carry_out, carry_out_awaiting, finish, key_of, surely
from farthing.integrations.streams import AsyncDelivering, Delivering
from farthing.ledger.commands import DEFAULT, Expires

View = Callable[..., Any]


def charge(
    amount: Amount | Asked,
    credit_type: str,
    *,
    operation: str | None = None,
    expires: Expires = DEFAULT,
    on_repeat: str = "refuse",
) -> Callable[[View], View]:
    """A decorator that charges for a view, plain or async: set aside before it runs, captured when its answer is a
    success (below 400), released when it is not or when it raises. The view finds its `Charged` in `request.charged`.

    Args:
        amount: in credits; or a callable from the `HttpRequest` to it, which may answer 0, and may be awaited where the
            view is async.
        operation, expires, on_repeat: as for `farthing.integrations.charging.price`.
    Raises:
        Invalid: an argument is wrong.
    """
    costs = priced(amount, credit_type, operation=operation, expires=expires, on_repeat=on_repeat)
    return lambda view: _awaited(view, costs) if iscoroutinefunction(view) else _plain(view, costs)


def refusal(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer to an error of Farthing's; None for what is left to Django."""
    answer = answer_to(error, charging(), _header(request, "Accept") or "")
    return answer and HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def _plain(view: View, costs: Price) -> View:
    @wraps(view)
    def charging_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        whom = charging()
        try:
            charged = _note(request, carry_out(begin(whom, costs, request, _key(request)), whom.credits))
            try:
                response = view(request, *args, **kwargs)
            except BaseException:
                _settle(whom, charged, Delivery.NONE)
                raise
            if response.streaming and response.status_code < 400:
                return _streamed(response, whom, charged)
            _settle(whom, charged, _delivery(response))
            return response
        except (FarthingError, Declined) as error:
            return _answered(request, error)

    return charging_view


def _awaited(view: View, costs: Price) -> View:
    @wraps(view)
    async def charging_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        whom = await sync_to_async(charging)()
        try:
            charged = _note(request, await begin_awaiting(whom, costs, request, _key(request)))
            try:
                response = await view(request, *args, **kwargs)
            except BaseException:
                await _settle_awaiting(whom, charged, Delivery.NONE)
                raise
            if response.streaming and response.status_code < 400:
                return _streamed(response, whom, charged)
            await _settle_awaiting(whom, charged, _delivery(response))
            return response
        except (FarthingError, Declined) as error:
            return _answered(request, error)

    return charging_view


def _key(request: HttpRequest) -> str:
    place = len(getattr(request, "farthing_charges", ()))
    return key_of(request.method or "", request.get_full_path(), _header(request, "Idempotency-Key"), place=place)


def _header(request: Any, name: str) -> str | None:
    return request.headers.get(name)


def _note(request: Any, charged: Charged) -> Charged:
    request.farthing_charges = [*getattr(request, "farthing_charges", ()), charged]
    request.charged = charged
    return charged


def _settle(whom: Charging, charged: Charged, delivery: Delivery) -> None:
    carry_out(finish(charged, delivery), whom.credits)


async def _settle_awaiting(whom: Charging, charged: Charged, delivery: Delivery) -> None:
    await surely(carry_out_awaiting(finish(charged, delivery), whom.awaiting))


def _delivery(response: HttpResponseBase) -> Delivery:
    return Delivery.WHOLE if response.status_code < 400 else Delivery.NONE


def _streamed(response: Any, whom: Charging, charged: Charged) -> HttpResponseBase:
    settle = partial(_settle, whom, charged)
    parts = response.streaming_content
    if response.is_async:
        response.streaming_content = AsyncDelivering(parts, partial(_settle_awaiting, whom, charged), settle)
    else:
        response.streaming_content = Delivering(parts, settle)
    return response


def _answered(request: HttpRequest, error: Exception) -> HttpResponse:
    answer = refusal(request, error)
    if answer is None:
        raise error
    return answer
