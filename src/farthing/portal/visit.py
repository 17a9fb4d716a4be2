"""One request of a customer, and what every page needs to answer it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Router

from farthing.credits import Credits
from farthing.errors import FarthingError, Invalid, NotFound, Unavailable
from farthing.portal import forms
from farthing.portal.forms import Stopped
from farthing.portal.reader import Reader
from farthing.portal.sessions import Sessions
from farthing.portal.words import ENGLISH
from farthing.tokens import Token

log = logging.getLogger("farthing")

HERE = Path(__file__).parent
STATIC = HERE / "static"
_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}


class Portal:
    """What all pages share: the credits, who is signed in, the templates, the addresses."""

    def __init__(self, credits: Credits, secrets: Sequence[str], base_url: str | None) -> None:
        self.credits = credits
        self.sessions = Sessions(credits, secrets, base_url)
        self.base_url = base_url
        self.router = Router()
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.versions = {path.name: _digest(path) for path in STATIC.iterdir() if path.is_file()}

    def add(self, routes: Sequence[BaseRoute]) -> None:
        """Makes the addresses of `routes` known to `Visit.url`."""
        self.router.routes.extend(routes)

    def page(self, answer: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
        """`answer` as an endpoint for whoever is signed in; a form must be one of the session's own."""

        def respond(request: Request, form: Mapping[str, str]) -> Response:
            session = self.sessions.current(request)
            if session is None:
                raise Stopped("signed_out", 403)
            if request.method == "POST" and not self.sessions.sent_by(session, form.get("token", "")):
                raise Stopped("foreign_form", 403)
            return answer(Visit(self, request, session, form))

        return _endpoint(respond)

    def open_page(self, answer: Callable[[Visit], Response]) -> Callable[[Request], Awaitable[Response]]:
        """`answer` as an endpoint for anyone, which knows of no session."""
        return _endpoint(lambda request, form: answer(Visit(self, request, None, form)))

    def stopped(self, request: Request, error: Exception) -> Response:
        """The page about what HTTP refuses."""
        assert isinstance(error, HTTPException)
        problem = error.problem if isinstance(error, Stopped) else _BY_STATUS.get(error.status_code, "not_found")
        response = self._problem(request, problem, error.status_code)
        response.headers.update(error.headers or {})
        return response

    def refused(self, request: Request, error: Exception) -> Response:
        """The page about an error of Farthing's own. What a page cannot be shown for does not exist for its reader."""
        if isinstance(error, (NotFound, Invalid)):
            return self._problem(request, "not_found", 404)
        log.error("%s %s: %s", request.method, ascii(request.url.path), error, exc_info=error)
        if isinstance(error, Unavailable):
            return self.bare(request, "unavailable", 503)
        return self.bare(request, "broken", 500)

    def bare(self, request: Request, problem: str, status: int) -> Response:
        """A page about a problem that touches neither the database nor the session."""
        return Visit(self, request, None, {}).show("problem.html", status, problem=problem)

    def _problem(self, request: Request, problem: str, status: int) -> Response:
        try:
            session = self.sessions.current(request)
        except FarthingError:
            session = None
        return Visit(self, request, session, {}).show("problem.html", status, problem=problem)


class Visit:
    """One request: who makes it (`account`, None when nobody is signed in), in which words, and what was sent."""

    def __init__(self, portal: Portal, request: Request, session: Token | None, form: Mapping[str, str]) -> None:
        self.portal = portal
        self.credits = portal.credits
        self.request = request
        self.session = session
        self.form = form
        self.root = forms.root(request)
        self.now = portal.credits.clock()
        self.reader = self._reader()

    @property
    def account(self) -> str:
        """Whose pages these are."""
        assert self.session is not None
        return self.session.account

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def url(self, name: str, query: Mapping[str, str | None] | None = None, **parts: str) -> str:
        """The address of a page, from the host on."""
        asked = urlencode({key: value for key, value in (query or {}).items() if value is not None})
        path = f"{self.root}{self.portal.router.url_path_for(name, **parts)}"
        return f"{path}?{asked}" if asked else path

    @property
    def again(self) -> str:
        """Where to try again what did not work: the same address, unless it was a form that was sent there."""
        return forms.here(self.request) if self.request.method == "GET" else self.url("overview")

    @property
    def page(self) -> str:
        """The path within the portal that was asked for."""
        return forms.page(self.request)

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return forms.secure(self.request, self.portal.base_url)

    def static(self, name: str) -> str:
        """The address of a file beside the pages, with its version."""
        return f"{self.root}/static/{name}?v={self.portal.versions[name]}"

    def outside(self, path: str) -> str:
        """The address that others reach `path` of the portal at."""
        base = self.portal.base_url or f"{self.request.url.scheme}://{self.request.url.netloc}{self.root}"
        return f"{base}{path}"

    def show(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page."""
        context = {
            "visit": self, "reader": self.reader, "say": self.reader.say, "url": self.url, "static": self.static,
            "form_token": self.session and self.portal.sessions.form_token(self.session),
        }  # fmt: skip
        return HTMLResponse(self.portal.templates.get_template(template).render(context | facts), status)

    def provider(self, name: str) -> str:
        """What a payment provider is called."""
        return self.reader.say(f"provider.{name}") if f"provider.{name}" in ENGLISH else name.capitalize()

    def go(self, address: str) -> Response:
        """On to another page, by GET."""
        return RedirectResponse(address, 303)

    def _reader(self) -> Reader:
        catalog = self.credits.catalog
        if self.session is not None:
            try:
                profile = self.credits.account(self.session.account)
                return Reader(profile.locale, profile.time_zone)
            except NotFound:  # it will be made by its first credits
                pass
        return Reader(catalog.locale, catalog.time_zone)


def _endpoint(respond: Callable[[Request, Mapping[str, str]], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        form = await forms.read(request) if request.method == "POST" else {}
        return await run_in_threadpool(respond, request, form)

    return endpoint


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]
