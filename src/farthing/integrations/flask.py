"""Flask views that charge for themselves: `@charge(2, "images")`, and `Farthing(app, …)` once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, cast

from flask import Flask, Response, current_app, g, request

from farthing.amounts import Amount
from farthing.credits import Credits
from farthing.errors import FarthingError, InsufficientCredits, SettingsInvalid
from farthing.integrations.answers import answer_to
from farthing.integrations.charging import Asked, Charged, Charging, Declined, Delivery
from farthing.integrations.charging import price as priced
from farthing.integrations.settling import begin, carry_out, finish, key_of
from farthing.integrations.streams import Delivering
from farthing.ledger.commands import DEFAULT, Expires

__all__ = ["Charged", "Farthing", "charge", "charged"]

_HERE = "farthing"
View = Callable[..., Any]


class Farthing:
    """The extension: `Farthing(app, credits, account=…)`, or `init_app` of one made without an application.

    It opens and closes nothing and runs no jobs. Farthing's refusals, also those of your own verbs, are answered as
    problems.
    """

    def __init__(self, app: Flask | None = None, credits: Credits | None = None, **said: Any) -> None:
        """As `init_app`, if an application and credits are given."""
        if app is not None and credits is not None:
            self.init_app(app, credits, **said)

    def init_app(
        self,
        app: Flask,
        credits: Credits,
        *,
        account: Asked,
        top_up_url: str | Callable[[InsufficientCredits], str | None] | None = None,
    ) -> None:
        """Lets views of `app` charge.

        Args:
            account: from the `Request` to the id of the account that is charged; None is answered with 401.
            top_up_url: where people buy credits, or a callable to it from the InsufficientCredits; told with every 402.
        """
        charging = Charging(credits, account=account, top_up_url=top_up_url)

        def refused(error: Exception) -> Response:
            answer = answer_to(error, charging, request.headers.get("Accept", ""))
            if answer is None:
                raise error
            return Response(answer.body, answer.status, answer.headers)

        app.extensions[_HERE] = charging
        app.register_error_handler(FarthingError, refused)
        app.register_error_handler(Declined, refused)


def charge(
    amount: Amount | Asked,
    credit_type: str,
    *,
    operation: str | None = None,
    expires: Expires = DEFAULT,
    on_repeat: str = "refuse",
) -> Callable[[View], View]:
    """A decorator that charges for a view: set aside before it runs, captured when its answer is a success (below 400),
    released when it is not or when it raises. Stands below `@app.route`.

    Args:
        amount: in credits; or a callable from the `Request` to it, which may answer 0.
        operation, expires, on_repeat: as for `farthing.integrations.charging.price`.
    Raises:
        Invalid: an argument is wrong. SettingsInvalid, with the request: the application has no `Farthing`.
    """
    costs = priced(amount, credit_type, operation=operation, expires=expires, on_repeat=on_repeat)

    def decorated(view: View) -> View:
        @wraps(view)
        def charging_view(*args: Any, **kwargs: Any) -> Response:
            charging = _charging()
            mine: list[Charged] = g.setdefault(_HERE, [])
            target = request.full_path if request.query_string else request.path
            key = key_of(request.method, target, request.headers.get("Idempotency-Key"), place=len(mine))
            asking = cast(Any, request)._get_current_object()
            mine.append(carry_out(begin(charging, costs, asking, key), charging.credits))
            settle = partial(_settle, charging, mine[-1])
            try:
                response = current_app.make_response(current_app.ensure_sync(view)(*args, **kwargs))
            except BaseException:
                settle(Delivery.NONE)
                raise
            return _settled(response, settle)

        return charging_view

    return decorated


def charged() -> Charged:
    """What was set aside for the request that is being handled; with several decorators, by the innermost.

    Raises:
        SettingsInvalid: no decorator of this view charges.
    """
    mine: list[Charged] = g.get(_HERE, [])
    if not mine:
        raise SettingsInvalid('This view charges nothing. Decorate it with @charge(2, "images"), below @app.route.')
    return mine[-1]


def _charging() -> Charging:
    charging = current_app.extensions.get(_HERE)
    if charging is None:
        raise SettingsInvalid(
            "Nobody said whom to charge. Nothing was charged. "
            "Call farthing.integrations.flask.Farthing(app, credits, account=…) where the application is made."
        )
    return charging


def _settle(charging: Charging, charged: Charged, delivery: Delivery) -> None:
    carry_out(finish(charged, delivery), charging.credits)


def _settled(response: Response, settle: Callable[[Delivery], None]) -> Response:
    if response.status_code >= 400:
        settle(Delivery.NONE)
    elif response.is_streamed:
        response.response = Delivering(cast(Any, response.response), settle)
    else:
        settle(Delivery.WHOLE)
    return response
