"""What two catalogs say differently, in their seller's words: nothing is missed, and nothing is made up."""

from __future__ import annotations

import inspect

import pytest

from farthing.catalog import parse, schema
from farthing.catalog.schema import Section
from farthing.catalog.telling import Change, compare, told

SHOP = """
time_zone = "UTC"
locale = "en"
currency = "USD"

[switches]
selling = true
gifts = true
plans = true
promo_codes = true
providers = {}

[money_back]
refunds = "debt"
disputes = "hold"

[providers.stripe]
tax = false
tax_ids = false
promotion_codes = false
billing_address = false
invoice = false

[credit_types.images]
name = "Images"
scale = 0
expires = "1y"
overdraft = 0
hold = "15m"
max_hold = "never"
capture_more = false
reversal = "restore"
grace = "7d"
low = 20
expiring = "6d"

[credit_types.chat]
name = "Chat"
scale = 2

[credit_types.music]
name = "Music"
scale = 2

[gifts.images]
amount = 10
expires = "30d"

[packages.starter]
credit_type = "images"
credits = 100
bonus = 10
price = { USD = "9.90" }
name = "Starter"
description = "For a try."
popular = false
disabled = false
expires = "2y"
sort = 1
plans = []

[prices.images]
mode = "graduated"
min = 10
max = 1000
step = 10
slabs.USD = [{ from = 10, to = 1000, unit = "0.10" }]

[plans.pro]
name = "Pro"
description = "More."
rank = 1
every = "1y"
drip = "1mo"
driver = "clock"
upgrade = "difference"
unused = "keep"
frozen = "catch_up"
price = { USD = "99" }
discount = 5
attributes = { seats = 5 }

[plans.pro.credits.images]
amount = 500
renewal = "rollover"
expires = "60d"
cap = 250

[plans.pro.trial]
length = "14d"
credits = { images = 20 }

[packages.big]
credit_type = "images"
credits = 1000
price = { USD = "69.90" }

[prices.chat]
calculator = "tests.calculators:told"
currencies = ["USD"]

[promo_codes.TENTH]
percent = 10
uses = 5
uses_per_account = 1
from = 2026-12-01T00:00:00Z
until = 2026-12-24T00:00:00Z
packages = ["big"]
credit_types = ["images"]
disabled = false

[promo_codes.LESS]
amount = { USD = "1.00" }

[promo_codes.MORE]
bonus = { images = 20 }

[operations.talk]
credit_type = "chat"
dimensions = ["model"]
minimum = "0.01"
rounding = "up"

[[operations.talk.rates]]
when = { model = "deep" }
measures = { tokens = "2 per 1000" }
flat = "0.05"

[[operations.talk.rates]]
measures = { tokens = 1 }
"""

