"""A signed quote is a promise: honoured until it expires, for whom it was made, and no word of it can be changed."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import farthing
from farthing.errors import (
    InvalidField,
    PromoCodeUsedUp,
    QuoteExpired,
    QuoteInvalid,
    SettingsInvalid,
    SwitchedOff,
)
from farthing.ledger.verifying import verify
from farthing.tokens import Signer
from tests.kit import Clock, shop
from tests.selling import STORE, available, sandbox, tell

SECRET = "a secret of the shop, of 32 bytes"
OTHER = "another secret, also of 32 bytes!"
SHOP = f"""{STORE}
[plans.pro]
every = "1mo"
discount = 10

[plans.team]
every = "1mo"
discount = 20

[promo_codes.ONCE]
bonus = {{ images = 7 }}
uses = 1

[promo_codes.HALF]
percent = 50
"""
DEARER = SHOP.replace('"0.10"', '"0.20"').replace("discount = 10", "discount = 1").replace("images = 7", "images = 1")
GONE = '[credit_types.chat]\nname = "Chat"\nscale = 2'


@contextmanager
def signing(url: str, clock: Clock, text: str = SHOP, *secrets: str) -> Iterator[farthing.Credits]:
    opened = farthing.open(url, catalog=shop(text), clock=clock, providers=[sandbox()], secret=secrets or [SECRET])
    with opened as credits:
        yield credits
        assert verify(credits.database).faults == []


def token(credits: farthing.Credits, *args: Any, **kwargs: Any) -> str:
    said = credits.quote(*args, **kwargs).token
    assert said
    return said


@pytest.mark.row("C8")
@pytest.mark.parametrize("changed", [DEARER, GONE], ids=["dearer", "gone"])
def test_what_was_quoted_is_what_is_paid_whatever_the_catalog_says_meanwhile(
    database_url: str, clock: Clock, changed: str
):
    with signing(database_url, clock) as credits:
        credits.start_plan("ada", "pro", key="plan:1")
        quote = credits.quote("images", 101, account="ada", promo_code="once")
        assert quote.honoured_until == clock.now + timedelta(minutes=30)
    with signing(database_url, clock, changed) as credits:
        clock.move(timedelta(minutes=30) - timedelta(microseconds=1))
        order = credits.checkout("ada", quote=quote.token, key="buy:1").order
        assert (order.total_minor, order.discount_minor, order.lines) == (909, 101, quote.lines)
        assert (order.amount, order.promo_code, order.promo_bonus) == (101, "ONCE", 7)
        assert (order.unit_price, order.catalog_version) == (quote.unit_price, quote.catalog_version)
        assert (order.description, order.expires) == ("108 Image credits", "never")
        tell(credits, order, "payment.paid", id="evt_1")
    with signing(database_url, clock) as credits:
        assert available(credits) == 108


@pytest.mark.row("C8")
def test_a_package_is_honoured_with_its_life_and_an_odd_scale(database_url: str, clock: Clock):
    text = f'{SHOP}\n[packages.talk]\ncredit_type = "chat"\ncredits = "2.50"\nprice = {{ KWD = "1.005" }}'
    with signing(database_url, clock, text) as credits:
        talk = token(credits, package="talk", currency="KWD")
    with signing(database_url, clock, text.replace('expires = "30d"', 'expires = "1d"')) as credits:
        order = credits.checkout("ada", quote=talk, key="buy:1").order
        assert (order.package, order.amount, order.expires) == ("talk", Decimal("2.5"), "30d")
        assert (order.currency, order.total_minor) == ("KWD", 1005)


@pytest.mark.row("C8")
def test_its_time_ends_on_the_second(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        quote = credits.quote("images", 100)
        order = credits.checkout("ada", quote=quote.token, key="buy:1").order
        assert quote.honoured_until
        clock.now = quote.honoured_until
        with pytest.raises(QuoteExpired, match="honoured until 2026-01-01T00:30:00") as over:
            credits.checkout("ada", quote=quote.token, key="buy:2")
        assert over.value.honoured_until == quote.honoured_until
        assert credits.checkout("ada", quote=quote.token, key="buy:1").order.id == order.id  # the same call again
        assert len(credits.orders("ada").data) == 1


def resigned(said: str, **changes: Any) -> str:
    """The token with other claims, under the old signature."""
    head, body, signature = said.split(".")
    claims = json.loads(urlsafe_b64decode(body + "=="))
    changed = json.dumps(claims | changes, separators=(",", ":")).encode()
    return f"{head}.{urlsafe_b64encode(changed).rstrip(b'=').decode()}.{signature}"


@pytest.mark.row("C8")
def test_what_was_not_signed_here_is_refused(database_url: str, clock: Clock):
    with signing(database_url, clock, SHOP, OTHER) as other:
        foreign = token(other, "images", 100)
    with signing(database_url, clock) as credits:
        good, now = token(credits, "images", 100), clock.now
        link, _ = Signer([SECRET]).issue("farthing.link", "ada", now=now, life=timedelta(hours=1))
        older = Signer([SECRET]).sign({"aud": "farthing.quote", "exp": 2**31, "form": 0})
        head, body, _ = good.split(".")
        none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
        for bad in (
            *("", "x", "a.b.c", foreign, link, older, good[:-2], good + "A", good * 100, "ä" * 10, "\0", 5),
            *(resigned(good, quote=["1"]), resigned(good, exp=2**40), resigned(good, sub="ada")),
            *(f"{none}.{body}.", f"{head}.{body}."),
        ):
            with pytest.raises(QuoteInvalid, match="Nothing was changed"):
                credits.checkout("ada", quote=bad, key="buy:1")  # pyright: ignore[reportArgumentType]
        assert credits.orders("ada").data == []
        besides: tuple[dict[str, Any], ...] = (
            {"package": "starter"},
            {"promo_code": "HALF"},
            {"currency": "USD"},
            {"amount": 5},
        )
        for beside in besides:
            with pytest.raises(InvalidField, match="says itself what is bought"):
                credits.checkout("ada", quote=good, key="buy:1", **beside)


@pytest.mark.row("C8")
def test_one_for_an_account_is_good_for_nobody_else(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        hers = token(credits, "images", 100, account="ada")
        with pytest.raises(QuoteInvalid, match="made for another account"):
            credits.checkout("bob", quote=hers, key="buy:1")
        anyones = token(credits, "images", 100)
        for account in ("ada", "bob"):
            assert credits.checkout(account, quote=anyones, key="buy:1").order.total_minor == 1000


@pytest.mark.row("C8", "C4")
def test_naming_a_plan_in_a_quote_gives_its_discount_to_subscribers_only(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        credits.start_plan("ada", "pro", key="plan:1")
        for claimed in (
            token(credits, "images", 100, plan="team"),
            token(credits, "images", 100, plan="team", account="ada"),
        ):
            with pytest.raises(QuoteInvalid, match="for subscribers of team"):
                credits.checkout("ada", quote=claimed, key="buy:1")
            with pytest.raises(QuoteInvalid):
                credits.checkout("ada", quote=claimed, plan="pro", key="buy:1")
        pro = token(credits, "images", 100, plan="pro")
        assert credits.checkout("ada", quote=pro, key="buy:1").order.total_minor == 900
        with pytest.raises(QuoteInvalid, match="for subscribers of pro"):
            credits.checkout("bob", quote=pro, key="buy:1")
        assert credits.checkout("bob", quote=pro, plan="pro", key="buy:1").order.total_minor == 900  # on your word
        own = token(credits, "images", 100, account="ada")
        credits.cancel_plan("ada", key="plan:2", unused="take_back")
        assert credits.checkout("ada", quote=own, key="buy:2").order.total_minor == 900  # promised is promised


@pytest.mark.row("C8", "C4")
def test_a_promo_in_a_quote_is_used_by_the_checkout(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        first, second = (token(credits, "images", 100, account=one, promo_code="ONCE") for one in ("ada", "bob"))
        assert credits.checkout("ada", quote=first, key="buy:1").order.promo_bonus == 7
        with pytest.raises(PromoCodeUsedUp):
            credits.checkout("bob", quote=second, key="buy:1")
    with (
        signing(database_url, clock, f"switches = {{promo_codes = false}}\n{SHOP}") as credits,
        pytest.raises(SwitchedOff, match="Promo codes are switched off"),
    ):
        credits.checkout("bob", quote=second, key="buy:1")


@pytest.mark.row("C8", "C1")
def test_with_selling_switched_off_no_promise_is_kept(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        said = token(credits, "images", 100)
    with (
        signing(database_url, clock, f"switches = {{selling = false}}\n{SHOP}") as closed,
        pytest.raises(SwitchedOff),
    ):
        closed.checkout("ada", quote=said, key="buy:1")


@pytest.mark.row("C8")
def test_secrets_can_be_changed_and_without_one_quotes_are_unsigned(database_url: str, clock: Clock):
    with signing(database_url, clock) as credits:
        said = token(credits, "images", 100)
    with signing(database_url, clock, SHOP, OTHER, SECRET) as rotated:
        assert rotated.checkout("ada", quote=said, key="buy:1").order.total_minor == 1000
    with farthing.open(database_url, catalog=shop(SHOP), clock=clock, providers=[sandbox()]) as plain:
        quote = plain.quote("images", 100)
        assert (quote.token, quote.honoured_until, quote.total_minor) == (None, None, 1000)
        with pytest.raises(QuoteInvalid):
            plain.checkout("ada", quote=said, key="buy:2")
    for wrong in (["short"], SECRET):
        with pytest.raises(SettingsInvalid):
            farthing.open(database_url, catalog=shop(SHOP), secret=wrong)
