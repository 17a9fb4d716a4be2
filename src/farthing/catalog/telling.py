"""A catalog in its seller's words: everything it says, and what two of them say differently."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from farthing.amounts import decimals_of, format_money, text, to_credits
from farthing.catalog import Catalog, Gift, calls, rate_prices, slab_range
from farthing.core.book import CreditType
from farthing.core.payments import Asks
from farthing.core.plans import Allotment, Plan
from farthing.core.pricing import Package, PriceRule
from farthing.core.promos import PromoCode
from farthing.core.rates import RateCard
from farthing.core.words import Words

Subject = tuple[str, str]
"""What is spoken of: ("package", "starter"); ("catalog", "") is the file as a whole."""
Said = dict[str, str]
"""What is said of it, by setting: {"price in USD": "USD 9.90"}."""
Types = Mapping[str, CreditType]


_USED_UP = {"debt": "owed", "write_off": "forgiven", "keep": "kept, as are all that are refunded"}
_PROVIDERS = "providers."
_IN_DISPUTE = {"hold": "set aside", "take": "taken back", "keep": "kept"}


class Change(NamedTuple):
    """What one catalog says otherwise than another, in words.

    `setting` None: all of it came or went. `before` None: it was not there; `after` None: it is there no longer.
    """

    kind: str
    code: str
    setting: str | None
    before: str | None
    after: str | None

    @property
    def happened(self) -> str:
        """added, removed or changed."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def __str__(self) -> str:
        where = f"{self.kind} {self.code}".strip() + (f", {self.setting}" if self.setting else "")
        if self.happened == "changed":
            return f"changed  {where}: {self.before} → {self.after}"
        return f"{self.happened:8} {where}: {self.after or self.before}"


def told(catalog: Catalog, *, providers: Collection[str] = ()) -> dict[Subject, Said]:
    """Everything the catalog says, in the order of the file. `providers`: of whom it is told although none is named."""
    types = catalog.credit_types
    named = dict.fromkeys([*providers, *catalog.providers])
    switches = catalog.switches | {f"{_PROVIDERS}{name}": catalog.is_on(f"{_PROVIDERS}{name}") for name in providers}
    whole = {"time zone": catalog.time_zone, "language": catalog.locale, "currency": catalog.currency}
    whole |= {_switch(name): _on(on) for name, on in switches.items()}
    whole |= {"credits used up and refunded": _USED_UP[catalog.money_back.refunds]}
    whole |= {"credits in dispute": _IN_DISPUTE[catalog.money_back.disputes]}
    said: dict[Subject, Said] = {("catalog", ""): whole}
    said |= {("credit type", code): _credit_type(kind) for code, kind in types.items()}
    said |= {("gift", gift.credit_type): _gift(gift, types) for gift in catalog.gifts}
    said |= {("package", code): _package(package, types) for code, package in catalog.packages.items()}
    said |= {("price", code): _price(rule, types[code]) for code, rule in catalog.prices.items()}
    said |= {("plan", code): _plan(plan, types) for code, plan in catalog.plans.items()}
    said |= {("promo code", code): _promo_code(promo, types) for code, promo in catalog.promo_codes.items()}
    said |= {("operation", code): _operation(card, types) for code, card in catalog.operations.items()}
    return said | {("provider", name): _asks(catalog.asks(name)) for name in named}


def compare(before: Catalog, after: Catalog) -> list[Change]:
    """What `after` says otherwise than `before`; nothing, where both mean the same, however they are written."""
    providers = dict.fromkeys([*_providers(before), *_providers(after)])
    old, new = told(before, providers=providers), told(after, providers=providers)
    changes: list[Change] = []
    for kind, code in dict.fromkeys([*old, *new]):
        was, becomes = old.get((kind, code)), new.get((kind, code))
        if was is None or becomes is None:
            changes.append(Change(kind, code, None, _whole(was), _whole(becomes)))
            continue
        changes += [
            Change(kind, code, setting, was.get(setting), becomes.get(setting))
            for setting in dict.fromkeys([*was, *becomes])
            if was.get(setting) != becomes.get(setting)
        ]
    return changes


def _providers(catalog: Catalog) -> list[str]:
    """All that the catalog names."""
    switched = [name.removeprefix(_PROVIDERS) for name in catalog.switches if name.startswith(_PROVIDERS)]
    return [*switched, *catalog.providers]


def _whole(said: Said | None) -> str | None:
    """All that is said of something, on one line; None where it is not there."""
    return None if said is None else ", ".join(f"{setting}: {words}" for setting, words in said.items())


def credits(units: int, kind: CreditType) -> str:
    """Smallest units as people read them: "5.25 chat"."""
    return f"{text(to_credits(units, kind.scale))} {kind.code}"


def cycle(plan: Plan, types: Types) -> str:
    """What each cycle of the plan pays: "500 images, rollover up to 250 images; 12.5 chat"."""
    return "; ".join(_allotted(one, types[code]) for code, one in plan.allotments.items())


def _credit_type(kind: CreditType) -> Said:
    return {
        **_words("name", kind.name),
        "decimals": str(kind.scale),
        "expires": kind.life,
        "overdraft": credits(kind.overdraft_limit, kind),
        "hold": kind.hold,
        "longest hold": kind.max_hold or "never",
        "capture more": _yes(kind.capture_more),
        "reversal": kind.reversal,
        "grace": kind.grace,
        "told to be low below": credits(kind.low, kind) if kind.low else "never",
        "expiry told before": kind.expiring or "never",
    }


