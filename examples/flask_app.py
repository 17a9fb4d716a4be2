"""A Flask application whose views charge for themselves.

    pip install "farthing[flask]"
    flask --app examples/flask_app run
    curl -i -X POST -H "X-User: ada" http://127.0.0.1:5000/images/2

Nothing here runs the jobs: run `farthing jobs` beside it, with FARTHING_DATABASE_URL and FARTHING_CATALOG set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Blueprint, Flask, Request, Response

import farthing
from farthing import Credits
from farthing.catalog import parse
from farthing.integrations.flask import Farthing, charge, charged

CATALOG = """
[credit_types.images]
name = "Image credits"

[gifts.images]
amount = 10
"""
URL = os.environ.get("DATABASE_URL", "sqlite:///example.db")

routes = Blueprint("shop", __name__)


def two_each(request: Request) -> int:
    return 2 * (request.view_args or {})["count"]


@routes.post("/images")
@charge(2, "images")
def image() -> dict[str, str]:
    return {"image": "sunset"}


@routes.post("/images/<int:count>")
@charge(two_each, "images", on_repeat="run")
def images(count: int) -> dict[str, object]:
    return {"images": ["sunset"] * count, "repeated": charged().repeated}


@routes.post("/sketches")
@charge(5, "images")
def sketch() -> dict[str, str]:
    charged().use(3)  # it came out simpler than it might have
    return {"image": "sketch"}


@routes.post("/films")
@charge(5, "images")
def film() -> Response:
    mine = charged()

    def frames() -> Iterator[str]:
        for number in range(1, 6):
            mine.use(number)
            yield f"frame {number}\n"

    return Response(frames(), mimetype="text/plain")


def create_app(credits: Credits | None = None) -> Flask:
    if credits is None:
        farthing.migrate(URL)
        credits = farthing.open(URL, catalog=parse(CATALOG))

    def account(request: Request) -> str | None:
        """Stands for your own sign-in: never let callers say whom to charge."""
        user = request.headers.get("X-User")
        if user:
            credits.open_account(user)  # pays the gift, once
        return user

    app = Flask(__name__)
    Farthing(app, credits, account=account, top_up_url="https://shop.example/credits/buy")
    app.register_blueprint(routes)
    return app
