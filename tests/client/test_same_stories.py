"""The library's own stories, told through the client: code moves from embedded to served by changing one line."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from farthing import Client
from tests.kit import Clock
from tests.stories import (
    test_accounts,
    test_expiry,
    test_grant_and_deduct,
    test_history,
    test_holds,
    test_keys,
    test_moving,
    test_post,
    test_reversals,
    test_taking_back,
)

pytestmark = pytest.mark.row("D3")

MODULES = (
    *(test_accounts, test_expiry, test_grant_and_deduct, test_history, test_holds, test_keys, test_moving, test_post),
    *(test_reversals, test_taking_back),
)
# What they tell needs the database itself, several things in one transaction, or a verb that no server offers; a key
# that begins or ends with a blank, which no header carries; or they are told for several things at once.
APART = {
    "test_the_job_books_idle_wallets_once",
    "test_the_oldest_of_several_debts_is_repaid_first",
    "test_many_debts_are_repaid_oldest_first",
    "test_by_size_what_a_hold_sets_aside_counts",
    "test_one_key_for_two_types_at_once_lets_one_of_them_win",
    "test_the_entry_of_an_expiry_names_the_instant_at_which_it_counted",
    "test_an_account_or_type_that_cannot_be_is_refused_before_anything_is_read",
    "test_each_step_of_the_burn_order_decides_where_those_before_it_are_equal",
    "test_keys_belong_to_the_account_and_are_compared_as_bytes",
    "test_a_zone_nobody_knows_is_refused",
    "test_a_call_that_is_wrong_is_told_by_its_place_before_anything_is_written",
    "test_a_frozen_account_spends_nothing_and_what_was_begun_goes_on",
    "test_what_people_wrote_is_forgotten_and_the_books_still_prove",
    "test_more_than_a_window_of_calls_keep_their_order_within_a_wallet",
    "test_inside_a_transaction_a_refused_list_leaves_the_rest_alive",
    "test_a_block_that_fails_takes_the_list_with_it",
    "test_more_calls_than_may_be_locked_at_once_are_refused",
    "test_a_plain_post_inside_a_block_says_what_to_call_instead",
    "test_a_wish_that_makes_no_sense_is_refused_with_what_would",
}


def stories() -> list[Any]:
    """Every story of these files whose arguments are the credits, the clock, and what it is told for."""
    found: list[Any] = []
    for module in MODULES:
        for name, told in vars(module).items():
            if name.startswith("test_") and name not in APART and "credits" in signature(told).parameters:
                found += [pytest.param(told, more, id=f"{name}-{n}") for n, more in enumerate(told_for(told))]
    return found


def told_for(story: Callable[..., None]) -> list[dict[str, Any]]:
    """What a story is told for first, by its marks."""
    marks = [mark for mark in getattr(story, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        return [{}]
    names, values = marks[0].args[:2]
    split = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    listed = [value.values if isinstance(value, ParameterSet) else value for value in values]
    every = [dict(zip(split, value if len(split) > 1 else [value], strict=True)) for value in listed]
    return every[:1]


@pytest.mark.parametrize(("story", "more"), stories())
def test_a_story_of_the_library(story: Callable[..., None], more: dict[str, Any], client: Client, clock: Clock):
    given: dict[str, Any] = {"credits": client, "clock": clock} | more
    story(**{name: given[name] for name in signature(story).parameters})
