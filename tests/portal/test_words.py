"""Every message a customer sees stands in every language, says the same, and is really used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import farthing
from farthing import errors
from farthing.portal import words
from farthing.portal.words import ENGLISH, WORDS
from tests.kit import Clock
from tests.portal.customer import Customer, Page
from tests.portal.site import Site, site
from tests.selling import STORE

PORTAL = Path(words.__file__).parent
PAGES = "\n".join(
    path.read_text("utf-8") for path in sorted(PORTAL.rglob("*")) if path.suffix in (".py", ".html", ".js")
)
PACKAGE = "\n".join(path.read_text("utf-8") for path in Path(farthing.__file__).parent.rglob("*.py"))
# A word whose id is put together: "order." + status, f"line.{kind}.for".
FAMILIES = set(re.findall(r"""["']((?:[a-z]+\.)+)(?:\{|["'] [+~])""", PAGES))
# Names of providers, and their reasons for a payment that failed, are data: the package need not hold them.
SAID_BY_PROVIDERS = ["order.failed.incorrect_cvc"]
# What may refuse a customer who buys, subscribes or uses credits.
MEETS = [
    errors.AccountFrozen, errors.AccountMerged, errors.AlreadySubscribed, errors.AmountOutOfRange,
    errors.InsufficientCredits, errors.InvalidAmount, errors.KeyReused, errors.NoPrice, errors.NotSubscribed,
    errors.PackageUnavailable, errors.PeriodNotDue, errors.PlanRequired, errors.PromoCodeNotForThis,
    errors.PromoCodeUnavailable, errors.PromoCodeUsedUp, errors.QuoteExpired, errors.SwitchedOff, errors.TotalTooSmall,
    errors.UnknownCreditType, errors.UnknownCurrency, errors.UnknownPlan, errors.UnknownProvider,
]  # fmt: skip


def values(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.row("C10")
def test_no_message_is_missing_in_a_language():
    assert set(WORDS) == {"en", "zh"}
    for language, said in WORDS.items():
        assert said.keys() == ENGLISH.keys(), language
        assert [name for name, text in said.items() if not text.strip()] == []


@pytest.mark.row("C10")
def test_a_message_has_the_same_values_in_every_language():
    assert {
        name: language
        for language, said in WORDS.items()
        for name, text in said.items()
        if values(text) != values(ENGLISH[name])
    } == {}


@pytest.mark.row("C10")
def test_what_is_written_in_english_letters_is_not_left_over_in_chinese():
    same = {name for name, text in WORDS["zh"].items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert same == {"buy.slab", "provider.lemonsqueezy"}


def test_no_message_is_written_twice():
    for language in WORDS:
        ids = re.findall(r'^msgid "(.+)"$', (PORTAL / "locale" / f"{language}.po").read_text("utf-8"), re.MULTILINE)
        assert ids == list(WORDS[language])


def test_no_message_is_unused():
    assert [name for name in ENGLISH if not used(name)] == SAID_BY_PROVIDERS
    assert not used("site.nonsense") and not used("nonsense")


def used(name: str) -> bool:
    """Whether a page says it: as it stands, or put together from words that the program knows."""
    if f'"{name}"' in PAGES or f"'{name}'" in PAGES:
        return True
    family = next((one for one in sorted(FAMILIES, key=len, reverse=True) if name.startswith(one)), None)
    rest = re.split(r"[._]", name.removeprefix(family)) if family else []
    return bool(rest) and all(re.search(rf"""["'_.](?:\w+_)?{part}(?:_\w+)?["']""", PACKAGE + PAGES) for part in rest)


@pytest.mark.row("C10")
@pytest.mark.parametrize("kind", MEETS, ids=lambda kind: kind.__name__)
def test_what_a_customer_can_be_refused_for_has_words(kind: type[errors.FarthingError]):
    for said in WORDS.values():
        assert f"refusal.{kind.code}" in said


@pytest.mark.row("C10")
def test_a_reader_of_chinese_reads_chinese_throughout(database_url: str, clock: Clock):
    named = STORE.replace('name = "Starter"', 'name = { en = "Starter", zh = "入门包" }')
    named = named.replace('name = "Image credits"', 'name = { en = "Image credits", zh = "图片额度" }')
    with site(database_url, clock, named) as at:
        at.credits.open_account("mei", locale="zh-CN", time_zone="Asia/Shanghai")
        at.credits.grant("mei", "images", 5, key="g", source="gift")
        with Customer(at, "mei") as mei:
            shop = mei.see("/buy")
            assert "有效期 90天" in shop.text and "duration" not in shop.text
            for page, said in (("/", "图片额度"), ("/history", "赠送 图片额度"), ("/orders", "您还没有购买过。")):
                seen = mei.see(page)
                assert said in seen.text
                assert {word.strip() for word in seen.words} & set(ENGLISH.values()) == set()
            assert "入门包" in shop.text and "购买额度" in shop.text
            at.credits.freeze("mei", key="f")
            [button] = [form["button"] for form in shop.forms if "入门包" in form.get("button", "")]
            assert WORDS["zh"]["refusal.account_frozen"] in Page(mei.press(shop, button).text).text


def test_other_languages_read_english(at: Site):
    at.credits.open_account("karl", locale="de")
    with Customer(at, "karl") as karl:
        assert "Your credits" in karl.see("/").text
