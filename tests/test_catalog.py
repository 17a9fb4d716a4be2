"""farthing.toml: what it means, and every mistake in it at once."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing import catalog
from farthing.catalog import describe, parse
from farthing.catalog.nearest import LONGEST, did_you_mean, listed, nearest
from farthing.core.pricing import Package, PriceRule, Slab
from farthing.core.words import Words
from farthing.errors import CatalogInvalid, PackageUnavailable

TYPES = """
[credit_types.images]
name = "Images"

[credit_types.chat]
name = "Chat"
scale = 2
"""

SELLING = (
    TYPES
    + """
[packages.pro_pack]
credit_type = "chat"
credits = "5.25"
price = {USD = 39.90, JPY = 5900}
plans = ["pro", "team"]
sort = 20

[packages.starter]
credit_type = "images"
credits = 100
bonus = 10
price = {USD = "9.90", KWD = "3.005"}
name = {en = "Starter", zh = "入门"}
description = "For a first try."
popular = true
disabled = true
expires = "365d"
sort = 10

[prices.images]
mode = "graduated"
min = 10
max = 5000
step = 10

[[prices.images.slabs.USD]]
from = 110
unit = 0.08

[[prices.images.slabs.USD]]
from = 10
to = 100
unit = "0.10"
"""
)


def problems(text: str) -> list[str]:
    with pytest.raises(CatalogInvalid) as error:
        parse(text)
    for problem in error.value.problems:
        assert problem in error.value.message
    return error.value.problems


@pytest.mark.row("C1", "C6")
def test_packages_say_all_there_is_to_know_in_the_order_of_sort():
    assert list(parse(SELLING).packages.values()) == [
        Package(
            "starter", "images", 100, 10, {"USD": 990, "KWD": 3005}, Words("Starter"), Words("For a first try."),
            popular=True, disabled=True, expires="365d", sort=10,
        ),
        Package(
            "pro_pack", "chat", 525, 0, {"USD": 3990, "JPY": 5900}, Words("Pro pack"), sort=20, plans=("pro", "team")
        ),
    ]  # fmt: skip


@pytest.mark.row("C1", "C2", "C5")
def test_prices_are_exact_and_slabs_stand_in_order():
    slabs = (Slab(10, 100, Decimal("0.10")), Slab(110, None, Decimal("0.08")))
    assert parse(SELLING).prices == {"images": PriceRule("images", "graduated", {"USD": slabs}, 10, 5000, 10)}


@pytest.mark.row("C10")
def test_names_are_said_in_the_language_of_the_reader():
    name = parse(SELLING).packages["starter"].name
    assert [name.to(locale) for locale in ("zh", "zh-Hans-CN", "zh_TW", "en-GB", "de", "")] == [
        *("入门", "入门", "入门", "Starter", "Starter", "Starter")
    ]
    text = TYPES.replace('"Images"', '{en = "Images", zh = "图片"}')
    assert parse(f'locale = "zh"\n{text}').credit_types["images"].name == "图片"


@pytest.mark.row("C7")
def test_what_is_sold_is_printed_with_its_currency_so_that_nobody_ships_990_dollars():
    assert describe(parse(SELLING)) == [
        ("starter", "100 + 10 images", "USD 9.90, KWD 3.005, not sold now"),
        ("pro_pack", "5.25 chat", "USD 39.90, JPY 5900, only for pro or team"),
        ("images", "10 to 100 images, graduated", "USD 0.10 each"),
        ("images", "110 or more images, graduated", "USD 0.08 each"),
    ]


@pytest.mark.row("C2")
def test_a_price_that_falls_when_the_amount_rises_is_a_warning_that_names_the_cliff():
    text = SELLING.replace('"graduated"', '"volume"')
    assert parse(SELLING).warnings == ()
    assert parse(text).warnings == (
        "prices.images.slabs.USD: 100 images cost USD 10.00, but 110 cost only USD 8.80",
    )  # fmt: skip


@pytest.mark.row("C7")
def test_what_nobody_can_buy_is_a_warning():
    cheap = SELLING.replace('"0.10"', '"0.0001"')
    assert "prices.images.slabs.USD: 10 images cost USD 0.00 and are refused; raise `min`" in parse(cheap).warnings
    euros = parse(f'currency = "EUR"\n{SELLING}').warnings
    assert [warning.split(":")[0] for warning in euros] == [
        *("packages.pro_pack.price", "packages.starter.price", "prices.images.slabs")
    ]


@pytest.mark.row("C1")
def test_the_version_changes_with_what_the_file_says_and_not_with_how():
    version = parse(SELLING).version
    assert parse(SELLING + "\n# a remark\n").version == version
    assert parse(SELLING.replace("9.90", "9.95")).version != version


@pytest.mark.row("C1")
def test_every_mistake_is_reported_at_once_with_its_path():
    assert problems("""
