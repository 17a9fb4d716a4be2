"""Django: the example, its setting and its commands, and one transaction with the application's own rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import django.db
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.test import override_settings

import farthing
from farthing.errors import SettingsInvalid
from tests.hosts import django_alias, engine, renders  # configures Django before the example would
from tests.integrations.callers import Ask, over_wsgi
from tests.kit import Clock

from examples import django_app  # isort: skip
from farthing.integrations.django import configuration, credits  # isort: skip
from farthing.integrations.django.apps import setting_is_right  # isort: skip

pytestmark = pytest.mark.row("D4")


@contextmanager
def site_over(url: str) -> Iterator[Ask]:
    """The example on this database, with all its settings but DATABASES."""
    said = {name: value for name, value in django_app.SETTINGS.items() if name != "DATABASES"}
    with django_alias(url, "default"), override_settings(**said):
        yield over_wsgi(WSGIHandler())
        configuration.forget()


@pytest.fixture
def site(sqlite) -> Iterator[Ask]:
    """The example on a database of its own."""
    with sqlite.migrated() as url, site_over(url) as ask:
        yield ask


def left(account: str = "ada") -> int:
    balance = credits().balance(account, "images")
    assert balance.held == 0
    return int(balance.posted)


def test_the_example_charges(site: Ask):
    assert site("/images").said == {"image": "sunset"}
    assert left() == 8
    assert site("/sketches").said == {"image": "sketch"}
    assert left() == 5
    refused = site("/images/3")
    assert (refused.status, refused.said["top_up_url"]) == (402, "https://shop.example/credits/buy")
    assert [site("/images/1", idempotency_key="k").said["repeated"] for _ in range(2)] == [False, True]
    assert left() == 3
    assert site("/films", "bob").body.count(b"frame") == 5
    assert left("bob") == 5


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_is_charged_and_what_is_stored_are_one_transaction(request: pytest.FixtureRequest, kind: str):
    with request.getfixturevalue(kind).migrated() as url:
        with engine(url).begin() as connection:
            connection.exec_driver_sql("CREATE TABLE renders (name TEXT PRIMARY KEY)")
        with site_over(url) as ask:
            assert ask("/renders", key="render:1", name="sunset").said == {"available": 9}
            assert ask("/renders", key="render:2", name="sunset").status == 500  # the name is taken
            assert (renders(url), left()) == (["sunset"], 9)
            credits().deduct("ada", "images", 9, key="all")
            refused = ask("/renders", key="render:3", name="dawn")
            assert (refused.status, refused.said["shortfall"]) == (402, 1)  # the middleware's answer
            assert renders(url) == ["sunset"]


def told(command: str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_commands_migrate_run_the_jobs_and_verify(sqlite):
    with sqlite.empty() as url, site_over(url) as ask:
        assert "schema is" in told("farthing_migrate")
        with pytest.raises(CommandError, match="test mode"):
            told("farthing_migrate", mode="live")
        assert ask("/images").status == 200
        assert "Every balance is proved." in told("farthing_verify")
        assert "of 1 wallets" in told("farthing_verify", "ada")
        with pytest.raises(CommandError):
            told("farthing_verify", "nobody")
        jobs = told("farthing_jobs", once=True)
        assert [line.split()[0] for line in jobs.splitlines()] == list(farthing.jobs.JOBS)


def test_a_job_that_fails_fails_the_command(site: Ask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(farthing.jobs.JOBS, "expire", lambda credits: 1 / 0)
    with pytest.raises(CommandError, match="did not finish"):
        told("farthing_jobs", once=True)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"DATABASE": "elsewhere"}, "elsewhere"),
        ({"ACCOUNT": "no.such.place"}, "cannot be imported"),
        ({"CURRENCY": "EUR"}, "DATABASE, CATALOG, CREDITS, ACCOUNT, TOP_UP_URL"),
    ],
)
def test_a_wrong_setting_is_told(said: dict[str, Any], wrong: str):
    with override_settings(FARTHING=said):
        [error] = setting_is_right()
        assert wrong in error.msg
        with pytest.raises(SettingsInvalid, match=wrong):
            credits()


def test_left_alone_the_setting_means_the_default_database_the_file_and_the_signed_in_user(
    sqlite, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farthing.toml").write_text(django_app.CATALOG)

    class Signed:
        pk = 7
        is_authenticated = True

    class Request:
        user: Any = Signed()

    with sqlite.migrated() as url, django_alias(url, "default"):
        assert setting_is_right() == []
        credits().open_account("7")
        assert credits() is credits()
        assert configuration.charging().account(Request()) == "7"
        Request.user.is_authenticated = False
        assert configuration.charging().account(Request()) is None
        assert configuration.charging().account(object()) is None
        configuration.forget()


def test_the_address_is_the_connections(clock: Clock):
    place = {"NAME": "app", "USER": "shop", "PASSWORD": "p@ss", "PORT": "6432"}
    for host, expected in (
        ("db", "postgresql://shop:p%40ss@db:6432/app"),
        ("/run/pg", "postgresql://shop:p%40ss@:6432/app?host=%2Frun%2Fpg"),
    ):
        handler: Any = django.db.connections
        handler.settings["far"] = handler.configure_settings(
            {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": host, **place}}
        )["default"]
        with override_settings(FARTHING={"DATABASE": "far"}):
            assert configuration.database_url() == expected
        del handler["far"], handler.settings["far"]
