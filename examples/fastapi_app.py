"""A FastAPI application whose routes charge for themselves, with the portal and the API in it.

    pip install "farthing[server]"
    uvicorn --factory --app-dir examples fastapi_app:create_app
    curl -i -X POST -H "X-User: ada" http://127.0.0.1:8000/images/2

The jobs run in a thread of each process, which starts and stops with the application; several harm nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import RedirectResponse, StreamingResponse

import farthing
from farthing import AsyncCredits, Credits, http, portal
from farthing.catalog import parse
from farthing.integrations.fastapi import Charged, charge, install

CATALOG = """
[credit_types.images]
name = "Image credits"

[gifts.images]
amount = 10
"""
URL = os.environ.get("DATABASE_URL", "sqlite:///example.db")
SECRET = os.environ.get("FARTHING_SECRET", "for this example only: it signs links and sessions")
SITE = os.environ.get("SITE", "http://127.0.0.1:8000")

routes = APIRouter()


def signed_in(request: Request) -> str | None:
    """Stands for your own sign-in: never let callers say whom to charge."""
    return request.headers.get("X-User")


def two_each(request: Request) -> int:
    return 2 * request.path_params["count"]


@routes.post("/images", dependencies=[Depends(charge(2, "images"))])
async def image() -> dict[str, str]:
    return {"image": "sunset"}


@routes.post("/images/{count:int}")
async def images(
    count: int, charged: Annotated[Charged, Depends(charge(two_each, "images", on_repeat="run"))]
) -> dict[str, object]:
    return {"images": ["sunset"] * count, "repeated": charged.repeated}


@routes.post("/sketches")
async def sketch(charged: Annotated[Charged, Depends(charge(5, "images"))]) -> dict[str, str]:
    charged.use(3)  # it came out simpler than it might have
    return {"image": "sketch"}


@routes.post("/films")
async def film(charged: Annotated[Charged, Depends(charge(5, "images"))]) -> StreamingResponse:
    async def frames() -> AsyncGenerator[str]:
        for number in range(1, 6):
            charged.use(number)
            yield f"frame {number}\n"

    return StreamingResponse(frames(), media_type="text/plain")


@routes.get("/buy")
async def buy(request: Request) -> RedirectResponse:
    link = portal.link(signed_in(request) or "guest", [SECRET], base_url=f"{SITE}/credits")
    return RedirectResponse(link)


def create_app(credits: Credits | None = None) -> FastAPI:
    if credits is None:
        farthing.migrate(URL)
        credits = farthing.open(URL, catalog=parse(CATALOG))
    awaiting = AsyncCredits(credits)

    async def account(request: Request) -> str | None:
        user = signed_in(request)
        if user:
            await awaiting.open_account(user)  # pays the gift, once
        return user

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        jobs = credits.start_jobs()
        yield
        await asyncio.to_thread(jobs.stop)
        await awaiting.close()

    app = FastAPI(lifespan=lifespan)
    install(app, awaiting, account=account, top_up_url=f"{SITE}/buy")
    app.include_router(routes)
    app.mount("/credits", portal.app(credits, secret=[SECRET], base_url=f"{SITE}/credits"))
    app.mount("/farthing", http.app(credits))
    return app
