"""Functions of the application's that the catalog names: "shop.pricing:images"."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_TOLD = ("currency", "plan", "account")


def imported(name: str) -> Callable[..., Any]:
    """The price calculator called so.

    Raises:
        ValueError: it cannot be imported, or cannot be asked for a price; says why.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f'{name!r} names no function; write "package.module:function"')
    module, _, path = name.partition(":")
    try:
        found: Any = import_module(module)
    except Exception as error:  # whatever the application's own module does when it is imported
        raise ValueError(f"{module} cannot be imported ({type(error).__name__}: {error})") from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{module} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} is a {type(found).__name__}, not a function")
    if iscoroutinefunction(found) or iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004
        raise ValueError(f"{name} is async, and a price is not waited for; make it a plain function")
    if not _can_be_asked(found):
        raise ValueError(f"{name} cannot be called as (amount, *, currency, plan, account)")
    return found


def _can_be_asked(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind(Parameter.empty, **dict.fromkeys(_TOLD))
    except TypeError:
        return False
    except ValueError:  # something built in that does not say how it is called
        return True
    return True
