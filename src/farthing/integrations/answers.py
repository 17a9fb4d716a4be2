"""What a caller is told who was not charged: RFC 9457 problems, and a small page for browsers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Any, NamedTuple

from farthing.amounts import text
from farthing.errors import FarthingError, InsufficientCredits, Unavailable
from farthing.integrations.charging import Charging, Declined
from farthing.statuses import status_of, title_of

log = logging.getLogger("farthing")

_JSON = "application/problem+json"
_HTML = "text/html; charset=utf-8"


class Answer(NamedTuple):
    """A whole answer, for any framework to send."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer_to(error: Exception, charging: Charging, accept: str) -> Answer | None:
    """The answer to what `begin`, `finish` or a verb of the application's raised; None where it is not the caller's to
    know: that is left to the framework, which answers 500.

    Args:
        accept: the request's Accept header: who wants text/html and no JSON gets a small page.
    """
    if isinstance(error, Declined):
        return _problem(accept, error.code, error.status, error.title, error.detail, {})
    if not isinstance(error, FarthingError):
        return None
    status, title = status_of(type(error)), title_of(type(error))
    if isinstance(error, Unavailable):
        log.error("a request could not be charged: %s", error, exc_info=error)
        answer = _problem(accept, error.code, status, title, f"{title}. Make the same request again.", {})
        return answer._replace(headers=answer.headers | {"Retry-After": "1"})
    if status >= 500:
        return None
    facts = error.facts
    if isinstance(error, InsufficientCredits) and (url := _top_up(error, charging)):
        facts = facts | {"top_up_url": url}
    return _problem(accept, error.code, status, title, error.message, facts)


def _top_up(error: InsufficientCredits, charging: Charging) -> str | None:
    url = charging.top_up_url
    return url(error) if callable(url) else url


def _problem(accept: str, code: str, status: int, title: str, detail: str, facts: dict[str, Any]) -> Answer:
    page = "text/html" in accept and "json" not in accept
    said = {"type": f"urn:farthing:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
    body = _page(title, detail, facts.get("top_up_url")) if page else _json(said | facts | said)
    headers = {"Content-Type": _HTML if page else _JSON, "Cache-Control": "no-store", "Vary": "Accept"}
    return Answer(status, headers, body.encode("utf-8", "backslashreplace"))


def _json(members: dict[str, Any]) -> str:
    """An object whose decimals are plain numbers that no float touched."""
    return "{" + ", ".join(_members(members)) + "}"


def _members(members: dict[str, Any]) -> Iterable[str]:
    for name, value in members.items():
        exact = isinstance(value, Decimal)
        yield f"{json.dumps(name)}: {text(value) if exact else json.dumps(value, ensure_ascii=False, default=str)}"


def _page(title: str, detail: str, url: str | None) -> str:
    way = f'<p><a href="{escape(url)}">Top up</a></p>' if url else ""
    return (
        '<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><h1>{escape(title)}</h1><p>{escape(detail)}</p>{way}</html>"
    )
