"""What may stand in farthing.toml: the schema of the file, and every mistake in it at once."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from farthing.amounts import MAX_SCALE, to_units
from farthing.catalog import Catalog, Gift
from farthing.core.book import CreditType
from farthing.core.calendar import span
from farthing.errors import CatalogInvalid, Invalid

CODE = r"^[a-z][a-z0-9_]{0,31}$"


def _exact(value: Any) -> Any:
    if isinstance(value, (bool, float)):
        raise ValueError("write a number or a decimal in quotes")
    return value


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin")
    return name


def _life(text: str) -> str:
    if text != "never":
        try:
            span(text)
        except Invalid as error:
            raise ValueError(error.message.removesuffix(" Nothing was changed.")) from None
    return text


Exact = Annotated[Decimal, BeforeValidator(_exact)]
Life = Annotated[str, AfterValidator(_life), Field(description='"never" or a duration: 30d, 12h, 2w, 1mo, 1y')]
Code = Annotated[str, Field(pattern=CODE)]


class Section(BaseModel):
    """A table of the file: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CreditTypeSection(Section):
    """`[credit_types.CODE]`: what is counted."""

    name: str = Field(min_length=1, max_length=100, description="shown to people")
    scale: int = Field(0, ge=0, le=MAX_SCALE, description="decimals a credit can be split into")
    expires: Life = "never"
    overdraft: Exact = Field(Decimal(0), ge=0, description="how far below zero a wallet may go, in credits")


class GiftSection(Section):
    """`[gifts.CREDIT_TYPE]`: what every new account gets once."""

    amount: Exact = Field(gt=0)
    expires: Life | None = None


class Document(Section):
    """farthing.toml."""

    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    locale: Literal["en", "zh"] = "en"
    switches: dict[Literal["selling", "gifts"], bool] = {}
    credit_types: dict[Code, CreditTypeSection] = Field(min_length=1)
    gifts: dict[str, GiftSection] = {}


def read(document: dict[str, Any], *, name: str, version: str) -> Catalog:
    """The catalog that a parsed file says.

    Raises:
        CatalogInvalid: with every problem, each as "path: what is wrong".
    """
    try:
        file = Document.model_validate(document)
    except ValidationError as error:
        raise _invalid(name, [f"{_path(p['loc'])}: {_words(p)}" for p in error.errors()]) from None
    problems: list[str] = []
    types = {code: _credit_type(code, section, problems) for code, section in file.credit_types.items()}
    gifts = [_gift(code, section, types, problems) for code, section in file.gifts.items()]
    if problems:
        raise _invalid(name, problems)
    switches = {"selling": True, "gifts": True} | dict(file.switches)
    return Catalog(version, file.time_zone, file.locale, switches, types, tuple(gift for gift in gifts if gift))


def _credit_type(code: str, section: CreditTypeSection, problems: list[str]) -> CreditType:
    overdraft = 0
    if section.overdraft:
        overdraft = _units(f"credit_types.{code}.overdraft", section.overdraft, section.scale, problems)
    expires = None if section.expires == "never" else section.expires
    return CreditType(code, section.name, section.scale, expires, overdraft)


def _gift(code: str, section: GiftSection, types: dict[str, CreditType], problems: list[str]) -> Gift | None:
    if code not in types:
        problems.append(f"gifts.{code}: there is no credit type {code!r}; there is {', '.join(types)}")
        return None
    return Gift(code, _units(f"gifts.{code}.amount", section.amount, types[code].scale, problems), section.expires)


def _units(path: str, amount: Decimal, scale: int, problems: list[str]) -> int:
    try:
        return to_units(amount, scale, name="it")
    except Invalid as error:
        problems.append(f"{path}: {error.message.removesuffix(' Nothing was changed.')}")
        return 0


def _invalid(name: str, problems: list[str]) -> CatalogInvalid:
    listed = "\n".join(f"  {problem}" for problem in problems)
    return CatalogInvalid(f"{name} has {len(problems)} mistake(s):\n{listed}", problems=problems)


def _path(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "[key]") or "the file"


def _words(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return "there is no such setting"
    if problem["type"] == "missing":
        return "it is missing"
    return str(problem["msg"]).removeprefix("Value error, ")
