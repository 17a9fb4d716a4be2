"""What happened, newest first."""

from __future__ import annotations

import pytest

from farthing import Money
from tests.kit import Clock
from tests.portal.customer import Customer
from tests.portal.site import PREFIX, Site


@pytest.mark.row("U3")
def test_an_entry_tells_which_credits_it_used_even_when_nothing_is_left_of_them(at: Site, ada: Customer, clock: Clock):
    clock.move("1d")
    ada.come_back()
    at.credits.grant("ada", "images", 5, key="paid", source="purchase", cost=Money(50, "USD"))
    at.credits.deduct("ada", "images", 12, key="d")
    text = ada.see("/history").text
    assert "Used Image credits · 1:00 AM −12 3 available" in text
    assert "Taken from 10 from: Gift, Jan 1, 2026 2 from: Purchase, Jan 2, 2026" in text


@pytest.mark.row("U3")
def test_it_can_be_read_by_credit_type_and_its_address_says_so(at: Site, ada: Customer):
    at.credits.grant("ada", "chat", "1.5", key="c", source="promo")
    assert "Promotion" in ada.see("/history").text and "Gift" in ada.see("/history").text
    only = ada.see("/history?type=chat")
    assert "Promotion" in only.text and "Gift" not in only.text
    assert {"href": f"{PREFIX}/history?type=chat", "aria-current": "true"} in [given for _, given in only.elements]


@pytest.mark.row("U3")
def test_pages_follow_each_other_without_gaps_while_new_entries_arrive(at: Site, ada: Customer, clock: Clock):
    for number in range(60):
        clock.move("1m")
        at.credits.deduct("ada", "chat", "0.01", key=str(number)) if number % 2 else at.credits.grant(
            "ada", "chat", 1, key=str(number), source="promo"
        )
    address, seen, pages = "/history", [], 0
    while address:
        page = ada.see(address)
        heads = [number for number, (tag, _) in enumerate(page.elements) if tag == "summary"]
        seen += [next(given["datetime"] for tag, given in page.elements[head:] if tag == "time") for head in heads]
        at.credits.grant("ada", "images", 1, key=f"late{pages}", source="promo")
        address = next((g["href"].removeprefix(PREFIX) for _, g in page.elements if g.get("rel") == "next"), None)
        pages += 1
    assert (pages, len(seen), len(set(seen))) == (3, 61, 61)
    assert seen == sorted(seen, reverse=True)
    assert "Back to the newest" in page.text and "That is everything." in page.text


def test_expiry_is_told_by_when_it_counted(at: Site, ada: Customer, clock: Clock):
    clock.move("40d")
    at.credits.expire()
    ada.come_back()
    text = ada.see("/history").text
    assert "Expired Image credits" in text
    assert "Booked Feb 10, 2026, 1:00 AM Counts from Jan 31, 2026, 1:00 AM" in text


@pytest.mark.parametrize("source", ["gift", "plan", "purchase", "bonus", "promo", "adjustment"])
def test_every_source_has_words(at: Site, ada: Customer, source: str):
    at.credits.grant("ada", "images", 1, key="g", source=source)
    words = {
        "gift": "Gift", "plan": "Credits of your plan", "purchase": "Purchase", "bonus": "Bonus",
        "promo": "Promotion", "adjustment": "Correction",
    }  # fmt: skip
    assert f"{words[source]} Image credits" in ada.see("/history").text


def test_every_kind_and_source_the_ledger_knows_has_words():
    from farthing.core.book import KINDS, SOURCES
    from farthing.portal.words import WORDS

    for words in WORDS.values():
        assert {f"line.{name}" for name in (*KINDS, *SOURCES)} <= set(words)
        assert set(words) == set(WORDS["en"])
