"""Credits by what was used: charges, holds and captures, all by one rate card."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

import farthing
from farthing import NEVER, Credits, InsufficientCredits, call
from farthing.catalog import parse
from farthing.errors import (
    AccountFrozen,
    CaptureTooLarge,
    FloatAmount,
    HoldEnded,
    InvalidField,
    KeyReused,
    NoRate,
    NothingToCharge,
    UnknownOperation,
)  # fmt: skip
from tests.hosts import engine
from tests.kit import Clock, proved, shop

CARDS = """
[credit_types.inference]
name = "Inference"
scale = 4

[credit_types.images]
name = "Images"

[operations.chat]
credit_type = "inference"
dimensions = ["model"]

[[operations.chat.rates]]
when = { model = "swift" }
measures = { input_tokens = "0.15 per 1000", output_tokens = "0.60 per 1000" }

[[operations.chat.rates]]
when = { model = "deep" }
measures = { input_tokens = "2.50 per 1000", output_tokens = "10 per 1000" }

[[operations.chat.rates]]
when = { model = "free" }
measures = { input_tokens = 0, output_tokens = 0 }

[operations.render]
credit_type = "inference"
rounding = "half_up"

[[operations.render.rates]]
measures = { seconds = "2 per 60" }

[operations.picture]
credit_type = "images"
minimum = 2

