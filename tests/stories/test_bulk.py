"""Grants and deductions out of a CSV file: each row once, however often and however badly it was run before."""

import csv
import inspect
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count as counted
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import farthing
from farthing import Credits
from farthing.bulk import COLUMNS, Bulk, Rejected
from farthing.cli import app
from farthing.errors import DatabaseUnreachable, InvalidField, InvalidKey
from farthing.ledger.verifying import verify
from farthing.sheet import Sheet
from tests.databases import Databases, shut
from tests.kit import SHOP, Clock, shop

GIFTS: dict[str, dict[str, str]] = {"grant": {"source": "gift"}, "deduct": {}}


def bulk(credits: Credits, verb: Any, *lines: str, said: dict[str, str] | None = None, **more: Any) -> Bulk:
    """A run over these lines."""
    sheet = Sheet([f"{line}\n".encode() for line in lines], name="rows.csv", delimiter=more.pop("delimiter", ","))
    return Bulk(
        credits, verb, sheet, said={"source": "gift"} if said is None and verb == "grant" else said or {}, **more
    )


def rejected(run: Bulk) -> list[tuple[int, str]]:
    """Row and code of what was not carried out."""
    told: list[Rejected] = []
    run.run(reject=told.append)
    return [(one.row, str(one.cells[1])) for one in told]


def left(credits: Credits, *accounts: str) -> list[int]:
    return [int(credits.balance(who, "images").available) for who in accounts]


@pytest.mark.row("L15", "L2")
def test_each_row_is_a_lot_with_all_that_the_old_system_knew(credits: Credits, clock: Clock):
    tally = bulk(
        credits,
        "grant",
        "account,credit_type,amount,key,source,expires,effective_at,priority,cost,currency,"
        "reason,actor,metadata,occurred_at",
        "ada,chat,12.50,old:1,purchase,2027-03-01T00:00+01:00,,7,9.90,USD,"
        'invoice 7,importer,"{""old_id"": 1}",2025-11-05T12:00Z',
        "ada,chat,3,old:2,bonus,never,2026-02-01T00:00Z,,,,,,,",
        "bob,chat,1,old:3,,1mo,,,,,,,,",
        "bob,chat,2,old:4,,,,,,,,,,",
        said={"source": "adjustment"},
    ).run()
    assert (tally.rows, tally.done) == (4, 4)
    paid, later = credits.lots("ada", "chat")
    assert (paid.remaining, paid.source, paid.priority, paid.cost_minor, paid.currency, paid.expires_at) == (
        *(Decimal("12.5"), "purchase", 7, 990, "USD"),
        datetime(2027, 2, 28, 23, tzinfo=UTC),
    )
    assert (later.source, later.effective_at, later.expires_at) == ("bonus", datetime(2026, 2, 1, tzinfo=UTC), None)
    ends = [lot.expires_at for lot in credits.lots("bob", "chat")]
    assert ends == [clock() + timedelta(days=30), datetime(2026, 2, 1, tzinfo=UTC)]  # the type's own is 30 days
    line = credits.history("ada", "chat").data[-1]
    assert (line.key, line.reason, line.actor, line.metadata, line.occurred_at) == (
        *("old:1", "invoice 7", "importer", {"old_id": 1}),
        datetime(2025, 11, 5, 12, tzinfo=UTC),
    )


@pytest.mark.row("L15")
def test_deductions_too_and_one_that_nobody_can_pay_for_stops_nobody_else(credits: Credits):
    credits.grant("ada", "images", 10, key="g", source="gift")
    run = bulk(
        credits, "deduct", "key,amount,account,credit_type,operation",
        "1,6,ada,images,render", "2,5,ada,images,render", "3,4,ada,images,", "4,1,eve,images,",
    )  # fmt: skip
    assert rejected(run) == [(2, "insufficient_credits"), (4, "insufficient_credits")]
    assert (run.tally.done, run.tally.refused, run.credits) == (2, 2, {"images": 10})
    assert [line.operation for line in credits.history("ada").data] == [None, "render", None]


