"""What may stand in farthing.toml: its tables, their settings, and what a value of each looks like."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from farthing.amounts import CURRENCIES, MAX_SCALE, exact
from farthing.catalog.nearest import did_you_mean
from farthing.core import checks
from farthing.core.calendar import SPAN, span
from farthing.core.rates import MAX_VALUE_BYTES, Rate, Rounding
from farthing.errors import Invalid

CODE = r"^[a-z][a-z0-9_]{0,31}$"
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MAX_UNIT_DECIMALS = 12
RATE = re.compile(r"(?P<price>\S+) +per +(?P<per>[1-9][0-9_]{0,14})")
MAX_PERCENT_DECIMALS = 6


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
        near = did_you_mean(name, sorted(available_timezones()))
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin{near}")
    return name


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        near = did_you_mean(code, CURRENCIES)
        raise ValueError(f"{code!r} is not an ISO 4217 currency code such as USD or EUR{near}")
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


def _rate(said: Any) -> Rate:
    parts = RATE.fullmatch(said.strip()) if isinstance(said, str) else None
    if parts is None and isinstance(said, str) and "per" in said:
        raise ValueError('write a price, or one for so many units: 2 or "2.50 per 1000"')
    price = _fine(_exact(parts["price"] if parts else said))
    return Rate(price, int(parts["per"].replace("_", "")) if parts else 1)


def _fine(price: Decimal) -> Decimal:
    if price < 0:
        raise ValueError("it must be 0 or more")
    return _unit(price) if price else Decimal(0)


def _values(said: Any) -> tuple[str, ...]:
    values = cast(list[Any], said) if isinstance(said, list) else [said]
    if not values or not all(isinstance(value, str) for value in values):
        raise ValueError('write a value in quotes, or a list of such: "deep" or ["deep", "deep-2"]')
    try:
        return tuple(checks.text("the value", value, most=MAX_VALUE_BYTES) or "" for value in values)
    except Invalid as error:
        raise ValueError(without_assurance(error)) from None


def _percent(percent: Decimal) -> Decimal:
    if percent.as_tuple().exponent < -MAX_PERCENT_DECIMALS:  # pyright: ignore[reportOperatorIssue]
        raise ValueError(f"it has more than {MAX_PERCENT_DECIMALS} decimals")
    return percent


def _moment(value: Any) -> date:
    said = value
    if isinstance(said, str):
        try:
            said = date.fromisoformat(said) if len(said) == len("2026-12-24") else datetime.fromisoformat(said)
        except ValueError:
            said = None
    if not isinstance(said, date) or not 1970 <= said.year <= 9000:
        raise ValueError("write a day or an instant, without quotes: 2026-12-24 or 2026-12-24T18:00:00Z")
    return said


def _language(tag: str) -> str:
    if tag and not LANGUAGE.fullmatch(tag):
        raise ValueError(f"{tag!r} is not a language such as en, zh or zh-Hant")
    return tag


def _said(value: Any) -> Any:
    if not value or not isinstance(value, (str, dict)):
        raise ValueError('write a text in quotes, or one for each language: {en = "…", zh = "…"}')
    return {"": value} if isinstance(value, str) else cast(Any, value)


_NUMBER = BeforeValidator(_exact)
Positive = Annotated[Decimal, Field(gt=0), _NUMBER]
NotNegative = Annotated[Decimal, Field(ge=0), _NUMBER]
Share = Annotated[Decimal, Field(gt=0, le=100), _NUMBER]
Percent = Annotated[Decimal, Field(ge=0, le=100), _NUMBER]
Life = Annotated[
    str,
    AfterValidator(_life),
    WithJsonSchema(
        {"type": "string", "pattern": f"^(never|{SPAN})$", "description": '"never" or a duration: 30d, 12h, 2w, 1mo'}
    ),
]
Length = Annotated[
    str,
    AfterValidator(_length),
    WithJsonSchema({"type": "string", "pattern": f"^{SPAN}$", "description": "a duration: 15m, 12h, 7d, 2w, 1mo"}),
]
Moment = Annotated[Any, BeforeValidator(_moment), WithJsonSchema({"type": "string"})]
Code = Annotated[str, Field(pattern=CODE)]
Zone = Annotated[str, AfterValidator(_zone), WithJsonSchema({"type": "string", "examples": ["UTC", "Europe/Berlin"]})]
Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"type": "string", "enum": sorted(CURRENCIES)})]
Language = Annotated[
    str, AfterValidator(_language), WithJsonSchema({"type": "string", "pattern": f"^{LANGUAGE.pattern}$"})
]
_Short = Annotated[str, Field(min_length=1, max_length=100)]
_Long = Annotated[str, Field(min_length=1, max_length=1000)]
Name = Annotated[dict[Language, _Short], BeforeValidator(_said, json_schema_input_type=_Short | dict[Language, _Short])]
Description = Annotated[
    dict[Language, _Long], BeforeValidator(_said, json_schema_input_type=_Long | dict[Language, _Long])
]


class Section(BaseModel):
    """A table of the file: unknown names are mistakes, and nothing is guessed from a value of another kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CreditTypeSection(Section):
    """`[credit_types.CODE]`: what is counted."""

    name: Name = Field(description="shown to people")
    scale: int = Field(0, ge=0, le=MAX_SCALE, description="decimals a credit can be split into")
    expires: Life = Field("never", description="how long credits last whose grant says nothing else")
    overdraft: NotNegative = Field(Decimal(0), description="how far below zero a wallet may go, in credits")
    hold: Length = Field("15m", description="how long a hold lasts if the call does not say")
    max_hold: Life = Field("never", description="how long a hold may last in all; never is without limit")
    capture_more: bool = Field(False, description="whether a capture may take more than was held")
    reversal: Literal["restore", "grace", "forfeit"] = Field(
        "restore", description="what of a reversed deduction had expired: gets its time back, a grace, or is lost"
    )
    grace: Length = Field("7d", description='how long such credits last with reversal = "grace"')
    low: Positive | None = Field(None, description="events tell when a balance falls below it, to nothing, or recovers")
    expiring: Length | None = Field(None, description="events tell so long before credits expire, and when they do")