[[operations.picture.rates]]
measures = { images = "0.75" }
"""
USED = {"input_tokens": 374, "output_tokens": 44}

pytestmark = pytest.mark.row("C9")


@pytest.fixture
def credits(database_url: str, clock: Clock) -> Iterator[Credits]:
    with proved(database_url, clock, CARDS) as credits:
        credits.grant("ada", "inference", 10, key="g", source="gift")
        credits.grant("ada", "images", 10, key="g2", source="gift")
        yield credits


def left(credits: Credits, credit_type: str = "inference") -> tuple[Decimal, Decimal]:
    """Posted and held credits of ada."""
    balance = credits.balance("ada", credit_type)
    return balance.posted, balance.held


def test_a_call_is_charged_by_what_it_used_and_which_model_it_was(credits: Credits):
    swift = credits.charge("ada", "chat", USED, model="swift", key="c1")
    assert (swift.kind, swift.operation, swift.amount) == ("deduct", "chat", Decimal("-0.0825"))
    deep = credits.charge("ada", "chat", USED, model="deep", key="c2", reason="a test", metadata={"thread": 7})
    assert (deep.amount, deep.reason, deep.metadata) == (Decimal("-1.375"), "a test", {"thread": 7})
    render = credits.charge("ada", "render", {"seconds": "12.5"}, key="r")
    assert render.amount == Decimal("-0.4167")
    assert [credits.charge("ada", "picture", {"images": n}, key=f"p{n}").amount for n in (1, 4)] == [-2, -3]
    assert left(credits) == (Decimal("8.1258"), 0)
    assert left(credits, "images") == (5, 0)


def test_an_estimate_is_what_the_charge_will_be_and_changes_nothing(credits: Credits):
    told = credits.estimate("chat", USED, model="swift")
    assert (told.amount, told.credit_type, told.dimensions) == (Decimal("0.0825"), "inference", {"model": "swift"})
    assert [(line.measure, line.used, line.price, line.per, line.total) for line in told.lines] == [
        ("input_tokens", 374, Decimal("0.15"), 1000, Decimal("0.0561")),
        ("output_tokens", 44, Decimal("0.60"), 1000, Decimal("0.0264")),
    ]
    assert credits.estimate("chat", {"input_tokens": 0, "output_tokens": 0}, model="swift").amount == 0
    assert left(credits) == (10, 0)
    assert -credits.charge("ada", "chat", USED, model="swift", key="c").amount == told.amount


def test_a_key_stands_for_operation_measures_and_dimensions_as_given(credits: Credits):
    first = credits.charge("ada", "chat", USED, model="swift", key="c")
    written = {"output_tokens": "44.0", "input_tokens": Decimal("3.74e2")}
    again = credits.charge("ada", "chat", written, model="swift", key="c", reason="once more")
    assert (again.id, again.replayed, first.replayed) == (first.id, True, False)
    for measures, model in ((USED | {"output_tokens": 45}, "swift"), (USED, "deep")):
        with pytest.raises(KeyReused):
            credits.charge("ada", "chat", measures, model=model, key="c")
    with pytest.raises(KeyReused):
        credits.charge("ada", "render", {"seconds": 1}, key="c")
    with pytest.raises(KeyReused):
        credits.deduct("ada", "inference", "0.0825", key="c", operation="chat")
    with pytest.raises(KeyReused):
        credits.charge("ada", "picture", {"images": 1}, key="c")  # of another credit type
    assert left(credits) == (Decimal("9.9175"), 0)


@pytest.mark.parametrize(
    ("was", "now"), [('"0.15 per 1000"', '"9 per 1000"'), ('"swift"', '"renamed"'), ('"0.15 per 1000"', "0")]
)
def test_a_retry_under_other_prices_is_a_replay_all_the_same(database_url: str, clock: Clock, was: str, now: str):
    only_input = {"input_tokens": 100, "output_tokens": 0}
    with proved(database_url, clock, CARDS) as credits:
        credits.grant("ada", "inference", 10, key="g", source="gift")
        first = credits.charge("ada", "chat", only_input, model="swift", key="c")
        hold = credits.hold_for("ada", "chat", only_input, model="swift", key="h")
        captured = hold.capture_for(only_input)
    with proved(database_url, clock, CARDS.replace(was, now)) as credits:
        again = credits.charge("ada", "chat", only_input, model="swift", key="c")
        held = credits.hold_for("ada", "chat", only_input, model="swift", key="h")
        ended = held.capture_for(only_input)
        assert [(one.replayed, one.id, one.amount) for one in (again, ended)] == [
            (True, first.id, first.amount),
            (True, captured.id, captured.amount),
        ]
        assert (held.replayed, held.id) == (True, hold.id)


def test_a_call_without_a_rate_is_refused_and_uses_up_no_key(credits: Credits):
    with pytest.raises(NoRate, match="known values of model: swift, deep, free") as told:
        credits.charge("ada", "chat", USED, model="turbo", key="c")
    assert told.value.known == {"model": ["swift", "deep", "free"]}
    with pytest.raises(NoRate):
        credits.estimate("chat", USED, model="turbo")
    assert not credits.charge("ada", "chat", USED, model="swift", key="c").replayed


def test_what_comes_to_nothing_is_refused_and_uses_up_no_key(credits: Credits):
    for number, one in enumerate([("swift", dict.fromkeys(USED, 0)), ("free", USED)]):
        with pytest.raises(NothingToCharge) as told:
            credits.charge("ada", "chat", one[1], model=one[0], key="c")
        assert told.value.operation == "chat"
        with pytest.raises(NothingToCharge):
            credits.hold_for("ada", "chat", one[1], model=one[0], key=f"h{number}")
    hold = credits.hold_for("ada", "chat", USED, model="swift", key="h")
    with pytest.raises(NothingToCharge, match="release their hold"):
        hold.capture_for(dict.fromkeys(USED, 0))
    hold.release()
    assert not credits.charge("ada", "chat", USED, model="swift", key="c").replayed
    assert credits.charge("ada", "picture", {"images": 0}, key="p").amount == -2  # its minimum, whatever was used


def test_refusals_are_those_of_a_deduction(credits: Credits):
    with pytest.raises(InsufficientCredits) as short:
        credits.charge("ada", "chat", {"input_tokens": 4001, "output_tokens": 0}, model="deep", key="c")
    assert (short.value.required, short.value.shortfall) == (Decimal("10.0025"), Decimal("0.0025"))
    with pytest.raises(InsufficientCredits):
        credits.charge("nobody", "render", {"seconds": 1}, key="c")
    credits.freeze("ada", key="f")
    with pytest.raises(AccountFrozen):
        credits.charge("ada", "render", {"seconds": 1}, key="c")


def test_what_is_wrong_with_a_call_is_told_before_anything_is_written(credits: Credits):
    with pytest.raises(UnknownOperation, match="no operation 'chatt'; it has chat, render, picture"):
        credits.charge("ada", "chatt", USED, key="c")
    with pytest.raises(FloatAmount, match="seconds is the float"):
        credits.charge("ada", "render", {"seconds": 12.5}, key="c")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidField, match="no measure 'secs'; there is seconds") as told:
        credits.charge("ada", "render", {"secs": 12}, key="c")
    assert told.value.field == "secs"
    with pytest.raises(InvalidField, match="needs the measure 'seconds'"):
        credits.charge("ada", "render", key="c")
    with pytest.raises(InvalidField, match="no dimension 'model'; there is none"):
        credits.charge("ada", "render", {"seconds": 1}, model="swift", key="c")
    with pytest.raises(TypeError, match="key"):
        credits.charge("ada", "render", {"seconds": 1})  # pyright: ignore[reportCallIssue]
    assert len(credits.history("ada").data) == 2


MOST = {"input_tokens": 400, "output_tokens": 500}


def test_a_hold_is_priced_by_the_card_and_captures_what_was_really_used(credits: Credits):
    hold = credits.hold_for("ada", "chat", MOST, model="deep", key="h")
    assert (hold.receipt.operation, left(credits)) == ("chat", (10, 6))
    captured = hold.capture_for(USED)
    assert (captured.kind, captured.operation, captured.amount) == ("capture", "chat", Decimal("-1.375"))
    assert left(credits) == (Decimal("8.625"), 0)
    assert captured.amount == -credits.estimate("chat", USED, model="deep").amount


def test_as_a_block_it_captures_what_it_is_told_or_else_all_and_releases_on_an_error(credits: Credits):
    with credits.hold_for("ada", "chat", MOST, model="deep", key="h1") as hold:
        hold.capture_for(USED)
    assert left(credits) == (Decimal("8.625"), 0)
    with credits.hold_for("ada", "chat", MOST, model="deep", key="h2"):
        pass
    assert left(credits) == (Decimal("2.625"), 0)
    with pytest.raises(ZeroDivisionError), credits.hold_for("ada", "render", {"seconds": 60}, key="h3"):
        raise ZeroDivisionError
    assert left(credits) == (Decimal("2.625"), 0)


def test_a_capture_knows_its_hold_by_name_and_the_same_one_again_is_a_replay(credits: Credits):
    hold = credits.hold_for("ada", "chat", MOST, model="deep", key="h").id
    with pytest.raises(CaptureTooLarge):
        credits.capture_for("ada", hold, "chat", {"input_tokens": 400, "output_tokens": 501}, model="deep")
    with pytest.raises(InvalidField, match="is of inference, and picture costs images"):
        credits.capture_for("ada", hold, "picture", {"images": 1})
    first = credits.capture_for("ada", hold, "chat", USED, model="deep")
    again = credits.capture_for("ada", hold, "chat", dict(reversed(USED.items())), model="deep")
    assert (first.replayed, again.replayed, again.id) == (False, True, first.id)
    with pytest.raises(HoldEnded):
        credits.capture_for("ada", hold, "chat", USED, model="swift")
    with pytest.raises(HoldEnded):
        credits.release("ada", hold)


def test_a_holds_key_stands_for_what_it_is_for_and_how_long(credits: Credits, clock: Clock):
    first = credits.hold_for("ada", "chat", MOST, model="deep", key="h", expires="1h", on_late="charge")
    again = credits.hold_for("ada", "chat", MOST, model="deep", key="h", expires="1h", on_late="charge")
    assert (again.id, again.replayed) == (first.id, True)
    with pytest.raises(KeyReused):
        credits.hold_for("ada", "chat", MOST, model="deep", key="h", expires="2h", on_late="charge")
    with pytest.raises(KeyReused):
        credits.hold_for("ada", "chat", USED, model="deep", key="h", expires="1h", on_late="charge")
    clock.move("2h")
    assert first.capture_for(USED).amount == Decimal("-1.375")  # late, and charged like a deduction


def test_in_ones_own_transactions_it_is_all_or_none(credits: Credits, database_url: str):
    with pytest.raises(ZeroDivisionError), credits.begin() as tx:
        tx.charge("ada", "chat", USED, model="swift", key="c")
        raise ZeroDivisionError
    assert left(credits) == (10, 0)
    with credits.begin() as tx:
        tx.charge("ada", "chat", USED, model="swift", key="c")
        tx.hold_for("ada", "chat", MOST, model="deep", key="h").capture_for(USED)
    assert left(credits) == (Decimal("8.5425"), 0)
    with engine(database_url).begin() as connection:
        hosted = credits.on(connection)
        with pytest.raises(NoRate):
            hosted.charge("ada", "chat", USED, model="turbo", key="d")
        hosted.charge("ada", "chat", USED, model="deep", key="d")
        hosted.hold_for("ada", "render", {"seconds": 60}, key="h2").capture_for({"seconds": 30})
    assert left(credits) == (Decimal("6.1675"), 0)


def test_posted_with_others_it_is_all_or_none_or_each_for_itself(credits: Credits):
    swift, deep = (call.charge("ada", "chat", USED, model=model, key=model) for model in ("swift", "deep"))
    turbo = call.charge("ada", "chat", USED, model="turbo", key="turbo")
    with pytest.raises(NoRate, match=r"calls\[2\]"):
        credits.post([swift, deep, turbo])
    assert left(credits) == (10, 0)
    each = credits.post([swift, turbo, deep], atomic=False)
    assert [type(one).__name__ for one in each] == ["Receipt", "NoRate", "Receipt"]
    [held] = credits.post([call.hold_for("ada", "chat", MOST, model="deep", key="h")])
    name = credits.holds("ada")[0].id
    [captured] = credits.post([call.capture_for("ada", name, "chat", USED, model="deep")])
    assert (held.held_change, captured.amount) == (6, Decimal("-1.375"))


def test_the_same_awaited(database_url: str, clock: Clock):
    async def story() -> Decimal:
        async with farthing.open_async(database_url, catalog=shop(CARDS), clock=clock) as credits:
            await credits.grant("ada", "inference", 20, key="g", source="gift")
            await credits.charge("ada", "chat", USED, model="swift", key="c")
            assert (await credits.estimate("chat", USED, model="deep")).amount == Decimal("1.375")
            async with credits.hold_for("ada", "chat", MOST, model="deep", key="h1") as hold:
                await hold.capture_for(USED)
            held = await credits.hold_for("ada", "render", {"seconds": 60}, key="h2")
            await held.capture_for({"seconds": 30})
            async with credits.hold_for("ada", "render", {"seconds": 60}, key="h3"):
                pass
            async with credits.begin() as tx:
                await tx.charge("ada", "render", {"seconds": 3}, key="c2")
                async with tx.hold_for("ada", "chat", MOST, model="deep", key="h4") as inner:
                    await inner.capture_for(USED)
            return (await credits.balance("ada", "inference")).posted

    assert asyncio.run(story()) == Decimal("14.0675")


def test_of_many_who_race_for_the_last_credits_no_more_are_charged_than_there_are(credits: Credits):
    def charge(number: int) -> bool:
        try:
            credits.charge("ada", "render", {"seconds": "30"}, key=f"r{number}")
        except InsufficientCredits:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(charge, range(24)))
    assert (sum(told), left(credits)) == (10, (0, 0))


def test_of_many_with_one_key_one_charges_and_all_get_its_receipt(credits: Credits):
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: credits.charge("ada", "chat", USED, model="deep", key="c"), range(16)))
    assert (len({one.id for one in told}), sum(not one.replayed for one in told)) == (1, 1)
    assert left(credits) == (Decimal("8.625"), 0)


def test_several_operations_share_a_credit_type_and_what_was_charged_can_be_taken_back(credits: Credits):
    charged = [
        credits.charge("ada", "chat", USED, model="deep", key="c"),
        credits.charge("ada", "render", {"seconds": 30}, key="r"),
    ]
    assert {one.credit_type for one in charged} == {"inference"}
    credits.reverse("ada", charged[0].id, key="back")
    assert left(credits) == (9, 0)
    assert [line.operation for line in credits.history("ada", "inference", kinds=["deduct"]).data] == ["render", "chat"]


def test_a_hold_that_never_ends_is_refused_like_any(credits: Credits):
    with pytest.raises(farthing.errors.InvalidExpiry):
        credits.hold_for("ada", "render", {"seconds": 1}, key="h", expires=NEVER)


def test_an_operation_that_left_the_catalog_is_unknown(database_url: str, clock: Clock):
    with proved(database_url, clock, CARDS) as credits:
        credits.grant("ada", "inference", 10, key="g", source="gift")
        hold = credits.hold_for("ada", "render", {"seconds": 60}, key="h")
    without = parse(CARDS.replace("operations.render", "operations.draw"))
    with farthing.open(database_url, catalog=without, clock=clock) as credits:
        with pytest.raises(UnknownOperation):
            credits.capture_for("ada", hold.id, "render", {"seconds": 30})
        assert credits.capture("ada", hold.id, 1).amount == -1


def test_a_retry_of_what_is_charged_in_another_credit_type_by_now_charges_nothing(database_url: str, clock: Clock):
    with proved(database_url, clock, CARDS) as credits:
        for kind in ("inference", "images"):
            credits.grant("ada", kind, 10, key=kind, source="gift")
        credits.charge("ada", "picture", {"images": 4}, key="p")
    with proved(database_url, clock, CARDS.replace('"images"\nminimum', '"inference"\nminimum')) as credits:
        assert credits.estimate("picture", {"images": 4}).credit_type == "inference"
        with pytest.raises(KeyReused):
            credits.charge("ada", "picture", {"images": 4}, key="p")
        assert (left(credits, "inference"), left(credits, "images")) == ((10, 0), (7, 0))
