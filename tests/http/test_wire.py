"""Numbers, times and texts on the wire: what is written reads back the same, also by readers that only have doubles."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.amounts import to_credits
from farthing.http.wire import Unreadable, read, write

UNITS = st.integers(-(10**15) + 1, 10**15 - 1)


@pytest.mark.row("D1")
@given(UNITS, st.integers(0, 9))
def test_an_amount_is_written_plainly_and_read_back_exactly_even_by_a_browser(units: int, scale: int):
    amount = to_credits(units, scale)
    written = write(amount)
    assert set(written) <= set("-0123456789.")
    assert not ("." in written and written.endswith(("0", ".")))
    assert Decimal(str(read(written.encode()))) == amount
    as_a_double = float(json.loads(written))
    assert Decimal(repr(as_a_double)) == amount


@given(st.recursive(st.none() | st.booleans() | UNITS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.text(), inner), max_leaves=10))  # fmt: skip
def test_whatever_is_written_any_json_reader_reads(value: object):
    assert json.loads(write(value).encode("utf-8", "backslashreplace")) == value
    assert read(write(value).encode("utf-8", "backslashreplace")) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,0123456789.eE+-ntf \\u', max_size=60).map(str.encode))
def test_bytes_of_any_kind_are_read_or_called_unreadable(body: bytes):
    try:
        read(body)
    except Unreadable as error:
        assert str(error)


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00Z"'),
        (datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC), '"2026-01-01T12:00:00.000005Z"'),
        (datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), '"2026-01-01T10:00:00Z"'),
    ],
)
def test_times_are_rfc_3339_in_utc(at: datetime, written: str):
    assert write(at) == written
