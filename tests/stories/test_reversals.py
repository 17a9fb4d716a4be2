"""Deductions taken back: what was drawn last goes back first, to the very lots it came from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farthing import Credits, Money
from farthing.errors import InvalidField, KeyReused, NotEnoughLeft, NotFound
from tests.kit import Clock, proved

SHOP = """
[credit_types.images]
name = "Images"
overdraft = 5
grace = "3d"

[credit_types.chat]
name = "Chat"
reversal = "forfeit"
"""

pytestmark = pytest.mark.row("L7")


@pytest.fixture
def used(database_url: str, clock: Clock):
    """Ada had 4 that end on 11 January and 6 paid that never end, and used 8: 4 and 4."""
    with proved(database_url, clock, SHOP) as credits:
        credits.grant("ada", "images", 4, key="g1", source="gift", expires="10d")
        credits.grant("ada", "images", 6, key="g2", source="purchase", cost=Money(99, "USD"))
        credits.deduct("ada", "images", 8, key="d")
        yield credits


def lots(credits: Credits) -> dict[str, int]:
    return {lot.id: int(lot.remaining) for lot in credits.lots("ada", "images")}


def test_all_of_it_goes_back_to_the_lots_it_came_from_with_its_cost(used: Credits):
    receipt = used.reverse("ada", "ent_images_3", key="r", reason="broken render")
    assert (receipt.kind, receipt.amount, receipt.link) == ("reverse", 8, "ent_images_3")
    assert receipt.draws == [("lot_images_2", 4), ("lot_images_1", 4)]
    assert lots(used) == {"lot_images_1": 4, "lot_images_2": 6}
    used.deduct("ada", "images", 10, key="d2")
    assert used.balance("ada", "images").available == 0


def test_what_was_drawn_last_goes_back_first_over_any_number_of_parts(used: Credits):
    used.reverse("ada", "ent_images_3", 3, key="r1")
    assert lots(used) == {"lot_images_2": 5}
    used.reverse("ada", "ent_images_3", 3, key="r2")
    assert lots(used) == {"lot_images_1": 2, "lot_images_2": 6}
    with pytest.raises(NotEnoughLeft) as refused:
        used.reverse("ada", "ent_images_3", 3, key="r3")
    assert (refused.value.of, refused.value.required, refused.value.left) == ("ent_images_3", 3, 2)
    used.reverse("ada", "ent_images_3", key="r4")
    with pytest.raises(NotEnoughLeft):
        used.reverse("ada", "ent_images_3", key="r5")
    assert lots(used) == {"lot_images_1": 4, "lot_images_2": 6}


def test_it_is_keyed_like_any_write(used: Credits):
    first = used.reverse("ada", "ent_images_3", 3, key="r")
    assert used.reverse("ada", "ent_images_3", 3, key="r") == first
    with pytest.raises(KeyReused):
        used.reverse("ada", "ent_images_3", 4, key="r")
    assert used.balance("ada", "images").posted == 5


def test_only_deductions_and_captures_can_be_reversed(used: Credits):
    for entry in ("ent_images_1", "ent_images_99", "ent_chat_1"):
        with pytest.raises(NotFound, match="Only deductions"):
            used.reverse("ada", entry, key="r")
    with pytest.raises(InvalidField):
        used.reverse("ada", "lot_images_1", key="r")
    with pytest.raises(InvalidField, match="restore, grace, forfeit"):
        used.reverse("ada", "ent_images_3", key="r", expired="keep")
    hold = used.hold("ada", "images", 2, key="h")
    captured = hold.capture()
    assert used.reverse("ada", captured.id, key="r").amount == 2
    with pytest.raises(NotFound):
        used.reverse("ada", hold.receipt.id, key="r2")


@pytest.mark.parametrize(
    ("policy", "kinds", "available", "ends"),
    [
        (None, ["grant", "expire", "reverse"], 10, "2026-01-30"),
        ("restore", ["grant", "expire", "reverse"], 10, "2026-01-30"),
        ("grace", ["grant", "expire", "reverse"], 10, "2026-01-23"),
        ("forfeit", ["expire", "reverse"], 6, None),
    ],
)
def test_what_a_lot_gets_back_that_expired_meanwhile_follows_the_policy(
    used: Credits, clock: Clock, policy: str | None, kinds: list[str], available: int, ends: str | None
):
    clock.to("2026-01-20")
    used.reverse("ada", "ent_images_3", key="r", expired=policy)
    lines = used.history("ada", limit=len(kinds)).data
    assert [line.kind for line in lines] == kinds
    assert used.balance("ada", "images").available == available
    if ends:
        assert lines[0].expires_at is not None
        assert (lines[0].source, lines[0].expires_at.date().isoformat()) == ("reversal", ends)


def test_what_is_owed_is_forgiven_first_then_what_repaid_it_goes_back(used: Credits):
    used.deduct("ada", "images", 6, key="d2")
    assert used.balance("ada", "images").posted == -4
    used.grant("ada", "images", 3, key="g3", source="gift")
    assert used.balance("ada", "images").posted == -1
    used.reverse("ada", "ent_images_4", 1, key="r1")
    assert (used.balance("ada", "images").posted, lots(used)) == (0, {})
    used.reverse("ada", "ent_images_4", 2, key="r2")
    assert lots(used) == {"lot_images_3": 2}
    used.reverse("ada", "ent_images_4", key="r3")
    assert lots(used) == {"lot_images_2": 2, "lot_images_3": 3}


def test_what_repaid_a_debt_is_restored_for_as_long_as_was_left_when_it_was_taken(used: Credits, clock: Clock):
    used.grant("ada", "images", 3, key="g3", source="gift", expires="20d")
    hold = used.hold("ada", "images", 3, key="h", expires="30d")
    debt = used.deduct("ada", "images", 6, key="d2")
    clock.to("2026-01-11")
    hold.release()
    assert used.history("ada", limit=1).data[0].kind == "repay"
    clock.to("2026-01-25")
    used.reverse("ada", debt.id, 4, key="r")
    [again] = used.lots("ada", "images")
    assert (again.source, again.remaining, again.expires_at) == ("reversal", 3, clock.now.replace(month=2, day=4))


def test_what_comes_back_repays_what_others_owe(used: Credits):
    used.deduct("ada", "images", 7, key="d2")
    used.reverse("ada", "ent_images_3", 6, key="r")
    assert used.balance("ada", "images").posted == 1
    assert [line.kind for line in used.history("ada", limit=3).data] == ["repay", "repay", "reverse"]


def test_it_repays_in_the_order_in_which_lots_burn(used: Credits):
    used.deduct("ada", "images", 7, key="d2")
    used.reverse("ada", "ent_images_3", 7, key="r")
    assert lots(used) == {"lot_images_2": 2}


def test_a_grant_in_the_same_breath_does_not_hide_a_closed_lot(used: Credits, clock: Clock):
    """The lot was closed before; the wallet is settled in the write that reverses."""
    used.deduct("ada", "images", 2, key="d2")
    clock.move("11d")
    used.reverse("ada", "ent_images_4", key="r")
    assert lots(used) == {"lot_images_2": 2}


def test_of_many_who_reverse_at_once_no_more_goes_back_than_was_taken(used: Credits):
    def reverse(number: int) -> bool:
        try:
            used.reverse("ada", "ent_images_3", 1, key=f"r{number}")
        except NotEnoughLeft:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(reverse, range(24))) == 8
    assert used.balance("ada", "images").posted == 10