class GiftSection(Section):
    """`[gifts.CREDIT_TYPE]`: what every new account gets once."""

    amount: Positive = Field(description="in credits")
    expires: Life | None = Field(None, description="life of the credits; left out, the credit type's")


class PackageSection(Section):
    """`[packages.CODE]`: a fixed number of credits at a fixed price."""

    credit_type: str = Field(description="the code of a credit type")
    credits: Positive = Field(description="what is paid for, in credits")
    bonus: NotNegative = Field(Decimal(0), description="what comes on top, in credits")
    price: dict[Currency, Positive] = Field(min_length=1, description='major units by currency: {USD = "9.90"}')
    name: Name | None = Field(None, description="shown to people; left out, the code in words")
    description: Description | None = Field(None, description="shown to people, longer than the name")
    popular: bool = Field(False, description="marked among the others")
    disabled: bool = Field(False, description="not sold now")
    expires: Life | None = Field(None, description="life of the credits; left out, the credit type's")
    sort: int = Field(0, description="smaller numbers are shown first")
    plans: list[Code] = Field([], description="only their subscribers may buy it; left out, anyone")


class SlabSection(Section):
    """`[[prices.CREDIT_TYPE.slabs.CURRENCY]]`: one unit price from an amount to an amount, both inclusive."""

    start: Positive = Field(alias="from", description="where the slab begins")
    end: Positive | None = Field(None, alias="to", description="the last slab may leave it out")
    unit: Annotated[Positive, AfterValidator(_unit)] = Field(description="for one credit, in major units")


