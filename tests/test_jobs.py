"""Jobs run when somebody asks for them, leave a note of it, and fail one by one."""

from __future__ import annotations

import threading

import pytest
from starlette.testclient import TestClient

from farthing import Credits, server
from farthing.jobs import JOBS, last_runs, run_all
from tests.kit import Clock


@pytest.mark.row("L9", "O1")
def test_a_round_books_what_came_due_and_notes_what_it_did(credits: Credits, clock: Clock):
    credits.grant("ada", "images", 5, key="g", source="gift", expires="1d")
    assert last_runs(credits.database) == []
    clock.move("2d")
    assert {run.name: run.counts for run in run_all(credits)} == {
        "expire": {"entries": 1},
        "drip": {"cycles": 0, "lots": 0, "ended": 0, "skipped": 0, "unknown_plan": 0, "failed": 0},
        "plans": {"asked": 0, "healed": 0, "failed": 0},
        "reconcile": {"asked": 0, "healed": 0, "unknown": 0, "failed": 0},
        "webhooks": {"handled": 0, "failed": 0},
        "top_up": {
            "paid": 0,
            "declined": 0,
            "authentication_required": 0,
            "review": 0,
            "paused": 0,
            "unknown": 0,
            "failed": 0,
        },
        "remind": {"lots": 0},
        "deliver": {"delivered": 0, "failed": 0, "given_up": 0},
    }
    clock.move("1h")
    run_all(credits)
    runs = {run.name: run for run in last_runs(credits.database)}
    assert list(runs) == sorted(JOBS)
    assert (runs["expire"].finished_at, runs["expire"].counts) == (clock.now, {"entries": 0})


def test_a_job_that_fails_says_so_and_the_others_run(credits: Credits, monkeypatch: pytest.MonkeyPatch):
    def broken(_: Credits) -> dict[str, int]:
        raise RuntimeError("the disk is on fire")

    monkeypatch.setitem(JOBS, "expire", broken)
    run_all(credits)
    runs = {run.name: run for run in last_runs(credits.database)}
    assert (runs["expire"].error, runs["expire"].counts) == ("the disk is on fire", None)
    assert runs["webhooks"].error is None


def test_a_thread_runs_them_until_it_is_stopped(credits: Credits, monkeypatch: pytest.MonkeyPatch):
    rounds = threading.Semaphore(0)
    monkeypatch.setitem(JOBS, "expire", lambda credits: (rounds.release(), {"entries": 0})[1])
    running = credits.start_jobs(every_s=0.001)
    for _ in range(3):
        assert rounds.acquire(timeout=30)
    running.stop()
    assert len(last_runs(credits.database)) == len(JOBS)


@pytest.mark.row("O1")
def test_readyz_tells_how_long_ago_each_job_ran(credits: Credits, clock: Clock):
    run_all(credits)
    clock.move("90s")
    checks = TestClient(server.assemble(credits)).get("/readyz").json()["checks"]
    assert checks["jobs"] == {name: {"age_s": 90, "failed": False} for name in JOBS}
