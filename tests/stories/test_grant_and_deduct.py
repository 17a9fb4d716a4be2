"""Credits arrive in lots and are used up, all or nothing."""

from decimal import Decimal

import pytest

import farthing
from farthing import Credits, Money
from farthing.errors import BalanceTooLarge, InsufficientCredits, InvalidExpiry, InvalidField, UnknownCreditType
from tests.kit import START, Clock


@pytest.mark.row("L2")
def test_a_grant_makes_a_lot_with_all_it_was_given(credits: Credits, clock: Clock):
    receipt = credits.grant(
        "ada", "images", 100, key="pack:1", source="purchase", expires="30d", priority=20, cost=Money(990, "USD"),
        reason="bought by phone", actor="kim", metadata={"invoice": 7}, occurred_at=clock.now,
    )  # fmt: skip
    [lot] = credits.lots("ada", "images")
    assert (lot.id, lot.source, lot.priority, lot.amount, lot.remaining) == ("lot_images_1", "purchase", 20, 100, 100)
    assert (lot.cost_minor, lot.currency) == (990, "USD")
    assert (lot.effective_at.isoformat(), lot.expires_at and lot.expires_at.isoformat()) == (
        "2026-01-01T00:00:00+00:00",
        "2026-01-31T00:00:00+00:00",
    )
    assert (receipt.reason, receipt.actor, receipt.metadata) == ("bought by phone", "kim", {"invoice": 7})


@pytest.mark.row("L2")
def test_credits_granted_for_later_are_pending_until_then(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 10, key="g", source="plan", effective_at=clock.now.replace(month=2))
    before = credits.balance("ada", "images")
    assert (before.posted, before.pending, before.available) == (10, 10, 0)
    with pytest.raises(InsufficientCredits):
        credits.deduct("ada", "images", 1, key="too-early")
    clock.to("2026-02-01")
    after = credits.balance("ada", "images")
    assert (after.posted, after.pending, after.available) == (10, 0, 10)
    assert credits.deduct("ada", "images", 1, key="in-time").available == 9


@pytest.mark.row("L1", "L2")
def test_expiry_is_the_types_default_or_what_was_said(credits: Credits, clock: Clock):
    credits.grant("ada", "chat", 1, key="default", source="gift")
    credits.grant("ada", "chat", 2, key="never", source="gift", expires=farthing.NEVER)
    credits.grant("ada", "chat", 3, key="month", source="gift", expires="1mo")
    ends = {lot.amount: lot.expires_at for lot in credits.lots("ada", "chat")}
    assert {amount: end and end.date().isoformat() for amount, end in ends.items()} == {
        1: "2026-01-31",
        2: None,
        3: "2026-02-01",
    }


@pytest.mark.row("L2")
def test_a_month_is_counted_in_the_accounts_own_zone(credits: Credits, clock: Clock):
    credits.open_account("yui", time_zone="Asia/Tokyo")
    clock.to("2026-01-30T15:30")  # 00:30 on the 31st in Tokyo
    receipt = credits.grant("yui", "chat", 1, key="k", source="gift", expires="1mo")
    assert receipt.expires_at and receipt.expires_at.isoformat() == "2026-02-27T15:30:00+00:00"  # 00:30 on the 28th


@pytest.mark.parametrize("expires", [None, "soon", "0d", "-1d", 30, "2026-02-01"])
def test_an_expiry_nobody_understands_changes_nothing(credits: Credits, expires: object):
    with pytest.raises(InvalidExpiry, match="Nothing was changed"):
        credits.grant("ada", "images", 1, key="k", source="gift", expires=expires)  # pyright: ignore
    assert credits.history("ada").data == []


def test_credits_that_would_expire_before_they_count_are_refused(credits: Credits, clock: Clock):
    with pytest.raises(InvalidExpiry):
        credits.grant("ada", "images", 1, key="k", source="gift", expires=clock.now)
    with pytest.raises(InvalidExpiry):
        later = clock.now.replace(month=3)
        credits.grant("ada", "images", 1, key="k", source="gift", effective_at=later, expires=later)
    assert credits.balance("ada", "images").posted == 0


