"""What people send: read within bounds, and only from our own pages."""

from __future__ import annotations

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


def came_from_here(request: Request) -> bool:
    """Whether the browser says that a page of this very origin sent the request.

    Every browser of today says so: by Sec-Fetch-Site where the connection is safe, else by Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
