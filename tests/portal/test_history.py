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


@pytest.mark.row("U3", "L6")
def test_what_is_set_aside_and_let_go_of_reads_without_a_sign_and_says_until_when(
    at: Site, ada: Customer, clock: Clock
):
    hold = at.credits.hold("ada", "images", 4, key="h", operation="render")
    at.credits.extend("ada", hold.id, "1h", key="e")
    text = ada.see("/history").text
    assert "Set aside for longer Image credits · 1:00 AM 6 available" in text
    assert "Set aside for render Image credits · 1:00 AM 4 6 available" in text
    assert "Until Jan 1, 2026, 1:15 AM Set aside from 4 from: Gift, Jan 1, 2026" in text
    hold.capture(3)
    at.credits.hold("ada", "images", 2, key="h2").release()
    at.credits.hold("ada", "images", 5, key="h3", expires="5m")
    clock.move("10m")
    at.credits.expire()
    text = ada.see("/history").text
    assert "Used, as set aside Image credits · 1:00 AM −3 7 available" in text
    assert "No longer set aside Image credits · 1:00 AM 2 7 available" in text
    assert "Given back to 2 to: Gift, Jan 1, 2026" in text
    assert "No longer set aside: time ran out Image credits · 1:10 AM 5 7 available" in text


@pytest.mark.row("U3", "L7", "L8")
def test_what_is_given_and_taken_back_says_so(at: Site, ada: Customer):
    used = at.credits.deduct("ada", "images", 6, key="d")
    at.credits.reverse("ada", used.id, 2, key="r", reason="words of an operator")
    at.credits.hold("ada", "images", 6, key="h")
    at.credits.void("ada", "lot_images_1", key="v")
    bought = at.credits.grant("ada", "images", 5, key="g", source="purchase")
    at.credits.clawback("ada", str(bought.lot), 5, key="c", rest="debt")
    text = ada.see("/history").text
    assert "Returned Image credits · 1:00 AM +2 6 available" in text
    assert "Given back to 2 to: Gift, Jan 1, 2026" in text
    assert "To be withdrawn once no longer set aside Image credits · 1:00 AM 0 available" in text
    assert "Taken back after a refund Image credits · 1:00 AM −5 0 available" in text
    assert "words of an operator" not in text


@pytest.mark.row("U3", "L10", "L18")
def test_a_debt_that_is_settled_and_credits_that_move_say_so(at: Site, ada: Customer):
    at.credits.grant("ada", "chat", 1, key="c", source="gift")
    at.credits.deduct("ada", "chat", "3.25", key="d")
    at.credits.grant("ada", "chat", 5, key="c2", source="promo")
    at.credits.open_account("bob")
    at.credits.transfer("bob", "ada", "images", 3, key="t")
    at.credits.transfer("ada", "bob", "images", 1, key="t2")
    text = ada.see("/history").text
    assert "Overdraft settled Chat credits · 1:00 AM 2.25 2.75 available" in text
    assert "Taken from 2.25 from: Promotion, Jan 1, 2026" in text
    assert "Transfer received Image credits · 1:00 AM +3 13 available" in text
    assert "Transfer sent Image credits · 1:00 AM −1 12 available" in text
