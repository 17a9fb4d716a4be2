"""Any history, on both databases: balances stay within their bounds, every receipt can be had again, all is proved."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import farthing
from farthing import Credits, Receipt
from farthing.errors import InvalidExpiry
from farthing.ledger.verifying import verify
from tests.kit import Clock

accounts = count()

verb = st.one_of(
    st.tuples(
        st.just("grant"),
        st.sampled_from(["images", "chat"]),
        st.integers(1, 50),
        st.sampled_from(["1h", "3h", "1d", "never"]),
        st.integers(0, 4),
    ),
    st.tuples(st.just("deduct"), st.sampled_from(["images", "chat"]), st.integers(1, 60)),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("back"), st.integers(1, 5)),
    st.tuples(st.just("expire")),
)


def tell(credits: Credits, clock: Clock, account: str, number: int, step: tuple) -> Receipt | None:
    if step[0] == "wait":
        clock.move(timedelta(hours=step[1]))
    elif step[0] == "back":
        clock.move(timedelta(hours=-step[1]))
    elif step[0] == "expire":
        credits.expire()
    elif step[0] == "grant":
        _, kind, amount, expires, later = step
        start = clock.now + timedelta(hours=later) if later else None
        key = f"k{number}"
        return credits.grant(account, kind, amount, key=key, source="gift", expires=expires, effective_at=start)
    else:
        return credits.deduct(account, step[1], step[2], key=f"k{number}")
    return None


@pytest.mark.row("L3", "L9", "L16")
@given(st.lists(verb, max_size=25))
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
def test_any_history_is_exact(credits: Credits, clock: Clock, story: list[tuple]):
    account = f"user{next(accounts)}"
    clock.now = clock.now.replace(microsecond=0)
    receipts: list[tuple[tuple, Receipt, Clock]] = []
    for number, step in enumerate(story):
        before = {balance.credit_type: balance.available for balance in credits.balances(account)}
        try:
            receipt = tell(credits, clock, account, number, step)
        except farthing.InsufficientCredits as refusal:
            assert refusal.required > before[step[1]] + (
                5 if step[1] == "chat" and credits.history(account).data else 0
            )
            continue
        except InvalidExpiry:  # after a step back of the clock, what starts "later" may lie in the wallet's past
            continue
        if receipt is not None:
            receipts.append((step, receipt, Clock(clock.now)))
            after = credits.balance(account, step[1])
            assert after.available == receipt.available
            assert after.posted - after.held - after.pending == after.available >= -after.overdraft_limit
            assert sum(lot.remaining for lot in credits.lots(account, step[1])) >= after.posted
    for step, receipt, then in receipts:
        again = tell(credits, then, account, int(str(receipt.key)[1:]), step)
        assert again == receipt
        assert again is not None
        assert again.replayed
    assert not receipts or verify(credits.database, account=account).faults == []
    assert credits.expire() >= 0  # what time did since the last write is booked, so that entries and balances agree
    lines = credits.history(account, limit=500).data
    for balance in credits.balances(account):
        assert balance.posted == sum(line.amount for line in lines if line.credit_type == balance.credit_type)
