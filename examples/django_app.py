"""A Django site in one file whose views charge for themselves.

    pip install "farthing[django]"
    python examples/django_app.py farthing_migrate
    python examples/django_app.py runserver
    curl -i -X POST -H "X-User: ada" http://127.0.0.1:8000/images/2

Nothing here runs the jobs: run `python examples/django_app.py farthing_jobs` beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.urls import path

import farthing
from farthing import Credits
from farthing.catalog import parse
from farthing.integrations.django import charge, credits
from farthing.integrations.django.configuration import database_url

CATALOG = """
[credit_types.images]
name = "Image credits"

[gifts.images]
amount = 10
"""


def open_credits() -> Credits:
    """A site with a farthing.toml says CATALOG instead, and has no such function."""
    return farthing.open(database_url(), catalog=parse(CATALOG))


def account(request: HttpRequest) -> str | None:
    """Stands for your own sign-in, which is the default: never let callers say whom to charge."""
    user = request.headers.get("X-User")
    if user:
        credits().open_account(user)  # pays the gift, once
    return user


SETTINGS: dict[str, Any] = {
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "example.db"}},
    "INSTALLED_APPS": ["farthing.integrations.django"],
    "MIDDLEWARE": ["farthing.integrations.django.middleware.RefusalMiddleware"],
    "ROOT_URLCONF": __name__,
    "SECRET_KEY": os.environ.get("SECRET_KEY", "for this example only"),
    "ALLOWED_HOSTS": ["127.0.0.1", "localhost"],
    "DEBUG": "DEBUG" in os.environ,
    "FARTHING": {"CREDITS": open_credits, "ACCOUNT": account, "TOP_UP_URL": "https://shop.example/credits/buy"},
}


def two_each(request: HttpRequest) -> int:
    assert request.resolver_match is not None
    return 2 * request.resolver_match.kwargs["count"]


@charge(2, "images")
def image(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"image": "sunset"})


@charge(two_each, "images", on_repeat="run")
def images(request: Any, count: int) -> JsonResponse:
    return JsonResponse({"images": ["sunset"] * count, "repeated": request.charged.repeated})


@charge(5, "images")
async def sketch(request: Any) -> JsonResponse:
    request.charged.use(3)  # it came out simpler than it might have
    return JsonResponse({"image": "sketch"})


@charge(5, "images")
def film(request: Any) -> StreamingHttpResponse:
    def frames() -> Iterator[str]:
        for number in range(1, 6):
            request.charged.use(number)
            yield f"frame {number}\n"

    return StreamingHttpResponse(frames(), content_type="text/plain")


def keep(request: HttpRequest) -> JsonResponse:
    """What is charged and what is stored are one transaction: both are kept, or neither. No hold is needed."""
    user = account(request) or "guest"
    with transaction.atomic():
        receipt = credits().on(connection).deduct(user, "images", 1, key=request.headers["Key"])
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO renders (name) VALUES (%s)", [request.headers["Name"]])
    return JsonResponse({"available": int(receipt.available)})


urlpatterns = [
    path("images", image),
    path("images/<int:count>", images),
    path("sketches", sketch),
    path("films", film),
    path("renders", keep),
]

if not settings.configured:
    settings.configure(**SETTINGS)
    django.setup()
    application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
