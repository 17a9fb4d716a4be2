"""Accounts as a whole: credits that move, accounts frozen, merged and forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farthing import Credits, Money
from farthing.errors import (
    AccountFrozen,
    AccountMerged,
    InsufficientCredits,
    InvalidAccount,
    KeyReused,
    MergeRefused,
    NotFound,
    Refused,
)  # fmt: skip
from tests.kit import Clock

pytestmark = pytest.mark.row("L18")


def given(credits: Credits, account: str, amount: int, key: str = "g", **more) -> None:
    credits.grant(account, "images", amount, key=key, source="purchase", **more)


def test_what_moves_keeps_its_expiry_priority_and_cost(credits: Credits, clock: Clock):
    given(credits, "ada", 10, cost=Money(990, "USD"), expires="30d", priority=7)
    given(credits, "ada", 5, key="g2")
    credits.open_account("bob")
    receipt = credits.transfer("ada", "bob", "images", 12, key="t", reason="team")
    assert (receipt.account, receipt.kind, receipt.amount, receipt.link) == ("ada", "transfer_out", -12, "bob")
    first, gift, second = sorted(credits.lots("bob", "images"), key=lambda lot: lot.priority)
    assert gift.source == "gift"
    assert (first.source, first.amount, first.cost_minor, first.currency, first.priority) == (
        "transfer",
        10,
        990,
        "USD",
        7,
    )
    assert first.expires_at == credits.history("ada", limit=500).data[-1].expires_at
    assert (second.amount, second.expires_at, second.cost_minor) == (2, None, 0)
    assert credits.balance("ada", "images").posted == 3
    arrived = credits.history("bob", limit=1).data[0]
    assert (arrived.kind, arrived.link, arrived.key) == ("transfer_in", f"ada/{receipt.id}", None)
    assert credits.transfer("ada", "bob", "images", 12, key="t") == receipt
    with pytest.raises(KeyReused):
        credits.transfer("ada", "bob", "images", 11, key="t")


@pytest.mark.row("L10")
def test_a_transfer_repays_what_the_other_owes_and_gives_no_overdraft_away(credits: Credits):
    credits.grant("ada", "chat", 3, key="g", source="gift")
    credits.grant("bob", "chat", 1, key="g", source="gift")
    credits.deduct("bob", "chat", 2, key="d")
    with pytest.raises(InsufficientCredits) as refused:
        credits.transfer("ada", "bob", "chat", 4, key="t")
    assert refused.value.shortfall == 1
    credits.transfer("ada", "bob", "chat", 3, key="t")
    assert credits.balance("bob", "chat").posted == 2


def test_nobody_transfers_to_a_stranger_or_to_themselves(credits: Credits):
    given(credits, "ada", 5)
    with pytest.raises(NotFound, match="'bbo'"):
        credits.transfer("ada", "bbo", "images", 1, key="t")
    with pytest.raises(InvalidAccount):
        credits.transfer("ada", "ada", "images", 1, key="t")
    with pytest.raises(InsufficientCredits):
        credits.transfer("eve", "ada", "images", 1, key="t")


def test_transfers_both_ways_at_once_neither_deadlock_nor_lose_anything(credits: Credits):
    for account in ("ada", "bob", "eve"):
        given(credits, account, 100)
    pairs = [("ada", "bob"), ("bob", "ada"), ("bob", "eve"), ("eve", "ada")]

    def move(number: int) -> None:
        giver, taker = pairs[number % 4]
        credits.transfer(giver, taker, "images", 1, key=f"t{number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(move, range(120)))
    assert [credits.balance(account, "images").posted for account in ("ada", "bob", "eve")] == [130, 70, 100]


def test_a_frozen_account_spends_nothing_and_what_was_begun_goes_on(credits: Credits):
    given(credits, "ada", 10)
    credits.open_account("bob")
    first, second = credits.hold("ada", "images", 2, key="h1"), credits.hold("ada", "images", 2, key="h2")
    frozen = credits.freeze("ada", key="f", reason="chargeback", actor="kim")
    assert frozen.frozen_at == credits.clock()
    for spend in (
        lambda: credits.deduct("ada", "images", 1, key="d"),
        lambda: credits.hold("ada", "images", 1, key="h3"),
        lambda: credits.transfer("ada", "bob", "images", 1, key="t"),
        lambda: credits.deduct("ada", "chat", 1, key="d2"),
    ):
        with pytest.raises(AccountFrozen):
            spend()
    assert credits.check("ada", "images", 1).allowed is False
    first.capture()
    second.release()
    given(credits, "ada", 5, key="g2")
    credits.grant("ada", "chat", 5, key="g3", source="gift")
    credits.transfer("bob", "ada", "images", 1, key="t")
    with pytest.raises(AccountFrozen):
        credits.deduct("ada", "chat", 1, key="d2")
    assert credits.unfreeze("ada", key="u").frozen_at is None
    credits.deduct("ada", "chat", 1, key="d2")
    assert credits.balance("ada", "images").available == 14


def test_freezing_is_keyed_so_that_a_late_repeat_freezes_nobody_again(credits: Credits):
    given(credits, "ada", 10)
    credits.freeze("ada", key="f")
    credits.unfreeze("ada", key="u")
    assert credits.freeze("ada", key="f").frozen_at is None
    with pytest.raises(KeyReused):
        credits.deduct("ada", "images", 1, key="f")
    with pytest.raises(KeyReused):
        credits.freeze("ada", key="g")
    with pytest.raises(KeyReused):
        credits.unfreeze("ada", key="f")
    with pytest.raises(NotFound):
        credits.freeze("bob", key="f")
    credits.deduct("ada", "images", 1, key="d")


def test_a_guest_becomes_a_user_with_everything_it_has(credits: Credits, clock: Clock):
    credits.open_account("guest")
    given(credits, "guest", 5, cost=Money(500, "USD"), expires="40d")
    given(credits, "guest", 3, key="g2", effective_at=clock.now.replace(month=2))
    credits.grant("guest", "chat", 2, key="g3", source="promo")
    credits.grant("ada", "images", 1, key="g", source="adjustment")
    merged = credits.merge("guest", into="ada", key="m")
    assert (merged.merged_into, merged.frozen_at) == ("ada", clock.now)
    assert credits.balance("guest", "images").posted == 0
    balance = credits.balance("ada", "images")
    assert (balance.posted, balance.available, balance.pending) == (19, 16, 3)
    assert credits.balance("ada", "chat").available == 2
    assert credits.merge("guest", into="ada", key="m") == merged
    credits.open_account("ada")
    assert credits.balance("ada", "images").posted == 19, "the guest's gift was the user's"
    for refused in (
        lambda: given(credits, "guest", 1, key="late"),
        lambda: credits.unfreeze("guest", key="u"),
        lambda: credits.merge("guest", into="bob", key="m2"),
    ):
        with pytest.raises((AccountMerged, NotFound)):
            refused()
    with pytest.raises(Refused):
        credits.deduct("guest", "images", 1, key="d")


def test_a_gift_counts_once_however_many_guests_one_was(credits: Credits):
    credits.open_account("ada")
    for guest in ("g1", "g2"):
        credits.open_account(guest)
        credits.deduct(guest, "images", 4, key="d")
        given(credits, guest, 1)
        credits.merge(guest, into="ada", key="m")
    assert credits.balance("ada", "images").posted == 10 + 2
    assert [line.kind for line in credits.history("g1", "images", limit=2).data] == ["transfer_out", "void"]


def test_a_guest_with_open_holds_or_debts_stays(credits: Credits, clock: Clock):
    given(credits, "guest", 5)
    credits.open_account("ada")
    credits.hold("guest", "images", 2, key="h")
    with pytest.raises(MergeRefused):
        credits.merge("guest", into="ada", key="m")
    clock.move("1h")
    credits.grant("guest", "chat", 1, key="g4", source="gift")
    credits.deduct("guest", "chat", 2, key="d")
    with pytest.raises(MergeRefused, match="chat"):
        credits.merge("guest", into="ada", key="m")
    credits.grant("guest", "chat", 1, key="g2", source="gift")
    credits.merge("guest", into="ada", key="m")
    assert credits.balance("ada", "images").posted == 10 + 5
    for wrong in (lambda: credits.merge("ada", into="ada", key="x"), lambda: credits.merge("ada", into="eve", key="x")):
        with pytest.raises((InvalidAccount, NotFound)):
            wrong()


def test_merging_is_one_step_or_none_while_the_guest_spends(credits: Credits):
    given(credits, "guest", 50)
    credits.grant("ada", "images", 1, key="g", source="adjustment")

    def spend(number: int) -> int:
        try:
            if number == 10:
                credits.merge("guest", into="ada", key="m")
                return 0
            credits.deduct("guest", "images", 1, key=f"d{number}")
            return 1
        except Refused:
            return 0

    with ThreadPoolExecutor(6) as threads:
        spent = sum(threads.map(spend, range(40)))
    assert credits.balance("ada", "images").posted == 51 - spent
    assert credits.balance("guest", "images").posted == 0


def test_what_people_wrote_is_forgotten_and_the_books_still_prove(credits: Credits):
    credits.grant(
        "ada",
        "images",
        5,
        key="g",
        source="gift",
        reason="kind to us",
        actor="kim",
        metadata={"mail": "ada@example.org"},
    )
    credits.freeze("ada", key="f", reason="asked to go", actor="kim")
    credits.erase("ada", key="e")
    credits.erase("ada", key="e")
    [line] = credits.history("ada").data
    assert (line.reason, line.actor, line.metadata, line.amount) == (None, None, None, 5)
    with credits.database.reading() as session:
        assert session.execute("SELECT reason, actor FROM farthing_acts WHERE account = 'ada' AND verb = 'freeze'") == [
            (None, None)
        ]
    assert credits.verify("ada").proved


def test_nothing_lands_in_an_account_that_was_merged(credits: Credits):
    for account in ("guest", "ada"):
        given(credits, account, 5)
    credits.grant("ada", "chat", 1, key="chat", source="gift")
    used = credits.deduct("guest", "images", 2, key="d")
    credits.merge("guest", into="ada", key="m")
    for closed in (
        lambda: credits.transfer("ada", "guest", "images", 1, key="t"),
        lambda: credits.transfer("ada", "guest", "chat", 1, key="t"),
        lambda: credits.reverse("guest", used.id, key="r"),
        lambda: credits.deduct("guest", "images", 1, key="d2"),
        lambda: credits.hold("guest", "images", 1, key="h"),
        lambda: credits.void("guest", "lot_images_1", key="v"),
    ):
        with pytest.raises(AccountMerged) as refused:
            closed()
        assert (refused.value.account, refused.value.into) == ("guest", "ada")
    assert credits.deduct("guest", "images", 2, key="d").replayed
    assert (credits.balance("guest", "images").posted, credits.balance("ada", "images").posted) == (0, 8)