WHOLE, IMAGES, STARTER, PRICE, PRO = (
    ("catalog", ""), ("credit type", "images"), ("package", "starter"), ("price", "images"), ("plan", "pro"),
)  # fmt: skip
SLAB, CYCLE = "10 to 1000 images in USD", "images in each cycle"
TENTH = ("promo code", "TENTH")
TALK, DEEP = ("operation", "talk"), "model deep, per 1000 tokens"
TALKED = 'credit_type = "chat"\ndimensions = ["model"]\nminimum = "0.01"'
ROLLED = "500 images, rollover up to 250 images, expires 60d"
CHANGES = [
    ("Document.time_zone", '"UTC"', '"Asia/Shanghai"', [(*WHOLE, "time zone", "UTC", "Asia/Shanghai")]),
    ("Document.locale", 'locale = "en"', 'locale = "zh"', [(*WHOLE, "language", "en", "zh")]),
    ("Document.currency", 'currency = "USD"', 'currency = "EUR"', [(*WHOLE, "currency", "USD", "EUR")]),
    ("Switches.selling", "selling = true", "selling = false", [(*WHOLE, "selling", "on", "off")]),
    ("Switches.gifts", "gifts = true", "gifts = false", [(*WHOLE, "gifts", "on", "off")]),
    ("Switches.promo_codes", "promo_codes = true", "promo_codes = false", [(*WHOLE, "promo_codes", "on", "off")]),
    ("MoneyBackSection.refunds", '"debt"', '"write_off"', [
        (*WHOLE, "credits used up and refunded", "owed", "forgiven"),
    ]),
    ("MoneyBackSection.disputes", '"hold"', '"take"', [
        (*WHOLE, "credits in dispute", "set aside", "taken back"),
    ]),
    ("Switches.plans", "plans = true", "plans = false", [(*WHOLE, "plans", "on", "off")]),
    (
        "Switches.providers", "providers = {}", "providers = { sandbox = false, stripe = true }",
        [(*WHOLE, "paying through sandbox", "on", "off")],
    ),
    *(
        (
            f"ProviderSection.{asked}", f"{asked} = false", f"{asked} = true",
            [("provider", "stripe", asked.replace("_", " "), "no", "yes")],
        )
        for asked in ("tax", "tax_ids", "promotion_codes", "billing_address", "invoice")
    ),
    ("CreditTypeSection.name", '"Images"', '{ en = "Images", zh = "图片" }', [
        (*IMAGES, "name in en", None, "Images"), (*IMAGES, "name in zh", None, "图片"),
    ]),
    ("CreditTypeSection.scale", "scale = 2", "scale = 3", [
        ("credit type", "chat", "decimals", "2", "3"), ("price", "chat", "step", "0.01 chat", "0.001 chat"),
    ]),
    ("CreditTypeSection.expires", '"1y"\noverdraft', '"2y"\noverdraft', [(*IMAGES, "expires", "1y", "2y")]),
    ("CreditTypeSection.overdraft", "overdraft = 0", "overdraft = 5", [(*IMAGES, "overdraft", "0 images", "5 images")]),
    ("CreditTypeSection.hold", '"15m"', '"20m"', [(*IMAGES, "hold", "15m", "20m")]),
    ("CreditTypeSection.max_hold", 'max_hold = "never"', 'max_hold = "1d"', [(*IMAGES, "longest hold", "never", "1d")]),
    ("CreditTypeSection.capture_more", "more = false", "more = true", [(*IMAGES, "capture more", "no", "yes")]),
    ("CreditTypeSection.reversal", '"restore"', '"forfeit"', [(*IMAGES, "reversal", "restore", "forfeit")]),
    ("CreditTypeSection.grace", '"7d"', '"8d"', [(*IMAGES, "grace", "7d", "8d")]),
    ("CreditTypeSection.low", "20", "21", [(*IMAGES, "told to be low below", "20 images", "21 images")]),
    ("CreditTypeSection.expiring", '"6d"', '"8d"', [(*IMAGES, "expiry told before", "6d", "8d")]),
    ("GiftSection.amount", "amount = 10\n", "amount = 20\n", [("gift", "images", "amount", "10 images", "20 images")]),
    (
        "GiftSection.expires", 'amount = 10\nexpires = "30d"', "amount = 10",
        [("gift", "images", "expires", "30d", "as the credit type")],
    ),
    ("PackageSection.credit_type", '"images"', '"chat"', [
        (*STARTER, "credits", "100 images", "100 chat"), (*STARTER, "bonus", "10 images", "10 chat"),
    ]),
    ("PackageSection.credits", "credits = 100\n", "credits = 90\n", [(*STARTER, "credits", "100 images", "90 images")]),
    ("PackageSection.bonus", "bonus = 10", "bonus = 0", [(*STARTER, "bonus", "10 images", "0 images")]),
    ("PackageSection.price", '"9.90"', "990", [(*STARTER, "price in USD", "USD 9.90", "USD 990.00")]),
    ("PackageSection.name", 'name = "Starter"', 'name = "First"', [(*STARTER, "name", "Starter", "First")]),
    (
        "PackageSection.description", 'description = "For a try."\n', "",
        [(*STARTER, "description", "For a try.", None)],
    ),
    ("PackageSection.popular", "popular = false", "popular = true", [(*STARTER, "popular", "no", "yes")]),
    ("PackageSection.disabled", "disabled = false", "disabled = true", [(*STARTER, "sold", "yes", "no")]),
    ("PackageSection.expires", '"2y"', '"3y"', [(*STARTER, "expires", "2y", "3y")]),
    ("PackageSection.sort", "sort = 1", "sort = 2", [(*STARTER, "place", "1", "2")]),
    ("PackageSection.plans", "plans = []", 'plans = ["pro"]', [(*STARTER, "for", "anyone", "pro")]),
    ("PriceSection.mode", '"graduated"', '"volume"', [(*PRICE, "mode", "graduated", "volume")]),
    ("PriceSection.min", "min = 10\n", "", [(*PRICE, "least", "10 images", "as the slabs")]),
    ("PriceSection.max", "max = 1000\n", "max = 990\n", [(*PRICE, "most", "1000 images", "990 images")]),
    ("PriceSection.step", "step = 10\n", "step = 5\n", [(*PRICE, "step", "10 images", "5 images")]),
    ("PriceSection.slabs", "slabs.USD", "slabs.EUR", [
        (*PRICE, SLAB, "USD 0.10 each", None), (*PRICE, "10 to 1000 images in EUR", None, "EUR 0.10 each"),
    ]),
    ("SlabSection.from", "step = 10\nslabs.USD = [{ from = 10,", "step = 5\nslabs.USD = [{ from = 5,", [
        (*PRICE, "step", "10 images", "5 images"),
        (*PRICE, SLAB, "USD 0.10 each", None), (*PRICE, "5 to 1000 images in USD", None, "USD 0.10 each"),
    ]),
    ("SlabSection.to", "to = 1000, ", "", [
        (*PRICE, SLAB, "USD 0.10 each", None), (*PRICE, "10 or more images in USD", None, "USD 0.10 each"),
    ]),
    ("SlabSection.unit", '"0.10"', '"0.095"', [(*PRICE, SLAB, "USD 0.10 each", "USD 0.095 each")]),
    ("PlanSection.name", 'name = "Pro"', 'name = "Plus"', [(*PRO, "name", "Pro", "Plus")]),
    ("PlanSection.description", '"More."', '"Most."', [(*PRO, "description", "More.", "Most.")]),
    ("PlanSection.rank", "rank = 1", "rank = 2", [(*PRO, "rank", "1", "2")]),
    ("PlanSection.every", 'every = "1y"', 'every = "6mo"', [(*PRO, "period", "1y", "6mo")]),
    ("PlanSection.drip", 'drip = "1mo"\n', "", [(*PRO, "cycle", "1mo", "1y")]),
    ("PlanSection.driver", '"clock"', '"payment"', [(*PRO, "opened by", "clock", "payment")]),
    ("PlanSection.upgrade", '"difference"', '"full"', [(*PRO, "upgrade", "difference", "full")]),
    ("PlanSection.unused", '"keep"', '"expire"', [(*PRO, "unused", "keep", "expire")]),
    ("PlanSection.frozen", '"catch_up"', '"skip"', [(*PRO, "frozen", "catch_up", "skip")]),
    ("PlanSection.price", '"99"', '"99.50"', [(*PRO, "price in USD", "USD 99.00", "USD 99.50")]),
    ("PlanSection.discount", "discount = 5", 'discount = "7.5"', [(*PRO, "discount", "5 %", "7.5 %")]),
    ("PlanSection.attributes", "seats = 5", "seats = 6", [(*PRO, "attribute seats", "5", "6")]),
    ("PlanSection.credits", "[plans.pro.credits.images]", "[plans.pro.credits.chat]", [
        (*PRO, CYCLE, ROLLED, None),
        (*PRO, "chat in each cycle", None, "500 chat, rollover up to 250 chat, expires 60d"),
    ]),
    ("PlanSection.trial", '\n[plans.pro.trial]\nlength = "14d"\ncredits = { images = 20 }\n', "", [
        (*PRO, "trial", "14d", None), (*PRO, "images in the trial", "20 images", None),
    ]),
    ("AllotmentSection.amount", "amount = 500", "amount = 501", [(*PRO, CYCLE, ROLLED, ROLLED.replace("500", "501"))]),
    (
        "AllotmentSection.renewal", 'renewal = "rollover"\nexpires = "60d"\ncap = 250', 'renewal = "add"',
        [(*PRO, CYCLE, ROLLED, "500 images, add")],
    ),
    ("AllotmentSection.expires", '"60d"', '"90d"', [(*PRO, CYCLE, ROLLED, ROLLED.replace("60d", "90d"))]),
    ("AllotmentSection.cap", "cap = 250", "cap = 9", [(*PRO, CYCLE, ROLLED, ROLLED.replace("250", "9"))]),
    ("TrialSection.length", '"14d"', '"7d"\n', [(*PRO, "trial", "14d", "7d")]),
    ("TrialSection.credits", "images = 20", "images = 30", [(*PRO, "images in the trial", "20 images", "30 images")]),
    ("PriceSection.calculator", "calculators:told", "calculators:images", [
        ("price", "chat", "calculator", "tests.calculators:told", "tests.calculators:images"),
    ]),
    ("PriceSection.currencies", '["USD"]', '["USD", "EUR"]', [("price", "chat", "asked in", "USD", "USD, EUR")]),
    ("PromoCodeSection.percent", "percent = 10", "percent = 20", [(*TENTH, "off", "10 %", "20 %")]),
    ("PromoCodeSection.amount", '"1.00"', '"2.00"', [("promo code", "LESS", "off in USD", "USD 1.00", "USD 2.00")]),
    ("PromoCodeSection.bonus", "bonus = { images = 20 }", "bonus = { images = 21 }", [
        ("promo code", "MORE", "bonus for images", "20 images", "21 images"),
    ]),
    ("PromoCodeSection.uses", "uses = 5\n", "", [(*TENTH, "uses", "5", "any number")]),
    ("PromoCodeSection.uses_per_account", "uses_per_account = 1", "uses_per_account = 2", [
        (*TENTH, "uses of each account", "1", "2"),
    ]),
    ("PromoCodeSection.from", "from = 2026-12-01T00:00:00Z\n", "", [
        (*TENTH, "from", "2026-12-01T00:00:00+00:00", None),
    ]),
    ("PromoCodeSection.until", "until = 2026-12-24T00", "until = 2026-12-25T00", [
        (*TENTH, "until", "2026-12-24T00:00:00+00:00", "2026-12-25T00:00:00+00:00"),
    ]),
    ("PromoCodeSection.packages", 'packages = ["big"]\n', "", [(*TENTH, "only for packages", "big", None)]),
    ("PromoCodeSection.credit_types", 'credit_types = ["images"]\n', "", [
        (*TENTH, "only for credit types", "images", None),
    ]),
    ("PromoCodeSection.disabled", "disabled = false\n\n[promo_codes.LESS]", "disabled = true\n\n[promo_codes.LESS]", [
        (*TENTH, "taken", "yes", "no"),
    ]),
    (
        "OperationSection.credit_type", TALKED, TALKED.replace("chat", "images").replace('"0.01"', "1"),
        [
            (*TALK, "counted in", "chat", "images"), (*TALK, "at least", "0.01 chat", "1 images"),
            (*TALK, DEEP, "2 chat", "2 images"), (*TALK, "model deep, a call", "0.05 chat", "0.05 images"),
            (*TALK, "any, per 1 tokens", "1 chat", "1 images"),
        ],
    ),
    ("OperationSection.dimensions", '["model"]', '["model", "tier"]', [(*TALK, "differs by", "model", "model, tier")]),
    ("OperationSection.minimum", '"0.01"', '"0.02"', [(*TALK, "at least", "0.01 chat", "0.02 chat")]),
    ("OperationSection.rounding", '"up"', '"down"', [(*TALK, "rounded", "up", "down")]),
    ("OperationSection.rates", "\n[[operations.talk.rates]]\nmeasures = { tokens = 1 }\n", "", [
        (*TALK, "any, per 1 tokens", "1 chat", None),
    ]),
    ("RateSection.when", '"deep"', '["deep", "slow"]', [
        (*TALK, DEEP, "2 chat", None), (*TALK, "model deep, a call", "0.05 chat", None),
        (*TALK, "model deep or slow, per 1000 tokens", None, "2 chat"),
        (*TALK, "model deep or slow, a call", None, "0.05 chat"),
    ]),
    ("RateSection.measures", '"2 per 1000"', '"3 per 1000"', [(*TALK, DEEP, "2 chat", "3 chat")]),
    ("RateSection.flat", '"0.05"', '"0.06"', [(*TALK, "model deep, a call", "0.05 chat", "0.06 chat")]),
]  # fmt: skip