@pytest.mark.row("L15", "L16")
def test_the_same_rows_again_are_already_there(credits: Credits):
    lines = ["account,credit_type,amount,key", "ada,images,5,a", "bob,images,7,b"]
    bulk(credits, "grant", *lines).run()
    again = bulk(credits, "grant", *lines, "carl,images,9,c", "ada,images,6,a")
    assert rejected(again) == [(4, "key_reused")]
    tally = again.tally
    assert (tally.rows, tally.done, tally.replayed, tally.refused, again.credits) == (4, 1, 2, 1, {"images": 9})
    assert left(credits, "ada", "bob", "carl") == [5, 7, 9]


def test_what_a_row_leaves_out_is_said_once_for_all(credits: Credits):
    said = {"credit_type": "images", "source": "promo", "expires": "7d", "cost": "1.00", "currency": "EUR"}
    bulk(credits, "grant", "account,amount,key,source,cost", "ada,1,a,,", "ada,2,b,gift,0", said=said).run()
    first, second = sorted(credits.lots("ada", "images"), key=lambda lot: lot.remaining)
    assert (first.source, first.cost_minor, second.source, second.cost_minor) == ("promo", 100, "gift", 0)
    assert first.expires_at == datetime(2026, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("ada,images,-1,k,,,,", "invalid_amount"),
        ("ada,images,many,k,,,,", "invalid_amount"),
        ("ada,images,0.5,k,,,,", "invalid_amount"),
        ("ada,images,,k,,,,", "invalid_field"),
        (",images,1,k,,,,", "invalid_field"),
        ("ada,images,1,,,,,", "invalid_field"),
        ("a/b,images,1,k,,,,", "invalid_account"),
        ("ada,wishes,1,k,,,,", "unknown_credit_type"),
        ("ada,images,1,farthing:k,,,,", "invalid_key"),
        ("ada,images,1,k,soon,,,", "invalid_expiry"),
        ("ada,images,1,k,2027-01-01,,,", "invalid_field"),
        ("ada,images,1,k,,1.5,,", "invalid_field"),
        ("ada,images,1,k,,,9.90,", "invalid_field"),
        ("ada,images,1,k,,,9.901,USD", "invalid_amount"),
        ("ada,images,1,k,,,9.90,usd", "unknown_currency"),
        ("ada,images,1", "invalid_field"),
        ("ada,images,1,k,,,,,", "invalid_field"),
        (f"{'a' * 200_000},images,1,k,,,,", "invalid_field"),
    ],
    ids=lambda value: value[:24],
)
def test_a_row_that_makes_no_sense_is_told_and_the_rest_goes_on(credits: Credits, row: str, code: str):
    header = "account,credit_type,amount,key,expires,priority,cost,currency"
    run = bulk(credits, "grant", header, "ada,images,1,a,,,,", row, "ada,images,2,b,,,,")
    assert rejected(run) == [(2, code)]
    assert (run.tally.done, run.tally.unreadable, left(credits, "ada")) == (2, 1, [3])


@pytest.mark.parametrize(
    ("header", "more", "said"),
    [
        ("account,amount,key", {}, "the column 'credit_type' is not in its header"),
        ("account,amount,credit_type", {}, "the column 'key' is not"),
        ("account,amount,key,credit_type,amount", {}, "the column 'amount' is twice"),
        ("account,amount,key,credit_type,note", {}, "nobody knows its column 'note'. The columns may be account, cr"),
        ("account,amount,key,credit_type,operation", {}, "nobody knows its column 'operation'"),
        ("account;amount;key;credit_type", {}, "or by what --delimiter says"),
        ("account,amount,key,credit_type", {"key_prefix": "x:"}, "has a column of keys"),
        ("", {}, "the column 'account' is not in its header: empty"),
    ],
)  # fmt: skip
def test_a_sheet_that_is_none_of_ours_is_refused_before_anything_is_written(
    credits: Credits, header: str, more: dict[str, Any], said: str
):
    with pytest.raises(InvalidField, match=said) as caught:
        bulk(credits, "grant", header, "ada,1,k,images", **more)
    assert "Nothing was changed" in caught.value.message


