"""Ctrl+C in the middle of many commands: each that was sent is counted once."""

import signal
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any

import pytest

from farthing.errors import Unavailable
from farthing.ledger.window import Window

pytestmark = pytest.mark.row("L15")
ROWS = 12


class Ledger:
    """Answers at once, and has Ctrl+C pressed at the nth thing that it does."""

    def __init__(self, press_at: int, *, away: int = 0) -> None:
        self.sent: list[int] = []
        self.counted: list[int] = []
        self._press_at = press_at
        self._done = 0
        self._away = away

    def send(self, row: int) -> Future[Any]:
        future: Future[Any] = Future()
        if self._away:
            self._away -= 1
            future.set_exception(Unavailable("away"))
        else:
            self.sent.append(row)
            future.set_result("done")
        self._step()
        return future

    def settle(self, row: int, answer: Future[Any]) -> None:
        answer.result()
        self._step()
        self.counted.append(row)
        self._step()

    def _step(self) -> None:
        self._done += 1
        if self._done == self._press_at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def ctrl_c() -> Generator[None]:
    """Ctrl+C as a program that Python starts has it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("press_at", range(1, 3 * ROWS + 1))
def test_whenever_it_is_pressed_every_row_that_was_sent_is_counted_once(press_at: int):
    ledger = Ledger(press_at)
    with pytest.raises(KeyboardInterrupt), Window(ledger.send, ledger.settle, 5) as window:
        for row in range(ROWS):
            window.put(row)
    assert ledger.counted == ledger.sent == list(range(len(ledger.sent)))


@pytest.mark.parametrize("press_at", range(1, 8))
def test_also_while_the_database_is_away(press_at: int):
    ledger = Ledger(press_at, away=2)
    with pytest.raises((KeyboardInterrupt, Unavailable)), Window(ledger.send, ledger.settle, 1, waits_s=[0, 0]) as rows:
        for row in range(ROWS):
            rows.put(row)
    assert ledger.counted == ledger.sent


def test_while_it_waits_for_an_answer_it_ends_at_once_and_a_second_time_ends_the_counting_too():
    never: Future[Any] = Future()
    waited: list[Future[Any]] = []

    class Waiting(Future[Any]):
        def exception(self, timeout: float | None = None) -> BaseException | None:
            waited.append(self)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("it was interrupted")

    def settle(row: int, answer: Future[Any]) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        never.result()

    answer = Waiting()
    with pytest.raises(KeyboardInterrupt), Window(lambda row: answer, settle, 1) as window:
        window.put(1)
        window.put(2)
    assert waited == [answer]
