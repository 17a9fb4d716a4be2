"""Any history, any wish, any page size: the pages together are the list that plain Python makes of all entries."""

from __future__ import annotations

import contextlib
import csv
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import farthing
from farthing import Credits, Line
from farthing.store import sql
from tests.kit import START, Clock

accounts = count()

WORDS = ["Job 100%", "job_1", "a!b", "a\\b", "Äpfel", "äpfel", "RENDER", "图像", "=1+1"]
NEEDLES = ["%", "_", "!", "\\", "job", "JOB_", "Ä", "PFEL", "render", "图", "100%", "b", "nothing"]

steps = st.one_of(
    st.tuples(
        st.just("grant"), st.sampled_from(["images", "chat"]), st.integers(1, 9),
        st.sampled_from(["gift", "promo", "purchase"]), st.sampled_from(["2h", "never"]), st.sampled_from(WORDS),
    ),
    st.tuples(st.just("deduct"), st.sampled_from(["images", "chat"]), st.integers(1, 9), st.sampled_from(WORDS)),
    st.tuples(st.just("wait"), st.integers(-2, 3)),
)  # fmt: skip
hours = st.integers(-1, 12).map(lambda hour: START + timedelta(hours=hour))
FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "credit_type": st.sampled_from(["images", "chat"]),
    "kinds": st.sets(st.sampled_from(["grant", "deduct", "expire", "repay"]), min_size=1),
    "sources": st.sets(st.sampled_from(["gift", "promo", "purchase"]), min_size=1),
    "since": hours,
    "until": hours,
    "search": st.sampled_from(NEEDLES),
}


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """An order and at most two filters: with more of them little is left to page through."""
    names = draw(st.lists(st.sampled_from(list(FILTERS)), max_size=2, unique=True))
    sort = draw(st.sampled_from(["newest", "oldest", "largest", "smallest"]))
    return {"sort": sort} | {name: draw(FILTERS[name]) for name in names}


def live(credits: Credits, clock: Clock, account: str, number: int, step: tuple) -> None:
    """A step of a life: what it cannot afford is not done."""
    if step[0] == "wait":
        clock.move(timedelta(hours=step[1]))
    elif step[0] == "grant":
        _, kind, amount, source, expires, word = step
        credits.grant(account, kind, amount, key=f"{word} {number}", source=source, expires=expires)
    else:
        with contextlib.suppress(farthing.InsufficientCredits):
            credits.deduct(account, step[1], step[2], key=f"k{number}", operation=step[3], reason="job", actor="job")


def all_lines(credits: Credits, account: str) -> list[Line]:
    """Every entry of an account, in no order."""
    rows = credits.database.read(
        lambda session: [
            sql.entry(session, row)
            for row in session.execute("SELECT * FROM farthing_entries WHERE account = ?", (account,))
        ]
    )
    return [Line(entry, credits.catalog.credit_type(entry.credit_type).scale) for entry in rows]


def expected(lines: list[Line], wish: dict[str, Any]) -> list[str]:
    """The ids of what is wished for, in order."""

    def fits(line: Line) -> bool:
        texts = [(text or "").encode().lower() for text in (line.key, line.operation, line.link)]
        return (
            line.credit_type == wish.get("credit_type", line.credit_type)
            and line.kind in wish.get("kinds", [line.kind])
            and line.source in wish.get("sources", [line.source])
            and line.recorded_at >= wish.get("since", line.recorded_at)
            and ("until" not in wish or line.recorded_at < wish["until"])
            and ("search" not in wish or any(wish["search"].encode().lower() in text for text in texts))
        )

    found = sorted(filter(fits, lines), key=lambda line: (line.recorded_at, line.credit_type, line.seq))
    if wish["sort"] in ("largest", "smallest"):
        found.sort(key=lambda line: abs(line.amount))
    if wish["sort"] in ("newest", "largest"):
        found.reverse()
    return [line.id for line in found]


@pytest.mark.row("L13")
@given(
    past=st.lists(steps, min_size=3, max_size=16),
    wish=wishes(),
    limit=st.integers(1, 5),
    meanwhile=st.lists(steps, max_size=4),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_pages_together_are_the_list_there_was(
    credits: Credits, clock: Clock, past: list[tuple], wish: dict[str, Any], limit: int, meanwhile: list[tuple]
):
    account, number = f"user{next(accounts)}", count()
    clock.now = START
    for step in past:
        live(credits, clock, account, next(number), step)
    there_was = expected(all_lines(credits, account), wish)
    told: list[str] = []
    cursor = None
    for turn in range(len(there_was) // limit + 2):
        page = credits.history(account, **wish, limit=limit, cursor=cursor)
        told += [line.id for line in page.data]
        assert page.has_more == (page.next_cursor is not None)
        if page.next_cursor is None:
            break
        assert len(page.data) == limit
        cursor = page.next_cursor
        for step in meanwhile[turn:]:
            live(credits, clock, account, next(number), step)
    assert told == there_was
    rows = csv.DictReader("".join(credits.export_history(account, **wish)).splitlines())
    assert [row["entry"] for row in rows] == expected(all_lines(credits, account), wish)
