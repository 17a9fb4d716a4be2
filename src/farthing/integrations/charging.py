"""What a route costs, whom an application charges, what a handler is given. Nothing here knows a framework."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from farthing.amounts import Amount, exact
from farthing.awaiting import AsyncCredits
from farthing.core import checks
from farthing.credits import Credits
from farthing.errors import InsufficientCredits, InvalidAmount
from farthing.ledger.commands import DEFAULT, Expires
from farthing.views import Receipt

REPEATS = ("run", "refuse")

Asked = Callable[[Any], Any]
"""A callable from the framework's request; it may be awaited where the framework awaits."""


class Delivery(Enum):
    """How far an answer came: nobody got anything of it, it was cut off on its way, or it is whole."""

    NONE = "none"
    CUT = "cut"
    WHOLE = "whole"


class Declined(Exception):
    """A request that is neither charged nor run, for a reason that only a web application has."""

    def __init__(self, code: str, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.title = title
        self.detail = detail


class Price(NamedTuple):
    """What a request costs: `amount` credits of a type, or what a callable says for it; 0 is free.

    `operation` and `expires` are the hold's. `on_repeat` is "run" or "refuse".
    """

    amount: Amount | Asked
    credit_type: str
    operation: str | None = None
    expires: Expires = DEFAULT
    on_repeat: str = "refuse"


def price(
    amount: Amount | Asked,
    credit_type: str,
    *,
    operation: str | None = None,
    expires: Expires = DEFAULT,
    on_repeat: str = "refuse",
) -> Price:
    """What requests cost, checked once, where the application is made.

    Args:
        amount: in credits, more than zero; or a callable from the framework's request to it, which may answer 0 for
            what is free.
        operation: what they are for, noted on the entries. expires: of the hold, as for `Credits.hold`; work that takes
            longer is charged all the same, if there are credits then.
        on_repeat: what becomes of a request whose Idempotency-Key was charged already: "refuse" it, or "run" it again
            without charging again, for handlers that answer the same once more. Callers choose their keys.
    Raises:
        FloatAmount, InvalidAmount: the amount is none. InvalidField: `on_repeat` is another word.
    """
    if not callable(amount):
        exact(amount)
    return Price(amount, credit_type, operation, expires, checks.one_of("on_repeat", on_repeat, REPEATS))


class Charging:
    """Whom an application charges, and where people top up."""

    def __init__(
        self,
        credits: Credits | AsyncCredits,
        *,
        account: Asked,
        top_up_url: str | Callable[[InsufficientCredits], str | None] | None = None,
    ) -> None:
        """
        Args:
            account: from the framework's request to an account id. None is answered with 401; it may also raise the
                framework's own errors.
            top_up_url: where people buy credits, told with every 402; or a callable to it from the refusal, whose
                `account`, `credit_type` and `shortfall` say what is needed.
        """
        self.awaiting = credits if isinstance(credits, AsyncCredits) else AsyncCredits(credits)
        self.credits = self.awaiting.credits
        self.account = account
        self.top_up_url = top_up_url


class Charged:
    """What was set aside for one request, in the hands of its handler.

    Attributes:
        account, amount: who has how many credits set aside; 0 where the request is free.
        repeated: whether an earlier request had the same Idempotency-Key, and was charged or is under way.
        used: what the handler said it used, in credits; None where it said nothing.
        receipt: of the capture; None until the answer leaves, and where nothing was captured.
    """

    def __init__(self, account: str, price: Price, key: str, amount: Decimal) -> None:
        self.account = account
        self.price = price
        self.key = key
        self.amount = amount
        self.hold: str | None = None
        self.repeated = False
        self.used: Decimal | None = None
        self.receipt: Receipt | None = None
        self.settled = False

    def use(self, amount: Amount) -> None:
        """Has so much captured instead of all that was set aside; the last call counts.

        A stream says it anew as it delivers: where it breaks, what was said last is captured.

        Args:
            amount: in credits, 0 or more; more than was set aside only where the credit type has `capture_more`.
        Raises:
            FloatAmount, InvalidAmount: it is no such amount.
        """
        said = exact(amount)
        if said < 0:
            raise InvalidAmount(f"Nobody can use {said} credits. What is captured stays as it was.")
        self.used = said


def due(delivery: Delivery, used: Decimal | None) -> Decimal | None:
    """What is captured: so much, None for all that was set aside, 0 for nothing.

    A whole answer costs what its handler said it used, or all. One that was cut off costs what its handler said by
    then, or nothing: nobody else knows what a part of it is worth.
    """
    if delivery is Delivery.WHOLE or (delivery is Delivery.CUT and used is not None):
        return used
    return Decimal(0)