time_zone = "Mars"
currency = "DOLLAR"
colour = "red"

[switches]
selling = "no"

[credit_types.images]
name = "Images"

[credit_types.Chat]
name = "Chat"

[gifts.videos]
amount = 5

[packages.starter]
credit_type = "imagse"
credits = 0
price = {USD = "9.901", JPY = "9.90", XXX = 1}
popular = "yes"
plan = "pro"

[packages.big]
credit_type = "images"
credits = "1.5"
price = {}
expires = "soon"

[packages.free]
credit_type = "images"
credits = 10
price = {USD = 0}

[prices.images]
mode = "tiered"
[[prices.images.slabs.USD]]
from = 1
unit = "free"

[prices.videos]
mode = "volume"
[[prices.videos.slabs.USD]]
from = 1
unit = 1
""") == [
        "time_zone: 'Mars' is not an IANA time zone such as Europe/Berlin",
        "currency: 'DOLLAR' is not an ISO 4217 currency code such as USD or EUR",
        "switches.selling: write true or false, without quotes",
        "credit_types.Chat: write a code: small letters, digits and _, a letter first, at most 32 in all, such as chat",
        "packages.starter.credits: it must be more than 0",
        "packages.starter.price.XXX: 'XXX' is not an ISO 4217 currency code such as USD or EUR",
        "packages.starter.popular: write true or false, without quotes",
        "packages.starter.plan: there is no such setting; did you mean plans?",
        "packages.big.price: there must be at least one",
        "packages.big.expires: 'soon' is not a duration; write a whole number and a unit: "
        '"45s", "15m", "12h", "30d", "2w", "1mo" or "1y"',
        "packages.free.price.USD: it must be more than 0",
        'prices.images.mode: write "volume" or "graduated", not \'tiered\'',
        "prices.images.slabs.USD.1.unit: the value 'free' is not a number",
        "colour: there is no such setting; there is time_zone, locale, currency, switches, credit_types, gifts, "
        "packages, prices, plans, operations, promo_codes, money_back, providers",
        "gifts.videos: there is no credit type 'videos'; there is images, Chat",
        "packages.starter.credit_type: there is no credit type 'imagse'; there is images, Chat; did you mean images?",
        "packages.starter.price.USD: the value 9.901 has more decimals than the 2 that USD has",
        "packages.starter.price.JPY: the value 9.90 has more decimals than the 0 that JPY has",
        "packages.big.credits: the value 1.5 has more decimals than the 0 this credit type counts",
        "prices.videos: there is no credit type 'videos'; there is images, Chat",
    ]


@pytest.mark.row("C1")
def test_a_mistake_of_form_hides_none_of_meaning():
    text = SELLING.replace("popular = true", "colour = 1").replace('"9.90"', '"9.905"').replace("= 100\n", "= 1.5\n", 1)
    assert problems(text) == [
        "packages.starter.colour: there is no such setting; there is credit_type, credits, bonus, price, name, "
        "description, popular, disabled, expires, sort, plans",
        "packages.starter.price.USD: the value 9.905 has more decimals than the 2 that USD has",
        "packages.starter.credits: the value 1.5 has more decimals than the 0 this credit type counts",
    ]


@pytest.mark.row("C1")
def test_what_is_left_out_of_a_broken_file_makes_no_mistakes_of_its_own():
    assert problems(SELLING.replace('name = "Images"', 'nmae = "Images"')) == [
        "credit_types.images.name: it is missing",
        "credit_types.images.nmae: there is no such setting; did you mean name?",
    ]
    assert problems(SELLING.replace('credit_type = "chat"', "")) == ["packages.pro_pack.credit_type: it is missing"]
    assert problems(SELLING.replace("scale = 2", "scale = 12")) == ["credit_types.chat.scale: it must be 9 or less"]


@pytest.mark.row("C1", "C2", "C5", "C6")
@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ("from = 110", "from = 120", "prices.images.slabs.USD: no slab prices 110; start the slab from 120 at 110"),
        ("from = 110", "from = 100", "prices.images.slabs.USD: two slabs price 100"),
        ("from = 110", "from = 115", "prices.images.slabs.USD: 115 is not a multiple of the step, 10"),
        ("max = 5000", "max = 5005", "prices.images: max 5005 is not a multiple of the step, 10"),
        ("min = 10", "min = 0", "prices.images.min: it must be more than 0"),
        ("step = 10", "step = 0.5", "prices.images.step: the value 0.5 has more decimals than the 0"),
        ("to = 100", "to = 0.1", "prices.images.slabs.USD.2.to: the value 0.1 has more decimals than the 0"),
        ("unit = 0.08", "unit = 0", "prices.images.slabs.USD.1.unit: it must be more than 0"),
        ("unit = 0.08", "unit = 1e-13", "prices.images.slabs.USD.1.unit: it needs more than 12 digits"),
        ("unit = 0.08", "unit = nan", "prices.images.slabs.USD.1.unit: the value is NaN, which is not a finite number"),
        ("unit = 0.08", "", "prices.images.slabs.USD.1.unit: it is missing"),
        ("unit = 0.08", "unit = 1\ntil = 9", "prices.images.slabs.USD.1.til: there is no such setting"),
        ("slabs.USD", "slabs.usd", "prices.images.slabs.usd: 'usd' is not an ISO 4217 currency code"),
        ('"9.90"', '"ten"', "packages.starter.price.USD: the value 'ten' is not a number"),
        ('["pro", "team"]', '"pro"', 'packages.pro_pack.plans: write a list, such as ["pro"]'),
        ('["pro", "team"]', '["pro", 7]', "packages.pro_pack.plans.2: write a text in quotes"),
        ("sort = 20", "sort = true", "packages.pro_pack.sort: write a whole number, without quotes"),
        ('en = "Starter"', 'de = "Anfang"', "packages.starter.name: it lacks the catalog's own language; add en"),
        ('"For a first try."', "7", "packages.starter.description: write a text in quotes, or one for each language"),
        ('"For a first try."', '""', "packages.starter.description: write a text in quotes, or one for each language"),
        ('"For a first try."', '{en = ""}', "packages.starter.description.en: it is empty"),
        ('"For a first try."', '{Klingon = "nuqneH"}', "packages.starter.description.Klingon: 'Klingon' is not"),
        ('price = {USD = "9.90", KWD = "3.005"}', "price = 9.90", "packages.starter.price: write a table, such as"),
        ("[packages.starter]", "[packages.Starter]", "packages.Starter: write a code"),
    ],
)  # fmt: skip
def test_each_mistake_says_where_and_what_to_do(was: str, now: str, problem: str):
    assert was in SELLING
    assert [said for said in problems(SELLING.replace(was, now)) if said.startswith(problem)]


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    "text",
    ["", "credit_types = 5", "credit_types = {}", "[credit_types]\nimages = 5", "= nonsense", "a = " + "9" * 5000],
)
def test_a_file_without_anything_usable_is_refused_in_words(text: str):
    assert problems(text)


@pytest.mark.row("C1")
def test_a_file_that_is_not_there_says_who_writes_one(tmp_path: Path):
    with pytest.raises(CatalogInvalid, match="`farthing init` writes one"):
        catalog.load(tmp_path / "farthing.toml")


@pytest.mark.row("C6")
def test_an_unknown_package_names_those_on_sale():
    with pytest.raises(PackageUnavailable, match="no package 'mega'; it sells pro_pack"):
        parse(SELLING).package("mega")


def test_a_hold_cannot_last_longer_by_default_than_it_may():
    with pytest.raises(CatalogInvalid) as wrong:
        parse('[credit_types.images]\nname = "Images"\nmax_hold = "10m"\n')
    assert wrong.value.problems == ["credit_types.images.hold: 15m is longer than max_hold, 10m"]
    assert parse('[credit_types.images]\nname = "Images"\nhold = "10m"\nmax_hold = "10m"\n').credit_types["images"]


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    ("was", "now", "path", "meant"),
    [
        ("[packages.starter]", "[pakages.starter]", "pakages", "packages"),
        ("bonus = 10", "bonsu = 10", "packages.starter.bonsu", "bonus"),
        ("to = 100", "form = 100", "prices.images.slabs.USD.2.form", "from"),
        ('"graduated"', '"graduate"', "prices.images.mode", "graduated"),
        ('= "chat"', '= "Chat"', "packages.pro_pack.credit_type", "chat"),
        ("USD = 39.90", "usd = 39.90", "packages.pro_pack.price.usd", "USD"),
        ("[credit_types.images]", 'time_zone = "Europe/Berln"\n[credit_types.images]', "time_zone", "Europe/Berlin"),
        ("[credit_types.chat]", 'expire = "3d"\n[credit_types.chat]', "credit_types.images.expire", "expires"),
        ("[packages.starter]", '[plans.teams]\nevery = "1mo"\n[packages.starter]', "packages.pro_pack.plans", "teams"),
        ("[packages.starter]", '[plans.x.trial]\nlenght = "3d"\n[packages.starter]', "plans.x.trial.lenght", "length"),
        (
            "[packages.starter]", "[plans.x.credits.images]\namuont = 3\n[packages.starter]",
            "plans.x.credits.images.amuont", "amount",
        ),
    ],
)  # fmt: skip
def test_each_mistake_names_the_nearest_right_word(was: str, now: str, path: str, meant: str):
    assert was in SELLING
    said = [one for one in problems(SELLING.replace(was, now, 1)) if one.startswith(f"{path}: ")]
    assert any(one.endswith(f"; did you mean {meant}?") for one in said), said


@pytest.mark.row("C1")
def test_what_is_no_code_is_said_as_one():
    [said] = problems(SELLING.replace("[packages.starter]", '[packages."Star Pack"]'))
    assert said.startswith("packages.Star Pack: write a code") and said.endswith("such as star_pack")
    [said] = problems(SELLING.replace("[packages.starter]", '[packages."7"]'))
    assert said.endswith("at most 32 in all")


@given(word=st.text(max_size=120), known=st.lists(st.text(max_size=40), max_size=30))
def test_the_nearest_words_are_among_those_there_are(word: str, known: list[str]):
    found = nearest(word, known)
    assert set(found) <= set(known)
    assert not (0 < len(word) <= LONGEST and word in known) or word in found


def test_nobody_is_asked_whether_they_meant_one_of_many():
    assert did_you_mean("ab", ["aa", "ac", "ad"]) == ""  # only half of it agrees
    assert did_you_mean("abc", ["abd", "abe"]) == "; did you mean abd or abe?"
    assert did_you_mean("abc", ["abd", "abe", "abf", "abg"]) == ""
    assert did_you_mean(7, ["7"]) == ""
    assert listed(map(str, range(100))).endswith("18, 19, 80 more")
