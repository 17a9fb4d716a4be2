"""The environment becomes one frozen value; mistakes are all told at once, and secrets never are."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from farthing import opening, settings
from farthing.errors import ModeMismatch, SettingsInvalid

ONE, TWO = "first-secret-" + "a" * 32, "second-secret-" + "b" * 32


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """An empty folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", *(settings.variable(field) for field in settings.Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
        monkeypatch.delenv(name.removeprefix("FARTHING_"), raising=False)


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


@pytest.mark.row("P2")
def test_stripe_goes_by_its_own_names_where_ours_are_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "mounted").write_text("whsec_new\nwhsec_old\n")
    for name, said in {
        "SECRET_KEY": "sk_test_theirs",
        "WEBHOOK_SECRET": "theirs",
        "PUBLISHABLE_KEY": "pk_test_1",
    }.items():
        monkeypatch.setenv(f"STRIPE_{name}", said)
    monkeypatch.setenv("FARTHING_STRIPE_WEBHOOK_SECRET_FILE", "mounted")
    found = settings.load()
    assert found.stripe_secret_key and found.stripe_secret_key.get_secret_value() == "sk_test_theirs"
    assert [one.get_secret_value() for one in found.stripe_webhook_secret] == ["whsec_new", "whsec_old"]
    assert found.stripe_publishable_key == "pk_test_1"
    assert not {"sk_test_theirs", "whsec_new", "whsec_old", "theirs"} & set(repr(found).replace("'", " ").split())


@pytest.mark.row("P2")
@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"STRIPE_SECRET_KEY": "sk_test_1"}, "Set also: FARTHING_STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_1"}, "Set also: FARTHING_STRIPE_SECRET_KEY"),
        ({"STRIPE_SECRET_KEY": "theirs", "STRIPE_WEBHOOK_SECRET": "whsec_1"}, "begins with"),
        (
            {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "w", "STRIPE_PUBLISHABLE_KEY": "pk_live_1"},
            '"pk_test_"',
        ),
    ],
)
def test_stripe_in_part_or_wrong_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, str], missing: str
):
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=missing):
        opening.from_settings(settings.load(database_url="sqlite://"))


@pytest.mark.row("P2")
def test_a_live_key_beside_a_test_database_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "farthing.toml").write_text('[credit_types.images]\nname = "Images"\n')
    monkeypatch.setenv("STRIPE_SECRET_KEY", "rk_live_1")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_1")
    with pytest.raises(ModeMismatch):
        opening.from_settings(settings.load(database_url="sqlite://"))


@pytest.mark.row("P4")
def test_lemon_squeezy_goes_by_its_own_names_where_ours_are_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "mounted").write_text(f"{ONE}\n{TWO}\n")
    for name, said in {"API_KEY": "key", "STORE_ID": "7", "VARIANT_ID": "42", "WEBHOOK_SECRET": "theirs"}.items():
        monkeypatch.setenv(f"LEMONSQUEEZY_{name}", said)
    monkeypatch.setenv("FARTHING_LEMONSQUEEZY_STORE_ID", "8")
    monkeypatch.setenv("FARTHING_LEMONSQUEEZY_WEBHOOK_SECRET_FILE", "mounted")
    found = settings.load()
    assert (found.lemonsqueezy_store_id, found.lemonsqueezy_variant_id, found.lemonsqueezy_currency) == (
        "8",
        "42",
        "USD",
    )
    assert found.lemonsqueezy_plan_variants == {}
    monkeypatch.setenv("FARTHING_LEMONSQUEEZY_PLAN_VARIANTS", "pro=51, team=52")
    assert settings.load().lemonsqueezy_plan_variants == {"pro": "51", "team": "52"}
    assert found.lemonsqueezy_api_key and found.lemonsqueezy_api_key.get_secret_value() == "key"
    assert [one.get_secret_value() for one in found.lemonsqueezy_webhook_secret] == [ONE, TWO]
    assert not {"key", ONE, TWO, "theirs"} & set(repr(found).replace("'", " ").split())
    monkeypatch.delenv("FARTHING_LEMONSQUEEZY_STORE_ID")
    monkeypatch.setenv("LEMONSQUEEZY_STORE_ID", "my store")
    with pytest.raises(SettingsInvalid, match=r"\n  LEMONSQUEEZY_STORE_ID: "):
        settings.load()
