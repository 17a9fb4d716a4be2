"""Accounts are the application's own strings; opening one pays its sign-up gifts once."""

import pytest

from farthing import Credits
from farthing.errors import InvalidAccount, InvalidField
from tests.kit import SHOP, Clock, proved


@pytest.mark.row("L2", "S1")
def test_opening_an_account_pays_each_gift_once(credits: Credits, clock: Clock):
    credits.open_account("ada", time_zone="Europe/Berlin", locale="zh")
    clock.move("1d")
    again = credits.open_account("ada", time_zone="Asia/Tokyo")
    assert (again.time_zone, again.locale, again.created_at.isoformat()) == (
        "Europe/Berlin",
        "zh",
        "2026-01-01T00:00:00+00:00",
    )
    assert credits.balance("ada", "images").posted == 10
    assert [(line.kind, line.source) for line in credits.history("ada").data] == [("grant", "gift")]


@pytest.mark.row("S1")
def test_an_account_that_began_with_a_grant_gets_its_gift_when_it_is_opened(credits: Credits):
    credits.grant("ada", "images", 1, key="g", source="purchase")
    credits.open_account("ada")
    assert credits.balance("ada", "images").posted == 11


@pytest.mark.row("S1")
def test_a_gift_changed_in_the_catalog_is_not_paid_a_second_time(database_url: str, clock: Clock):
    with proved(database_url, clock) as credits:
        credits.open_account("ada")
    with proved(database_url, clock, SHOP.replace("amount = 10", "amount = 50")) as credits:
        credits.open_account("ada")
        credits.open_account("bob")
        assert (credits.balance("ada", "images").posted, credits.balance("bob", "images").posted) == (10, 50)


def test_gifts_switched_off_are_not_paid(database_url: str, clock: Clock):
    with proved(database_url, clock, "[switches]\ngifts = false\n" + SHOP) as credits:
        credits.open_account("ada")
        assert credits.balance("ada", "images").posted == 0


@pytest.mark.parametrize(
    "account", ["", "a/b", "x" * 129, "é" * 65, "a\tb", "\u0085", "\ud800", None, 7], ids=lambda a: ascii(a)[:12]
)
def test_an_unusable_account_id_is_refused(credits: Credits, account: object):
    for ask in (
        credits.open_account,
        credits.balances,
        lambda a: credits.grant(a, "images", 1, key="k", source="gift"),
    ):
        with pytest.raises(InvalidAccount, match="Nothing was changed"):
            ask(account)  # pyright: ignore


def test_account_ids_are_kept_byte_for_byte(credits: Credits):
    names = [
        "Ada",
        "ada",
        "ada ",
        "é",
        "e\u0301",
        "李",
        "a%",
        "a_",
        "'; DROP TABLE farthing_entries; --",
        "%s",
        "?",
        "😀" * 32,
    ]
    for number, name in enumerate(names, start=1):
        credits.grant(name, "images", number, key="k", source="gift")
    assert [credits.balance(name, "images").posted for name in names] == list(range(1, len(names) + 1))


def test_an_unknown_account_reads_as_zeros(credits: Credits):
    balance = credits.balance("nobody", "images")
    assert (balance.posted, balance.held, balance.available, balance.pending, balance.expiring) == (0, 0, 0, 0, [])
    assert credits.history("nobody").data == []


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", 7])
def test_a_zone_nobody_knows_is_refused(credits: Credits, zone: object):
    with pytest.raises(InvalidField, match="time zone"):
        credits.open_account("ada", time_zone=zone)  # pyright: ignore


def test_words_that_cannot_be_stored_are_refused_before_anything_is_written(credits: Credits):
    for field in (
        {"reason": "x" * 1001}, {"reason": "a\x00b"}, {"actor": "\ud800"}, {"metadata": {"a": float("nan")}},
        {"metadata": {"a": "x" * 9000}}, {"metadata": {"a": object()}}, {"metadata": {"nul": "\x00"}},
        {"priority": -1}, {"priority": True}, {"cost": (1.5, "USD")}, {"cost": (5, "dollars")},
    ):  # fmt: skip
        with pytest.raises(InvalidField, match="Nothing was changed"):
            credits.grant("ada", "images", 1, key="k", source="gift", **field)  # pyright: ignore
    assert credits.history("ada").data == []


@pytest.mark.parametrize("locale", ["klingon!", "", "english please", "e", 7, "zh_\u4e2d"])
def test_a_locale_that_is_no_language_tag_is_refused(credits: Credits, locale: object):
    with pytest.raises(InvalidField, match="language tag"):
        credits.open_account("ada", locale=locale)  # pyright: ignore
