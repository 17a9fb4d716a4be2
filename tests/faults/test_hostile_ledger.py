"""What a hostile reading of the ledger found: credits miscounted, lost or unprovable."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import localcontext
from enum import IntEnum, StrEnum

import pytest

import farthing
from farthing import Credits
from farthing.errors import CatalogInvalid, DatabaseUnreachable, FarthingError, OutcomeUnknown, ScaleChanged
from farthing.store.dialects.pipe import Pipe
from tests.kit import SHOP, Clock, shop
from tests.selling import STORE, selling, tell


class Operation(StrEnum):
    RENDER = "render"


class Source(StrEnum):
    GIFT = "gift"


class Priority(IntEnum):
    FIRST = 1


@pytest.mark.parametrize("words", [{"operation": Operation.RENDER}, {"actor": Operation.RENDER}])
def test_an_enumerated_operation_is_a_word_like_any_other(database_url: str, clock: Clock, words):
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        credits.deduct("ada", "images", 3, key="d", **words)
        assert credits.verify().faults == []


def test_an_enumerated_source_priority_and_currency_are_what_they_equal(database_url: str, clock: Clock):
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 10, key="g", source=Source.GIFT)
        credits.grant("bob", "images", 10, key="g", source="gift", priority=Priority.FIRST)
        assert credits.verify().faults == []


def test_a_process_with_the_other_scale_cannot_touch_wallets_that_exist(database_url: str, clock: Clock):
    whole, cents = shop(SHOP), shop(SHOP.replace('"Image credits"', '"Image credits"\nscale = 2'))
    with (
        farthing.open(database_url, catalog=whole, clock=clock) as old,
        farthing.open(database_url, catalog=cents, clock=clock) as new,  # both start on an empty ledger
    ):
        old.grant("ada", "images", 1000, key="g", source="gift")
        with pytest.raises(ScaleChanged):
            new.deduct("ada", "images", 5, key="d")
        assert old.balance("ada", "images").posted == 1000


def test_a_block_whose_transaction_died_does_not_end_well(database_url: str, clock: Clock):
    """The application swallows an error of its own statement: PostgreSQL turns its COMMIT into a ROLLBACK."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        given = None
        try:
            with credits.begin() as tx:
                given = tx.grant("ada", "images", 10, key="g", source="purchase")
                with suppress(Exception):
                    tx.session.execute("SELECT * FROM no_such_table_of_the_host")
        except FarthingError:
            given = None  # the block said that it did not happen
        assert credits.balance("ada", "images").posted == (10 if given else 0)


def test_what_may_have_been_committed_is_never_called_unchanged(database_url: str, clock: Clock, monkeypatch):
    """The first COMMIT arrives, its answer does not, and then the server is away for longer than the retries."""
    with farthing.open(database_url, catalog=shop(), clock=clock) as credits:
        credits.grant("ada", "images", 10, key="g", source="gift")
        database = credits.database
        real, state = type(database)._connection, {"cut": False}

        class Cut:
            def __init__(self, connection):
                self._connection = connection

            def __getattr__(self, name):
                return getattr(self._connection, name)

            def commit(self):
                self._connection.commit()
                state["cut"] = True
                raise ConnectionError("gone")

        @contextmanager
        def connection(self, engine, begin):
            if state["cut"]:
                raise DatabaseUnreachable("The database does not answer. Nothing was changed.")
            with real(self, engine, begin) as one:
                yield Cut(one)

        trouble = database.dialect.trouble
        monkeypatch.setattr(
            database.dialect, "trouble", lambda error: "lost" if isinstance(error, ConnectionError) else trouble(error)
        )
        leave = Pipe.__exit__

        def cut(self, *error):
            leave(self, *error)
            state["cut"] = True
            raise ConnectionError("gone")

        monkeypatch.setattr(type(database), "_connection", connection)
        monkeypatch.setattr(Pipe, "__exit__", cut)
        with pytest.raises(OutcomeUnknown):
            credits.deduct("ada", "images", 3, key="d")
        monkeypatch.undo()
        assert credits.balance("ada", "images").posted == 7


def test_an_order_that_can_be_paid_can_be_fulfilled(database_url: str, clock: Clock):
    """`expires = "9999y"` passes the catalog's check; the money comes and the credits never do."""
    try:
        text = STORE.replace('expires = "90d"', 'expires = "9999y"')
        shop(text)
    except CatalogInvalid:
        return
    with selling(database_url, clock, text) as credits:
        order = credits.checkout("ada", package="starter", key="buy").order
        tell(credits, order, "payment.paid", id="evt_1")
        assert credits.order("ada", order.id).status == "fulfilled"
        assert credits.balance("ada", "images").posted == 110


def test_the_applications_decimal_context_changes_no_balance(credits: Credits):
    credits.grant("ada", "chat", "1234567.89", key="g", source="gift")
    with localcontext(prec=6):
        balance = credits.balance("ada", "chat").posted
        assert str(balance) == "1234567.89"


def test_a_life_beyond_all_years_is_refused_by_name(credits: Credits):
    with pytest.raises(FarthingError):
        credits.grant("ada", "images", 1, key="g", source="gift", expires=timedelta(days=999_999_999))


def test_deep_metadata_is_refused_or_can_be_read_again(credits: Credits):
    deep: dict = {}
    for _ in range(900):
        deep = {"a": deep}
    try:
        credits.grant("ada", "images", 1, key="g", source="gift", metadata=deep)
    except FarthingError:
        return
    assert credits.history("ada").data[0].metadata == deep
