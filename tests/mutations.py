"""What `make mutants` takes out of the sources, one at a time, and which tests have to notice.

The pieces of text are short, so that they outlive the lines around them; each occurs exactly once in its file
(tests/test_mutants.py).
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One lock, check, constraint or ordering less."""

    name: str
    file: str  # below src/farthing
    text: str
    becomes: str
    tests: tuple[str, ...]


def _in(folder: str, module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"tests/{folder}/test_{module}.py::test_{name}" for name in names)


MUTANTS = (
    Mutant(
        "fifteen digits", "core/book.py",
        "if not -LIMIT < posted < LIMIT:", "if False:",
        _in("stories", "grant_and_deduct", "a_wallet_holds_fifteen_digits_and_not_one_more"),
    ),
    Mutant(
        "unpaid before paid", "core/book.py",
        "lot.cost_minor > 0, lot.effective_at, lot.number)", "lot.cost_minor == 0, lot.effective_at, lot.number)",
        _in("stories", "grant_and_deduct", "each_step_of_the_burn_order_decides_where_those_before_it_are_equal"),
    ),
    Mutant(
        "no more out of a lot than it has", "core/book.py",
        "if not 0 < amount <= lot.remaining:", "if False:",
        _in("core", "ledger_properties", "a_lot_gives_no_more_than_it_has_and_takes_no_more_than_it_gave"),
    ),
    Mutant(
        "no more into a lot than it had", "core/book.py",
        "if not lot.remaining < left <= lot.amount:", "if False:",
        _in("core", "ledger_properties", "a_lot_gives_no_more_than_it_has_and_takes_no_more_than_it_gave"),
    ),
    Mutant(
        "each seal holds the one before", "core/book.py",
        "key=previous)", "key=b'')",
        _in("store", "golden", "the_seals_and_contents_are_these"),
    ),
    Mutant(
        "shares of a cost add up", "core/book.py",
        "_cost_of(lot, lot.amount - left) - _cost_of(lot, lot.amount - lot.remaining)", "_cost_of(lot, amount)",
        _in("store", "golden", "the_page_reads_as_written_here"),
    ),
    Mutant(
        "oldest debt first", "core/book.py",
        "sorted((known | debts).items())", "sorted((known | debts).items(), reverse=True)",
        _in("stories", "grant_and_deduct", "the_oldest_of_several_debts_is_repaid_first"),
    ),
    Mutant(
        "no more than is available and overdraft", "core/burn.py",
        "if amount > book.spendable:", "if False:",
        _in("stories", "grant_and_deduct", "a_deduction_takes_all_or_nothing"),
    ),
    Mutant(
        "frozen spends nothing", "core/burn.py",
        "if book.frozen:", "if False:",
        _in("stories", "moving", "a_frozen_account_spends_nothing_and_what_was_begun_goes_on"),
    ),
    Mutant(
        "what is held is not drawn", "core/burn.py",
        "free = lot.remaining - lot.held", "free = lot.remaining",
        _in("stories", "holds", "what_is_held_is_drawn_by_nobody_else"),
    ),
    Mutant(
        "what is pending is not drawn", "core/burn.py",
        "if free and usable(lot, stamp.now):", "if free:",
        _in("stories", "grant_and_deduct", "what_is_pending_is_not_drawn_though_it_would_burn_first"),
    ),
    Mutant(
        "a lot must expire after it counts", "core/lots.py",
        "terms.expires_at <= counts_from", "terms.expires_at < counts_from",
        _in("stories", "grant_and_deduct", "credits_that_would_expire_before_they_count_are_refused"),
    ),
    Mutant(
        "expired at its instant", "core/lots.py",
        "at < lot.expires_at)", "at <= lot.expires_at)",
        _in("stories", "taking_back", "a_lot_that_ends_when_its_hold_does_repays_nothing_any_more"),
    ),
    Mutant(
        "a grant repays", "core/lots.py",
        "return draft if pending else repay(draft, lot.number, stamp, stamp.now)", "return draft",
        _in("stories", "grant_and_deduct", "overdraft_goes_to_its_limit_and_the_next_grant_repays_first"),
    ),
    Mutant(
        "no more is repaid than is free", "core/lots.py",
        "owed = min(book.debt, lot.remaining - lot.held)", "owed = min(book.debt, lot.remaining)",
        _in("stories", "taking_back", "what_is_owed_is_repaid_out_of_a_hold_when_it_lets_go_and_not_before"),
    ),
    Mutant(
        "what is held does not expire", "core/lots.py",
        "(rest := lot.remaining - lot.held)", "(rest := lot.remaining)",
        _in("stories", "holds", "a_lot_that_expires_while_held_stays_good_for_its_hold_and_only_for_it"),
    ),
    Mutant(
        "a lot matures once", "core/lots.py",
        "if lot.effective_at == at and at > since]", "if lot.effective_at == at]",
        _in("stories", "expiry", "what_begins_at_the_moment_something_else_ends_counts_first"),
    ),
    Mutant(
        "due at its instant", "core/due.py",
        "book.next_change_at > now:", "book.next_change_at >= now:",
        _in("stories", "expiry", "a_lot_counts_until_its_instant_and_not_at_it"),
    ),
    Mutant(
        "what is due in the order of time", "core/due.py",
        "for at in sorted({at for at in _instants(book) if at <= now}):",
        "for at in sorted({at for at in _instants(book) if at <= now}, reverse=True):",
        _in("stories", "expiry", "each_of_several_ends_comes_in_its_turn"),
    ),
    Mutant(
        "the soonest change is remembered", "core/due.py",
        "min(upcoming, default=None)", "max(upcoming, default=None)",
        _in("stories", "expiry", "each_of_several_ends_comes_in_its_turn"),
    ),
    Mutant(
        "time booked stays booked", "core/due.py",
        ", recorded_at=now)", ")",
        _in("faults", "clock", "what_the_job_saw_begin_has_begun"),
    ),
    Mutant(
        "a hold needs credits", "core/holds.py",
        "    require(book, amount)\n", "",
        _in("stories", "holds", "what_is_held_is_not_available_and_what_is_captured_is_used_up"),
    ),
    Mutant(
        "no hold beyond max_hold", "core/holds.py",
        "    _allow(book, stamp.now, deadline)\n", "",
        _in("stories", "holds", "an_extended_hold_lapses_later_and_never_later_than_the_type_allows"),
    ),
    Mutant(
        "max_hold counts from the beginning", "core/holds.py",
        "_allow(book, found.held_at, deadline)", "_allow(book, stamp.now, deadline)",
        _in("stories", "holds", "an_extended_hold_lapses_later_and_never_later_than_the_type_allows"),
    ),
    Mutant(
        "a hold ends once", "core/holds.py",
        "if found.ended:", "if False:",
        _in("stories", "holds", "it_lapses_at_its_deadline_without_any_job_and_ends_no_other_way"),
    ),
    Mutant(
        "no more captured than held", "core/holds.py",
        "if wanted > found.amount and not book.credit_type.capture_more:", "if False:",
        _in("stories", "holds", "more_than_was_held_is_captured_where_the_type_allows_it_and_the_wallet_has_it"),
    ),
    Mutant(
        "more than was held has to be there", "core/holds.py",
        "require(book, wanted - found.amount)", "pass",
        _in("stories", "holds", "more_than_was_held_is_captured_where_the_type_allows_it_and_the_wallet_has_it"),
    ),
    Mutant(
        "a late capture only where agreed", "core/holds.py",
        'found.ended == "lapse" and found.late == "charge"', 'found.ended == "lapse"',
        _in("stories", "holds", "it_lapses_at_its_deadline_without_any_job_and_ends_no_other_way"),
    ),
    Mutant(
        "a late capture needs credits", "core/holds.py",
        "require(book._replace(frozen=False), wanted)", "pass",
        _in("stories", "holds", "a_hold_that_may_be_charged_late_is_charged_like_a_deduction"),
    ),
    Mutant(
        "what a hold frees too late expires", "core/holds.py",
        "draft = lots.expire(draft, numbers, at, stamp)", "pass",
        _in("stories", "holds", "what_a_release_frees_of_an_expired_lot_expires_at_once"),
    ),
    Mutant(
        "what a hold frees repays", "core/holds.py",
        "draft = lots.repay(draft, number, stamp, at)", "pass",
        _in("stories", "taking_back", "what_is_owed_is_repaid_out_of_a_hold_when_it_lets_go_and_not_before"),
    ),
    Mutant(
        "what a hold frees is claimed", "core/holds.py",
        "draft = claims.settle(draft, numbers, stamp, at)", "pass",
        _in("stories", "taking_back", "what_is_held_of_a_voided_lot_goes_when_its_hold_ends"),
    ),
    Mutant(
        "no more voided than is left", "core/claims.py",
        "if not 0 < wanted <= left:", "if False:",
        _in("stories", "taking_back", "a_void_ends_what_is_unused_of_a_lot"),
    ),
    Mutant(
        "what is claimed is not voided again", "core/claims.py",
        "left = lot.remaining - claimed", "left = lot.remaining",
        _in("stories", "taking_back", "what_is_held_of_a_voided_lot_goes_when_its_hold_ends"),
    ),
    Mutant(
        "nothing is taken out of a hold", "core/claims.py",
        "taken = min(wanted, lot.remaining - lot.held)", "taken = min(wanted, lot.remaining)",
        _in("stories", "taking_back", "what_is_held_is_settled_when_the_hold_ends"),
    ),
    Mutant(
        "no more clawed back than the lot had", "core/claims.py",
        "if amount > lot.amount:", "if False:",
        _in("stories", "taking_back", "what_a_lot_never_had_cannot_be_clawed_back"),
    ),
    Mutant(
        "a clawback is repaid at once", "core/claims.py",
        "return lots.repay_all(draft, stamp, stamp.now)", "return draft",
        _in("stories", "taking_back", "a_clawback_takes_what_remains_and_the_rest_becomes_debt"),
    ),
    Mutant(
        "no more given back than was taken", "core/reversals.py",
        "if not 0 < wanted <= left.total:", "if False:",
        _in("stories", "reversals", "what_was_drawn_last_goes_back_first_over_any_number_of_parts"),
    ),
    Mutant(
        "earlier reversals count", "core/reversals.py",
        "gone = min(amount, returned[lot])", "gone = 0",
        _in("stories", "reversals", "what_was_drawn_last_goes_back_first_over_any_number_of_parts"),
    ),
    Mutant(
        "what was drawn last goes back first", "core/reversals.py",
        "for number, amount in reversed(left.drawn):", "for number, amount in left.drawn:",
        _in("stories", "reversals", "what_was_drawn_last_goes_back_first_over_any_number_of_parts"),
    ),
    Mutant(
        "what is owed is forgiven first", "core/reversals.py",
        "forgiven = min(wanted, left.owed)", "forgiven = 0",
        _in("stories", "reversals", "what_is_owed_is_forgiven_first_then_what_repaid_it_goes_back"),
    ),
    Mutant(
        "what comes back repays", "core/reversals.py",
        "    draft = lots.repay_all(draft, stamp, stamp.now)\n", "",
        _in("stories", "reversals", "what_comes_back_repays_what_others_owe"),
    ),
    Mutant(
        "what comes back late expires", "core/reversals.py",
        "draft = lots.expire(draft, [drawn.lot for drawn in draws], stamp.now, stamp)", "pass",
        _in("stories", "reversals", "what_a_lot_gets_back_that_expired_meanwhile_follows_the_policy"),
    ),
    Mutant(
        "restored for as long as was left", "core/reversals.py",
        "lot.expires_at - _drawn_at(book, lot, original)", "lot.expires_at - original.recorded_at",
        _in("stories", "reversals",
            "what_repaid_a_debt_is_restored_for_as_long_as_was_left_when_it_was_taken"),
    ),
    Mutant(
        "frozen gives nothing away", "core/moves.py",
        "        burn.require_thawed(book)\n", "",
        _in("stories", "moving", "a_frozen_account_spends_nothing_and_what_was_begun_goes_on"),
    ),
    Mutant(
        "no overdraft is given away", "core/moves.py",
        "if amount > book.available:", "if amount > book.spendable:",
        _in("stories", "moving", "a_transfer_repays_what_the_other_owes_and_gives_no_overdraft_away"),
    ),
    Mutant(
        "what moves counts at once", "core/moves.py",
        "if lot.effective_at > left_at else None", "if lot.effective_at > stamp.now else None",
        _in("faults", "clock", "what_a_wallet_that_is_ahead_gives_counts_at_once_in_one_that_is_behind"),
    ),
    Mutant(
        "what moves keeps its end", "core/moves.py",
        "start, lot.expires_at,", "start, None,",
        _in("stories", "moving", "what_moves_keeps_its_expiry_priority_and_cost"),
    ),
    Mutant(
        "our own keys are ours", "core/checks.py",
        "if not wrong and key.startswith(OUR_KEYS):", "if False:",
        _in("stories", "keys", "an_unusable_key_is_refused"),
    ),
    Mutant(
        "a key stands for its amount", "core/checks.py",
        "[verb, credit_type, amount, given]", "[verb, credit_type, given]",
        _in("stories", "keys", "the_same_key_for_something_else_is_an_error"),
    ),
    Mutant(
        "a key is looked up", "ledger/beat.py",
        "if known := page.known.get(key):", "if known := None:",
        _in("stories", "keys", "the_same_call_again_answers_the_first_receipt"),
    ),
    Mutant(
        "a key counts within its batch", "ledger/beat.py",
        "page.known[key] = line", "pass",
        _in("stories", "post", "one_key_twice_in_a_list_is_a_replay_and_for_something_else_a_refusal"),
    ),
    Mutant(
        "a key stands for what it said first", "ledger/beat.py",
        "if known.content == command.stamp.content:", "if True:",
        _in("stories", "keys", "the_same_key_for_something_else_is_an_error"),
    ),
    Mutant(
        "an act has its key", "ledger/beat.py",
        "if act := page.acted.get(key):", "if act := None:",
        _in("stories", "buying", "keys_of_orders_and_of_entries_are_one_namespace"),
    ),
    Mutant(
        "another way to pay is another checkout", "selling/checkout.py",
        "form=paying.form or None,", "form=None,",
        _in("stories", "paying", "another_way_to_pay_is_another_checkout"),
    ),
    Mutant(
        "who pays is frozen with the order", "selling/checkout.py",
        "customer=payer and payer.customer", "customer=None",
        _in("stories", "paying", "who_pays_is_remembered_for_the_next_order_and_frozen_with_it"),
    ),
    Mutant(
        "what a form needs is asked for again", "selling/checkout.py",
        "(order.reference and not order.paying.form)", "order.reference",
        _in("stories", "paying", "a_form_has_its_secret_from_the_provider_each_time_and_it_is_written_down_nowhere"),
    ),
    Mutant(
        "no secret stays in an address", "portal/buying.py",
        "if SECRET_IN_ADDRESS in visit.query:", "if False:",
        _in("portal", "paying", "the_secret_is_in_the_page_and_in_no_address"),
    ),
    Mutant(
        "time never runs backwards", "ledger/beat.py",
        "Stamp(max(page.now, due.book.recorded_at), *command.stamp[1:])", "Stamp(page.now, *command.stamp[1:])",
        _in("stories", "expiry", "a_clock_stepped_back_reorders_nothing"),
    ),
    Mutant(
        "nobody lends to a stranger", "ledger/beat.py",
        "if stranger and not book.seal:", "if False:",
        _in("stories", "grant_and_deduct", "a_stranger_has_nothing_to_spend_even_where_overdraft_is_allowed"),
    ),
    Mutant(
        "nobody gives to a stranger", "ledger/beat.py",
        "if page.accounts.get(command.to) is None:", "if False:",
        _in("stories", "moving", "nobody_transfers_to_a_stranger_or_to_themselves"),
    ),
    Mutant(
        "a merged account is closed", "ledger/beat.py",
        "if account and account.merged_into:", "if False:",
        _in("stories", "moving", "a_guest_becomes_a_user_with_everything_it_has"),
    ),
    Mutant(
        "a new wallet and an act meet", "ledger/beat.py",
        "            _guard_new(session, made - acted.keys(), [account for account, _ in missing], accounts)\n", "",
        _in("stories", "buying", "a_grant_waits_for_a_checkout_that_has_its_key",
            "a_checkout_waits_for_a_grant_that_has_its_key"),
    ),
    Mutant(
        "all or none", "ledger/beat.py",
        "        accept(answers)\n", "",
        _in("stories", "post", "one_refusal_undoes_all_and_says_which_it_was"),
    ),
    Mutant(
        "a wallet made meanwhile is locked", "ledger/beat.py",
        "if wait and held:", "if False:",
        _in("store", "batches", "a_wallet_made_between_two_looks_is_waited_for"),
    ),
    Mutant(
        "one at fault is set apart", "ledger/shard.py",
        "if len(batch) > 1 and not alike:", "if False:",
        _in("faults", "broken_commits", "one_corrupt_wallet_stops_only_its_own_callers"),
    ),
    Mutant(
        "a busy wallet keeps its order", "ledger/shard.py",
        "extendleft(reversed(waiting))", "extendleft(waiting)",
        _in("faults", "waiting", "a_wallet_that_stays_busy_keeps_the_order_of_its_callers"),
    ),
    Mutant(
        "close waits for what is queued", "ledger/shard.py",
        "        thread.join()\n", "",
        _in("faults", "waiting", "close_comes_back_when_all_that_was_said_before_is_answered"),
    ),
    Mutant(
        "wallets are locked", "store/dialects/postgresql.py",
        "FOR UPDATE OF t", "FOR KEY SHARE OF t",
        _in("faults", "own_transaction", "a_block_of_ours_locks_what_it_is_told_first"),
    ),
    Mutant(
        "locks in byte order", "store/dialects/postgresql.py",
        "ORDER BY t.account, t.credit_type FOR UPDATE", "FOR UPDATE",
        _in("store", "batches", "wallets_are_locked_in_byte_order_whoever_names_them_how"),
    ),
    Mutant(
        "text in byte order", "store/dialects/parts.py",
        'sa.Text(collation="C")', "sa.Text()",
        _in("store", "migrations", "all_text_is_compared_as_bytes"),
    ),
    Mutant(
        "a busy wallet is left out", "store/dialects/postgresql.py",
        "{'' if wait else ' SKIP LOCKED'}", "",
        _in("store", "batches", "wallets_that_somebody_else_holds_are_left_out_and_not_waited_for"),
    ),
    Mutant(
        "SQLite takes its lock first", "store/dialects/sqlite.py",
        'begin = "BEGIN IMMEDIATE"', 'begin = "BEGIN"',
        _in("store", "batches", "a_transaction_that_writes_is_alone_in_its_file_from_its_first_moment"),
    ),
    Mutant(
        "no entry is replaced", "store/dialects/sqlite.py",
        'f"WHEN {exists} OR {same_unique} {refuse}"', 'f"WHEN {exists} {refuse}"',
        _in("store", "append_only", "replace_is_refused_by_row_and_by_key"),
    ),
    Mutant(
        "no entry is changed, SQLite", "store/dialects/sqlite.py",
        'f"WHEN NOT ({kept} AND {blank}) {refuse}"', 'f"WHEN NOT ({blank}) {refuse}"',
        _in("store", "append_only", "update_and_delete_are_refused"),
    ),
    Mutant(
        "no entry is changed, PostgreSQL", "store/dialects/postgresql.py",
        "WHEN (NOT ({kept} AND {blank}))", "WHEN (NOT ({blank}))",
        _in("store", "append_only", "update_and_delete_are_refused"),
    ),
    Mutant(
        "entries are not truncated", "store/dialects/postgresql.py",
        "BEFORE TRUNCATE ON", "BEFORE DELETE ON",
        _in("store", "append_only", "truncate_is_refused"),
    ),
    Mutant(
        "a dead transaction is no commit", "store/database.py",
        "if session.failed or self.dialect.died(connection):", "if False:",
        _in("faults", "hostile_ledger", "a_block_whose_transaction_died_does_not_end_well"),
    ),
    Mutant(
        "an unknown outcome is asked for", "store/database.py",
        'if self.dialect.trouble(error) == "lost":', "if False:",
        _in("faults", "cut_wire", "a_block_cut_off_while_committing_is_made_once"),
    ),
    Mutant(
        "tried again", "store/database.py",
        "except (Retry, OutcomeUnknown, DatabaseUnreachable) as error:", "except OutcomeUnknown as error:",
        _in("faults", "broken_commits", "what_the_database_asks_for_again_is_done_again"),
    ),
    Mutant(
        "rolled back", "store/database.py",
        "        proxied.rollback()", "        proxied.commit()",
        _in("faults", "races", "a_block_that_fails_leaves_nothing_and_a_refusal_inside_it_harms_nothing"),
    ),
    Mutant(
        "entries follow each other", "store/sql.py",
        "if line.posted_after != posted[wallet] or line.seq != seq[wallet]:", "if False:",
        _in("store", "sums", "what_does_not_follow_from_what_was_is_not_written"),
    ),
    Mutant(
        "a book is what its lots have", "store/sql.py",
        "(book.whole and book.posted != backed)", "False",
        _in("faults", "broken_commits", "one_corrupt_wallet_stops_only_its_own_callers"),
    ),
    Mutant(
        "the first lots are the first to burn", "store/sql.py",
        '"AND open ORDER BY account, credit_type, priority, (expires_at IS NULL), expires_at, (cost_minor > 0), "\n'
        '    "effective_at, number"', '"AND open ORDER BY account, credit_type, number"',
        _in("stories", "grant_and_deduct", "a_hundred_small_lots_burn_in_order_though_only_the_first_are_read"),
    ),
    Mutant(
        "the first debts are the oldest", "store/sql.py",
        '_OLDEST_DEBT = "AND open ORDER BY account, credit_type, seq"',
        '_OLDEST_DEBT = "AND open ORDER BY account, credit_type, seq DESC"',
        _in("stories", "grant_and_deduct", "the_oldest_of_several_debts_is_repaid_first"),
    ),
    Mutant(
        "the scale is fixed", "store/scales.py",
        "if stored != str(kind.scale):", "if False:",
        _in("store", "migrations", "the_scale_of_a_type_is_fixed_by_its_first_entry"),
    ),
    Mutant(
        "an account is locked for an act", "store/acts.py",
        "    if sql.wallets_of(session, account) != wallets:\n        raise Retry\n", "",
        _in("stories", "buying", "a_checkout_that_waited_while_a_wallet_was_made_begins_again"),
    ),
    Mutant(
        "one key, one entry", "store/migrations/versions/0001_ledger.py",
        '["account", "key"], unique=True)', '["account", "key"], unique=False)',
        _in("store", "sums", "a_key_stands_for_one_entry_whoever_writes_it"),
    ),
    Mutant(
        "a lot within its bounds", "store/migrations/versions/0001_ledger.py",
        '"0 <= held AND held <= remaining AND remaining <= amount"', '"0 <= held"',
        _in("store", "sums", "the_database_itself_refuses_what_cannot_be"),
    ),
    Mutant(
        "no wallet below zero held", "store/migrations/versions/0001_ledger.py",
        '"held >= 0 AND pending >= 0 AND debt >= 0"', '"held >= 0 OR held < 0"',
        _in("store", "sums", "the_database_itself_refuses_what_cannot_be"),
    ),
    Mutant(
        "a debt within its bounds", "store/migrations/versions/0001_ledger.py",
        '"0 <= remaining AND remaining <= amount"', '"0 <= amount"',
        _in("store", "sums", "the_database_itself_refuses_what_cannot_be"),
    ),
    Mutant(
        "a cycle's entitlement never falls", "core/subscriptions.py",
        "allotment.amount - max(entitled, used))", "allotment.amount - used)",
        _in("stories", "plans", "an_upgrade_pays_the_difference_and_up_and_down_refills_nothing"),
    ),
    Mutant(
        "prorated is for the time left", "core/subscriptions.py",
        'if plan.upgrade != "prorated":', "if True:",
        _in("stories", "plans", "a_prorated_upgrade_pays_for_the_time_that_is_left"),
    ),
    Mutant(
        "no more rolled over than the cap", "core/subscriptions.py",
        "max(0, allotment.cap - standing)", "allotment.cap",
        _in("stories", "plans", "what_was_not_used_rolls_over_up_to_the_cap"),
    ),
    Mutant(
        "one payment, one period", "core/subscriptions.py",
        "if start - now > early:", "if False:",
        _in("stories", "plans", "a_payment_told_twice_opens_one_period"),
    ),
    Mutant(
        "unpaid months are not made up for", "core/subscriptions.py",
        "handled=max(sub.handled, period * sub.cycles)", "handled=sub.handled",
        _in("stories", "plans", "months_that_nobody_paid_for_are_not_paid_out"),
    ),
    Mutant(
        "the clock opens no paid period", "core/subscriptions.py",
        'return Step("open", sub.period_end) if sub.driver == "clock" else None', 'return Step("open", sub.period_end)',
        _in("stories", "plans", "months_that_nobody_paid_for_are_not_paid_out"),
    ),
    Mutant(
        "boundaries by the account's zone", "core/subscriptions.py",
        "length.seconds * cycle), self.zone)", 'length.seconds * cycle), "UTC")',
        _in("stories", "plans", "both_edges_of_summer_time"),
    ),
    Mutant(
        "a paid plan waits for its payment", "core/subscriptions.py",
        '(sub.driver, new.driver) != ("clock", "payment")', "True",
        _in("stories", "plans", "from_a_free_plan_to_a_paid_one_nothing_is_paid_out_before_the_payment"),
    ),
    Mutant(
        "a new series of the clock begins upwards only", "core/subscriptions.py",
        "or new.rank == old.rank)", "or False)",
        _in("stories", "plans", "to_another_plan_and_back_refills_nothing"),
    ),
    Mutant(
        "ending and starting again refills nothing", "plans/paying.py",
        "allotment.amount - self._used_before(sub, number, code)", "allotment.amount",
        _in("stories", "plans", "ending_and_starting_again_refills_nothing_that_was_used"),
    ),
    Mutant(
        "nor does changing to other periods before ending", "plans/paying.py",
        "self._taken_back(cycle) for cycle in cycles)", "self._taken_back(cycle) for cycle in cycles[-1:])",
        _in("stories", "plans", "nor_does_changing_to_other_periods_before_ending"),
    ),
    Mutant(
        "nor does ending, starting smaller and changing upwards", "core/subscriptions.py",
        "allotment.amount - max(entitled, used))", "allotment.amount - entitled)",
        _in("stories", "plans", "nor_does_ending_starting_smaller_and_changing_upwards"),
    ),
    Mutant(
        "the job locks what it carries on", "store/subscriptions.py",
        'tail = f"LIMIT 1 {session.dialect.exclusive}"', 'tail = "LIMIT 1"',
        _in("store", "locks", "the_job_and_verbs_lock_the_subscription_that_they_carry_on"),
    ),
    Mutant(
        "subscriptions are leased", "store/subscriptions.py",
        "due_at <= ? AND (leased_until IS NULL OR leased_until <= ?)",
        "due_at <= ? AND (leased_until IS NULL OR ? > '')",
        _in("stories", "plans", "a_plan_that_is_gone_from_the_catalog_holds_up_nobody_else"),
    ),
    Mutant(
        "a code is used no more often than it may", "core/promos.py",
        "used >= use.uses", "used > use.uses",
        _in("stories", "promo_codes", "of_many_at_once_as_many_get_it_as_may"),
    ),
    Mutant(
        "a code is locked while it is counted", "store/promos.py",
        'session.execute("UPDATE farthing_promo_codes SET used = used WHERE code = ?", (code,))', "pass",
        _in("store", "locks", "a_promo_code_is_locked_before_its_uses_are_counted"),
    ),
    Mutant(
        "a promo code takes off what the plan leaves", "core/pricing.py",
        "taken_off(terms.promo, EXACT.subtract(listed, by_plan), currency)", "taken_off(terms.promo, listed, currency)",
        _in("stories", "promo_codes", "a_code_comes_off_after_the_plan_and_the_order_remembers_it"),
    ),
    Mutant(
        "never more off than all of it", "core/promos.py",
        "return min(price, to_major(promo.amounts.get(currency, 0), currency))",
        "return to_major(promo.amounts.get(currency, 0), currency)",
        _in("stories", "promo_codes", "an_amount_comes_off_in_its_currency_and_never_more_than_all"),
    ),
    Mutant(
        "what rounds to nothing is not sold", "core/pricing.py",
        "if not subtotal or (exact and not total):", "if False:",
        _in("core", "pricing", "one_credit_at_a_hundredth_of_a_cent_is_refused_and_a_hundred_cost_a_cent"),
    ),
    Mutant(
        "gaps between slabs are mistakes", "core/slabs.py",
        "elif following.start > slab.end + rule.step:", "elif False:",
        _in("core", "pricing", "gaps_and_overlaps_are_named"),
    ),
    Mutant(
        "the server decides who may buy a package", "core/pricing.py",
        "if package.plans and plan not in package.plans:", "if False:",
        _in("core", "pricing", "what_is_not_for_sale_to_this_buyer_is_refused"),
    ),
    Mutant(
        "one trial", "plans/acting.py",
        "fresh = trial and not any(sub.trial_end for sub in before)", "fresh = trial",
        _in("stories", "plans", "a_trial_is_had_once"),
    ),
    Mutant(
        "missed cycles roll over too", "plans/paying.py",
        "for drawn in expired) + missed", "for drawn in expired)",
        _in("stories", "plans", "months_nobody_ran_the_job_are_caught_up"),
    ),
    Mutant(
        "frozen accounts wait", "plans/paying.py",
        'return step.kind != "pay" or sub.skips_frozen or not self._frozen(sub)', "return True",
        _in("stories", "plans", "a_payment_for_a_frozen_account_pays_out_when_it_is_thawed"),
    ),
    Mutant(
        "what was rolled over does not roll again", "plans/paying.py",
        "line.opened.expires_at == start and not is_rolled(line)", "line.opened.expires_at == start",
        _in("stories", "plans", "what_rolled_over_does_not_roll_over_again"),
    ),
    Mutant(
        "a charge is rounded up", "core/rates.py",
        "whole = ceil(units)", "whole = floor(units)",
        _in("core", "rates", "the_sum_is_rounded_once_as_the_card_says"),
    ),
    Mutant(
        "at least the minimum", "core/rates.py",
        "units = max(_rounded(card, kind, total), card.minimum)", "units = _rounded(card, kind, total)",
        _in("core", "rates", "the_charge_is_the_estimate_and_the_lines_add_up_to_it"),
    ),
    Mutant(
        "a charge's key stands for what was used and not for what it costs", "ledger/verbs/charging.py",
        '"charge", priced.kind.code, 0,', '"charge", priced.kind.code, priced.amount(),',
        _in("stories", "charging", "a_retry_under_other_prices_is_a_replay_all_the_same"),
    ),
    Mutant(
        "a charge's key stands for the model too", "core/rates.py",
        '"dimensions": self.dimensions}', '"dimensions": {}}',
        _in("stories", "charging", "a_key_stands_for_operation_measures_and_dimensions_as_given"),
    ),
    Mutant(
        "money is gone once", "core/orders.py",
        "minor = min(order.paid_minor, refunded + lost)", "minor = refunded + lost",
        _in("stories", "money_back", "a_dispute_lost_after_a_refund_does_not_take_twice"),
    ),
    Mutant(
        "a sum and its parts count once", "core/orders.py",
        "max(each, summed - failed)", "each + summed - failed",
        _in("stories", "money_back", "a_sum_and_the_refunds_that_it_is_made_of_count_once"),
    ),
    Mutant(
        "what failed stays failed", "core/payments.py",
        '"succeeded": 1, "failed": 2}', '"failed": 1, "succeeded": 2}',
        _in("stories", "money_back", "a_refund_that_failed_gives_back_to_the_same_lots"),
    ),
    Mutant(
        "what was won stays won", "core/payments.py",
        '"lost": 2, "won": 3}', '"won": 2, "lost": 3}',
        _in("stories", "money_back", "a_dispute_that_is_lost_takes_what_was_set_aside_and_the_rest_by_policy"),
    ),
    Mutant(
        "claimed before it is let go", "selling/clawbacks.py",
        "commands.append(self._release())", "commands.insert(0, self._release())",
        _in("stories", "money_back", "what_expires_while_a_bank_decides_is_taken_and_not_owed"),
    ),
    Mutant(
        "nothing is let go twice", "selling/clawbacks.py",
        "!= before.disputed and self._is_kept():", "!= before.disputed and before.hold:",
        _in("stories", "money_back", "an_operator_who_lets_go_of_what_is_disputed_stops_nothing"),
    ),
    Mutant(
        "one policy for an order", "selling/clawbacks.py",
        "next((row.policy for row in rows.values()), tx.catalog.money_back)", "tx.catalog.money_back",
        _in("stories", "money_back", "an_order_keeps_the_policy_of_its_first_refund"),
    ),
    Mutant(
        "an early event waits", "selling/inbox.py",
        "store.wait_for(tx.session, sender.name, event, said.references)", "pass",
        _in("stories", "money_back", "a_refund_told_before_its_payment_waits_for_it"),
    ),
    Mutant(
        "only what the provider answers is believed", "selling/inbox.py",
        "facts=found.facts,", "facts=said.facts,",
        _in("stories", "money_back", "an_event_that_says_too_little_is_looked_up_and_only_the_answer_believed"),
    ),
    Mutant(
        "money back pauses a top-up", "selling/hearing.py",
        "slots.pause_for_money_back(session, order, now)", "pass",
        _in("stories", "topups", "who_gets_money_back_is_not_charged_again_for_the_credits_that_went_with_it"),
    ),
    Mutant(
        "other business is none of ours", "providers/stripe_facts.py",
        'if about["object"] in _MARKED and', "if False and",
        _in("providers", "stripe", "other_business_of_the_same_account_is_none_of_ours_and_asked_about_never"),
    ),
    Mutant(
        "facts about an order take turns", "selling/hearing.py",
        "order = orders.read(session, *found, locked=True)", "order = orders.read(session, *found, locked=False)",
        _in("stories", "money_back", "refunds_that_come_at_once_take_each_its_share"),
    ),
    Mutant(
        "an invoice opens one period", "selling/billed.py",
        "new = [one for one in billed.invoices if one.invoice not in known]", "new = list(billed.invoices)",
        _in("stories", "buying_plans", "a_plan_begins_when_it_is_paid_and_every_invoice_opens_one_period"),
    ),
    Mutant(
        "what a provider said before counts no more", "selling/billed.py",
        "self.fresh = billing.said_at is None or billed.at >= billing.said_at", "self.fresh = True",
        _in("stories", "buying_plans", "in_any_order_told_twice_or_lost_and_made_up_for_it_ends_the_same"),
    ),
    Mutant(
        "who does not pay gets no dearer plan", "selling/billed.py",
        'self._follows() and self.billed.stands in ("active", "trialing")', "self._follows()",
        _in("stories", "buying_plans", "who_does_not_pay_gets_nothing_new_and_loses_nothing"),
    ),
    Mutant(
        "a second plan that was paid waits for somebody", "selling/billed.py",
        "if other and other.id != self.billing.id:", "if other and False:",
        _in("stories", "buying_plans", "two_pages_that_were_both_paid_open_one_plan_and_the_other_is_looked_at"),
    ),
    Mutant(
        "what is taken back is so only at the end", "selling/billed.py",
        'if unused == "take_back" and not ended:', "if False:",
        _in("stories", "buying_plans", "what_is_taken_back_at_the_end_stays_until_then"),
    ),
    Mutant(
        "a trial's invoice opens no period", "providers/stripe_plans.py",
        'if trial_end is not None and invoice["created"] < trial_end:', "if False:",
        _in("stories", "buying_plans_at_stripe", "a_trial_then_its_first_period"),
    ),
    Mutant(
        "a plan that a provider bills is not ended behind its back", "plans/verbs.py",
        "if paid_by := billings.of_plan(tx.session, asked.account):", "if paid_by := None:",
        _in("stories", "buying_plans", "what_a_provider_bills_is_not_ended_or_changed_behind_its_back"),
    ),
    Mutant(
        "a request that failed costs nothing", "integrations/charging.py",
        "    return Decimal(0)", "    return used",
        _in("integrations", "charging", "what_is_due"),
    ),
    Mutant(
        "who finds the hold gone pays all the same", "integrations/settling.py",
        'if error.facts["ended"] == "capture":', "if True:",
        _in("integrations", "charging", "where_one_fails_the_other_pays"),
    ),
    Mutant(
        "a retry that fails lets go of nothing of the first one's", "integrations/settling.py",
        "if charged.repeated:", "if False:",
        _in("integrations", "charging", "a_retry_that_fails_lets_go_of_nothing_that_the_first_one_still_needs"),
    ),
    Mutant(
        "an answer is paid before it is given", "integrations/asgi.py",
        "await self._settle_whole()", "pass",
        _in("integrations", "asgi", "an_answer_is_not_begun_before_it_is_paid_and_a_stream_ends_paid"),
    ),
    Mutant(
        "a key pays for one target", "integrations/settling.py",
        'said = f"{method} {path}{asks}', 'said = f"{method}{asks}',
        _in("integrations", "charging", "a_key_pays_for_one_method_and_target_and_for_one_amount"),
    ),
)  # fmt: skip
