"""What callers asked and were told while something broke, and the proof that the ledger agrees with every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

import farthing
from farthing import Credits
from farthing.errors import DatabaseBusy, DatabaseUnreachable, FarthingError, InsufficientCredits, OutcomeUnknown
from farthing.ledger.verbs import Verbs
from tests.kit import shop

PATIENCE_S = 60  # a deadline, never a wait: tests go on as soon as what they wait for is there

AGAIN = {DatabaseBusy.code, DatabaseUnreachable.code, OutcomeUnknown.code}
EXPECTED = AGAIN | {InsufficientCredits.code}
SILENCE = "no answer"  # the connection ended before one came

Call = Callable[["Ask"], int]
"""Carries out what is asked and gives the number of its entry."""


class Ask(NamedTuple):
    """A grant, or with a negative amount a deduction."""

    account: str
    amount: int
    key: str


class Told:
    """Every question and every answer. Threads share one; a process prints its own, and `hear` takes the lines in."""

    def __init__(self) -> None:
        self.asked = Counter[Ask]()
        self.entries: dict[Ask, set[int]] = {}
        self.refusals: dict[Ask, list[str]] = {}
        self.given_up = False
        self._changed = threading.Condition(threading.RLock())

    def ask(self, ask: Ask) -> None:
        with self._changed:
            self.asked[ask] += 1

    def acknowledge(self, ask: Ask, seq: int) -> None:
        with self._changed:
            self.entries.setdefault(ask, set()).add(seq)
            self._changed.notify_all()

    def refuse(self, ask: Ask, code: str) -> None:
        with self._changed:
            self.refusals.setdefault(ask, []).append(code)
            self._changed.notify_all()

    def do(self, call: Call, ask: Ask) -> str | None:
        """Makes the call and notes what came of it. Returns the error's code, or SILENCE; None: it was acknowledged."""
        self.ask(ask)
        try:
            self.acknowledge(ask, call(ask))
            return None
        except ConnectionError:
            return SILENCE
        except (FarthingError, Problem) as error:
            code = error.code
        except Exception as error:
            code = repr(error)  # `prove` will not know it
        self.refuse(ask, code)
        return code

    def hear(self, line: str) -> None:
        """One line of a process that printed what it asked and was told."""
        verb, ask, *answer = json.loads(line)
        getattr(self, verb)(Ask(*ask), *answer)

    def errors(self) -> Counter[str]:
        """How often callers were told which code."""
        with self._changed:
            return Counter(code for codes in self.refusals.values() for code in codes)

    def unanswered(self) -> list[Ask]:
        """What was never answered in a way that lasts: to be asked again with the same key."""
        lasting = {ask for ask, codes in self.refusals.items() if set(codes) - AGAIN}
        return sorted(self.asked.keys() - self.entries.keys() - lasting)

    def unchanged(self) -> set[Ask]:
        """What was asked and, every single time, answered with an error that says nothing was changed."""
        return {
            ask
            for ask, codes in self.refusals.items()
            if len(codes) == self.asked[ask] and OutcomeUnknown.code not in codes
        }

    def wait_for(self, enough: Callable[[], bool]) -> None:
        """Until an answer makes `enough` true."""
        with self._changed:
            assert self._changed.wait_for(enough, PATIENCE_S), f"still waiting after {PATIENCE_S} s: {self.errors()}"

    def wait_for_more(self, *, acknowledged: int = 0, refused: int = 0) -> None:
        """Until so many more were acknowledged, and so many more refused."""
        entries, refusals = acknowledged + len(self.entries), refused + self.errors().total()
        self.wait_for(lambda: len(self.entries) >= entries and self.errors().total() >= refusals)


class Problem(Exception):
    """An answer over HTTP that is an error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def through(credits: Verbs) -> Call:
    """Callers that have the library."""

    def call(ask: Ask) -> int:
        if ask.amount > 0:
            return credits.grant(ask.account, "images", ask.amount, key=ask.key, source="gift", expires="30d").seq
        return credits.deduct(ask.account, "images", -ask.amount, key=ask.key).seq

    return call


def over_http(port: int, api_key: str, connection: http.client.HTTPConnection | None = None) -> Call:
    """A caller with a connection of its own to a server on this machine, made anew when it breaks."""
    connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def call(ask: Ask) -> int:
        headers = {"Authorization": f"Bearer {api_key}", "Idempotency-Key": ask.key, "Content-Type": "application/json"}
        body = {"credit_type": "images", "amount": abs(ask.amount)}
        body |= {"source": "gift", "expires": "30d"} if ask.amount > 0 else {}
        path = f"/v1/accounts/{ask.account}/{'grants' if ask.amount > 0 else 'deductions'}"
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            raise ConnectionError from None
        if answer.status != 201:
            raise Problem(said["code"])
        return said["seq"]

    return call


def keep_asking(told: Told, call: Call, ask: Ask, *, back: Callable[[], object] = lambda: None) -> None:
    """The same call with the same key until there is an answer that lasts. `back` waits for who went silent."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not told.given_up:
        code = told.do(call, ask)
        if code not in AGAIN | {SILENCE}:
            return
        if code == SILENCE:
            back()


def spend(
    told: Told, call: Call, name: str, *, stop: Callable[[int], bool], back: Callable[[], object] = lambda: None
) -> None:
    """Gives 5 and takes 1 four times, over three accounts in turn, until `stop(number)`: no question is left open."""
    for number in count():
        if stop(number):
            return
        account, amount = f"user{number // 5 % 3}", -1 if number % 5 else 5
        keep_asking(told, call, Ask(account, amount, f"{name}:{number}"), back=back)


@contextmanager
def under_load(told: Told, calls: list[Call], *, back: Callable[[], object] = lambda: None) -> Generator[None]:
    """Callers who spend while the block lasts, and after it until each has an answer to its last question."""
    done = threading.Event()
    with ThreadPoolExecutor(len(calls)) as callers:
        spending = [
            callers.submit(spend, told, call, str(number), stop=lambda _: done.is_set(), back=back)
            for number, call in enumerate(calls)
        ]
        try:
            yield
        except BaseException:
            told.given_up = True
            raise
        finally:
            done.set()
    for one in spending:
        one.result()


def prove(url: str, told: Told) -> None:
    """After any fault: what was acknowledged is there exactly once, nothing else is there by half, all books agree."""
    with farthing.open(url, catalog=shop()) as credits:
        there, report = recorded(credits), credits.verify()
    assert report.faults == []
    assert report.entries == len(there)
    assert report.posted.get("images", 0) == sum(ask.amount for ask in there)
    assert {ask: {there.get(ask)} for ask in told.entries} == told.entries, "not what the receipts say"
    assert there.keys() - told.asked.keys() == set(), "nobody asked for these"
    assert there.keys() & told.unchanged() == set(), "callers were told that nothing was changed"
    assert told.errors().keys() - EXPECTED == set()


def recorded(credits: Credits) -> dict[Ask, int]:
    """What the ledger has of what callers asked, with the number of its entry."""
    statement = "SELECT account, amount, key, seq FROM farthing_entries WHERE key IS NOT NULL"
    rows = credits.database.read(lambda session: session.execute(statement))
    return {Ask(*row[:3]): row[3] for row in rows}
