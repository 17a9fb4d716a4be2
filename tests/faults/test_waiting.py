"""What a hostile reading of the writer found: callers who wait for ever, and neighbours who hold up everyone."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import QueuePool, make_url

import farthing
from farthing import Credits, call
from farthing.awaiting import AsyncCredits
from farthing.errors import DatabaseBusy, FarthingError
from farthing.ledger import shard
from farthing.ledger.posting import commands
from farthing.store import sql
from tests.faults.told import PATIENCE_S
from tests.kit import Clock, shop


def in_thread(call, *args, **named) -> Future:
    """As a pool's submit, on a daemon thread: a caller that hangs must not hang the tests."""
    answer: Future = Future()

    def run() -> None:
        try:
            answer.set_result(call(*args, **named))
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return answer


def until(so: Callable[[], bool]) -> None:
    """Looks again and again, with a deadline."""
    deadline = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def waits_in_a_lane(credits: Credits, account: str, credit_type: str = "images") -> bool:
    return (account, credit_type) in credits._writer.shard(account)._lanes


def writes(credits: Credits) -> bool:
    thread = credits._writer.shard("ada")._thread
    return thread is not None and thread.is_alive()


def connections_in_use(credits: Credits) -> int:
    pool = credits.database._writes.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def idle_transactions(credits: Credits) -> int:
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    )
    return credits.database.read(lambda session: session.execute(statement)[0][0])


LONG_S = 30  # a neighbour this slow would be noticed; a test that is not held up never sees it end


@contextmanager
def holding(url: str, *accounts: str):
    """A host's own transaction that holds wallets to the end of the block. Gives whether it still does."""
    connection = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    for account in accounts:
        connection.execute("SELECT 1 FROM farthing_wallets WHERE account = %s FOR UPDATE", (account,))
    ended = threading.Event()
    given_up = threading.Timer(LONG_S, lambda: (ended.set(), connection.rollback()))
    given_up.start()
    try:
        yield lambda: not ended.is_set()
    finally:
        given_up.cancel()
        connection.close()


@pytest.fixture
def on_postgresql(postgresql, clock: Clock):
    with postgresql.migrated() as url, farthing.open(url, catalog=shop(), clock=clock) as credits:
        yield url, credits


def test_a_verb_said_while_close_waits_for_a_lane_is_answered(on_postgresql):
    url, credits = on_postgresql
    for name in ("ada", "bob"):
        credits.grant(name, "images", 10, key="g", source="gift")
    with holding(url, "ada"):
        slow = in_thread(credits.deduct, "ada", "images", 1, key="d")
        until(lambda: waits_in_a_lane(credits, "ada"))
        closing = in_thread(credits.close)
        until(lambda: not writes(credits))  # close waits for the lane
        late = in_thread(credits.deduct, "bob", "images", 1, key="d")
    slow.result(10)
    closing.result(10)
    try:
        late.result(5)
    except NoAnswer:
        pytest.fail("bob's deduction was queued for a thread that had ended, and nobody will ever answer it")
    except FarthingError:
        pass


def test_close_comes_back_when_all_that_was_said_before_is_answered(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 300, key="g", source="gift")
        said = commands(credits.catalog, [call.deduct("ada", "images", 1, key=f"d{n}") for n in range(300)])
        answers = [credits.submit(command) for command in said]
        credits.close()
        assert all(answer.done() for answer in answers)


def test_a_wallet_that_stays_busy_keeps_the_order_of_its_callers(on_postgresql, monkeypatch):
    url, credits = on_postgresql
    credits.grant("ada", "images", 30, key="g", source="gift")
    said = commands(credits.catalog, [call.deduct("ada", "images", 1, key=f"d{n}") for n in range(30)])
    settle, longest = shard._settle, [0]

    def seen(*args, wait: bool):
        waiting = settle(*args, wait=wait)
        longest.append(len(waiting) if wait else 0)
        return waiting

    monkeypatch.setattr(shard, "_settle", seen)
    with holding(url, "ada"):
        answers = [credits.submit(command) for command in said]
        until(lambda: longest.count(30) == 1 or longest.count(29) == 1)  # the lane gave up once, and begins again
    assert [answer.result(10).entry.seq for answer in answers] == list(range(2, 32))