class PriceSection(Section):
    """`[prices.CREDIT_TYPE]`: what any amount costs."""

    mode: Literal["volume", "graduated"] | None = Field(
        None, description="volume: all at the slab the amount falls in; graduated: each part at its slab"
    )
    min: Positive | None = Field(None, description="least credits in one purchase; left out, where the slabs begin")
    max: Positive | None = Field(None, description="most credits in one purchase; left out, where the slabs end")
    step: Positive | None = Field(None, description="only its multiples are sold; left out, the smallest unit")
    slabs: dict[Currency, Annotated[list[SlabSection], Field(min_length=1)]] | None = Field(
        None, min_length=1, description="by currency"
    )
    calculator: str | None = Field(None, description='instead of slabs, your own function: "shop.pricing:images"')
    currencies: list[Currency] = Field([], description="with a calculator: those it can answer in")


class AllotmentSection(Section):
    """`[plans.CODE.credits.CREDIT_TYPE]`: what is paid of one credit type in each cycle."""

    amount: Positive = Field(description="credits in each cycle")
    renewal: Literal["reset", "add", "rollover"] = Field(
        "reset", description="what becomes of unused credits when the next cycle begins"
    )
    expires: Life | None = Field(
        None, description='life of the credits with "add", of what is rolled over with "rollover"'
    )
    cap: Positive | None = Field(None, description='with "rollover": the most that stands rolled over at once')


class TrialSection(Section):
    """`[plans.CODE.trial]`: what comes before the first period, once for each account."""

    length: Length = Field(description="how long it lasts")
    credits: dict[str, Positive] = Field({}, description="paid at once, gone with the trial")


class PlanSection(Section):
    """`[plans.CODE]`: what a subscriber gets."""

    name: Name | None = Field(None, description="shown to people; left out, the code in words")
    description: Description | None = Field(None, description="shown to people, longer than the name")
    rank: int = Field(0, description="a change to a higher or equal rank is an upgrade, to a lower one a downgrade")
    every: Length = Field(description="one period: 1mo, 1y, 1w, 30d")
    drip: Length | None = Field(None, description="pays each part of a period by itself: a yearly plan month by month")
    driver: Literal["clock", "payment"] = Field("clock", description="what opens a period: the clock, or its payment")
    credits: dict[str, AllotmentSection] = Field({}, description="what each cycle pays, by credit type")
    trial: TrialSection | None = None
    upgrade: Literal["difference", "prorated", "full"] = Field(
        "difference", description="what an upgrade to this plan pays in mid-cycle"
    )
    unused: Literal["keep", "expire", "take_back"] = Field(
        "keep", description="what becomes of unused credits when the plan is cancelled"
    )
    frozen: Literal["catch_up", "skip"] = Field(
        "catch_up", description="what becomes of cycles that began while the account was frozen"
    )
    price: dict[Currency, NotNegative] = Field({}, description="of one period, for showing")
    discount: Annotated[Percent, AfterValidator(_percent)] = Field(
        Decimal(0), description="percent off everything its subscribers buy"
    )
    attributes: dict[str, Any] = Field({}, description="your own, for price calculators")


_VALUES = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
_PRICE = WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}]})


class OperationSection(Section):
    """`[operations.CODE]`: what an operation costs, by what it used."""

    credit_type: str = Field(description="what it is charged in")
    dimensions: list[Code] = Field([], description='what rates may differ by: ["model"]')
    minimum: NotNegative = Field(Decimal(0), description="the least that one call costs, in credits")
    rounding: Rounding = Field("up", description="of the sum, once, to the credit type's smallest unit")
    rates: list[RateSection] = Field(min_length=1)


class RateSection(Section):
    """`[[operations.CODE.rates]]`: prices for calls whose dimensions have these values; the first that fits counts."""

    when: dict[Code, Annotated[tuple[str, ...], PlainValidator(_values), _VALUES]] = Field(
        {}, description='the values it is for: {model = "deep"}; left out, all calls'
    )
    measures: dict[Code, Annotated[Rate, PlainValidator(_rate), _PRICE]] = Field(
        {}, description='credits for what was used: {input_tokens = "2.50 per 1000"}'
    )
    flat: Annotated[NotNegative, AfterValidator(_fine)] = Field(Decimal(0), description="credits for each call")


