"""The shop: what the catalog sells, for anyone."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from farthing.amounts import text, to_credits
from farthing.catalog import Catalog
from farthing.core.pricing import Package, PriceRule
from farthing.core.words import Words
from farthing.http.auth import PUBLIC
from farthing.http.orders import Minor, Money
from farthing.http.route import ledger, refusals, router
from farthing.http.wire import Body, Exact, Number

routes = router("Selling")


class SoldType(BaseModel):
    """What is counted."""

    code: str
    name: str
    scale: int = Field(description="Decimals a credit can be split into.")
    expires: str = Field(description='How long its credits last where nothing else is said: a duration or "never".')


class SoldPackage(BaseModel):
    """A fixed number of credits at a fixed price."""

    code: str
    credit_type: str
    name: str
    description: str | None
    credits: Number
    bonus: Number = Field(description="What comes on top, unpaid.")
    prices: dict[str, Minor] = Field(description="By ISO 4217 currency, in whole minor units.")
    popular: bool
    expires: str = Field(description='How long they last from fulfilment on: a duration or "never".')
    plans: list[str] = Field(description="Only their subscribers may buy it; empty: everyone.")


class SoldSlab(BaseModel):
    """One price for amounts from `start` to `end`, both inclusive; `end` null has no upper end."""

    start: Number
    end: Number | None
    unit: Money


class SoldPrice(BaseModel):
    """How any amount of one credit type is priced."""

    credit_type: str
    mode: Literal["volume", "graduated", "calculator"] = Field(
        description="volume: the whole amount at the slab it falls in; graduated: each part at its slab; calculator: "
        "the seller's own function, and no slabs."
    )
    currencies: list[str] = Field(description="ISO 4217.")
    minimum: Number | None
    maximum: Number | None
    step: Number
    slabs: dict[str, list[SoldSlab]] = Field(description="By ISO 4217 currency.")


class Shop(BaseModel):
    """What the seller shows to everyone. While selling is switched off there are no packages and no prices."""

    version: str
    currency: str = Field(description="The one that is meant where none is said.")
    selling: bool
    credit_types: list[SoldType]
    packages: list[SoldPackage] = Field(description="In the order in which they are to be shown.")
    prices: list[SoldPrice]


class ShopAsked(Body):
    """For whom."""

    locale: str = Field(default="", max_length=35, description="Language tag for names; left out: the seller's own.")


@routes.get("/catalog", openapi_extra=PUBLIC, response_model=Shop, responses=refusals())
async def show_catalog(request: Request, asked: Annotated[ShopAsked, Query()]) -> Exact:
    """What is sold: credit types, packages and prices. For anyone; no key is needed."""
    catalog = ledger(request).credits.catalog
    selling = catalog.switches["selling"]
    kinds = catalog.credit_types.values()
    types = [
        {"code": kind.code, "name": _said(kind.name, asked), "scale": kind.scale, "expires": kind.life}
        for kind in kinds
    ]
    packages = [_package(catalog, one, asked) for one in catalog.packages.values() if selling and not one.disabled]
    prices = [_price(catalog, rule) for rule in catalog.prices.values() if selling]
    return Exact(
        {
            "version": catalog.version,
            "currency": catalog.currency,
            "selling": selling,
            "credit_types": types,
            "packages": packages,
            "prices": prices,
        }
    )


def _package(catalog: Catalog, package: Package, asked: ShopAsked) -> dict[str, Any]:
    kind = catalog.credit_types[package.credit_type]
    scale = kind.scale
    return {
        "code": package.code,
        "credit_type": package.credit_type,
        "name": _said(package.name, asked),
        "description": _said(package.description, asked),
        "credits": to_credits(package.credits, scale),
        "bonus": to_credits(package.bonus, scale),
        "prices": package.prices,
        "popular": package.popular,
        "expires": package.expires or kind.life,
        "plans": package.plans,
    }


def _price(catalog: Catalog, rule: PriceRule) -> dict[str, Any]:
    scale = catalog.credit_types[rule.credit_type].scale

    def credits(units: int | None) -> Decimal | None:
        return None if units is None else to_credits(units, scale)

    slabs = {
        currency: [
            {"start": credits(slab.start), "end": credits(slab.end), "unit": text(slab.unit)} for slab in in_currency
        ]
        for currency, in_currency in rule.slabs.items()
    }
    bounds = {"minimum": credits(rule.minimum), "maximum": credits(rule.maximum), "step": credits(rule.step)}
    sold = {"credit_type": rule.credit_type, "mode": rule.mode, "currencies": rule.currencies}
    return sold | bounds | {"slabs": slabs}


def _said(words: str | None, asked: ShopAsked) -> str | None:
    return words.to(asked.locale) if isinstance(words, Words) else words
