"""Auto top-up where many cross the threshold at once, and where the process dies between any two of its steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import farthing
from farthing.core.topups import Slot
from farthing.errors import DatabaseBusy
from farthing.store import topups as store
from farthing.testing import Post, prove
from tests.faults.crowd import ROOT, ended, forked, killed_at
from tests.faults.till import FiledTill, opened
from tests.kit import Clock
from tests.selling import available

pytestmark = pytest.mark.row("P8")


def agree(credits: farthing.Credits, account: str = "ada", card: str = "card_ok", images: int = 20) -> None:
    """The account has so many images, left a card, and wants 110 more below 20."""
    credits.grant(account, "images", images, key="start", source="gift")
    page = credits.ask_card(account, key="card")
    mail = Post(credits)
    payer = mail.sandbox.look(page.reference)
    assert payer and payer.customer
    mail.deliver(mail.card(payer.customer, card, reference=page.reference))
    credits.set_top_up(
        account, "images", key="agree", threshold=20, package="starter", at_most_minor=990, most=3, consent="Yes."
    )


@pytest.mark.long
def test_sixteen_threads_of_two_processes_cross_the_threshold_at_once_and_one_charge_is_made(
    database_url: str, tmp_path: Path, clock: Clock
):
    file = tmp_path / "charges"
    with opened(database_url, file, clock) as credits:
        agree(credits)
        orders = {"url": database_url, "file": str(file), "now": clock().isoformat(), "threads": 8}
        command = [sys.executable, "-m", "tests.faults.till", json.dumps(orders)]
        crowd = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for _ in range(2)
        ]
        for process in crowd:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in crowd:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = Counter(outcome for process in crowd for outcome in json.loads(process.communicate()[0]))
        assert [process.returncode for process in crowd] == [0, 0]
        assert (said["paid"], said.total()) == (1, 16)
        assert set(said) <= {"paid", "charging", "enough", "cooldown"}
        [order] = credits.orders("ada").data
        assert FiledTill(file, clock).charges() == [f"{order.id} 1"]
        assert available(credits) == 20 - 16 + 110
        prove(credits)


@pytest.mark.long
def test_killed_between_any_two_steps_it_is_carried_on_charged_once_and_credited_once(
    database_url: str, tmp_path: Path, clock: Clock, count: Callable[[int, int], int]
):
    """One child after another dies some steps later, before each statement and each COMMIT, until one lives."""
    with opened(database_url, tmp_path / "charges", clock) as credits:
        till, step, status, left = credits.providers["sandbox"], 1, None, set[str]()
        assert isinstance(till, FiledTill)
        while status != 0:
            account = f"user{step}"
            agree(credits, account, images=5)
            before = len(till.charges())
            status = killed_at(step, partial(credits.top_up, account, "images"))
            stood = f"{len(credits.orders(account).data)} order, {len(till.charges()) - before} charge"
            left.add(f"{stood}, {available(credits, account)}")
            clock.move("3m")
            credits.top_up_due()
            [order] = credits.orders(account).data
            assert (order.status, available(credits, account)) == ("fulfilled", 115)
            assert set(till.charges()[before:]) == {f"{order.id} 1"}
            assert credits.top_ups(account)[0].used == 1
            step += count(4, 1)
        assert {"0 order, 0 charge, 5", "1 order, 0 charge, 5", "1 order, 1 charge, 5"} <= left
        prove(credits)


def test_a_provider_that_charged_and_did_not_answer_charges_once_whoever_asks_next(
    database_url: str, tmp_path: Path, clock: Clock
):
    with opened(database_url, tmp_path / "charges", clock) as credits:
        agree(credits, card="card_unreachable", images=5)
        assert credits.top_up("ada", "images").outcome == "unknown"
        [order] = credits.orders("ada").data
        with opened(database_url, tmp_path / "charges", clock) as other:
            other.providers = credits.providers  # the provider is one, however many processes ask it
            clock.move("1m")
            assert other.top_up_due()["paid"] == 1
            assert FiledTill(tmp_path / "charges", clock).charges() == [f"{order.id} 1"] * 2
        paid = credits.order("ada", order.id)
        assert (paid.status, len(paid.payments), available(credits)) == ("fulfilled", 1, 115)


def test_who_saw_a_slot_open_that_ended_since_does_not_ask_again(
    database_url: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with opened(database_url, tmp_path / "charges", clock) as credits:
        agree(credits, card="card_unreachable", images=5)
        assert credits.top_up("ada", "images").outcome == "unknown"
        with opened(database_url, tmp_path / "charges", clock) as late:
            late.providers, read, others = credits.providers, late.read, list[str]()

            def overtaken(work: Callable[[Any], Any]) -> Any:
                seen = read(work)
                if not others:
                    others.append(credits.top_up("ada", "images").outcome)
                return seen

            monkeypatch.setattr(late, "read", overtaken)
            assert (late.top_up("ada", "images").outcome, others) == ("charging", ["paid"])
        till = credits.providers["sandbox"]
        assert isinstance(till, FiledTill)
        assert (len(till.charges()), available(credits)) == (2, 115)


def test_whoever_holds_the_slot_charges_and_the_others_wait_until_it_has_died(
    database_url: str, tmp_path: Path, clock: Clock
):
    with opened(database_url, tmp_path / "charges", clock) as credits:
        agree(credits, images=5)
        till = credits.providers["sandbox"]
        assert isinstance(till, FiledTill)
        child = forked(lambda: die_while_charging(credits, till))
        assert ended(child) == -signal.SIGKILL
        assert (credits.top_up("ada", "images").outcome, credits.top_up_due()["paid"]) == ("charging", 0)
        clock.move("2m")
        assert (credits.top_up("ada", "images").outcome, available(credits)) == ("paid", 115)
        assert len(set(till.charges())) == 1


def die_while_charging(credits: farthing.Credits, till: FiledTill) -> None:
    charge = till.charge

    def last(*args: Any, **kwargs: Any) -> Any:
        charge(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    till.charge = last
    credits.top_up("ada", "images")


def test_the_database_itself_refuses_a_second_open_slot(database_url: str, tmp_path: Path, clock: Clock):
    with opened(database_url, tmp_path / "charges", clock) as credits:
        agree(credits)
        slot = Slot("ada", "images", clock(), 1, "ord_1", 1, clock(), "cus", "card")
        credits.run(lambda tx: store.add_slot(tx.session, slot))
        with pytest.raises(DatabaseBusy):
            credits.run(lambda tx: store.add_slot(tx.session, slot._replace(number=2, order_id="ord_2")))
        assert credits.read(lambda session: store.taken_since(session, ("ada", "images"), clock())) == 1
        credits.run(lambda tx: store.end_slot(tx.session, slot, "declined"))
        credits.run(lambda tx: store.add_slot(tx.session, slot._replace(number=2, order_id="ord_2")))
