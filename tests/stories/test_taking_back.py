"""Lots taken back: a void ends what is unused, a clawback takes what was paid for, used up or not."""

from __future__ import annotations

import pytest

from farthing import Credits, Money
from farthing.errors import InsufficientCredits, InvalidField, NotEnoughLeft, NotFound
from tests.kit import Clock, proved

SHOP = """
[credit_types.images]
name = "Images"
"""

pytestmark = pytest.mark.row("L8")


@pytest.fixture
def bought(database_url: str, clock: Clock):
    """Ada bought 10 for 9.90 dollars, was given 5 more, and used 4 of those she bought."""
    with proved(database_url, clock, SHOP) as credits:
        credits.grant("ada", "images", 10, key="g1", source="purchase", cost=Money(990, "USD"), priority=1)
        credits.grant("ada", "images", 5, key="g2", source="gift")
        credits.deduct("ada", "images", 4, key="d")
        yield credits


def left(credits: Credits) -> tuple[int, int, int]:
    balance = credits.balance("ada", "images")
    return int(balance.posted), int(balance.held), int(balance.available)


def test_a_void_ends_what_is_unused_of_a_lot(bought: Credits):
    assert bought.void("ada", "lot_images_1", 2, key="v1").amount == -2
    receipt = bought.void("ada", "lot_images_1", key="v2", reason="sent twice")
    assert (receipt.kind, receipt.amount, receipt.link) == ("void", -4, "lot_images_1")
    assert left(bought) == (5, 0, 5)
    with pytest.raises(NotEnoughLeft):
        bought.void("ada", "lot_images_1", key="v3")
    with pytest.raises(NotEnoughLeft) as refused:
        bought.void("ada", "lot_images_2", 6, key="v4")
    assert (refused.value.left, refused.value.required) == (5, 6)
    with pytest.raises(NotFound):
        bought.void("ada", "lot_images_3", key="v5")
    assert bought.void("ada", "lot_images_1", key="v2") == receipt


def test_a_pending_lot_can_be_voided(bought: Credits, clock: Clock):
    bought.grant("ada", "images", 3, key="g3", source="plan", effective_at=clock.now.replace(month=2))
    bought.void("ada", "lot_images_3", 2, key="v")
    assert bought.balance("ada", "images").pending == 1


@pytest.mark.parametrize(("end", "then"), [("release", (6, 0, 6)), ("capture", (5, 0, 5)), ("lapse", (6, 0, 6))])
def test_what_is_held_of_a_voided_lot_goes_when_its_hold_ends(bought: Credits, clock: Clock, end: str, then: tuple):
    bought.void("ada", "lot_images_2", 3, key="v0")
    hold = bought.hold("ada", "images", 7, key="h")
    bought.void("ada", "lot_images_1", key="v")
    assert left(bought) == (8, 7, 1)
    with pytest.raises(NotEnoughLeft):
        bought.void("ada", "lot_images_1", key="v2")
    bought.grant("ada", "images", 4, key="g3", source="gift")
    if end == "lapse":
        clock.move("1h")
    elif end == "release":
        hold.release()
    else:
        hold.capture()
    assert left(bought) == then
    bought.verify("ada")


@pytest.mark.row("L10")
def test_a_clawback_takes_what_remains_and_the_rest_becomes_debt(bought: Credits):
    receipt = bought.clawback("ada", "lot_images_1", 10, key="c", rest="debt")
    assert (receipt.kind, receipt.amount) == ("clawback", -10)
    assert left(bought) == (1, 0, 1), "the four that were used are repaid out of the gift"
    bought.deduct("ada", "images", 1, key="d2")
    bought.clawback("ada", "lot_images_2", 5, key="c2", rest="debt")
    assert left(bought) == (-5, 0, -5), "only a clawback passes the floor"
    with pytest.raises(InsufficientCredits):
        bought.deduct("ada", "images", 1, key="d3")
    bought.grant("ada", "images", 7, key="g3", source="purchase", cost=Money(700, "USD"))
    assert left(bought) == (2, 0, 2)


def test_or_the_rest_is_written_off(bought: Credits):
    assert bought.clawback("ada", "lot_images_1", 8, key="c", rest="write_off").amount == -6
    assert left(bought) == (5, 0, 5)
    assert bought.clawback("ada", "lot_images_1", 2, key="c2", rest="write_off").amount == 0


@pytest.mark.parametrize(
    ("end", "rest", "then"),
    [("release", "debt", (5, 0, 5)), ("capture", "debt", (-1, 0, -1)), ("capture", "write_off", (0, 0, 0))],
)
def test_what_is_held_is_settled_when_the_hold_ends(bought: Credits, end: str, rest: str, then: tuple[int, int, int]):
    hold = bought.hold("ada", "images", 6, key="h")
    assert bought.clawback("ada", "lot_images_1", 6, key="c", rest=rest).amount == 0
    assert left(bought) == (11, 6, 5)
    if end == "capture":
        bought.deduct("ada", "images", 5, key="d2")
        hold.capture(1)
        assert left(bought) == ((-1, 0, -1) if rest == "debt" else (0, 0, 0))
    else:
        hold.release()
    assert left(bought) == then
    settled = next(line for line in bought.history("ada").data if line.kind == "clawback")
    assert settled.link == "ent_images_5"


def test_what_a_lot_never_had_cannot_be_clawed_back(bought: Credits):
    with pytest.raises(NotEnoughLeft):
        bought.clawback("ada", "lot_images_1", 11, key="c", rest="debt")
    with pytest.raises(InvalidField, match="debt, write_off"):
        bought.clawback("ada", "lot_images_1", 1, key="c", rest="forgive")
    with pytest.raises(NotFound):
        bought.clawback("bob", "lot_images_1", 1, key="c", rest="debt")