def test_other_misuse_is_told_before_anything_is_written(credits: Credits):
    header = "account,amount,credit_type"
    for prefix in ("farthing:", "x" * 190):
        with pytest.raises(InvalidKey):
            bulk(credits, "grant", header, key_prefix=prefix)
    with pytest.raises(InvalidField, match="effective_at is 'noon'"):
        bulk(credits, "grant", f"{header},key", said={"effective_at": "noon"})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_utf8_is_read_and_other_bytes_spoil_only_their_own_row(credits: Credits, mark: bytes):
    lines = [mark + b"account;amount;key\r\n", "zoë;1;a\r\n".encode(), b"zo\xeb;2;b\r\n", b"ada;3;c\r\n"]
    sheet = Sheet(lines, name="rows.csv", delimiter=";")
    run = Bulk(credits, "grant", sheet, said={"credit_type": "images", "source": "gift"})
    assert rejected(run) == [(2, "invalid_account")]
    assert left(credits, "zoë", "ada") == [1, 3]


@pytest.mark.row("L15")
def test_a_check_reads_every_row_and_changes_nothing(credits: Credits):
    run = bulk(
        credits, "deduct", "account,credit_type,amount,key", "ada,images,5,a", "ada,wishes,5,b", "ada,images,x,c"
    )
    told: list[Rejected] = []
    tally = run.check(reject=told.append)
    assert [one.row for one in told] == [2, 3]
    assert (tally.rows, tally.done, tally.unreadable) == (3, 0, 2)
    assert verify(credits.database).entries == 0


@pytest.mark.row("L15")
def test_the_report_can_be_corrected_and_read_in_as_it_is(credits: Credits):
    def feed(lines: list[str], **more: Any) -> list[str]:
        run = bulk(credits, "deduct", *lines, said={"credit_type": "images"}, **more)
        report = io.StringIO()
        rows = csv.writer(report, lineterminator="\n")
        rows.writerow(run.report_header)
        run.run(reject=lambda one: rows.writerow(one.cells))
        return report.getvalue().splitlines()

    credits.grant("ada", "images", 10, key="g", source="gift")
    first = feed(["account,amount", "ada,1", "ada,99", 'ada,"1 0"', "ada,4"], key_prefix="day-1:")
    assert first[0] == "line,code,message,key,account,amount"
    assert [line.split(",")[:2] + line.split(",")[-3:] for line in first[1:]] == [
        ["4", "invalid_amount", "day-1:3", "ada", "1 0"],
        ["3", "insufficient_credits", "day-1:2", "ada", "99"],
    ]
    second = feed([line.replace("1 0", "2") for line in first])
    assert (left(credits, "ada"), second[0]) == ([3], first[0])
    assert [line.split(",")[0] for line in second[1:]] == ["3"]
    assert feed([line.replace("ada,99", "ada,3") for line in second]) == [first[0]]
    assert left(credits, "ada") == [0]


def test_a_row_with_too_few_cells_is_no_better_in_the_report(credits: Credits):
    run = bulk(credits, "grant", "account,credit_type,amount,key,expires", "ada,images,5,a")
    told: list[Rejected] = []
    run.run(reject=told.append)
    assert [one.cells[3:] for one in told] == [["ada", "images", "5", "a"]]


@pytest.mark.long
@pytest.mark.row("L15")
def test_reading_is_never_far_ahead_of_writing(databases: Databases, count: Callable[[int, int], int]):
    """However many rows: what is read and not yet settled is the window, and so is what is in memory."""
    rows, furthest = count(3_000, 1_000_000), 0

    def lines() -> Iterator[bytes]:
        nonlocal furthest
        yield b"account,amount,key\n"
        for number in range(rows):
            tally = run.tally
            settled = tally.done + tally.replayed + tally.refused + tally.unreadable
            furthest = max(furthest, number + 1 - settled)
            yield f"user-{number % 1000},{number % 7},k{number}\n".encode()

    with databases.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        sheet = Sheet(lines(), name="rows.csv")
        run = Bulk(credits, "grant", sheet, said={"credit_type": "images", "source": "gift"}, parallel=256)
        tally = run.run()
        assert (tally.rows, tally.done + tally.unreadable) == (rows, rows)
        assert tally.done == verify(credits.database).entries == rows - len(range(0, rows, 7))
    assert 256 <= furthest <= 256 + 2


