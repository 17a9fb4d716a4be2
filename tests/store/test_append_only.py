"""The database itself refuses to change what was recorded."""

import pytest

from farthing import Credits
from farthing.store.dialects import REFUSAL
from tests.kit import proved


@pytest.fixture
def recorded(credits: Credits) -> Credits:
    credits.grant("ada", "images", 10, key="g", source="gift", reason="r", actor="a", metadata={"m": 1})
    credits.deduct("ada", "images", 3, key="d")
    return credits


def refuse(credits: Credits, statement: str) -> None:
    with pytest.raises(Exception, match=REFUSAL), credits.database.writing() as session:
        session.execute(statement)


@pytest.mark.row("L12")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM farthing_entries",
        "DELETE FROM farthing_entries WHERE seq = 2",
        "UPDATE farthing_entries SET amount = 11 WHERE seq = 1",
        "UPDATE farthing_entries SET key = 'other' WHERE seq = 1",
        "UPDATE farthing_entries SET key = NULL WHERE seq = 1",
        "UPDATE farthing_entries SET reason = 'another' WHERE seq = 1",
        "UPDATE farthing_entries SET reason = NULL, actor = NULL, metadata = NULL, amount = 0",
        "INSERT INTO farthing_entries SELECT * FROM farthing_entries WHERE seq = 1 "
        "ON CONFLICT (account, credit_type, seq) DO UPDATE SET amount = 99",
    ],
)
def test_update_and_delete_are_refused(recorded: Credits, statement: str):
    refuse(recorded, statement)


@pytest.mark.row("L12")
def test_replace_is_refused_by_row_and_by_key(sqlite, clock):
    with sqlite.migrated() as url, proved(url, clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        columns = "account, credit_type, {}, kind, 99, held_change, posted_after, held_after, pending_after, draws, "
        columns += (
            "opened, source, {}, content, link, operation, reason, actor, metadata, catalog_version, effective_at, "
        )
        columns += "recorded_at, occurred_at, seal"
        for seq, key in (("seq", "'new'"), ("seq + 1", "key")):
            refuse(
                credits,
                f"INSERT OR REPLACE INTO farthing_entries SELECT {columns.format(seq, key)} FROM farthing_entries",
            )


@pytest.mark.row("L12")
def test_truncate_is_refused(postgresql, clock):
    with postgresql.migrated() as url, proved(url, clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        refuse(credits, "TRUNCATE farthing_entries")
        refuse(credits, "TRUNCATE farthing_wallets, farthing_entries CASCADE")


def test_blanking_the_words_about_people_is_the_one_change_allowed(recorded: Credits):
    with recorded.database.writing() as session:
        session.execute(
            "UPDATE farthing_entries SET reason = NULL, actor = NULL, metadata = NULL WHERE account = 'ada'"
        )
    assert [(line.reason, line.actor, line.metadata) for line in recorded.history("ada").data] == [(None,) * 3] * 2
