"""The environment becomes one frozen value; mistakes are all told at once, and secrets never are."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from farthing import settings
from farthing.errors import SettingsInvalid

ONE, TWO = "first-secret-" + "a" * 32, "second-secret-" + "b" * 32


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", *(settings.variable(field) for field in settings.Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def secrets(found: settings.Settings) -> list[str]:
    return [secret.get_secret_value() for secret in found.secret]


def test_without_any_variable_a_file_in_this_folder_is_the_database():
    found = settings.load()
    assert (found.database_url, str(found.catalog)) == ("sqlite:///farthing.db", "farthing.toml")
    assert (found.host, found.port, found.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert found.secret == ()
    assert found.database_file == Path("farthing.db")


def test_database_url_is_the_fallback_and_ours_goes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@db/host")
    assert settings.load().database_url == "postgresql://ada@db/host"
    assert settings.load().database_file is None
    monkeypatch.setenv("FARTHING_DATABASE_URL", "sqlite:///ours.db")
    assert settings.load().database_url == "sqlite:///ours.db"
    assert settings.load(database_url="sqlite:///given.db").database_url == "sqlite:///given.db"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_PORT", "")
    monkeypatch.setenv("FARTHING_DATABASE_URL", "")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///fallback.db")
    assert (settings.load().port, settings.load().database_url) == (8000, "sqlite:///fallback.db")


def test_secrets_are_a_list_of_which_the_first_signs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_SECRET", f"{ONE}, {TWO}")
    assert secrets(settings.load()) == [ONE, TWO]


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "mounted").write_text(f"{ONE}\n{TWO}\n")
    monkeypatch.setenv("FARTHING_SECRET_FILE", "mounted")
    assert secrets(settings.load()) == [ONE, TWO]


def test_the_database_url_can_come_from_a_file_and_beats_the_fallback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "url").write_text("postgresql://ada:pass@db/host\n")
    monkeypatch.setenv("FARTHING_DATABASE_URL_FILE", "url")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")
    assert settings.load().database_url == "postgresql://ada:pass@db/host"


def test_the_secret_that_init_wrote_is_read_unless_the_environment_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "farthing.secret").write_text(ONE)
    assert secrets(settings.load()) == [ONE]
    monkeypatch.setenv("FARTHING_SECRET", TWO)
    assert secrets(settings.load()) == [TWO]


def test_every_mistake_is_told_at_once_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_DATABASE_URL", "mysql://ada:hunter2@db/host")
    monkeypatch.setenv("FARTHING_SECRET", "too-short-to-sign")
    monkeypatch.setenv("FARTHING_SECRET_FILE", "elsewhere")
    monkeypatch.setenv("FARTHING_BASE_URL", "credits.example.com")
    monkeypatch.setenv("FARTHING_PORT", "70000")
    with pytest.raises(SettingsInvalid) as caught:
        settings.load()
    problems = caught.value.facts["problems"]
    told = [problem.partition(":")[0] for problem in problems]
    assert sorted(told) == [
        *("FARTHING_BASE_URL", "FARTHING_DATABASE_URL", "FARTHING_PORT", "FARTHING_SECRET", "FARTHING_SECRET_FILE"),
    ]
    assert all(problem in caught.value.message for problem in problems)
    assert "1 to 65535" in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "too-short-to-sign" not in caught.value.message


def test_a_wrong_fallback_is_told_by_its_own_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    with pytest.raises(SettingsInvalid, match=r"\n  DATABASE_URL: .*sqlite:///"):
        settings.load()


def test_a_secret_file_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_SECRET_FILE", "/nowhere/at-all")
    with pytest.raises(SettingsInvalid, match="FARTHING_SECRET_FILE: /nowhere/at-all cannot be read"):
        settings.load()


def test_nothing_that_prints_the_settings_prints_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_SECRET", ONE)
    monkeypatch.setenv("FARTHING_DATABASE_URL", "postgresql://ada:hunter2@db/host")
    found = settings.load()
    shown = f"{found!r} {found} {found.secret} {found.database_shown}"
    assert ONE not in shown
    assert "hunter2" not in shown
    assert found.database_shown == "postgresql://ada:***@db/host"


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        settings.load().port = 1  # pyright: ignore


def test_the_public_address_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FARTHING_BASE_URL", "https://credits.example.com/")
    assert settings.load().public_url == "https://credits.example.com"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a.db?mode=ro&uri=true"])
def test_a_database_without_a_plain_file_names_none(url: str):
    assert settings.load(database_url=url).database_file is None
