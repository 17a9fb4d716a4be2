"""Many verbs in one call: all or none, or each for itself."""

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import farthing
from farthing import Call, Credits, FarthingError, InsufficientCredits, Receipt, call
from farthing.errors import FloatAmount, InvalidField, KeyReused, NestedWrite, NotFound, UnknownCreditType
from farthing.ledger.posting import MOST, Calls
from farthing.ledger.verbs import Verbs
from tests.kit import Clock, shop


def left(credits: Credits, *accounts: str) -> list[int]:
    return [int(credits.balance(who, "images").available) for who in accounts]


def take(who: str, amount: int, key: str) -> Call:
    return call.deduct(who, "images", amount, key=key)


def give(who: str, amount: int, key: str) -> Call:
    return call.grant(who, "images", amount, key=key, source="gift")


@pytest.mark.row("L15")
def test_all_of_them_are_done_and_each_has_its_receipt_in_order(credits: Credits):
    receipts = credits.post([give("bob", 5, "g"), give("ada", 9, "g"), take("bob", 5, "d"), take("ada", 4, "d")])
    assert [(one.account, one.amount, one.available) for one in receipts] == [
        ("bob", 5, 5), ("ada", 9, 9), ("bob", -5, 0), ("ada", -4, 5),
    ]  # fmt: skip
    assert left(credits, "ada", "bob") == [5, 0]


@pytest.mark.row("L15")
def test_one_refusal_undoes_all_and_says_which_it_was(credits: Credits):
    credits.grant("ada", "images", 3, key="g", source="gift")
    with pytest.raises(InsufficientCredits) as caught:
        credits.post([give("new", 5, "a"), take("ada", 3, "b"), take("ada", 2, "c"), take("new", 99, "d")])
    refusal = caught.value
    assert (refusal.facts["index"], refusal.account, refusal.shortfall) == (2, "ada", 2)
    assert refusal.message.startswith("calls[2]: ada has 0 images available and this needs 2")
    assert left(credits, "ada", "new") == [3, 0]
    with pytest.raises(NotFound):
        credits.account("new")
    assert len(credits.post([give("new", 5, "a"), take("ada", 3, "b")])) == 2  # a refused list uses up no key


@pytest.mark.row("L15", "L16")
def test_the_same_list_again_changes_nothing_and_says_so(credits: Credits):
    calls = [give("ada", 5, "g"), take("ada", 2, "d")]
    first = credits.post(calls)
    again = credits.post([*calls, take("ada", 1, "e")])
    assert [one.replayed for one in again] == [True, True, False]
    assert [one.id for one in again[:2]] == [one.id for one in first]
    assert left(credits, "ada") == [2]


def test_one_key_twice_in_a_list_is_a_replay_and_for_something_else_a_refusal(credits: Credits):
    assert [one.replayed for one in credits.post([give("ada", 5, "g"), give("ada", 5, "g")])] == [False, True]
    with pytest.raises(KeyReused) as caught:
        credits.post([take("ada", 1, "d"), take("ada", 2, "d")])
    assert (caught.value.facts["index"], left(credits, "ada")) == (1, [5])


@pytest.mark.parametrize("atomic", [True, False])
def test_a_call_that_is_wrong_is_told_by_its_place_before_anything_is_written(credits: Credits, atomic: bool):
    wrong = {
        UnknownCreditType: call.deduct("ada", "wishes", 1, key="w"),
        FloatAmount: call.deduct("ada", "images", 0.5, key="w"),  # pyright: ignore
        InvalidField: "deduct",
    }
    for kind, one in wrong.items():
        with pytest.raises(kind) as caught:
            credits.post([give("ada", 5, "g"), one], atomic=atomic)  # pyright: ignore
        assert caught.value.facts["index"] == 1
        assert caught.value.message.startswith("calls[1]")
    assert left(credits, "ada") == [0]


@pytest.mark.row("L15")
def test_each_for_itself_has_its_own_outcome_in_its_place(credits: Credits):
    answers = credits.post(
        [give("ada", 5, "g"), take("ada", 9, "a"), take("ada", 4, "b"), take("bob", 1, "c"), give("ada", 6, "g")],
        atomic=False,
    )
    assert [one.code if isinstance(one, FarthingError) else int(one.amount) for one in answers] == [
        5, "insufficient_credits", -4, "insufficient_credits", "key_reused",
    ]  # fmt: skip
    assert left(credits, "ada") == [1]


def test_more_than_a_window_of_calls_keep_their_order_within_a_wallet(credits: Credits):
    calls = [give("ada", 100, "g"), *(take("ada", number % 3 + 1, f"d{number}") for number in range(1500))]
    answers = credits.post(calls, atomic=False)
    done = [one for one in answers if isinstance(one, Receipt)]
    assert [one.key for one in done] == ["g", *(f"d{number}" for number in range(50)), "d51"]
    assert len(answers) == 1501 and left(credits, "ada") == [0]


def test_nothing_to_post_is_no_mistake(credits: Credits):
    assert credits.post([]) == credits.post([], atomic=False) == []