@pytest.mark.row("C1")
@pytest.mark.parametrize(("was", "now", "changes"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_each_setting_that_changes_is_told(was: str, now: str, changes: list[tuple[str | None, ...]]):
    assert was in SHOP
    before, after = parse(SHOP), parse(SHOP.replace(was, now, 1))
    assert sorted(map(tuple, compare(before, after)), key=str) == sorted(changes, key=str)
    back = [Change(*one[:3], one[4], one[3]) for one in changes]  # pyright: ignore
    assert sorted(compare(after, before), key=str) == sorted(back, key=str)


def test_no_setting_is_missing_from_the_list_above():
    sections = [one for one in vars(schema).values() if inspect.isclass(one) and issubclass(one, Section)]
    settings = {f"{one.__name__}.{field.alias or name}" for one in sections for name, field in one.model_fields.items()}
    tables = {
        f"Document.{name}"
        for name, field in schema.Document.model_fields.items()
        if field.is_required() or field.default == {} or isinstance(field.default, Section)
    }
    assert {one[0] for one in CHANGES} == settings - tables


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    ("section", "subject", "words"),
    [
        (
            "[packages.starter]",
            ("package", "starter"),
            "credits: 100 images, bonus: 10 images, price in USD: USD 9.90,",
        ),
        ("[gifts.images]", ("gift", "images"), "amount: 10 images, expires: 30d"),
        ("[prices.images]", ("price", "images"), "10 to 1000 images in USD: USD 0.10 each"),
        ("[credit_types.music]", ("credit type", "music"), "name: Music, decimals: 2,"),
    ],
)
def test_what_comes_or_goes_as_a_whole_is_told_as_one(section: str, subject: tuple[str, str], words: str):
    start = SHOP.index(section)
    less = SHOP[:start] + SHOP[SHOP.index("\n\n[", start) :]
    [gone] = compare(parse(SHOP), parse(less))
    assert (gone[:3], gone.after, gone.happened) == ((*subject, None), None, "removed")
    assert words in (gone.before or "")
    [come] = compare(parse(less), parse(SHOP))
    assert (come.after, come.before, come.happened) == (gone.before, None, "added")


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('"9.90"', "9.9"),
        ('"0.10"', "0.1"),
        ("discount = 5", 'discount = "5.00"'),
        ("credits = 100\n", 'credits = "100"\n'),
        ("providers = {}", "providers = { sandbox = true }"),
        ("selling = true\n", ""),
        ("[providers.stripe]\ntax = false", "[providers.herald]\ntax = false"),
        ('time_zone = "UTC"\n', "# a remark\n"),
    ],
)
def test_what_is_only_written_otherwise_is_no_change(was: str, now: str):
    assert was in SHOP
    assert compare(parse(SHOP), parse(SHOP.replace(was, now, 1))) == []


@pytest.mark.row("C7")
def test_a_change_names_the_money_so_that_nobody_ships_990_dollars():
    [change] = compare(parse(SHOP), parse(SHOP.replace('"9.90"', "990")))
    assert str(change) == "changed  package starter, price in USD: USD 9.90 → USD 990.00"


def test_everything_is_told_in_the_order_of_the_file():
    several = {"credit type": 3, "package": 2, "price": 2, "promo code": 3}
    kinds = ("catalog", "credit type", "gift", "package", "price", "plan", "promo code", "operation", "provider")
    assert [kind for kind, _ in told(parse(SHOP))] == [kind for one in kinds for kind in [one] * several.get(one, 1)]