class PromoCodeSection(Section):
    """`[promo_codes.CODE]`: what a code takes off a purchase, or adds to it."""

    percent: Annotated[Share, AfterValidator(_percent)] | None = Field(None, description="off the price")
    amount: dict[Currency, Positive] = Field({}, description="off the price, by currency")
    bonus: dict[str, Positive] = Field({}, description="credits on top, by credit type")
    uses: int | None = Field(None, ge=1, description="how often in all; left out, any number of times")
    uses_per_account: int = Field(1, ge=1, description="how often by each account")
    starts: Moment | None = Field(None, alias="from", description="an instant, or a day in the catalog's time zone")
    ends: Moment | None = Field(None, alias="until", description="an instant, or a day, which is its last")
    packages: list[Code] = Field([], description="only for these")
    credit_types: list[str] = Field([], description="only for these, in whatever package or amount")
    disabled: bool = Field(False, description="not taken now")


class Switches(Section):
    """`[switches]`: what is off is off everywhere."""

    selling: bool = Field(True, description="off: every quote and every checkout is refused")
    gifts: bool = Field(True, description="off: opening an account pays no gift")
    plans: bool = Field(True, description="off: no plan starts, renews, changes or pays")
    promo_codes: bool = Field(True, description="off: every promo code is refused")
    providers: dict[Code, bool] = Field({}, description="off: nobody is sent to this provider to pay")


class MoneyBackSection(Section):
    """`[money_back]`: what becomes of credits whose money goes back to who paid it."""

    refunds: Literal["debt", "write_off", "keep"] = Field(
        "debt",
        description="once refunded, what was used up is owed (debt), forgiven (write_off), or none goes (keep)",
    )
    disputes: Literal["hold", "take", "keep"] = Field(
        "hold", description="until a bank decides, what is left is set aside (hold), taken (take) or stays (keep)"
    )


class ProviderSection(Section):
    """`[providers.NAME]`: what its page asks of customers beside the money, where it can."""

    tax: bool = Field(False, description="it works the tax out and adds it")
    tax_ids: bool = Field(False, description="customers may give their tax id")
    promotion_codes: bool = Field(False, description="it takes promotion codes of its own")
    billing_address: bool = Field(False, description="customers have to give their address")
    invoice: bool = Field(False, description="it writes an invoice, beside the receipt")


class Document(Section):
    """farthing.toml."""

    time_zone: Zone = Field("UTC", description="in which months are counted, for accounts without a zone of their own")
    locale: Literal["en", "zh"] = Field("en", description="the language of the file's own texts")
    currency: Currency = Field("USD", description="of quotes, where nobody asks for another")
    switches: Switches = Switches.model_validate({})
    credit_types: dict[Code, CreditTypeSection] = Field(min_length=1)
    gifts: dict[str, GiftSection] = {}
    packages: dict[Code, PackageSection] = {}
    prices: dict[str, PriceSection] = {}
    plans: dict[Code, PlanSection] = {}
    operations: dict[Code, OperationSection] = {}
    promo_codes: dict[str, PromoCodeSection] = {}
    money_back: MoneyBackSection = MoneyBackSection.model_validate({})
    providers: dict[Code, ProviderSection] = {}


def settings_of(loc: tuple[int | str, ...]) -> list[str]:
    """The settings that the table at `loc` may have, as a file writes them; none where it is the seller's own."""
    here: Any = Document
    for part in loc:
        here = _within(here, part)
    return [field.alias or name for name, field in here.model_fields.items()] if _is_section(here) else []


def _within(here: Any, part: int | str) -> Any:
    if _is_section(here):
        return next((_bare(field.annotation) for name, field in here.model_fields.items() if name == part), None)
    inner = get_args(here)
    return _bare(inner[-1]) if inner else None


def _bare(kind: Any) -> Any:
    """A type without its annotations and without the None of what may be left out."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = next(inner for inner in get_args(kind) if inner is not NoneType)
    return kind


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
