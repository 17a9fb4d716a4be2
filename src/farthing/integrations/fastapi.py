"""FastAPI routes that charge for themselves: `Depends(charge(2, "images"))`, and `install(app, …)` once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from farthing.amounts import Amount
from farthing.awaiting import AsyncCredits
from farthing.credits import Credits
from farthing.errors import FarthingError, InsufficientCredits, SettingsInvalid
from farthing.integrations.answers import answer_to
from farthing.integrations.asgi import Charges
from farthing.integrations.charging import Asked, Charged, Charging, Declined, Price
from farthing.integrations.charging import price as priced
from farthing.ledger.commands import DEFAULT, Expires

__all__ = ["Charged", "charge", "install"]

_HERE = "farthing.charges"


def install(
    app: FastAPI,
    credits: Credits | AsyncCredits,
    *,
    account: Asked,
    top_up_url: str | Callable[[InsufficientCredits], str | None] | None = None,
) -> None:
    """Lets routes of `app` charge, and answers Farthing's refusals in it as problems, also those of your own verbs.

    Call it before the application starts. It opens and closes nothing and runs no jobs.

    Args:
        account: from the `Request` to the id of the account that is charged; may be awaited. None is answered with 401.
        top_up_url: where people buy credits, or a callable to it from the InsufficientCredits; told with every 402.
    """
    charging = Charging(credits, account=account, top_up_url=top_up_url)

    async def refused(request: Request, error: Exception) -> Response:
        answer = answer_to(error, charging, request.headers.get("accept", ""))
        if answer is None:
            raise error
        return Response(answer.body, answer.status, answer.headers)

    app.add_middleware(_Settling, charging=charging)
    app.add_exception_handler(FarthingError, refused)
    app.add_exception_handler(Declined, refused)


def charge(
    amount: Amount | Asked,
    credit_type: str,
    *,
    operation: str | None = None,
    expires: Expires = DEFAULT,
    on_repeat: str = "refuse",
) -> Callable[[Request], Awaitable[Charged]]:
    """A dependency that charges for the request: set aside before the handler runs, captured when its answer is a
    success (below 400), released when it is not or when it raises.

    Use it as `dependencies=[Depends(charge(2, "images"))]`, or as a parameter, which is the request's `Charged`.

    Args:
        amount: in credits; or a callable from the `Request` to it, which may be awaited and may answer 0.
        operation, expires, on_repeat: as for `farthing.integrations.charging.price`.
    Raises:
        Invalid: an argument is wrong. SettingsInvalid, with the request: nobody called `install`.
    """
    costs = priced(amount, credit_type, operation=operation, expires=expires, on_repeat=on_repeat)

    async def charged(request: Request) -> Charged:
        return await _charge(request, costs)

    return charged


async def _charge(request: Request, costs: Price) -> Charged:
    charges: Charges | None = request.scope.get(_HERE)
    if charges is None:
        raise SettingsInvalid(
            "Nobody said whom to charge. Nothing was charged. "
            "Call farthing.integrations.fastapi.install(app, credits, account=…) where the application is made."
        )
    return await charges.charge(request, costs)


class _Settling:
    """Settles what the dependencies set aside, when it is known what became of the answer."""

    def __init__(self, app: ASGIApp, charging: Charging) -> None:
        self.app: Any = app
        self.charging = charging

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        charges = scope[_HERE] = Charges(self.charging, scope, send)
        await charges.around(self.app, receive)
