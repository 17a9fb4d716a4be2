"""The API as its callers meet it: over ASGI, with a key, every answer held against what OpenAPI promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from farthing import Credits, keys
from farthing.http import app
from farthing.http.wire import read
from tests.kit import SHOP, Clock, proved

CATALOG = SHOP + '\n[credit_types.dust]\nname = "Dust"\nscale = 9\n'
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


class Api(TestClient):
    """A caller with one API key. `body` reads an answer's numbers exactly."""

    def __init__(self, credits: Credits, *scopes: str, secret: str | None = None) -> None:
        self.credits = credits
        self.api = app(credits)
        secret = secret or keys.create(credits, "the tests", scopes or ("admin",))[1]
        super().__init__(self.api, headers={"Authorization": f"Bearer {secret}"})

    def request(self, method: str, url: Any, **options: Any) -> Any:
        answer = super().request(method, url, **options)
        check_answer(answer, model_of(self.api, method, answer.request.url.path))
        return answer

    def write(self, path: str, key: str, /, **body: Any) -> Any:
        return self.post(path, json=body, headers={"Idempotency-Key": key})

    def grant(self, account: str, amount: Any, key: str, credit_type: str = "images", **more: Any) -> Any:
        asked = {"credit_type": credit_type, "amount": amount, "source": "gift"} | more
        return self.write(f"/v1/accounts/{account}/grants", key, **asked)

    def deduct(self, account: str, amount: Any, key: str, credit_type: str = "images", **more: Any) -> Any:
        return self.write(f"/v1/accounts/{account}/deductions", key, credit_type=credit_type, amount=amount, **more)


def routes(api: Any) -> dict[tuple[str | None, str | None], RouteContext]:
    """All operations of an API, by method and path."""
    return {
        (method, route.path): route
        for route in iter_route_contexts(api.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    }


def model_of(api: Any, method: str, path: str) -> Any:
    for (known, _), route in routes(api).items():
        if known == method and route.path_regex.match(path):
            return route.response_model
    return None


def check_answer(answer: Any, model: Any) -> None:
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(problem) >= PROBLEM
        assert problem["status"] == answer.status_code
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["type"] == f"urn:farthing:problem:{problem['code']}"
    elif model is not None:
        assert answer.headers["content-type"] == "application/json"
        TypeAdapter(model).validate_python(read(answer.content), extra="forbid")


def exact(answer: Any) -> Any:
    """An answer's body, numbers with decimals as Decimal."""
    return read(answer.content)


@pytest.fixture
def shop(database_url: str, clock: Clock) -> Iterator[Credits]:
    """Credits that count images (whole), chat (two decimals, overdraft 5) and dust (nine decimals)."""
    with proved(database_url, clock, CATALOG) as credits:
        yield credits


@pytest.fixture
def api(shop: Credits) -> Iterator[Api]:
    with Api(shop) as client:
        yield client