def test_more_calls_than_may_be_locked_at_once_are_refused(credits: Credits):
    calls = [give("ada", 1, f"g{number}") for number in range(MOST + 1)]
    with pytest.raises(InvalidField, match="1001 calls are too many for one transaction"):
        credits.post(calls)
    assert len(credits.post(calls[1:])) == MOST
    assert left(credits, "ada") == [MOST]


@pytest.mark.row("L15")
def test_inside_a_transaction_a_refused_list_leaves_the_rest_alive(credits: Credits):
    with credits.begin() as tx:
        tx.grant("ada", "images", 5, key="g", source="gift")
        with pytest.raises(InsufficientCredits):
            tx.post([take("ada", 5, "a"), give("bob", 5, "b"), take("eve", 1, "c")])
        assert [one.available for one in tx.post([take("ada", 1, "d"), give("bob", 1, "e")])] == [4, 1]
    assert left(credits, "ada", "bob") == [4, 1]


def test_a_block_that_fails_takes_the_list_with_it(credits: Credits):
    with suppressed(ValueError), credits.begin() as tx:
        tx.post([give("ada", 5, "g")])
        raise ValueError
    assert left(credits, "ada") == [0]


@contextmanager
def suppressed(kind: type[Exception]) -> Iterator[None]:
    with pytest.raises(kind):
        yield


@pytest.mark.parametrize("atomic", [True, False])
def test_a_plain_post_inside_a_block_says_what_to_call_instead(credits: Credits, atomic: bool):
    with credits.begin(), pytest.raises(NestedWrite):
        credits.post([give("ada", 5, "g")], atomic=atomic)  # pyright: ignore


def test_lists_over_the_same_accounts_in_any_order_all_get_through(credits: Credits):
    """Eight threads swap one credit among four accounts, each list in another order; none is lost to a deadlock."""
    accounts = ["zoë", "Ada", "bob", "ärger"]
    credits.post([give(who, 100, "g") for who in accounts])
    start, told = Barrier(8), defaultdict[int, list[Receipt]](list)

    def swap(thread: int) -> None:
        start.wait()
        for turn in range(10):
            order = accounts[(thread + turn) % 4 :] + accounts[: (thread + turn) % 4]
            order = order[::-1] if thread % 2 else order
            told[thread] += credits.post([take(who, 1, f"{thread}:{turn}") for who in order])

    threads = [Thread(target=swap, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, told.values())) == 8 * 10 * 4
    assert left(credits, *accounts) == [20] * 4


def test_lists_that_make_the_same_accounts_in_any_order_all_get_through(credits: Credits):
    accounts = [f"new-{number}" for number in range(6)]
    start = Barrier(4)

    def make(thread: int) -> None:
        start.wait()
        credits.post([give(who, 1, f"{thread}") for who in (accounts if thread % 2 else accounts[::-1])])

    threads = [Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left(credits, *accounts) == [4] * 6


@given(
    lists=st.lists(
        st.lists(st.tuples(st.sampled_from(["ada", "bob"]), st.integers(-6, 6).filter(bool)), max_size=5), max_size=6
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lists_do_what_their_sums_say(credits: Credits, lists: list[list[tuple[str, int]]]):
    """Against plain arithmetic: a list goes through whole where no step takes an account below zero."""
    run = f"{len(credits.history('count', limit=500).data)}"
    credits.grant("count", "images", 1, key=run, source="gift")
    funds = {"ada": 0, "bob": 0}
    for number, steps in enumerate(lists):
        after, possible = dict(funds), True
        for who, amount in steps:
            after[who] += amount
            possible &= after[who] >= 0
        calls = [
            (give if amount > 0 else take)(f"{who}-{run}", abs(amount), f"{number}:{step}")
            for step, (who, amount) in enumerate(steps)
        ]
        try:
            credits.post(calls)
            assert possible
            funds = after
        except InsufficientCredits:
            assert not possible
    assert left(credits, f"ada-{run}", f"bob-{run}") == list(funds.values())


def test_awaited_it_is_the_same(database_url: str, clock: Clock):
    async def story() -> tuple[int, list[str], int]:
        async with farthing.open_async(database_url, catalog=shop(), clock=clock) as credits:
            done: list[Receipt] = await credits.post([give("ada", 5, "g"), take("ada", 2, "d")])
            each = await credits.post([take("ada", 9, "a"), take("ada", 3, "b")], atomic=False)
            with pytest.raises(InsufficientCredits):
                await credits.post([take("ada", 1, "c")])
            kinds = [type(one).__name__ for one in each]
            return len(done), kinds, int((await credits.balance("ada", "images")).available)

    assert asyncio.run(story()) == (2, ["InsufficientCredits", "Receipt"], 0)


def test_a_call_is_said_with_the_verbs_own_arguments():
    verbs = {name: verb for name, verb in inspect.getmembers(Verbs, inspect.isfunction) if not name.startswith("_")}
    assert {name for name in vars(Calls) if not name.startswith("_")} == set(verbs)
    for name, verb in verbs.items():
        offered = getattr(Calls, name)
        assert (inspect.signature(offered), offered.__doc__) == (inspect.signature(verb), verb.__doc__)
    with pytest.raises(TypeError, match="key"):
        call.deduct("ada", "images", 5)  # pyright: ignore
    assert take("ada", 5, "d") == Call("deduct", ("ada", "images", 5), {"key": "d"})
