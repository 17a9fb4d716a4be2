"""What a customer has, until when, and what happened last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.kit import Clock
from tests.portal.customer import Customer
from tests.portal.site import Site, site


@pytest.mark.row("U1")
def test_the_gift_is_there_with_the_very_minute_it_ends_in_the_customers_time(ada: Customer):
    text = ada.see("/").text
    assert "Image credits 10 available Expiring 10 Jan 31, 2026, 1:00 AM" in text
    assert "All times are in Europe/Berlin (GMT+01:00)" in text


@pytest.mark.row("U1")
def test_held_pending_and_overdraft_are_told_apart(at: Site, ada: Customer, clock: Clock):
    at.credits.grant("ada", "chat", "2.5", key="c", source="gift")
    at.credits.grant(
        "ada", "images", 20, key="p", source="promo", expires="never", effective_at=clock.now + timedelta(days=1)
    )
    text = ada.see("/").text
    assert "Image credits 10 available Arriving 20 Jan 2, 2026, 1:00 AM" in text
    assert "Chat credits 2.50 available" in text
    assert "You may go down to −5.00." in text


@pytest.mark.row("U1")
def test_running_low_says_so_and_leads_to_buying(at: Site, ada: Customer):
    at.credits.deduct("ada", "images", 8, key="most")
    assert "Running low" not in ada.see("/").text
    at.credits.deduct("ada", "images", 1, key="nearly all")
    page = ada.see("/")
    assert (
        "Image credits Running low 1 available A tenth or less is left. Buy more before your work stops." in page.text
    )
    assert ("a", {"class": "button primary", "href": "/account/credits/buy#images"}) in page.elements


@pytest.mark.row("U1")
def test_used_up_and_never_had_are_not_the_same(at: Site, ada: Customer):
    at.credits.deduct("ada", "images", 10, key="all")
    assert "Used up 0 available There is nothing left to use. Buy more to go on." in ada.see("/").text
    with Customer(at, "newcomer") as newcomer:
        text = newcomer.see("/").text
        assert "None yet 0 available You have none of these yet. Buy some to begin." in text
        assert "Chat credits" not in text


@pytest.mark.row("U1")
def test_below_zero_says_what_comes_first(at: Site, ada: Customer):
    at.credits.grant("ada", "chat", 1, key="c", source="gift")
    at.credits.deduct("ada", "chat", "3.25", key="d")
    text = ada.see("/").text
    assert "Chat credits Below zero −2.25 available" in text
    assert "You have used 2.25 more than you had. The next credits cover that first." in text


@pytest.mark.row("U1", "L6")
def test_what_is_set_aside_is_not_used_up(at: Site, ada: Customer):
    at.credits.hold("ada", "images", 4, key="some")
    assert "Image credits 6 available 4 set aside for work under way" in ada.see("/").text
    at.credits.hold("ada", "images", 6, key="the rest")
    text = ada.see("/").text
    assert "Image credits All set aside 0 available All you have is set aside for work under way." in text
    assert "10 set aside for work under way" in text and "Used up" not in text
    at.credits.grant("ada", "chat", 1, key="c", source="gift")
    at.credits.hold("ada", "chat", 3, key="more")
    assert "You have used or set aside 2.00 more than you had." in ada.see("/").text


@pytest.mark.row("U1")
def test_what_expired_counts_no_more_whether_or_not_a_job_ran(ada: Customer, clock: Clock):
    clock.to("2026-01-30T23:59")
    ada.come_back()
    assert "10 available" in ada.see("/").text and "soon" in ada.see("/").text
    clock.move("1m")
    assert "Used up 0 available" in ada.see("/").text


def test_many_dates_are_folded(at: Site, ada: Customer):
    for day in range(1, 6):
        at.credits.grant("ada", "images", day, key=str(day), source="promo", expires=f"{40 + day}d")
    assert "3 more dates" in ada.see("/").text


@pytest.mark.row("U1")
def test_the_latest_entries_are_there_in_words(at: Site, ada: Customer):
    at.credits.deduct("ada", "images", 3, key="r", operation="image.upscale_2x")
    text = ada.see("/").text
    assert "Used for image upscale 2x Image credits · Jan 1, 2026, 1:00 AM −3 7 available" in text
    assert "Gift Image credits · Jan 1, 2026, 1:00 AM +10 10 available" in text


def test_nothing_to_have_and_nothing_to_buy(database_url: str, clock: Clock):
    with site(database_url, clock, '[credit_types.images]\nname = "Images"') as at, Customer(at, "ada") as customer:
        assert "No credits yet" in customer.see("/").text
        assert "Nothing is sold right now" in customer.see("/buy").text


@pytest.mark.parametrize(
    ("locale", "zone", "shown"),
    [
        ("en", "UTC", "Jan 31, 2026, 12:00 AM"),
        ("en-GB", "Asia/Kathmandu", "31 Jan 2026, 05:45"),
        ("en-AU", "America/New_York", "30 Jan 2026, 7:00 pm"),
        ("zh", "Asia/Shanghai", "2026年1月31日, 08:00"),
        ("xx-nonsense", "UTC", "Jan 31, 2026, 12:00 AM"),
    ],
)
def test_dates_are_written_as_the_reader_writes_them(at: Site, locale: str, zone: str, shown: str):
    at.credits.open_account("reader", locale=locale, time_zone=zone)
    with Customer(at, "reader") as reader:
        assert shown in reader.see("/").text