@pytest.mark.long
def test_no_verb_is_lost_between_two_closes(database_url: str, clock: Clock, count: Callable[[int, int], int]):
    """Callers go on while somebody closes again and again, as a reload does."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 10_000, key="g", source="gift")
        stop = threading.Event()
        lost: list[str] = []

        def spend(who: int) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                key = f"{who}:{number}"
                try:
                    asked = in_thread(credits.deduct, "ada", "images", 1, key=key)
                    asked.result(10)
                except NoAnswer:
                    lost.append(key)
                    return
                except Exception:
                    pass

        spenders = [threading.Thread(target=spend, args=(who,), daemon=True) for who in range(4)]
        for one in spenders:
            one.start()
        for _ in range(count(300, 3000)):
            credits._writer.close()
        stop.set()
        for one in spenders:
            one.join(15)
        assert not lost


def test_a_thread_that_cannot_be_started_leaves_nobody_waiting(database_url: str, clock: Clock, monkeypatch):
    """The machine is out of threads for a moment when the first verb comes."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        real = threading.Thread.start

        def no_more(self):
            if self.name == "farthing-writer":
                raise RuntimeError("can't start new thread")
            real(self)

        monkeypatch.setattr(threading.Thread, "start", no_more)
        first = in_thread(credits.grant, "ada", "images", 10, key="g", source="gift")
        assert isinstance(first.exception(5), RuntimeError)
        monkeypatch.undo()
        try:
            in_thread(credits.grant, "ada", "images", 10, key="g", source="gift").result(5)
        except NoAnswer:
            credits._writer.shard("ada")._thread = None  # let the test end
            pytest.fail("every verb of this process waits for a thread that never began")


def test_a_lane_that_cannot_be_started_leaves_nobody_waiting(on_postgresql, monkeypatch):
    url, credits = on_postgresql
    for name in ("ada", "bob"):
        credits.grant(name, "images", 10, key="g", source="gift")
    real = threading.Thread.start

    def no_more(self):
        if self.name.startswith("farthing-lane"):
            raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(threading.Thread, "start", no_more)
    with holding(url, "ada"):
        in_thread(credits.deduct, "ada", "images", 1, key="d")
        until(lambda: waits_in_a_lane(credits, "ada"))
        monkeypatch.undo()
    try:
        in_thread(credits.deduct, "bob", "images", 1, key="d").result(5)
    except NoAnswer:
        credits._writer.shard("bob")._thread = None
        pytest.fail("the writer's thread died of it; every verb of this process waits for ever")


def test_a_key_that_an_open_transaction_has_holds_up_nobody_else(on_postgresql):
    """Decision 20, with the neighbour on another wallet: the same key for another credit type waits at its index."""
    _, credits = on_postgresql
    for name in ("ada", "bob"):
        credits.grant(name, "images", 10, key="g", source="gift")
        credits.grant(name, "chat", 10, key="h", source="gift")
    begun, finish = threading.Event(), threading.Event()

    def neighbour() -> None:
        with credits.begin() as tx:
            tx.deduct("ada", "images", 1, key="job:1")
            begun.set()
            finish.wait(LONG_S)

    slow = in_thread(neighbour)
    begun.wait(5)
    same_key = in_thread(credits.deduct, "ada", "chat", 1, key="job:1")
    until(lambda: waits_in_a_lane(credits, "ada", "chat"))
    credits.deduct("bob", "images", 1, key="d")
    assert not slow.done()
    finish.set()
    slow.result(10)
    same_key.exception(10)


def test_sign_ins_of_a_busy_account_hold_up_nobody_else_awaiting(on_postgresql):
    """Decision 20 for `AsyncCredits` and the HTTP server: open_account waits in the executor that all readings need."""
    url, credits = on_postgresql
    credits.open_account("ada")
    credits.open_account("bob")

    async def story() -> None:
        awaiting = AsyncCredits(credits)
        with holding(url, "ada") as still_held:
            sign_ins = [asyncio.create_task(awaiting.open_account("ada")) for _ in range(40)]
            await asyncio.sleep(0)  # they are on their way, in front of what follows
            await awaiting.balance("bob", "images")
            assert still_held()
        await asyncio.gather(*sign_ins)

    asyncio.run(story())


def _deduct_in_a_block(credits: Credits, number: int) -> None:
    with credits.begin() as tx:
        tx.deduct("ada", "images", "1", key=f"block:{number}")


