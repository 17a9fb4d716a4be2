"""Flask: the example, and what is Flask's own."""

from __future__ import annotations

import pytest
from flask import Flask, abort

from examples import flask_app
from farthing import Credits
from farthing.errors import SettingsInvalid
from farthing.integrations.flask import Farthing, charge, charged

pytestmark = pytest.mark.row("D4")


def left(books: Credits) -> int:
    balance = books.balance("ada", "images")
    assert balance.held == 0
    return int(balance.posted)


def test_the_example_charges(books: Credits):
    client = flask_app.create_app(books).test_client()
    ada = {"X-User": "ada"}
    assert client.post("/images", headers=ada).json == {"image": "sunset"}
    assert left(books) == 8
    assert client.post("/sketches", headers=ada).json == {"image": "sketch"}
    assert left(books) == 5
    refused = client.post("/images/3", headers=ada)
    assert refused.status_code == 402
    assert refused.json is not None and refused.json["top_up_url"] == "https://shop.example/credits/buy"
    retry = ada | {"Idempotency-Key": "k"}
    answers = [client.post("/images/1", headers=retry).json for _ in range(2)]
    assert answers == [{"images": ["sunset"], "repeated": False}, {"images": ["sunset"], "repeated": True}]
    assert left(books) == 3


def test_the_example_opens_its_own_credits(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flask_app, "URL", f"sqlite:///{tmp_path}/app.db")
    client = flask_app.create_app().test_client()
    films = [client.post("/films", headers={"X-User": "bob"}) for _ in range(3)]
    assert [(film.status_code, film.text.count("frame")) for film in films] == [(200, 5), (200, 5), (402, 0)]


def test_an_extension_made_without_an_application_and_views_that_abort_or_await(books: Credits):
    extension = Farthing()
    app = Flask(__name__)
    extension.init_app(app, books, account=lambda request: "ada")

    @app.post("/gone")
    @charge(2, "images")
    def gone() -> str:
        abort(410)

    @app.post("/both")
    @charge(1, "images")
    @charge(2, "images")
    def both() -> tuple[str, int]:
        charged().use(1)
        return "done", 201

    client = app.test_client()
    assert (client.post("/gone").status_code, left(books)) == (410, 10)
    assert (client.post("/both").status_code, left(books)) == (201, 8)


def test_refusals_of_ones_own_verbs_are_answered_too(books: Credits):
    app = Flask(__name__)
    Farthing(app, books, account=lambda request: "ada")

    @app.post("/own")
    def own() -> str:
        books.deduct("ada", "images", 11, key="own")
        return "never"

    reply = app.test_client().post("/own")
    assert (reply.status_code, reply.content_type) == (402, "application/problem+json")


def test_who_forgot_something_is_told(books: Credits):
    app = Flask(__name__)
    app.testing = True
    app.register_blueprint(flask_app.routes)
    with pytest.raises(SettingsInvalid, match="Farthing\\(app"):
        app.test_client().post("/images")
    with app.test_request_context(), pytest.raises(SettingsInvalid, match="@charge"):
        charged()