@pytest.mark.row("L3")
def test_a_deduction_takes_all_or_nothing(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    assert credits.deduct("ada", "images", 7, key="d1").available == 3
    with pytest.raises(InsufficientCredits) as refusal:
        credits.deduct("ada", "images", 5, key="d2")
    assert (refusal.value.required, refusal.value.available, refusal.value.shortfall) == (5, 3, 2)
    assert credits.balance("ada", "images").available == 3
    assert "2 short. Nothing was changed." in str(refusal.value)


@pytest.mark.row("L3", "L10")
def test_a_stranger_has_nothing_to_spend_even_where_overdraft_is_allowed(credits: Credits):
    with pytest.raises(InsufficientCredits) as refusal:
        credits.deduct("nobody", "chat", 1, key="d")
    assert (refusal.value.available, refusal.value.shortfall) == (0, 1)
    assert credits.check("nobody", "chat", 1).allowed is False


@pytest.mark.row("L4")
def test_check_says_what_a_deduction_would_be_told(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    assert credits.check("ada", "images", 10) == (True, 10, 10, 0)
    assert credits.check("ada", "images", 12) == (False, 12, 10, 2)
    with pytest.raises(farthing.FarthingError):
        credits.check("ada", "images", -1)
    assert len(credits.history("ada").data) == 1


@pytest.mark.row("L5")
def test_every_deduction_says_which_lots_it_drew(credits: Credits):
    credits.grant("ada", "images", 5, key="gift", source="gift", expires="30d")
    credits.grant("ada", "images", 10, key="paid", source="purchase", cost=Money(100, "USD"))
    receipt = credits.deduct("ada", "images", 7, key="d")
    assert receipt.draws == [("lot_images_1", 5), ("lot_images_2", 2)]
    assert [(lot.id, lot.remaining) for lot in credits.lots("ada", "images")] == [("lot_images_2", 8)]


@pytest.mark.row("L5")
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"priority": 20}, {"priority": 30, "expires": "1d"}),
        ({"expires": "5d", "cost": Money(100, "USD")}, {"expires": "6d"}),
        ({"expires": "3000d"}, {"expires": "never"}),
        ({"expires": "5d"}, {"expires": "5d", "cost": Money(100, "USD")}),
        ({"cost": Money(100, "USD"), "effective_at": START}, {"cost": Money(1, "USD")}),
        ({}, {}),
    ],
    ids=["priority", "soonest expiry", "never last", "unpaid before paid", "oldest", "number"],
)
@pytest.mark.parametrize("turned", [False, True], ids=["granted first", "granted last"])
def test_each_step_of_the_burn_order_decides_where_those_before_it_are_equal(
    credits: Credits, clock: Clock, first: dict, then: dict, turned: bool
):
    clock.move("1h")
    if first == then:
        turned = False
    for name in ("then", "first") if turned else ("first", "then"):
        terms = {"first": first, "then": then}[name]
        credits.grant("ada", "images", 1, key=name, source="gift", **terms)
    order = [credits.deduct("ada", "images", 1, key=f"d{number}").draws[0].lot for number in range(2)]
    assert order == (["lot_images_2", "lot_images_1"] if turned else ["lot_images_1", "lot_images_2"])


@pytest.mark.row("L1")
def test_types_are_counted_apart_and_in_their_own_decimals(credits: Credits):
    credits.grant("ada", "chat", "5.25", key="g", source="gift")
    assert credits.deduct("ada", "chat", Decimal("0.05"), key="d").available == Decimal("5.20")
    assert [(b.credit_type, b.available) for b in credits.balances("ada")] == [("images", 0), ("chat", Decimal("5.2"))]
    with pytest.raises(UnknownCreditType, match="images, chat"):
        credits.grant("ada", "video", 1, key="x", source="gift")


@pytest.mark.row("L1", "L3", "L10")
def test_overdraft_goes_to_its_limit_and_the_next_grant_repays_first(credits: Credits):
    credits.grant("ada", "chat", 1, key="g1", source="gift")
    assert credits.deduct("ada", "chat", 6, key="d1").available == -5
    with pytest.raises(InsufficientCredits) as refusal:
        credits.deduct("ada", "chat", "0.01", key="d2")
    assert (refusal.value.available, refusal.value.shortfall) == (-5, Decimal("0.01"))
    credits.grant("ada", "chat", 8, key="g2", source="purchase")
    balance = credits.balance("ada", "chat")
    assert (balance.posted, balance.available, balance.overdraft_limit) == (3, 3, 5)
    assert [(lot.id, lot.remaining) for lot in credits.lots("ada", "chat")] == [("lot_chat_2", 3)]


def test_a_wallet_holds_fifteen_digits_and_not_one_more(credits: Credits):
    credits.grant("ada", "images", 999_999_999_999_999, key="g1", source="gift")
    with pytest.raises(BalanceTooLarge):
        credits.grant("ada", "images", 1, key="g2", source="gift")
    assert credits.balance("ada", "images").posted == 999_999_999_999_999
    assert credits.deduct("ada", "images", 999_999_999_999_999, key="d").available == 0


@pytest.mark.parametrize("source", ["transfer", "reversal", "theft", ""])
def test_only_a_known_source_is_taken(credits: Credits, source: str):
    with pytest.raises(InvalidField, match="source"):
        credits.grant("ada", "images", 1, key="k", source=source)


def test_a_hundred_small_lots_burn_in_order_though_only_the_first_are_read(credits: Credits, clock: Clock):
    for day in range(100, 0, -1):
        credits.grant("ada", "images", 1, key=f"g{day}", source="gift", expires=f"{day}d")
    assert [drawn.lot for drawn in credits.deduct("ada", "images", 2, key="d1").draws] == [
        "lot_images_100",
        "lot_images_99",
    ]
    assert len(credits.deduct("ada", "images", 90, key="d2").draws) == 90
    clock.move("99d")
    assert credits.balance("ada", "images").available == 1


@pytest.mark.row("L10")
def test_many_debts_are_repaid_oldest_first(credits: Credits):
    credits.grant("ada", "chat", "0.01", key="g", source="gift")
    for number in range(100):
        credits.deduct("ada", "chat", "0.01", key=f"d{number}")
    credits.grant("ada", "chat", "0.50", key="half", source="gift")
    assert credits.balance("ada", "chat").available == Decimal("-0.49")
    credits.grant("ada", "chat", "0.50", key="rest", source="gift")
    assert credits.balance("ada", "chat").available == Decimal("0.01")
