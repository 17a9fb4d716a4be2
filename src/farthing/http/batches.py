"""Batches: many writes of many accounts in one call, all or none, or each for itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema
from starlette.requests import Request

from farthing import errors
from farthing.core.names import hold_id
from farthing.errors import FarthingError
from farthing.http.auth import needs, require_scope
from farthing.http.charges import NOT_PRICED, Charge
from farthing.http.corrections import Clawback, Reversal, Void
from farthing.http.entries import Entry
from farthing.http.fields import WRITES, Said
from farthing.http.holds import Capture, Extension, HoldAsked
from farthing.http.problems import told
from farthing.http.route import ledger, refusals, router
from farthing.http.spending import Deduction, Grant
from farthing.http.transfers import Transfer
from farthing.http.wire import Body, Exact
from farthing.ledger.posting import MOST, Call, call, placed
from farthing.views import Receipt

routes = router("Batches")

Account = Annotated[str, Field(description="Whose credits.", examples=["ada"])]
Key = Annotated[str, Field(description="The idempotency key, as in the header of a single write.", examples=["job:1"])]
HoldId = Annotated[str, Field(description="The hold's id.", examples=["hold_images_7"])]


class GrantCall(Grant):
    """A grant."""

    verb: Literal["grant"]
    account: Account
    key: Key


class DeductCall(Deduction):
    """A deduction."""

    verb: Literal["deduct"]
    account: Account
    key: Key


class ChargeCall(Charge):
    """A charge by a rate card."""

    verb: Literal["charge"]
    account: Account
    key: Key


class HoldCall(HoldAsked):
    """A hold."""

    verb: Literal["hold"]
    account: Account
    key: Key


class CaptureCall(Capture):
    """A capture. It needs no key: a hold ends once."""

    verb: Literal["capture"]
    account: Account
    hold: HoldId


class ReleaseCall(Said):
    """A release. It needs no key: a hold ends once."""

    verb: Literal["release"]
    account: Account
    hold: HoldId


class ExtendCall(Extension):
    """Another deadline of a hold."""

    verb: Literal["extend"]
    account: Account
    key: Key
    hold: HoldId


class ReverseCall(Reversal):
    """A deduction taken back."""

    verb: Literal["reverse"]
    account: Account
    key: Key


class VoidCall(Void):
    """A lot that ends."""

    verb: Literal["void"]
    account: Account
    key: Key


class ClawbackCall(Clawback):
    """Credits taken back."""

    verb: Literal["clawback"]
    account: Account
    key: Key


class TransferCall(Transfer):
    """Credits that move."""

    verb: Literal["transfer"]
    account: Account
    key: Key


AnyCall = Annotated[
    GrantCall
    | DeductCall
    | ChargeCall
    | HoldCall
    | CaptureCall
    | ReleaseCall
    | ExtendCall
    | ReverseCall
    | VoidCall
    | ClawbackCall
    | TransferCall,
    Field(discriminator="verb"),
]
_NEEDS = {"grant": "grant", "void": "admin", "clawback": "admin", "transfer": "admin"}


class Batch(Body):
    """Calls, in the order in which they see one another."""

    calls: list[AnyCall] = Field(max_length=MOST, description=f"At most {MOST}.")
    atomic: bool = Field(
        default=True, description="All of them or, with the first refusal, none. False: each as if it were alone."
    )


class Outcome(BaseModel):
    """What became of one call: an entry, or a problem."""

    entry: Entry | None
    hold: str | None = Field(description="The id of the hold that was made.")
    replayed: bool = Field(description="An earlier call with the same key had made the entry.")
    problem: Annotated[
        dict[str, Any] | None,
        WithJsonSchema(
            {"type": ["object", "null"], "description": "Why it was refused, with the members of a problem."}
        ),
    ]


class Outcomes(BaseModel):
    """What became of the calls, in their order."""

    data: list[Outcome]


@routes.post(
    "/batches",
    openapi_extra=needs("spend"),
    response_model=Outcomes,
    responses=refusals(
        *(errors.InsufficientCredits, errors.AccountFrozen, errors.NotFound, errors.HoldEnded, errors.NotEnoughLeft),
        *(errors.UnknownCreditType, errors.InvalidExpiry, errors.NothingToCharge, *NOT_PRICED, *WRITES),
    ),
)
async def post(request: Request, asked: Batch) -> Exact:
    """Many writes in one call. Each has its own account and key, so the whole batch may be sent again.

    A call that is wrong as written stops all of them, and so does the first refusal where they are atomic: its problem
    has the call's `index`, from 0. A reversal finds only deductions that were made before the batch.

    Besides `spend`, a grant needs the scope `grant`, and what takes back lots or moves credits needs `admin`.
    """
    for one in asked.calls:
        require_scope(request.state.api_key, _NEEDS.get(one.verb, "spend"))
    credits, calls = ledger(request), [_call(request, one, index) for index, one in enumerate(asked.calls)]
    answers = await (credits.post(calls) if asked.atomic else credits.post(calls, atomic=False))
    return Exact({"data": [_outcome(request, one) for one in answers]})


def _call(request: Request, asked: AnyCall, index: int) -> Call:
    verb = asked.by if isinstance(asked, HoldAsked | Capture) else asked.verb
    try:
        said = asked.arguments(request)
    except FarthingError as error:
        raise placed(error, index) from error
    del said["verb"]
    return getattr(call, verb)(**said)


def _outcome(request: Request, answer: Receipt | FarthingError) -> dict[str, Any]:
    if isinstance(answer, FarthingError):
        return {"entry": None, "hold": None, "replayed": False, "problem": told(request.scope, answer)}
    entry = answer.as_dict()
    replayed = entry.pop("replayed")
    made = hold_id(answer.credit_type, answer.seq) if answer.kind == "hold" else None
    return {"entry": entry, "hold": made, "replayed": replayed, "problem": None}
