"""What may stand in farthing.toml: its tables, their settings, and what a value of each looks like."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from farthing.amounts import CURRENCIES, MAX_SCALE, exact
from farthing.core.calendar import span
from farthing.core.pricing import Mode
from farthing.errors import Invalid

CODE = r"^[a-z][a-z0-9_]{0,31}$"
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MAX_UNIT_DECIMALS = 12


def without_assurance(error: Invalid) -> str:
    """What the error says, for a reader who changes a file: nobody expects that to change the books."""
    return error.message.replace(" Nothing was changed.", "").removesuffix(".")


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise ValueError('write a number such as 100 or "9.90"')
    try:
        return exact(value, name="the value")
    except Invalid as error:
        raise ValueError(without_assurance(error)) from None


def _zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin")
    return name


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code such as USD or EUR")
    return code


def _life(text: str) -> str:
    if text != "never":
        try:
            span(text)
        except Invalid as error:
            raise ValueError(without_assurance(error)) from None
    return text


def _length(text: str) -> str:
    if text == "never":
        raise ValueError("write a duration such as 15m or 7d")
    return _life(text)


def _unit(price: Decimal) -> Decimal:
    if price.adjusted() >= 12 or price.as_tuple().exponent < -MAX_UNIT_DECIMALS:  # pyright: ignore[reportOperatorIssue]
        raise ValueError(f"it needs more than 12 digits before the point or {MAX_UNIT_DECIMALS} after it")
    return price


def _language(tag: str) -> str:
    if tag and not LANGUAGE.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a language such as en, zh or zh-Hant")
    return tag


def _said(value: Any) -> Any:
    if not value or not isinstance(value, (str, dict)):
        raise ValueError('write a text in quotes, or one for each language: {en = "…", zh = "…"}')
    return {"": value} if isinstance(value, str) else cast(Any, value)


Exact = Annotated[Decimal, BeforeValidator(_exact)]
Life = Annotated[str, AfterValidator(_life), Field(description='"never" or a duration: 30d, 12h, 2w, 1mo, 1y')]
Length = Annotated[str, AfterValidator(_length), Field(description="a duration: 15m, 12h, 7d, 2w, 1mo")]
Code = Annotated[str, Field(pattern=CODE)]
Currency = Annotated[str, AfterValidator(_currency)]
Language = Annotated[str, AfterValidator(_language)]
Name = Annotated[dict[Language, Annotated[str, Field(min_length=1, max_length=100)]], BeforeValidator(_said)]
Description = Annotated[dict[Language, Annotated[str, Field(min_length=1, max_length=1000)]], BeforeValidator(_said)]


class Section(BaseModel):
    """A table of the file: unknown names are mistakes, and nothing is guessed from a value of another kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CreditTypeSection(Section):
    """`[credit_types.CODE]`: what is counted."""

    name: Name = Field(description="shown to people")
    scale: int = Field(0, ge=0, le=MAX_SCALE, description="decimals a credit can be split into")
    expires: Life = "never"
    overdraft: Exact = Field(Decimal(0), ge=0, description="how far below zero a wallet may go, in credits")
    hold: Length = Field("15m", description="how long a hold lasts if the call does not say")
    max_hold: Life = Field("never", description="how long a hold may last in all; never is without limit")
    capture_more: bool = Field(False, description="whether a capture may take more than was held")
    reversal: Literal["restore", "grace", "forfeit"] = Field(
        "restore", description="what of a reversed deduction had expired: gets its time back, a grace, or is lost"
    )
    grace: Length = Field("7d", description='how long such credits last with reversal = "grace"')


class GiftSection(Section):
    """`[gifts.CREDIT_TYPE]`: what every new account gets once."""

    amount: Exact = Field(gt=0)
    expires: Life | None = None


class PackageSection(Section):
    """`[packages.CODE]`: a fixed number of credits at a fixed price."""

    credit_type: str
    credits: Exact = Field(gt=0, description="what is paid for, in credits")
    bonus: Exact = Field(Decimal(0), ge=0, description="what comes on top, in credits")
    price: dict[Currency, Annotated[Exact, Field(gt=0)]] = Field(
        min_length=1, description='major units by currency: {USD = "9.90"}'
    )
    name: Name | None = Field(None, description="shown to people; left out, the code in words")
    description: Description | None = None
    popular: bool = Field(False, description="marked among the others")
    disabled: bool = Field(False, description="not sold now")
    expires: Life | None = Field(None, description="life of the credits; left out, the credit type's")
    sort: int = Field(0, description="smaller numbers are shown first")
    plans: list[Code] = Field([], description="only their subscribers may buy it; left out, anyone")


class SlabSection(Section):
    """`[[prices.CREDIT_TYPE.slabs.CURRENCY]]`: one unit price from an amount to an amount, both inclusive."""

    start: Exact = Field(gt=0, alias="from")
    end: Exact | None = Field(None, gt=0, alias="to", description="the last slab may leave it out")
    unit: Annotated[Exact, AfterValidator(_unit)] = Field(gt=0, description="for one credit, in major units")


class PriceSection(Section):
    """`[prices.CREDIT_TYPE]`: what any amount costs."""

    mode: Mode = Field(description="volume: all at the slab the amount falls in; graduated: each part at its slab")
    min: Exact | None = Field(None, gt=0, description="least credits in one purchase; left out, where the slabs begin")
    max: Exact | None = Field(None, gt=0, description="most credits in one purchase; left out, where the slabs end")
    step: Exact | None = Field(None, gt=0, description="only its multiples are sold; left out, the smallest unit")
    slabs: dict[Currency, Annotated[list[SlabSection], Field(min_length=1)]] = Field(min_length=1)


class Switches(Section):
    """`[switches]`: what is off is off everywhere."""

    selling: bool = True
    gifts: bool = True


class Document(Section):
    """farthing.toml."""

    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    locale: Literal["en", "zh"] = "en"
    currency: Currency = "USD"
    switches: Switches = Switches()
    credit_types: dict[Code, CreditTypeSection] = Field(min_length=1)
    gifts: dict[str, GiftSection] = {}
    packages: dict[Code, PackageSection] = {}
    prices: dict[str, PriceSection] = {}
