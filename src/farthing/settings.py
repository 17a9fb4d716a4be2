"""The environment as one frozen `Settings`: variables FARTHING_…, DATABASE_URL as fallback, secrets from files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from farthing.errors import SettingsInvalid
from farthing.store.dialects import parse_url

PREFIX = "FARTHING_"
SECRET_FILE = "farthing.secret"
SECRET_BYTES = 32
# What may also be told as the path of a file, FARTHING_…_FILE.
FROM_FILES = (
    *("database_url", "secret", "stripe_secret_key", "stripe_webhook_secret"),
    *("lemonsqueezy_api_key", "lemonsqueezy_webhook_secret"),
)


def _database(url: str) -> str:
    try:
        parse_url(url)
    except SettingsInvalid as error:
        raise ValueError(error.message) from None
    return url


def _split(said: Any) -> Any:
    return tuple(part for part in re.split(r"[,\s]+", said) if part) if isinstance(said, str) else said


def _pairs(said: Any) -> Any:
    return dict(part.partition("=")[::2] for part in _split(said)) if isinstance(said, str) else said


def _strong(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(secret.get_secret_value().encode()) < SECRET_BYTES for secret in secrets):
        raise ValueError(f"a secret is shorter than {SECRET_BYTES} characters")
    return secrets


def _web_address(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("it is not the address of a site")
    return url.rstrip("/")


class Settings(BaseSettings):
    """What the environment says, checked. Printing it shows no secret and no password."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    database_url: Annotated[str, AfterValidator(_database)] = Field(
        "sqlite:///farthing.db",
        repr=False,
        validation_alias=AliasChoices("FARTHING_DATABASE_URL", "DATABASE_URL"),
        description='"sqlite:///farthing.db" or "postgresql://user:password@host/name"',
    )
    catalog: Path = Field(Path("farthing.toml"), description="the path of the catalog")
    secret: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_strong)] = Field(
        (), description=f"secrets of at least {SECRET_BYTES} characters, comma separated, the first signs"
    )
    base_url: Annotated[str, AfterValidator(_web_address)] | None = Field(
        None, description='the address where people reach the server, such as "https://credits.example.com"'
    )
    host: str = Field("127.0.0.1", min_length=1, description="the address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="the port to listen on, 1 to 65535")

    local_endpoints: bool = Field(
        False, description="true lets events go by plain http and to private addresses, for development"
    )

    stripe_secret_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("FARTHING_STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY"),
        description="a secret or restricted key of Stripe, of the database's mode",
    )
    stripe_webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (),
        validation_alias=AliasChoices("FARTHING_STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET"),
        description="signing secrets of its webhook endpoint, comma separated",
    )
    stripe_publishable_key: str | None = Field(
        None,
        validation_alias=AliasChoices("FARTHING_STRIPE_PUBLISHABLE_KEY", "STRIPE_PUBLISHABLE_KEY"),
        description="its publishable key, which a payment form on our own page needs",
    )
    stripe_api_base: Annotated[str, AfterValidator(_web_address)] | None = Field(
        None, description="another address of Stripe's API, for tests against a counterpart"
    )
    lemonsqueezy_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("FARTHING_LEMONSQUEEZY_API_KEY", "LEMONSQUEEZY_API_KEY"),
        description="an API key of Lemon Squeezy, of the database's mode",
    )
    lemonsqueezy_store_id: str | None = Field(
        None,
        pattern=r"^[0-9]{1,18}$",
        validation_alias=AliasChoices("FARTHING_LEMONSQUEEZY_STORE_ID", "LEMONSQUEEZY_STORE_ID"),
        description="the number of your store at Lemon Squeezy",
    )
    lemonsqueezy_variant_id: str | None = Field(
        None,
        pattern=r"^[0-9]{1,18}$",
        validation_alias=AliasChoices("FARTHING_LEMONSQUEEZY_VARIANT_ID", "LEMONSQUEEZY_VARIANT_ID"),
        description="the number of the variant there that stands for credits",
    )
    lemonsqueezy_plan_variants: Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)] = Field(
        {},
        validation_alias=AliasChoices("FARTHING_LEMONSQUEEZY_PLAN_VARIANTS", "LEMONSQUEEZY_PLAN_VARIANTS"),
        description='the number of the variant there of each plan that it bills, such as "pro=123,team=456"',
    )
    lemonsqueezy_webhook_secret: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (),
        validation_alias=AliasChoices("FARTHING_LEMONSQUEEZY_WEBHOOK_SECRET", "LEMONSQUEEZY_WEBHOOK_SECRET"),
        description="signing secrets of its webhook, of at least 16 characters, comma separated",
    )
    lemonsqueezy_currency: str = Field("USD", description='the currency of the store there, such as "USD"')

    @property
    def public_url(self) -> str:
        """Where people reach the server: `base_url`, or the address it listens on."""
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def database_shown(self) -> str:
        """The database's URL without its password."""
        return sa.make_url(self.database_url).render_as_string()

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database; None for a server, for memory and for SQLite's own `file:` names."""
        url = sa.make_url(self.database_url)
        name = url.database or ":memory:"
        return None if url.get_backend_name() != "sqlite" or name.startswith((":", "file:")) else Path(name)


def load(**given: Any) -> Settings:
    """The settings of this process: what is `given`, else the environment, else the defaults.

    FARTHING_SECRET_FILE and FARTHING_DATABASE_URL_FILE name files to read them from. Without either secret, the file
    farthing.secret of the current folder is read, where there is one: `farthing init` writes it.

    Raises:
        SettingsInvalid: with every mistake, by the name of its variable; `problems` lists them. Secrets are not shown.
    """
    problems: list[str] = []
    for name in FROM_FILES:
        if name not in given and (text := _from_file(name, problems)) is not None:
            given[name] = text
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems += [_words(one["loc"][0], one["msg"]) for one in error.errors(include_url=False)]
    else:
        if not problems:
            return settings
    listed = "\n".join(f"  {problem}" for problem in problems)
    raise SettingsInvalid(f"{len(problems)} setting(s) are wrong:\n{listed}", problems=problems)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def _from_file(name: str, problems: list[str]) -> str | None:
    here, direct = variable(f"{name}_file"), variable(name)
    path = os.environ.get(here)
    if path and os.environ.get(direct):
        problems.append(f"{here}: {direct} is set as well; keep one of them")
        return None
    if not path and name == "secret" and not os.environ.get(direct) and Path(SECRET_FILE).exists():
        path = SECRET_FILE
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{here}: {path} cannot be read ({getattr(error, 'strerror', None) or 'it is not text'})")
        return None


def _words(where: Any, said: str) -> str:
    name = next(one for one in Settings.model_fields if str(where) in (one, *_variables(one)))
    ours, *fallbacks = _variables(name)
    told = [one for one in (ours, f"{ours}_FILE", *fallbacks) if os.environ.get(one)]
    what_is_wrong = said.removeprefix("Value error, ").removesuffix(".")
    meant = Settings.model_fields[name].description
    return f"{told[0] if told and told[0] in fallbacks else ours}: {what_is_wrong}. Set it to: {meant}."


def _variables(name: str) -> list[str]:
    """The environment variables of a setting, ours first, then those that count where ours is not set."""
    alias = Settings.model_fields[name].validation_alias
    return [str(one) for one in alias.choices] if isinstance(alias, AliasChoices) else [variable(name)]
