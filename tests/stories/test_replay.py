"""Usage out of a CSV: every row is deducted once or told, and the same file again changes nothing."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import make_url

import farthing
from farthing import Credits
from farthing.catalog import parse
from farthing.errors import InvalidField, InvalidKey, Unavailable, UnknownCreditType
from farthing.ledger.verifying import verify
from farthing.replay import Charge, Measure, Rejected, Replay, Usage
from tests.databases import Databases, shut

CATALOG = """
[credit_types.tokens]
name = "Tokens"

[credit_types.chat]
name = "Chat"
scale = 2

[operations.talk]
credit_type = "chat"
dimensions = ["model"]

[[operations.talk.rates]]
when = { model = "swift" }
measures = { input_tokens = "0.15 per 1000", output_tokens = "0.60 per 1000" }

[[operations.talk.rates]]
measures = { input_tokens = "2.50 per 1000", output_tokens = "10 per 1000" }
"""
TRACE = Path(os.environ.get("FARTHING_TEST_DATA", "")) / "azure_llm_trace_conv_2023.csv"
ACCOUNTS = 12


@pytest.fixture
def credits(database_url: str) -> Iterator[Credits]:
    """A shop that counts tokens; when the story ends, `verify` has to prove every balance it left."""
    with farthing.open(database_url, catalog=parse(CATALOG)) as credits:
        yield credits
        assert verify(credits.database).faults == []


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """`table("a,b", "1,2")`: a CSV of these lines."""

    def write(*lines: str) -> Path:
        path = tmp_path / "usage.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def usage(**changes: Any) -> Usage:
    return Usage("tokens", (Measure("tokens"),), account="who")._replace(**changes)


def rejected(run: Replay) -> list[tuple[int, int, str]]:
    """Row, line and code of what was not deducted."""
    told: list[Rejected] = []
    run.run(reject=told.append)
    return sorted((one.row, one.line, one.code) for one in told)


@pytest.mark.row("D7")
def test_each_row_is_deducted_from_its_account_at_its_time(credits: Credits, table: Callable[..., Path]):
    file = table(
        "at,who,tokens", "2026-01-31 12:00:00.1234567,ada,5", "2026-01-31T13:00:00+02:00,bob,7", "2026-01-31,ada,2"
    )
    for who in ("ada", "bob"):
        credits.grant(who, "tokens", 100, key="g", source="purchase")
    run = Replay(credits, file, usage(time="at", operation="chat"))
    tally = run.run()
    assert (tally.rows, tally.deducted, tally.zoneless, run.credits) == (3, 3, 2, 14)
    newest, older = credits.history("ada", limit=2).data
    assert [(line.amount, line.operation, line.occurred_at) for line in (older, newest)] == [
        (-5, "chat", datetime.fromisoformat("2026-01-31T12:00:00.123456+00:00")),
        (-2, "chat", datetime.fromisoformat("2026-01-31T00:00:00+00:00")),
    ]
    [bobs] = credits.history("bob", limit=1).data
    assert (bobs.amount, bobs.occurred_at) == (-7, datetime.fromisoformat("2026-01-31T11:00:00+00:00"))


def test_columns_add_up_by_their_weights_exactly(credits: Credits, table: Callable[..., Path]):
    credits.grant("ada", "chat", 1, key="g", source="purchase")
    file = table("who,in,out", "ada,1,2", "ada,0.1,0.2")
    weights = (Measure("in", Decimal("0.01")), Measure("out", Decimal("0.03")))
    run = Replay(credits, file, usage(credit_type="chat", measures=weights))
    assert rejected(run) == [(2, 3, "invalid_amount")]  # 0.007 has more decimals than the two that chat counts
    assert credits.balance("ada", "chat").posted == Decimal("0.93")


def test_rows_are_dealt_out_to_accounts_in_turn(credits: Credits, table: Callable[..., Path]):
    for number in (1, 2, 3):
        credits.grant(f"team-{number}", "tokens", 1000, key="g", source="purchase")
    dealt = usage(account=None, accounts=3, account_prefix="team-")
    Replay(credits, table("tokens", "1", "10", "100", "2"), dealt).run()
    assert [credits.balance(f"team-{number}", "tokens").posted for number in (1, 2, 3)] == [997, 990, 900]


def test_a_row_nobody_can_pay_for_is_refused_and_the_rest_goes_on(credits: Credits, table: Callable[..., Path]):
    credits.grant("ada", "tokens", 10, key="g", source="purchase")
    file = table("who,tokens", "ada,6", "ada,5", "ada,4", "eve,1")
    told: list[Rejected] = []
    tally = Replay(credits, file, usage()).run(reject=told.append)
    assert (tally.deducted, tally.refused) == (2, 2)
    assert [one[:6] for one in told] == [
        (2, 3, "ada", "insufficient_credits", 5, 4),
        (4, 5, "eve", "insufficient_credits", 1, 0),
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("ada,-1", "invalid_amount"),
        ("ada,NaN", "invalid_amount"),
        ("ada,Infinity", "invalid_amount"),
        ("ada,1e400", "invalid_amount"),
        ("ada,many", "invalid_amount"),
        ("ada,", "invalid_amount"),
        ("ada,0.5", "invalid_amount"),
        (f"ada,{'9' * 16}", "invalid_amount"),
        (f"ada,{'9' * 5000}", "invalid_amount"),
        ("ada", "invalid_field"),
        ("ada,1,2", "invalid_field"),
        (",1", "invalid_account"),
        ("a/b,1", "invalid_account"),
        (f"ada,{'9' * 200_000}", "invalid_field"),
    ],
    ids=lambda value: value[:20],
)
def test_a_row_that_makes_no_sense_is_told_by_its_line_and_costs_nothing(
    credits: Credits, table: Callable[..., Path], row: str, code: str
):
    credits.grant("ada", "tokens", 10, key="g", source="purchase")
    run = Replay(credits, table("who,tokens", "ada,1", "", row, "ada,2"), usage())
    assert rejected(run) == [(2, 4, code)]
    assert (run.tally.rows, run.tally.deducted, run.tally.unreadable) == (3, 2, 1)
    assert credits.balance("ada", "tokens").posted == 7


def test_a_time_that_is_none_is_told(credits: Credits, table: Callable[..., Path]):
    file = table("at,who,tokens", "yesterday,ada,1", "0001-01-01,ada,1")
    assert rejected(Replay(credits, file, usage(time="at"))) == [(1, 2, "invalid_field"), (2, 3, "invalid_field")]


def test_bytes_that_are_not_utf8_spoil_only_their_own_row(credits: Credits, tmp_path: Path):
    credits.grant("zoë", "tokens", 10, key="g", source="purchase")
    file = tmp_path / "usage.csv"
    file.write_bytes(b"\xef\xbb\xbfwho,tokens\r\nzo\xeb,1\r\n" + "zoë,2\r\n".encode())
    assert rejected(Replay(credits, file, usage())) == [(1, 2, "invalid_account")]
    assert credits.balance("zoë", "tokens").posted == 8


def test_a_row_that_used_nothing_costs_nothing(credits: Credits, table: Callable[..., Path]):
    tally = Replay(credits, table("who,tokens", "ada,0", "ada,0.00"), usage()).run()
    assert (tally.rows, tally.empty, tally.refused, tally.unreadable) == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("header", "changes", "said"),
    [
        ("who,token", {}, "the column 'tokens' is not in its header: who, token"),
        ("who,tokens,tokens", {}, "the column 'tokens' is twice in its header"),
        ("who,tokens", {"time": "at"}, "the column 'at' is not"),
        ("", {}, "the column 'who' is not in its header: empty"),
    ],
)
def test_a_file_without_its_columns_is_refused_before_anything_is_written(
    credits: Credits, table: Callable[..., Path], header: str, changes: dict[str, Any], said: str
):
    with pytest.raises(InvalidField, match=said) as caught:
        Replay(credits, table(header, "ada,1"), usage(**changes))
    assert "Nothing was changed" in caught.value.message


def test_other_misuse_is_told_before_anything_is_written(credits: Credits, table: Callable[..., Path], tmp_path: Path):
    file = table("who,tokens", "ada,1")
    with pytest.raises(UnknownCreditType):
        Replay(credits, file, usage(credit_type="images"))
    with pytest.raises(InvalidKey, match="Farthing's own"):
        Replay(credits, file, usage(), key_prefix="farthing:")
    with pytest.raises(InvalidKey, match="bytes"):
        Replay(credits, file, usage(), key_prefix="x" * 190)
    with pytest.raises(InvalidField, match="No such file"):
        Replay(credits, tmp_path / "none.csv", usage())
    with pytest.raises(InvalidField, match="not a file"):
        Replay(credits, tmp_path, usage())


@pytest.mark.row("L16")
def test_a_key_that_stands_for_another_amount_is_told_and_not_deducted(credits: Credits, table: Callable[..., Path]):
    credits.grant("ada", "tokens", 100, key="g", source="purchase")
    Replay(credits, table("who,tokens", "ada,5"), usage(), key_prefix="day-1:").run()
    corrected = Replay(credits, table("who,tokens", "ada,6", "ada,7"), usage(), key_prefix="day-1:")
    assert rejected(corrected) == [(1, 2, "key_reused")]
    assert credits.balance("ada", "tokens").posted == 88


def test_a_file_that_grew_goes_on_under_a_prefix_of_its_own(credits: Credits, table: Callable[..., Path]):
    credits.grant("ada", "tokens", 100, key="g", source="purchase")
    Replay(credits, table("who,tokens", "ada,5"), usage(), key_prefix="log:").run()
    tally = Replay(credits, table("who,tokens", "ada,5", "ada,6"), usage(), key_prefix="log:").run()
    assert (tally.replayed, tally.deducted) == (1, 1)
    assert credits.balance("ada", "tokens").posted == 89


@pytest.mark.parametrize("parallel", [1, 2, 10_000])
def test_how_many_are_in_flight_changes_nothing_but_the_time(
    credits: Credits, table: Callable[..., Path], parallel: int
):
    credits.grant("ada", "tokens", 1000, key="g", source="purchase")
    file = table("who,tokens", *(f"ada,{number}" for number in range(1, 101)))
    tally = Replay(credits, file, usage(), parallel=parallel).run()
    paid = credits.history("ada", limit=500).data[:-1]
    assert [-line.amount for line in reversed(paid)] == fitting(range(1, 101), 1000)
    assert (tally.deducted, tally.refused) == (len(paid), 100 - len(paid))


def fitting(asked: Any, funds: int) -> list[int]:
    """What is paid when each amount is paid in turn, as long as there is enough."""
    paid: list[int] = []
    for amount in asked:
        if amount <= funds - sum(paid):
            paid.append(amount)
    return paid


@pytest.mark.row("D7", "L3", "L16", "L14")
@pytest.mark.skipif(not TRACE.is_file(), reason=f"FARTHING_TEST_DATA names no folder with {TRACE.name}")
def test_an_hour_of_real_traffic_is_deducted_once(
    credits: Credits, database_url: str, record_property: Callable[[str, object], None]
):
    """Ten accounts have enough, one too little and one nothing; the second run changes nothing."""
    funds = {f"user-{number}": 5_000_000 for number in range(1, 11)} | {"user-11": 500_000, "user-12": 0}
    for who, amount in funds.items():
        if amount:
            credits.grant(who, "tokens", amount, key="g", source="purchase")
    expected, refused = computed(funds)
    measures = (Measure("ContextTokens"), Measure("GeneratedTokens"))
    columns = Usage("tokens", measures, None, ACCOUNTS, "user-", "TIMESTAMP", "chat")

    told: list[Rejected] = []
    first, started = Replay(credits, TRACE, columns), perf_counter()
    tally = first.run(reject=told.append)
    rate = tally.rows / (perf_counter() - started)
    record_property(
        "figure", f"replay of {tally.rows:,} rows on {make_url(database_url).get_backend_name()}: {rate:,.0f} a second"
    )
    assert tally.rows == 19_366
    assert {one.row: one.required for one in told} == refused
    assert tally.deducted + tally.refused == tally.rows
    assert {who: credits.balance(who, "tokens").posted for who in funds} == expected
    assert first.credits == sum(funds.values()) - sum(expected.values())

    before = verify(credits.database).entries
    again = Replay(credits, TRACE, columns).run()
    assert (again.deducted, again.replayed, again.refused) == (0, tally.deducted, tally.refused)
    assert verify(credits.database).entries == before
    assert {who: credits.balance(who, "tokens").posted for who in funds} == expected


def computed(funds: dict[str, int]) -> tuple[dict[str, int], dict[int, int]]:
    """What must be left, and which rows nobody can pay for with how much, by plain arithmetic over the file."""
    left, refused = dict(funds), dict[int, int]()
    with TRACE.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            who = f"user-{number % ACCOUNTS + 1}"
            cost = int(row["ContextTokens"]) + int(row["GeneratedTokens"])
            if cost <= left[who]:
                left[who] -= cost
            else:
                refused[number + 1] = cost
    return left, refused


def talk(columns: dict[str, str], *, model: str | None = None) -> Charge:
    """A charge of `talk` with the model of a column, or the same one for all rows."""
    return Charge("talk", columns, {"model": model} if model else {}, {} if model else {"model": "model"})


@pytest.mark.row("C9", "D7")
def test_rows_are_charged_by_a_rate_card(credits: Credits, table: Callable[..., Path]):
    credits.grant("ada", "chat", 100, key="g", source="purchase")
    file = table(
        "who,model,in,out",
        "ada,swift,1000,0",
        "ada,deep,0,1000",
        "ada,swift,0,0",
        "ada,swift,-1,0",
        "ada,,1,1",
        "bob,x,1,0",
    )
    priced = Usage(None, (), "who", charge=talk({"input_tokens": "in", "output_tokens": "out"}))
    run = Replay(credits, file, priced)
    assert rejected(run) == [(4, 5, "invalid_amount"), (5, 6, "invalid_field"), (6, 7, "insufficient_credits")]
    tally = run.tally
    assert (tally.rows, tally.deducted, tally.empty, tally.refused, tally.unreadable) == (6, 2, 1, 1, 2)
    assert (run.credits, run.credit_type) == (Decimal("10.15"), "chat")
    assert [line.operation for line in credits.history("ada", kinds=["deduct"]).data] == ["talk", "talk"]
    again = Replay(credits, file, priced).run()
    assert (again.deducted, again.replayed) == (0, 2)


@pytest.mark.row("C9", "D7", "L16")
@pytest.mark.skipif(not TRACE.is_file(), reason=f"FARTHING_TEST_DATA names no folder with {TRACE.name}")
def test_an_hour_of_real_traffic_costs_what_the_card_says(
    credits: Credits, record_property: Callable[[str, object], None]
):
    for number in range(1, ACCOUNTS + 1):
        credits.grant(f"user-{number}", "chat", 10_000, key="g", source="purchase")
    priced = talk({"input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"}, model="swift")
    columns = Usage(None, (), None, ACCOUNTS, "user-", "TIMESTAMP", charge=priced)
    run, started = Replay(credits, TRACE, columns), perf_counter()
    tally = run.run()
    record_property("figure", f"replay by a rate card: {tally.rows / (perf_counter() - started):,.0f} rows a second")
    spent = in_cents()
    assert (tally.rows, tally.deducted, tally.refused, tally.unreadable) == (19_366, 19_366, 0, 0)
    assert run.credits == Decimal(sum(spent.values())) / 100
    for who, cents in spent.items():
        assert credits.balance(who, "chat").posted == 10_000 - Decimal(cents) / 100
    again = Replay(credits, TRACE, columns).run()
    assert (again.deducted, again.replayed) == (0, tally.deducted)


def in_cents() -> dict[str, int]:
    """What each account's rows cost in hundredths of a credit, each row rounded up, in whole numbers alone."""
    spent: dict[str, int] = defaultdict(int)
    with TRACE.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            exact = 15 * int(row["ContextTokens"]) + 60 * int(row["GeneratedTokens"])  # thousandths of a hundredth
            spent[f"user-{number % ACCOUNTS + 1}"] += -(-exact // 1000)
    return spent


def test_a_database_that_goes_away_stops_the_run_and_the_next_one_finishes_it(
    postgresql: Databases, table: Callable[..., Path]
):
    rows = 3_000
    file = table("who,tokens", *("ada,1" for _ in range(rows)))
    with postgresql.migrated() as url:
        with farthing.open(url, catalog=parse(CATALOG)) as credits:
            credits.grant("ada", "tokens", rows, key="g", source="purchase")
            stopped = Replay(credits, file, usage(), parallel=100)
            with pytest.raises(Unavailable):
                stopped.run(progress=lambda done, total: shut(url, allow=False))
        shut(url, allow=True)
        with farthing.open(url, catalog=parse(CATALOG)) as credits:
            tally = Replay(credits, file, usage(), parallel=100).run()
            assert 0 < stopped.tally.deducted < rows
            assert (tally.replayed, tally.deducted) == (stopped.tally.deducted, rows - stopped.tally.deducted)
            assert credits.balance("ada", "tokens").posted == 0
            assert verify(credits.database).faults == []


def test_an_interrupted_run_says_what_it_did_and_the_next_one_finishes_it(
    credits: Credits, table: Callable[..., Path], database_url: str, tmp_path: Path
):
    rows = 20_000
    file = table("who,tokens", *("ada,1" for _ in range(rows)))
    (tmp_path / "farthing.toml").write_text(CATALOG)
    credits.grant("ada", "tokens", rows + 7, key="g", source="purchase")
    command = [sys.executable, "-m", "farthing", "replay", str(file), "--credit-type", "tokens"]
    command += ["--amount", "tokens", "--account", "who", "--parallel", "64", "--json"]
    environment = os.environ | {"FARTHING_DATABASE_URL": database_url}
    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for _ in count():
        if credits.balance("ada", "tokens").posted < rows or running.poll() is not None:
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert running.returncode == 130, err
    stopped = json.loads(out)
    assert not stopped["finished"]
    assert 0 < stopped["deducted"] < rows
    assert credits.balance("ada", "tokens").posted == rows + 7 - stopped["deducted"]
    assert json.loads(err)["code"] == "interrupted"

    finished = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(finished.stdout)
    assert (told["finished"], told["replayed"], told["rows"]) == (True, stopped["deducted"], rows)
    assert credits.balance("ada", "tokens").posted == 7
