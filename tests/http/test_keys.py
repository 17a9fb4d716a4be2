"""API keys: shown once, kept as digests, rotated and revoked."""

from datetime import timedelta

import pytest

import farthing
from farthing import Credits, keys
from farthing.errors import InvalidField, NotFound
from farthing.keys import CACHE_S, NOTED_EVERY_S, Keyring
from tests.databases import Databases
from tests.kit import Clock, shop


@pytest.mark.row("D2")
def test_a_secret_is_found_again_and_stands_nowhere_in_the_database(credits: Credits, clock: Clock):
    key_id, secret = keys.create(credits, "render farm", ["spend", "read"])
    found = keys.find(credits, secret)
    assert found is not None
    assert (found.id, found.name, found.created_at) == (key_id, "render farm", clock.now)
    assert found.as_dict()["scopes"] == ["read", "spend"]
    assert secret.startswith(found.prefix)
    assert (len(secret), len(found.prefix)) == (len("frt_test_") + 43, len("frt_test_") + 6)
    with credits.database.reading() as session:
        [row] = session.execute("SELECT * FROM farthing_api_keys")
    assert secret not in repr(row)
    assert keys.list_keys(credits) == [found]


@pytest.mark.row("D2")
def test_what_was_never_made_is_not_found(credits: Credits):
    _, secret = keys.create(credits, "one", ["read"])
    for wrong in ("", "frt_test_", secret[:-1], secret + "A", secret.swapcase(), "\udcff", "x" * 100_000):
        assert keys.find(credits, wrong) is None


@pytest.mark.row("D2")
@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_secret_says_the_mode_of_its_database(databases: Databases, mode: str):
    with databases.empty() as url:
        farthing.migrate(url, mode=mode)
        with farthing.open(url, catalog=shop()) as credits:
            _, secret = keys.create(credits, "one", ["read"])
    assert keys.mode_of(secret) == mode


@pytest.mark.parametrize("scopes", [[], ["reed"], ["read", "everything"], "", [""]])
def test_a_key_needs_scopes_that_exist(credits: Credits, scopes: list[str]):
    with pytest.raises(InvalidField, match="read, spend, grant, sell, admin"):
        keys.create(credits, "one", scopes)
    assert keys.list_keys(credits) == []


@pytest.mark.parametrize("name", [None, "", "x" * 101, "a\nb"])
def test_a_key_needs_a_name_people_can_read(credits: Credits, name: str):
    with pytest.raises(InvalidField):
        keys.create(credits, name, ["read"])


@pytest.mark.row("D2")
def test_a_rotated_key_works_on_for_its_overlap_beside_the_new_one(credits: Credits, clock: Clock):
    key_id, secret = keys.create(credits, "one", ["read"])
    new_id, new_secret = keys.rotate(credits, key_id, overlap=timedelta(hours=1))
    ring = Keyring(credits)
    assert [key and key.id for key in map(ring.verify, (secret, new_secret))] == [key_id, new_id]
    clock.move("1h")
    assert ring.verify(secret) is None
    assert [key.name for key in keys.list_keys(credits)] == ["one", "one"]
    with pytest.raises(NotFound, match="revoked"):
        keys.rotate(credits, key_id)


@pytest.mark.row("D2")
def test_a_revoked_key_ends_everywhere_within_five_seconds(credits: Credits, clock: Clock):
    key_id, secret = keys.create(credits, "one", ["read"])
    elsewhere = Keyring(credits)
    assert elsewhere.verify(secret)
    keys.revoke(credits, key_id)
    assert elsewhere.known(secret)
    clock.move(timedelta(seconds=CACHE_S))
    assert elsewhere.known(secret) is None
    assert elsewhere.verify(secret) is None


@pytest.mark.row("D2")
def test_a_clock_stepped_back_keeps_no_revoked_key_alive(credits: Credits, clock: Clock):
    key_id, secret = keys.create(credits, "one", ["read"])
    elsewhere = Keyring(credits)
    elsewhere.verify(secret)
    keys.revoke(credits, key_id)
    clock.move(timedelta(hours=-1))
    assert elsewhere.known(secret) is None


def test_revoking_twice_keeps_the_first_instant_and_an_earlier_end_wins(credits: Credits, clock: Clock):
    key_id, _ = keys.create(credits, "one", ["read"])
    keys.rotate(credits, key_id, overlap=timedelta(days=1))
    clock.move("1h")
    ended = keys.revoke(credits, key_id).revoked_at
    assert ended == clock.now
    clock.move("1h")
    assert keys.revoke(credits, key_id).revoked_at == ended
    with pytest.raises(NotFound):
        keys.revoke(credits, "key_nobody")


@pytest.mark.row("D2")
def test_the_last_use_is_noted_once_a_minute(credits: Credits, clock: Clock):
    _, secret = keys.create(credits, "one", ["read"])
    ring, other_process = Keyring(credits), Keyring(credits)
    key = ring.verify(secret)
    assert key
    assert (ring.due(key), ring.due(key)) == (True, False)
    first = clock.now
    keys.note_use(credits, key)
    clock.move(timedelta(seconds=NOTED_EVERY_S - 1))
    keys.note_use(credits, key)
    assert keys.list_keys(credits)[0].last_used_at == first
    seen_elsewhere = other_process.verify(secret)
    assert seen_elsewhere
    assert other_process.due(seen_elsewhere) is False
    clock.move("1s")
    assert ring.due(key)
    keys.note_use(credits, key)
    assert keys.list_keys(credits)[0].last_used_at == clock.now


def test_the_keys_a_process_remembers_are_bounded(credits: Credits, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "_MOST_CACHED", 3)
    ring = Keyring(credits)
    secrets = [keys.create(credits, f"key {n}", ["read"])[1] for n in range(5)]
    assert all(ring.verify(secret) for secret in secrets)
    assert [ring.known(secret) is not None for secret in secrets] == [False, False, True, True, True]
