"""Many commands in one call: said first, checked together, then carried out all or none, or each for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, NamedTuple, ParamSpec

from farthing.catalog import Catalog
from farthing.errors import FarthingError, InvalidField
from farthing.ledger.beat import Answer, Command, Outcome
from farthing.ledger.verbs import Verbs, receipt
from farthing.ledger.window import Window
from farthing.views import Receipt

P = ParamSpec("P")

MOST = 1000
"""Calls in one `post` that is all or none: it keeps all its wallets locked until it is through."""


class Call(NamedTuple):
    """A verb and what it will be called with. It belongs to no database, and nothing happens until it is posted."""

    verb: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _later(verb: Callable[Concatenate[Any, P], Any]) -> Callable[Concatenate[Calls, P], Call]:
    asked = signature(verb)

    def said(self: Calls, *args: P.args, **kwargs: P.kwargs) -> Call:
        asked.bind(self, *args, **kwargs)
        return Call(verb.__name__, args, kwargs)

    return wraps(verb)(said)


class Calls:
    """The verbs with their own arguments, said now and carried out by `post`: `call.deduct("ada", "images", 5, …)`."""

    grant = _later(Verbs.grant)
    deduct = _later(Verbs.deduct)
    charge = _later(Verbs.charge)
    reverse = _later(Verbs.reverse)
    hold = _later(Verbs.hold)
    hold_for = _later(Verbs.hold_for)
    capture = _later(Verbs.capture)
    capture_for = _later(Verbs.capture_for)
    release = _later(Verbs.release)
    extend = _later(Verbs.extend)
    void = _later(Verbs.void)
    clawback = _later(Verbs.clawback)
    transfer = _later(Verbs.transfer)


call = Calls()


class Checking(Verbs):
    """The verbs that only check their arguments: what `Verbs` calls a receipt is the command here."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def command(self, one: Call) -> Command:
        """What `one` asks for.

        Raises:
            Invalid: an argument is wrong.
        """
        return getattr(self, one.verb)(*one.args, **one.kwargs)

    def _receipt(self, command: Command) -> Any:
        return command

    def _held(self, command: Command) -> Any:
        return command

    def _held_for(self, command: Command, dimensions: dict[str, str]) -> Any:
        return command


def commands(catalog: Catalog, calls: Sequence[Call]) -> list[Command]:
    """The commands that `calls` ask for, every one of them checked.

    Raises:
        Invalid: a call is wrong as written; `index` is its place in the list, from 0.
    """
    verbs = Checking(catalog)
    return [_command(verbs, one, index) for index, one in enumerate(calls)]


def few_enough(calls: Sequence[Call]) -> Sequence[Call]:
    """`calls`, if their wallets may be locked all at once.

    Raises:
        InvalidField: more than `MOST`.
    """
    if len(calls) > MOST:
        raise InvalidField(
            f"{len(calls)} calls are too many for one transaction, which keeps all their wallets locked: {MOST} at "
            "most. Nothing was changed. Post them in parts, or each for itself with atomic=False.",
            field="calls",
        )
    return calls


def require_all(answers: Sequence[Answer]) -> None:
    """Nothing, if no command was refused.

    Raises:
        the first refusal; `index` is the place of its call in the list, from 0.
    """
    for index, answer in enumerate(answers):
        if isinstance(answer, FarthingError):
            raise placed(answer, index)


def each_for_itself(made: Sequence[Command], submit: Callable[[Command], Future[Outcome]]) -> list[Any]:
    """What became of each command, in order: its receipt or its error."""
    answers: list[Receipt | FarthingError] = []

    def settle(command: Command, answer: Future[Outcome]) -> None:
        try:
            answers.append(receipt(command, answer.result()))
        except FarthingError as error:
            answers.append(error)

    with Window(submit, settle) as window:
        for command in made:
            window.put(command)
    return answers


def _command(verbs: Checking, one: Call, index: int) -> Command:
    if not isinstance(one, Call):
        raise InvalidField(
            f"calls[{index}] is a {type(one).__name__}, not a call. Nothing was changed. "
            'Make it with `farthing.call`, e.g. call.deduct("ada", "images", 5, key="job:1").',
            field="calls",
            index=index,
        )
    try:
        return verbs.command(one)
    except FarthingError as error:
        raise placed(error, index) from error


def placed(error: FarthingError, index: int) -> FarthingError:
    """The same error, which also says which of the calls it is about."""
    return type(error)(f"calls[{index}]: {error.message}", **error.facts, index=index)