def _gift(gift: Gift, types: Types) -> Said:
    return {"amount": credits(gift.amount, types[gift.credit_type]), "expires": _life(gift.expires)}


def _package(package: Package, types: Types) -> Said:
    kind = types[package.credit_type]
    return {
        "credits": credits(package.credits, kind),
        "bonus": credits(package.bonus, kind),
        **_prices(package.prices),
        **_words("name", package.name),
        **_words("description", package.description),
        "popular": _yes(package.popular),
        "sold": _yes(not package.disabled),
        "expires": _life(package.expires),
        "place": str(package.sort),
        "for": " or ".join(package.plans) or "anyone",
    }


def _price(rule: PriceRule, kind: CreditType) -> Said:
    limits = {"least": rule.minimum, "most": rule.maximum}
    return {
        **({} if rule.calculator else {"mode": rule.mode}),
        **{name: _unlimited(rule) if units is None else credits(units, kind) for name, units in limits.items()},
        "step": credits(rule.step, kind),
        **_calculated(rule),
        **{
            f"{slab_range(slab, kind)} in {currency}": f"{currency} {_unit(slab.unit, currency)} each"
            for currency, slabs in rule.slabs.items()
            for slab in slabs
        },
    }


def _unlimited(rule: PriceRule) -> str:
    return "none" if rule.calculator else "as the slabs"


def _calculated(rule: PriceRule) -> Said:
    asked = rule.calculator
    return {"calculator": asked.name, "asked in": ", ".join(asked.currencies)} if asked else {}


def _promo_code(promo: PromoCode, types: Types) -> Said:
    days = {"from": promo.starts, "until": promo.ends}
    only = {"packages": promo.packages, "credit types": promo.credit_types}
    return {
        **({"off": f"{text(promo.percent.normalize())} %"} if promo.percent else {}),
        **{f"off in {currency}": format_money(minor, currency) for currency, minor in promo.amounts.items()},
        **{f"bonus for {code}": credits(units, types[code]) for code, units in promo.bonus.items()},
        "uses": "any number" if promo.uses is None else str(promo.uses),
        "uses of each account": str(promo.uses_per_account),
        **{name: at.isoformat() for name, at in days.items() if at},
        **{f"only for {what}": ", ".join(codes) for what, codes in only.items() if codes},
        "taken": _yes(not promo.disabled),
    }


def promo_terms(said: Said) -> tuple[str, str, str, str]:
    """What is said of a promo code, in four columns: ("10 % off", "500", "1", "until 2026-12-25T…, only for …")."""
    gives = [f"{words} off" if setting.startswith("off") else words for setting, words in said.items()
             if setting.startswith(("off", "bonus"))]  # fmt: skip
    terms = [f"{setting} {said[setting]}" for setting in said if setting in ("from", "until") or "only for" in setting]
    if said["taken"] == "no":
        terms.append("not taken now")
    return ", ".join(gives), said["uses"], said["uses of each account"], ", ".join(terms)


def _plan(plan: Plan, types: Types) -> Said:
    return {
        **_words("name", plan.name),
        **_words("description", plan.description),
        "rank": str(plan.rank),
        "period": plan.every,
        "cycle": plan.drip or plan.every,
        "opened by": plan.driver,
        **{f"{code} in each cycle": _allotted(one, types[code]) for code, one in plan.allotments.items()},
        **({"trial": plan.trial} if plan.trial else {}),
        **{f"{code} in the trial": credits(units, types[code]) for code, units in plan.trial_credits.items()},
        "upgrade": plan.upgrade,
        "unused": plan.unused,
        "frozen": plan.frozen,
        **_prices(plan.prices),
        "discount": f"{text(plan.discount.normalize())} %",
        **{f"attribute {name}": json.dumps(value, default=str) for name, value in plan.attributes.items()},
    }


def _operation(card: RateCard, types: Types) -> Said:
    return {
        "counted in": card.credit_type,
        "differs by": ", ".join(card.dimensions) or "nothing",
        "at least": credits(card.minimum, types[card.credit_type]),
        "rounded": card.rounding,
        **{f"{calls(row)}, {what}": price for row in card.rows for price, what in rate_prices(card, row)},
    }


def _asks(asks: Asks) -> Said:
    return {name.replace("_", " "): _yes(asked) for name, asked in asks._asdict().items()}


def _allotted(one: Allotment, kind: CreditType) -> str:
    return ", ".join(_terms(one, kind))


def _terms(one: Allotment, kind: CreditType) -> Iterator[str]:
    yield credits(one.amount, kind)
    yield f"rollover up to {credits(one.cap, kind)}" if one.renewal == "rollover" else one.renewal
    if one.expires:
        yield f"expires {one.expires}"


def _prices(prices: Mapping[str, int]) -> Said:
    return {f"price in {currency}": format_money(minor, currency) for currency, minor in prices.items()}


def _words(setting: str, words: str | None) -> Said:
    if not words:
        return {}
    translations = words.translations if isinstance(words, Words) else {}
    return {setting: words, **{f"{setting} in {language}": said for language, said in translations.items()}}


def _unit(price: Decimal, currency: str) -> str:
    """At least the currency's decimals, so that 0.1 and 0.10 are said alike."""
    decimals = -int(price.normalize().as_tuple().exponent)
    return f"{price:.{max(decimals, decimals_of(currency))}f}"


def _life(expires: str | None) -> str:
    return expires or "as the credit type"


def _switch(name: str) -> str:
    return name.replace(_PROVIDERS, "paying through ", 1)


def _on(on: bool) -> str:
    return "on" if on else "off"


def _yes(said: bool) -> str:
    return "yes" if said else "no"