def test_many_blocks_on_a_busy_account_leave_the_writer_its_connection(on_postgresql):
    """The same from threads: transactions that wait take all the connections there are, but for the writer's own."""
    url, credits = on_postgresql
    credits.grant("ada", "images", 40, key="g", source="gift")
    credits.grant("bob", "images", 10, key="g", source="gift")
    with ThreadPoolExecutor(40) as threads:
        with holding(url, "ada") as still_held:
            waiting = [threads.submit(_deduct_in_a_block, credits, number) for number in range(40)]
            until(lambda: connections_in_use(credits) == 8 + 24)
            credits.deduct("bob", "images", 1, key="d")
            assert still_held()
        for one in waiting:
            one.result()


def test_a_neighbour_with_eight_wallets_holds_up_no_ninth(on_postgresql):
    """Lanes are eight: a wallet that was busy for a moment queues behind those that are held for long."""
    url, credits = on_postgresql
    held = [f"held-{number}" for number in range(8)]
    for name in (*held, "bob"):
        credits.grant(name, "images", 10, key="g", source="gift")
    with holding(url, *held) as still_held:
        waiting = [in_thread(credits.deduct, name, "images", 1, key="d") for name in held]
        until(lambda: all(waits_in_a_lane(credits, name) for name in held))
        credits.grant("eve", "images", 1, key="g", source="gift")  # new accounts may be sent to a lane, too
        with holding(url, "bob"):
            bob = in_thread(credits.deduct, "bob", "images", 1, key="d")
            until(lambda: waits_in_a_lane(credits, "bob"))
        bob.result(LONG_S)
        assert still_held()
    for one in waiting:
        one.result(LONG_S)


def test_a_statement_timeout_of_the_role_is_busy_by_name(on_postgresql):
    """Managed servers set one for every role; what it ends arrives as the driver's own error."""
    url, credits = on_postgresql
    credits.grant("ada", "images", 10, key="g", source="gift")
    name = make_url(url).database
    with credits.database.writing() as session:
        session.execute(f"ALTER DATABASE \"{name}\" SET statement_timeout = '500ms'")
    with (
        farthing.open(url, catalog=shop()) as limited,
        holding(url, "ada"),
        pytest.raises(DatabaseBusy),
        limited.begin() as tx,
    ):
        tx.deduct("ada", "images", 1, key="d")


def test_a_transaction_that_idled_too_long_is_told_by_name(on_postgresql):
    url, credits = on_postgresql
    name = make_url(url).database
    with credits.database.writing() as session:
        session.execute(f"ALTER DATABASE \"{name}\" SET idle_in_transaction_session_timeout = '300ms'")
    with farthing.open(url, catalog=shop()) as limited:
        with pytest.raises(FarthingError), limited.begin() as tx:
            tx.grant("ada", "images", 10, key="g", source="gift")
            until(lambda: idle_transactions(credits) == 0)
            tx.deduct("ada", "images", 1, key="d")
        limited.grant("ada", "images", 10, key="g", source="gift")


def test_a_batch_over_wallets_with_many_lots_reads_each_of_them_once(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    """Each wallet of a batch that needs all its lots starts the whole batch again."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        names = neighbours(credits, 12)
        for name in names:
            with credits.begin() as tx:
                for lot in range(70):
                    tx.grant(name, "images", 1, key=f"g{lot}", source="gift")
        with holding_shard(credits, names[0]) as shard:
            futures = [in_thread(credits.deduct, name, "images", 70, key="most") for name in names]
            until(lambda: len(shard._queue) == len(names))
            reads: list[int] = []
            real = sql.read_books
            monkeypatch.setattr(sql, "read_books", lambda *args, **named: (reads.append(1), real(*args, **named))[1])
        for one in futures:
            one.result(120)
        assert len(reads) < len(names), "each wallet of the batch had all of it read again"


def neighbours(credits: Credits, count: int) -> list[str]:
    """Accounts whose commands fall to one shard."""
    names = (f"user-{number}" for number in itertools.count())
    return list(itertools.islice((n for n in names if credits._writer.shard(n) is credits._writer.shard("ada")), count))


@contextmanager
def holding_shard(credits: Credits, account: str):
    """Nothing is taken from the account's queue meanwhile, so that what comes is one batch."""
    shard = credits._writer.shard(account)
    until(lambda: not shard._working)
    shard._working = True
    yield shard
    shard._rest()
