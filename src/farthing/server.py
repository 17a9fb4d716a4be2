"""The only wiring: settings → credits → the HTTP API and the pages → one ASGI application, served by uvicorn."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from farthing import http, jobs, opening
from farthing.credits import Credits
from farthing.errors import FarthingError, NotReady, SettingsInvalid
from farthing.http.frame import MAX_BODY_BYTES
from farthing.providers.sandbox import Sandbox
from farthing.reloading import reloading
from farthing.settings import Settings
from farthing.statuses import title_of
from farthing.store import migrations

log = logging.getLogger("farthing")

DRAIN_S = 20
"""So long do requests that are under way have to end when the server is told to stop."""


def app(settings: Settings) -> Starlette:
    """The whole server as one ASGI application; its lifespan closes what it opened.

    Raises:
        NotMigrated, CatalogInvalid, SettingsInvalid, ModeMismatch, DatabaseUnreachable: it cannot start like this.
    """
    credits = opening.from_settings(settings)
    return assemble(credits, [*_sandbox(credits, settings), *_portal(credits, settings)], jobs_every_s=jobs.EVERY_S)


def assemble(credits: Credits, pages: Sequence[BaseRoute] = (), *, jobs_every_s: float | None = None) -> Starlette:
    """The API and `pages` over `credits`, which are closed with the application. Jobs run where it says how often."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        running = None if jobs_every_s is None else credits.start_jobs(every_s=jobs_every_s)
        yield
        if running:
            await asyncio.to_thread(running.stop)
        await asyncio.to_thread(credits.close)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), *pages, Mount("/", http.app(credits))]
    whole = Starlette(routes=routes, lifespan=lifespan)
    whole.state.credits = credits
    return whole


async def healthz(_: Request) -> JSONResponse:
    """The process lives. Looks at nothing, so that no trouble elsewhere has it restarted."""
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})


async def readyz(request: Request) -> JSONResponse:
    """Whether requests would be served: the database answers and has this version's schema. 503 says what is wrong."""
    wrong = await asyncio.to_thread(_unready, request.app.state.credits)
    checks: dict[str, Any] = {"database": wrong or {"status": "ok"}}
    if not wrong:
        checks["jobs"] = await asyncio.to_thread(_job_ages, request.app.state.credits)
    body = {"status": "not ready" if wrong else "ready", "checks": checks}
    return JSONResponse(body, 503 if wrong else 200, {"Cache-Control": "no-store"})


def serve(settings: Settings, listening: socket.socket | None = None) -> None:
    """Serves until SIGINT or SIGTERM, then lets requests under way end. SIGHUP reloads the catalog.

    Args:
        listening: a socket that listens already, instead of one on the settings' host and port.
    Raises:
        SettingsInvalid: the port is taken, or the address is not this machine's. What `app` raises.
    """
    import uvicorn

    bound = listening or listen(settings.host, settings.port)
    with bound:
        whole = app(settings)
        config = uvicorn.Config(whole, server_header=False, access_log=False, timeout_graceful_shutdown=DRAIN_S)
        with reloading(whole.state.credits, settings.catalog):
            uvicorn.Server(config).run(sockets=[bound])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that a taken port is told before anything starts.

    Raises:
        SettingsInvalid: somebody listens there, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsInvalid(
            f"Cannot listen on {host}:{port}: {error.strerror}. Nothing was started. "
            "Choose another with --port or --host, or end the program that listens there."
        ) from None


def _sandbox(credits: Credits, settings: Settings) -> list[BaseRoute]:
    """The sandbox provider's pay page under /sandbox, where there is one."""
    sandbox = credits.providers.get(Sandbox.name)
    if not isinstance(sandbox, Sandbox):
        return []
    from farthing.providers.sandbox_page import sandbox_app

    page = sandbox_app(sandbox, webhook_url=f"{_own_address(settings)}/v1/webhooks/{sandbox.name}", clock=credits.clock)
    return [Mount("/sandbox", RequestBodyLimitMiddleware(page, MAX_BODY_BYTES))]


def _portal(credits: Credits, settings: Settings) -> list[BaseRoute]:
    """The customer portal under /portal, where there is a secret to sign its links and sessions with."""
    if not settings.secret:
        return []
    from farthing import portal

    secrets = [one.get_secret_value() for one in settings.secret]
    pages = portal.app(credits, secret=secrets, base_url=f"{settings.public_url}/portal")
    return [Mount("/portal", RequestBodyLimitMiddleware(pages, MAX_BODY_BYTES), name="portal")]


def _own_address(settings: Settings) -> str:
    """Where the server reaches itself, whatever name others know it by."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _job_ages(credits: Credits) -> dict[str, Any]:
    """How long ago each job last ended, in seconds. An old one makes no request wrong: it is told, not failed."""
    now = credits.clock()
    runs = jobs.last_runs(credits.database)
    return {
        run.name: {"age_s": int((now - run.finished_at).total_seconds()), "failed": bool(run.error)} for run in runs
    }


def _unready(credits: Credits) -> dict[str, Any] | None:
    """What is wrong with the database, without its address, which callers need not know: the log has it."""
    try:
        migrations.require_current(credits.database)
    except NotReady as error:
        return {"status": "wrong", "code": error.code, "detail": error.message}
    except FarthingError as error:
        log.warning("not ready: %s", error)
        return {"status": "wrong", "code": error.code, "detail": f"{title_of(type(error))}."}
    except Exception:
        log.exception("not ready")
        return {"status": "wrong", "code": "internal", "detail": "The database cannot be read. The log says why."}
    return None
