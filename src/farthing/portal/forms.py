"""What people send: read within bounds, and only from our own pages."""

from __future__ import annotations

from string import punctuation
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 16 * 1024
MAX_FIELDS = 50
ROOT = "farthing.portal.root"  # in a request's scope: the prefix that the portal is mounted under


class Stopped(HTTPException):
    """A request that gets a page about what is wrong, by its name in `words.py` ("problem.NAME.title")."""

    def __init__(self, problem: str, status: int) -> None:
        super().__init__(status, problem)
        self.problem = problem


async def read(request: Request) -> dict[str, str]:
    """The fields of a form that came from one of our pages; of a field sent twice, the last.

    Raises:
        Stopped: it came from elsewhere, is larger than any of ours, or is no form.
    """
    if not came_from_here(request):
        raise Stopped("foreign_form", 403)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Stopped("too_large", 413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError:
        raise Stopped("foreign_form", 400) from None


def root(request: Request) -> str:
    """The prefix that the portal is mounted under, as addresses say it; "" where there is none."""
    return quote(request.scope[ROOT])


def page(request: Request) -> str:
    """The path within the portal that was asked for, e.g. "/orders/ord_1"; it begins with one slash."""
    return "/" + request.scope["path"].removeprefix(request.scope[ROOT]).lstrip("/")


def here(request: Request) -> str:
    """The address that was asked for, with its query, from the host on: no other site's, however it is written."""
    path = "/" + f"{root(request)}{quote(page(request))}".lstrip("/")
    asked = quote(request.scope["query_string"], safe=punctuation)
    return f"{path}?{asked}" if asked else path


def secure(request: Request, base_url: str | None) -> bool:
    """Whether people come by https: the request did, or the portal's own address says so, behind a proxy."""
    return "https" in (request.url.scheme, urlsplit(base_url or "").scheme)


def came_from_here(request: Request) -> bool:
    """Whether the browser says that a page of this very origin sent the request.

    Every browser of today says so: by Sec-Fetch-Site where the connection is safe, else by Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