def test_a_database_that_comes_back_is_waited_for(postgresql: Databases):
    """It goes away after 256 rows and is back at the third try of the first row that missed it."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            shut(url, allow=True)

    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        lines = ["account,credit_type,amount,key", *(f"ada,images,1,k{number}" for number in range(1000))]
        run = bulk(credits, "grant", *lines, parallel=100, wait=wait)
        tally = run.run(progress=lambda done, total: None if waited else shut(url, allow=False))
        assert (tally.done + tally.replayed, waited[:3]) == (1000, [0, 1, 2])
        assert left(credits, "ada") == [1000]
        assert verify(credits.database).faults == []


def test_a_database_that_stays_away_stops_the_run_and_the_next_one_finishes_it(postgresql: Databases):
    lines = ["account,credit_type,amount,key", *(f"ada,images,1,k{number}" for number in range(2000))]
    waited: list[float] = []
    with postgresql.migrated() as url, farthing.open(url, catalog=shop()) as credits:
        stopped = bulk(credits, "grant", *lines, parallel=100, wait=waited.append)
        with pytest.raises(DatabaseUnreachable):
            stopped.run(progress=lambda done, total: shut(url, allow=False))
        assert waited == [0, 1, 2, 4, 8]  # the first row that missed it; the others are not waited for
        shut(url, allow=True)
        tally = bulk(credits, "grant", *lines).run()
        assert 0 < stopped.tally.done < 2000
        assert (tally.replayed, tally.done) == (stopped.tally.done, 2000 - stopped.tally.done)
        assert left(credits, "ada") == [2000]


class Shell:
    """`farthing grant | deduct --csv` in a folder of its own, in this process or as one."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = os.environ | {"FARTHING_DATABASE_URL": url}

    def write(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read(self, name: str) -> list[str]:
        return (self.folder / name).read_text(encoding="utf-8").splitlines()

    def __call__(self, *words: str, stdin: str | None = None) -> tuple[int, str, str]:
        done = CliRunner(env=self.environment).invoke(app, list(words), input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "farthing", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def shell(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path, database_url)
    shell.write("farthing.toml", SHOP)
    return shell


@pytest.mark.row("L15", "D7")
def test_from_a_shell_with_a_report_of_what_was_not_done(shell: Shell, credits: Credits):
    shell.write("old.csv", "account,amount,key", "ada,5,a", "bob,x,b", "carl,1,c")
    words = ["grant", "--csv", "old.csv", "--type", "images", "--refused", "no.csv"]
    code, out, _ = shell(*words, "--dry-run")
    assert (code, out.splitlines()[1:]) == (1, ["          1 unreadable", "Checked only: nothing was changed."])
    assert left(credits, "ada") == [0]
    code, out, _ = shell(*words, "--json")
    told = json.loads(out)
    assert code == 1
    assert {name: told[name] for name in told if name not in ("seconds", "rows_per_second")} == {
        "file": "old.csv", "finished": True, "dry_run": False,
        "rows": 3, "done": 2, "replayed": 0, "refused": 0, "unreadable": 1, "credits": {"images": "6"},
    }  # fmt: skip
    assert shell.read("no.csv") == [
        "line,code,message,account,amount,key",
        "3,invalid_amount,amount 'x' is not a number. Nothing was changed.,bob,x,b",
    ]
    shell.write("no.csv", *(line.replace("bob,x", "bob,7") for line in shell.read("no.csv")))
    code, out, _ = shell("grant", "--csv", "no.csv", "--type", "images")
    assert (code, out.splitlines()[1:]) == (0, ["          1 granted", "7 images were granted."])
    assert left(credits, "ada", "bob", "carl") == [5, 7, 1]


def test_from_a_pipe_and_with_another_delimiter(shell: Shell, credits: Credits):
    rows = "account\tcredit_type\tamount\tkey\nada\timages\t5\ta\n"
    assert shell("grant", "--csv", "-", "--delimiter", "tab", stdin=rows)[0] == 0
    code, out, _ = shell("grant", "--csv", "-", "--delimiter", "tab", stdin=rows)
    assert (code, out.splitlines()[1]) == (0, "          1 already there, nothing changed")
    assert (
        shell("deduct", "--csv", "-", "--delimiter", ";", stdin="account;credit_type;amount;key\nada;images;2;b\n")[0]
        == 0
    )
    assert left(credits, "ada") == [3]


def test_rows_that_were_not_done_are_told_where_no_report_is_asked_for(shell: Shell):
    shell.write("old.csv", "account,credit_type,amount", *("ada,images,9" for _ in range(7)))
    code, out, err = shell("deduct", "--csv", "old.csv", "--key-prefix", "day-1:")
    assert (code, out.splitlines()[1]) == (1, "          7 refused")
    said = err.splitlines()
    assert said[0].startswith("row 1 (line 2): ada has 0 images available")
    assert (len(said), said[-1]) == (6, "… and more: --refused FILE lists them all.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "old.csv", "ada", "images", "5"], "Leave"),
        (["--csv", "old.csv", "--key", "k"], "Leave"),
        (["ada", "images", "5"], "or --csv FILE for many"),
        (["ada", "images", "5", "--key", "k", "--dry-run"], "go with --csv"),
        (["ada", "images", "5", "--key", "k", "--type", "images"], "go with --csv"),
        (["--csv", "none.csv"], "none.csv cannot be read: No such file or directory"),
        (["--csv", "."], "cannot be read: Is a directory"),
        (["--csv", "old.csv", "--delimiter", ";;"], "--delimiter is ';;'"),
        (["--csv", "old.csv", "--key-prefix", "x:"], "has a column of keys"),
        (["--csv", "-", "--key-prefix", "x:"], "Rows out of a pipe need a column of keys"),
        (["--csv", "old.csv", "--refused", "old.csv"], "--refused names the file that is read"),
        (["--csv", "old.csv", "--expires", "2027-01-01"], "has no time zone"),
    ],
)
def test_misuse_changes_nothing(shell: Shell, credits: Credits, words: list[str], said: str):
    lines = ["account,credit_type,amount,key", "ada,images,5,a"]
    shell.write("old.csv", *lines)
    code, out, err = shell("grant", *words)
    assert (code, out) == (2, "")
    assert said in " ".join(err.replace("│", " ").split())
    assert (left(credits, "ada"), shell.read("old.csv")) == ([0], lines)


@pytest.mark.row("L15")
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_is_finished_by_the_same_command(shell: Shell, credits: Credits, blow: signal.Signals):
    rows, accounts = 3_000, 500
    shell.write("old.csv", "account,amount,key", *(f"user-{number % accounts},1,k{number}" for number in range(rows)))
    words = ["grant", "--csv", "old.csv", "--type", "images", "--json"]
    running = shell.start(*words)
    for _ in counted():
        if left(credits, "user-0") != [0] or running.poll() is not None:
            break
    running.send_signal(blow)
    out, err = running.communicate()
    assert running.returncode == (-signal.SIGKILL if blow == signal.SIGKILL else 130), err
    before = verify(credits.database).entries
    assert 0 < before < rows
    if blow == signal.SIGINT:
        told = json.loads(out)
        assert (told["finished"], told["done"]) == (False, before)

    finished = shell.start(*words)
    told = json.loads(finished.communicate()[0])
    assert (finished.returncode, told["finished"], told["rows"]) == (0, True, rows)
    assert (told["replayed"], told["done"]) == (before, rows - before)
    assert left(credits, *(f"user-{number}" for number in range(0, accounts, 100))) == [rows // accounts] * 5
    assert verify(credits.database).entries == rows


def test_every_column_is_an_argument_of_its_verb():
    for verb, columns in COLUMNS.items():
        arguments = set(inspect.signature(getattr(Credits, verb)).parameters) - {"self"}
        assert set(columns) - {"currency"} == arguments
